"""Flushes of several threads, if no thread can be started for the sender: one of them at a time does its work."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor, Statistics
from llm_exporter.sending import gathering
from llm_exporter.sending.transport import Answer
from peers import Exporter, ScriptedServer, accept, answering, eventually
from test_process import PRELUDE
from test_sender import assert_accounts, record

NO_THREADS = """
real = threading.Thread.start
def start(thread):
    if thread.name == "llm-exporter": raise RuntimeError("can't start new thread")
    real(thread)
threading.Thread.start = start
"""


class ThreadLimit:
    """While it is on, the sender cannot start its thread."""

    on = True


@pytest.fixture
def thread_limit(monkeypatch: pytest.MonkeyPatch) -> ThreadLimit:
    limit, real = ThreadLimit(), threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if limit.on and thread.name == "llm-exporter":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    return limit


class Running:
    """Calls of one function in threads of their own."""

    def __init__(self, function: Callable[[], Any], threads: int = 1) -> None:
        self.results: list[Any] = []
        barrier = threading.Barrier(threads)

        def run() -> None:
            barrier.wait()
            self.results.append(function())

        self._threads = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def joined(self, timeout: float = 20.0) -> list[Any]:
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), "a call did not return in time"
        return self.results


def slowly(request: Any) -> Any:
    time.sleep(0.05)
    return accept(request)


def holding(release: threading.Event) -> Callable[[Any], Any]:
    def reply(request: Any) -> Any:
        release.wait(20)
        return accept(request)

    return reply


def test_each_batch_is_sent_once_and_none_is_lost(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit
) -> None:
    server.script = [slowly] * 20
    monitor = new_monitor(server.url)
    for n in range(20):
        monitor.record_metric(record(f"agent{n}", id=str(n)))
    assert Running(lambda: monitor.flush(20), threads=4).joined() == [True] * 4
    assert sorted(int(r["id"]) for r in server.records) == list(range(20))
    assert monitor.statistics() == Statistics(recorded=20, sent=20)
    assert server.connections == 1


def test_records_that_come_during_a_flush_are_sent_once(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit
) -> None:
    monitor = new_monitor(server.url)

    def work() -> bool:
        flushed = True
        for _ in range(20):
            monitor.record_metric(record())
            flushed = monitor.flush(20) and flushed
        return flushed

    assert Running(work, threads=4).joined() == [True] * 4
    assert len(server.records) == len({r["id"] for r in server.records}) == 80
    assert monitor.statistics() == Statistics(recorded=80, sent=80)


def test_a_thread_that_starts_late_waits_for_the_flush(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit
) -> None:
    release = threading.Event()
    server.script = [holding(release)]
    monitor = new_monitor(server.url)
    monitor.record_metric(record(id="early"))
    flushing = Running(lambda: monitor.flush(20))
    eventually(lambda: server.requests)
    thread_limit.on = False
    monitor.record_metric(record(id="late"))
    time.sleep(0.3)
    assert len(server.requests) == 1
    release.set()
    assert flushing.joined() == [True]
    eventually(lambda: monitor.statistics() == Statistics(recorded=2, sent=2))
    assert [r["id"] for r in server.records] == ["early", "late"]


def test_who_waits_takes_over_from_who_gives_up(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit
) -> None:
    server.script = [answering(503, {"Retry-After": "1"})]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    brief = Running(lambda: monitor.flush(0.3))
    eventually(lambda: server.requests)
    patient = Running(lambda: monitor.flush(20))
    assert (brief.joined(), patient.joined()) == ([False], [True])
    assert monitor.statistics() == Statistics(recorded=1, sent=1, retried=1)


def test_an_error_of_the_transport_is_survived(
    server: ScriptedServer,
    new_monitor: Any,
    thread_limit: ThreadLimit,
    monkeypatch: pytest.MonkeyPatch,
    warnings_of: Any,
) -> None:
    monitor: LLMMonitor = new_monitor(server.url)
    real, failures = monitor._sender._worker.delivery.transport.exchange, [RuntimeError("evil")]

    def exchange(*arguments: Any, **keywords: Any) -> Answer:
        if failures:
            raise failures.pop()
        return real(*arguments, **keywords)

    monkeypatch.setattr(monitor._sender._worker.delivery.transport, "exchange", exchange)
    for n in range(4):
        monitor.record_metric(record(f"agent{n}"))
    assert Running(lambda: monitor.flush(20), threads=3).joined() == [True] * 3
    assert monitor.statistics() == Statistics(recorded=4, sent=4)
    assert len(warnings_of()) == 1 and "RuntimeError: evil" in warnings_of()[0]


def test_an_interrupted_flush_hands_its_work_on(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor: LLMMonitor = new_monitor(server.url)
    real, entered, go_on = monitor._sender._worker.delivery.transport.exchange, threading.Event(), threading.Event()

    def exchange(*arguments: Any, **keywords: Any) -> Answer:
        if not entered.is_set():
            entered.set()
            go_on.wait(20)
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    def interrupted() -> Any:
        with pytest.raises(KeyboardInterrupt):
            monitor.flush(20)

    monkeypatch.setattr(monitor._sender._worker.delivery.transport, "exchange", exchange)
    monitor.record_metric(record())
    first = Running(interrupted)
    assert entered.wait(20)
    second = Running(lambda: monitor.flush(20))
    eventually(lambda: len(monitor._sender._ledger.flushes) == 2)
    go_on.set()
    assert (first.joined(), second.joined()) == ([None], [True])
    assert monitor.statistics() == Statistics(recorded=1, sent=1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_records_that_an_interrupt_loses_are_counted(
    server: ScriptedServer,
    new_monitor: Any,
    thread_limit: ThreadLimit,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    real, failures = gathering.encode, [error]

    def encode(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(gathering, "encode", encode)
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else contextlib.nullcontext():
        monitor.flush(5)
    monitor.record_metric(record())
    assert monitor.flush(5)
    assert monitor.statistics() == Statistics(recorded=2, sent=1, dropped=1)


def test_close_ends_the_flushes_of_other_threads(hung_url: str, new_monitor: Any, thread_limit: ThreadLimit) -> None:
    monitor = new_monitor(hung_url, timeout=1.0)
    monitor.record_metric(record())
    flushing = Running(lambda: monitor.flush(60), threads=3)
    eventually(lambda: len(monitor._sender._ledger.flushes) == 3)
    began, busy = time.monotonic(), time.process_time()
    assert not monitor.close(0.1)
    assert flushing.joined() == [False] * 3
    assert time.monotonic() - began < 10 and time.process_time() - busy < 0.5
    assert (monitor.statistics().queued, monitor.statistics().dropped) == (0, 1)
    assert_accounts(monitor.statistics())
    assert not monitor._sender._ledger.flushes


def test_close_ends_the_flushes_of_other_threads_beside_a_thread_too(hung_url: str, new_monitor: Any) -> None:
    monitor = new_monitor(hung_url, timeout=1.0)
    monitor.record_metric(record())
    flushing = Running(lambda: monitor.flush(60), threads=3)
    eventually(lambda: len(monitor._sender._ledger.flushes) == 3)
    assert not monitor.close(0.1)
    assert flushing.joined(10) == [False] * 3


def test_a_close_within_the_work_of_its_own_thread_ends(
    hung_url: str, new_monitor: Any, thread_limit: ThreadLimit, monkeypatch: pytest.MonkeyPatch, warnings_of: Any
) -> None:
    """As a signal handler may call it."""
    monitor: LLMMonitor = new_monitor(hung_url)
    real = gathering.encode

    def encode(*arguments: Any) -> Any:
        assert monitor.close(0.1) is False
        return real(*arguments)

    monkeypatch.setattr(gathering, "encode", encode)
    monitor.record_metric(record())
    assert Running(lambda: monitor.flush(20)).joined(10) == [False]
    assert monitor.statistics() == Statistics(recorded=1, queued=1)
    assert warnings_of() == ["the sender was busy when it was closed: 1 records may be lost"]


def test_a_disk_that_hangs_does_not_hold_up_close(
    closed_url: str, new_monitor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = new_monitor(closed_url, spool_dir=str(tmp_path / "spool"))
    release = threading.Event()

    def fsync(descriptor: int) -> None:
        release.wait(20)

    monkeypatch.setattr(os, "fsync", fsync)
    monitor.record_metric(record())
    try:
        eventually((tmp_path / "spool").exists)
        began = time.monotonic()
        assert not monitor.close(0.1)
        assert time.monotonic() - began < 10
    finally:
        release.set()
        monkeypatch.undo()


def test_close_of_one_thread_beside_flushes_loses_nothing(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit
) -> None:
    server.script = [slowly] * 20
    monitor = new_monitor(server.url)
    for n in range(20):
        monitor.record_metric(record(f"agent{n}"))
    flushing = Running(lambda: monitor.flush(20), threads=3)
    assert Running(lambda: monitor.close(20)).joined() == [True]
    assert flushing.joined() == [True] * 3
    assert monitor.statistics() == Statistics(recorded=20, sent=20)
    assert len(server.records) == 20


def test_a_flush_takes_no_longer_than_it_may_however_much_waits(
    server: ScriptedServer, new_monitor: Any, thread_limit: ThreadLimit
) -> None:
    server.script = [slowly] * 200
    monitor = new_monitor(server.url)
    for n in range(200):
        monitor.record_metric(record(f"agent{n}"))
    began = time.monotonic()
    assert not monitor.flush(0.5)  # sending everything takes 10 s
    assert time.monotonic() - began < 5
    assert_accounts(monitor.statistics())


def test_flushes_that_time_out_leave_nothing_behind(closed_url: str, new_monitor: Any) -> None:
    monitor = new_monitor(closed_url)
    monitor.record_metric(record())
    for _ in range(50):
        assert not monitor.flush(0.001)
    assert len(monitor._sender._ledger.flushes) == 0


def test_a_fork_during_a_flush_leaves_the_child_able_to_flush(exporter: Exporter, run_script: Any) -> None:
    source = (
        PRELUDE
        + NO_THREADS
        + """
