"""The openai package, unchanged: chat completions and responses, plain and asynchronous, streams and errors."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

from openai_calls import MESSAGES, ONE, STREAM, chat
from peers import installed

openai = installed("openai")
pytestmark = pytest.mark.clients


@pytest.fixture
def client(models: Any) -> Any:
    return openai.OpenAI(base_url=models.url + "/v1", api_key="k", max_retries=0)


@pytest.fixture
def async_client(models: Any) -> Any:
    return openai.AsyncOpenAI(base_url=models.url + "/v1", api_key="k", max_retries=0)


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


def test_chat_completion(client: Any, call: Any, counted: Any) -> None:
    assert call(chat)(client).choices[0].message.content == "Hello"
    assert counted() == ONE


def test_chat_stream(client: Any, call: Any, counted: Any) -> None:
    stream = call(chat)(client, **STREAM)
    assert isinstance(stream, openai.Stream)
    assert len(list(stream)) == 4
    assert counted() == ONE


def test_chat_stream_in_blocks(client: Any, call: Any, counted: Any) -> None:
    with call as measured, measured.observe(chat(client, **STREAM)) as stream:
        for _ in stream:
            pass
    assert counted() == ONE


def test_chat_stream_without_usage_is_counted_as_such(client: Any, call: Any, counted: Any) -> None:
    list(call(chat)(client, stream=True))
    assert counted() == {"calls_total success": 1, "calls_usage_missing_total": 1}


def test_chat_stream_left_early(client: Any, call: Any, counted: Any) -> None:
    for _ in call(chat)(client, **STREAM):
        break
    gc.collect()
    assert counted() == {"calls_total cancelled": 1, "errors_total unknown": 1, "calls_usage_missing_total": 1}


def test_chat_stream_that_breaks(client: Any, call: Any, counted: Any) -> None:
    with pytest.raises(openai.APIError):
        list(call(chat)(client, "broken", **STREAM))
    assert counted() == {"calls_total error": 1, "errors_total APIError": 1}


def test_chat_stream_helper(client: Any, call: Any, counted: Any) -> None:
    helper = call(client.chat.completions.stream)
    with helper(model="gpt-4o-mini", messages=MESSAGES, stream_options={"include_usage": True}) as stream:
        assert stream.get_final_completion().choices[0].message.content == "Hello"
    assert counted() == ONE


def test_raw_response_of_an_asynchronous_call(async_client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        return await chat(async_client)

    assert asyncio.run(ask()).choices[0].message.content == "Hello"
    assert counted() == ONE


def test_asynchronous_stream(async_client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        return await chat(async_client, **STREAM)

    async def run() -> int:
        stream = await ask()
        assert isinstance(stream, openai.AsyncStream)
        return len([chunk async for chunk in stream])

    assert asyncio.run(run()) == 4
    assert counted() == ONE


def test_asynchronous_generator_over_a_stream(async_client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        async with await chat(async_client, **STREAM) as stream:
            async for chunk in stream:
                yield chunk

    async def run() -> int:
        return len([chunk async for chunk in ask()])

    assert asyncio.run(run()) == 4
    assert counted() == ONE


def test_responses(client: Any, call: Any, counted: Any) -> None:
    assert call(client.responses.create)(model="gpt-4o-mini", input="hi").output_text == "Hello"
    assert counted() == ONE


def test_responses_stream(client: Any, call: Any, counted: Any) -> None:
    assert len(list(call(client.responses.create)(model="gpt-4o-mini", input="hi", stream=True))) == 6
    assert counted() == ONE


def test_latency_is_that_of_the_provider(client: Any, call: Any, counted: Any, exporter: Any) -> None:
    began = time.monotonic()
    call(chat)(client, "slow")
    seconds = time.monotonic() - began
    assert counted() == ONE
    samples = exporter.samples()
    for series in (
        'latency_seconds_sum{agent_name="A",provider="openai",model="gpt-4o-mini"}',
        'api_latency_seconds_sum{agent_name="A",provider="openai"}',
    ):
        assert 1.0 <= samples["llm_" + series] <= seconds


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "RateLimitError", "rate_limited"),
        ("boom-500", "InternalServerError", "error"),
        ("boom-400", "BadRequestError", "error"),
        ("slow", "APITimeoutError", "timeout"),
    ],
)
def test_errors(client: Any, async_client: Any, call: Any, counted: Any, model: str, error: str, status: str) -> None:
    @call
    async def ask() -> Any:
        return await chat(async_client, model, timeout=0.3)

    with pytest.raises(getattr(openai, error)):
        call(chat)(client, model, timeout=0.3)
    with pytest.raises(getattr(openai, error)):
        asyncio.run(ask())
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": 2} if status == "timeout" else {}
    assert counted() == {f"calls_total {status}": 2, f"errors_total {error}": 2, **missing}


def test_a_cancelled_task(async_client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        return await chat(async_client, "slow")

    async def run() -> None:
        task = asyncio.ensure_future(ask())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert counted() == {"calls_total cancelled": 1, "errors_total CancelledError": 1, "calls_usage_missing_total": 1}
