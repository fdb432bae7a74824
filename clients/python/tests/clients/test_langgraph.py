"""LangGraph and LangChain's agents, unchanged: runs of several requests, their streams, histories, nodes; errors."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, TypedDict

import pytest

from agent_calls import FAILURES, FIRST_REQUEST, ONE, RUN, RUN_ANTHROPIC, failed, times
from peers import installed

langgraph = installed("langgraph.graph")
agents = installed("langchain.agents")
pytestmark = pytest.mark.clients

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import create_react_agent

ASK: Any = {"messages": [{"role": "user", "content": "hi"}]}
THREAD: Any = {"configurable": {"thread_id": "1"}}
MODES: list[Any] = ["values", "updates", "messages", "debug", "tasks", ["updates", "messages"], ["values", "messages"]]


def weather() -> str:
    """The weather."""
    return "sun"


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@pytest.fixture
def new_model(agent_models: Any) -> Any:
    def make(model: str = "a-model") -> Any:
        url = agent_models.url + "/v1"
        return ChatOpenAI(model=model, base_url=url, api_key="k", max_retries=0, timeout=0.5, stream_usage=True)

    return make


@pytest.fixture(params=[agents.create_agent, create_react_agent])
def new_agent(request: pytest.FixtureRequest, new_model: Any) -> Any:
    def make(model: str = "a-model", tools: Any = (weather,), **options: Any) -> Any:
        return request.param(new_model(model), tools=list(tools), **options)

    return make


async def astream(call: Any, agent: Any, mode: Any) -> None:
    async for _ in call(agent.astream)(ASK, stream_mode=mode):
        pass


def test_invoke(new_agent: Any, call: Any, counted: Any) -> None:
    assert call(new_agent().invoke)(ASK)["messages"][-1].text == "Hello"
    assert counted() == RUN


def test_invoke_of_the_second_version(new_agent: Any, call: Any, counted: Any) -> None:
    assert call(new_agent().invoke)(ASK, version="v2").value["messages"][-1].text == "Hello"
    assert counted() == RUN


def test_ainvoke(new_agent: Any, call: Any, counted: Any) -> None:
    assert asyncio.run(call(new_agent().ainvoke)(ASK))["messages"][-1].text == "Hello"
    assert counted() == RUN


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("mode", MODES)
def test_stream(new_agent: Any, call: Any, counted: Any, mode: Any, version: str) -> None:
    for _ in call(new_agent().stream)(ASK, stream_mode=mode, version=version):
        pass
    assert counted() == RUN


@pytest.mark.parametrize("mode", MODES)
def test_astream(new_agent: Any, call: Any, counted: Any, mode: Any) -> None:
    asyncio.run(astream(call, new_agent(), mode))
    assert counted() == RUN


def test_events(new_agent: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        async for _ in call(new_agent().astream_events)(ASK, version="v2"):
            pass

    asyncio.run(run())
    assert counted() == RUN


def test_anthropic(agent_models: Any, monitor: Any, counted: Any) -> None:
    model = ChatAnthropic(model="claude", base_url=agent_models.url, api_key="k", max_retries=0)
    call = monitor.monitor_llm_call("A", "anthropic", "claude-sonnet-4-5")
    call(agents.create_agent(model, [weather]).invoke)(ASK)
    assert counted() == RUN_ANTHROPIC


@pytest.mark.parametrize("mode", [None, *MODES])
def test_a_history_is_not_counted_again(new_agent: Any, call: Any, counted: Any, mode: Any) -> None:
    agent = new_agent(checkpointer=InMemorySaver())
    for _ in range(2):
        if mode is None:
            call(agent.invoke)(ASK, THREAD)
        else:
            for _ in call(agent.stream)(ASK, THREAD, stream_mode=mode):
                pass
    assert counted() == {name: pytest.approx(2 * value) for name, value in RUN.items()}


class State(TypedDict, total=False):
    text: str


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_decorated_node(new_model: Any, call: Any, counted: Any, asynchronous: bool) -> None:
    model = new_model()

    def node(state: State) -> State:
        return {"text": call(model.invoke)("hi").text}

    async def anode(state: State) -> State:
        return {"text": (await call(model.ainvoke)("hi")).text}

    graph = langgraph.StateGraph(State)
    graph.add_node("ask", anode if asynchronous else node)
    graph.add_edge(langgraph.START, "ask")
    compiled = graph.compile()
    ended = asyncio.run(compiled.ainvoke({})) if asynchronous else compiled.invoke({})
    assert ended == {"text": "Hello"}
    assert counted() == ONE


def test_a_decorated_node_that_returns_messages(new_model: Any, call: Any, counted: Any) -> None:
    model = new_model()

    @call
    def node(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    graph = langgraph.StateGraph(langgraph.MessagesState)
    graph.add_node("ask", node)
    graph.add_edge(langgraph.START, "ask")
    graph.compile().invoke(ASK)
    assert counted() == ONE


def test_first_token(new_agent: Any, call: Any, counted: Any, exporter: Any) -> None:
    for _ in call(new_agent("paced", ()).stream)(ASK, stream_mode="messages"):
        pass
    assert counted() == ONE
    first, latency = times(exporter)
    assert 0.2 <= first <= latency - 0.1


def test_stream_left_early(new_agent: Any, call: Any, counted: Any) -> None:
    for _ in call(new_agent().stream)(ASK, stream_mode="updates"):
        break
    gc.collect()
    assert counted() == {"calls_total cancelled": 1, "errors_total unknown": 1, **FIRST_REQUEST}


@pytest.mark.parametrize(
    ("model", "status", "mode"),
    [
        *((*failure, mode) for failure in FAILURES for mode in (None, "values", "messages")),
        # Only this mode streams the model.
        ("broken", "error", "messages"),
        ("stalls", "timeout", "messages"),
    ],
)
def test_errors(new_agent: Any, call: Any, counted: Any, model: str, status: str, mode: Any) -> None:
    agent = new_agent(model, ())
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which of the package's it is, the counts say
        _ = call(agent.invoke)(ASK) if mode is None else list(call(agent.stream)(ASK, stream_mode=mode))
    assert counted() == failed(status, raised.value)


@pytest.mark.parametrize(("mode", "used"), [(None, {}), ("values", FIRST_REQUEST), ("messages", FIRST_REQUEST)])
def test_a_run_that_fails_later(new_agent: Any, call: Any, counted: Any, mode: Any, used: Any) -> None:
    """The usage of `invoke` before it raises is lost: neither the error nor any other object that is seen has it."""
    agent = new_agent("tool-boom-500")
    with pytest.raises(Exception) as raised:  # noqa: PT011
        _ = call(agent.invoke)(ASK) if mode is None else list(call(agent.stream)(ASK, stream_mode=mode))
    assert counted() == {**failed("error", raised.value), **used}
