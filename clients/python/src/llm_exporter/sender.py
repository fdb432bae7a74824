"""The one queue and the one thread between an agent and the exporter.

The agent's side (`put`) takes a lock, appends and returns: it does no I/O and never waits for the exporter. The lock is
reentrant, because the garbage collector may end an abandoned stream, and so record its call, anywhere, even in `put`.
The thread makes batches of snapshots, requests of batches, and counts of answers. It is a daemon thread and starts with
the first record. A forked child starts a thread and a queue of its own with its first record.

If no thread can be started (a limit of threads; at exit, CPython 3.12 and later), callers of `flush` and `close` do the
thread's work. The role lock lets one of them at a time: two would send one batch twice and drop another unsent.

Each record ends as one of these, and `Statistics` counts them: sent, duplicate, rejected, dropped, expired.
"""

from __future__ import annotations

import atexit
import collections
import logging
import math
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
from .reports import shown
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
        self.drained: Optional[bool] = None
        """Whether they have ended; None while that is open."""
        # Not an Event: a thread that the garbage collector interrupts in an Event's lock, to record a call, would wait
        # for the sender's lock, while the thread that has that lock waits for the Event's.
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


class _Later(NamedTuple):
    """The reason why a batch has to be sent again: a kind of report, its format and its arguments."""

    kind: str
    reason: str
    arguments: tuple[Any, ...]
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
        self._flushes: list[_Flush] = []
        self._stopping = False
        self._thread: Optional[threading.Thread] = None
        # Held by the thread while it lives, else by the caller of `flush` that does its work.
        self._role = threading.Lock()
        # Used by the holder of the role, and by `close` in the work lock, which is never held during a request.
        self._work_lock = threading.Lock()
        self._signals: queue.SimpleQueue[bool] = queue.SimpleQueue()  # its put() is reentrant, Event's is not
        self._backlog: Optional[Backlog] = None
        self._failures = 0
        self._retry_at = 0.0
        self._told_to_wait = False
        self._reached = False
        self._maintain_at = 0.0
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
            self._signals.put(False)
        if dropped:
            if self._closed:
                self._report("closed", "a record came after close(): it is dropped, and so is what follows")
            else:
                self._report("full", "the queue is full: records are dropped until the exporter takes some")
        elif self._thread is None:
            self._start()

    def flush(self, timeout: float, patient: bool = True) -> bool:
        """Waits at most `timeout` seconds until all records so far have ended. Returns whether they have."""
        deadline = time.monotonic() + _waitable(timeout)
        with self._lock:
            if self._settled >= self._recorded:
                return True
            if self._stopping:
                return False
            flush = _Flush(self._recorded, patient)
            self._flushes.append(flush)
        self._signals.put(True)
        try:
            while flush.drained is None and (left := deadline - time.monotonic()) > 0:
                if self._start() or not self._work_here(flush, deadline):
                    flush.sleep(left)
        finally:
            with self._lock:
                if flush in self._flushes:  # not in a child that was forked meanwhile
                    self._flushes.remove(flush)
        return flush.drained or False

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
        with self._lock:
            self._stopping = True
            for flush in self._flushes:  # of other threads
                flush.finish(self._settled >= flush.target)
        self._signals.put(False)
        # In vain if a disk hangs, or if a signal handler calls this within the work of its own thread.
        if not self._work_lock.acquire(timeout=max(1.0, deadline - time.monotonic())):
            waiting = self.statistics().queued
            self._report("lost", "the sender was busy when it was closed: %d records may be lost", waiting)
            return drained
        try:
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
        finally:
            self._work_lock.release()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(1.0, max(0.01, deadline - time.monotonic())))
        if self._role.acquire(blocking=False):  # else its holder closes the connection
            self._transport.forget()
            self._role.release()
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
        except Exception as error:
            self._report("defect", "the sender met an error at exit", error=error)

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
        role = self._role
        try:
            with role:  # a caller that does the thread's work ends that first
                while not self._stopping:
                    try:
                        self._wait()
                        self._turn(lambda: math.inf)
                    except Exception as error:
                        self._survive(error, math.inf)
                self._transport.forget()
        finally:
            with self._lock:
                self._thread = None
            self._wake_flushes()

    def _work_here(self, flush: _Flush, deadline: float) -> bool:
        """Does the thread's work in the calling thread until `flush` ends. False, at once, if another thread does."""
        role = self._role
        if self._stopping or not role.acquire(blocking=False):
            return False

        def left() -> float:
            # In a child that a signal handler forked, the role is the parent's.
            ended = flush.drained is not None or self._stopping or role is not self._role
            return 0.0 if ended else deadline - time.monotonic()

        try:
            while (seconds := left()) > 0:
                try:
                    self._take_signals(min(seconds, max(0.0, self._retry_at - time.monotonic())))
                    self._turn(left)
                except Exception as error:
                    self._survive(error, left())
            if self._stopping:
                self._transport.forget()
        finally:
            role.release()
            self._wake_flushes()
        return True

    def _survive(self, error: Exception, left: float) -> None:
        """Reports an error of this package, and pauses. Records wait meanwhile, and the agent goes on."""
        self._report("defect", "the sender met an error and goes on", error=error)
        time.sleep(max(0.0, min(1.0, left)))

    def _wake_flushes(self) -> None:
        """Lets waiting callers see whether one of them has to do the thread's work."""
        with self._lock:
            for flush in self._flushes:
                flush.wake()

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
            caller_waits = self._signals.get(timeout=timeout)
            while True:
                if caller_waits and not self._told_to_wait:
                    self._retry_at = 0.0  # it gets an attempt at once
                caller_waits = self._signals.get_nowait()
        except queue.Empty:
            pass

    def _turn(self, left: Callable[[], float]) -> None:
        """Takes what was recorded and sends what waits, for at most the seconds that are `left`."""
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
        self._deliver(left)
        self._answer_flushes()

    def _gather(self) -> bool:
        """Moves records of the inbox into batches, each of one agent. Returns whether there were any."""
        backlog = self._backlog
        if backlog is None:
            backlog = self._backlog = self._new_backlog()
        with self._lock:
            items = [self._inbox.popleft() for _ in range(min(len(self._inbox), _BATCH_RECORDS))]
        if not items:
            return False
        batches: dict[str, list[bytes]] = {}
        sizes: collections.Counter[str] = collections.Counter()
        mended = kept = 0

        def complete(agent_name: str) -> int:
            lines = batches.pop(agent_name)
            del sizes[agent_name]
            return len(lines) if backlog.append(Batch(agent_name, b"".join(lines), len(lines), time.time())) else 0

        try:
            for start, recorded_at, _, values in items:
                line = encode(values, self._new_id, recorded_at, start)
                for name in line.mended:
                    mended += 1
                    self._report(f"mended {name}", "a value of %s was out of bounds: it was mended, or left out", name)
                if line.agent_name in batches and sizes[line.agent_name] + len(line.body) > _BATCH_BYTES:
                    kept += complete(line.agent_name)
                batches.setdefault(line.agent_name, []).append(line.body)
                sizes[line.agent_name] += len(line.body)
            for agent_name in list(batches):
                kept += complete(agent_name)
            if kept < len(items):
                self._report("full", "the spool is full: records are dropped until the exporter takes some")
        finally:  # also if an interrupt of the agent ends this
            with self._lock:
                self._inbox_bytes -= sum(size for _, _, size, _ in items)
                self._settled += len(items) - kept
                self._count(mended=mended, dropped=len(items) - kept)
        return True

    def _count(self, **counts: int) -> None:
        """Adds to the counts and copies the sizes of the backlog, in one step for readers."""
        with self._lock:
            self._counts.update(counts)
            if self._backlog is not None:
                self._memory_records = len(self._inbox) + self._backlog.records
                self._memory_bytes = self._inbox_bytes + self._backlog.bytes
                self._stored_records = self._backlog.stored

    def _deliver(self, left: Callable[[], float]) -> None:
        """Sends waiting batches until none is left, an attempt fails, or no seconds are `left`."""
        while (seconds := left()) > 0:
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
                    min(seconds, self._transport.timeout),
                )
            except Unanswered as error:
                where = self._transport.address
                self._put_off(_Later("unreachable", "cannot reach the exporter at %s: %s", (where, error)))
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
        where = self._transport.address
        if answer.status == 200:
            reply = answer.json()
            taken = _taken(reply, batch.records)
            if taken is None:
                return _Later("stranger", "what answers at %s is no exporter", (where,))
            accepted, duplicates, rejected = taken
            if rejected:
                self._report_rejection(rejected, reply)
            self._reached = True
            recovered = self._failures > 0
            self._failures, self._told_to_wait = 0, False
            self._done(backlog, batch, sent=accepted, duplicates=duplicates, rejected=rejected)
            if recovered:
                _logger.info("the exporter at %s takes records again", shown(where))
            return None
        if answer.status == 413 and batch.records > 1:
            backlog.split()
            return None
        if answer.status in _HOPELESS or answer.status == 413:
            self._report_rejection(batch.records, answer.json() or {"detail": f"HTTP {answer.status}"})
            self._done(backlog, batch, rejected=batch.records)
            return None
        reason, arguments = "the exporter at %s answers %d", [where, answer.status]
        if answer.status in (401, 403):
            reason += ": look at the user name and password, or the token"
        elif answer.location:
            reason += " and points to %s: give that as the URL"
            arguments.append(answer.location)
        elif answer.status in (404, 405):
            reason += ": is that the exporter's URL?"
        return _Later(f"status {answer.status}", reason, tuple(arguments), answer.retry_after)

    def _done(self, backlog: Backlog, batch: Batch, **counts: int) -> None:
        backlog.pop()
        with self._lock:
            if not batch.adopted:
                self._settled += batch.records
            self._count(**counts)
        self._answer_flushes()

    def _answer_flushes(self) -> None:
        with self._lock:
            for flush in self._flushes:
                if self._settled >= flush.target:
                    flush.finish(True)

    def _put_off(self, later: _Later) -> None:
        """Keeps the batch, to be sent again byte for byte."""
        with self._work_lock:
            if self._backlog is None:
                return
            self._backlog.secure()
            kept = "the spool keeps them" if self._backlog.stored else f"at most {self._max_records} in memory"
        self._report(later.kind, f"{later.reason}. Records wait (%s) and are sent again", *later.arguments, kept)
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
        with self._lock:
            for flush in self._flushes:
                if hopeless and not flush.patient:
                    flush.finish(False)

    def _report_rejection(self, records: int, reply: Any) -> None:
        """Warns of the first rejection of each field and code, with the exporter's message."""
        said = reply if isinstance(reply, dict) else {}
        errors = said.get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        field, code = _text(first.get("field")) or "-", _text(first.get("code")) or "-"
        self._report(
            f"rejected {shown(field)} {shown(code)}",
            "the exporter rejected %d records: field %s, code %s: %s",
            records,
            field,
            code,
            _text(first.get("message")) or _text(said.get("detail")) or "no reason given",
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _taken(reply: Any, records: int) -> Optional[tuple[int, int, int]]:
    """How many were accepted, duplicates and rejected; None if that is no exporter's answer to so many records."""
    if not isinstance(reply, dict):
        return None
    counts: list[Any] = [reply.get(name) for name in ("accepted", "duplicates", "rejected")]
    if any(type(count) is not int or count < 0 for count in counts) or sum(counts) != records:
        return None
    accepted, duplicates, rejected = counts
    return accepted, duplicates, rejected


def _waitable(timeout: Any) -> float:
    """Seconds that Python's locks can wait. 0 for what is not a number; the longest wait for infinity."""
    try:
        return min(max(float(timeout), 0.0), threading.TIMEOUT_MAX / 2) if timeout == timeout else 0.0
    except Exception:
        return 0.0
