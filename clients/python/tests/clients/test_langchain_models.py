"""LangChain's models of OpenAI and Anthropic, unchanged: answers, batches, streams, tools, errors."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Callable, NamedTuple

import pytest

from agent_calls import (
    FAILURES,
    FIRST_REQUEST,
    LEFT_EARLY,
    ONE,
    ONE_ANTHROPIC,
    decorated,
    failed,
    in_a_block,
    in_an_asynchronous_block,
    times,
)
from peers import installed

langchain_openai = installed("langchain_openai")
langchain_anthropic = installed("langchain_anthropic")
pytestmark = pytest.mark.clients

from langchain_core.messages import HumanMessage

# A stream of Anthropic's model says only how much was written to the cache: what is kept for an hour costs less there.
STREAMED_ANTHROPIC: dict[str, Any] = {**ONE_ANTHROPIC, "cost_usd_total": 0.0032652}
STREAMED_ANTHROPIC["token_usage_total cache_write"] = 512
del STREAMED_ANTHROPIC["token_usage_total cache_write_1h"]


def weather() -> str:
    """The weather."""
    return "sun"


class Provider(NamedTuple):
    call: Any
    new_model: Callable[..., Any]
    one: dict[str, Any]
    streamed: dict[str, Any]


@pytest.fixture(params=["chat", "responses", "anthropic"])
def provider(request: pytest.FixtureRequest, agent_models: Any, monitor: Any) -> Provider:
    settings: Any = {"api_key": "k", "max_retries": 0, "timeout": 0.5}

    def new_model(model: str = "a-model") -> Any:
        if request.param == "anthropic":
            return langchain_anthropic.ChatAnthropic(model=model, base_url=agent_models.url, **settings)
        settings.update(use_responses_api=request.param == "responses", stream_usage=True)
        return langchain_openai.ChatOpenAI(model=model, base_url=agent_models.url + "/v1", **settings)

    if request.param == "anthropic":
        call = monitor.monitor_llm_call("A", "anthropic", "claude-sonnet-4-5")
        return Provider(call, new_model, ONE_ANTHROPIC, STREAMED_ANTHROPIC)
    return Provider(monitor.monitor_llm_call("A", "openai", "gpt-4o-mini"), new_model, ONE, ONE)


def read(chunks: Any) -> str:
    return "".join([chunk.text for chunk in chunks])


async def astream(call: Any, model: Any) -> str:
    return read([chunk async for chunk in call(model.astream)("hi")])


async def astream_in_a_block(call: Any, model: Any) -> str:
    async with call as measured:
        return read([chunk async for chunk in measured.observe(model.astream("hi"))])


async def astream_in_a_generator(call: Any, model: Any) -> str:
    @call
    async def ask() -> Any:
        async for chunk in model.astream("hi"):
            yield chunk

    return read([chunk async for chunk in ask()])


async def astream_events(call: Any, model: Any) -> str:
    events = [event async for event in call(model.astream_events)("hi", version="v2")]
    return str(events[-1]["data"]["output"].text)


@pytest.mark.parametrize("counting", [decorated, in_a_block])
def test_invoke(provider: Provider, counted: Any, counting: Any) -> None:
    assert counting(provider.call, provider.new_model().invoke)("hi").text == "Hello"
    assert counted() == provider.one


@pytest.mark.parametrize("counting", [decorated, in_an_asynchronous_block])
def test_ainvoke(provider: Provider, counted: Any, counting: Any) -> None:
    assert asyncio.run(counting(provider.call, provider.new_model().ainvoke)("hi")).text == "Hello"
    assert counted() == provider.one


@pytest.mark.parametrize("counting", [decorated, in_a_block])
def test_stream(provider: Provider, counted: Any, counting: Any) -> None:
    assert read(counting(provider.call, provider.new_model().stream)("hi")) == "Hello"
    assert counted() == provider.streamed


@pytest.mark.parametrize("stream", [astream, astream_in_a_block, astream_in_a_generator, astream_events])
def test_astream(provider: Provider, counted: Any, stream: Any) -> None:
    assert asyncio.run(stream(provider.call, provider.new_model())) == "Hello"
    assert counted() == provider.streamed


def test_batch_is_one_call_with_the_tokens_of_all(provider: Provider, counted: Any) -> None:
    assert len(provider.call(provider.new_model().batch)(["hi", "ho", "ha"])) == 3
    three = {name: pytest.approx(3 * value) for name, value in provider.one.items()}
    assert counted() == {**three, "calls_total success": 1}


def test_generate(provider: Provider, counted: Any) -> None:
    provider.call(provider.new_model().generate)([[HumanMessage("hi")], [HumanMessage("ho")]])
    two = {name: pytest.approx(2 * value) for name, value in provider.one.items()}
    assert counted() == {**two, "calls_total success": 1}


@pytest.mark.parametrize("streamed", [False, True])
def test_tool(provider: Provider, counted: Any, streamed: bool) -> None:
    model = provider.new_model().bind_tools([weather])
    if streamed:
        chunks = list(provider.call(model.stream)("hi"))
        assert any(chunk.tool_call_chunks for chunk in chunks)
    else:
        assert provider.call(model.invoke)("hi").tool_calls
    cost = 0.001005 if provider.one is ONE_ANTHROPIC else FIRST_REQUEST["cost_usd_total"]
    assert counted() == {"calls_total success": 1, **FIRST_REQUEST, "cost_usd_total": cost}


def test_first_token(provider: Provider, counted: Any, exporter: Any) -> None:
    read(provider.call(provider.new_model("paced").stream)("hi"))
    assert counted() == provider.streamed
    first, latency = times(exporter)
    assert 0.2 <= first <= latency - 0.1


def test_stream_left_early(provider: Provider, counted: Any) -> None:
    for chunk in provider.call(provider.new_model("paced").stream)("hi"):
        if chunk.text:
            break
    gc.collect()
    assert counted() == LEFT_EARLY


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_errors(provider: Provider, counted: Any, model: str, status: str, streamed: bool) -> None:
    asked = provider.new_model(model)
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which of the package's it is, the counts say
        _ = read(provider.call(asked.stream)("hi")) if streamed else provider.call(asked.invoke)("hi")
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize(("model", "status"), [("broken", "error"), ("stalls", "timeout")])
def test_stream_that_breaks(provider: Provider, counted: Any, model: str, status: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        asyncio.run(astream(provider.call, provider.new_model(model)))
    assert counted() == failed(status, raised.value)
