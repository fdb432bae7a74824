"""The way of records from the inbox to the exporter: into batches, into the backlog, out in requests."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Optional

from ..reports import shown
from .backlog import Backlog, Batch
from .backoff import Backoff
from .gathering import MAX_RECORDS, Gathering
from .inbox import Holding, Inbox, Item
from .ledger import Ledger
from .transport import Answer, Transport, Unanswered, header_value
from .verdict import Later, Settled, TooLong, judge

__all__ = ["EXPIRY_SECONDS", "Delivery"]

EXPIRY_SECONDS = 23 * 3600.0
"""The exporter remembers ids for 24 hours by default. A record that is sent again after that counts twice, so records
are given up an hour earlier."""

_MAINTENANCE_SECONDS = 60.0
_REST_SECONDS = 20e-6

_logger = logging.getLogger("llm_exporter")


class Delivery:
    """Gathers records, sends batches, counts answers.

    One thread at a time, the holder of the worker's role, calls `turn` and what it needs. Only `finish` may be called
    by another one meanwhile. Both hold the work lock while they use the backlog, and never during a request.

    - `report`: warns, once of each kind: ``report(kind, format, *arguments)``.
    - `waiting_place`: for reports, where batches wait if there is no spool.
    """

    def __init__(
        self,
        ledger: Ledger,
        inbox: Inbox,
        transport: Transport,
        new_backlog: Callable[[], Backlog],
        new_id: Callable[[], str],
        report: Callable[..., None],
        waiting_place: str,
    ) -> None:
        self.transport = transport
        self._ledger = ledger
        self._inbox = inbox
        self._new_backlog = new_backlog
        self._new_id = new_id
        self._report = report
        self._waiting_place = waiting_place
        self.begin()

    def begin(self) -> None:
        """Nothing was gathered or sent; for a forked child too."""
        self.backoff = Backoff()
        # Guards the backlog.
        self._work_lock = threading.Lock()
        self._backlog: Optional[Backlog] = None
        self._stored: Optional[Backlog] = None
        self._maintain_at = 0.0

    def successor(self, transport: Transport) -> Delivery:
        """One that goes on after `finish`."""
        other = Delivery(
            self._ledger,
            self._inbox,
            transport,
            self._new_backlog,
            self._new_id,
            self._report,
            self._waiting_place,
        )
        other.backoff.reached = self.backoff.reached
        other._backlog, other._maintain_at = self._stored, self._maintain_at
        return other

    def abandon(self) -> None:
        """In a forked child: forgets files and connection, which are the parent's."""
        if self._backlog is not None:
            self._backlog.forsake()
        self.transport.abandon()
        self.begin()

    def pause(self) -> Optional[float]:
        """Seconds until something is due; None if nothing is."""
        backlog = self._backlog
        if backlog is None:
            return 0.0
        due = [self._maintain_at - time.monotonic()] if backlog.needs_maintenance else []
        if backlog.records or backlog.stored:
            due.append(self.backoff.seconds)
        return max(0.0, min(due)) if due else None

    def turn(self, left: Callable[[], float]) -> None:
        """Takes what was recorded and sends what waits, for at most the seconds that are `left`."""
        with self._work_lock:
            if left() <= 0:
                return
            if self._backlog is None:
                self._backlog = self._new_backlog()
            now = time.monotonic()
            if now >= self._maintain_at:
                self._maintain_at = now + _MAINTENANCE_SECONDS
                self._ledger.adopt(self._backlog, self._backlog.maintain())
            self._make_room(self._backlog)
            self._gather(self._backlog)
        self._deliver(left)
        self._ledger.answer_flushes()

    def finish(self, timeout: float, last: bool) -> Optional[int]:
        """Stores what waits, or drops and counts it: then it returns how many records that were.

        None if the work lock was not free in time, because a disk hangs, or because a signal handler calls this within
        the work of its own thread. A thread that still hangs in a request finds its backlog gone and counts nothing.

        - `last`: if False, a `successor` may follow.
        """
        if not self._work_lock.acquire(timeout=timeout):
            return None
        try:
            if self._backlog is None:
                self._backlog = self._new_backlog()
            while self._gather(self._backlog):
                pass
            backlog, self._backlog = self._backlog, None
            if last or backlog.stored == 0:
                backlog.close()
            else:
                # Left open and locked: no other process may adopt it, and count its records, before this one ends.
                backlog.secure()
                backlog.drop_memory()
                self._stored = backlog
            return self._ledger.forget_memory()
        finally:
            self._work_lock.release()

    def _make_room(self, backlog: Backlog) -> None:
        """Lets the starts of calls in batches give way to ends, if there is little room."""
        if self._inbox.is_crowded() and (dropped := backlog.drop_starts()):
            with self._ledger.lock:
                self._ledger.copy_sizes(backlog)
                self._ledger.drop(dropped)
            self._report_full()

    def _gather(self, backlog: Backlog) -> bool:
        """Moves records of the inbox into batches. Returns whether there were any."""
        items: list[Item] = []
        kept = 0
        gathering = Gathering(items, self._new_id, _rest)
        try:
            self._inbox.take(items, MAX_RECORDS)
            for batch in gathering.batches():
                if backlog.append(batch):
                    kept += batch.records
            if kept < len(items):
                self._report("full", "the spool is full: records are dropped until the exporter takes some")
        finally:  # also if an interrupt of the agent ends this
            held = Holding.of(items)
            with self._ledger.lock:
                if self._backlog is backlog:  # not in a child that a signal handler forked
                    self._inbox.release(held)
                    self._ledger.copy_sizes(backlog)
                    self._ledger.count("mended", len(gathering.mended))
                    self._ledger.drop(len(items) - kept)
        if self._inbox.overflowed():
            self._report_full()
        while self._inbox.remarks:
            self._report(*self._inbox.remarks.popleft())
        for name in gathering.mended:
            self._report(f"mended {name}", "a value of %s was out of bounds: it was corrected, or left out", name)
        return bool(items)

    def _deliver(self, left: Callable[[], float]) -> None:
        """Sends waiting batches until none is left, an attempt fails, or no seconds are `left`."""
        while (seconds := left()) > 0:
            with self._work_lock:
                backlog = self._backlog
                batch = self._oldest(backlog) if backlog is not None else None
            if backlog is None or batch is None:
                return
            if self.backoff.seconds > 0:
                self._disappoint()
                return
            later = self._send(backlog, batch, seconds)
            if later is not None:
                self._put_off(backlog, later)
                return

    def _send(self, backlog: Backlog, batch: Batch, seconds: float) -> Optional[Later]:
        """One attempt. Returns why the batch has to be sent again, if it has to."""
        where = self.transport.address
        try:
            answer = self.transport.exchange(
                "POST",
                "/record",
                batch.body,
                {"Content-Type": "application/x-ndjson", "X-Agent-Name": header_value(batch.agent_name)},
                min(seconds, self.transport.timeout),
            )
        except Unanswered as error:
            return Later("unreachable", "cannot reach the exporter at %s: %s", (where, error))
        with self._work_lock:
            if self._backlog is not backlog:
                return None
            later = self._settle(backlog, batch, answer)
            if later is None:
                self._gather(backlog)  # a long backlog must not fill the inbox
        return later

    def _oldest(self, backlog: Backlog) -> Optional[Batch]:
        """The next batch to send, after dropping those that are too old."""
        while True:
            batch = backlog.head()
            if batch is None or time.time() - batch.created < EXPIRY_SECONDS:
                self._ledger.copy_sizes(backlog)
                return batch
            self._report("expired", "records that waited for %.0f hours are dropped", EXPIRY_SECONDS / 3600)
            backlog.pop()
            self._ledger.finish(backlog, batch.adopted, expired=batch.records)

    def _settle(self, backlog: Backlog, batch: Batch, answer: Answer) -> Optional[Later]:
        """Counts the answer to a batch and drops the batch; or returns why it has to be sent again."""
        verdict = judge(answer, batch.records, self.transport.address)
        if isinstance(verdict, Later):
            return verdict
        if isinstance(verdict, TooLong):
            backlog.split()
            self._ledger.copy_sizes(backlog)
            return None
        self._report_complaint(verdict)
        recovered = answer.status == 200 and self.backoff.succeeded()
        backlog.pop()
        self._ledger.finish(
            backlog,
            batch.adopted,
            sent=verdict.sent,
            duplicates=verdict.duplicates,
            rejected=verdict.rejected,
        )
        if recovered:
            _logger.info("the exporter at %s takes records again", shown(self.transport.address))
        return None

    def _report_full(self) -> None:
        # Here and not in the threads that record: the log is the agent's, and may be slow.
        self._report("full", "the queue is full: records are dropped until the exporter takes some")

    def _report_complaint(self, verdict: Settled) -> None:
        complaint = verdict.complaint
        if complaint is not None:
            self._report(
                complaint.kind,
                "the exporter rejected %d records: field %s, code %s: %s",
                verdict.rejected,
                *complaint,
            )

    def _put_off(self, backlog: Backlog, later: Later) -> None:
        """Keeps the batch, to be sent again byte for byte."""
        with self._work_lock:
            if self._backlog is not backlog:
                return
            backlog.secure()
            kept = "the spool keeps them" if backlog.stored else self._waiting_place
        self._report(later.kind, f"{later.reason}. Records wait (%s) and are sent again", *later.arguments, kept)
        self._ledger.count("retried", 1)
        self.backoff.failed(later.retry_after)
        self._disappoint()

    def _disappoint(self) -> None:
        """Ends the waits that are not patient, if the exporter was never reached or the records are on disk."""
        if not self.backoff.reached or self.backoff.told_to_wait or self._ledger.stored > 0:
            self._ledger.disappoint_flushes()


def _rest() -> None:
    """Lets other threads run. Without this, a thread of the agent that waits for the interpreter, as after each I/O,
    would wait for 5 ms (`sys.getswitchinterval`) whenever many records are encoded."""
    time.sleep(_REST_SECONDS)
