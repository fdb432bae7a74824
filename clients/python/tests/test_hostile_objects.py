"""Objects of the agent that fail, are slow or are used in other ways stay usable, and their calls count right."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from llm_exporter import observe
from llm_exporter.usage import read_answers
from recorded import ANSWER, CHUNKS, SUCCESS, Recorded, outcome
from test_managers import EventStream, opened


class Proxy:
    """As werkzeug's `LocalProxy` outside of its context."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_an_opened_object_that_fails_at_every_name(recorded: Recorded) -> None:
    with recorded.call(opened)(Proxy()):
        pass
    assert outcome(recorded)[0] == "success"


def test_an_error_of_the_managers_own_end(recorded: Recorded) -> None:
    @contextlib.contextmanager
    def failing() -> Iterator[None]:
        yield
        raise TimeoutError

    with pytest.raises(TimeoutError), recorded.call(failing)():
        pass
    assert outcome(recorded)[0] == "timeout"


def test_an_error_of_an_asynchronous_managers_own_end(recorded: Recorded) -> None:
    @contextlib.asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        yield
        raise TimeoutError

    async def run() -> None:
        async with recorded.call(failing)():
            pass

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert outcome(recorded)[0] == "timeout"


def test_a_manager_stays_a_decorator_and_can_be_compared_and_copied(recorded: Recorded) -> None:
    manager: Any = recorded.call(opened)(1)
    assert manager(lambda: 5)() == 5
    assert manager == manager._self_stream and hash(manager) == hash(manager._self_stream)
    with contextlib.suppress(TypeError):
        copy.copy(manager)


class Client(contextlib.AbstractContextManager["Client"]):
    """It may be closed by a block, and need not be."""

    def __exit__(self, *_: object) -> None:
        pass


def test_a_client_that_a_function_returns_is_no_manager_of_the_call(recorded: Recorded) -> None:
    client = recorded.call(Client)()
    assert type(client) is Client
    assert outcome(recorded)[0] == "success"


class Request:
    """As aiohttp's: a coroutine, and a manager."""

    def __init__(self) -> None:
        self._coroutine = asyncio.sleep(0, ANSWER)

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *arguments: Any) -> Any:
        return self._coroutine.throw(*arguments)

    def close(self) -> None:
        self._coroutine.close()

    async def __aenter__(self) -> Any:
        return await self

    async def __aexit__(self, *_: object) -> None:
        pass


class RequestContextManager(Request):
    pass


def test_a_request_that_asyncio_drives(recorded: Recorded) -> None:
    async def run() -> list[Any]:
        return list(await asyncio.gather(recorded.call(RequestContextManager)()))

    assert asyncio.run(run()) == [ANSWER]
    assert outcome(recorded) == SUCCESS


def test_the_stream_of_an_answer_that_is_not_kept(recorded: Recorded) -> None:
    assert list(recorded.call(lambda: {"stream": EventStream(CHUNKS)})()["stream"]) == CHUNKS
    assert outcome(recorded) == SUCCESS


def test_calls_around_calls_see_the_same_streams() -> None:
    inner, outer = Recorded(), Recorded()
    with outer.call(inner.call(opened))(ANSWER) as answer:
        assert answer is ANSWER
    assert outcome(inner) == outcome(outer) == SUCCESS
    inner, outer = Recorded(), Recorded()
    answer = outer.call(inner.call(lambda: {"stream": EventStream(CHUNKS)}))()
    assert list(answer["stream"]) == CHUNKS
    assert outcome(inner) == outcome(outer) == SUCCESS


def test_an_answer_after_an_inner_call_that_was_left_is_the_outer_ones(recorded: Recorded) -> None:
    inner = Recorded()

    def stream() -> Iterator[str]:
        with inner.call:
            yield "a"
            yield "b"

    with recorded.call:
        for _ in zip(stream(), stream()):
            pass
        observe(ANSWER)
    assert outcome(recorded) == SUCCESS


def test_an_answer_that_a_generator_observes_as_it_is_closed(recorded: Recorded) -> None:
    outer = Recorded()

    @recorded.call
    def stream() -> Iterator[str]:
        try:
            yield "a"
        finally:
            observe(ANSWER)

    with outer.call:
        generator: Any = stream()
        next(generator)
        generator.close()
    assert (outcome(recorded)[0], outcome(recorded)[2:]) == ("cancelled", (10, 5))
    assert outer.end.input_tokens is None


class Row:
    """As a row of an object-relational mapper."""

    reads = 0

    def __init__(self) -> None:
        self.value = 1

    @property
    def messages(self) -> list[Any]:
        Row.reads += 1
        return []


def test_properties_of_the_agents_own_objects_are_not_read() -> None:
    assert read_answers([Row(), Row()]) == [] and Row.reads == 0


def test_many_objects_that_are_no_answers_are_given_up_soon() -> None:
    rows = [Row() for _ in range(300_000)]
    began = time.perf_counter()
    assert read_answers(rows) == []
    # 0.4 s if each is looked at, and 2 ms for forty.
    assert time.perf_counter() - began < 0.1


def test_answers_after_the_end_of_their_call_are_not_kept(recorded: Recorded) -> None:
    with recorded.call as call:
        call.observe(ANSWER)
    assert call.observe({"usage": {"prompt_tokens": 1, "completion_tokens": 1}}) is not None
    assert outcome(recorded) == SUCCESS and not call._readings
