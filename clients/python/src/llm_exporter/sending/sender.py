"""The one queue and the one thread between an agent and the exporter.

A record goes through the parts of the sender in this order:

- `Inbox`: takes it from the agent's thread, without I/O and without waiting for the exporter.
- `Delivery`: makes batches of records (`Gathering`), keeps them in the `Backlog`, sends them, and judges the answers
  (`Verdict`). After a failed attempt it waits (`Backoff`).
- `Ledger`: counts each record when it comes and when it ends, and ends the flushes that waited for that.

A `Worker` runs the delivery in its thread, or in the callers of `flush` if it cannot start one. Each record ends as one
of these, and `Statistics` counts them: sent, duplicate, rejected, dropped, expired.

Three locks guard this, and none is waited for while a later one is held: the worker's role (who does the work), the
delivery's work lock (the backlog), the ledger's lock (the counts, the inbox and the flushes). Only the last is ever
taken by a thread that records.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable

from ..metrics import LLMCallMetrics
from . import exits
from .backlog import Backlog
from .budget import Budget
from .delivery import Delivery
from .gathering import MAX_RECORDS
from .inbox import Bounds, Inbox
from .ledger import Ledger
from .record import Ids
from .statistics import Statistics
from .transport import Transport
from .worker import Worker

__all__ = ["Sender"]


class Sender:
    """See the head of this file.

    - `linger`: seconds that a record waits for others, to be sent with them.
    - `bounds`: the most that waits in memory; beyond it, new records are dropped.
    - `exit_timeout`: seconds that sending may take at the end of the process, in total.
    - `report`: warns, once of each kind: ``report(kind, format, *arguments)``.
    """

    def __init__(
        self,
        transport: Transport,
        new_backlog: Callable[[], Backlog],
        *,
        linger: float,
        bounds: Bounds,
        exit_timeout: float,
        report: Callable[..., None],
    ) -> None:
        self._report = report
        self._address = transport.address
        self._new_id = Ids()
        self._ledger = Ledger()
        self._inbox = Inbox(self._ledger, bounds)
        self._worker = Worker(
            self._ledger,
            self._inbox,
            Delivery(self._ledger, self._inbox, transport, new_backlog, self.new_id, report, str(bounds)),
            linger=linger,
            threaded=True,
            at_exit=self._at_exit,
            report=report,
        )
        # The exit of the process. The lock is only ever tried: its holder delivers, and looks again before it leaves.
        self._exit_budget = Budget(exit_timeout)
        self._exit_lock = threading.Lock()
        self._exiting = exits.has_begun()
        exits.register(self._at_exit)

    def new_id(self) -> str:
        """An id that no call of any process has."""
        return self._new_id()

    @property
    def closed(self) -> bool:
        return self._inbox.closed

    @property
    def address(self) -> str:
        """The exporter's URL, without credentials."""
        return self._address

    def put(self, metrics: LLMCallMetrics, start: bool = False) -> None:
        """Takes a record as it is now. Fails only if `metrics` is not an `LLMCallMetrics`.

        Never waits, unless the process is about to end: see `_at_exit`.
        """
        if self._exiting and not self._can_lock():
            return
        if self._inbox.put(metrics, start, wake_at=MAX_RECORDS):
            self._worker.wake()
        if self._inbox.closed:
            self._report("closed", "a record came after close(): it is dropped, and so is what follows")
        elif self._exiting:
            self._deliver_at_exit()
        elif not self._worker.has_thread:
            self._worker.start_soon()

    def remark(self, kind: str, message: str, *arguments: Any) -> None:
        """Has a warning reported by the thread that delivers, with the records that are waiting."""
        self._inbox.remarks.append((kind, message, *arguments))

    def flush(self, timeout: float, patient: bool = True) -> bool:
        """Waits at most `timeout` seconds until all records so far have ended. Returns whether they have."""
        deadline = time.monotonic() + _waitable(timeout)
        flush = self._ledger.flush(patient)
        try:
            self._worker.await_flush(flush, deadline)
        finally:
            self._ledger.leave(flush)
        return flush.drained or False

    def close(self, timeout: float, patient: bool = True) -> bool:
        """Flushes and ends the thread. Remaining records stay in the spool, or are dropped and counted."""
        exits.unregister(self._at_exit)
        if not self._inbox.close():
            return self._ledger.all_settled()
        return self._end(_waitable(timeout), patient, last=True)

    def statistics(self) -> Statistics:
        return self._inbox.statistics()

    def after_fork(self) -> None:
        """In a child: forgets the queue, thread, connection, files and ids, which are the parent's."""
        self._ledger.begin()
        self._inbox.begin()
        self._new_id = Ids()
        self._exit_lock = threading.Lock()
        self._worker.delivery.abandon()
        self._worker.begin()

    def _end(self, timeout: float, patient: bool, last: bool) -> bool:
        """Flushes and ends the thread; stores what is left, or drops and counts it. Returns whether nothing was.

        - `last`: if False, a successor of the worker may follow.
        """
        deadline = time.monotonic() + timeout
        drained = self.flush(timeout, patient)
        worker = self._worker
        worker.stop()
        lost = worker.delivery.finish(max(1.0, deadline - time.monotonic()), last)
        if lost is None:
            waiting = self.statistics().queued
            self._report("lost", "the sender was busy when it was closed: %d records may be lost", waiting)
            return drained
        worker.join(min(1.0, max(0.01, deadline - time.monotonic())))
        if lost:
            kind, which = ("lost", "") if worker.threaded else ("lost late", " of the exit")
            self._report(kind, f"%d records{which} could not be delivered to %s and are lost", lost, self._address)
        return drained

    # The exit of the process.

    def _at_exit(self) -> None:
        """Delivers what waits and ends the thread, at the exit and at the end of a `multiprocessing` worker.

        Records may still come: from exit handlers of packages that were imported earlier than this one; from
        `weakref.finalize`; from generators that the interpreter closes at its very end. A thread cannot deliver them:
        CPython freezes daemon threads once all handlers have run, and from 3.12 on it starts no thread after the end of
        the main thread. So from here on `put` delivers in the calling thread, within what is left of `exit_timeout`.
        (Threads that are not daemons end before the first handler runs, in all versions.)
        """
        if self._inbox.closed:
            return
        self._exiting = True
        self._deliver_at_exit(always=True)

    def _deliver_at_exit(self, always: bool = False) -> None:
        while (always or len(self._inbox)) and self._exit_lock.acquire(blocking=False):
            always = False
            try:
                with self._exit_budget:
                    self._end(self._exit_budget.left, patient=False, last=False)
                self._worker = self._worker.successor()
            except Exception as error:
                self._report("defect", "the sender met an error at exit", error=error)
                return
            finally:
                self._exit_lock.release()

    def _can_lock(self) -> bool:
        """False if a thread that the end of the interpreter froze holds the lock, as it will never free it."""
        if not sys.is_finalizing():
            return True
        lock = self._ledger.lock
        if lock.acquire(blocking=False):
            lock.release()
            return True
        return False


def _waitable(timeout: Any) -> float:
    """Seconds that Python's locks can wait. 0 for what is not a number; the longest wait for infinity."""
    try:
        return min(max(float(timeout), 0.0), threading.TIMEOUT_MAX / 2) if timeout == timeout else 0.0
    except Exception:
        return 0.0