record(50)
stop = threading.Event()
def busy():
    while not stop.is_set():
        record()
        assert monitor.flush(10)
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads: thread.start()
children = []
for _ in range(20):
    time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        record(5, "child")
        os._exit(0 if monitor.flush(10) else 1)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
assert monitor.flush(10)
print(monitor.statistics().sent)
"""
    )
    ran = run_script(source, exporter.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert exporter.calls("A") == int(ran.stdout)
    assert exporter.calls("child") == 100
    assert exporter.samples()["llm_exporter_records_duplicate_total"] == 0


def test_threads_that_flush_while_the_program_ends_lose_nothing(exporter: Exporter, run_script: Any) -> None:
    source = (
        PRELUDE
        + NO_THREADS
        + """
def busy():
    while True:
        monitor.flush(10)
        time.sleep(0.001)
for _ in range(4): threading.Thread(target=busy, daemon=True).start()
for n in range(60): record(10, f"agent{n % 3}")
"""
    )
    ran = run_script(source, exporter.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [exporter.calls(f"agent{n}") for n in range(3)] == [200, 200, 200]
    assert exporter.samples()["llm_exporter_records_duplicate_total"] == 0


def test_a_flush_within_a_signal_handler_of_a_flush_ends(exporter: Exporter, run_script: Any) -> None:
    source = (
        PRELUDE
        + NO_THREADS
        + """
import signal
ended = []
signal.signal(signal.SIGALRM, lambda *_: ended.append(monitor.flush(0.05)))
for n in range(20):
    signal.setitimer(signal.ITIMER_REAL, 0.0005 * (n + 1))
    record(5)
    assert monitor.flush(10)
time.sleep(0.3)
print(len(ended))
"""
    )
    ran = run_script(source, exporter.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert int(ran.stdout) > 0
    assert exporter.calls("A") == 100


def test_what_an_agent_counts_is_what_the_exporter_counted(exporter: Exporter, new_monitor: Any) -> None:
    """The answers of the real exporter make sense to the client."""
    monitor = new_monitor(exporter.url)
    for _ in range(2):
        monitor.record_metric(LLMCallMetrics("A", "p", "m", id="one", input_tokens=1))
        assert monitor.flush()
    monitor.record_metric(LLMCallMetrics("A", "p", "m", id="one", input_tokens=2))
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=3, sent=1, duplicates=1, rejected=1)
