"""The thread that does the sender's work, or a caller of `flush` that does it in its place."""

from __future__ import annotations

import _thread
import math
import queue
import sys
import threading
import time
from typing import Callable, Optional

from .delivery import Delivery
from .flushes import Flush
from .gathering import MAX_RECORDS
from .inbox import Inbox
from .ledger import Ledger

__all__ = ["Worker"]


class Worker:
    """Runs a `Delivery`, in one thread at a time: in the one that holds the role.

    The thread is a daemon thread, starts with the first record, and holds the role while it lives. If it cannot be
    started (a limit of threads; at exit, CPython 3.12 and later), callers of `flush` do its work. The role lets one of
    them at a time: two would send one batch twice and drop another unsent.

    - `linger`: seconds that a record waits for others, to be sent with them.
    - `threaded`: whether to start a thread at all.
    - `at_exit`: called at the end of a worker of `multiprocessing`.
    """

    def __init__(
        self,
        ledger: Ledger,
        inbox: Inbox,
        delivery: Delivery,
        *,
        linger: float,
        threaded: bool,
        at_exit: Callable[[], None],
        report: Callable[..., None],
    ) -> None:
        self.delivery = delivery
        self._ledger = ledger
        self._inbox = inbox
        self._linger = linger
        self.threaded = threaded
        self._at_exit = at_exit
        self._report = report
        self.begin()

    def begin(self) -> None:
        """No thread was started; for a forked child too."""
        self._role = threading.Lock()
        self._stopping = False
        # Its put() is reentrant, Event's is not. True: a caller waits.
        self._signals: queue.SimpleQueue[bool] = queue.SimpleQueue()
        # True from the moment in which someone starts the thread to its end.
        self.has_thread = False
        self._thread: Optional[threading.Thread] = None
        self._finalized = False

    def successor(self) -> Worker:
        """One without a thread, that goes on after this one's delivery has finished."""
        transport = self.delivery.transport
        return Worker(
            self._ledger,
            self._inbox,
            # The thread of this one may hang in a request still.
            self.delivery.successor(transport.unconnected() if self.threaded else transport),
            linger=self._linger,
            threaded=False,
            at_exit=self._at_exit,
            report=self._report,
        )

    def wake(self, caller_waits: bool = False) -> None:
        self._signals.put(caller_waits)

    # The thread.

    def start_soon(self) -> None:
        """Starts the thread, unless there is one, without waiting until it runs.

        `Thread.start` waits for that: beside busy threads, as many times 5 ms (`sys.getswitchinterval`) as there are.
        So another thread calls it.
        """
        if self.threaded and self._claim_thread():
            started = False
            try:
                self._flush_with_multiprocessing()
                _thread.start_new_thread(self._start_claimed, ())
                started = True
            except RuntimeError:
                pass
            finally:
                if not started:
                    self.has_thread = False

    def start(self) -> bool:
        """Starts the thread, unless there is one. False if the interpreter cannot start threads, as at its exit."""
        if not self.threaded:
            return False
        return not self._claim_thread() or self._start_claimed()

    def _claim_thread(self) -> bool:
        with self._ledger.lock:
            claimed, self.has_thread = not self.has_thread, True
            return claimed

    def _start_claimed(self) -> bool:
        started = False
        try:
            thread = threading.Thread(target=self._run, name="llm-exporter", daemon=True)
            thread.start()
            self._thread, started = thread, True
        except RuntimeError:
            pass
        finally:
            if not started:
                self.has_thread = False
                self._ledger.wake_flushes()
        return started

    def _flush_with_multiprocessing(self) -> None:
        multiprocess = sys.modules.get("multiprocessing.process")
        if not self._finalized and multiprocess is not None and multiprocess.parent_process() is not None:
            self._finalized = True
            # Workers of multiprocessing end by os._exit(): it runs these finalizers, but no atexit handlers.
            from multiprocessing.util import Finalize

            Finalize(None, self._at_exit, exitpriority=0)

    def _run(self) -> None:
        role = self._role
        try:
            with role:  # a caller that does the thread's work ends that first
                while not self._stopping:
                    try:
                        self._wait()
                        self.delivery.turn(self._endless)
                    except Exception as error:
                        self._survive(error, math.inf)
                self.delivery.transport.forget()
        finally:
            self.has_thread = False
            self._ledger.wake_flushes()

    def _endless(self) -> float:
        return 0.0 if self._stopping else math.inf

    def _wait(self) -> None:
        """Sleeps until there is something to do."""
        if self._inbox.sleeps():
            self._take_signals(self.delivery.pause())
            self._inbox.awakes()
        if len(self._inbox) < MAX_RECORDS and not self._ledger.flushes and not self._stopping:
            # Calls that end together are sent together.
            self._take_signals(self._linger if len(self._inbox) else 0.0)

    def _take_signals(self, timeout: Optional[float]) -> None:
        try:
            caller_waits = self._signals.get(timeout=timeout)
            while True:
                if caller_waits:
                    self.delivery.backoff.hurry()
                caller_waits = self._signals.get_nowait()
        except queue.Empty:
            pass

    def _survive(self, error: Exception, left: float) -> None:
        """Reports an error of this package, and pauses. Records wait meanwhile, and the agent goes on."""
        self._report("defect", "the sender met an error and goes on", error=error)
        time.sleep(max(0.0, min(1.0, left)))

    # Callers.

    def await_flush(self, flush: Flush, deadline: float) -> None:
        """Waits until `flush` has ended. Does the thread's work meanwhile, if no thread does."""
        if flush.drained is None:
            self.wake(caller_waits=True)
        while flush.drained is None and not self._stopping and (left := deadline - time.monotonic()) > 0:
            if self.start() or not self._work_here(flush, deadline):
                flush.sleep(left)

    def stop(self) -> None:
        """Ends the thread, after its request if it is in one, and the flushes that wait for it."""
        self._stopping = self.threaded
        self._ledger.end_flushes()
        self.wake()

    def join(self, timeout: float) -> None:
        """Waits for the end of the thread, and closes its connection."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        if self.threaded and self._role.acquire(blocking=False):  # else its holder closes the connection
            self.delivery.transport.forget()
            self._role.release()

    def _work_here(self, flush: Flush, deadline: float) -> bool:
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
                    self._take_signals(min(seconds, self.delivery.backoff.seconds))
                    self.delivery.turn(left)
                except Exception as error:
                    self._survive(error, left())
            if self._stopping:
                self.delivery.transport.forget()
        finally:
            role.release()
            self._ledger.wake_flushes()
        return True
