"""The anthropic package, unchanged: messages, both kinds of stream, plain and asynchronous, and errors."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from peers import installed

anthropic = installed("anthropic")
pytestmark = pytest.mark.clients

ONE = {
    "calls_total success": 1,
    # 3, 0.30, 3.75 and 15 USD for a million tokens of input, cache reads, cache writes and output.
    "cost_usd_total": 0.0032652,
    "tokens_total": 176 + 512 + 1024 + 34,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total cache_write": 512,
    "token_usage_total output": 34,
}
ASK: Any = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def client(models: Any) -> Any:
    return anthropic.Anthropic(base_url=models.url, api_key="k", max_retries=0)


@pytest.fixture
def async_client(models: Any) -> Any:
    return anthropic.AsyncAnthropic(base_url=models.url, api_key="k", max_retries=0)


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "anthropic", "claude-sonnet-4-5")


def test_message(client: Any, call: Any, counted: Any) -> None:
    assert call(client.messages.create)(model="claude", **ASK).content[0].text == "Hello"
    assert counted() == ONE


def test_stream_of_events(client: Any, call: Any, counted: Any) -> None:
    stream = call(client.messages.create)(model="claude", stream=True, **ASK)
    assert isinstance(stream, anthropic.Stream)
    assert [event.type for event in stream][-1] == "message_stop"
    assert counted() == ONE


def test_stream_helper(client: Any, call: Any, counted: Any) -> None:
    with call(client.messages.stream)(model="claude", **ASK) as stream:
        assert "".join(stream.text_stream) == "Hello"
        assert stream.get_final_message().usage.output_tokens == 34
    assert counted() == ONE


def test_stream_helper_in_blocks(client: Any, call: Any, counted: Any) -> None:
    with call as measured, measured.observe(client.messages.stream(model="claude", **ASK)) as stream:
        stream.until_done()
    assert counted() == ONE


def test_stream_left_early(client: Any, call: Any, counted: Any) -> None:
    with call(client.messages.stream)(model="claude", **ASK) as stream:
        next(iter(stream))
    gc.collect()
    seen = counted()
    assert seen["calls_total cancelled"] == 1
    assert seen["token_usage_total cache_read"] == 1024  # known from the first event on


def test_stream_that_breaks(client: Any, call: Any, counted: Any) -> None:
    stream = call(client.messages.create)(model="broken", stream=True, **ASK)
    with pytest.raises(anthropic.APIStatusError):
        list(stream)
    assert counted()["calls_total error"] == 1


def test_asynchronous(async_client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        return await async_client.messages.create(model="claude", **ASK)

    assert asyncio.run(ask()).content[0].text == "Hello"
    assert counted() == ONE


def test_asynchronous_stream(async_client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        return await async_client.messages.create(model="claude", stream=True, **ASK)

    async def run() -> list[str]:
        return [event.type async for event in await ask()]

    assert asyncio.run(run())[-1] == "message_stop"
    assert counted() == ONE


def test_asynchronous_stream_helper(async_client: Any, call: Any, counted: Any) -> None:
    async def run() -> str:
        async with call(async_client.messages.stream)(model="claude", **ASK) as stream:
            return "".join([text async for text in stream.text_stream])

    assert asyncio.run(run()) == "Hello"
    assert counted() == ONE


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "RateLimitError", "rate_limited"),
        ("boom-529", None, "error"),
        ("slow", "APITimeoutError", "timeout"),
    ],
)
def test_errors(client: Any, call: Any, counted: Any, model: str, error: Any, status: str) -> None:
    with pytest.raises(getattr(anthropic, error or "APIStatusError")) as raised:
        call(client.messages.create)(model=model, timeout=0.3, **ASK)
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": 1} if status == "timeout" else {}
    assert counted() == {f"calls_total {status}": 1, f"errors_total {type(raised.value).__name__}": 1, **missing}


def test_an_error_when_the_stream_helper_is_entered(client: Any, call: Any, counted: Any) -> None:
    with pytest.raises(anthropic.RateLimitError), call(client.messages.stream)(model="boom-429", **ASK):
        pass
    assert counted() == {"calls_total rate_limited": 1, "errors_total RateLimitError": 1}
