"""The openai package, unchanged: chat completions, responses and embeddings, plain and asynchronous, and streams."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from openai_calls import MESSAGES, ONE, STREAM, USAGE, chat
from peers import installed
from ways import ALL, ASYNC_WAYS, PLAIN_WAYS, check_times, make_calls, times

openai = installed("openai")
pytestmark = pytest.mark.clients

CHAT_TOOL = {"type": "function", "function": {"name": "say", "parameters": {"type": "object"}}}
RESPONSES_TOOL = {"type": "function", "name": "say", "parameters": {"type": "object"}}
UNKNOWN = {"calls_total cancelled": 1, "errors_total unknown": 1, "calls_usage_missing_total": 1}


def responses(client: Any, model: str = "gpt-4o-mini", **options: Any) -> Any:
    return client.responses.create(model=model, input="hi", **options)


#: The two ways to ask, what a stream is asked for with, and a tool.
ASKS = pytest.mark.parametrize(
    ("ask", "stream", "tool"), [(chat, STREAM, CHAT_TOOL), (responses, {"stream": True}, RESPONSES_TOOL)]
)


@pytest.fixture
def clients(models: Any) -> Any:
    """The plain and the asynchronous client."""
    access: Any = {"base_url": models.url + "/v1", "api_key": "k", "max_retries": 0}
    return openai.OpenAI(**access), openai.AsyncOpenAI(**access)


@pytest.fixture
def client(clients: Any) -> Any:
    return clients[0]


@pytest.fixture
def async_client(clients: Any) -> Any:
    return clients[1]


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@ASKS
def test_answers_and_streams(clients: Any, call: Any, counted: Any, ask: Any, stream: Any, tool: Any) -> None:
    made = make_calls(call, clients, ask)
    made += make_calls(call, clients, lambda client: ask(client, tools=[tool]))
    made += make_calls(call, clients, lambda client: ask(client, **stream), read=ALL)
    made += make_calls(call, clients, lambda client: ask(client, tools=[tool], **stream), read=ALL)
    assert counted() == times(made, ONE)


def test_the_agent_gets_the_packages_own_objects(client: Any, call: Any) -> None:
    answer = call(chat)(client, tools=[CHAT_TOOL])
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"text": "Hello"}'
    assert isinstance(call(chat)(client, **STREAM), openai.Stream)
    assert len(list(call(chat)(client, **STREAM))) == 4
    assert call(responses)(client).output_text == "Hello"
    assert [event.type for event in call(responses)(client, stream=True)][-1] == "response.completed"


def test_chat_stream_without_usage_is_counted_as_such(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda client: chat(client, stream=True), read=ALL)
    assert counted() == {"calls_total success": made, "calls_usage_missing_total": made}


@ASKS
def test_streams_left_early(clients: Any, call: Any, counted: Any, ask: Any, stream: Any, tool: Any) -> None:
    made = make_calls(call, clients, lambda client: ask(client, **stream), read=1)
    assert counted() == times(made, UNKNOWN)


@pytest.mark.parametrize(
    ("ask", "stream", "broken", "error"),
    [
        (chat, STREAM, "broken", "APIError"),
        (chat, STREAM, "cut", "RemoteProtocolError"),
        # The package gives the agent an event that reports the failure, and raises nothing.
        (responses, {"stream": True}, "broken", "server_error"),
        (responses, {"stream": True}, "cut", "RemoteProtocolError"),
    ],
)
def test_streams_that_break(
    clients: Any, call: Any, counted: Any, ask: Any, stream: Any, broken: str, error: str
) -> None:
    raises = None if error == "server_error" else Exception
    made = make_calls(call, clients, lambda client: ask(client, broken, **stream), read=ALL, raises=raises)
    assert counted() == times(made, {"calls_total error": 1, f"errors_total {error}": 1})


@ASKS
def test_streams_that_stop_for_too_long(
    clients: Any, call: Any, counted: Any, ask: Any, stream: Any, tool: Any
) -> None:
    made = make_calls(
        call, clients, lambda client: ask(client, "stalls", timeout=0.3, **stream), read=ALL, raises=Exception
    )
    counts = counted()
    assert [value for name, value in counts.items() if name.startswith("errors_total")] == [made]
    assert (counts["calls_total timeout"], counts["calls_usage_missing_total"]) == (made, made)


@pytest.mark.parametrize("is_stream", [False, True])
def test_every_kind_of_token(clients: Any, monitor: Any, counted: Any, is_stream: bool) -> None:
    stream, read = (STREAM, ALL) if is_stream else ({}, None)
    call = monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")
    # 0.25, 0.125 and 1 USD for a million tokens by the tier `priority`.
    made = make_calls(call, clients, lambda client: chat(client, "priority", **stream), read=read)
    assert counted() == times(made, {**ONE, "cost_usd_total": 0.000206})
    monitor.reset_prometheus()
    make_calls(call, clients, lambda client: chat(client, "all-kinds", **stream), read=read)
    kinds = {
        "token_usage_total input": 126,
        "token_usage_total input_audio": 50,
        "token_usage_total output": 20,
        "token_usage_total output_audio": 4,
    }
    # Without a price, as the table has none for the audio of this model.
    assert counted() == times(made, {"calls_total success": 1, **USAGE, **kinds})
    monitor.reset_prometheus()
    stream = {"stream": True} if is_stream else {}
    make_calls(call, clients, lambda client: responses(client, "all-kinds", **stream), read=read)
    # One search of 0.025 USD: opening a page is free.
    searched = {"cost_usd_total": 0.000206 + 0.025, "tool_requests_total web_search": 1}
    assert counted() == times(made, {**ONE, **searched})


def test_the_model_that_answers_gives_the_price(clients: Any, monitor: Any, counted: Any) -> None:
    call = monitor.monitor_llm_call("A", "openai", "our-deployment")
    made = make_calls(call, clients, chat)
    made += make_calls(call, clients, lambda client: chat(client, **STREAM), read=ALL)
    made += make_calls(call, clients, lambda client: responses(client, stream=True), read=ALL)
    assert counted() == times(made, ONE)


def test_embeddings(clients: Any, monitor: Any, counted: Any) -> None:
    model = "text-embedding-3-small"
    call = monitor.monitor_llm_call("A", "openai", model)
    made = make_calls(call, clients, lambda client: client.embeddings.create(model=model, input=["a", "b"]))
    # 0.02 USD for a million tokens.
    counts = {"tokens_total": 1200, "token_usage_total input": 1200, "cost_usd_total": 0.000024}
    assert counted() == times(made, {"calls_total success": 1, **counts})


def test_chat_stream_helper(client: Any, call: Any, counted: Any) -> None:
    helper = call(client.chat.completions.stream)
    with helper(model="gpt-4o-mini", messages=MESSAGES, stream_options={"include_usage": True}) as stream:
        assert stream.get_final_completion().choices[0].message.content == "Hello"
    with helper(model="gpt-4o-mini", messages=MESSAGES, stream_options={"include_usage": True}) as stream:
        assert len(list(stream)) > 4
    with call(client.responses.stream)(model="gpt-4o-mini", input="hi") as stream:
        assert stream.get_final_response().output_text == "Hello"
    assert counted() == times(3, ONE)


def test_raw_responses(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda client: chat(client.with_raw_response), ways=PLAIN_WAYS)
    made += make_calls(call, clients, lambda client: responses(client.with_raw_response), ways=PLAIN_WAYS)
    assert call(chat)(clients[0].with_raw_response).parse().choices[0].message.content == "Hello"
    assert counted() == times(made + 1, ONE)


def test_raw_responses_of_asynchronous_calls(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda client: chat(client.with_raw_response), ways=ASYNC_WAYS)
    assert counted() == times(made, ONE)


def test_raw_responses_of_streams(clients: Any, call: Any, counted: Any, monitor: Any) -> None:
    client, async_client = clients
    for ask, stream in ((chat, STREAM), (responses, {"stream": True})):
        assert len([call(ask)(client.with_raw_response, **stream).parse()]) == 1
        gc.collect()
        assert counted() == UNKNOWN
        monitor.reset_prometheus()
        assert len(list(call(ask)(client.with_raw_response, **stream).parse())) >= 4
        with call as measured:
            list(measured.observe(ask(client.with_raw_response, **stream)).parse())

        async def run(ask: Any = ask, stream: Any = stream) -> None:
            response = await call(ask)(async_client.with_raw_response, **stream)
            async for _ in response.parse():
                pass

        asyncio.run(run())
        assert counted() == times(3, ONE)
        monitor.reset_prometheus()


def test_a_streaming_response_that_is_observed(client: Any, call: Any, counted: Any) -> None:
    with call as measured, chat(client.with_streaming_response) as response:
        assert measured.observe(response).parse().choices
    with call as measured, chat(client.with_streaming_response, **STREAM) as response:
        assert len(list(measured.observe(response).parse())) == 4
    assert counted() == times(2, ONE)


#: How a program reads a response of `with_streaming_response`.
READINGS = {
    "parse": lambda response: response.parse(),
    "json": lambda response: response.json(),
    "read": lambda response: response.read(),
    "iter_lines": lambda response: list(response.iter_lines()),
    "iter_bytes": lambda response: list(response.iter_bytes()),
}


@pytest.mark.parametrize("name", READINGS)
def test_streaming_responses(client: Any, call: Any, counted: Any, name: str) -> None:
    with call(chat)(client.with_streaming_response) as response:
        READINGS[name](response)
    counts = counted()
    if name.startswith("iter"):  # what passes is not kept
        assert counts == {"calls_total success": 1, "calls_usage_missing_total": 1}
    else:
        assert counts == ONE


def test_streaming_responses_of_streams(client: Any, call: Any, counted: Any) -> None:
    with call(chat)(client.with_streaming_response, **STREAM) as response:
        assert len(list(response.parse())) == 4
    assert counted() == ONE


def test_streaming_responses_of_asynchronous_calls(async_client: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        async with call(chat)(async_client.with_streaming_response) as response:
            assert (await response.parse()).choices[0].message.content == "Hello"
        async with call(chat)(async_client.with_streaming_response) as response:
            assert json.loads(await response.read())["object"] == "chat.completion"
        async with call(chat)(async_client.with_streaming_response, **STREAM) as response:
            assert len([chunk async for chunk in await response.parse()]) == 4

    asyncio.run(run())
    assert counted() == times(3, ONE)


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


def test_an_answer_that_is_too_long_to_parse_is_billed(clients: Any, call: Any, counted: Any) -> None:
    class Said(installed("pydantic").BaseModel):  # type: ignore[misc]
        text: str

    def ask(client: Any) -> Any:
        return client.chat.completions.parse(model="long", messages=MESSAGES, response_format=Said)

    made = make_calls(call, clients, ask, raises=openai.LengthFinishReasonError)
    failed = {"calls_total error": 1, "errors_total LengthFinishReasonError": 1}
    assert counted() == times(made, {**failed, **{n: v for n, v in ONE.items() if n != "calls_total success"}})


def test_a_function_that_makes_several_requests(client: Any, call: Any, counted: Any) -> None:
    from llm_exporter import observe

    @call
    def ask() -> Any:
        observe(chat(client, tools=[CHAT_TOOL]))
        return chat(client)

    ask()
    usage = {name: 2 * value for name, value in ONE.items() if name != "calls_total success"}
    assert counted() == times(1, {"calls_total success": 1, **usage})


@ASKS
@pytest.mark.parametrize(("model", "first_token"), [("slow", (1.0, 3.0)), ("stalls", (0.0, 0.9))])
def test_times(
    clients: Any, call: Any, counted: Any, exporter: Any, ask: Any, stream: Any, tool: Any, model: str, first_token: Any
) -> None:
    ways = [PLAIN_WAYS[0], ASYNC_WAYS[1]]
    made = make_calls(call, clients, lambda client: ask(client, model, **stream), read=ALL, ways=ways)
    assert counted() == times(made, ONE)
    check_times(exporter, "openai", "gpt-4o-mini", made, first_token)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "RateLimitError", "rate_limited"),
        ("boom-500", "InternalServerError", "error"),
        ("boom-529", "InternalServerError", "error"),
        ("boom-400", "BadRequestError", "error"),
        ("slow", "APITimeoutError", "timeout"),
    ],
)
def test_errors(clients: Any, call: Any, counted: Any, model: str, error: str, status: str, is_stream: bool) -> None:
    made = 0
    for ask, stream in ((chat, STREAM), (responses, {"stream": True})):
        options = {"timeout": 0.3, **(stream if is_stream else {})}
        made += make_calls(
            call, clients, lambda client: ask(client, model, **options), raises=getattr(openai, error)  # noqa: B023
        )
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": made} if status == "timeout" else {}
    assert counted() == {f"calls_total {status}": made, f"errors_total {error}": made, **missing}


def test_an_error_when_a_streaming_response_is_opened(client: Any, call: Any, counted: Any) -> None:
    with pytest.raises(openai.RateLimitError), call(chat)(client.with_streaming_response, "boom-429"):
        pass
    assert counted() == {"calls_total rate_limited": 1, "errors_total RateLimitError": 1}


def test_the_packages_own_retries_are_one_call(models: Any, call: Any, counted: Any) -> None:
    client = openai.OpenAI(base_url=models.url + "/v1", api_key="k", max_retries=1)
    with pytest.raises(openai.InternalServerError):
        call(chat)(client, "boom-500")
    assert len(models.calls) == 2
    assert counted() == {"calls_total error": 1, "errors_total InternalServerError": 1}


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


def test_a_stream_that_is_never_read(client: Any, call: Any, counted: Any) -> None:
    call(chat)(client, **STREAM)
    gc.collect()
    assert counted() == UNKNOWN
