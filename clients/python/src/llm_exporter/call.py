"""One LLM call, from its start to its end: times, memory, usage, status.

Eight phases, each logged at debug level: opened, start recorded, provider called, provider answered, usage read, memory
read, status known, end recorded.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Generator, Hashable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union

from . import memory
from .failure import classify
from .metrics import LLMCallMetrics
from .recorder import Recorder
from .stream import AsyncTap, Tap, Watch
from .usage import Reading, Usage, read_answers
from .watched import has_events, is_manager, is_stream, watched

__all__ = ["CallMonitor", "LLMCall", "observe"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_logger = logging.getLogger("llm_exporter.call")

_current: ContextVar[Optional[LLMCall]] = ContextVar("llm_exporter_call", default=None)


def observe(answer: T) -> T:
    """`LLMCall.observe` of the call that is running: for a decorated function that makes several requests.

    The client reads what a function returns. An answer that it keeps to itself has to be shown. One that is shown and
    returned counts once. Outside of a call this only returns the answer.
    """
    call = _current.get()
    while call is not None and not call._open:  # it ended in another context than it began in
        call = call._outer
    return answer if call is None else call.observe(answer)


class LLMCall:
    """A call in flight, as ``with monitor_llm_call(...) as call`` returns it.

    It ends once: with its block or function, or, if that returned a stream, with the stream. The copy in a forked child
    never ends it, because the call is the parent's.
    """

    metrics: LLMCallMetrics
    """The record so far. Values that you set here (`cost_usd`, `trace_id`, `input_tokens`, `status`, …) are kept."""

    def __init__(self, monitor: Recorder, metrics: LLMCallMetrics) -> None:
        self.metrics = metrics
        self._monitor = monitor
        self._process = os.getpid()
        self._outer: Optional[LLMCall] = None
        """The call that `observe` meant before this one."""
        self._is_traced = _logger.isEnabledFor(logging.DEBUG)
        # By answer, so that one that is seen twice counts once.
        self._readings: dict[Hashable, Reading] = {}
        self._api_seconds: Optional[float] = None
        self._requested: Optional[float] = None
        self._token_seconds: Optional[float] = None
        self._streams = 0
        self._left = False
        self._error: Optional[BaseException] = None
        # The end pops it. If two threads, or a thread and the garbage collector, end the call, only one pop succeeds.
        self._open = [True]
        self._began = time.perf_counter()

    def api(self) -> _ApiTime:
        """A context for the part of a block that waits for the provider. If entered several times, the times add up.

        If a block never enters it, the whole block counts as the provider's time.
        """
        return _ApiTime(self)

    def observe(self, answer: T) -> T:
        """Reads the token usage of a provider's answer, and returns the answer.

        Several answers of one call add up; the same answer counts once. For a stream, or a manager that opens one, this
        returns an object that reads the usage while you read the stream: use that instead of the stream.
        """
        try:
            if not self._open:  # its record is made
                return answer
            if is_stream(answer):
                return watched(answer, self)  # type: ignore[no-any-return]
            self._add(read_answers(answer))
        except Exception as error:
            self._monitor._defect(error)
        return answer

    # Private to the package.

    def _begin(self) -> None:
        self._phase(1, "opened: %s/%s for %s", self.metrics.provider, self.metrics.model, self.metrics.agent_name)
        if self.metrics.id is None:
            self.metrics.id = self._monitor._new_id()
        self._monitor._record_start(self.metrics)
        self._phase(2, "start recorded")

    def _leave(self, error: Optional[BaseException]) -> None:
        """Ends the call, unless a stream is still open; the block or function has ended."""
        self._left = True
        if error is not None:
            self._error = error
        if error is not None or self._streams == 0:
            self._end()

    def _stream_began(self) -> None:
        self._streams += 1

    def _stream_ended(self, readings: list[Reading], error: Optional[BaseException]) -> None:
        try:
            self._streams -= 1
            self._add(readings)
            self._error = self._error or error
            if self._left and self._streams == 0:
                self._end()
        except Exception as defect:  # the garbage collector may call this at interpreter exit
            self._monitor._defect(defect)

    def _token_came(self) -> None:
        if self._token_seconds is None:
            self._token_seconds = time.perf_counter() - (self._requested or self._began)

    def __del__(self) -> None:
        # A coroutine that never ran, or a block that never ended.
        try:
            if self._open:
                self._leave(GeneratorExit())
        except Exception:  # at interpreter exit modules are gone
            pass

    def _add(self, readings: list[Reading]) -> None:
        for reading in readings:
            before = self._readings.get(reading.key)
            self._readings[reading.key] = before.updated(reading) if before is not None else reading
            self._phase(5, "usage read: %s", reading.usage)

    def _request_began(self) -> None:
        if self._requested is None:
            self._requested = time.perf_counter()

    def _add_api_time(self, seconds: float) -> None:
        self._api_seconds = (self._api_seconds or 0.0) + seconds

    def _end(self) -> None:
        try:
            self._open.pop()
        except IndexError:
            return
        if self._process != os.getpid():
            return
        try:
            self._fill()
        except Exception as error:  # the call counts all the same
            self._monitor._defect(error)
        try:
            self._monitor.record_metric(self.metrics)
            self._phase(8, "end recorded")
            if self.metrics.status == "success" and _has_no_tokens(self.metrics):
                self._monitor._ended_without_usage(self.metrics.agent_name)
        except Exception as error:
            self._monitor._defect(error)

    def _fill(self) -> None:
        metrics, seconds = self.metrics, time.perf_counter() - self._began
        if metrics.latency_ms is None:
            metrics.latency_ms = round(seconds * 1000.0, 3)
        if metrics.api_latency_ms is None:
            # Parts that ran at the same time add up to more than the whole.
            api_seconds = seconds if self._api_seconds is None else min(self._api_seconds, seconds)
            metrics.api_latency_ms = round(api_seconds * 1000.0, 3)
        if metrics.ttft_ms is None and self._token_seconds is not None:
            metrics.ttft_ms = round(self._token_seconds * 1000.0, 3)
        if self._error is not None:
            self._add(read_answers(self._error))
        failure = self._fill_readings()
        if metrics.memory_rss_mb is None:
            metrics.memory_rss_mb = memory.resident_mb()
        if metrics.memory_available_mb is None:
            metrics.memory_available_mb = memory.available_mb()
        self._phase(6, "memory read: %s MB resident", metrics.memory_rss_mb)
        if metrics.status == "success":
            if self._error is not None:
                metrics.status, error_type = classify(self._error)
                metrics.error_type = metrics.error_type or error_type
            elif failure is not None:
                metrics.status, metrics.error_type = "error", metrics.error_type or failure
        self._error = None  # its traceback keeps the agent's frames alive
        self._phase(7, "status known: %s", metrics.status)

    def _fill_readings(self) -> Optional[str]:
        """Fills in what the answers say, where the agent has not said it; returns the failure that one of them says."""
        metrics, failure = self.metrics, None
        usage: Optional[Usage] = None
        # Another thread may observe an answer now. And they may hold answers, which nothing needs any longer.
        readings, self._readings = self._readings, {}
        for reading in list(readings.values()):
            if reading.usage is not None:
                usage = usage.adding(reading.usage) if usage is not None else reading.usage
            failure = failure or reading.failure
            metrics.response_model = metrics.response_model or reading.response_model
            metrics.service_tier = metrics.service_tier or reading.service_tier
            metrics.search_context_size = metrics.search_context_size or reading.search_context_size
        if usage is not None:
            for name, tokens in zip(Usage._fields, usage):
                if tokens is not None and getattr(metrics, name) is None:
                    setattr(metrics, name, tokens)
        return failure

    def _phase(self, number: int, message: str, *arguments: Any) -> None:
        if self._is_traced:
            try:
                message = f"call %s, %d/8 {message}"
                _logger.debug(message, self.metrics.id or "new", number, *arguments)
            except Exception as error:  # of one of the agent's log filters
                self._monitor._defect(error)


class _ApiTime:
    """See `LLMCall.api`. As a ``with`` also within coroutines; ``async with`` works too."""

    def __init__(self, call: LLMCall) -> None:
        self._call = call
        self._began = time.perf_counter()

    def __enter__(self) -> LLMCall:
        self._call._phase(3, "provider called")
        self._call._request_began()
        self._began = time.perf_counter()
        return self._call

    def __exit__(self, *_: object) -> None:
        self._call._add_api_time(time.perf_counter() - self._began)
        self._call._phase(4, "provider answered")

    async def __aenter__(self) -> LLMCall:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__(*error)


class _Running:
    """Makes a call the one that `observe` means, until the end of a block or until `end`."""

    def __init__(self, call: LLMCall) -> None:
        outer = _current.get()
        if outer is not call:
            call._outer = outer
        self._token: Token[Optional[LLMCall]] = _current.set(call)

    def end(self) -> None:
        try:
            _current.reset(self._token)
        except ValueError:  # the block ends in another context than it began in
            pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.end()


class _CallTap(Tap):
    """A decorated generator."""

    def __init__(self, source: Generator[Any, Any, Any], call: LLMCall) -> None:
        super().__init__(source, Watch(call))
        self._call = call

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        with _Running(self._call):
            return super()._step(step, *arguments)

    def close(self) -> None:
        with _Running(self._call):
            super().close()


class _AsyncCallTap(AsyncTap):
    """A decorated asynchronous generator."""

    def __init__(self, source: AsyncGenerator[Any, Any], call: LLMCall) -> None:
        super().__init__(source, Watch(call))
        self._call = call

    async def _step(self, step: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        with _Running(self._call):
            return await super()._step(step, *arguments)

    async def aclose(self) -> None:
        with _Running(self._call):
            await super().aclose()


class CallMonitor:
    """The result of `monitor_llm_call`: a context manager and a decorator, for plain and asynchronous code.

    A decorated function may run any number of times at once; each run is one call. Only one ``with`` at a time may
    enter the object.
    """

    def __init__(
        self, monitor: Union[Recorder, Callable[[], Recorder]], metrics: Callable[[], LLMCallMetrics]
    ) -> None:
        self._monitor = monitor
        self._metrics = metrics
        self._entered: list[tuple[LLMCall, _Running]] = []

    def _open_call(self) -> LLMCall:
        monitor = self._monitor() if callable(self._monitor) else self._monitor
        call = LLMCall(monitor, self._metrics())
        try:
            call._begin()
        except Exception as error:
            monitor._defect(error)
        return call

    def __enter__(self) -> LLMCall:
        call = self._open_call()
        self._entered.append((call, _Running(call)))
        return call

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._entered:
            call, running = self._entered.pop()
            running.end()
            call._leave(error)

    async def __aenter__(self) -> LLMCall:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorates a function, a coroutine function, a generator or an asynchronous generator."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        wrapper: Callable[..., Any]
        if inspect.isasyncgenfunction(function):
            wrapper = self._around_async_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapper = self._around_generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapper = self._around_coroutine(function)
        else:
            wrapper = self._around_function(function)
        return functools.wraps(function)(wrapper)  # type: ignore[return-value]

    def _around_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            call = self._open_call()
            try:
                with call.api(), _Running(call):
                    answer = function(*arguments, **keywords)
            except BaseException as error:
                call._leave(error)
                raise
            if hasattr(type(answer), "add_done_callback"):  # a task, or another future: the agent may cancel it
                return _ended_when_done(call, answer)
            # A partial or a lambda over something asynchronous.
            if _is_awaitable(answer) and not is_manager(answer) and not has_events(answer):
                return _awaited(call, answer)
            answer = call.observe(answer)
            call._leave(None)
            return answer

        return wrapper

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*arguments: Any, **keywords: Any) -> Any:
            return await _awaited(self._open_call(), function(*arguments, **keywords))

        return wrapper

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
            call = self._open_call()
            tap = _CallTap(function(*arguments, **keywords), call)
            call._leave(None)
            return (yield from tap)

        return wrapper

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
            call = self._open_call()
            tap = _AsyncCallTap(function(*arguments, **keywords), call)
            call._leave(None)
            # There is no asynchronous `yield from`.
            try:
                chunk = await tap.__anext__()
                while True:
                    try:
                        sent = yield chunk
                    except GeneratorExit:
                        await tap.aclose()
                        raise
                    except BaseException as error:
                        chunk = await tap.athrow(error)
                    else:
                        chunk = await (tap.__anext__() if sent is None else tap.asend(sent))
            except StopAsyncIteration:
                return

        return wrapper


def _has_no_tokens(metrics: LLMCallMetrics) -> bool:
    return metrics.input_tokens is None and metrics.output_tokens is None and metrics.total_tokens is None


def _is_awaitable(answer: Any) -> bool:
    try:
        return inspect.isawaitable(answer)
    except Exception:
        return False


def _ended_when_done(call: LLMCall, future: Any) -> Any:
    def done(future: Any) -> None:
        try:
            # Not exception(): it marks the error as retrieved, and asyncio would not report it if it is never read.
            error = None if future.cancelled() else getattr(future, "_exception", None)
            if error is None and not is_stream(answer := future.result()):
                call.observe(answer)
        except BaseException as raised:  # it was cancelled
            error = raised
        call._leave(error)

    try:
        future.add_done_callback(done)
    except Exception as defect:
        call._monitor._defect(defect)
    return future


async def _awaited(call: LLMCall, awaitable: Any) -> Any:
    try:
        with call.api(), _Running(call):
            answer = await awaitable
    except BaseException as error:
        call._leave(error)
        raise
    answer = call.observe(answer)
    call._leave(None)
    return answer
