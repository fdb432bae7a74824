"""Whether a chunk of a stream has a token: text, reasoning, a part of a tool call, audio."""

from __future__ import annotations

from typing import Any

from .fields import field, first_field, is_filled, items, members

__all__ = ["has_chat_token", "has_other_token"]


def has_chat_token(choice: Any) -> bool:
    """Whether a choice of a chat completion has a token."""
    delta = members(first_field(choice, "delta", "message"))
    if delta is None:
        return is_filled(field(choice, "text"))  # completions
    for name in ("content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal"):
        value = field(delta, name)
        if value is not True and is_filled(value):
            return True
    audio = field(delta, "audio")
    return audio is not None and is_filled(first_field(audio, "data", "transcript"))


def has_other_token(chunk: Any, is_answer: bool) -> bool:
    """Whether a chunk of any other shape has a token. A chunk of an unknown shape counts as one.

    - `is_answer`: whether the chunk has readings.
    """
    candidates = items(chunk, "candidates")
    if candidates:  # Gemini
        return any(is_filled(field(field(candidate, "content"), "parts")) for candidate in candidates)
    if type(field(chunk, "done")) is bool:  # Ollama
        message = first_field(chunk, "message")
        holder = chunk if message is None else message
        return any(is_filled(field(holder, name)) for name in ("content", "thinking", "tool_calls", "response"))
    if first_field(chunk, "usage_metadata", "usageMetadata") is not None:
        return is_filled(field(chunk, "content"))
    # A state of LangGraph begins with the question.
    return is_answer or not items(chunk, "messages")
