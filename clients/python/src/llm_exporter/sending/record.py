"""Encodes a call as a line of NDJSON, within the exporter's bounds.

The exporter rejects a record for one bad value. An agent must not lose a call for that, so every value is checked here:
a value outside its bounds is corrected or left out, and reported.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import sys
from typing import Any, Callable, NamedTuple

from ..metrics import LLMCallMetrics
from . import bounds

__all__ = ["START_PREFIX", "Ids", "Line", "encode", "snapshot", "weight"]

START_PREFIX = b'{"event":"start",'
"""The beginning of the line of a start, and of no other line."""

_FIELDS = (
    "agent_name",
    "provider",
    "model",
    "id",
    "status",
    "error_type",
    "trace_id",
    *bounds.WORDS,
    "timestamp",
    *bounds.COUNTS,
    *bounds.AMOUNTS,
)
_REQUIRED_TEXTS = 3
_TEXTS = _FIELDS.index("timestamp")

snapshot: Callable[[LLMCallMetrics], tuple[Any, ...]] = operator.attrgetter(*_FIELDS)
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
    agent_name, provider, model = values[:_REQUIRED_TEXTS]
    try:
        size = 1024 + len(agent_name) + len(provider) + len(model)
        for value in values[_REQUIRED_TEXTS:_TEXTS]:
            if value is not None:
                size += len(value)
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
    fitting = _Fitting(dict(zip(_FIELDS, values)))
    agent_name = fitting.name("agent_name")
    call_id = fitting.fit("id", bounds.id_text) or new_id()
    if start:
        fitting.fields = {"event": "start", "agent_name": agent_name, "id": call_id}
    else:
        fitting.fields = {
            "agent_name": agent_name,
            "provider": fitting.name("provider"),
            "model": fitting.name("model"),
            "id": call_id,
        }
        fitting.set_status()
        fitting.set_counts()
        fitting.set_amounts()
        fitting.set_words()
        fitting.set_exemplar(recorded_at)
    return Line(agent_name, _to_json(fitting.fields).encode() + b"\n", tuple(fitting.mended))


class _Fitting:
    """Puts the values of one call into the fields of its record."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self.fields: dict[str, Any] = {}
        self.mended: list[str] = []

    def name(self, field: str) -> str:
        value = self._given[field]
        name = bounds.name(value) if isinstance(value, str) else bounds.UNKNOWN
        if name != value:
            self.mended.append(field)
        return name

    def fit(self, field: str, rule: Callable[[Any], Any]) -> Any:
        value = self._given[field]
        if value is None:
            return None
        fitted = rule(value)
        if (fitted != value) if isinstance(value, str) else (fitted is None or field == "status"):
            self.mended.append(field)
        return fitted

    def set_status(self) -> None:
        status = self.fit("status", bounds.status) or "success"
        if status == "success":
            if self._given["error_type"] is not None:
                self.mended.append("error_type")
            return
        self.fields["status"] = status
        if (error_type := self.fit("error_type", bounds.error_type)) is not None:
            self.fields["error_type"] = error_type

    def set_counts(self) -> None:
        counts = {field: value for field, rule in bounds.COUNTS.items() if (value := self.fit(field, rule)) is not None}
        read = counts.get("cache_read_tokens", 0)
        if "cache_write_tokens" not in counts and counts.get("cache_write_1h_tokens"):
            counts["cache_write_tokens"] = counts["cache_write_1h_tokens"]  # it is a part of what was written
        written = counts.get("cache_write_tokens", 0)
        plain_input = counts.get("input_tokens", 0) - read - written
        if plain_input < 0:
            self._leave_out(counts, "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
            plain_input, written = counts.get("input_tokens", 0), 0
        self._limit(counts, written, "cache_write_1h_tokens")
        self._limit(counts, plain_input, "input_audio_tokens", "input_image_tokens")
        plain_output = counts.get("output_tokens", 0) - counts.get("reasoning_tokens", 0)
        if plain_output < 0:
            self._leave_out(counts, "reasoning_tokens")
            plain_output = counts.get("output_tokens", 0)
        self._limit(counts, plain_output, "output_audio_tokens", "output_image_tokens")
        self.fields.update(counts)

    def _leave_out(self, counts: dict[str, int], *parts: str) -> None:
        """Leaves out parts that are more than their whole."""
        self.mended.append(parts[0])
        for part in parts:
            counts.pop(part, None)

    def _limit(self, counts: dict[str, int], most: int, *parts: str) -> None:
        """Limits parts to what they are parts of, in their order; leaves out those of which nothing remains."""
        for part in parts:
            if counts.get(part, 0) > most:
                self.mended.append(part)
                if most == 0:
                    del counts[part]
                    continue
                counts[part] = most
            most -= counts.get(part, 0)

    def set_amounts(self) -> None:
        for field, rule in bounds.AMOUNTS.items():
            if (amount := self.fit(field, rule)) is not None:
                self.fields[field] = amount
        if self.fields.get("ttft_ms", 0.0) > self.fields.get("latency_ms", sys.float_info.max):
            del self.fields["ttft_ms"]
            self.mended.append("ttft_ms")

    def set_words(self) -> None:
        for field, rule in bounds.WORDS.items():
            value = self._given[field]
            if value is None:
                continue
            if field != "response_model" and isinstance(value, str):
                value = self._given[field] = value.lower()
            if (word := self.fit(field, rule)) is not None:
                self.fields[field] = word

    def set_exemplar(self, recorded_at: float) -> None:
        if (trace_id := self.fit("trace_id", bounds.trace_id)) is not None:
            self.fields["trace_id"] = trace_id
            # Only exemplars use it.
            timestamp = self.fit("timestamp", bounds.timestamp)
            self.fields["timestamp"] = recorded_at if timestamp is None else timestamp


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
