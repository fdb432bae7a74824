"""The bounds of the queue: it holds calls, and a start gives way to an end."""

from __future__ import annotations

from typing import Any

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor
from llm_exporter.sending.backlog import Backlog, Batch
from peers import ScriptedServer, answering
from test_sender import assert_accounts


def metrics(number: int, agent_name: str = "A") -> LLMCallMetrics:
    return LLMCallMetrics(agent_name, "openai", "gpt-4o-mini", id=f"00112233445566778899aabb-{number}")


def start(monitor: LLMMonitor, *numbers: int, agent_name: str = "A") -> None:
    for number in numbers:
        monitor._record_start(metrics(number, agent_name))


def end(monitor: LLMMonitor, *numbers: int, agent_name: str = "A") -> None:
    for number in numbers:
        monitor.record_metric(metrics(number, agent_name))


def kinds(server: ScriptedServer) -> list[str]:
    return [record.get("event", "end") for record in server.records]


@pytest.mark.parametrize("url", ["hung_url", "closed_url"])
def test_by_default_ten_thousand_calls_wait_with_their_starts_and_ends(
    request: pytest.FixtureRequest, new_monitor: Any, url: str
) -> None:
    monitor = new_monitor(request.getfixturevalue(url), timeout=0.5)
    for _ in range(10_000):
        with monitor.monitor_llm_call("ReviewerGPT", "openai", "gpt-4o-mini"):
            pass
    counted = monitor.statistics()
    assert (counted.recorded, counted.queued, counted.dropped) == (20_000, 20_000, 0)
    end(monitor, 10_001)
    start(monitor, 10_002)
    counted = monitor.statistics()
    assert (counted.recorded, counted.queued, counted.dropped) == (20_002, 20_000, 2)


def test_starts_keep_no_end_out(server: ScriptedServer, new_monitor: Any, warnings_of: Any) -> None:
    server.script = [answering(503)] * 3
    monitor = new_monitor(server.url, max_queue_records=100, linger=0.2)
    start(monitor, *range(300))
    end(monitor, *range(100))
    counted = monitor.statistics()
    assert (counted.queued, counted.dropped) == (200, 200)
    assert monitor.flush(20)
    taken = [record for request in server.requests[3:] for record in request.records]
    assert len([record for record in taken if record.get("event") != "start"]) == 100
    assert_accounts(monitor.statistics())
    assert sum("the queue is full" in warning for warning in warnings_of()) == 1


def test_starts_give_way_to_ends_when_the_bytes_are_used_up(hung_url: str, new_monitor: Any) -> None:
    monitor = new_monitor(hung_url, max_queue_bytes=100_000, timeout=0.2, linger=5.0)
    start(monitor, *range(200))
    waiting = monitor.statistics().queued
    assert 50 < waiting < 80  # a quarter of the bytes
    end(monitor, *range(80))
    counted = monitor.statistics()
    assert 80 <= counted.queued < 80 + waiting  # all of the ends, and what fits beside them
    assert counted.dropped == 280 - counted.queued
    end(monitor, *range(80, 200))
    counted = monitor.statistics()
    assert 80 < counted.queued < 100_000 / 1024  # ends alone
    assert_accounts(counted)


def test_starts_in_batches_give_way_too(server: ScriptedServer, new_monitor: Any) -> None:
    server.script = [answering(503, {"Retry-After": "1"})]
    monitor = new_monitor(server.url, max_queue_bytes=20_000)
    start(monitor, *range(10))
    assert not monitor.flush(0.5)  # they are in a batch now
    assert monitor.statistics().queued == 10
    end(monitor, *range(17))
    assert monitor.flush(10)
    assert kinds(server)[10:] == ["end"] * 17
    counted = monitor.statistics()
    assert (counted.sent, counted.dropped) == (17, 10)


def test_an_end_follows_its_start(server: ScriptedServer, new_monitor: Any) -> None:
    monitor = new_monitor(server.url, linger=0.2)
    start(monitor, 1)
    end(monitor, 0, 1)
    start(monitor, 2)
    end(monitor, 2)
    assert monitor.flush()
    seen = [(record.get("event", "end"), record["id"][-1]) for record in server.records]
    assert seen == [("start", "1"), ("end", "0"), ("end", "1"), ("start", "2"), ("end", "2")]


def test_the_sizes_of_a_backlog_are_those_of_its_batches() -> None:
    backlog = Backlog()
    body = b'{"event":"start","agent_name":"A","id":"1"}\n{"id":"1"}\n{"id":"2"}\n'
    backlog.append(Batch("A", body, 3, 0.0, starts=1))
    backlog.append(Batch("A", body[:44], 1, 0.0, starts=1))
    assert backlog.load == (2, 2, len(body) + 44)
    backlog.split()
    assert backlog.load == (2, 2, len(body) + 44)
    assert backlog.drop_starts() == 2 and backlog.drop_starts() == 0
    assert backlog.load == (0, 2, 22)
    assert backlog.head() == Batch("A", b'{"id":"1"}\n{"id":"2"}\n', 2, 0.0)
    backlog.pop()
    assert backlog.load == (0, 0, 0)
