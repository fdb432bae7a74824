"""Reads token usage from the answers of providers' packages.

It reads the shape of the answer, never its type: no package is imported, and a dictionary from a raw HTTP call reads
the same. Shapes are distinguished because "input" means different things:

- OpenAI (chat completions, responses), LiteLLM, LangChain: the input includes tokens read from and written to a cache.
- Anthropic: the input excludes both, so they are added.

In a stream OpenAI and Anthropic send the totals so far, so the last one counts; LangChain's chunks add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

__all__ = ["StreamUsage", "Usage", "read_failure", "read_usage"]


class Usage(NamedTuple):
    """Tokens of a call, as the exporter counts them: input includes cached tokens, output includes reasoning."""

    input_tokens: Optional[int] = None
    output_tokens: Optional[int] = None
    total_tokens: Optional[int] = None
    cache_read_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    reasoning_tokens: Optional[int] = None

    def adding(self, other: Usage) -> Usage:
        """The sum; None adds nothing."""
        return Usage(*(b if a is None else a if b is None else a + b for a, b in zip(self, other)))

    def updated(self, newer: Usage) -> Usage:
        """The values of `newer`; where it has None, those of `self`."""
        return Usage(*(a if b is None else b for a, b in zip(self, newer)))


def read_usage(answer: Any) -> Optional[Usage]:
    """The usage of a whole answer, or None if it has none. Never fails."""
    try:
        return _of_answer(answer)
    except Exception:
        return None


def read_failure(answer: Any) -> Optional[str]:
    """The code of a failure that came as an answer: OpenAI's responses say ``"status": "failed"`` with a 200."""
    try:
        if _get(answer, "status") == "failed" and _get(answer, "object") == "response":
            code = _get(_get(answer, "error"), "code")
            return code if isinstance(code, str) else "failed"
    except Exception:
        pass
    return None


class StreamUsage:
    """Gathers the usage of a stream from its chunks."""

    def __init__(self) -> None:
        self.usage: Optional[Usage] = None
        self.complete = False
        """True once the provider has sent everything: a reader that then stops has missed nothing."""
        self.failure: Optional[str] = None
        self._anthropic: Optional[_Anthropic] = None

    def add(self, chunk: Any) -> None:
        """Reads one chunk. Never fails."""
        try:
            self._add(chunk)
        except Exception:
            pass

    def _add(self, chunk: Any) -> None:
        if chunk is None or isinstance(chunk, (str, bytes)):
            return
        kind = _get(chunk, "type")
        if isinstance(kind, str):
            if kind == "message_start":
                self._add_anthropic(_get(_get(chunk, "message"), "usage"))
                return
            if kind == "message_delta":
                self._add_anthropic(_get(chunk, "usage"))
                return
            if kind == "message_stop":
                self.complete = True
                return
            if kind == "chunk":  # openai's chat.completions.stream() wraps the chunk in an event
                chunk = _get(chunk, "chunk")
            elif kind.startswith("response."):
                if kind in ("response.completed", "response.incomplete", "response.failed"):
                    response = _get(chunk, "response")
                    self.usage = _of_answer(response) or self.usage
                    self.complete = True
                    self.failure = read_failure(response)
                return
        if (usage := _langchain(_get(chunk, "usage_metadata"))) is not None:
            self.usage = self.usage.adding(usage) if self.usage else usage
        elif (usage := _of_answer(chunk)) is not None:
            self.usage = self.usage.updated(usage) if self.usage else usage
        choices = _get(chunk, "choices")
        if isinstance(choices, (list, tuple)) and choices and _get(choices[0], "finish_reason"):
            self.complete = True

    def _add_anthropic(self, usage: Any) -> None:
        seen = _Anthropic.of(usage)
        if seen is not None:
            self._anthropic = self._anthropic.updated(seen) if self._anthropic else seen
            self.usage = self._anthropic.usage()


