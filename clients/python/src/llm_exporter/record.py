"""Encodes a call as a line of NDJSON, within the exporter's bounds.

The exporter rejects a record for one bad value. An agent must not lose a call for that, so every value is checked here:
a name outside its bounds is corrected, any other such value is left out, and both are reported.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import operator
import os
import re
import sys
from functools import lru_cache
from typing import Any, Callable, NamedTuple, Optional

from .metrics import LLMCallMetrics

__all__ = ["START_PREFIX", "Ids", "Line", "encode", "snapshot", "weight"]

_NAME_BYTES = 256
_ID_BYTES = 256
_MAX_TOKENS = 10**12
_MAX_COST_USD = 1e6
_MAX_LATENCY_MS = 864e5
_MAX_MEMORY_MB = 1e9
_UNKNOWN = "unknown"

# Unicode category Cc.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_STATUS = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_ERROR_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")
_TRACE_ID = re.compile(r"[0-9A-Fa-f]{1,64}\Z")

START_PREFIX = b'{"event":"start",'
"""The beginning of the line of a start, and of no other line."""

snapshot: Callable[[LLMCallMetrics], tuple[Any, ...]] = operator.attrgetter(
    "agent_name",
    "provider",
    "model",
    "id",
    "status",
    "error_type",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "latency_ms",
    "api_latency_ms",
    "memory_rss_mb",
    "memory_available_mb",
    "timestamp",
    "trace_id",
)
"""The values of a call at this moment, read in one call into C. Later changes by the caller have no effect."""


class Line(NamedTuple):
    """A call as it is sent."""

    agent_name: str
    body: bytes
    """One JSON object and a line feed."""
    mended: tuple[str, ...]
    """The fields whose value was outside its bounds."""


def weight(values: tuple[Any, ...]) -> int:
    """Bytes that a waiting snapshot counts as: more than it takes, except for wide characters."""
    agent_name, provider, model, call_id, status, error_type = values[:6]
    try:
        size = 1024 + len(agent_name) + len(provider) + len(model) + len(status)
        if call_id is not None:
            size += len(call_id)
        if error_type is not None:
            size += len(error_type)
        if values[18] is not None:
            size += len(values[18])
        return size
    except Exception:  # something is not a string: rare, so it may be slow
        return 1024 + sum(sys.getsizeof(value, 1024) for value in values)


def encode(values: tuple[Any, ...], new_id: Callable[[], str], recorded_at: float, start: bool = False) -> Line:
    """Encodes a snapshot as a line. Never fails: see the head of this file.

    - `recorded_at`: Unix seconds; the time of an exemplar that has none.
    - `start`: whether the line reports only the start of the call.
    """
    try:
        return _encode(values, new_id, recorded_at, start)
    except BaseException:  # a method of a value failed or exited: plain values still count
        plain = tuple(value if type(value) in (str, int, float) else None for value in values)
        return _encode(plain, new_id, recorded_at, start)


def _encode(values: tuple[Any, ...], new_id: Callable[[], str], recorded_at: float, start: bool) -> Line:
    mended: list[str] = []

    def fit(name: str, value: Any, rule: Callable[[Any], Any]) -> Any:
        if value is None:
            return None
        fitted = rule(value)
        if (fitted != value) if isinstance(value, str) else (fitted is None or name == "status"):
            mended.append(name)
        return fitted

    agent_name = _name_or_unknown("agent_name", values[0], mended)
    call_id = fit("id", values[3], _id) or new_id()
    if start:
        body = _json({"event": "start", "agent_name": agent_name, "id": call_id})
        return Line(agent_name, body, tuple(mended))

    status = fit("status", values[4], _status) or "success"
    fields: dict[str, Any] = {
        "agent_name": agent_name,
        "provider": _name_or_unknown("provider", values[1], mended),
        "model": _name_or_unknown("model", values[2], mended),
        "id": call_id,
    }
    if status != "success":
        fields["status"] = status
        if (error_type := fit("error_type", values[5], _error_type)) is not None:
            fields["error_type"] = error_type
    elif values[5] is not None:
        mended.append("error_type")

    tokens = {name: fit(name, value, _tokens) for name, value in zip(_TOKEN_FIELDS, values[6:12])}
    parts = (tokens["cache_read_tokens"] or 0) + (tokens["cache_write_tokens"] or 0)
    if parts > (tokens["input_tokens"] or 0):
        tokens["cache_read_tokens"] = tokens["cache_write_tokens"] = None
        mended.append("cache_read_tokens")
    if (tokens["reasoning_tokens"] or 0) > (tokens["output_tokens"] or 0):
        tokens["reasoning_tokens"] = None
        mended.append("reasoning_tokens")
    fields.update((name, value) for name, value in tokens.items() if value is not None)

    for (name, bound), value in zip(_AMOUNTS, values[12:17]):
        if value is not None and (amount := fit(name, value, bound)) is not None:
            fields[name] = amount

    if (trace_id := fit("trace_id", values[18], _trace_id)) is not None:
        fields["trace_id"] = trace_id
        # Only exemplars use it.
        timestamp = fit("timestamp", values[17], _timestamp)
        fields["timestamp"] = recorded_at if timestamp is None else timestamp
    return Line(agent_name, _json(fields), tuple(mended))


class Ids:
    """Ids that no two processes share: 96 random bits of this one, and a count.

    Each costs a thousandth of a UUID. A forked child must make an `Ids` of its own.
    """

    def __init__(self) -> None:
        self._prefix = os.urandom(12).hex()
        self._count = itertools.count()

    def __call__(self) -> str:
        return f"{self._prefix}-{next(self._count)}"


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _json(fields: dict[str, Any]) -> bytes:
    return _to_json(fields).encode() + b"\n"


def _name_or_unknown(field: str, value: Any, mended: list[str]) -> str:
    name = _name(value) if isinstance(value, str) else _UNKNOWN
    if name != value:
        mended.append(field)
    return name


@lru_cache(maxsize=4096)
def _name(value: str) -> str:
    name = _whole(_CONTROL.sub(" ", value)).strip(" ").lstrip("_ ")
    return _cut(name, _NAME_BYTES).rstrip(" ") or _UNKNOWN


def _whole(text: str) -> str:
    """Without lone surrogates, which have no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _cut(text: str, size: int) -> str:
    encoded = text.encode("utf-8")
    return text if len(encoded) <= size else encoded[:size].decode("utf-8", "ignore")


