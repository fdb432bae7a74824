"""What is known of one LLM call: the fields that the exporter takes, as a Python value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

__all__ = ["LLMCallMetrics"]


@dataclass
class LLMCallMetrics:
    """One finished LLM call.

    Only the three names are needed; leave out what you do not know, for 0 is a measurement. A value outside its bounds
    is left out of the record, or a name mended, and the call still counts: see `Statistics.mended`.
    """

    agent_name: str
    """Whose call. 1 to 256 bytes of UTF-8, no control characters, not beginning with ``_``; so are the next two."""
    provider: str
    """Who answered, as the price tables call it: ``openai``, ``anthropic``."""
    model: str
    """What answered."""

    status: str = "success"
    """``success``, or what went wrong: ``error``, ``timeout``, ``cancelled``, ``rate_limited``, or a word of yours
    (``[a-z][a-z0-9_]{0,31}``)."""

    input_tokens: Optional[int] = None
    """Tokens sent, those read from and written to a cache included. 0 to 1e12, as are all tokens."""
    output_tokens: Optional[int] = None
    """Tokens received, reasoning included."""
    total_tokens: Optional[int] = None
    """Only where it is not input plus output."""
    cache_read_tokens: Optional[int] = None
    """Part of the input; together with the next at most the input."""
    cache_write_tokens: Optional[int] = None
    """Part of the input."""
    reasoning_tokens: Optional[int] = None
    """Part of the output."""

    cost_usd: Optional[float] = None
    """US dollars, 0 to 1e6. Left out, the exporter computes it from its price table, or counts the call as unpriced."""

    latency_ms: Optional[float] = None
    """Milliseconds of the whole call, 0 to 864e5."""
    api_latency_ms: Optional[float] = None
    """Milliseconds spent waiting for the provider, 0 to 864e5."""

    memory_rss_mb: Optional[float] = None
    """Resident memory of this process, in MB of 1024 x 1024 bytes."""
    memory_available_mb: Optional[float] = None
    """Memory that the host can still give, in the same MB."""

    id: Optional[str] = None
    """Unique within `agent_name`, 1 to 256 bytes. Left out, one is made: a retry then counts once either way."""
    error_type: Optional[str] = None
    """What kind of error, ``[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}``; only where `status` is not ``success``."""
    timestamp: Optional[float] = None
    """Unix seconds, for the exemplar. Left out, it is the time of recording."""
    trace_id: Optional[str] = None
    """1 to 64 hex digits: makes the call an exemplar of its latency buckets."""
