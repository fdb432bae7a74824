"""Raw responses, as OpenAI's and Anthropic's packages give them, and instructor's lists."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from llm_exporter.usage import Usage, read_usage
from recorded import ANSWER, CHUNKS, SUCCESS, Recorded, Stream, outcome


class Body:
    """The response of the package's HTTP library."""

    def __init__(self, content: bytes, is_closed: bool) -> None:
        self._content = content
        self.is_closed = is_closed

    @property
    def content(self) -> bytes:
        if not self.is_closed:
            raise RuntimeError("it was not read")
        return self._content


class APIResponse:
    __module__ = "openai._response"

    def __init__(self, answer: Any, is_closed: bool) -> None:
        self._answer = answer
        self.http_response = Body(json.dumps(ANSWER).encode(), is_closed)

    def parse(self) -> Any:
        return self._answer


class AsyncAPIResponse(APIResponse):
    __module__ = "anthropic._response"

    async def parse(self) -> Any:
        return self._answer


class Models(list):
    _raw_response = ANSWER


@pytest.mark.parametrize("answer", [APIResponse(ANSWER, True), AsyncAPIResponse(ANSWER, True), Models(["a"]), Models()])
def test_answers_are_read(answer: Any) -> None:
    assert read_usage(answer) == Usage(10, 5)


def test_a_response_whose_body_is_not_read_ends_the_call_with_its_stream(recorded: Recorded) -> None:
    chunks = iter(recorded.call(lambda: APIResponse(Stream(CHUNKS), False))().parse())
    next(chunks)
    assert not recorded.ends
    list(chunks)
    assert outcome(recorded) == SUCCESS


def test_a_response_whose_body_is_not_read_ends_the_call_with_the_parsed_answer(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> Any:
        return AsyncAPIResponse(ANSWER, False)

    async def run() -> None:
        response = await ask()
        assert not recorded.ends
        assert await response.parse() is ANSWER

    asyncio.run(run())
    assert outcome(recorded) == SUCCESS


@pytest.mark.parametrize(("is_read", "status"), [(False, "cancelled"), (True, "success")])
def test_a_response_that_is_never_parsed_ends_the_call_when_it_is_dropped(
    recorded: Recorded, is_read: bool, status: str
) -> None:
    response = recorded.call(lambda: APIResponse(Stream(CHUNKS), False))()
    response.http_response.is_closed = is_read  # by the agent, which reads the body itself
    del response
    assert outcome(recorded) == (status, None, None, None)
