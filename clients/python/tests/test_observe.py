"""Answers that a function keeps to itself are shown with `observe`, and each answer counts once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from llm_exporter import observe
from recorded import ANSWER, CHUNKS, SUCCESS, Recorded, Stream, outcome

TWICE = ("success", None, 20, 10)


def answer() -> Any:
    return {"usage": {"prompt_tokens": 10, "completion_tokens": 5}}


def test_a_function_that_makes_two_requests(recorded: Recorded) -> None:
    @recorded.call
    def ask() -> Any:
        observe(answer())
        return answer()

    ask()
    assert outcome(recorded) == TWICE


def test_an_answer_that_is_shown_and_returned_counts_once(recorded: Recorded) -> None:
    @recorded.call
    def ask() -> Any:
        return observe(observe(answer()))

    ask()
    assert outcome(recorded) == SUCCESS


def test_an_answer_that_is_copied_counts_once_by_its_id(recorded: Recorded) -> None:
    with recorded.call as call:
        for _ in range(2):
            call.observe({"id": "chatcmpl-1", **answer()})
        call.observe({"id": "chatcmpl-2", **answer()})
    assert outcome(recorded) == TWICE


def test_a_stream_that_is_shown_twice_counts_once(recorded: Recorded) -> None:
    with recorded.call as call:
        stream = call.observe(call.observe(Stream(CHUNKS)))
        assert list(call.observe(stream)) == CHUNKS
    assert outcome(recorded) == SUCCESS


def test_a_coroutine(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> Any:
        await asyncio.gather(asyncio.to_thread(observe, answer()), asyncio.sleep(0))
        return answer()

    asyncio.run(ask())
    assert outcome(recorded) == TWICE


def test_a_generator_that_reads_its_answers_itself(recorded: Recorded) -> None:
    @recorded.call
    def ask() -> Iterator[str]:
        for _ in range(2):
            observe(answer())
            yield "text"

    for _ in ask():
        assert observe(answer())  # not in the call: between its steps
    assert outcome(recorded) == TWICE


def test_an_asynchronous_generator_that_reads_its_answers_itself(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> AsyncIterator[str]:
        for _ in range(2):
            observe(answer())
            yield "text"

    async def run() -> None:
        async for _ in ask():
            observe(answer())

    asyncio.run(run())
    assert outcome(recorded) == TWICE


def test_the_innermost_call_is_meant() -> None:
    outer, inner = Recorded(), Recorded()
    with outer.call:
        with inner.call:
            observe(answer())
        observe(answer())
    assert outcome(inner) == outcome(outer) == SUCCESS


def test_outside_of_calls_nothing_happens(recorded: Recorded) -> None:
    with recorded.call:
        pass
    assert observe(ANSWER) is ANSWER
    assert recorded.end.input_tokens is None


def test_the_first_token_of_a_stream_is_timed(recorded: Recorded) -> None:
    def chunks() -> Iterator[Any]:
        time.sleep(0.03)
        yield CHUNKS[0]
        time.sleep(0.03)
        yield from CHUNKS[1:]

    list(recorded.call(chunks)())
    end = recorded.end
    assert end.ttft_ms is not None and end.latency_ms is not None
    assert 30 <= end.ttft_ms <= end.latency_ms - 25


def test_an_answer_that_comes_whole_has_no_first_token(recorded: Recorded) -> None:
    recorded.call(answer)()
    assert recorded.end.ttft_ms is None


def test_a_call_without_usage_is_said(recorded: Recorded) -> None:
    recorded.call(lambda: "text")()
    recorded.call(answer)()
    with pytest.raises(ValueError, match="not a number"):
        recorded.call(int)("not a number")
    assert recorded.without_usage == ["A"]