class _Anthropic(NamedTuple):
    """Anthropic's counts as they come: the three inputs do not overlap."""

    uncached: Optional[int]
    cache_read: Optional[int]
    cache_write: Optional[int]
    output: Optional[int]
    thinking: Optional[int]

    @classmethod
    def of(cls, usage: Any) -> Optional[_Anthropic]:
        counts = cls(
            _count(usage, "input_tokens"),
            _count(usage, "cache_read_input_tokens"),
            _count(usage, "cache_creation_input_tokens"),
            _count(usage, "output_tokens"),
            _count(_get(usage, "output_tokens_details"), "thinking_tokens"),
        )
        return counts if counts.uncached is not None or counts.output is not None else None

    def updated(self, newer: _Anthropic) -> _Anthropic:
        return _Anthropic(*(a if b is None else b for a, b in zip(self, newer)))

    def usage(self) -> Usage:
        inputs = (self.uncached, self.cache_read, self.cache_write)
        return Usage(
            input_tokens=None if self.uncached is None else sum(part or 0 for part in inputs),
            output_tokens=self.output,
            cache_read_tokens=self.cache_read,
            cache_write_tokens=self.cache_write,
            reasoning_tokens=self.thinking,
        )


def _of_answer(answer: Any) -> Optional[Usage]:
    if answer is None or isinstance(answer, (str, bytes)):
        return None
    if (found := _langchain(_get(answer, "usage_metadata"))) is not None:
        return found
    if (found := _of_usage(_get(answer, "usage"))) is not None:
        return found
    for place in ("response_metadata", "llm_output"):  # LangChain's older ones
        holder = _get(answer, place)
        if holder is not None:
            for name in ("token_usage", "usage"):
                if (found := _of_usage(_get(holder, name))) is not None:
                    return found
    return _of_generations(_get(answer, "generations"))


def _of_usage(usage: Any) -> Optional[Usage]:
    """The `usage` object of OpenAI, Anthropic and LiteLLM."""
    if usage is None:
        return None
    inputs, outputs = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if inputs is not None or outputs is not None:  # chat completions, LiteLLM
        details = _get(usage, "prompt_tokens_details")
        return Usage(
            inputs,
            outputs,
            _total(usage, inputs, outputs),
            _first(
                _count(details, "cached_tokens"),
                _count(usage, "cache_read_input_tokens"),
                _count(usage, "prompt_cache_hit_tokens"),  # DeepSeek
            ),
            _first(
                _count(details, "cache_write_tokens"),
                _count(details, "cache_creation_tokens"),
                _count(usage, "cache_creation_input_tokens"),
            ),
            _count(_get(usage, "completion_tokens_details"), "reasoning_tokens"),
        )
    details = _get(usage, "input_tokens_details")
    if details is None:
        anthropic = _Anthropic.of(usage)
        return anthropic.usage() if anthropic else None
    inputs, outputs = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if inputs is None and outputs is None:
        return None
    return Usage(
        inputs,
        outputs,
        _total(usage, inputs, outputs),
        _count(details, "cached_tokens"),
        _count(details, "cache_write_tokens"),
        _count(_get(usage, "output_tokens_details"), "reasoning_tokens"),
    )


def _langchain(usage: Any) -> Optional[Usage]:
    inputs, outputs = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if inputs is None and outputs is None:
        return None
    details = _get(usage, "input_token_details")
    return Usage(
        inputs,
        outputs,
        _total(usage, inputs, outputs),
        _count(details, "cache_read"),
        _count(details, "cache_creation"),
        _count(_get(usage, "output_token_details"), "reasoning"),
    )


def _of_generations(generations: Any) -> Optional[Usage]:
    """LangChain's LLMResult: a list for each prompt, whose first is the answer (the others share its usage)."""
    total: Optional[Usage] = None
    if isinstance(generations, (list, tuple)):
        for choices in generations:
            first = choices[0] if isinstance(choices, (list, tuple)) and choices else choices
            if (usage := _langchain(_get(_get(first, "message"), "usage_metadata"))) is not None:
                total = total.adding(usage) if total else usage
    return total


def _total(usage: Any, inputs: Optional[int], outputs: Optional[int]) -> Optional[int]:
    """Only where input and output do not make it up."""
    return None if inputs is not None and outputs is not None else _count(usage, "total_tokens")


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, Mapping):
        return holder.get(name)
    return None if holder is None else getattr(holder, name, None)


def _count(holder: Any, name: str) -> Optional[int]:
    value = _get(holder, name)
    # A mock answers every name; and True is an int.
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _first(*values: Optional[int]) -> Optional[int]:
    return next((value for value in values if value is not None), None)
