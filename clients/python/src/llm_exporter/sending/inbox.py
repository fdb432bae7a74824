"""Records that the threads of the agent have made and that are in no batch yet, within the bounds of memory."""

from __future__ import annotations

import collections
import operator
import sys
import time
from typing import Any, Callable, NamedTuple

from ..metrics import LLMCallMetrics
from .ledger import Ledger
from .record import snapshot, weight
from .statistics import Statistics

__all__ = ["Bounds", "Holding", "Inbox", "Item"]

Item = tuple[bool, float, int, tuple[Any, ...]]
"""A record: whether it reports only a start, Unix seconds of recording, bytes of memory, and its values."""

_START_BYTES = 320
"""Bytes that a start counts as, beside its names: more than it takes."""
_STARTS_SHARE = 4
_SPARE_SHARE = 16
_TAKEN_AT_ONCE = 50
_MAX_REMARKS = 50

# All that the line of a start is made of: the first values of a `snapshot`.
_snapshot_of_start: Callable[[LLMCallMetrics], tuple[Any, ...]] = operator.attrgetter(
    "agent_name", "provider", "model", "id"
)


class Bounds(NamedTuple):
    """The most that waits in memory, in the inbox and in batches together.

    An end carries the bill, so no start may keep one out: starts are counted apart, have at most a quarter of the
    bytes, and give way to ends when the bytes are used up.
    """

    calls: int
    """So many starts and so many ends."""
    bytes: int

    def __str__(self) -> str:
        return f"at most {self.calls} calls in memory"


class Holding(NamedTuple):
    """The room that records take in the inbox."""

    starts: int
    ends: int
    bytes: int
    start_bytes: int

    @classmethod
    def of(cls, items: list[Item]) -> Holding:
        start_sizes = [size for start, _, size, _ in items if start]
        starts = len(start_sizes)
        return cls(starts, len(items) - starts, sum(item[2] for item in items), sum(start_sizes))


class Inbox:
    """The queue that the threads of the agent fill, and that the sender empties.

    Guarded by the ledger's lock, which each method takes.
    """

    def __init__(self, ledger: Ledger, bounds: Bounds) -> None:
        self._ledger = ledger
        self._bounds = bounds
        self._closed = False
        self.begin()

    def begin(self) -> None:
        """Empty; for a forked child too."""
        self._starts: collections.deque[Item] = collections.deque()
        self._ends: collections.deque[Item] = collections.deque()
        # Counts of the records in both, and of those that `take` has moved and `release` has not forgotten yet.
        self._held_starts = 0
        self._held_ends = 0
        self._held_bytes = 0
        self._held_start_bytes = 0
        self._overflowed = False
        self._reader_sleeps = False
        self.remarks: collections.deque[tuple[Any, ...]] = collections.deque(maxlen=_MAX_REMARKS)
        """Warnings about the records, for the thread that delivers: a kind, a format and its arguments."""

    def __len__(self) -> int:
        return len(self._starts) + len(self._ends)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> bool:
        """From now on records are dropped. Returns False if that was so already."""
        with self._ledger.lock:
            closed, self._closed = self._closed, True
            return not closed

    def put(self, metrics: LLMCallMetrics, start: bool, wake_at: int) -> bool:
        """Takes a record as it is now, or drops and counts it. Neither waits nor does I/O.

        Returns whether the sender is to be woken: it sleeps, or so many records as `wake_at` wait.
        """
        if start:
            values = _snapshot_of_start(metrics)
            size = _weight_of_start(values)
        else:
            values = snapshot(metrics)
            size = weight(values)
        with self._ledger.lock:
            self._ledger.record()
            if self._closed:
                self._ledger.drop(1)
                return False
            if not (self._has_room_for_start(size) if start else self._makes_room_for_end(size)):
                self._overflow()
                return False
            self._held_bytes += size
            if start:
                self._held_starts += 1
                self._held_start_bytes += size
                self._starts.append((start, time.time(), size, values))
            else:
                self._held_ends += 1
                self._ends.append((start, time.time(), size, values))
            wake = self._reader_sleeps or len(self) == wake_at
            self._reader_sleeps = False
            return wake

    def take(self, items: list[Item], most: int) -> None:
        """Moves the oldest records to `items`, at most so many. They count as waiting here until `release`."""
        starts, ends = self._starts, self._ends
        while len(items) < most and (starts or ends):
            with self._ledger.lock:  # again and again, because threads of the agent wait for it
                for _ in range(min(most - len(items), len(self), _TAKEN_AT_ONCE)):
                    oldest = starts if starts and not (ends and ends[0][1] < starts[0][1]) else ends
                    items.append(oldest.popleft())

    def release(self, holding: Holding) -> None:
        """Forgets records that `take` has moved: they are in batches, or lost."""
        with self._ledger.lock:
            self._held_starts -= holding.starts
            self._held_ends -= holding.ends
            self._held_bytes -= holding.bytes
            self._held_start_bytes -= holding.start_bytes

    def sleeps(self) -> bool:
        """Notes that the sender sleeps until a record comes, if none waits. Returns whether it may."""
        with self._ledger.lock:
            self._reader_sleeps = not self
            return self._reader_sleeps

    def awakes(self) -> None:
        self._reader_sleeps = False

    def overflowed(self) -> bool:
        """Whether records were dropped since this was asked last, because there was no room."""
        overflowed, self._overflowed = self._overflowed, False
        return overflowed

    def is_crowded(self) -> bool:
        """Whether starts in batches should give way to ends: the bytes are nearly used up."""
        with self._ledger.lock:
            return self._bytes() > self._bounds.bytes - self._bounds.bytes // _SPARE_SHARE

    def statistics(self) -> Statistics:
        """The ledger's, with what waits here."""
        with self._ledger.lock:
            return self._ledger.statistics(self._held_starts + self._held_ends)

    # The caller of these has the lock.

    def _bytes(self) -> int:
        return self._held_bytes + self._ledger.behind.bytes

    def _has_room_for_start(self, size: int) -> bool:
        return (
            self._held_starts + self._ledger.behind.starts < self._bounds.calls
            and self._held_start_bytes + size <= self._bounds.bytes // _STARTS_SHARE
            and self._bytes() + size <= self._bounds.bytes
        )

    def _makes_room_for_end(self, size: int) -> bool:
        if self._held_ends + self._ledger.behind.ends >= self._bounds.calls:
            return False
        while self._bytes() + size > self._bounds.bytes:
            if not self._starts:
                return False
            self.release(Holding.of([self._starts.popleft()]))
            self._overflow()
        return True

    def _overflow(self) -> None:
        self._overflowed = True
        self._ledger.drop(1)


def _weight_of_start(values: tuple[Any, ...]) -> int:
    agent_name, _, _, call_id = values
    try:
        return _START_BYTES + len(agent_name) + (0 if call_id is None else len(call_id))
    except Exception:  # something is not a string: rare, so it may be slow
        return _START_BYTES + sum(sys.getsizeof(value, 1024) for value in values)
