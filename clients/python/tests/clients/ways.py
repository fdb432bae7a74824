"""The ways in which the README has calls measured, each with a function or with a block, plain and asynchronous."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Mapping
from typing import Any, Callable, Optional

import pytest

#: Whether the call is asynchronous, and whether it is measured by a block: otherwise by a decorated function.
WAYS = [(False, False), (False, True), (True, False), (True, True)]
PLAIN_WAYS, ASYNC_WAYS = WAYS[:2], WAYS[2:]
#: Chunks that a program reads before it leaves a stream.
ALL = 1_000_000

# One for all calls, as the connections of an asynchronous client belong to one.
_loop = asyncio.new_event_loop()

Ask = Callable[[Any], Any]


def make_calls(
    call: Any, clients: Any, ask: Ask, *, read: Optional[int] = None, raises: Any = None, ways: Any = WAYS
) -> int:
    """Makes a call in each of the ways; returns how many there are.

    - `clients`: the plain and the asynchronous client, one of which `ask` gets.
    - `read`: how many chunks of the stream to read; None if the answer is no stream.
    - `raises`: what the program must see, from the call or from the stream.
    """
    for is_async, in_block in ways:
        function = functools.partial(ask, clients[is_async])
        if raises is None:
            _make(call, function, is_async, in_block, read)
        else:
            with pytest.raises(raises):
                _make(call, function, is_async, in_block, read)
    if read not in (None, ALL):
        # Ends the streams that were left: they refer to themselves, and asyncio closes their generators first.
        gc.collect()
        _loop.run_until_complete(asyncio.sleep(0.01))
        gc.collect()
    return len(ways)


def times(number: int, counts: Mapping[str, float]) -> dict[str, Any]:
    return {name: pytest.approx(number * value) for name, value in counts.items()}


def _make(call: Any, function: Callable[[], Any], is_async: bool, in_block: bool, read: Optional[int]) -> None:
    if is_async:
        _loop.run_until_complete((_in_async_block if in_block else _decorated_async)(call, function, read))
    elif in_block:
        with call as measured:
            with measured.api():
                answer = function()
            _read(measured.observe(answer), read)
    else:
        _read(call(function)(), read)


async def _decorated_async(call: Any, function: Callable[[], Any], read: Optional[int]) -> None:
    @call
    async def ask() -> Any:
        return await function()

    await _read_async(await ask(), read)


async def _in_async_block(call: Any, function: Callable[[], Any], read: Optional[int]) -> None:
    async with call as measured:
        async with measured.api():
            answer = await function()
        await _read_async(measured.observe(answer), read)


def _read(answer: Any, read: Optional[int]) -> None:
    if read is not None:
        for number, _ in enumerate(answer["stream"] if isinstance(answer, dict) else answer, 1):
            if number == read:
                break


async def _read_async(answer: Any, read: Optional[int]) -> None:
    number = 0
    if read is not None:
        async for _ in answer:
            number += 1
            if number == read:
                break


def check_times(exporter: Any, provider: str, model: str, calls: int, first_token: tuple[float, float]) -> None:
    """Checks the times of `calls` calls of agent A that took a second each, or little more.

    The first token of each came after `first_token` seconds, at least and at most.
    """
    samples, labels = exporter.samples(), f'agent_name="A",provider="{provider}",model="{model}"'

    def mean(family: str, labels: str) -> float:
        assert samples[f"llm_{family}_seconds_count{{{labels}}}"] == calls
        return float(samples[f"llm_{family}_seconds_sum{{{labels}}}"] / calls)

    assert 1.0 <= mean("latency", labels) < 3.0
    assert 1.0 <= mean("api_latency", labels.rpartition(",")[0]) <= mean("latency", labels)
    least, most = first_token
    assert least <= mean("time_to_first_token", labels) < most
