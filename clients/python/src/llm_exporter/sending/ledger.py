"""The account of all records of a process: how many came, where they wait, and how they ended."""

from __future__ import annotations

import collections
import threading

from .backlog import Backlog, Load
from .flushes import Flush, Flushes
from .statistics import Statistics

__all__ = ["Ledger"]


class Ledger:
    """Counts each record when it comes and when it ends, and ends the flushes that waited for that.

    `lock` guards this object, the inbox and the flushes. The threads of the agent take it, so no section under it does
    I/O, calls foreign code or takes long. It is reentrant, because the garbage collector may end an abandoned stream,
    and so record its call, anywhere, even within such a section. The counts are consistent whenever it is free.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The state of a process that has recorded nothing; for a forked child too."""
        self.lock = threading.RLock()
        self.flushes = Flushes()
        self.behind = Load()
        """The records that the backlog holds in memory."""
        self.stored = 0
        """Records that the backlog holds on disk."""
        self._recorded = 0
        self._settled = 0
        self._counts: collections.Counter[str] = collections.Counter()

    def statistics(self, waiting: int) -> Statistics:
        """- `waiting`: records in the inbox."""
        with self.lock:
            queued = waiting + self.behind.starts + self.behind.ends + self.stored
            return Statistics(recorded=self._recorded, queued=queued, **self._counts)

    def record(self) -> None:
        """Counts a record that the agent has made."""
        with self.lock:
            self._recorded += 1

    def count(self, name: str, count: int) -> None:
        with self.lock:
            self._counts[name] += count

    def drop(self, records: int) -> None:
        """Counts records that the agent has made and that are lost."""
        with self.lock:
            self._settled += records
            self._counts["dropped"] += records
            self.flushes.settled(self._settled)

    def copy_sizes(self, backlog: Backlog) -> None:
        """Notes what the backlog holds now; called by the thread that has changed it."""
        with self.lock:
            self.behind, self.stored = backlog.load, backlog.stored

    def finish(self, backlog: Backlog, adopted: bool, **counts: int) -> None:
        """Counts how the records of a batch ended that has just left `backlog`; all in one step for readers."""
        with self.lock:
            self.copy_sizes(backlog)
            for name, count in counts.items():
                self._counts[name] += count
            if not adopted:
                self._settled += sum(counts.values())
                self.flushes.settled(self._settled)

    def adopt(self, backlog: Backlog, records: int) -> None:
        """Counts records that `backlog` has taken over from processes that died."""
        with self.lock:
            self.copy_sizes(backlog)
            self._counts["adopted"] += records

    def forget_memory(self) -> int:
        """Counts as dropped what the backlog had in memory, as it is gone; how many records that were."""
        with self.lock:
            lost, self.behind = self.behind.starts + self.behind.ends, Load()
            self.drop(lost)
            return lost

    # Waiting.

    def all_settled(self) -> bool:
        with self.lock:
            return self._settled >= self._recorded

    def flush(self, patient: bool) -> Flush:
        """A wait for all records so far, to be ended by `leave`."""
        with self.lock:
            flush = Flush(self._recorded, patient)
            if self._settled >= flush.target:
                flush.finish(True)
            self.flushes.add(flush)
            return flush

    def leave(self, flush: Flush) -> None:
        with self.lock:
            self.flushes.remove(flush)

    def answer_flushes(self) -> None:
        with self.lock:
            self.flushes.settled(self._settled)

    def end_flushes(self) -> None:
        with self.lock:
            self.flushes.end(self._settled)

    def wake_flushes(self) -> None:
        with self.lock:
            self.flushes.wake()

    def disappoint_flushes(self) -> None:
        with self.lock:
            self.flushes.disappoint()
