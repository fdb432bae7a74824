"""Reads the counts of tokens that an answer carries, by the names that they have there.

"Input" means different things in different shapes:

- OpenAI, LiteLLM, LangChain, Pydantic AI: the input includes tokens read from and written to a cache.
- Anthropic, Bedrock: the input excludes both, so they are added.
- Gemini: the output excludes thoughts, and the input what tools added to the prompt; both are added.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from .counts import at_most, first, sum_of, without
from .fields import MOCKS, PLAIN, count, field, first_field, items, members, package, text
from .gemini import gemini, interaction
from .reading import Usage

__all__ = ["ollama_tokens", "tokens"]

_PAIRS = (
    ("prompt_tokens", "completion_tokens"),  # chat completions, LiteLLM, most others
    ("input_tokens", "output_tokens"),  # responses, Anthropic, LangChain, Pydantic AI
    ("inputTokens", "outputTokens"),  # Bedrock's Converse
    ("prompt_token_count", "candidates_token_count"),  # google-genai
    ("promptTokenCount", "candidatesTokenCount"),  # Gemini's API
    ("total_input_tokens", "total_output_tokens"),  # Gemini's interactions
    ("inputTokenCount", "outputTokenCount"),  # Bedrock's InvokeModel
    ("request_tokens", "response_tokens"),  # Pydantic AI below 1.0
)
_READ_NAMES = (
    "cache_read_input_tokens",  # Anthropic, LiteLLM
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Cohere, Moonshot
    "cached_prompt_tokens",  # CrewAI
    "cached_prompt_text_tokens",  # xAI
)
_WRITTEN_NAMES = ("cache_creation_input_tokens", "cache_creation_tokens")
_SHORT_LIVES = ("ephemeral_5m_input_tokens", "ephemeral_30m_input_tokens", "ttl_30m_tokens")
_LONG_LIVES = ("ephemeral_1h_input_tokens", "ephemeral_12h_input_tokens", "ttl_12h_tokens")
_LIVES = frozenset((*_SHORT_LIVES, *_LONG_LIVES))
_BESIDE_INPUT = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")


def tokens(usage: Any, model: Optional[str] = None) -> Optional[Usage]:
    """The tokens of a usage object; None if it has none, or if both counts are 0, as some senders write for unknown."""
    if type(usage) in PLAIN or package(usage) in MOCKS or type(usage).__name__ == "UnreportedUsage":
        return None  # the last is LiteLLM's, for a stream whose provider sent no usage
    usage = members(usage)
    shape, inputs, outputs = _counts(usage)
    if not shape:
        found = _cohere(usage)
    elif shape in ("prompt_token_count", "promptTokenCount"):
        found = gemini(usage, inputs, outputs, shape == "prompt_token_count")
    elif shape == "total_input_tokens":
        found = interaction(usage, inputs, outputs)
    elif shape in ("inputTokens", "inputTokenCount"):
        found = _bedrock(usage, inputs, outputs)
    elif field(usage, "cache_read_tokens") is not None:
        found = _pydantic_ai(usage, inputs, outputs)
    else:
        found = _openai_or_anthropic(usage, inputs, outputs, shape == "prompt_tokens")
    return _fitted(found, model) if found.input_tokens or found.output_tokens else None


def ollama_tokens(answer: Any) -> Optional[Usage]:
    """The tokens of an answer of Ollama, which has them beside its text."""
    found = Usage(count(answer, "prompt_eval_count"), count(answer, "eval_count"))
    return found if found.input_tokens or found.output_tokens else None


def _counts(usage: Any) -> tuple[str, Optional[int], Optional[int]]:
    """The name of the input in the usage's shape, and both counts.

    If the shape lacks one of them, it is taken from another shape's name: half of the tokens is a wrong bill.
    """
    shape = ""
    inputs: Optional[int] = None
    outputs: Optional[int] = None
    for input_name, output_name in _PAIRS:
        if inputs is None:
            inputs = count(usage, input_name)
        if outputs is None:
            outputs = count(usage, output_name)
        if inputs is not None or outputs is not None:
            shape = shape or input_name
            if inputs is not None and outputs is not None:
                break
    return shape, inputs, outputs


def _openai_or_anthropic(usage: Any, inputs: Optional[int], outputs: Optional[int], is_chat: bool) -> Usage:
    """OpenAI's two shapes, Anthropic's and LangChain's, and those of others that took over their names."""
    of_input = members(first_field(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details"))
    of_output = members(
        first_field(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    )
    tier = _tier(of_input)
    cache = _Cache.of(usage, of_input, tier)
    if cache.is_beside_input and not is_chat and inputs is not None:
        inputs += (cache.read or 0) + (cache.written or 0)  # Anthropic
    iterations = items(usage, "iterations")
    if iterations:
        inputs, outputs, cache = _of_iterations(iterations, inputs, outputs, cache)
    return Usage(
        inputs,
        outputs,
        count(usage, "total_tokens"),
        cache.read,
        cache.written,
        first(
            count(of_output, "reasoning_tokens", "reasoning", "thinking_tokens", tier + "reasoning"),
            count(usage, "reasoning_tokens"),  # Perplexity, xAI
        ),
        cache.written_1h,
        _uncached(of_input, "audio_tokens", "audio"),
        count(of_output, "audio_tokens", "audio"),
        _uncached(of_input, "image_tokens", "image"),
        count(of_output, "image_tokens", "image"),
        _searches(usage, of_input),
    )


class _Cache(NamedTuple):
    """Tokens read from and written to a cache."""

    read: Optional[int]
    written: Optional[int]
    written_1h: Optional[int]
    is_beside_input: bool
    """Whether it is reported beside the input, not as details of it."""

    @classmethod
    def of(cls, usage: Any, of_input: Any, tier: str) -> _Cache:
        read = count(of_input, "cached_tokens", "cache_read", "cache_read_input_tokens", tier + "cache_read")
        written = count(
            of_input, "cache_write_tokens", "cache_creation", "cache_creation_tokens", tier + "cache_creation"
        )
        is_beside_input = read is None and written is None and first_field(usage, *_BESIDE_INPUT) is not None
        # Some senders leave a 0 in one place and write the count into another.
        read = read or first(count(usage, *_READ_NAMES), read)
        written = written or first(count(usage, *_WRITTEN_NAMES), written)
        short, long = _lives(usage, of_input)
        if not written and (short or long):
            written = (short or 0) + (long or 0)  # langchain-anthropic writes 0 beside the two
        return cls(read, written, long, is_beside_input)


def _lives(usage: Any, of_input: Any) -> tuple[Optional[int], Optional[int]]:
    """Tokens written to a cache for less than an hour, and for an hour or longer."""
    places = (
        field(usage, "cache_creation"),  # Anthropic
        of_input,  # LangChain
        field(of_input, "cache_creation_token_details"),  # LiteLLM
        field(of_input, "cache_write_tokens_details"),  # OpenAI's responses
    )
    for holder in map(members, places):
        if holder is not None and not (type(holder) is dict and _LIVES.isdisjoint(holder)):
            short = sum_of(count(holder, name) for name in _SHORT_LIVES)
            long = sum_of(count(holder, name) for name in _LONG_LIVES)
            if short is not None or long is not None:
                return short, long
    return None, None


def _tier(of_input: Any) -> str:
    """The prefix of LangChain's details of a call that OpenAI served by another tier than the standard one."""
    for tier in ("flex", "priority"):
        if count(of_input, tier, f"{tier}_cache_read") is not None:
            return f"{tier}_"
    return ""


def _of_iterations(
    iterations: Any, inputs: Optional[int], outputs: Optional[int], cache: _Cache
) -> tuple[Optional[int], Optional[int], _Cache]:
    """Anthropic's steps within one answer: where it compacted the context, the usage itself leaves some of them out."""
    iterations = [members(step) for step in iterations]
    found = [_Cache.of(step, None, "") for step in iterations]
    read, written = sum_of(one.read for one in found), sum_of(one.written for one in found)
    step_inputs = sum_of([sum_of(count(step, "input_tokens") for step in iterations), read, written])
    step_outputs = sum_of(count(step, "output_tokens") for step in iterations)
    if (step_inputs or 0) + (step_outputs or 0) <= (inputs or 0) + (outputs or 0):
        return inputs, outputs, cache
    written_1h = first(sum_of(one.written_1h for one in found), cache.written_1h)
    return step_inputs, step_outputs, _Cache(read, written, written_1h, True)


def _pydantic_ai(usage: Any, inputs: Optional[int], outputs: Optional[int]) -> Usage:
    # Fields of newer versions, which are 0 by default; older ones have them in the details.
    details = field(usage, "details")
    reasoning = count(usage, "output_reasoning_tokens")
    written_1h = count(usage, "cache_write_1h_tokens")
    return Usage(
        inputs,
        outputs,
        None,
        count(usage, "cache_read_tokens"),
        count(usage, "cache_write_tokens"),
        reasoning or first(count(details, "reasoning_tokens", "thoughts_tokens", "thinking_tokens"), reasoning),
        written_1h or first(count(details, "ephemeral_1h_input_tokens"), written_1h),
        without(count(usage, "input_audio_tokens"), count(usage, "cache_audio_read_tokens")),
        count(usage, "output_audio_tokens"),
        without(count(usage, "input_image_tokens"), count(usage, "cache_image_read_tokens")),
        count(usage, "output_image_tokens"),
        first(count(usage, "web_searches"), count(details, "web_search_requests")),
    )


def _bedrock(usage: Any, inputs: Optional[int], outputs: Optional[int]) -> Usage:
    read = count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    lives = [detail for detail in items(usage, "cacheDetails") if text(detail, "ttl") == "1h"]
    if inputs is not None:
        inputs += (read or 0) + (written or 0)
    return Usage(
        inputs,
        outputs,
        count(usage, "totalTokens"),
        read,
        written,
        cache_write_1h_tokens=sum_of(count(detail, "inputTokens") for detail in lives),
    )


def _cohere(usage: Any) -> Usage:
    """Cohere's: what is billed for, which is less than what the model read; else that."""
    for holder in (field(usage, "billed_units"), field(usage, "tokens")):
        inputs, outputs = count(holder, "input_tokens"), count(holder, "output_tokens")
        if inputs is not None or outputs is not None:
            return Usage(inputs, outputs, cache_read_tokens=at_most(count(usage, "cached_tokens"), inputs or 0))
    return Usage()


def _searches(usage: Any, of_input: Any) -> Optional[int]:
    return first(
        count(field(usage, "server_tool_use"), "web_search_requests"),  # Anthropic
        count(of_input, "web_search_requests"),  # LiteLLM
        count(usage, "num_search_queries"),  # Perplexity
        count(field(field(usage, "tool_calls_details"), "search_web"), "invocation"),  # Perplexity's responses
        count(field(usage, "server_side_tool_usage_details"), "web_search_calls"),  # xAI
    )


def _uncached(of_input: Any, name: str, short_name: str) -> Optional[int]:
    """Tokens of audio or images that no cache gave."""
    return without(count(of_input, name, short_name), count(field(of_input, "cached_tokens_details"), name))


def _fitted(usage: Usage, model: Optional[str]) -> Usage:
    """The same with wholes that include their parts, and parts that do not overlap."""
    inputs, outputs, total, read, written, reasoning = usage[:6]
    if inputs is not None and (read or 0) + (written or 0) > inputs:
        inputs += (read or 0) + (written or 0)  # it excluded them
    if outputs is None and inputs is not None and (total or 0) > inputs:
        outputs = (total or 0) - inputs
    elif inputs is None and outputs is not None and (total or 0) > outputs:
        inputs = (total or 0) - outputs
    if inputs is not None and outputs is not None:
        if reasoning and (reasoning > outputs or total == inputs + outputs + reasoning):  # xAI, Perplexity
            outputs += reasoning
        thoughts = (total or 0) - inputs - outputs
        if thoughts > 0 and "gemini" in (model or "").lower():  # Google's answers in OpenAI's shape
            outputs, reasoning = outputs + thoughts, (reasoning or 0) + thoughts
        total = None  # input and output make it up
    usage = usage._replace(input_tokens=inputs, output_tokens=outputs, total_tokens=total, reasoning_tokens=reasoning)
    return _limited(usage) if any(usage[6:11]) else usage


def _limited(usage: Usage) -> Usage:
    """Limits audio and images to what no cache gave or took, and a long life to what was written."""
    plain_input = (usage.input_tokens or 0) - (usage.cache_read_tokens or 0) - (usage.cache_write_tokens or 0)
    plain_output = (usage.output_tokens or 0) - (usage.reasoning_tokens or 0)
    input_audio = at_most(usage.input_audio_tokens, plain_input)
    output_audio = at_most(usage.output_audio_tokens, plain_output)
    return usage._replace(
        cache_write_1h_tokens=at_most(usage.cache_write_1h_tokens, usage.cache_write_tokens or 0),
        input_audio_tokens=input_audio,
        output_audio_tokens=output_audio,
        input_image_tokens=at_most(usage.input_image_tokens, plain_input - (input_audio or 0)),
        output_image_tokens=at_most(usage.output_image_tokens, plain_output - (output_audio or 0)),
    )
