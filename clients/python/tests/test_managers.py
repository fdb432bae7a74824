"""Calls whose function gives a context manager, or a run whose events are read, end with what they manage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from recorded import ANSWER, CHUNKS, SUCCESS, Recorded, Stream, outcome


@contextlib.contextmanager
def opened(answer: Any) -> Iterator[Any]:
    yield answer


@contextlib.asynccontextmanager
async def opened_asynchronously(answer: Any) -> AsyncIterator[Any]:
    yield answer


class Result:
    """As Pydantic AI's result of a stream: its usage is known at the end."""

    def __init__(self) -> None:
        self.usage: Any = None
        self.is_complete = False

    def read(self) -> None:
        self.usage, self.is_complete = ANSWER["usage"], True


def test_a_manager_of_contextlib_ends_its_call_with_its_block(recorded: Recorded) -> None:
    result = Result()
    with recorded.call(opened)(result) as entered:
        assert entered is result
        time.sleep(0.03)
        assert not recorded.ends
        entered.read()
    assert outcome(recorded) == SUCCESS
    assert (recorded.end.latency_ms or 0) >= 30


def test_an_asynchronous_manager(recorded: Recorded) -> None:
    async def run() -> None:
        async with recorded.call(opened_asynchronously)(Result()) as result:
            assert not recorded.ends
            result.read()

    asyncio.run(run())
    assert outcome(recorded) == SUCCESS


def test_a_block_that_fails_has_the_status_of_its_error(recorded: Recorded) -> None:
    with pytest.raises(TimeoutError), recorded.call(opened)(Result()):
        raise TimeoutError
    assert outcome(recorded)[0] == "timeout"


def test_an_answer_that_was_not_read_to_its_end_is_cancelled(recorded: Recorded) -> None:
    with recorded.call(opened)(Result()):
        pass
    assert outcome(recorded)[0] == "cancelled"


def test_a_manager_that_is_never_entered_is_cancelled(recorded: Recorded) -> None:
    recorded.call(opened)(Result())
    assert outcome(recorded)[0] == "cancelled"


def test_a_manager_may_open_an_answer(recorded: Recorded) -> None:
    with recorded.call(contextlib.nullcontext)(ANSWER) as answer:
        assert answer is ANSWER
    assert outcome(recorded) == SUCCESS


def test_a_manager_may_open_a_stream(recorded: Recorded) -> None:
    with recorded.call(contextlib.closing)(Stream(CHUNKS)) as stream:
        assert list(stream) == CHUNKS
    assert outcome(recorded) == SUCCESS


def test_a_stream_of_a_manager_that_is_left_early_is_cancelled(recorded: Recorded) -> None:
    with recorded.call(contextlib.closing)(Stream(CHUNKS)) as stream:
        next(stream)
    assert outcome(recorded)[0] == "cancelled"


def test_a_manager_may_open_itself(recorded: Recorded) -> None:
    closed: list[int] = []
    with recorded.call(contextlib.ExitStack)() as stack:
        stack.callback(closed.append, 1)
    assert closed == [1]
    assert outcome(recorded)[0] == "success"


class ResponseContextManager:
    """As openai's `with_streaming_response`."""

    def __init__(self, response: Response) -> None:
        self.response = response

    def __enter__(self) -> Response:
        return self.response

    def __exit__(self, *_: object) -> None:
        pass


class Response:
    def __init__(self, body: Any, stream: Any = None) -> None:
        self.http_response = SimpleNamespace(content=json.dumps(body).encode())
        self.stream = stream

    def parse(self) -> Any:
        return self.stream


def test_a_raw_response_that_was_read_whole(recorded: Recorded) -> None:
    with recorded.call(ResponseContextManager)(Response(ANSWER)) as response:
        assert isinstance(response, Response)
    assert outcome(recorded) == SUCCESS


@pytest.mark.parametrize("whole", [True, False])
def test_the_stream_of_a_raw_response(recorded: Recorded, whole: bool) -> None:
    with recorded.call(ResponseContextManager)(Response(None, Stream(CHUNKS))) as response:
        stream = response.parse()
        assert stream is response.parse()
        next(stream)
        if whole:
            list(stream)
    assert outcome(recorded) == (SUCCESS if whole else ("cancelled", None, None, None))


class RequestContextManager:
    """As aiohttp's: it may be awaited, or entered."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return ANSWER

    async def __aenter__(self) -> Any:
        return ANSWER

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("is_entered", [True, False])
def test_a_manager_that_may_be_awaited(recorded: Recorded, is_entered: bool) -> None:
    async def run() -> None:
        request = recorded.call(RequestContextManager)()
        if not is_entered:
            assert await request is ANSWER
            return
        async with request as answer:
            assert answer is ANSWER

    asyncio.run(run())
    assert outcome(recorded) == SUCCESS


class Run:
    """As the result of openai-agents' `Runner.run_streamed`."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = chunks
        self.usage: Any = None

    async def stream_events(self) -> AsyncIterator[Any]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
        self.usage = ANSWER["usage"]


def test_a_run_ends_with_its_events(recorded: Recorded) -> None:
    async def read() -> None:
        run = Run(["a", "b"])
        result = recorded.call(lambda: run)()
        assert result is run
        assert not recorded.ends
        assert [event async for event in result.stream_events()] == ["a", "b"]

    asyncio.run(read())
    assert outcome(recorded) == SUCCESS
    assert recorded.end.ttft_ms is not None


def test_a_run_that_fails(recorded: Recorded) -> None:
    async def read() -> None:
        async for _ in recorded.call(lambda: Run(["a", TimeoutError()]))().stream_events():
            pass

    with pytest.raises(TimeoutError):
        asyncio.run(read())
    assert outcome(recorded)[0] == "timeout"


def test_a_run_whose_events_are_never_read_is_cancelled(recorded: Recorded) -> None:
    recorded.call(Run)([])
    assert outcome(recorded)[0] == "cancelled"


class EventStream:
    """As botocore's: it can be iterated and closed, but is no iterator."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events

    def __iter__(self) -> Iterator[Any]:
        yield from self.events

    def close(self) -> None:
        pass


@pytest.mark.parametrize("key", ["stream", "body"])
def test_the_stream_in_an_answer_of_botocore(recorded: Recorded, key: str) -> None:
    answer = recorded.call(lambda: {key: EventStream(CHUNKS)})()
    assert isinstance(answer[key], EventStream)
    assert not recorded.ends
    assert list(answer[key]) == CHUNKS
    assert outcome(recorded) == SUCCESS
