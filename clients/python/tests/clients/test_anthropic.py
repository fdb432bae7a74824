"""The anthropic package, unchanged: messages, both kinds of stream, plain and asynchronous, tools and errors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from peers import installed
from ways import ALL, ASYNC_WAYS, PLAIN_WAYS, check_times, make_calls, times

anthropic = installed("anthropic")
pytestmark = pytest.mark.clients

MODEL = "claude-sonnet-4-5"
TOKENS = {
    "tokens_total": 176 + 512 + 1024 + 34,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total cache_write": 512,
    "token_usage_total output": 34,
}
# 3, 0.30, 3.75 and 15 USD for a million tokens of input, cache reads, cache writes and output.
ONE = {"calls_total success": 1, "cost_usd_total": 0.0032652, **TOKENS}
# 400 of the tokens written are kept for an hour, for 6 USD a million; a search is 0.01 USD.
ALL_KINDS = {
    **ONE,
    "token_usage_total cache_write": 112,
    "token_usage_total cache_write_1h": 400,
    "tool_requests_total web_search": 2,
    "cost_usd_total": 0.0041652 + 2 * 0.01,
}
# The first event says this.
BEGUN = {**TOKENS, "tokens_total": 1713, "token_usage_total output": 1, "cost_usd_total": 0.0027702}
ASK: Any = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"name": "say", "input_schema": {"type": "object"}}


def ask(client: Any, model: str = MODEL, **options: Any) -> Any:
    return client.messages.create(model=model, **ASK, **options)


def stream(client: Any, model: str = MODEL, **options: Any) -> Any:
    return ask(client, model, stream=True, **options)


@pytest.fixture
def clients(models: Any) -> Any:
    """The plain and the asynchronous client."""
    access: Any = {"base_url": models.url, "api_key": "k", "max_retries": 0}
    return anthropic.Anthropic(**access), anthropic.AsyncAnthropic(**access)


@pytest.fixture
def client(clients: Any) -> Any:
    return clients[0]


@pytest.fixture
def async_client(clients: Any) -> Any:
    return clients[1]


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "anthropic", MODEL)


def test_answers_and_streams(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, ask)
    made += make_calls(call, clients, lambda client: ask(client, tools=[TOOL]))
    made += make_calls(call, clients, stream, read=ALL)
    made += make_calls(call, clients, lambda client: stream(client, tools=[TOOL]), read=ALL)
    assert counted() == times(made, ONE)


def test_the_agent_gets_the_packages_own_objects(client: Any, call: Any) -> None:
    assert call(ask)(client, tools=[TOOL]).content[0].input == {"text": "Hello"}
    events = call(stream)(client)
    assert isinstance(events, anthropic.Stream)
    assert [event.type for event in events][-1] == "message_stop"


@pytest.mark.parametrize(("ask", "read"), [(ask, None), (stream, ALL)])
def test_every_kind_of_token(clients: Any, call: Any, counted: Any, ask: Any, read: Any) -> None:
    made = make_calls(call, clients, lambda client: ask(client, "all-kinds"), read=read)
    assert counted() == times(made, ALL_KINDS)


def test_the_model_that_answers_gives_the_price(clients: Any, monitor: Any, counted: Any) -> None:
    call = monitor.monitor_llm_call("A", "anthropic", "our-deployment")
    made = make_calls(call, clients, ask) + make_calls(call, clients, stream, read=ALL)
    assert counted() == times(made, ONE)


def test_stream_helper(client: Any, call: Any, counted: Any) -> None:
    with call(client.messages.stream)(model=MODEL, **ASK) as events:
        assert "".join(events.text_stream) == "Hello"
        assert events.get_final_message().usage.output_tokens == 34
    with call(client.messages.stream)(model=MODEL, **ASK) as events:
        assert events.get_final_text() == "Hello"
    with call(client.messages.stream)(model=MODEL, tools=[TOOL], **ASK) as events:
        assert len(list(events)) > 6
    with call as measured, measured.observe(client.messages.stream(model=MODEL, **ASK)) as events:
        events.until_done()
    assert counted() == times(4, ONE)


def test_asynchronous_stream_helper(async_client: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        async with call(async_client.messages.stream)(model=MODEL, **ASK) as events:
            assert "".join([text async for text in events.text_stream]) == "Hello"
        async with call(async_client.messages.stream)(model=MODEL, **ASK) as events:
            assert (await events.get_final_message()).usage.output_tokens == 34
        async with call as measured, measured.observe(async_client.messages.stream(model=MODEL, **ASK)) as events:
            await events.until_done()

    asyncio.run(run())
    assert counted() == times(3, ONE)


def test_raw_responses(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda client: ask(client.with_raw_response), ways=PLAIN_WAYS)
    with call(ask)(clients[0].with_streaming_response) as response:
        assert response.parse().content[0].text == "Hello"
    with call(stream)(clients[0].with_streaming_response) as response:
        assert len(list(response.parse())) == 7
    assert counted() == times(made + 2, ONE)


def test_raw_responses_of_asynchronous_calls(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda client: ask(client.with_raw_response), ways=ASYNC_WAYS)
    assert counted() == times(made, ONE)


def test_streams_left_early(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, stream, read=2)
    with call(clients[0].messages.stream)(model=MODEL, **ASK) as events:
        next(iter(events))
    assert counted() == times(made + 1, {"calls_total cancelled": 1, "errors_total unknown": 1, **BEGUN})


@pytest.mark.parametrize(("broken", "error"), [("broken", None), ("cut", "RemoteProtocolError")])
def test_streams_that_break(clients: Any, call: Any, counted: Any, broken: str, error: Any) -> None:
    made = make_calls(call, clients, lambda client: stream(client, broken), read=ALL, raises=Exception)
    error = error or anthropic.APIStatusError.__name__
    assert counted() == times(made, {"calls_total error": 1, f"errors_total {error}": 1, **BEGUN})


def test_streams_that_stop_for_too_long(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(
        call, clients, lambda client: stream(client, "stalls", timeout=0.3), read=ALL, raises=Exception
    )
    counts = counted()
    assert {name: value for name, value in counts.items() if not name.startswith("errors_total")} == times(
        made, {"calls_total timeout": 1, **BEGUN}
    )


@pytest.mark.parametrize(("model", "first_token"), [("slow", (1.0, 3.0)), ("stalls", (0.0, 0.9))])
def test_times(clients: Any, call: Any, counted: Any, exporter: Any, model: str, first_token: Any) -> None:
    ways = [PLAIN_WAYS[0], ASYNC_WAYS[1]]
    made = make_calls(call, clients, lambda client: stream(client, model), read=ALL, ways=ways)
    assert counted() == times(made, ONE)
    check_times(exporter, "anthropic", MODEL, made, first_token)


@pytest.mark.parametrize(("ask", "read"), [(ask, None), (stream, ALL)])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "RateLimitError", "rate_limited"),
        ("boom-500", "InternalServerError", "error"),
        ("boom-529", "OverloadedError", "error"),
        ("boom-400", "BadRequestError", "error"),
        ("slow", "APITimeoutError", "timeout"),
    ],
)
def test_errors(
    clients: Any, call: Any, counted: Any, model: str, error: str, status: str, ask: Any, read: Any
) -> None:
    made = make_calls(call, clients, lambda client: ask(client, model, timeout=0.3), read=read, raises=Exception)
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": made} if status == "timeout" else {}
    assert counted() == {f"calls_total {status}": made, f"errors_total {error}": made, **missing}


def test_an_error_when_the_stream_helper_is_entered(client: Any, call: Any, counted: Any) -> None:
    with pytest.raises(anthropic.RateLimitError), call(client.messages.stream)(model="boom-429", **ASK):
        pass
    assert counted() == {"calls_total rate_limited": 1, "errors_total RateLimitError": 1}
