"""An exporter that is not to be trusted: no answer of it forges or fills the agent's log, or fills its memory."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from llm_exporter import LLMCallMetrics, Statistics
from llm_exporter.reports import Reports, shown
from peers import ScriptedServer, accept, answering

FORGED = "\x1b[2J\r\nERROR root: forged log line \u202e\x00\x85\u2028"


def record() -> LLMCallMetrics:
    return LLMCallMetrics("A", "openai", "gpt")


def rejecting(field: Any = "model", code: Any = "too_long", message: Any = "") -> Any:
    error = {"index": 0, "field": field, "code": code, "message": message}
    body = {"accepted": 0, "duplicates": 0, "rejected": 1, "errors": [error]}
    return answering(200, body=json.dumps(body).encode())


def assert_harmless(messages: list[str]) -> None:
    for message in messages:
        assert message.isprintable(), message
        assert len(message) <= 700, message


@pytest.fixture
def raw_answer() -> Iterator[Callable[..., str]]:
    """Starts a server that answers every request with these bytes, again and again if they are endless."""
    with contextlib.ExitStack() as closing:

        def start(answer: bytes, endless: bool = False) -> str:
            listener = closing.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            connection.recv(1 << 16)
                            connection.sendall(answer)
                            while endless:
                                connection.sendall(answer)
                            connection.shutdown(socket.SHUT_WR)
                            connection.recv(1 << 16)

            threading.Thread(target=serve, daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def test_text_is_shown_on_one_line_and_cut() -> None:
    assert shown("plain é 日本") == "plain é 日本"
    assert shown("a\n\x1b[0m\u202e\ud800") == "a\\n\\x1b[0m\\u202e\\ud800"
    for text in ("x" * 10**6, "\x00" * 10**6, "\U000e0001" * 10**6):
        assert shown(text).isprintable() and len(shown(text)) == 200
    assert shown("x" * 200) == "x" * 200
    assert shown(ValueError("a\nb")) == "a\\nb"


def test_kinds_of_warnings_are_bounded_and_leave_room_for_others(warnings_of: Any) -> None:
    report = Reports()
    for n in range(1000):
        report(f"rejected field{n} code", "rejected")
    report("full", "full")
    assert len(warnings_of()) == 21 and warnings_of()[-1] == "full"
    assert len(report._kinds) == 21


def test_rejections_cannot_forge_or_flood_the_log(
    server: ScriptedServer, new_monitor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server.script = [rejecting(f"f{n}{FORGED}", f"c{n}{FORGED}", FORGED + "x" * 100_000) for n in range(100)]
    monitor = new_monitor(server.url)
    for _ in range(100):
        monitor.record_metric(record())
        assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=100, rejected=100)
    messages = [record.getMessage() for record in caplog.records]
    assert 0 < len(messages) <= 20
    assert_harmless(messages)
    assert len(monitor._report._kinds) <= 20 and all(len(kind) < 500 for kind in monitor._report._kinds)


def test_statuses_cannot_flood_the_log(server: ScriptedServer, new_monitor: Any, warnings_of: Any) -> None:
    server.script = [answering(status) for status in range(500, 560)]
    monitor = new_monitor(server.url)
    for _ in range(60):
        monitor.record_metric(record())
        monitor.flush(0.05)
    assert monitor.flush(20)
    assert len(server.requests) > 60 and len(warnings_of()) == 20


@pytest.mark.parametrize("debugging", [False, True])
@pytest.mark.parametrize(
    ("first", "endless"),
    [
        (b"HTTP/1.1 299 \x1b[2J%s\r\nContent-Length: 0\r\n\r\n" % (b"x" * 60_000), False),
        (b"HTTP/1.1 301 Moved\r\nLocation: \x1b[2J\x85%s\r\nContent-Length: 0\r\n\r\n" % (b"x" * 60_000), False),
        (b"\x1b[2J\x00 forged %s\r\n\r\n" % (b"x" * 60_000), False),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90 + b"X: %s\r\n\r\n" % (b"x" * 100_000), False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: \x1b[2J\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\x1b[2J\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", True),
        (b"HTTP/1.1 400 \r\nContent-Type: \x1b\r\n\r\n" + b"[" * 500_000, False),
    ],
    ids=range(11),
)
def test_whatever_comes_back_harms_nothing(
    raw_answer: Any, new_monitor: Any, caplog: pytest.LogCaptureFixture, first: bytes, endless: bool, debugging: bool
) -> None:
    caplog.set_level(logging.DEBUG if debugging else logging.WARNING)
    url = raw_answer(first, endless)
    monitor = new_monitor(url, timeout=0.5)
    monitor.record_metric(record())
    monitor.flush(0.7)
    assert monitor.get_summary(timeout=0.5) == {}
    monitor.close(0.1)
    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert_harmless(messages)
    assert not any("Traceback" in message or "defect" in message for message in messages)


@pytest.mark.parametrize(
    "counts",
    [
        {"accepted": -1, "duplicates": 2, "rejected": 0},
        {"accepted": 2, "duplicates": 0, "rejected": -1},
        {"accepted": 2, "duplicates": 0, "rejected": 0},
        {"accepted": 0, "duplicates": 0, "rejected": 0},
        {"accepted": 1.0, "duplicates": 0, "rejected": 0},
        {"accepted": True, "duplicates": 0, "rejected": 0},
        {"accepted": "1", "duplicates": 0, "rejected": 0},
        {"accepted": 10**3000, "duplicates": 0, "rejected": 0},
        {"accepted": None, "duplicates": 0, "rejected": 1},
        {"accepted": [1], "duplicates": 0, "rejected": 0},
        {"accepted": 1, "duplicates": 0},
    ],
)
def test_counts_that_make_no_sense_take_no_records(server: ScriptedServer, new_monitor: Any, counts: Any) -> None:
    server.script = [answering(200, body=json.dumps(counts).encode())]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=1, sent=1, retried=1)


@pytest.mark.parametrize("status", [200, 422])
@pytest.mark.parametrize(
    "errors",
    ["x", [None], [{"field": ["x"] * 1000, "code": {"a": 1}, "message": 7}], [{"field": None}], {"0": 1}],
)
def test_errors_of_any_shape_count_as_rejections(
    server: ScriptedServer, new_monitor: Any, warnings_of: Any, errors: Any, status: int
) -> None:
    reply = {"accepted": 0, "duplicates": 0, "rejected": 1, "errors": errors, "detail": ["x"]}
    server.script = [answering(status, body=json.dumps(reply).encode())]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=1, rejected=1)
    assert warnings_of() == ["the exporter rejected 1 records: field -, code -: no reason given"]


@pytest.mark.parametrize(
    "field",
    [b"[" * 900 + b"]" * 900, b"9" * 900_000, b"1e999999999", b'"%s"' % (b"\\u001b" * 99)],
    ids=["brackets", "digits", "infinity", "escapes"],
)
def test_values_that_keep_a_reader_busy_do_not(
    server: ScriptedServer, new_monitor: Any, warnings_of: Any, field: bytes
) -> None:
    body = b'{"accepted":0,"duplicates":0,"rejected":1,"errors":[{"field":%s}]}' % field
    server.script = [answering(200, body=body), answering(422, body=body)]
    monitor = new_monitor(server.url)
    began = time.process_time()
    monitor.record_metric(record())
    assert monitor.flush()
    assert time.process_time() - began < 2
    assert monitor.statistics().rejected == 1
    assert_harmless(warnings_of())
    assert not any("error" in message for message in warnings_of())


@pytest.mark.parametrize("value", ["1000000000", "9" * 60_000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_retry_after_silences_a_client_for_long(server: ScriptedServer, new_monitor: Any, value: str) -> None:
    server.script = [answering(503, {"Retry-After": value})]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert not monitor.flush(0.5)
    assert 290 < monitor._sender._worker.delivery.backoff.until - time.monotonic() <= 301


@pytest.mark.parametrize("value", ["-5", "soon", "\u00b2", "1.5", "nan", ",,,", "Fri, 99 Dec 2026", " ", "0"])
def test_a_retry_after_that_is_none_is_ignored(server: ScriptedServer, new_monitor: Any, value: str) -> None:
    server.script = [answering(503, {"Retry-After": value})]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=1, sent=1, retried=1)


MEASURED = """
import resource, sys
from llm_exporter import LLMCallMetrics, LLMMonitor
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
monitor = LLMMonitor(sys.argv[1], linger=0.0)
monitor.record_metric(LLMCallMetrics("A", "p", "m"))
assert monitor.flush()
before = peak()
for _ in range(4):
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    monitor.flush(0.3)
monitor.get_summary()
monitor.close(0)
print(peak() - before)
"""


@pytest.mark.parametrize("status", [200, 422, 503])
def test_a_long_answer_takes_little_memory(server: ScriptedServer, run_script: Any, status: int) -> None:
    body = b'{"accepted":0,"duplicates":0,"rejected":1,"errors":[{"field":"f","code":"c","message":"%s"}]}'
    server.script = [accept] + [answering(status, body=body % (b"\\u001b[2J" * (4 << 20)))] * 100
    ran = run_script(MEASURED, server.url)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 16  # MiB; the answer has 36, the limit of a summary is 8
    assert len(ran.stderr) < 2000 and len(ran.stderr.splitlines()) <= 4
    assert "\x1b" not in ran.stderr


def test_long_metrics_are_still_read(server: ScriptedServer, new_monitor: Any) -> None:
    server.script = [answering(200, body=b"# HELP\n" * 500_000)]
    assert len(new_monitor(server.url).get_prometheus_metrics()) == 3_500_000


def test_a_proxys_reason_is_shown_on_one_line(
    raw_answer: Any, new_monitor: Any, warnings_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", raw_answer(b"HTTP/1.1 502 \x1b[2J%s\r\n\r\n" % (b"x" * 60_000)))
    monitor = new_monitor("https://exporter.invalid", timeout=1.0)
    monitor.record_metric(record())
    monitor.flush(0.5)
    assert len(warnings_of()) == 1 and "Tunnel connection failed" in warnings_of()[0]
    assert_harmless(warnings_of())


def test_an_error_of_the_package_is_logged_with_its_place_but_harmlessly(warnings_of: Any) -> None:
    def fail() -> None:
        raise RuntimeError(FORGED + "x" * 10_000)

    try:
        fail()
    except RuntimeError as error:
        Reports()("defect", "met an error", error=error)
    (message,) = warnings_of()
    first, *places = message.splitlines()
    assert first.startswith("met an error: RuntimeError: \\x1b[2J\\r\\nERROR root") and len(first) < 300
    assert "in fail" in places[-2] and "raise RuntimeError" in places[-1]
