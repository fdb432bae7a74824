"""Batches, each of one agent, that records become."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Callable

from .backlog import Batch
from .inbox import Item
from .record import encode

__all__ = ["MAX_RECORDS", "Gathering"]

MAX_RECORDS = 500
_MAX_BYTES = 256 << 10
_ENCODED_AT_ONCE = 10


class Gathering:
    """Encodes records, in their order.

    - `items`: at most `MAX_RECORDS`.
    - `new_id`: makes the id of a record that has none.
    - `rest`: called now and then, to let other threads run.
    """

    def __init__(self, items: list[Item], new_id: Callable[[], str], rest: Callable[[], None]) -> None:
        self._items = items
        self._new_id = new_id
        self._rest = rest
        self.mended: list[str] = []
        """The fields whose value was outside its bounds, one for each record and field."""

    def batches(self) -> Iterator[Batch]:
        """Each as soon as it is full; the rest at the end."""
        open_batches: dict[str, _OpenBatch] = {}
        for count, (start, recorded_at, _, values) in enumerate(self._items, 1):
            line = encode(values, self._new_id, recorded_at, start)
            self.mended += line.mended
            batch = open_batches.get(line.agent_name)
            if batch is not None and batch.bytes + len(line.body) > _MAX_BYTES:
                yield open_batches.pop(line.agent_name).closed()
                batch = None
            if batch is None:
                batch = open_batches[line.agent_name] = _OpenBatch(line.agent_name)
            batch.add(line.body, start)
            if count % _ENCODED_AT_ONCE == 0:
                self._rest()
        for batch in open_batches.values():
            yield batch.closed()


class _OpenBatch:
    """A batch that takes more lines."""

    def __init__(self, agent_name: str) -> None:
        self.bytes = 0
        self._agent_name = agent_name
        self._lines: list[bytes] = []
        self._starts = 0

    def add(self, line: bytes, start: bool) -> None:
        self._lines.append(line)
        self._starts += start
        self.bytes += len(line)

    def closed(self) -> Batch:
        body = b"".join(self._lines)
        return Batch(self._agent_name, body, len(self._lines), time.time(), starts=self._starts)