def _id(value: Any) -> Optional[str]:
    try:
        text = _whole(str(value))
    except Exception:  # as of an int of 5000 digits
        return None
    if not text:
        return None
    # Not cut: two long ids may begin alike. Not new either: the start and the end of a call must stay together.
    return text if len(text.encode("utf-8")) <= _ID_BYTES else hashlib.sha256(text.encode("utf-8")).hexdigest()


def _status(value: Any) -> str:
    if isinstance(value, str):
        if _STATUS.match(value):
            return value
        word = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_0123456789")[:32]
        if _STATUS.match(word):
            return word
    return "error"


def _error_type(value: Any) -> Optional[str]:
    if not isinstance(value, str):
        return None
    if _ERROR_TYPE.match(value):
        return value
    word = re.sub(r"[^A-Za-z0-9_.:-]+", "_", value).strip("_.:-")[:64]
    return word if _ERROR_TYPE.match(word) else None


def _trace_id(value: Any) -> Optional[str]:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 256:
        return f"{value:032x}"  # OpenTelemetry for Python holds it as a number
    return value if isinstance(value, str) and _TRACE_ID.match(value) else None


def _timestamp(value: Any) -> Optional[float]:
    if hasattr(value, "timestamp"):
        try:
            value = value.timestamp()
        except Exception:
            return None
    return _amount(value, math.inf)


def _tokens(value: Any) -> Optional[int]:
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
    return count if 0 <= count <= _MAX_TOKENS else None


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


def _up_to(most: float) -> Callable[[Any], Optional[float]]:
    return lambda value: _amount(value, most)


_TOKEN_FIELDS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_AMOUNTS = (
    ("cost_usd", _up_to(_MAX_COST_USD)),
    ("latency_ms", _up_to(_MAX_LATENCY_MS)),
    ("api_latency_ms", _up_to(_MAX_LATENCY_MS)),
    ("memory_rss_mb", _up_to(_MAX_MEMORY_MB)),
    ("memory_available_mb", _up_to(_MAX_MEMORY_MB)),
)
