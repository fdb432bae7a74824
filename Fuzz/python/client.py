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
    from llm_exporter import sender, spool, transport, usage
    from llm_exporter.backlog import Batch

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


def _check_usage(found: usage.Usage | None) -> None:
    for count in found or ():
        assert count is None or (type(count) is int and count >= 0), found


def test_usage(data: bytes) -> None:
    """A usage holds counts, and is the same of a dictionary and of an object with its members as attributes."""
    streams = [usage.StreamUsage(), usage.StreamUsage()]
    try:
        answers = [(answer, _as_object(answer)) for document in _documents(data) for answer in _objects(document, [])]
    except RecursionError:
        return
    for document, twin in answers:
        found = usage.read_usage(document)
        _check_usage(found)
        assert found == usage.read_usage(twin), (found, usage.read_usage(twin))
        failure = usage.read_failure(document)
        assert failure is None or isinstance(failure, str), failure
        assert failure == usage.read_failure(twin), failure
        streams[0].add(document)
        streams[1].add(twin)
        _check_usage(streams[0].usage)
        for name in ("usage", "complete", "failure"):
            assert getattr(streams[0], name) == getattr(streams[1], name), name


def test_reply(data: bytes) -> None:
    """An answer's counts are those of the batch; a time to wait is a time."""
    answer = transport.Answer(200, data, None, None)
    reply = answer.json()
    taken = sender._taken(reply, _RECORDS)
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
