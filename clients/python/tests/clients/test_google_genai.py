"""The google-genai package, unchanged: answers and streams, plain and asynchronous, tools and errors."""

from __future__ import annotations

from typing import Any

import pytest

from peers import installed
from ways import ALL, ASYNC_WAYS, PLAIN_WAYS, check_times, make_calls, times

genai = installed("google.genai")
pytestmark = pytest.mark.clients

from google.genai import types

MODEL = "gemini-2.5-flash"
USAGE = {
    "tokens_total": 1234,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total output": 24,
    "token_usage_total reasoning": 10,
}
# 0.30, 0.03 and 2.50 USD for a million tokens of input, cache and output.
ONE = {"calls_total success": 1, "cost_usd_total": 0.00016852, **USAGE}
ALL_KINDS = {
    "calls_total success": 1,
    "tokens_total": 1294,
    "token_usage_total input": 186,  # with the 60 of tools
    "token_usage_total input_audio": 50,
    "token_usage_total cache_read": 1024,
    "token_usage_total output": 24,
    "token_usage_total reasoning": 10,
    "tool_requests_total web_search": 2,
    # 0.54, 1.80, 0.054 and 4.50 USD by the tier `priority`; searches cost once a request.
    "cost_usd_total": 0.000398736 + 0.035,
}
# The first chunk says this, after the thoughts.
BEGUN = {
    "tokens_total": 1210,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total reasoning": 10,
    "cost_usd_total": 0.00010852,
}
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="say", parameters_json_schema={"type": "object", "properties": {"text": {"type": "string"}}}
        )
    ]
)


def say(text: str) -> str:
    """Says it."""
    return text


def ask(models: Any, model: str = MODEL, **config: Any) -> Any:
    return models.generate_content(model=model, contents="hi", config=config)


def stream(models: Any, model: str = MODEL, **config: Any) -> Any:
    return models.generate_content_stream(model=model, contents="hi", config=config)


PATIENCE = {"http_options": types.HttpOptions(timeout=300)}


@pytest.fixture
def client(models: Any) -> Any:
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=models.url))


@pytest.fixture
def clients(client: Any) -> Any:
    return client.models, client.aio.models


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "gemini", MODEL)


def test_answers_and_streams(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, ask)
    made += make_calls(call, clients, lambda models: ask(models, tools=[TOOL]))
    made += make_calls(call, clients, stream, read=ALL)
    made += make_calls(call, clients, lambda models: stream(models, tools=[TOOL]), read=ALL)
    assert counted() == times(made, ONE)


def test_chats(client: Any, call: Any, counted: Any) -> None:
    chat = client.chats.create(model=MODEL)
    assert call(chat.send_message)("hi").text == "Hello"
    assert [chunk.text for chunk in call(chat.send_message_stream)("hi")] == [None, "Hel", "lo"]
    assert counted() == times(2, ONE)


@pytest.mark.parametrize(("ask", "read"), [(ask, None), (stream, ALL)])
def test_every_kind_of_token(clients: Any, call: Any, counted: Any, ask: Any, read: Any) -> None:
    made = make_calls(call, clients, lambda models: ask(models, "all-kinds"), read=read)
    assert counted() == times(made, ALL_KINDS)


def test_the_model_that_answers_gives_the_price(clients: Any, monitor: Any, counted: Any) -> None:
    call = monitor.monitor_llm_call("A", "gemini", "our-deployment")
    made = make_calls(call, clients, ask) + make_calls(call, clients, stream, read=ALL)
    assert counted() == times(made, ONE)


def test_of_functions_that_the_package_calls_an_answer_has_the_last_requests_usage_alone(
    models: Any, client: Any, call: Any, counted: Any
) -> None:
    call(ask)(client.models, tools=[say])
    assert len(models.calls) == 2
    assert counted() == ONE


def test_of_functions_that_the_package_calls_a_stream_has_the_usage_of_all_requests(
    models: Any, client: Any, call: Any, counted: Any
) -> None:
    list(call(stream)(client.models, tools=[say]))
    assert len(models.calls) == 2
    twice = times(2, {name: value for name, value in ONE.items() if name != "calls_total success"})
    assert counted() == {"calls_total success": 1, **twice}


def test_streams_left_early(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, stream, read=1)
    assert counted() == times(made, {"calls_total cancelled": 1, "errors_total unknown": 1, **BEGUN})


@pytest.mark.parametrize(("broken", "error"), [("broken", "ServerError"), ("cut", "RemoteProtocolError")])
def test_streams_that_break(clients: Any, call: Any, counted: Any, broken: str, error: str) -> None:
    made = make_calls(call, clients, lambda models: stream(models, broken), read=ALL, raises=Exception)
    counts = counted()
    assert (counts["calls_total error"], counts[f"errors_total {error}"]) == (made, made)
    assert counts["token_usage_total cache_read"] == made * 1024  # known from the first chunk on


def test_streams_that_stop_for_too_long(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda models: stream(models, "stalls", **PATIENCE), read=ALL, raises=Exception)
    counts = counted()
    assert (counts["calls_total timeout"], counts["token_usage_total cache_read"]) == (made, made * 1024)


@pytest.mark.parametrize(("model", "first_token"), [("slow", (1.0, 3.0)), ("stalls", (0.0, 0.9))])
def test_times(clients: Any, call: Any, counted: Any, exporter: Any, model: str, first_token: Any) -> None:
    ways = [PLAIN_WAYS[0], ASYNC_WAYS[1]]
    made = make_calls(call, clients, lambda models: stream(models, model), read=ALL, ways=ways)
    assert counted() == times(made, ONE)
    check_times(exporter, "gemini", MODEL, made, first_token)


@pytest.mark.parametrize(("ask", "read"), [(ask, None), (stream, ALL)])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "ClientError", "rate_limited"),
        ("boom-500", "ServerError", "error"),
        ("boom-529", "ServerError", "error"),
        ("boom-400", "ClientError", "error"),
        ("slow", "ReadTimeout", "timeout"),
    ],
)
def test_errors(
    clients: Any, call: Any, counted: Any, model: str, error: str, status: str, ask: Any, read: Any
) -> None:
    config = PATIENCE if model == "slow" else {}
    made = make_calls(call, clients, lambda models: ask(models, model, **config), read=read, raises=Exception)
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": made} if status == "timeout" else {}
    assert counted() == {f"calls_total {status}": made, f"errors_total {error}": made, **missing}
