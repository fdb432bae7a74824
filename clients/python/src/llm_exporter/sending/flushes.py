"""Callers that wait until their records have ended."""

from __future__ import annotations

import queue
from typing import Optional

__all__ = ["Flush", "Flushes"]


class Flush:
    """A caller that waits until all records before it have ended."""

    def __init__(self, target: int, patient: bool) -> None:
        self.target = target
        """The number of records that have to end."""
        self.patient = patient
        """If False, the first failed attempt ends the wait, unless the exporter was reached before."""
        self.drained: Optional[bool] = None
        """Whether they have ended; None while that is open."""
        # Not an Event: a thread that the garbage collector interrupts in an Event's lock, to record a call, would wait
        # for the ledger's lock, while the thread that has that lock waits for the Event's.
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def finish(self, drained: bool) -> None:
        if self.drained is None:
            self.drained = drained
            self.wake()

    def wake(self) -> None:
        self._wakes.put(None)

    def sleep(self, timeout: float) -> None:
        """Waits for the next `wake`, also one that came before."""
        try:
            self._wakes.get(timeout=timeout)
        except queue.Empty:
            pass


class Flushes:
    """The callers that wait now. Guarded by the ledger's lock, which the caller of each method holds."""

    def __init__(self) -> None:
        self._waiting: list[Flush] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, flush: Flush) -> None:
        self._waiting.append(flush)

    def remove(self, flush: Flush) -> None:
        if flush in self._waiting:  # not in a child that was forked meanwhile
            self._waiting.remove(flush)

    def settled(self, records: int) -> None:
        """Ends the waits for the first `records` records."""
        for flush in self._waiting:
            if records >= flush.target:
                flush.finish(True)

    def disappoint(self) -> None:
        """Ends the waits that are not patient."""
        for flush in self._waiting:
            if not flush.patient:
                flush.finish(False)

    def end(self, records: int) -> None:
        """Ends all waits, when `records` records have ended and no more will."""
        for flush in self._waiting:
            flush.finish(records >= flush.target)

    def wake(self) -> None:
        for flush in self._waiting:
            flush.wake()
