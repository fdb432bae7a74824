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
from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import memory
from .failure import classify
from .metrics import LLMCallMetrics
from .stream import AsyncTap, Tap, Watch, is_stream, watched
from .usage import Usage, read_failure, read_usage

if TYPE_CHECKING:
    from .monitor import LLMMonitor

__all__ = ["CallMonitor", "LLMCall"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_logger = logging.getLogger("llm_exporter.call")


class LLMCall:
    """A call in flight, as ``with monitor_llm_call(...) as call`` returns it.

    It ends once: with its block or function, or, if that returned a stream, with the stream. The copy in a forked child
    never ends it, because the call is the parent's.
    """

    metrics: LLMCallMetrics
    """The record so far. Values that you set here (`cost_usd`, `trace_id`, `input_tokens`, `status`, …) are kept."""

    def __init__(self, monitor: LLMMonitor, metrics: LLMCallMetrics) -> None:
        self.metrics = metrics
        self._monitor = monitor
        self._process = os.getpid()
        self._usage: Optional[Usage] = None
        self._api_seconds: Optional[float] = None
        self._streams = 0
        self._left = False
        self._error: Optional[BaseException] = None
        self._failure: Optional[str] = None
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

        Several answers of one block add up. For a stream, this returns an object that reads the usage while you read
        the stream: use that instead of the stream.
        """
        try:
            if is_stream(answer):
                return watched(answer, self)  # type: ignore[no-any-return]
            self._add_usage(read_usage(answer))
            self._failure = self._failure or read_failure(answer)
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

    def _stream_ended(self, usage: Optional[Usage], error: Optional[BaseException], failure: Optional[str]) -> None:
        try:
            self._streams -= 1
            self._add_usage(usage)
            self._error = self._error or error
            self._failure = self._failure or failure
            if self._left and self._streams == 0:
                self._end()
        except Exception as defect:  # the garbage collector may call this at interpreter exit
            self._monitor._defect(defect)

    def __del__(self) -> None:
        # A coroutine that never ran, or a block that never ended.
        try:
            if self._open:
                self._leave(GeneratorExit())
        except Exception:  # at interpreter exit modules are gone
            pass

    def _add_usage(self, usage: Optional[Usage]) -> None:
        if usage is not None:
            self._usage = self._usage.adding(usage) if self._usage else usage
            self._phase(5, "usage read: %s", usage)

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
            self._monitor.record_metric(self.metrics)
            self._phase(8, "end recorded")
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
        if self._usage is not None:
            for name, tokens in zip(Usage._fields, self._usage):
                if getattr(metrics, name) is None:
                    setattr(metrics, name, tokens)
        if metrics.memory_rss_mb is None:
            metrics.memory_rss_mb = memory.resident_mb()
        if metrics.memory_available_mb is None:
            metrics.memory_available_mb = memory.available_mb()
        self._phase(6, "memory read: %s MB resident", metrics.memory_rss_mb)
        if metrics.status == "success":
            if self._error is not None:
                metrics.status, error_type = classify(self._error)
                metrics.error_type = metrics.error_type or error_type
            elif self._failure is not None:
                metrics.status, metrics.error_type = "error", metrics.error_type or self._failure
        self._error = None  # its traceback keeps the agent's frames alive
        self._phase(7, "status known: %s", metrics.status)

    def _phase(self, number: int, message: str, *arguments: Any) -> None:
        if _logger.isEnabledFor(logging.DEBUG):
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
        self._began = time.perf_counter()
        return self._call

    def __exit__(self, *_: object) -> None:
        self._call._add_api_time(time.perf_counter() - self._began)
        self._call._phase(4, "provider answered")

    async def __aenter__(self) -> LLMCall:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__(*error)


class CallMonitor:
    """The result of `monitor_llm_call`: a context manager and a decorator, for plain and asynchronous code.

    A decorated function may run any number of times at once; each run is one call. Only one ``with`` at a time may
    enter the object.
    """

    def __init__(
        self, monitor: Union[LLMMonitor, Callable[[], LLMMonitor]], metrics: Callable[[], LLMCallMetrics]
    ) -> None:
        self._monitor = monitor
        self._metrics = metrics
        self._entered: list[LLMCall] = []

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
        self._entered.append(call)
        return call

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._entered:
            self._entered.pop()._leave(error)

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
                with call.api():
                    answer = function(*arguments, **keywords)
            except BaseException as error:
                call._leave(error)
                raise
            if hasattr(type(answer), "add_done_callback"):  # a task, or another future: the agent may cancel it
                return _ended_when_done(call, answer)
            if _is_awaitable(answer):  # a partial or a lambda over something asynchronous
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
            tap = Tap(function(*arguments, **keywords), Watch(call))
            call._leave(None)
            return (yield from tap)

        return wrapper

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
            call = self._open_call()
            tap = AsyncTap(function(*arguments, **keywords), Watch(call))
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
        with call.api():
            answer = await awaitable
    except BaseException as error:
        call._leave(error)
        raise
    answer = call.observe(answer)
    call._leave(None)
    return answer
