"""Pydantic AI, unchanged: runs of several requests, plain, asynchronous and as streams; its models; errors."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from agent_calls import (
    FAILURES,
    FIRST_REQUEST,
    LEFT_EARLY,
    ONE,
    RUN,
    RUN_ANTHROPIC,
    decorated,
    failed,
    in_a_block,
    in_an_asynchronous_block,
    times,
)
from llm_exporter import observe
from peers import installed

pydantic_ai = installed("pydantic_ai")
pytestmark = pytest.mark.clients

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


def weather() -> str:
    return "sun"


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel])
def new_agent(request: pytest.FixtureRequest, agent_models: Any) -> Any:
    def make(model: str = "gpt-4o-mini", tools: Any = (weather,)) -> Any:
        client = AsyncOpenAI(base_url=agent_models.url + "/v1", api_key="k", max_retries=0, timeout=0.5)
        return pydantic_ai.Agent(request.param(model, provider=OpenAIProvider(openai_client=client)), tools=tools)

    return make


@pytest.fixture
def anthropic_agent(agent_models: Any) -> Any:
    client = AsyncAnthropic(base_url=agent_models.url, api_key="k", max_retries=0)
    model = AnthropicModel("claude-sonnet-4-5", provider=AnthropicProvider(anthropic_client=client))
    return pydantic_ai.Agent(model, tools=[weather])


async def stream_text(call: Any, agent: Any) -> str:
    async with call(agent.run_stream)("hi") as result:
        return [text async for text in result.stream_text(debounce_by=None)][-1]


async def stream_responses(call: Any, agent: Any) -> str:
    async with call(agent.run_stream)("hi") as result:
        async for response in result.stream_response(debounce_by=None):
            text = response.text
        return str(text)


async def get_output(call: Any, agent: Any) -> str:
    async with call(agent.run_stream)("hi") as result:
        return str(await result.get_output())


async def stream_events(call: Any, agent: Any) -> str:
    async with call(agent.run_stream_events)("hi") as events:
        *_, last = [event async for event in events]
    return str(last.result.output)


async def iterate(call: Any, agent: Any) -> str:
    async with call(agent.iter)("hi") as run:
        async for _ in run:
            pass
        return str(run.result.output)


async def iterate_and_stream(call: Any, agent: Any) -> str:
    async with call(agent.iter)("hi") as run:
        async for node in run:
            if pydantic_ai.Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    async for _ in stream:
                        pass
        return str(run.result.output)


async def run_in_a_block(call: Any, agent: Any) -> str:
    async with call as measured, measured.observe(agent.run_stream("hi")) as result:
        return str(await result.get_output())


async def read_in_a_function(call: Any, agent: Any) -> str:
    @call
    async def ask() -> Any:
        async with agent.run_stream("hi") as result:
            await result.get_output()
            return result

    return str(await (await ask()).get_output())


async def observed_by_a_generator(call: Any, agent: Any) -> str:
    @call
    async def ask() -> Any:
        async with agent.run_stream("hi") as result:
            async for text in result.stream_text(debounce_by=None):
                yield text
            observe(result)

    return [text async for text in ask()][-1]


STREAMS = [stream_text, stream_responses, get_output, stream_events, iterate, iterate_and_stream, run_in_a_block]
STREAMS += [read_in_a_function, observed_by_a_generator]


@pytest.mark.parametrize("counting", [decorated, in_a_block])
def test_run_sync(new_agent: Any, call: Any, counted: Any, counting: Any) -> None:
    assert counting(call, new_agent().run_sync)("hi").output == "Hello"
    assert counted() == RUN


@pytest.mark.parametrize("counting", [decorated, in_an_asynchronous_block])
def test_run(new_agent: Any, call: Any, counted: Any, counting: Any) -> None:
    assert asyncio.run(counting(call, new_agent().run)("hi")).output == "Hello"
    assert counted() == RUN


@pytest.mark.parametrize("read", STREAMS)
def test_streams(new_agent: Any, call: Any, counted: Any, read: Any) -> None:
    assert asyncio.run(read(call, new_agent())) == "Hello"
    assert counted() == RUN


def test_run_stream_sync(new_agent: Any, call: Any, counted: Any) -> None:
    with call(new_agent().run_stream_sync)("hi") as result:
        assert result.get_output() == "Hello"
    assert counted() == RUN


def test_a_stream_without_a_block(new_agent: Any, call: Any, counted: Any) -> None:
    result = call(new_agent().run_stream_sync)("hi")
    assert list(result.stream_text())[-1] == "Hello"
    del result
    gc.collect()
    assert counted() == RUN


def test_a_conversation_counts_each_answer_once(new_agent: Any, call: Any, counted: Any) -> None:
    agent = new_agent()
    first = call(agent.run_sync)("hi")
    call(agent.run_sync)("hi", message_history=first.all_messages())
    assert counted() == {name: pytest.approx(2 * value) for name, value in RUN.items()}


@pytest.mark.parametrize("read", [get_output, iterate])
def test_anthropic(anthropic_agent: Any, monitor: Any, counted: Any, read: Any) -> None:
    call = monitor.monitor_llm_call("A", "anthropic", "claude-sonnet-4-5")
    assert asyncio.run(read(call, anthropic_agent)) == "Hello"
    assert counted() == RUN_ANTHROPIC


def test_first_token(new_agent: Any, call: Any, counted: Any, exporter: Any) -> None:
    """Only `run_stream_events` has this time: the other streams do not show their events."""
    asyncio.run(stream_events(call, new_agent("paced", ())))
    assert counted() == ONE
    first, latency = times(exporter)
    assert 0.2 <= first <= latency - 0.1


def test_stream_left_early(new_agent: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        async with call(new_agent("paced", ()).run_stream)("hi") as result:
            async for _ in result.stream_text(debounce_by=None):
                break

    asyncio.run(run())
    gc.collect()
    assert counted() == LEFT_EARLY


def test_a_cancelled_run_keeps_the_tokens_of_its_first_request(new_agent: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        task = asyncio.ensure_future(call(new_agent("tool-slow").run)("hi"))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert counted() == {"calls_total cancelled": 1, "errors_total CancelledError": 1, **FIRST_REQUEST}


async def run_whole(call: Any, agent: Any) -> Any:
    return await call(agent.run)("hi")


@pytest.mark.parametrize(
    ("read", "used"), [(stream_events, FIRST_REQUEST), (iterate, FIRST_REQUEST), (run_whole, {}), (stream_text, {})]
)
def test_a_run_that_fails_later(new_agent: Any, call: Any, counted: Any, read: Any, used: Any) -> None:
    """The usage of a plain run before it raises is lost: neither the error nor any other object that is seen has it."""
    with pytest.raises(pydantic_ai.ModelHTTPError) as raised:
        asyncio.run(read(call, new_agent("tool-boom-500")))
    assert counted() == {**failed("error", raised.value), **used}


@pytest.mark.parametrize("read", [run_whole, stream_text, stream_events])
@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_errors(new_agent: Any, call: Any, counted: Any, model: str, status: str, read: Any) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which of the package's it is, the counts say
        asyncio.run(read(call, new_agent(model, ())))
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize(("model", "status"), [("broken", "error"), ("stalls", "timeout")])
@pytest.mark.parametrize("read", [stream_text, stream_events])
def test_stream_that_breaks(new_agent: Any, call: Any, counted: Any, model: str, status: str, read: Any) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        asyncio.run(read(call, new_agent(model, ())))
    assert counted() == failed(status, raised.value)
