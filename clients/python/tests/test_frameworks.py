"""Answers and streams in the shapes of agents' frameworks. tests/clients runs the packages themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from types import SimpleNamespace, TracebackType
from typing import Any, Optional

import pytest

from llm_exporter.usage import StreamUsage, Usage, read_answers
from recorded import ANSWER, SUCCESS, Recorded, outcome

USAGE = ANSWER["usage"]
FIRST, SECOND = Usage(10, 5), Usage(30, 7)
LONGER = {"prompt_tokens": 30, "completion_tokens": 7}


def of_package(name: str, **fields: Any) -> Any:
    """An object of a class of that package."""
    return type("Made", (SimpleNamespace,), {"__module__": name})(**fields)


def message(kind: str, id: str, usage: Any = None, content: str = "a") -> Any:
    counts = usage and {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    return SimpleNamespace(type=kind, id=id, content=content, usage_metadata=counts)


def gathered(*chunks: Any) -> list[Optional[Usage]]:
    stream = StreamUsage()
    for chunk in chunks:
        stream.add(chunk)
    return [reading.usage for reading in stream.readings() if reading.usage is not None]


def has_token(*chunks: Any) -> bool:
    stream = StreamUsage()
    for chunk in chunks:
        stream.add(chunk)
    return stream.has_token


@pytest.mark.parametrize(
    "step",
    [
        {"type": "agent_updated_stream_event", "new_agent": "a"},
        {"type": "checkpoint", "payload": {"values": {}}},
        {"type": "task", "payload": {"triggers": ["start"], "input": {}}},
        {"id": "1", "triggers": ["start"], "input": {}},
        of_package("pydantic_ai._agent_graph", user_prompt="hi"),
        of_package("llama_index.core.agent", input=["hi"]),
    ],
)
def test_a_step_of_a_run_is_no_token(step: Any) -> None:
    assert not has_token(step)


def test_a_second_version_of_langgraph() -> None:
    parts = [
        {"type": "updates", "ns": (), "data": {"model": {"messages": [message("ai", "1", USAGE)]}}},
        {"type": "messages", "ns": (), "data": (message("AIMessageChunk", "2", LONGER), {})},
    ]
    assert gathered(*parts) == [FIRST, SECOND]
    assert (
        read_answers(of_package("langgraph.types", value={"messages": [message("ai", "1", USAGE)]}))[0].usage == FIRST
    )


@pytest.mark.parametrize("debug", [False, True])
def test_tasks_of_langgraph(debug: bool) -> None:
    task = {"id": "t", "error": None, "result": {"messages": [message("ai", "1", USAGE)]}}
    assert gathered({"type": "task_result", "payload": task} if debug else task) == [FIRST]


def test_events_of_langchain_count_an_answer_whose_chunks_have_two_ids_once() -> None:
    chunks = [message("AIMessageChunk", id, usage) for id, usage in (("resp", None), ("run", None), ("run", USAGE))]
    events = [{"event": "on_chat_model_stream", "run_id": "r", "data": {"chunk": chunk}} for chunk in chunks]
    whole = message("AIMessageChunk", "resp", USAGE)
    events.append({"event": "on_chat_model_end", "run_id": "r", "data": {"output": whole}})
    assert gathered(*events) == [FIRST]


def test_the_provider_answer_in_one_of_llama_index_says_more() -> None:
    raw = {"usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}}
    counts = {"prompt_tokens": 10, "completion_tokens": 5}
    (reading,) = read_answers(of_package("llama_index.core", raw=raw, additional_kwargs=counts))
    assert reading.usage == FIRST._replace(cache_read_tokens=4)
    event = {"type": "response.completed", "response": {"id": "r", "object": "response", "usage": USAGE}}
    assert [reading.usage for reading in read_answers(of_package("llama_index.core", raw=event))] == [FIRST]
    assert gathered(of_package("llama_index.core", raw=event, delta="a")) == [FIRST]


def test_a_prediction_of_dspy_counts_instead_of_the_chunks_before_it() -> None:
    prediction: Any = of_package("dspy.primitives")
    type(prediction).get_lm_usage = lambda self: {"gpt": USAGE}
    chunks: list[Any] = [{"id": id, "choices": [], "usage": LONGER} for id in ("a", "b")]
    assert gathered(*chunks, prediction) == [FIRST]
    assert gathered(*chunks, prediction, {"id": "c", "choices": [], "usage": LONGER}) == [FIRST, SECOND]
    assert gathered(prediction, prediction) == [FIRST, FIRST]


# Calls.


def error_with(**fields: Any) -> Exception:
    error = RuntimeError()
    vars(error).update(fields)
    return error


@pytest.mark.parametrize(
    "error",
    [
        error_with(run_data=SimpleNamespace(raw_responses=[ANSWER])),
        error_with(completion=ANSWER),
        error_with(last_completion=ANSWER),
        error_with(_pydantic_ai_run_cancelled=error_with(**ANSWER)),
    ],
)
def test_an_error_has_the_tokens_of_the_answers_before_it(recorded: Recorded, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(RuntimeError):
        recorded.call(fail)()
    assert outcome(recorded) == ("error", "RuntimeError", 10, 5)


@pytest.mark.parametrize(
    ("cause", "status"), [(TimeoutError(), "timeout"), (ValueError(), "error"), (asyncio.CancelledError(), "error")]
)
def test_an_error_that_says_nothing_has_the_status_of_its_cause(recorded: Recorded, cause: Any, status: str) -> None:
    def fail() -> None:
        raise RuntimeError from cause

    with pytest.raises(RuntimeError):
        recorded.call(fail)()
    assert recorded.end.status == status


def test_an_http_status_says_more_than_a_cause(recorded: Recorded) -> None:
    def fail() -> None:
        raise error_with(status_code=400) from TimeoutError()

    with pytest.raises(RuntimeError):
        recorded.call(fail)()
    assert recorded.end.status == "error"


class Run:
    """As a run of the Agents SDK with its chat model: neither events nor answers have ids."""

    def __init__(self) -> None:
        self.raw_responses: list[Any] = []
        self.is_complete = False

    async def stream_events(self) -> AsyncIterator[Any]:
        yield {"type": "raw_response_event", "data": {"type": "response.completed", "response": dict(ANSWER)}}
        self.raw_responses, self.is_complete = [dict(ANSWER)], True


async def drain(run: Any) -> Any:
    async for _ in run.stream_events():
        pass
    return run


def test_answers_without_ids_count_once(recorded: Recorded) -> None:
    asyncio.run(drain(recorded.call(Run)()))
    assert outcome(recorded) == SUCCESS


def test_a_run_that_was_read_whole_is_an_answer(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> Any:
        return await drain(Run())

    run = asyncio.run(ask())
    assert outcome(recorded) == SUCCESS
    assert run.is_complete


class Handler:
    """As a run of LlamaIndex: awaitable, and it goes on whether or not its events are read."""

    def __init__(self, error: Optional[Exception] = None) -> None:
        self._error = error
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._result_task = asyncio.ensure_future(self._run())

    async def _run(self) -> Any:
        for id in ("a", "b"):
            await asyncio.sleep(0)
            self._events.put_nowait({"id": id, **ANSWER})
        self._events.put_nowait(None)
        if self._error is not None:
            raise self._error
        return SimpleNamespace(result={"id": "b", **ANSWER})

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._result_task.__await__()

    async def stream_events(self) -> AsyncIterator[Any]:
        while (event := await self._events.get()) is not None:
            yield event


@pytest.mark.parametrize(("reads", "tokens"), [(False, (10, 5)), (True, (20, 10))])
def test_a_run_of_llama_index_ends_when_it_is_done(recorded: Recorded, reads: bool, tokens: tuple[int, int]) -> None:
    async def run() -> None:
        handler = recorded.call(Handler)()
        assert isinstance(handler, Handler)
        assert not recorded.ends
        if reads:
            await drain(handler)
        await handler

    asyncio.run(run())
    assert outcome(recorded) == ("success", None, *tokens)


@pytest.mark.parametrize("reads", [False, True])
def test_a_run_of_llama_index_that_fails(recorded: Recorded, reads: bool) -> None:
    async def run() -> None:
        handler = recorded.call(Handler)(TimeoutError())
        if reads:
            await drain(handler)
        with pytest.raises(TimeoutError):
            await handler

    asyncio.run(run())
    assert outcome(recorded)[:2] == ("timeout", "TimeoutError")


class Context(contextlib.AbstractContextManager[Any]):
    """As Pydantic AI's context of `run_stream_events`."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        pass


Context.__module__ = "pydantic_ai.result"


def test_a_class_of_pydantic_ai_that_is_derived_from_one_of_contextlib_is_a_manager(recorded: Recorded) -> None:
    with recorded.call(Context)():
        assert not recorded.ends
    assert recorded.end.status == "success"


class StreamedRunResultSync:
    """As Pydantic AI's, which makes its requests as it is read."""

    def __init__(self) -> None:
        self.usage: Any = None
        self.is_complete = False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_output(self) -> None:
        self.usage, self.is_complete = USAGE, True


@pytest.mark.parametrize("in_a_block", [False, True])
def test_a_synchronous_run_ends_with_its_block_or_its_life(recorded: Recorded, in_a_block: bool) -> None:
    run = recorded.call(StreamedRunResultSync)()
    assert not recorded.ends
    if in_a_block:
        with run as entered:
            entered.get_output()
        del entered
    else:
        run.get_output()
    del run
    assert outcome(recorded) == SUCCESS


def test_a_synchronous_run_that_was_not_read_is_cancelled(recorded: Recorded) -> None:
    with recorded.call(StreamedRunResultSync)():
        pass
    assert recorded.end.status == "cancelled"
