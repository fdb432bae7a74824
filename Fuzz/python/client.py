#!/usr/bin/env python3
"""Fuzzes what the Python client reads: providers' answers, the exporter's answers, and spool files.

The name of the program selects the target, as for the targets in C and Swift: scripts/fuzz makes a link for each.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import pathlib
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import atheris

with atheris.instrument_imports(include=["llm_exporter"]):
    from llm_exporter import usage
    from llm_exporter.sending import spool, transport, verdict
    from llm_exporter.sending.backlog import Batch

_RECORDS = 3


def _documents(data: bytes) -> list[Any]:
    """The JSON documents of an input, one a line, or the whole."""
    documents = []
    for line in [data, *data.splitlines()]:
        with contextlib.suppress(ValueError, RecursionError):
            documents.append(json.loads(line))
    return documents


def _objects(value: Any, found: list[Any]) -> list[Any]:
    """The objects in a document, a hundred at most: an answer stands within what a proxy or a log made of it."""
    if isinstance(value, dict) and len(found) < 100:
        found.append(value)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        _objects(inner, found)
    return found


def _as_object(value: Any) -> Any:
    """As a provider's package gives it out: attributes instead of members."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _as_object(member) for name, member in value.items()})
    return [_as_object(element) for element in value] if isinstance(value, list) else value


_EVENTS = {
    "chunk",
    "metadata",
    "messageStart",
    "messageStop",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
}


def _is_always_a_dictionary(value: Any) -> bool:
    """Whether a document holds what no package gives out as an object: events of Bedrock, updates of LangGraph."""
    if isinstance(value, list):
        return any(map(_is_always_a_dictionary, value))
    if not isinstance(value, dict):
        return False
    if len(value) == 1 and _EVENTS.issuperset(value):
        return True
    return any(
        (isinstance(member, dict) and isinstance(member.get("messages"), list)) or _is_always_a_dictionary(member)
        for member in value.values()
    )


def _check_usage(found: usage.Usage | None) -> None:
    for count in found or ():
        assert count is None or (type(count) is int and count >= 0), found


def _check(readings: list[usage.Reading]) -> list[usage.Reading]:
    """The readings without their keys, which are other objects for an object that is its own key."""
    keys = [reading.key for reading in readings]
    assert len(set(keys)) == len(keys), keys
    for reading in readings:
        _check_usage(reading.usage)
        for word in reading[2:]:
            assert word is None or (type(word) is str and word), reading
    return [reading._replace(key=None) for reading in readings]


def test_usage(data: bytes) -> None:
    """A usage holds counts, and is the same of a dictionary and of an object with its members as attributes."""
    streams = [usage.StreamUsage(), usage.StreamUsage()]
    try:
        documents = _documents(data)
        answers = [(answer, _as_object(answer)) for document in documents for answer in _objects(document, [])]
        are_alike = not _is_always_a_dictionary(documents)
    except RecursionError:
        return
    for document, twin in answers:
        readings = _check(usage.read_answers(document))
        _check_usage(usage.read_usage(document))
        twins = _check(usage.read_answers(twin))
        assert readings == twins or not are_alike, (readings, twins)
        streams[0].add(document)
        streams[1].add(twin)
        read = [_check(stream.readings()) for stream in streams]
        assert read[0] == read[1] or not are_alike, read
        for name in ("complete", "has_token"):
            assert getattr(streams[0], name) == getattr(streams[1], name) or not are_alike, name


def test_reply(data: bytes) -> None:
    """An answer's counts are those of the batch; a time to wait is a time."""
    answer = transport.Answer(200, data, None, None)
    reply = answer.json()
    taken = verdict._taken(reply, _RECORDS)
    if taken is not None:
        assert all(type(count) is int and count >= 0 for count in taken), taken
        assert sum(taken) == _RECORDS, taken
    text = data.decode("latin-1")
    wait = transport._retry_after(text)
    assert wait is None or (wait >= 0 and not math.isnan(wait)), wait
    value = transport.header_value(data.decode("utf-8", "replace"))
    assert value.isascii() and value.isprintable(), value


def _read(descriptor: int, adopted: bool) -> list[Batch]:
    segment = spool._Segment("spool", descriptor, adopted)
    batches = []
    try:
        while (found := segment.read()) is not None:
            batch, following = found
            assert segment.start < following <= segment.end, following
            assert batch.body.count(b"\n") == batch.records >= 0, batch
            assert math.isfinite(batch.created), batch
            batch.agent_name.encode()
            batches.append(batch)
            segment.start = following
    except ValueError:  # damage, which the spool drops with all behind it
        pass
    return batches


_spool_file = os.memfd_create("spool")


def test_spool(data: bytes) -> None:
    """A file of any content gives batches or an error that the spool expects; damage behind a batch leaves it whole."""
    body = data[: len(data) // 2].replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
    whole = spool._frame(Batch("agent é", body, 1, 1.5))
    os.ftruncate(_spool_file, 0)
    os.pwrite(_spool_file, data, 0)
    _read(_spool_file, False)
    _read(_spool_file, True)
    os.ftruncate(_spool_file, 0)
    os.pwrite(_spool_file, whole + data, 0)
    first, *_ = _read(_spool_file, False)
    assert first == Batch("agent é", body, 1, 1.5), first
    first, *_ = _read(_spool_file, True)
    assert first.adopted and first.body in (body, b""), first


TARGETS: dict[str, Callable[[bytes], None]] = {
    "client-usage": test_usage,
    "client-reply": test_reply,
    "client-spool": test_spool,
}

if __name__ == "__main__":
    name = pathlib.Path(sys.argv[0]).name
    if name not in TARGETS:
        sys.exit(f"no target '{name}'; there are: {', '.join(TARGETS)}")
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
