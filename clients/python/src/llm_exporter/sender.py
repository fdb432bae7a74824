"""The one queue and the one thread between an agent and the exporter.

The agent's side (`put`) takes a lock, appends and returns: it does no I/O and never waits for the exporter. The lock is
reentrant, because the garbage collector may end an abandoned stream, and so record its call, anywhere, even in `put`.
The thread makes batches of snapshots, requests of batches, and counts of answers. It is a daemon thread and starts with
the first record. A forked child starts a thread and a queue of its own with its first record.

Each record ends as one of these, and `Statistics` counts them: sent, duplicate, rejected, dropped, expired.
"""

from __future__ import annotations

import atexit
import collections
import json
import logging
import queue
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional

from .backlog import Backlog, Batch
from .metrics import LLMCallMetrics
from .record import Ids, encode, snapshot, weight
from .transport import Answer, Transport, Unanswered, header_value

__all__ = ["EXPIRY_SECONDS", "Sender", "Statistics"]

EXPIRY_SECONDS = 23 * 3600.0
"""The exporter remembers ids for 24 hours by default. A record that is sent again after that counts twice, so records
are given up an hour earlier."""

_BATCH_RECORDS = 500
_BATCH_BYTES = 256 << 10
_BACKOFF_SECONDS = 0.25
_MAX_BACKOFF_SECONDS = 30.0
_MAX_RETRY_AFTER_SECONDS = 300.0
_MAINTENANCE_SECONDS = 60.0

# By these statuses the record is at fault: the same bytes would get the same answer. 401, 403, 404, 405 and 407 are
# missing: an operator can correct their cause on the server, and then the same bytes are accepted.
_HOPELESS = frozenset({400, 402, 406, 409, 410, 411, 414, 415, 422, 431})

_logger = logging.getLogger("llm_exporter")
# Not the module's functions: if an agent seeds them, all its workers would have the same jitter, and our draws would
# change the agent's.
_uniform = random.SystemRandom().uniform


@dataclass(frozen=True)
class Statistics:
    """Counts of what happened to the records of this process, starts of calls included.

    ``recorded + adopted == queued + sent + duplicates + rejected + dropped + expired``
    """

    recorded: int = 0
    """Taken from the agent."""
    adopted: int = 0
    """Found in the spool, from processes that died."""
    queued: int = 0
    """Not answered yet, in memory or in the spool."""
    sent: int = 0
    """Accepted by the exporter."""
    duplicates: int = 0
    """Accepted earlier: the answer was lost, or another process had sent them."""
    rejected: int = 0
    """Refused by the exporter; sending them again would not help."""
    dropped: int = 0
    """Lost: the queue was full, or the process ended without a spool."""
    expired: int = 0
    """Waited so long that sending them could count them twice."""
    retried: int = 0
    """Failed attempts to send a batch that were or will be repeated."""
    mended: int = 0
    """Values outside their bounds that were corrected or left out; their records still count."""


class _Flush:
    """A caller that waits until all records before it have ended."""

    def __init__(self, target: int, patient: bool) -> None:
        self.target = target
        self.patient = patient
        """If False, the first failed attempt ends the wait, unless the exporter was reached before."""
        self.drained = False
        self.done = threading.Event()

    def finish(self, drained: bool) -> None:
        self.drained = drained
        self.done.set()


class _Later(NamedTuple):
    """The reason why a batch has to be sent again."""

    kind: str
    reason: str
    retry_after: Optional[float] = None


