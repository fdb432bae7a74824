"""The sender, between an agent and a server that misbehaves."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor, Statistics, default_monitor, monitor_llm_call
from peers import ScriptedServer, accept, answering, eventually


def record(agent_name: str = "A", **fields: Any) -> LLMCallMetrics:
    return LLMCallMetrics(agent_name, "openai", "gpt", **fields)


def assert_accounts(counted: Statistics) -> None:
    ends = counted.queued + counted.sent + counted.duplicates + counted.rejected + counted.dropped + counted.expired
    assert counted.recorded + counted.adopted == ends


def test_one_agent_to_a_batch_on_one_connection(server: ScriptedServer, new_monitor: Any) -> None:
    monitor = new_monitor(server.url, linger=0.2)
    for n in range(10):
        monitor.record_metric(record("A", id=str(n)))
        monitor.record_metric(record("Réviseur", id=str(n)))
    assert monitor.flush()
    assert [r.headers["X-Agent-Name"] for r in server.requests] == ["A", "R%C3%A9viseur"]
    assert [r["id"] for r in server.requests[0].records] == [str(n) for n in range(10)]
    assert {r["agent_name"] for r in server.requests[1].records} == {"Réviseur"}
    assert server.requests[0].headers["Content-Type"] == "application/x-ndjson"
    assert server.connections == 1
    assert monitor.statistics() == Statistics(recorded=20, sent=20)


def test_what_changes_after_recording_changes_nothing(server: ScriptedServer, new_monitor: Any) -> None:
    monitor, metrics = new_monitor(server.url, linger=0.2), record(input_tokens=1)
    monitor.record_metric(metrics)
    metrics.input_tokens = 2
    assert monitor.flush()
    assert server.records[0]["input_tokens"] == 1


def test_records_leave_without_being_asked(server: ScriptedServer, new_monitor: Any) -> None:
    new_monitor(server.url).record_metric(record())
    eventually(lambda: server.records, 2)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 401, 403, 404, 405, 301])
def test_the_same_bytes_are_sent_again(server: ScriptedServer, new_monitor: Any, warnings_of: Any, status: int) -> None:
    server.script = [answering(status)] * 3
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush(10)
    assert len({request.body for request in server.requests}) == 1 and len(server.requests) == 4
    assert monitor.statistics() == Statistics(recorded=1, sent=1, retried=3)
    assert len(warnings_of()) == 1 and str(status) in warnings_of()[0]


def test_a_connection_that_closes_without_an_answer(server: ScriptedServer, new_monitor: Any, warnings_of: Any) -> None:
    server.script = [lambda _: None] * 2
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush(10)
    assert len({request.body for request in server.requests}) == 1 and len(server.requests) == 3
    assert len(warnings_of()) == 1 and "without an answer" in warnings_of()[0]


def test_a_kept_connection_that_died_is_no_failure(server: ScriptedServer, new_monitor: Any, warnings_of: Any) -> None:
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush()
    server.script = [lambda _: None]
    monitor.record_metric(record())
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=2, sent=2) and warnings_of() == []


@pytest.mark.parametrize("seconds", [1, "date"])
def test_retry_after_is_waited_for_even_when_flushing(server: ScriptedServer, new_monitor: Any, seconds: Any) -> None:
    from email.utils import formatdate

    value = formatdate(time.time() + 2, usegmt=True) if seconds == "date" else str(seconds)
    server.script = [answering(503, {"Retry-After": value})]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert not monitor.flush(0.5)
    assert monitor.flush(5)
    assert 0.9 < server.requests[1].at - server.requests[0].at < 3


def test_rejected_records_are_counted_and_named_once(
    server: ScriptedServer, new_monitor: Any, warnings_of: Any
) -> None:
    error = {"index": 0, "field": "latency_ms", "code": "out_of_range", "message": "at most 864e5"}
    partly = {"accepted": 1, "duplicates": 1, "rejected": 1, "errors": [error]}
    server.script = [answering(200, body=json.dumps(partly).encode())] * 2
    server.script += [answering(422, body=json.dumps({"title": "x", "errors": [error]}).encode())]
    monitor = new_monitor(server.url, linger=0.2)
    for _ in range(2):
        for _ in range(3):
            monitor.record_metric(record())
        assert monitor.flush()
    monitor.record_metric(record())
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=7, sent=2, duplicates=2, rejected=3)
    assert len(warnings_of()) == 1
    assert "latency_ms" in warnings_of()[0] and "out_of_range" in warnings_of()[0]


def test_a_request_that_can_never_succeed_is_given_up(server: ScriptedServer, new_monitor: Any) -> None:
    server.script = [answering(400), answering(415)]
    monitor = new_monitor(server.url)
    for _ in range(2):
        monitor.record_metric(record())
        assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=2, rejected=2)


def test_413_splits_the_batch(server: ScriptedServer, new_monitor: Any) -> None:
    server.script = [lambda request: accept(request) if len(request.records) <= 2 else (413, {}, b"{}")] * 30
    monitor = new_monitor(server.url, linger=0.2)
    for n in range(10):
        monitor.record_metric(record(id=str(n)))
    assert monitor.flush()
    taken = [r["id"] for request in server.requests if len(request.records) <= 2 for r in request.records]
    assert taken == [str(n) for n in range(10)]
    server.script = [answering(413)]
    monitor.record_metric(record())
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=11, sent=10, rejected=1)


def test_what_is_no_exporter_takes_no_records(server: ScriptedServer, new_monitor: Any, warnings_of: Any) -> None:
    server.script = [answering(200, body=b"<html>"), answering(200, body=b"[]"), answering(200, body=b"{}")]
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.flush(10)
    assert monitor.statistics() == Statistics(recorded=1, sent=1, retried=3)
    assert len(warnings_of()) == 1


def test_with_no_exporter_the_agent_goes_on_and_memory_is_bounded(
    closed_url: str, new_monitor: Any, warnings_of: Any
) -> None:
    monitor = new_monitor(closed_url, max_queue_records=100)
    for _ in range(1000):
        monitor.record_metric(record())
    time.sleep(0.3)
    for _ in range(1000):
        monitor.record_metric(record())
    counted = monitor.statistics()
    assert (counted.queued, counted.dropped) == (100, 1900)
    began = time.monotonic()
    assert not monitor.close(timeout=0.3)
    assert time.monotonic() - began < 5
    assert monitor.statistics().dropped == 2000
    assert_accounts(monitor.statistics())
    assert len(warnings_of()) == 3  # cannot reach, full, lost


def test_memory_is_bounded_in_bytes_too(hung_url: str, new_monitor: Any) -> None:
    monitor = new_monitor(hung_url, max_queue_bytes=1 << 20, timeout=0.5)
    for n in range(500):
        monitor.record_metric(record(agent_name=str(n) + "x" * 100_000))
    assert monitor.statistics().queued <= 10
    assert_accounts(monitor.statistics())


def test_a_hung_exporter_holds_nobody_up(hung_url: str, new_monitor: Any) -> None:
    monitor = new_monitor(hung_url)
    began = time.monotonic()
    for _ in range(1000):
        monitor.record_metric(record())
    assert time.monotonic() - began < 5  # one wait for the exporter would take 10 s
    assert not monitor.flush(0.2)
    assert monitor.get_summary(timeout=0.2) == {}
    assert monitor.get_prometheus_metrics(timeout=0.2) == ""
    assert monitor.reset_prometheus(timeout=0.2) is False
    assert not monitor.close(0.2)
    assert time.monotonic() - began < 9
    assert monitor.statistics().dropped == 1000
    assert_accounts(monitor.statistics())


def test_threads_count_exactly(server: ScriptedServer, new_monitor: Any) -> None:
    monitor = new_monitor(server.url, linger=0.001)

    def work() -> None:
        for _ in range(500):
            monitor.record_metric(record())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.flush(20)
    assert monitor.statistics() == Statistics(recorded=4000, sent=4000)
    assert len({r["id"] for r in server.records}) == 4000


def test_after_close_records_are_dropped_and_counted(
    server: ScriptedServer, new_monitor: Any, warnings_of: Any
) -> None:
    monitor = new_monitor(server.url)
    monitor.record_metric(record())
    assert monitor.close() and monitor.close()
    monitor.record_metric(record())
    monitor.record_metric(record())
    assert monitor.statistics() == Statistics(recorded=3, sent=1, dropped=2)
    assert len(warnings_of()) == 1


def test_what_waited_too_long_is_expired(closed_url: str, new_monitor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_exporter.sending.delivery.EXPIRY_SECONDS", 0.2)
    monitor = new_monitor(closed_url)
    monitor.record_metric(record())
    assert monitor.flush(10)
    assert monitor.statistics().expired == 1


@pytest.mark.parametrize(
    ("options", "credentials", "header"),
    [
        ({"username": "ann", "password": "s3:cret"}, "", "Basic YW5uOnMzOmNyZXQ="),
        ({}, "ann:s3%3Acret@", "Basic YW5uOnMzOmNyZXQ="),
        ({"token": "T0k"}, "", "Bearer T0k"),
        ({}, "", None),
    ],
)
def test_authentication(
    server: ScriptedServer, new_monitor: Any, options: Any, credentials: str, header: Any, warnings_of: Any
) -> None:
    monitor = new_monitor(server.url.replace("://", f"://{credentials}"), **options)
    monitor.record_metric(record())
    assert monitor.flush()
    monitor.get_summary()
    assert [request.headers["Authorization"] for request in server.requests] == [header] * 2
    assert "s3" not in " ".join(warnings_of())


def test_the_environment_says_where_and_who(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_EXPORTER_URL", server.url + "/behind/a/proxy/")
    monkeypatch.setenv("LLM_EXPORTER_TOKEN", "T0k")
    monkeypatch.setenv("LLM_EXPORTER_USERNAME", "")
    monkeypatch.setattr("llm_exporter.monitor._default", None)
    with monitor_llm_call("A", "openai", "gpt"):
        pass
    assert default_monitor() is default_monitor()
    assert default_monitor().close()
    assert server.requests[0].path == "/behind/a/proxy/record"
    assert server.requests[0].headers["Authorization"] == "Bearer T0k"
    assert [r.get("event", "end") for r in server.records] == ["start", "end"]


def test_tls_with_a_ca_file(certificate: Path, new_monitor: Any, warnings_of: Any) -> None:
    server = ScriptedServer(certificate)
    try:
        trusting = new_monitor(server.url, ca_file=str(certificate))
        trusting.record_metric(record())
        assert trusting.flush()
        for stranger in (new_monitor(server.url), new_monitor(server.url, ca_file="/does/not/exist")):
            stranger.record_metric(record())
            assert not stranger.flush(0.5)
        assert "CERTIFICATE_VERIFY_FAILED" in warnings_of()[0].upper().replace(" ", "_")
        assert "No such file" in warnings_of()[1]
    finally:
        server.close()


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host", "http://", "http://host:99999", "http://[bad"])
def test_a_wrong_url_is_warned_of_and_never_raised(
    url: str, new_monitor: Any, warnings_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_EXPORTER_URL", "nonsense")
    monitor = new_monitor(url)
    monitor.record_metric(record())
    assert not monitor.flush(0.3)
    assert len(warnings_of()) == 1 and "URL" in warnings_of()[0]


def test_proxies_are_used_but_not_for_this_machine(
    server: ScriptedServer, new_monitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url.replace("://", "://ann:pw@"))
    far = new_monitor("http://exporter.invalid:10140/x")
    far.record_metric(record())
    assert far.flush()
    assert server.requests[0].path == "http://exporter.invalid:10140/x/record"
    assert server.requests[0].headers["Proxy-Authorization"] == "Basic YW5uOnB3"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    near = new_monitor(server.url)
    near.record_metric(record())
    assert near.flush()
    assert server.requests[1].path == "/record"


def test_backoff_grows_is_jittered_and_leaves_the_agents_random_numbers_alone(
    server: ScriptedServer, new_monitor: Any
) -> None:
    import random

    server.script = [answering(500)] * 200
    monitor = new_monitor(server.url)
    random.seed(7)
    expected = random.Random(7).random()
    monitor.record_metric(record())
    time.sleep(1.5)
    assert 3 <= len(server.requests) <= 40
    assert random.random() == expected


def test_a_record_from_within_the_queue_does_not_lock_up(server: ScriptedServer, new_monitor: Any) -> None:
    """The garbage collector may end a dropped stream while this thread is in `put`."""
    monitor: LLMMonitor = new_monitor(server.url)

    class Recording(str):
        def __len__(self) -> int:
            monitor.record_metric(record("inner"))
            return 1

    with monitor._sender._ledger.lock:
        monitor.record_metric(record(Recording("outer")))
    assert monitor.flush()
    assert monitor.statistics().sent == 2


def test_the_exporter_is_asked_from_the_calling_thread(exporter: Any, new_monitor: Any, warnings_of: Any) -> None:
    monitor = new_monitor(exporter.url)
    monitor.record_metric(record(input_tokens=3, output_tokens=4, cost_usd=0.25))
    assert monitor.flush()
    assert (
        monitor.get_summary()["agents"]["A"].items()
        >= {"calls": 1, "tokens": 7, "cost_usd": 0.25, "errors": 0, "unpriced_calls": 0, "cost_known": True}.items()
    )
    assert 'llm_tokens_total{agent_name="A",provider="openai",model="gpt"} 7' in monitor.get_prometheus_metrics()
    assert monitor.reset_prometheus() is True
    assert monitor.get_summary()["total_calls"] == 0
    assert warnings_of() == []


def test_reset_that_is_not_allowed_is_false_and_warned_of_once(
    durable_exporter: Any, new_monitor: Any, warnings_of: Any
) -> None:
    monitor = new_monitor(durable_exporter.url)
    assert monitor.reset_prometheus() is False
    assert monitor.reset_prometheus() is False
    assert len(warnings_of()) == 1 and "--web.enable-admin-api" in warnings_of()[0]


def test_calls_without_usage_are_warned_of_once_an_agent_with_what_to_do(
    closed_url: str, new_monitor: Any, warnings_of: Any
) -> None:
    monitor = new_monitor(closed_url)
    for name in ("A", "A", "B", "A", "evil\n\x1b[2J"):
        monitor._ended_without_usage(name)
    assert not warnings_of()  # the log may be slow: the sender's thread writes to it
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    first, second, third = eventually(lambda: warnings_of()[:3] if len(warnings_of()) >= 3 else None)
    assert "agent A " in first and "agent B " in second and "agent evil\\n\\x1b[2J " in third
    for part in ("llm_calls_usage_missing_total", '"include_usage": True', "call.observe()", "README"):
        assert part in first
    for number in range(100):
        monitor._ended_without_usage(f"agent {number}")
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    # Twenty agents, and that nothing answers.
    assert eventually(lambda: len(warnings_of()) == 21)
    monitor.close(0.5)
    assert len([warning for warning in warnings_of() if "end without token usage" in warning]) == 20


def test_nothing_is_imported_that_the_standard_library_lacks() -> None:
    source = Path(__file__).parent.parent / "src"
    code = "import sys; before = set(sys.modules); import llm_exporter; print(*(set(sys.modules) - before))"
    ran = subprocess.run(
        ["python3", "-S", "-c", code], env={**os.environ, "PYTHONPATH": str(source)}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "urllib.request" not in ran.stdout.split()
