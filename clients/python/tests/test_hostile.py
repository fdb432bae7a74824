"""An agent, a disk or a server may do anything wrong; the client must not raise, hang, lose or leak."""

from __future__ import annotations

import asyncio
import copy
import errno
import gc
import json
import logging
import os
import pickle
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor
from llm_exporter.sending import spool
from peers import ScriptedServer, answering
from recorded import ANSWER, Recorded
from test_spool import URL, Reports, batch, drained


class Evil:
    """Fails on every operation."""

    def _fail(self, *_: Any) -> Any:
        raise RuntimeError("evil")

    __bool__ = __len__ = __float__ = __index__ = __hash__ = __eq__ = __str__ = __repr__ = __getattr__ = _fail


class EvilName(str):
    """A string that only looks like one."""

    def isascii(self) -> bool:
        raise RuntimeError("evil")

    def __hash__(self) -> int:
        raise RuntimeError("evil")


def made(value: Any) -> Any:
    """An object of a class: pytest would ask the object itself for its name."""
    return value() if isinstance(value, type) else value


def repr_of(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else "huge" if value == 10**5000 else ascii(value)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    monitor = Recorded()
    yield monitor
    monitor.close(0)


@pytest.mark.parametrize("value", [Evil, 7, b"x", "\ud800", 10**5000, float("nan"), -1, []], ids=repr_of)
@pytest.mark.parametrize("name", ["url", "password", "token", "ca_file", "linger", "timeout", "max_queue_records"])
def test_a_monitor_can_be_made_from_anything(name: str, value: Any) -> None:
    monitor = LLMMonitor(**{"url": "http://127.0.0.1:9", name: made(value)})
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    assert monitor.statistics().recorded == 1
    assert monitor.close(0.0) is False
    assert (monitor.statistics().queued, monitor.statistics().dropped) == (0, 1)


@pytest.mark.parametrize("field", ["agent_name", "model", "id", "status", "input_tokens", "cost_usd", "trace_id"])
@pytest.mark.parametrize("value", [Evil, EvilName, 10**5000], ids=repr_of)
def test_no_value_loses_its_call_or_those_beside_it(
    server: ScriptedServer, new_monitor: Any, field: str, value: Any
) -> None:
    monitor = new_monitor(server.url)
    for fields in ({}, {field: made(value)}, {}):
        monitor.record_metric(LLMCallMetrics(**{"agent_name": "A", "provider": "openai", "model": "gpt", **fields}))
    assert monitor.flush()
    assert monitor.statistics().sent == 3


def test_a_token_from_a_file_with_a_line_feed_works(server: ScriptedServer, new_monitor: Any) -> None:
    monitor = new_monitor(server.url, token="secret\n")
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    assert monitor.flush()
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "options",
    [
        {"token": "hunter2\r\nX: y"},
        {"token": "hunter2\u20ac"},
        {"url": "http://user:hunter2/x@127.0.0.1:9"},
        {"url": "http://user:hunter2\u2100@127.0.0.1:9"},
        {"url": "http://hunter2:hunter2@127.0.0.1:9"},
    ],
)
def test_credentials_are_never_logged(options: Any, new_monitor: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    monitor = new_monitor(**{"url": "http://127.0.0.1:9", **options})
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    monitor.flush(0.3)
    assert monitor.get_summary(timeout=0.3) == {}
    assert "cannot reach" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_proxys_password_is_never_logged(
    new_monitor: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:hunter2/x@proxy:1")
    assert new_monitor("http://exporter.invalid").get_summary(timeout=0.3) == {}
    assert "failed" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("timeout", [float("inf"), 1e300])
def test_one_may_wait_for_ever(server: ScriptedServer, new_monitor: Any, timeout: float) -> None:
    monitor = new_monitor(server.url)
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    assert monitor.flush(timeout)
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    assert monitor.close(timeout)
    assert monitor.statistics().sent == 2


@pytest.mark.parametrize("timeout", [None, "x", float("nan"), -1, Evil])
def test_closing_counts_the_loss_whatever_the_timeout(closed_url: str, new_monitor: Any, timeout: Any) -> None:
    monitor = new_monitor(closed_url)
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    assert not monitor.close(made(timeout))
    assert monitor.statistics().dropped == 1


def test_a_log_filter_that_fails_stops_nothing(server: ScriptedServer, new_monitor: Any, recorded: Recorded) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise RuntimeError("evil")

    loggers = [logging.getLogger("llm_exporter"), logging.getLogger("llm_exporter.call")]
    loggers[1].setLevel(logging.DEBUG)
    for logger in loggers:
        logger.addFilter(fail)
    try:
        server.script = [answering(500)]
        monitor = new_monitor(server.url)
        monitor.record_metric(LLMCallMetrics("A", "openai", "gpt", input_tokens=-1))
        assert monitor.flush()
        with recorded.call as call, call.api():
            pass
    finally:
        for logger in loggers:
            logger.removeFilter(fail)
        loggers[1].setLevel(logging.NOTSET)
    assert monitor.statistics().sent == 1
    assert recorded.end.status == "success"


@pytest.mark.parametrize(
    "body", [b'{"accepted":Infinity,"duplicates":0}', b"[" * 100_000, b'{"accepted":9,"duplicates":0}', b"\xff", b"7"]
)
def test_an_answer_that_makes_no_sense_takes_no_records(server: ScriptedServer, new_monitor: Any, body: bytes) -> None:
    server.script = [answering(200, body=body), answering(200, body=body)]
    monitor = new_monitor(server.url)
    assert isinstance(monitor.get_summary(), dict)
    monitor.record_metric(LLMCallMetrics("A", "openai", "gpt"))
    assert monitor.flush()
    assert (monitor.statistics().sent, monitor.statistics().retried) == (1, 1)


def test_a_server_that_drips_holds_nobody_up_past_the_timeout(new_monitor: Any) -> None:
    """Each byte comes in time; the answer never does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            try:
                with connection:
                    while True:
                        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                        time.sleep(0.05)
            except OSError:
                pass

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        assert new_monitor(f"http://127.0.0.1:{listener.getsockname()[1]}").get_summary(timeout=0.5) == {}
        assert time.monotonic() - began < 5


# The spool.


@pytest.fixture
def reports() -> Reports:
    return Reports()


def left_behind(folder: Path, header: bytes, body: bytes = b'{"id":"1"}\n') -> None:
    folder.mkdir(exist_ok=True)
    key = spool.Spool(str(folder), URL, 1, Reports())._key
    path = folder / f"{key}-1-dead.spool"
    path.write_bytes(header + b"\n" + body)
    path.chmod(0o600)


@pytest.mark.parametrize(
    "change",
    [
        {"records": float("inf")},
        {"records": 10**300},
        {"records": -5},
        {"records": True},
        {"records": 1.0},
        {"records": "1"},
        {"records": None},
        {"bytes": float("inf")},
        {"bytes": -1},
        {"bytes": 0},
        {"bytes": 12},
        {"bytes": 11.0},
        {"bytes": "11"},
        {"bytes": True},
        {"bytes": 10**300},
        {"crc32": 1.5},
        {"time": float("nan")},
        {"time": float("inf")},
        {"time": "1"},
        {"time": -1},
        {"time": 10**400},
        {"agent": "\ud800"},
        {"agent": []},
    ],
)
def test_a_damaged_header_is_dropped(tmp_path: Path, reports: Reports, change: Any) -> None:
    body = b'{"id":"1"}\n'
    good = {"agent": "A", "time": time.time(), "records": 1, "bytes": len(body), "crc32": zlib.crc32(body)}
    left_behind(tmp_path, json.dumps({**good, **change}).encode(), body)
    spool_of_folder = spool.Spool(str(tmp_path), URL, 1 << 20, reports)
    assert spool_of_folder.maintain() == 0
    assert (drained(spool_of_folder), reports, spool_of_folder.stored) == ([], ["damage"], 0)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_read_for_the_size_that_a_header_claims(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with a hole has any size, so the size of the file bounds nothing."""
    asked: list[int] = []
    real = os.pread

    def pread(descriptor: int, size: int, offset: int) -> bytes:
        asked.append(size)
        return real(descriptor, size, offset)

    header = {"agent": "A", "time": time.time(), "records": 1, "bytes": 1 << 40, "crc32": 0}
    left_behind(tmp_path, json.dumps(header).encode())
    (path,) = tmp_path.iterdir()
    os.truncate(path, 2 << 40)
    monkeypatch.setattr(os, "pread", pread)
    spool_of_folder = spool.Spool(str(tmp_path), URL, 1 << 20, reports)
    assert spool_of_folder.maintain() == 0
    assert (drained(spool_of_folder), reports) == ([], ["damage"])
    assert max(asked) <= 1 << 20


def test_a_header_without_an_end_is_dropped(tmp_path: Path, reports: Reports) -> None:
    left_behind(tmp_path, b"")
    (path,) = tmp_path.iterdir()
    path.write_bytes(b" " * (8 << 20))
    spool_of_folder = spool.Spool(str(tmp_path), URL, 1 << 20, reports)
    assert spool_of_folder.maintain() == 0
    assert (drained(spool_of_folder), reports) == ([], ["damage"])


@pytest.mark.parametrize("folder", ["a\0b", "\ud800", "/dev/null/x", "x" * 300])
def test_a_folder_that_cannot_be_leaves_records_in_memory(
    server: ScriptedServer, new_monitor: Any, folder: str, warnings_of: Any
) -> None:
    monitor = new_monitor(server.url, spool_dir=folder)
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    assert monitor.flush()
    assert len(warnings_of()) == 1 and "records stay in memory" in warnings_of()[0]


def test_a_relative_folder_below_a_working_directory_that_is_gone(
    server: ScriptedServer, new_monitor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monitor = new_monitor(server.url, spool_dir="spool")
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    assert monitor.flush()


def test_brackets_for_a_header_are_dropped(tmp_path: Path, reports: Reports) -> None:
    left_behind(tmp_path, b"[" * 4000)
    spool_of_folder = spool.Spool(str(tmp_path), URL, 1 << 20, reports)
    assert spool_of_folder.maintain() == 0
    assert (drained(spool_of_folder), reports) == ([], ["damage"])


def test_a_sync_that_fails_does_not_keep_a_batch_twice(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool_of_folder = spool.Spool(str(tmp_path), URL, 1 << 20, reports)
    spool_of_folder.append(batch(1))
    spool_of_folder.secure()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "evil")

    monkeypatch.setattr(os, "fsync", fail)
    spool_of_folder.append(batch(2))
    assert spool_of_folder.records + spool_of_folder.stored == 2
    assert drained(spool_of_folder) == [batch(1).body, batch(2).body]


def test_a_folder_that_is_removed_is_made_anew(tmp_path: Path, reports: Reports) -> None:
    folder = tmp_path / "spool"
    spool_of_folder = spool.Spool(str(folder), URL, 1 << 20, reports)
    spool_of_folder.append(batch(1))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    spool_of_folder.append(batch(2))
    assert [batch(2).body in path.read_bytes() for path in folder.iterdir()] == [True]
    assert drained(spool_of_folder) == [batch(1).body, batch(2).body]


# Monitors and calls.


def test_a_monitor_is_copied_as_itself_and_pickled_as_its_settings() -> None:
    monitor = LLMMonitor("http://127.0.0.1:9", linger=0.5)
    holder = copy.deepcopy({"monitor": monitor})
    assert holder["monitor"] is monitor and copy.copy(monitor) is monitor
    told = pickle.dumps(monitor)
    assert pickle.loads(told) is monitor  # not one more sender with every task of a pool
    monitor.close(0)
    again = pickle.loads(told)
    assert again is not monitor and again._sender.address == "http://127.0.0.1:9" and again._settings["linger"] == 0.5
    again.close(0)


def test_static_and_class_methods_are_decorated_on_either_side(recorded: Recorded) -> None:
    class Agent:
        @recorded.call
        @staticmethod
        def plain(x: int) -> int:
            return x

        @recorded.call
        @classmethod
        def of_class(cls, x: int) -> Any:
            return cls, x

    assert (Agent.plain(1), Agent().plain(2), Agent.of_class(3), Agent().of_class(4)) == (1, 2, (Agent, 3), (Agent, 4))
    assert [end.status for end in recorded.ends] == ["success"] * 4


def test_a_task_stays_a_task_and_ends_its_call(recorded: Recorded) -> None:
    async def ask() -> Any:
        return ANSWER

    async def run() -> None:
        task = recorded.call(lambda: asyncio.get_running_loop().create_task(ask()))()
        assert isinstance(task, asyncio.Task)
        assert recorded.ends == []
        assert await task is ANSWER
        await asyncio.sleep(0)

    asyncio.run(run())
    assert (recorded.end.status, recorded.end.input_tokens) == ("success", 10)


def test_a_task_that_is_cancelled_ends_its_call(recorded: Recorded) -> None:
    async def run() -> None:
        task = recorded.call(lambda: asyncio.get_running_loop().create_task(asyncio.sleep(60)))()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)

    asyncio.run(run())
    assert recorded.end.status == "cancelled"


def test_a_call_that_is_forgotten_is_cancelled(recorded: Recorded) -> None:
    async def ask() -> Any:
        return ANSWER

    recorded.call(lambda: ask())().close()  # its coroutine never ran  # noqa: PLW0108  a plain function gives it
    assert recorded.end.status == "cancelled"


def test_answers_that_fail_when_looked_at_are_given_on(recorded: Recorded) -> None:
    class EvilClass:
        @property  # type: ignore[misc]  # read-only, unlike object's
        def __class__(self) -> Any:
            raise RuntimeError("evil")

    class EvilStream:
        def __next__(self) -> Any:
            raise StopIteration

        def close(self) -> None: ...

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("evil")

    for answer in (Evil(), EvilClass(), EvilStream()):
        given = recorded.call(lambda answer=answer: answer)()
        assert given is answer
    del given, answer
    gc.collect()
    assert len(recorded.starts) == len(recorded.ends) == 3


def test_a_mock_stays_the_mock(recorded: Recorded) -> None:
    mock = MagicMock()
    assert recorded.call(lambda: mock)() is mock
    assert recorded.end.status == "success"
