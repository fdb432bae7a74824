"""LiteLLM, unchanged, through LiteLLMLogger and monitor_llm_call: plain and asynchronous, streams and errors."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from llm_exporter import LLMMonitor
from openai_calls import STREAM, USAGE
from peers import installed

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own price table, rather than a download

litellm = installed("litellm")
pytestmark = pytest.mark.clients

from llm_exporter.litellm import LiteLLMLogger

ONE = {"calls_total success": 1, **USAGE}
COST = pytest.approx(0.0001236)


@pytest.fixture
def ask(models: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(litellm, "suppress_debug_info", True)

    def ask(function: Any, model: str = "openai/gpt-4o-mini", **options: Any) -> Any:
        base = {"api_base": models.url + ("" if model.startswith("anthropic") else "/v1"), "api_key": "k"}
        messages = [{"role": "user", "content": "hi"}]
        return function(model=model, messages=messages, **{**base, "num_retries": 0, "max_retries": 0, **options})

    return ask


LOGGER = LiteLLMLogger(agent_name="A")


@pytest.fixture
def logger(monitor: Any) -> Iterator[None]:
    # LiteLLM copies its loggers to lists of its own with the first call. Another file of tests may have done so.
    litellm.logging_callback_manager._reset_all_callbacks()
    litellm.callbacks = [LOGGER]
    LOGGER._monitor = monitor
    yield
    litellm.logging_callback_manager._reset_all_callbacks()
    LOGGER._monitor = SILENT


SILENT = LLMMonitor("http://127.0.0.1:9", max_queue_records=0)
LOGGER._monitor = SILENT


@pytest.fixture
def logged(monitor: Any, exporter: Any) -> Any:
    """Waits for LiteLLM's own threads; nothing may come after."""

    def read() -> dict[str, float]:
        deadline = time.monotonic() + 10
        while not monitor.statistics().recorded and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        assert monitor.flush() and monitor.statistics().rejected == 0
        return exporter.counts("A")

    return read


async def then(awaitable: Any) -> Any:
    answer = await awaitable
    await asyncio.sleep(0.5)  # LiteLLM logs in tasks of its own
    return answer


def test_logger(ask: Any, logger: Any, logged: Any) -> None:
    ask(litellm.completion)
    assert logged() == {**ONE, "cost_usd_total": COST}


def test_logger_asynchronous(ask: Any, logger: Any, logged: Any) -> None:
    asyncio.run(then(ask(litellm.acompletion)))
    assert logged() == {**ONE, "cost_usd_total": COST}


def test_logger_stream(ask: Any, logger: Any, logged: Any) -> None:
    assert len(list(ask(litellm.completion, **STREAM))) > 2
    assert logged() == {**ONE, "cost_usd_total": COST}


def test_logger_asynchronous_stream(ask: Any, logger: Any, logged: Any) -> None:
    async def run() -> int:
        count = len([chunk async for chunk in await ask(litellm.acompletion, **STREAM)])
        await asyncio.sleep(0.5)
        return count

    assert asyncio.run(run()) > 2
    assert logged() == {**ONE, "cost_usd_total": COST}


def test_logger_of_anthropic(ask: Any, logger: Any, logged: Any) -> None:
    ask(litellm.completion, "anthropic/claude-sonnet-4-5")
    seen = logged()
    assert (seen["token_usage_total cache_read"], seen["token_usage_total cache_write"]) == (1024, 512)
    assert (seen["tokens_total"], seen["token_usage_total input"]) == (1746, 176)
    assert seen["cost_usd_total"] > 0


def test_logger_of_a_model_without_a_price(ask: Any, logger: Any, logged: Any) -> None:
    ask(litellm.completion, "openai/nobody-knows-me")
    assert logged() == ONE  # no cost_usd_total: unknown, not 0


@pytest.mark.parametrize("asynchronous", [False, True])
def test_logger_of_failures(ask: Any, logger: Any, logged: Any, asynchronous: bool) -> None:
    async def run() -> None:
        try:
            await ask(litellm.acompletion, "openai/boom-429")
        finally:
            await asyncio.sleep(0.5)

    with pytest.raises(litellm.RateLimitError):
        asyncio.run(run()) if asynchronous else ask(litellm.completion, "openai/boom-429")
    seen = logged()
    seen.pop("cost_usd_total", None)
    assert seen == {"calls_total rate_limited": 1, "errors_total RateLimitError": 1}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_logger_of_a_time_out(ask: Any, logger: Any, logged: Any, asynchronous: bool) -> None:
    def run() -> None:
        called = ask(litellm.acompletion if asynchronous else litellm.completion, "openai/slow", timeout=0.3)
        asyncio.run(called)

    with pytest.raises(litellm.Timeout):
        run()
    seen = logged()
    seen.pop("cost_usd_total", None)
    assert seen == {"calls_total timeout": 1, "errors_total Timeout": 1, "calls_usage_missing_total": 1}


