"""The measurements of a call, in each form of Python code that may make one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from llm_exporter import LLMCallMetrics, LLMMonitor, monitor_llm_call
from llm_exporter.failure import classify
from recorded import ANSWER, CHUNKS, SUCCESS, Recorded, Stream, outcome


class PlainStream:
    """As LiteLLM's: no iterator to get at; used both ways."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = iter(chunks)

    def __iter__(self) -> PlainStream:
        return self

    def __next__(self) -> Any:
        return next(self.chunks)

    def __aiter__(self) -> PlainStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self.chunks)
        except StopIteration:
            raise StopAsyncIteration from None


def latencies(metrics: LLMCallMetrics) -> tuple[float, float]:
    """The call's latency and that of the provider, both measured."""
    assert metrics.latency_ms is not None and metrics.api_latency_ms is not None
    return metrics.latency_ms, metrics.api_latency_ms


def test_a_block_is_measured_whole_and_the_provider_apart(recorded: Recorded) -> None:
    with recorded.call as call:
        time.sleep(0.03)
        with call.api():
            time.sleep(0.02)
            assert call.observe(ANSWER) is ANSWER
    end = recorded.end
    assert outcome(recorded) == SUCCESS
    latency_ms, api_latency_ms = latencies(end)
    assert 50 <= latency_ms < 5000 and 20 <= api_latency_ms < latency_ms - 25
    assert end.memory_rss_mb is not None and 1 < end.memory_rss_mb < 10_000
    assert end.memory_available_mb is not None and end.memory_available_mb > 1


def test_a_block_without_api_is_the_providers_call(recorded: Recorded) -> None:
    with recorded.call:
        pass
    assert recorded.end.api_latency_ms == recorded.end.latency_ms


def test_what_the_agent_says_stays(recorded: Recorded) -> None:
    with recorded.call as call:
        call.metrics.cost_usd, call.metrics.output_tokens, call.metrics.trace_id = 0.5, 7, "ab"
        call.metrics.status = "refused"
        call.observe(ANSWER)
    end = recorded.end
    assert (end.cost_usd, end.input_tokens, end.output_tokens, end.status) == (0.5, 10, 7, "refused")


def test_answers_of_one_block_add_up(recorded: Recorded) -> None:
    with recorded.call as call:
        call.observe(ANSWER)
        call.observe(dict(ANSWER))
    assert (recorded.end.input_tokens, recorded.end.output_tokens) == (20, 10)


def test_an_asynchronous_block(recorded: Recorded) -> None:
    async def run() -> None:
        async with recorded.call as call:
            async with call.api():
                await asyncio.sleep(0.01)
            call.observe(ANSWER)

    asyncio.run(run())
    assert outcome(recorded) == SUCCESS


def test_functions_keep_their_kind_name_and_result(recorded: Recorded) -> None:
    def plain(x: int) -> Any:
        "Says."
        return ANSWER

    async def coroutine() -> Any:
        return ANSWER

    def generator() -> Any:
        yield 1

    async def async_generator() -> Any:
        yield 1

    for function in (plain, coroutine, generator, async_generator):
        wrapped = recorded.call(function)
        assert (wrapped.__name__, wrapped.__doc__) == (function.__name__, function.__doc__)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            assert kind(wrapped) == kind(function)
    assert recorded.call(plain)(1) is ANSWER
    assert outcome(recorded) == SUCCESS


