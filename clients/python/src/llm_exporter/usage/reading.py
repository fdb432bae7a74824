"""The usage and the facts that a provider's answer reports."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Optional

__all__ = ["Reading", "Usage"]


class Usage(NamedTuple):
    """Tokens of a call, as the exporter counts them: input includes cached tokens, output includes reasoning."""

    input_tokens: Optional[int] = None
    output_tokens: Optional[int] = None
    total_tokens: Optional[int] = None
    cache_read_tokens: Optional[int] = None
    cache_write_tokens: Optional[int] = None
    reasoning_tokens: Optional[int] = None
    cache_write_1h_tokens: Optional[int] = None
    """Part of `cache_write_tokens`: kept for an hour or longer."""
    input_audio_tokens: Optional[int] = None
    """Parts of the input and the output that no cache gave or took, as are the next three."""
    output_audio_tokens: Optional[int] = None
    input_image_tokens: Optional[int] = None
    output_image_tokens: Optional[int] = None
    web_search_requests: Optional[int] = None
    """Searches that the provider bills for."""

    def adding(self, other: Usage) -> Usage:
        """The sum; None adds nothing."""
        return Usage(*(b if a is None else a if b is None else a + b for a, b in zip(self, other)))

    def updated(self, newer: Usage) -> Usage:
        """The values of `newer`; where it has None, those of `self`."""
        return Usage(*(a if b is None else b for a, b in zip(self, newer)))


class Reading(NamedTuple):
    """One answer of a provider, as read."""

    key: Hashable
    """Which answer it is: the answer's id if it has one, else the answer itself, compared by identity."""
    usage: Optional[Usage] = None
    response_model: Optional[str] = None
    service_tier: Optional[str] = None
    failure: Optional[str] = None
    """The code of a failure that came as an answer: OpenAI's responses say ``"status": "failed"`` with a 200."""
    search_context_size: Optional[str] = None

    def updated(self, newer: Reading) -> Reading:
        """The values of `newer`, a later reading of the same answer; where it has None, those of `self`."""
        usage = newer.usage if self.usage is None or newer.usage is None else self.usage.updated(newer.usage)
        known = (b if b is not None else a for a, b in zip(self[2:], newer[2:]))
        return Reading(self.key, usage if usage is not None else self.usage, *known)
