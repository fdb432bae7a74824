"""The usage of Gemini's answers.

The prompt excludes what tools added to it, and the answer excludes thoughts. Both are added, as both are billed.
Details are by modality; those of the prompt include what a cache gave.
"""

from __future__ import annotations

from typing import Any, Optional

from .counts import first, sum_of, without
from .fields import count, items, text
from .reading import Usage

__all__ = ["gemini", "interaction"]


def gemini(usage: Any, inputs: Optional[int], outputs: Optional[int], is_snake_case: bool) -> Usage:
    def name(snake_case: str) -> str:
        head, *rest = snake_case.split("_")
        return snake_case if is_snake_case else head + "".join(word.capitalize() for word in rest)

    def of_modality(modality: str, *places: str) -> Optional[int]:
        return _of_modality(usage, modality, "token_count", "tokenCount", *map(name, places))

    thoughts = count(usage, name("thoughts_token_count"))
    outputs = first(outputs, count(usage, name("response_token_count")))  # the Live API's name
    prompt = ("prompt_tokens_details", "tool_use_prompt_tokens_details")
    return Usage(
        sum_of([inputs, count(usage, name("tool_use_prompt_token_count"))]),
        sum_of([outputs, thoughts]),
        count(usage, name("total_token_count")),
        count(usage, name("cached_content_token_count")),
        None,
        thoughts,
        None,
        without(of_modality("AUDIO", *prompt), of_modality("AUDIO", "cache_tokens_details")),
        of_modality("AUDIO", "candidates_tokens_details", "response_tokens_details"),
        without(of_modality("IMAGE", *prompt), of_modality("IMAGE", "cache_tokens_details")),
        of_modality("IMAGE", "candidates_tokens_details", "response_tokens_details"),
    )


def interaction(usage: Any, inputs: Optional[int], outputs: Optional[int]) -> Usage:
    """Gemini's Interactions API."""

    def of_modality(modality: str, *places: str) -> Optional[int]:
        return _of_modality(usage, modality, "tokens", "tokens", *places)

    thoughts = count(usage, "total_thought_tokens")
    prompt = ("input_tokens_by_modality", "tool_use_tokens_by_modality")
    searches = [tool for tool in items(usage, "grounding_tool_count") if text(tool, "type") == "google_search"]
    return Usage(
        sum_of([inputs, count(usage, "total_tool_use_tokens")]),
        sum_of([outputs, thoughts]),
        count(usage, "total_tokens"),
        count(usage, "total_cached_tokens"),
        None,
        thoughts,
        None,
        without(of_modality("AUDIO", *prompt), of_modality("AUDIO", "cached_tokens_by_modality")),
        of_modality("AUDIO", "output_tokens_by_modality"),
        without(of_modality("IMAGE", *prompt), of_modality("IMAGE", "cached_tokens_by_modality")),
        of_modality("IMAGE", "output_tokens_by_modality"),
        sum_of(count(tool, "count") for tool in searches),
    )


def _of_modality(usage: Any, modality: str, name: str, other_name: str, *places: str) -> Optional[int]:
    return sum_of(
        count(part, name, other_name)
        for place in places
        for part in items(usage, place)
        if (text(part, "modality") or "").upper() == modality
    )
