"""The Agents SDK, unchanged: runs of several requests, plain, asynchronous and as a stream; both models; errors."""

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
    decorated,
    failed,
    in_a_block,
    in_an_asynchronous_block,
    times,
)
from peers import installed

agents = installed("agents")
pytestmark = pytest.mark.clients

import openai

agents.set_tracing_disabled(True)


@agents.function_tool
def weather() -> str:
    return "sun"


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@pytest.fixture(params=["OpenAIChatCompletionsModel", "OpenAIResponsesModel"])
def new_agent(request: pytest.FixtureRequest, agent_models: Any) -> Any:
    def make(model: str = "gpt-4o-mini", tools: Any = (weather,), include_usage: Any = True) -> Any:
        client = openai.AsyncOpenAI(base_url=agent_models.url + "/v1", api_key="k", max_retries=0, timeout=0.5)
        kind = getattr(agents, request.param)
        # If the server is not OpenAI's, the chat model asks for the usage of streams only with this setting.
        settings = agents.ModelSettings(include_usage=include_usage)
        return agents.Agent("a", model=kind(model, client), model_settings=settings, tools=list(tools))

    return make


async def read(result: Any) -> str:
    async for _ in result.stream_events():
        pass
    return str(result.final_output)


@pytest.mark.parametrize("counting", [decorated, in_a_block])
def test_run_sync(new_agent: Any, call: Any, counted: Any, counting: Any) -> None:
    assert counting(call, agents.Runner.run_sync)(new_agent(), "hi").final_output == "Hello"
    assert counted() == RUN


@pytest.mark.parametrize("counting", [decorated, in_an_asynchronous_block])
def test_run(new_agent: Any, call: Any, counted: Any, counting: Any) -> None:
    assert asyncio.run(counting(call, agents.Runner.run)(new_agent(), "hi")).final_output == "Hello"
    assert counted() == RUN


@pytest.mark.parametrize("counting", [decorated, in_a_block])
def test_run_streamed(new_agent: Any, call: Any, counted: Any, counting: Any) -> None:
    async def run() -> str:
        return await read(counting(call, agents.Runner.run_streamed)(new_agent(), "hi"))

    assert asyncio.run(run()) == "Hello"
    assert counted() == RUN


def test_an_asynchronous_function_that_reads_its_stream(new_agent: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        result = agents.Runner.run_streamed(new_agent(), "hi")
        await read(result)
        return result

    asyncio.run(ask())
    assert counted() == RUN


def test_a_conversation_counts_each_answer_once(new_agent: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        session = agents.SQLiteSession("conversation")
        for _ in range(2):
            await call(agents.Runner.run)(new_agent(), "hi", session=session)

    asyncio.run(run())
    assert counted() == {name: pytest.approx(2 * value) for name, value in RUN.items()}


def test_first_token(new_agent: Any, call: Any, counted: Any, exporter: Any) -> None:
    asyncio.run(_streamed(call, new_agent("paced", ())))
    assert counted() == ONE
    first, latency = times(exporter)
    assert 0.2 <= first <= latency - 0.1


async def _streamed(call: Any, agent: Any) -> str:
    return await read(call(agents.Runner.run_streamed)(agent, "hi"))


def test_stream_left_early(new_agent: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        result = call(agents.Runner.run_streamed)(new_agent(tools=()), "hi")
        async for _ in result.stream_events():
            result.cancel()
            break

    asyncio.run(run())
    gc.collect()
    assert counted() == LEFT_EARLY


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_errors(new_agent: Any, call: Any, counted: Any, model: str, status: str, streamed: bool) -> None:
    agent = new_agent(model, ())
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which of the package's it is, the counts say
        asyncio.run(_streamed(call, agent) if streamed else call(agents.Runner.run)(agent, "hi"))
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize(("model", "status"), [("broken", "error"), ("stalls", "timeout")])
def test_stream_that_breaks(new_agent: Any, call: Any, counted: Any, model: str, status: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        asyncio.run(_streamed(call, new_agent(model, ())))
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_that_fails_later(new_agent: Any, call: Any, counted: Any, streamed: bool) -> None:
    """The usage of a plain run before it raises is lost: neither the error nor any other object that is seen has it."""
    agent = new_agent("tool-boom-500")
    with pytest.raises(openai.InternalServerError) as raised:
        asyncio.run(_streamed(call, agent) if streamed else call(agents.Runner.run)(agent, "hi"))
    assert counted() == {**failed("error", raised.value), **(FIRST_REQUEST if streamed else {})}


def test_a_run_of_too_many_turns(new_agent: Any, call: Any, counted: Any) -> None:
    with pytest.raises(agents.MaxTurnsExceeded):
        asyncio.run(call(agents.Runner.run)(new_agent(), "hi", max_turns=1))
    assert counted() == {"calls_total error": 1, "errors_total MaxTurnsExceeded": 1, **FIRST_REQUEST}
