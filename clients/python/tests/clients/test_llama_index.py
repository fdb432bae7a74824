"""LlamaIndex, unchanged: its models of OpenAI, plain, asynchronous and as streams; an agent; errors."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from agent_calls import (
    FAILURES,
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

openai = installed("llama_index.llms.openai")
pytestmark = pytest.mark.clients

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage

ASK = [ChatMessage("hi")]


def weather() -> str:
    """The weather."""
    return "sun"


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@pytest.fixture(params=[openai.OpenAI, openai.OpenAIResponses])
def new_model(request: pytest.FixtureRequest, agent_models: Any) -> Any:
    def make(model: str = "gpt-4o-mini") -> Any:
        options: Any = {"model": model}  # here, as the argument has to be a model that it knows
        if request.param is openai.OpenAI:
            options["stream_options"] = {"include_usage": True}
        return request.param(
            model="gpt-4o-mini",
            api_base=agent_models.url + "/v1",
            api_key="k",
            max_retries=0,
            timeout=0.5,
            additional_kwargs=options,
        )

    return make


@pytest.fixture
def new_agent(new_model: Any) -> Any:
    def make(model: str = "gpt-4o-mini", streaming: bool = True, tools: Any = (weather,)) -> Any:
        return FunctionAgent(tools=list(tools), llm=new_model(model), streaming=streaming)

    return make


async def gather(stream: Any) -> str:
    return str([chunk async for chunk in stream][-1])


@pytest.mark.parametrize("counting", [decorated, in_a_block])
@pytest.mark.parametrize(("method", "asked"), [("chat", ASK), ("complete", "hi")])
def test_answer(new_model: Any, call: Any, counted: Any, method: str, asked: Any, counting: Any) -> None:
    assert "Hello" in str(counting(call, getattr(new_model(), method))(asked))
    assert counted() == ONE


@pytest.mark.parametrize("counting", [decorated, in_an_asynchronous_block])
@pytest.mark.parametrize(("method", "asked"), [("achat", ASK), ("acomplete", "hi")])
def test_asynchronous_answer(new_model: Any, call: Any, counted: Any, method: str, asked: Any, counting: Any) -> None:
    assert "Hello" in str(asyncio.run(counting(call, getattr(new_model(), method))(asked)))
    assert counted() == ONE


@pytest.mark.parametrize("counting", [decorated, in_a_block])
@pytest.mark.parametrize(("method", "asked"), [("stream_chat", ASK), ("stream_complete", "hi")])
def test_stream(new_model: Any, call: Any, counted: Any, method: str, asked: Any, counting: Any) -> None:
    assert list(counting(call, getattr(new_model(), method))(asked))
    assert counted() == ONE


@pytest.mark.parametrize(("method", "asked"), [("astream_chat", ASK), ("astream_complete", "hi")])
def test_asynchronous_stream(new_model: Any, call: Any, counted: Any, method: str, asked: Any) -> None:
    async def run() -> list[Any]:
        return [chunk async for chunk in await call(getattr(new_model(), method))(asked)]

    assert asyncio.run(run())
    assert counted() == ONE


def test_first_token(new_model: Any, call: Any, counted: Any, exporter: Any) -> None:
    assert list(call(new_model("paced").stream_chat)(ASK))
    assert counted() == ONE
    first, latency = times(exporter)
    assert 0.2 <= first <= latency - 0.1


def test_stream_left_early(new_model: Any, call: Any, counted: Any) -> None:
    for chunk in call(new_model("paced").stream_chat)(ASK):
        if chunk.delta:
            break
    gc.collect()
    assert counted() == LEFT_EARLY


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_errors(new_model: Any, call: Any, counted: Any, model: str, status: str, streamed: bool) -> None:
    asked = new_model(model)
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which of the package's it is, the counts say
        _ = list(call(asked.stream_chat)(ASK)) if streamed else call(asked.chat)(ASK)
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize(("model", "status"), [("broken", "error"), ("stalls", "timeout")])
def test_stream_that_breaks(new_model: Any, call: Any, counted: Any, model: str, status: str) -> None:
    asked = new_model(model)
    if model == "broken" and isinstance(asked, openai.OpenAIResponses):  # whose last chunk is the error
        list(call(asked.stream_chat)(ASK))
        assert counted() == {"calls_total error": 1, "errors_total server_error": 1}
        return
    with pytest.raises(Exception) as raised:  # noqa: PT011
        list(call(asked.stream_chat)(ASK))
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize("streaming", [False, True])
def test_agent_whose_events_are_read(new_agent: Any, call: Any, counted: Any, streaming: bool) -> None:
    async def run() -> str:
        run = call(new_agent(streaming=streaming).run)("hi")
        async for _ in run.stream_events():
            pass
        return str(await run)

    assert asyncio.run(run()) == "Hello"
    assert counted() == RUN


@pytest.mark.parametrize("streaming", [False, True])
def test_agent_that_is_awaited_shows_its_last_answer_alone(
    new_agent: Any, call: Any, counted: Any, streaming: bool
) -> None:
    async def run() -> str:
        return str(await call(new_agent(streaming=streaming).run)("hi"))

    assert asyncio.run(run()) == "Hello"
    assert counted() == ONE


@pytest.mark.parametrize("reads_events", [False, True])
@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_errors_of_an_agent(
    new_agent: Any, call: Any, counted: Any, model: str, status: str, reads_events: bool
) -> None:
    async def run() -> None:
        run = call(new_agent(model).run)("hi")
        if reads_events:
            async for _ in run.stream_events():
                pass
        await run

    with pytest.raises(Exception) as raised:  # noqa: PT011
        asyncio.run(run())
    assert counted() == failed(status, raised.value)