class Sender:
    """See the head of this file.

    - `linger`: seconds that a record waits for others, to be sent with them.
    - `max_records`, `max_bytes`: the most that waits in memory; beyond either, new records are dropped.
    - `report`: warns, once of each kind: ``report(kind, format, *arguments)``.
    """

    def __init__(
        self,
        transport: Transport,
        new_backlog: Callable[[], Backlog],
        *,
        linger: float,
        max_records: int,
        max_bytes: int,
        exit_timeout: float,
        report: Callable[..., None],
    ) -> None:
        self._transport = transport
        self._new_backlog = new_backlog
        self._linger = linger
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._exit_timeout = exit_timeout
        self._report = report
        self._closed = False
        self._begin()
        atexit.register(self._at_exit)

    def _begin(self) -> None:
        """The state of a process that has recorded nothing."""
        self._lock = threading.RLock()
        # Guarded by the lock, and consistent whenever it is free.
        self._inbox: collections.deque[tuple[bool, float, int, tuple[Any, ...]]] = collections.deque()
        self._inbox_bytes = 0
        self._memory_records = 0
        self._memory_bytes = 0
        self._stored_records = 0
        self._recorded = 0
        self._settled = 0
        self._counts: collections.Counter[str] = collections.Counter()
        self._asleep = False
        self._thread: Optional[threading.Thread] = None
        # Used only by the thread, or by a caller that does its work. The work lock is never held during a request.
        self._work_lock = threading.Lock()
        self._signals: queue.SimpleQueue[Optional[_Flush]] = (
            queue.SimpleQueue()
        )  # its put() is reentrant, Event's is not
        self._backlog: Optional[Backlog] = None
        self._flushes: list[_Flush] = []
        self._failures = 0
        self._retry_at = 0.0
        self._told_to_wait = False
        self._reached = False
        self._maintain_at = 0.0
        self._stopping = False
        self._new_id = Ids()

    def new_id(self) -> str:
        """An id that no call of any process has."""
        return self._new_id()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def address(self) -> str:
        """The exporter's URL, without credentials."""
        return self._transport.address

    # The agent's side.

    def put(self, metrics: LLMCallMetrics, start: bool = False) -> None:
        """Takes a record as it is now. Never waits, and fails only if `metrics` is not an `LLMCallMetrics`."""
        values = snapshot(metrics)
        size = weight(values)
        dropped = wake = False
        with self._lock:
            self._recorded += 1
            if self._closed or self._memory_records >= self._max_records or self._memory_bytes + size > self._max_bytes:
                self._settled += 1
                self._counts["dropped"] += 1
                dropped = True
            else:
                self._memory_records += 1
                self._memory_bytes += size
                self._inbox_bytes += size
                self._inbox.append((start, time.time(), size, values))
                wake = self._asleep or len(self._inbox) == _BATCH_RECORDS
                self._asleep = False
        if wake:
            self._signals.put(None)
        if dropped:
            if self._closed:
                self._report("closed", "a record came after close(): it is dropped, and so is what follows")
            else:
                self._report("full", "the queue is full: records are dropped until the exporter takes some")
        elif self._thread is None:
            self._start()

    def flush(self, timeout: float, patient: bool = True) -> bool:
        """Waits at most `timeout` seconds until all records so far have ended. Returns whether they have."""
        timeout = _waitable(timeout)
        deadline = time.monotonic() + timeout
        with self._lock:
            if self._settled >= self._recorded:
                return True
            flush = _Flush(self._recorded, patient)
        self._signals.put(flush)
        if not self._start():
            self._work_here(flush, deadline)
        flush.done.wait(max(0.0, deadline - time.monotonic()))
        return flush.drained

    def close(self, timeout: float, patient: bool = True) -> bool:
        """Flushes and ends the thread. Remaining records stay in the spool, or are dropped and counted."""
        timeout = _waitable(timeout)
        atexit.unregister(self._at_exit)
        deadline = time.monotonic() + timeout
        with self._lock:
            if self._closed:
                return self._settled >= self._recorded
            self._closed = True
        drained = self.flush(timeout, patient)
        self._stopping = True
        self._signals.put(None)
        with self._work_lock:
            # If the thread still hangs in a request, it finds no backlog when it returns, and counts nothing.
            while self._gather():
                pass
            backlog, self._backlog = self._backlog, None
            if backlog is not None:
                backlog.close()
            with self._lock:
                lost, self._memory_records, self._memory_bytes = self._memory_records, 0, 0
                self._settled += lost
                self._counts["dropped"] += lost
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(1.0, max(0.01, deadline - time.monotonic())))
        if lost:
            self._report("lost", "%d records could not be delivered to %s and are lost", lost, self._transport.address)
        return drained

    def statistics(self) -> Statistics:
        with self._lock:
            queued = self._memory_records + self._stored_records
            return Statistics(recorded=self._recorded, queued=queued, **self._counts)

    def after_fork(self) -> None:
        """In a child: forgets the queue, thread, connection, files and ids, which are the parent's."""
        if self._backlog is not None:
            self._backlog.forsake()
        self._transport.abandon()
        self._begin()

    def _at_exit(self) -> None:
        try:
            self.close(self._exit_timeout, patient=False)
        except Exception:
            self._report("defect", "the sender met an error at exit", exc_info=True)

    # The thread.

    def _start(self) -> bool:
        """Starts the thread unless it lives. False if the interpreter cannot start threads, as at its exit."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return True
            thread = threading.Thread(target=self._run, name="llm-exporter", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        multiprocess = sys.modules.get("multiprocessing.process")
        if multiprocess is not None and multiprocess.parent_process() is not None:
            # Workers of multiprocessing end by os._exit(): it runs these finalizers, but no atexit handlers.
            from multiprocessing.util import Finalize

            Finalize(None, self._at_exit, exitpriority=0)
        return True

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._wait()
                self._turn()
            except Exception:
                # An error of this package. Records wait meanwhile, and the agent goes on.
                self._report("defect", "the sender met an error and goes on", exc_info=True)
                time.sleep(1.0)
        self._transport.forget()

    def _work_here(self, flush: _Flush, deadline: float) -> None:
        """Does the thread's work in the calling thread: at exit, CPython from 3.12 on starts no threads."""
        configured = self._transport.timeout
        try:
            while not flush.done.is_set() and (left := deadline - time.monotonic()) > 0:
                self._transport.timeout = min(configured, left)
                self._take_signals(min(left, max(0.0, self._retry_at - time.monotonic())))
                self._turn()
        finally:
            self._transport.timeout = configured

    def _wait(self) -> None:
        """Sleeps until there is something to do."""
        with self._lock:
            self._asleep = idle = not self._inbox
        if idle:
            self._take_signals(self._pause())
            self._asleep = False
        if len(self._inbox) < _BATCH_RECORDS and not self._flushes and not self._stopping:
            # Calls that end together are sent together.
            self._take_signals(self._linger if self._inbox else 0.0)

    def _pause(self) -> Optional[float]:
        """Seconds until something is due; None if nothing is."""
        backlog, now = self._backlog, time.monotonic()
        if backlog is None:
            return 0.0
        due = [self._maintain_at] if backlog.needs_maintenance else []
        if backlog.records or backlog.stored:
            due.append(self._retry_at)
        return max(0.0, min(due) - now) if due else None

    def _take_signals(self, timeout: Optional[float]) -> None:
        try:
            signal = self._signals.get(timeout=timeout)
            while True:
                if signal is not None:
                    self._flushes.append(signal)
                    if not self._told_to_wait:
                        self._retry_at = 0.0  # a waiting caller gets an attempt at once
                signal = self._signals.get_nowait()
        except queue.Empty:
            pass

    def _turn(self) -> None:
        with self._work_lock:
            if self._stopping:
                return
            if self._backlog is None:
                self._backlog = self._new_backlog()
            now = time.monotonic()
            if now >= self._maintain_at:
                self._maintain_at = now + _MAINTENANCE_SECONDS
                self._count(adopted=self._backlog.maintain())
            self._gather()
        self._deliver()
        self._answer_flushes()

    def _gather(self) -> bool:
        """Moves records of the inbox into batches, each of one agent. Returns whether there were any."""
        with self._lock:
            items = [self._inbox.popleft() for _ in range(min(len(self._inbox), _BATCH_RECORDS))]
        if not items:
            return False
        backlog = self._backlog
        if backlog is None:
            backlog = self._backlog = self._new_backlog()
        batches: dict[str, list[bytes]] = {}
        sizes: collections.Counter[str] = collections.Counter()
        mended = lost = 0

        def complete(agent_name: str) -> int:
            lines = batches.pop(agent_name)
            del sizes[agent_name]
            return 0 if backlog.append(Batch(agent_name, b"".join(lines), len(lines), time.time())) else len(lines)

        for start, recorded_at, _, values in items:
            line = encode(values, self._new_id, recorded_at, start)
            for name in line.mended:
                mended += 1
                self._report(f"mended {name}", "a value of %s was out of bounds: it was mended, or left out", name)
            if line.agent_name in batches and sizes[line.agent_name] + len(line.body) > _BATCH_BYTES:
                lost += complete(line.agent_name)
            batches.setdefault(line.agent_name, []).append(line.body)
            sizes[line.agent_name] += len(line.body)
        for agent_name in list(batches):
            lost += complete(agent_name)
        if lost:
            self._report("full", "the spool is full: records are dropped until the exporter takes some")
        with self._lock:
            self._inbox_bytes -= sum(size for _, _, size, _ in items)
            self._settled += lost
            self._count(mended=mended, dropped=lost)
        return True

    def _count(self, **counts: int) -> None:
        """Adds to the counts and copies the sizes of the backlog, in one step for readers."""
        with self._lock:
            self._counts.update(counts)
            if self._backlog is not None:
                self._memory_records = len(self._inbox) + self._backlog.records
                self._memory_bytes = self._inbox_bytes + self._backlog.bytes
                self._stored_records = self._backlog.stored

    def _deliver(self) -> None:
        """Sends waiting batches until none is left or an attempt fails."""
        while True:
            with self._work_lock:
                batch = self._oldest()
            if batch is None:
                return
            if time.monotonic() < self._retry_at:
                self._disappoint()
                return
            try:
                answer = self._transport.exchange(
                    "POST",
                    "/record",
                    batch.body,
                    {"Content-Type": "application/x-ndjson", "X-Agent-Name": header_value(batch.agent_name)},
                )
            except Unanswered as error:
                self._put_off(_Later("unreachable", f"cannot reach the exporter at {self._transport.address}: {error}"))
                return
            with self._work_lock:
                if self._backlog is None:
                    return
                later = self._settle(self._backlog, batch, answer)
                if later is None:
                    self._gather()  # a long backlog must not fill the inbox
            if later is not None:
                self._put_off(later)
                return

    def _oldest(self) -> Optional[Batch]:
        """The next batch to send, after dropping those that are too old."""
        while self._backlog is not None:
            batch = self._backlog.head()
            if batch is None or time.time() - batch.created < EXPIRY_SECONDS:
                self._count()
                return batch
            self._report("expired", "records that waited for %.0f hours are dropped", EXPIRY_SECONDS / 3600)
            self._done(self._backlog, batch, expired=batch.records)
        return None

    def _settle(self, backlog: Backlog, batch: Batch, answer: Answer) -> Optional[_Later]:
        """Counts the answer to a batch and drops the batch; or returns why it has to be sent again."""
        if answer.status == 200:
            try:
                reply = json.loads(answer.body)
                accepted, duplicates = int(reply["accepted"]), int(reply["duplicates"])
                makes_sense = accepted >= 0 and duplicates >= 0 and accepted + duplicates <= batch.records
            except Exception:  # another server may answer anything: brackets a thousand deep, Infinity
                makes_sense = False
            if not makes_sense:
                return _Later("stranger", f"what answers at {self._transport.address} is no exporter")
            rejected = batch.records - accepted - duplicates
            if rejected:
                self._report_rejection(rejected, reply)
            self._reached = True
            recovered = self._failures > 0
            self._failures, self._told_to_wait = 0, False
            self._done(backlog, batch, sent=accepted, duplicates=duplicates, rejected=rejected)
            if recovered:
                _logger.info("the exporter at %s takes records again", self._transport.address)
            return None
        if answer.status == 413 and batch.records > 1:
            backlog.split()
            return None
        if answer.status in _HOPELESS or answer.status == 413:
            try:
                reply = json.loads(answer.body)
            except (ValueError, RecursionError):
                reply = None
            self._report_rejection(batch.records, reply or {"detail": f"HTTP {answer.status}"})
            self._done(backlog, batch, rejected=batch.records)
            return None
        reason = f"the exporter at {self._transport.address} answers {answer.status}"
        if answer.status in (401, 403):
            reason += ": look at the user name and password, or the token"
        elif answer.location:
            reason += f" and points to {answer.location}: give that as the URL"
        elif answer.status in (404, 405):
            reason += ": is that the exporter's URL?"
        return _Later(f"status {answer.status}", reason, answer.retry_after)

    def _done(self, backlog: Backlog, batch: Batch, **counts: int) -> None:
        backlog.pop()
        with self._lock:
            if not batch.adopted:
                self._settled += batch.records
            self._count(**counts)
        self._answer_flushes()

    def _answer_flushes(self) -> None:
        for flush in [flush for flush in self._flushes if self._settled >= flush.target]:
            self._flushes.remove(flush)
            flush.finish(True)

    def _put_off(self, later: _Later) -> None:
        """Keeps the batch, to be sent again byte for byte."""
        with self._work_lock:
            if self._backlog is None:
                return
            self._backlog.secure()
            kept = "the spool keeps them" if self._backlog.stored else f"at most {self._max_records} in memory"
        self._report(later.kind, "%s. Records wait (%s) and are sent again", later.reason, kept)
        self._failures += 1
        self._count(retried=1)
        self._told_to_wait = later.retry_after is not None
        if later.retry_after is not None:
            # With jitter, so that senders do not all come at the same instant.
            delay = min(later.retry_after, _MAX_RETRY_AFTER_SECONDS) + _uniform(0.0, _BACKOFF_SECONDS)
        else:
            # Full jitter: senders that failed together do not retry together.
            delay = _uniform(0.0, min(_MAX_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2.0 ** min(self._failures, 10)))
        self._retry_at = time.monotonic() + delay
        self._disappoint()

    def _disappoint(self) -> None:
        """Ends the waits that are not patient, if the exporter was never reached or the records are on disk."""
        hopeless = not self._reached or self._told_to_wait or self._stored_records > 0
        for flush in [flush for flush in self._flushes if hopeless and not flush.patient]:
            self._flushes.remove(flush)
            flush.finish(False)

    def _report_rejection(self, records: int, reply: Any) -> None:
        """Warns of the first rejection of each field and code, with the exporter's message."""
        errors = reply.get("errors") if isinstance(reply, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        field, code = first.get("field", "-"), first.get("code", "-")
        message = (
            first.get("message") or (reply.get("detail") if isinstance(reply, dict) else None) or "no reason given"
        )
        self._report(
            f"rejected {field} {code}",
            "the exporter rejected %d records: field %s, code %s: %s",
            records,
            field,
            code,
            message,
        )


def _waitable(timeout: Any) -> float:
    """Seconds that Python's locks can wait. 0 for what is not a number; the longest wait for infinity."""
    try:
        return min(max(float(timeout), 0.0), threading.TIMEOUT_MAX / 2) if timeout == timeout else 0.0
    except Exception:
        return 0.0
