"""One LLM call: the fields that the exporter accepts, as a Python value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

__all__ = ["LLMCallMetrics"]


@dataclass
class LLMCallMetrics:
    """One finished LLM call.

    Only the three names are required. Leave out what you do not know: 0 counts as measured. If a value is outside its
    bounds, it is left out, or a name is corrected, and the call still counts: see `Statistics.mended`.
    """

    agent_name: str
    """The agent. 1 to 256 bytes of UTF-8, no control characters, not beginning with ``_``; the next two are alike."""
    provider: str
    """The provider, as price tables name it: ``openai``, ``anthropic``."""
    model: str
    """The model."""

    status: str = "success"
    """``success``, or what failed: ``error``, ``timeout``, ``cancelled``, ``rate_limited``, or a word of your own
    (``[a-z][a-z0-9_]{0,31}``)."""

    input_tokens: Optional[int] = None
    """Tokens sent, including those read from and written to a cache. All tokens are from 0 to 1e12."""
    output_tokens: Optional[int] = None
    """Tokens received, including reasoning."""
    total_tokens: Optional[int] = None
    """Only if it is not input plus output."""
    cache_read_tokens: Optional[int] = None
    """Part of the input. Read and written together are at most the input."""
    cache_write_tokens: Optional[int] = None
    """Part of the input."""
    reasoning_tokens: Optional[int] = None
    """Part of the output."""
    cache_write_1h_tokens: Optional[int] = None
    """Part of `cache_write_tokens`: kept for an hour or longer. Providers charge more for it."""
    input_audio_tokens: Optional[int] = None
    """Part of the input that no cache gave or took. With the images and both cached parts, at most the input."""
    output_audio_tokens: Optional[int] = None
    """Part of the output. With the images and the reasoning, at most the output."""
    input_image_tokens: Optional[int] = None
    """As `input_audio_tokens`."""
    output_image_tokens: Optional[int] = None
    """As `output_audio_tokens`."""

    cost_usd: Optional[float] = None
    """US dollars, 0 to 1e6. If None, the exporter computes it from its price table, or counts the call as unpriced."""

    latency_ms: Optional[float] = None
    """Milliseconds of the whole call, 0 to 864e5."""
    api_latency_ms: Optional[float] = None
    """Milliseconds spent waiting for the provider, 0 to 864e5."""
    ttft_ms: Optional[float] = None
    """Milliseconds from the request to the first token, of a stream; 0 to 864e5, and at most `latency_ms`."""

    memory_rss_mb: Optional[float] = None
    """Resident memory of this process, in MB of 1024 x 1024 bytes."""
    memory_available_mb: Optional[float] = None
    """Memory available on the host, in the same unit."""

    id: Optional[str] = None
    """Unique within `agent_name`, 1 to 256 bytes. If None, the client makes one. Either way a retry counts once."""
    error_type: Optional[str] = None
    """The kind of error, ``[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}``; only if `status` is not ``success``."""
    timestamp: Optional[float] = None
    """Unix seconds, for the exemplar. If None, the time of recording."""
    trace_id: Optional[str] = None
    """1 to 64 hex digits: makes the call an exemplar of its latency buckets."""

    response_model: Optional[str] = None
    """The model that answered, if it has another name; bounds as `model`. Its price is used if `model` has none."""
    service_tier: Optional[str] = None
    """The tier that served the call, ``[a-z][a-z0-9_]{0,31}``: ``batch``, ``flex`` and ``priority`` have own prices."""
    web_search_requests: Optional[int] = None
    """Searches of the web that the provider bills for, 0 to 1e6."""
    search_context_size: Optional[str] = None
    """``low``, ``medium`` or ``high``: which of the provider's fees for a search applies."""
    billing: Optional[str] = None
    """``metered``, or ``plan`` if a subscription pays for the call; None is ``metered``."""
