"""The exporter's bounds of each field: a value within them is kept; any other is corrected, or becomes None.

An agent may set any object as a value. If a method of that object raises, the caller has to catch it.
"""

from __future__ import annotations

import hashlib
import math
import operator
import re
from functools import lru_cache
from typing import Any, Callable, Optional

__all__ = ["AMOUNTS", "COUNTS", "UNKNOWN", "WORDS", "error_type", "id_text", "name", "status", "timestamp", "trace_id"]

UNKNOWN = "unknown"

_NAME_BYTES = 256
_ID_BYTES = 256
_MAX_TOKENS = 10**12
_MAX_SEARCHES = 10**6
_MAX_COST_USD = 1e6
_MAX_LATENCY_MS = 864e5
_MAX_MEMORY_MB = 1e9

# Unicode category Cc.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_ERROR_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")
_TRACE_ID = re.compile(r"[0-9A-Fa-f]{1,64}\Z")


@lru_cache(maxsize=4096)
def name(value: str) -> str:
    """A name of an agent, a provider or a model; `UNKNOWN` if nothing is left of it."""
    text = _whole(_CONTROL.sub(" ", value)).strip(" ").lstrip("_ ")
    return _cut(text, _NAME_BYTES).rstrip(" ") or UNKNOWN


def id_text(value: Any) -> Optional[str]:
    try:
        text = _whole(str(value))
    except Exception:  # as of an int of 5000 digits
        return None
    if not text:
        return None
    # Not cut: two long ids may begin alike. Not new either: the start and the end of a call must stay together.
    return text if len(text.encode("utf-8")) <= _ID_BYTES else hashlib.sha256(text.encode("utf-8")).hexdigest()


def status(value: Any) -> str:
    return _word(value) or "error"


def error_type(value: Any) -> Optional[str]:
    if not isinstance(value, str):
        return None
    if _ERROR_TYPE.match(value):
        return value
    word = re.sub(r"[^A-Za-z0-9_.:-]+", "_", value).strip("_.:-")[:64]
    return word if _ERROR_TYPE.match(word) else None


def trace_id(value: Any) -> Optional[str]:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 256:
        return f"{value:032x}"  # OpenTelemetry for Python holds it as a number
    return value if isinstance(value, str) and _TRACE_ID.match(value) else None


def timestamp(value: Any) -> Optional[float]:
    if hasattr(value, "timestamp"):
        try:
            value = value.timestamp()
        except Exception:
            return None
    return _amount(value, math.inf)


def _response_model(value: Any) -> Optional[str]:
    text = name(value) if isinstance(value, str) else UNKNOWN
    return None if text == UNKNOWN else text


def _one_of(*words: str) -> Callable[[Any], Optional[str]]:
    def rule(value: Any) -> Optional[str]:
        word = _word(value)
        return word if word in words else None

    return rule


def _word(value: Any) -> Optional[str]:
    if isinstance(value, str):
        if _WORD.match(value):
            return value
        word = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_0123456789")[:32]
        if _WORD.match(word):
            return word
    return None


def _count(value: Any, most: int) -> Optional[int]:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    try:
        count = operator.index(value)  # numpy's integers too
    except TypeError:
        return None
    return count if 0 <= count <= most else None


def _amount(value: Any, most: float) -> Optional[float]:
    if isinstance(value, (bool, str, bytes)):
        return None
    try:
        number = float(value)  # Decimal, Fraction and numpy's numbers too
    except Exception:
        return None
    if not 0 <= number <= most or number == math.inf:  # NaN is never within
        return None
    return number + 0.0  # turns -0.0 into 0.0


def _count_up_to(most: int) -> Callable[[Any], Optional[int]]:
    return lambda value: _count(value, most)


def _amount_up_to(most: float) -> Callable[[Any], Optional[float]]:
    return lambda value: _amount(value, most)


def _whole(text: str) -> str:
    """Without lone surrogates, which have no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _cut(text: str, size: int) -> str:
    encoded = text.encode("utf-8")
    return text if len(encoded) <= size else encoded[:size].decode("utf-8", "ignore")


_tokens = _count_up_to(_MAX_TOKENS)

COUNTS: dict[str, Callable[[Any], Optional[int]]] = {
    "input_tokens": _tokens,
    "output_tokens": _tokens,
    "total_tokens": _tokens,
    "cache_read_tokens": _tokens,
    "cache_write_tokens": _tokens,
    "reasoning_tokens": _tokens,
    "cache_write_1h_tokens": _tokens,
    "input_audio_tokens": _tokens,
    "output_audio_tokens": _tokens,
    "input_image_tokens": _tokens,
    "output_image_tokens": _tokens,
    "web_search_requests": _count_up_to(_MAX_SEARCHES),
}
AMOUNTS: dict[str, Callable[[Any], Optional[float]]] = {
    "cost_usd": _amount_up_to(_MAX_COST_USD),
    "latency_ms": _amount_up_to(_MAX_LATENCY_MS),
    "api_latency_ms": _amount_up_to(_MAX_LATENCY_MS),
    "ttft_ms": _amount_up_to(_MAX_LATENCY_MS),
    "memory_rss_mb": _amount_up_to(_MAX_MEMORY_MB),
    "memory_available_mb": _amount_up_to(_MAX_MEMORY_MB),
}
WORDS: dict[str, Callable[[Any], Optional[str]]] = {
    "response_model": _response_model,
    "service_tier": _word,
    "search_context_size": _one_of("low", "medium", "high"),
    "billing": _one_of("metered", "plan"),
}