def test_a_coroutine(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> Any:
        await asyncio.sleep(0.01)
        return ANSWER

    assert asyncio.run(ask()) is ANSWER
    assert outcome(recorded) == SUCCESS and latencies(recorded.end)[1] >= 10


def test_a_function_that_gives_an_awaitable(recorded: Recorded) -> None:
    async def later() -> Any:
        return ANSWER

    async def run() -> Any:
        return await recorded.call(lambda: later())()  # noqa: PLW0108  the plain function is the point

    assert asyncio.run(run()) is ANSWER
    assert outcome(recorded) == SUCCESS


def test_a_generator_is_driven_from_outside_as_before(recorded: Recorded) -> None:
    heard = []

    @recorded.call
    def ask() -> Any:
        heard.append((yield CHUNKS[0]))
        try:
            yield CHUNKS[1]
        except KeyError as error:
            heard.append(error)
        yield CHUNKS[2]
        return "result"

    def outer() -> Any:
        heard.append((yield from ask()))

    chunks, key_error = outer(), KeyError("k")
    assert next(chunks) is CHUNKS[0]
    assert chunks.send("sent") is CHUNKS[1]
    assert chunks.throw(key_error) is CHUNKS[2]
    assert list(chunks) == [] and heard == ["sent", key_error, "result"]
    assert outcome(recorded) == SUCCESS


def test_an_asynchronous_generator_is_driven_from_outside_as_before(recorded: Recorded) -> None:
    heard = []

    @recorded.call
    async def ask() -> Any:
        heard.append((yield CHUNKS[0]))
        try:
            yield CHUNKS[1]
        except KeyError as error:
            heard.append(error)
        yield CHUNKS[2]

    async def run() -> None:
        chunks = ask()
        assert await chunks.__anext__() is CHUNKS[0]
        assert await chunks.asend("sent") is CHUNKS[1]
        assert await chunks.athrow(key_error) is CHUNKS[2]
        assert [chunk async for chunk in chunks] == []

    key_error = KeyError("k")
    asyncio.run(run())
    assert heard == ["sent", key_error]
    assert outcome(recorded) == SUCCESS


@pytest.mark.parametrize("make", [Stream, PlainStream, iter, lambda chunks: (x for x in chunks)])
def test_a_stream_ends_its_call(recorded: Recorded, make: Callable[[Any], Any]) -> None:
    @recorded.call
    def ask() -> Any:
        return make(CHUNKS)

    stream = ask()
    assert isinstance(stream, type(make([])))
    assert not recorded.ends
    assert list(stream) == CHUNKS
    assert outcome(recorded) == SUCCESS


def test_only_the_wait_for_the_provider_is_api_time_of_a_stream(recorded: Recorded) -> None:
    with recorded.call as call:
        for _ in call.observe(Stream(CHUNKS)):
            time.sleep(0.02)
    latency_ms, api_latency_ms = latencies(recorded.end)
    assert latency_ms - api_latency_ms >= 59.9  # the three naps


def test_a_stream_of_an_sdk_stays_the_very_object(recorded: Recorded) -> None:
    stream = Stream(CHUNKS)
    assert recorded.call(lambda: stream)() is stream
    stream.until_done()
    assert outcome(recorded) == SUCCESS


@pytest.mark.parametrize("make", [PlainStream])
def test_an_asynchronous_stream(recorded: Recorded, make: Callable[[Any], Any]) -> None:
    @recorded.call
    async def ask() -> Any:
        return make(CHUNKS)

    async def run() -> Any:
        return [chunk async for chunk in await ask()]

    assert asyncio.run(run()) == CHUNKS
    assert outcome(recorded) == SUCCESS


@pytest.mark.parametrize("make", [Stream, PlainStream])
def test_a_stream_that_fails(recorded: Recorded, make: Callable[[Any], Any]) -> None:
    failing: Any = [CHUNKS[0], ValueError("broken")]
    stream = recorded.call(lambda: Stream(failing) if make is Stream else iter_failing(failing))()
    with pytest.raises(ValueError, match="broken"):
        list(stream)
    assert outcome(recorded) == ("error", "ValueError", None, None)


def iter_failing(chunks: list[Any]) -> Iterator[Any]:
    for chunk in chunks:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


def read_one_and_close(stream: Any) -> None:
    next(iter(stream))
    stream.close()


def read_one_and_drop(stream: Any) -> None:
    next(stream)


def read_one_and_leave(stream: Any) -> None:
    with stream:
        next(iter(stream))


@pytest.mark.parametrize("abandon", [read_one_and_close, read_one_and_drop, read_one_and_leave])
def test_a_stream_that_is_left_unfinished_is_cancelled(recorded: Recorded, abandon: Callable[[Any], None]) -> None:
    abandon(recorded.call(lambda: Stream(CHUNKS))())
    assert outcome(recorded)[:2] == ("cancelled", None)


def test_a_stream_that_nobody_reads_is_cancelled(recorded: Recorded) -> None:
    recorded.call(lambda: Stream(CHUNKS))()
    assert recorded.end.status == "cancelled"


def test_who_stops_after_the_last_word_has_succeeded(recorded: Recorded) -> None:
    stream = recorded.call(lambda: Stream(CHUNKS))()
    next(stream), next(stream)
    stream.close()
    assert outcome(recorded)[0] == "success"


def test_unfinished_generators_are_cancelled(recorded: Recorded) -> None:
    @recorded.call
    def ask() -> Any:
        yield from CHUNKS

    for _ in ask():
        break
    assert recorded.end.status == "cancelled"


def test_unfinished_asynchronous_generators_are_cancelled(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> Any:
        for chunk in CHUNKS:
            yield chunk

    async def run() -> None:
        async for _ in ask():
            break

    asyncio.run(run())
    assert recorded.end.status == "cancelled"


def test_a_generator_that_never_began_made_no_call(recorded: Recorded) -> None:
    @recorded.call
    def ask() -> Any:
        yield 1

    del ask
    assert recorded.starts == recorded.ends == []


class RateLimitError(Exception):
    pass


class APITimeoutError(Exception):
    pass


class OtherError(Exception):
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Response:
    status_code = 429


class Cancelled(BaseException):
    """trio's."""


@pytest.mark.parametrize(
    ("error", "status", "error_type"),
    [
        (ValueError("x"), "error", "ValueError"),
        (RateLimitError(), "rate_limited", "RateLimitError"),
        (OtherError(status_code=429), "rate_limited", "OtherError"),
        (OtherError(response=Response()), "rate_limited", "OtherError"),
        (OtherError(status_code=500), "error", "OtherError"),
        (OtherError(code="x"), "error", "OtherError"),
        (TimeoutError(), "timeout", "TimeoutError"),
        (asyncio.TimeoutError(), "timeout", "TimeoutError"),
        (APITimeoutError(), "timeout", "APITimeoutError"),
        (OtherError(status_code=408), "timeout", "OtherError"),
        (asyncio.CancelledError(), "cancelled", "CancelledError"),
        (concurrent.futures.CancelledError(), "cancelled", "CancelledError"),
        (GeneratorExit(), "cancelled", None),
        (KeyboardInterrupt(), "cancelled", "KeyboardInterrupt"),
        (Cancelled(), "cancelled", "Cancelled"),
        (type("Fehler äöü" * 20, (Exception,), {})(), "error", ...),  # a type of some kind
    ],
)
def test_errors_are_told_apart_and_raised_unchanged(
    recorded: Recorded, error: BaseException, status: str, error_type: Any
) -> None:
    def fail() -> None:
        raise error

    async def fail_later() -> None:
        raise error

    for run in (recorded.call(fail), lambda: drive(recorded.call(fail_later)())):
        with pytest.raises(type(error)) as raised:
            run()
        assert raised.value is error
    for end in recorded.ends:
        assert end.status == status and (error_type is ... or end.error_type == error_type)
        assert len(end.error_type or "") <= 64
    assert len(recorded.ends) == 2
    assert classify(error)[0] == status


def drive(coroutine: Any) -> None:
    coroutine.send(None)


def test_a_cancelled_task(recorded: Recorded) -> None:
    @recorded.call
    async def ask() -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        task = asyncio.ensure_future(ask())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert outcome(recorded)[:2] == ("cancelled", "CancelledError")


def test_calls_side_by_side_are_apart() -> None:
    recorded = Recorded()

    @recorded.call
    async def ask(n: int) -> Any:
        await asyncio.sleep(0.01)
        return {"usage": {"prompt_tokens": n, "completion_tokens": 0}}

    async def run() -> None:
        await asyncio.gather(*(ask(n) for n in range(100)))

    asyncio.run(run())
    assert sorted(end.input_tokens or 0 for end in recorded.ends) == list(range(100))
    assert len({end.id for end in recorded.ends}) == 100
    recorded.close(0)


def test_a_forked_child_does_not_end_its_parents_call(recorded: Recorded) -> None:
    with recorded.call:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            recorded.call.__exit__(None, None, None)
    if child == 0:
        os.write(write, b"%d" % len(recorded.ends))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"0"
    assert len(recorded.ends) == 1


def test_eight_phases_at_debug_level(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "llm_exporter.call")
    recorded.call(lambda: ANSWER)()
    said = [record.getMessage() for record in caplog.records]
    assert sorted(int(line.split(", ")[1][0]) for line in said) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_defect_of_ours_is_not_the_agents(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("a defect")

    for name in ("_record_start", "record_metric", "_new_id"):
        monkeypatch.setattr(recorded, name, fail)
    assert recorded.call(lambda: ANSWER)() is ANSWER
    recorded.record_metric = LLMMonitor.record_metric.__get__(recorded)  # type: ignore[method-assign]
    recorded.record_metric("no record")  # type: ignore[arg-type]
    recorded.record_metric(None)  # type: ignore[arg-type]


def test_the_function_form_uses_the_monitor_that_is_given(recorded: Recorded) -> None:
    with monitor_llm_call("A", "openai", "gpt", monitor=recorded, trace_id="ab") as call:
        call.observe(ANSWER)
    assert outcome(recorded) == SUCCESS and recorded.end.trace_id == "ab"
