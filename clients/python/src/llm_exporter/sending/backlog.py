"""Batches that wait for the exporter, the oldest first: in memory, and on disk if there is a spool."""

from __future__ import annotations

import collections
from typing import NamedTuple, Optional

from .record import START_PREFIX

__all__ = ["Backlog", "Batch", "Load"]


class Load(NamedTuple):
    """The records that wait in memory."""

    starts: int = 0
    ends: int = 0
    bytes: int = 0


class Batch(NamedTuple):
    """Records of one agent, sent in one request. A retry sends the same bytes, so the ids are the same."""

    agent_name: str
    body: bytes
    """NDJSON."""
    records: int
    created: float
    """Unix seconds."""
    adopted: bool = False
    """Left behind by a process that died."""
    starts: int = 0
    """Those of its records that report only the start of a call. Not known of a batch that was read from disk."""

    def halves(self) -> list[Batch]:
        """Two batches of the same records, for an exporter that takes only shorter bodies."""
        lines = self.body.splitlines(keepends=True)
        middle = len(lines) // 2
        return [self._of(lines[:middle]), self._of(lines[middle:])]

    def without_starts(self) -> Batch:
        """The batch without its starts: of a process that died, whose calls are no longer active; or to make room."""
        return self._of([line for line in self.body.splitlines(keepends=True) if not line.startswith(START_PREFIX)])

    def _of(self, lines: list[bytes]) -> Batch:
        starts = sum(line.startswith(START_PREFIX) for line in lines)
        return self._replace(body=b"".join(lines), records=len(lines), starts=starts)


class Backlog:
    """The queue of batches, in memory. One thread at a time uses it."""

    def __init__(self) -> None:
        self._batches: collections.deque[Batch] = collections.deque()
        self.records = 0
        """Records in memory."""
        self._starts = 0
        self._bytes = 0

    @property
    def load(self) -> Load:
        """The records that it holds in memory."""
        return Load(self._starts, self.records - self._starts, self._bytes)

    @property
    def stored(self) -> int:
        """Records that outlive this process."""
        return 0

    needs_maintenance = False
    """Whether `maintain` has something to look for."""

    def append(self, batch: Batch) -> bool:
        """Takes a batch; False when it is full, and the batch is lost."""
        self._batches.append(batch)
        self._weigh(batch, 1)
        return True

    def head(self) -> Optional[Batch]:
        """The oldest batch, which stays."""
        return self._batches[0] if self._batches else None

    def pop(self) -> None:
        """Drops the oldest batch, which was answered or given up."""
        self._weigh(self._batches.popleft(), -1)

    def split(self) -> None:
        """Replaces the oldest batch by its two halves."""
        halves = self._batches.popleft().halves()
        self._batches.extendleft(reversed(halves))

    def drop_starts(self) -> int:
        """Drops the starts of calls that are in memory, to make room for ends, and returns how many that were.

        Not during a request with the oldest batch: its answer counts the records that were sent.
        """
        dropped = self._starts
        if dropped:
            kept = [batch.without_starts() if batch.starts else batch for batch in self._batches]
            self.drop_memory()
            for batch in kept:
                if batch.records:
                    Backlog.append(self, batch)
        return dropped

    def secure(self) -> None:
        """Syncs what is on disk; called when batches have to wait."""

    def maintain(self) -> int:
        """Adopts the files of processes that died, and returns how many records that added. Called now and then."""
        return 0

    def close(self) -> None:
        """Closes the files. Another process may adopt them from now on."""

    def drop_memory(self) -> None:
        """Drops the batches in memory."""
        self._batches.clear()
        self.records = self._starts = self._bytes = 0

    def forsake(self) -> None:
        """Forgets everything; for a forked child, as all of it is the parent's."""
        self.drop_memory()

    def _weigh(self, batch: Batch, sign: int) -> None:
        self.records += sign * batch.records
        self._starts += sign * batch.starts
        self._bytes += sign * len(batch.body)