def test_logger_of_a_broken_stream(ask: Any, logger: Any, logged: Any) -> None:
    async def run() -> None:
        async for _ in await ask(litellm.acompletion, "openai/broken", **STREAM):
            pass

    with pytest.raises(Exception, match="broken"):
        asyncio.run(run())
    seen = logged()
    assert seen["calls_total error"] == 1 and "calls_total success" not in seen


def test_logger_times_the_first_token_of_a_stream(ask: Any, logger: Any, logged: Any, exporter: Any) -> None:
    assert len(list(ask(litellm.completion, **STREAM))) > 2
    logged()
    samples = exporter.samples()
    labels = '{agent_name="A",provider="openai",model="gpt-4o-mini"}'
    first, whole = (samples[f"llm_{name}_seconds_sum{labels}"] for name in ("time_to_first_token", "latency"))
    assert 0 < first <= whole


def test_logger_of_a_call_that_is_not_to_be_logged(ask: Any, logger: Any, monitor: Any, exporter: Any) -> None:
    ask(litellm.completion, **{"no-log": True})
    time.sleep(0.5)
    gc.collect()
    assert monitor.flush() and monitor.statistics().recorded == 0


def test_logger_of_a_stream_that_is_left(ask: Any, logger: Any, logged: Any) -> None:
    """It is recorded when LiteLLM's state of the call is garbage."""
    for _ in ask(litellm.completion, **STREAM):
        break
    time.sleep(0.5)  # LiteLLM's own threads still hold it
    gc.collect()
    assert logged() == {"calls_total cancelled": 1, "errors_total unknown": 1, "calls_usage_missing_total": 1}


def test_two_loggers_follow_one_call(ask: Any, logger: Any, logged: Any, exporter: Any, new_monitor: Any) -> None:
    other = new_monitor(exporter.url)
    second = LiteLLMLogger(other, agent_name="B")
    litellm.callbacks.append(second)
    try:
        ask(litellm.completion)
        assert logged() == {**ONE, "cost_usd_total": COST}
        assert other.flush() and exporter.counts("B") == {**ONE, "cost_usd_total": COST}
    finally:
        second._monitor = SILENT  # LiteLLM keeps it in lists of its own


@pytest.mark.parametrize(
    ("metadata", "agent"),
    [
        ({"agent_name": "Own"}, "Own"),
        ({"requester_metadata": {"agent_name": "Requester"}}, "Requester"),
        ({"spend_logs_metadata": {"agent_name": "Spend"}}, "Spend"),
        ({"tags": ["prod", "agent:Tagged"]}, "Tagged"),
        ({"user_api_key_alias": "Key"}, "Key"),
        ({}, "A"),
    ],
)
def test_logger_finds_the_agent(ask: Any, logger: Any, logged: Any, exporter: Any, metadata: Any, agent: str) -> None:
    ask(litellm.completion, metadata=metadata)
    logged()
    assert list(exporter.summary()["agents"]) == [agent]


def test_logger_of_a_call_that_succeeds_at_the_second_attempt(ask: Any, logger: Any, logged: Any, models: Any) -> None:
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", "api_base": models.url + "/v1", "api_key": "k"},
            }
            for name, model in (("first", "boom-500"), ("second", "gpt-4o-mini"))
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
    )
    router.completion(model="first", messages=[{"role": "user", "content": "hi"}])
    seen = logged()
    assert (seen["calls_total success"], seen["calls_total error"]) == (1, 1)


def test_decorator(ask: Any, monitor: Any, counted: Any) -> None:
    ask(monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")(litellm.completion))
    assert counted() == {**ONE, "cost_usd_total": 0.0001236}


def test_decorator_stream(ask: Any, monitor: Any, counted: Any) -> None:
    stream = ask(monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")(litellm.completion), **STREAM)
    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert len(list(stream)) > 2
    assert counted() == {**ONE, "cost_usd_total": 0.0001236}


def test_decorator_asynchronous_stream(ask: Any, monitor: Any, counted: Any) -> None:
    async def run() -> int:
        stream = await ask(monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")(litellm.acompletion), **STREAM)
        return len([chunk async for chunk in stream])

    assert asyncio.run(run()) > 2
    assert counted() == {**ONE, "cost_usd_total": 0.0001236}


def test_decorator_errors(ask: Any, monitor: Any, counted: Any) -> None:
    with pytest.raises(litellm.RateLimitError):
        ask(monitor.monitor_llm_call("A", "openai", "boom")(litellm.completion), "openai/boom-429")
    assert counted() == {"calls_total rate_limited": 1, "errors_total RateLimitError": 1}
