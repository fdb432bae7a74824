"""Many calls at once count exactly, also if the exporter dies meanwhile, or does not answer for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Callable

import pytest

from llm_exporter import LLMMonitor
from peers import Exporter, ScriptedServer

USAGE = {"usage": {"prompt_tokens": 10, "completion_tokens": 4}}
TASKS, THREADS, CALLS = 300, 100, 5
EXPECTED = {
    "calls_total success": 1500,
    "tokens_total": 21_000,
    "token_usage_total input": 15_000,
    "token_usage_total output": 6_000,
}


def tasks(monitor: LLMMonitor) -> None:
    @monitor.monitor_llm_call("A", "openai", "gpt")
    async def ask(number: int) -> Any:
        await asyncio.sleep(0.01 * (number % 7))
        return USAGE

    async def main() -> None:
        for _ in range(CALLS):
            await asyncio.gather(*(ask(number) for number in range(TASKS)))

    asyncio.run(main())


def threads(monitor: LLMMonitor) -> None:
    @monitor.monitor_llm_call("A", "openai", "gpt")
    def ask(number: int) -> Any:
        time.sleep(0.01 * (number % 7))
        return USAGE

    def work() -> None:
        for number in range(3 * CALLS):
            ask(number)

    running = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


@pytest.mark.parametrize("kills", [False, True], ids=["", "the exporter is killed"])
@pytest.mark.parametrize("work", [tasks, threads])
def test_every_call_counts_once(
    durable_exporter: Exporter, new_monitor: Any, work: Callable[[LLMMonitor], None], kills: bool
) -> None:
    exporter, done = durable_exporter, threading.Event()

    def kill() -> None:
        while not done.wait(0.2):
            exporter.kill()
            time.sleep(0.05)
            exporter.start()

    monitor = new_monitor(exporter.url)
    killer = threading.Thread(target=kill)
    if kills:
        killer.start()
    try:
        work(monitor)
    finally:
        done.set()
        if kills:
            killer.join()
    assert monitor.flush(20)
    counts = exporter.counts("A")
    assert {name: counts[name] for name in EXPECTED} == EXPECTED
    assert exporter.samples()['llm_active_calls{agent_name="A"}'] == 0
    counted = monitor.statistics()
    assert counted.recorded == 2 * EXPECTED["calls_total success"] == counted.sent + counted.duplicates


@pytest.mark.parametrize("work", [tasks, threads])
def test_every_call_is_sent_once_after_the_exporter_hung(
    server: ScriptedServer, new_monitor: Any, work: Callable[[LLMMonitor], None]
) -> None:
    def hang(request: Any) -> Any:
        time.sleep(2.0)
        return None

    server.script = [hang] * 2
    monitor = new_monitor(server.url, timeout=0.5)
    work(monitor)
    assert monitor.flush(30)
    taken = [record for request in server.requests[2:] for record in request.records]
    ends = [record["id"] for record in taken if record.get("event") != "start"]
    assert len(ends) == len(set(ends)) == 1500
    assert monitor.statistics().sent == monitor.statistics().recorded == 3000
