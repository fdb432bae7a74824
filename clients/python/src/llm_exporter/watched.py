"""Watched streams, and watched managers that open one, as an agent gets them.

The agent must not notice. Objects that keep their iterator or their events in an attribute (the streams of OpenAI and
Anthropic, the results of `Runner.run_streamed`) are watched in place: the agent gets the same object, and its helpers
(`text_stream`, `get_final_message()`) are watched too. Others (generators, LiteLLM's wrapper, managers) are replaced by
a stand-in of their class that forwards everything.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import types
import weakref
from collections.abc import Awaitable, Generator
from time import perf_counter
from typing import Any, Callable, Optional

from .stream import AsyncTap, StreamOwner, Tap, Watch
from .usage.fields import field, package

__all__ = ["has_events", "is_manager", "is_stream", "watched"]


_MANAGERS = ("StreamManager", "ContextManager")
_GENERATOR_MANAGERS = ("_GeneratorContextManager", "_AsyncGeneratorContextManager")
_ABSTRACT_MANAGERS = (*_GENERATOR_MANAGERS, "AbstractContextManager", "AbstractAsyncContextManager")
_SYNCHRONOUS = ("StreamedRunResultSync", "StreamedResponseSync")
"""Pydantic AI's streams for plain code, which are read in a block or without one."""


def is_stream(answer: Any) -> bool:
    """Whether an answer comes in parts: an iterator, something that has one, or a manager that opens one."""
    kind = _kind(answer)
    if _is_iterator(kind):
        # An object with a length is not a stream but a mock of a test, which has every attribute.
        return not issubclass(kind, io.IOBase) and not hasattr(kind, "__len__")
    has_stream = has_events(answer) or _event_stream_key(answer) is not None
    return is_manager(answer) or has_stream or _is_unread_response(answer)


def is_manager(answer: Any) -> bool:
    """Whether an answer is a context manager whose block is the call.

    Those of `contextlib` are, what its decorators make, and classes that say so by their name:
    ``MessageStreamManager``, ``ResponseContextManager``. Others have a block to be closed after their use, as a file, a
    client or a raw response has.
    """
    kind = _kind(answer)
    if not (hasattr(kind, "__enter__") or hasattr(kind, "__aenter__")) or hasattr(kind, "__len__"):
        return False
    if kind.__name__.endswith(_MANAGERS) or kind.__name__ in _SYNCHRONOUS or kind.__module__ == "contextlib":
        return True
    names = _ABSTRACT_MANAGERS if package(answer) == "pydantic_ai" else _GENERATOR_MANAGERS
    return any(base.__module__ == "contextlib" and base.__name__ in names for base in kind.__mro__)


def has_events(result: Any) -> bool:
    """Whether it is a run whose events are still to be read. One that is complete is an answer."""
    return hasattr(type(result), "stream_events") and _attribute(result, "is_complete") is not True


def watched(stream: Any, call: StreamOwner) -> Any:
    """The object that the agent gets instead of `stream`. Ends `call` with it."""
    if _is_watched_for(stream, call):
        return stream
    task = _task(stream)
    watch = Watch(call) if task is None else _TaskWatch(call, task)
    try:
        key = _event_stream_key(stream)
        if key is None:
            return _watching(stream, watch)
        # The answer of a stream of Amazon Bedrock is a dictionary, which the agent keeps.
        stream[key] = _StandIn(stream[key], watch)
        return stream
    except Exception:
        watch.ended()
        raise


def _watching(stream: Any, watch: Watch) -> Any:
    if _watch_iterator(stream, watch) or _watch_events(stream, watch):
        return stream
    if type(stream).__name__ in _SYNCHRONOUS:
        return _SynchronousRun(stream, watch)
    if _is_unread_response(stream):
        _watch_response(stream, watch)
        return stream
    if is_manager(stream):
        return _AwaitableManager(stream, watch) if hasattr(type(stream), "__await__") else _Manager(stream, watch)
    return _StandIn(stream, watch)


def _kind(answer: Any) -> type:
    """The class of an answer; of the stand-in of another call, that of what it stands for."""
    kind: type = answer.__class__ if type(answer) in _STAND_INS else type(answer)
    return kind


def _is_iterator(kind: type) -> bool:
    return hasattr(kind, "__next__") or hasattr(kind, "__anext__")


def _event_stream_key(answer: Any) -> Any:
    """The key of the stream in an answer of botocore; None for any other answer."""
    if type(answer) is dict:
        for key in ("stream", "body"):  # of converse_stream and of invoke_model_with_response_stream
            if answer.get(key).__class__.__name__ == "EventStream":  # also one that another call watches
                return key
    return None


def _is_unread_response(answer: Any) -> bool:
    """Whether an answer is a raw response of OpenAI's or Anthropic's package whose body is to be read: a stream's."""
    if package(answer) not in ("openai", "anthropic") or not type(answer).__name__.endswith("APIResponse"):
        return False
    return field(field(answer, "http_response"), "is_closed") is False


def _is_watched_for(stream: Any, call: StreamOwner) -> bool:
    if isinstance(parse := _attribute(stream, "parse"), _WatchedParse):
        return parse.watch.belongs_to(call)
    holder = stream if type(stream) in _STAND_INS else _attribute(stream, "_iterator")
    return isinstance(holder, (_StandIn, Tap, AsyncTap)) and holder.watch.belongs_to(call)


def _attribute(holder: Any, name: str) -> Any:
    """An attribute that the object itself holds, or None: nothing of the agent's runs."""
    try:
        return object.__getattribute__(holder, "__dict__").get(name)
    except Exception:
        return None


# Watched in place.


def _watch_iterator(stream: Any, watch: Watch) -> bool:
    kind = type(stream)
    if not hasattr(stream, "__dict__") or not (hasattr(kind, "close") or hasattr(kind, "aclose")):
        return False
    iterator: Any = getattr(stream, "_iterator", None)
    plain, asynchronous = hasattr(type(iterator), "__next__"), hasattr(type(iterator), "__anext__")
    if not plain and not asynchronous:
        return False
    try:
        stream._iterator = iterator  # may it be set? A tap that is made and dropped would end the call.
    except (AttributeError, TypeError):
        return False
    stream._iterator = Tap(iterator, watch) if plain else AsyncTap(iterator, watch)
    for name in ("close", "aclose"):
        if hasattr(kind, name):
            setattr(stream, name, _watched_close(stream, name, watch))
    return True


def _watched_close(stream: Any, name: str, watch: Watch) -> Callable[..., Any]:
    # Weak: a cycle would leave it to the garbage collector to close a stream that is dropped.
    stream_now, close = weakref.ref(stream), getattr(type(stream), name)

    def closing(*arguments: Any, **keywords: Any) -> Any:
        stream = stream_now()
        if stream is None:  # `ask().close()` drops the stream on the way here
            watch.closed()
            return _nothing() if inspect.iscoroutinefunction(close) else None
        result = close(stream, *arguments, **keywords)
        if hasattr(result, "__await__"):
            return _then_closed(result, watch)
        watch.closed()
        return result

    return closing


async def _then_closed(closing: Awaitable[Any], watch: Watch) -> Any:
    try:
        return await closing
    finally:
        watch.closed()


async def _nothing() -> None:
    pass


def _watch_events(result: Any, watch: Watch) -> bool:
    """Watches the events of a run (`Runner.run_streamed` of openai-agents), whose answers the result gathers."""
    kind = type(result)
    if not hasattr(kind, "stream_events"):
        return False

    def stream_events(self: Any, *arguments: Any, **keywords: Any) -> AsyncTap:
        return AsyncTap(kind.stream_events(self, *arguments, **keywords), watch)

    # A method, so that `run_streamed(...).stream_events()` holds the result.
    result.stream_events = types.MethodType(stream_events, result)
    if isinstance(watch, _TaskWatch):
        return True
    watch.reads_at_end(weakref.ref(result))
    # If the agent never reads the events, the call ends with the result.
    weakref.finalize(result, watch.closed).atexit = False
    return True


def _task(run: Any) -> Any:
    """The task of a run of LlamaIndex, which goes on whether or not its events are read; None for any other stream."""
    task = _attribute(run, "_result_task") if has_events(run) else None
    return task if hasattr(type(task), "add_done_callback") else None


class _TaskWatch(Watch):
    """Ends when the task has, and its events, if the agent reads them, are read."""

    def __init__(self, call: StreamOwner, task: Any) -> None:
        super().__init__(call)
        self._task = task
        self.reads_at_end(self._result)
        task.add_done_callback(self._done)

    def _result(self) -> Any:
        if self._failure() is not None:
            return None
        event = self._task.result()
        return [event, field(event, "result")]

    def _failure(self) -> Optional[BaseException]:
        # Not exception(): it marks the error as retrieved, and asyncio would not report it if it is never read.
        return asyncio.CancelledError() if self._task.cancelled() else getattr(self._task, "_exception", None)

    def _done(self, _: Any) -> None:
        if not self.is_tapped:
            self.ended()

    def ended(self, error: Optional[BaseException] = None) -> None:
        self.is_tapped = False
        if self._task.done():
            super().ended(self._failure() or (None if isinstance(error, GeneratorExit) else error))


# Stand-ins.


class _StandIn:
    """A stream that forwards everything and watches on the way."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self._self_stream = stream
        self._self_watch = watch
        kind = _kind(stream)
        self._self_tap: Any = Tap(stream, watch) if hasattr(kind, "__next__") else None
        self._self_async_tap: Any = AsyncTap(stream, watch) if hasattr(kind, "__anext__") else None
        self._self_opened: Any = None
        """The object that the manager has opened."""

    @property
    def watch(self) -> Watch:
        return self._self_watch

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._self_stream)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_self_"):  # of a copy that is being made
            raise AttributeError(name)
        return getattr(self._self_stream, name)

    def __eq__(self, other: object) -> Any:
        return self._self_stream == (getattr(other, "_self_stream", other) if type(other) in _STAND_INS else other)

    def __hash__(self) -> int:
        return hash(self._self_stream)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_self_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._self_stream, name, value)

    def __repr__(self) -> str:
        return repr(self._self_stream)

    def __iter__(self) -> Any:
        if self._self_tap is not None:
            return self
        tap = Tap(iter(self._self_stream), self._self_watch)
        tap.stand_in = self  # its end would end the call: `for event in ask()["stream"]` keeps the tap alone
        return tap

    def __next__(self) -> Any:
        return next(self._self_tap)

    def send(self, value: Any) -> Any:
        return self._self_tap.send(value)

    def throw(self, *arguments: Any) -> Any:
        return self._self_tap.throw(*arguments)

    def close(self) -> Any:
        result = self._self_stream.close()
        if hasattr(result, "__await__"):
            return _then_closed(result, self._self_watch)
        self._self_watch.closed()
        return result

    def __aiter__(self) -> Any:
        if self._self_async_tap is not None:
            return self
        tap = AsyncTap(self._self_stream.__aiter__(), self._self_watch)
        tap.stand_in = self
        return tap

    def __anext__(self) -> Any:
        return self._self_async_tap.__anext__()

    def asend(self, value: Any) -> Any:
        return self._self_async_tap.asend(value)

    def athrow(self, *arguments: Any) -> Any:
        return self._self_async_tap.athrow(*arguments)

    def aclose(self) -> Any:
        return _then_closed(self._self_stream.aclose(), self._self_watch)

    def __enter__(self) -> Any:
        began = perf_counter()
        try:
            entered = type(self._self_stream).__enter__(self._self_stream)
        except BaseException as error:
            self._self_watch.raised(error, began)
            raise
        return self._self_entered(entered, began)

    async def __aenter__(self) -> Any:
        began = perf_counter()
        try:
            entered = await type(self._self_stream).__aenter__(self._self_stream)
        except BaseException as error:
            self._self_watch.raised(error, began)
            raise
        return self._self_entered(entered, began)

    def __exit__(self, *error: object) -> Any:
        try:
            suppresses = type(self._self_stream).__exit__(self._self_stream, *error)
        except BaseException as raised:
            self._self_watch.ended(raised)
            raise
        self._self_left(error)
        return suppresses

    async def __aexit__(self, *error: object) -> Any:
        try:
            suppresses = await type(self._self_stream).__aexit__(self._self_stream, *error)
        except BaseException as raised:
            self._self_watch.ended(raised)
            raise
        self._self_left(error)
        return suppresses

    def _self_entered(self, entered: Any, began: float) -> Any:
        self._self_watch.waited_since(began)
        return self if entered is self._self_stream else entered

    def _self_left(self, error: Any) -> None:
        if error and error[1] is not None:
            self._self_watch.ended(error[1])
        else:
            self._self_watch.closed()

    def __del__(self) -> None:
        watch = self.__dict__.get("_self_watch")
        if watch is not None:  # else it is an unfinished copy
            watch.closed()


class _Manager(_StandIn):
    """A manager that opens a stream or an answer."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._self_stream(*arguments, **keywords)  # those of contextlib are decorators, too

    def _self_entered(self, entered: Any, began: float) -> Any:
        self._self_watch.waited_since(began)
        self._self_watch.reads_at_end(lambda: _whole(entered))
        self._self_opened = entered
        if entered is self._self_stream:
            return self
        try:
            if _is_iterator(type(entered)) or _attribute(entered, "_iterator") is not None:
                return _watching(entered, self._self_watch)
            _watch_parsing(entered, self._self_watch)
        except Exception:  # an object of the agent may fail at anything
            pass
        return entered

    def _self_left(self, error: Any) -> None:
        failed = bool(error) and error[1] is not None
        # An answer that was not read in parts has ended with its block, unless it says that it has not.
        is_complete = field(self._self_opened, "is_complete") is not False
        if not failed and is_complete and not self._self_watch.is_tapped:
            self._self_watch.ended()
        else:
            super()._self_left(error)


class _SynchronousRun(_Manager):
    """A run of Pydantic AI, whose requests are made as it is read."""

    def __init__(self, run: Any, watch: Watch) -> None:
        super().__init__(run, watch)
        self._self_opened = run
        watch.reads_at_end(lambda: run)

    def __del__(self) -> None:
        self._self_left(())


class _AwaitableManager(_Manager):
    """A manager that may be awaited instead, as a request of aiohttp."""

    def __init__(self, manager: Any, watch: Watch) -> None:
        super().__init__(manager, watch)
        self._self_coroutine: Any = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._self_awaited().__await__()

    # asyncio drives an object that has these as a coroutine: `gather`, `create_task`.

    def __next__(self) -> Any:
        return self._self_driven().send(None)

    def send(self, value: Any) -> Any:
        return self._self_driven().send(value)

    def throw(self, *arguments: Any) -> Any:
        return self._self_driven().throw(*arguments)

    def close(self) -> Any:
        if self._self_coroutine is not None:
            self._self_coroutine.close()
        return super().close()

    def _self_driven(self) -> Any:
        if self._self_coroutine is None:
            self._self_coroutine = self._self_awaited()
        return self._self_coroutine

    async def _self_awaited(self) -> Any:
        began = perf_counter()
        try:
            answer = await self._self_stream
        except BaseException as error:
            self._self_watch.raised(error, began)
            raise
        self._self_watch.waited_since(began)
        self._self_watch.reads_at_end(lambda: answer)
        self._self_watch.ended()
        return answer


_STAND_INS = (_StandIn, _Manager, _SynchronousRun, _AwaitableManager)


def _watch_parsing(response: Any, watch: Watch, ends: bool = False) -> None:
    """Watches the stream that `parse()` gives of a response of OpenAI's or Anthropic's `with_streaming_response`.

    If `ends`, what is not a stream is the answer, and the end of the call.
    """
    if hasattr(type(response), "parse") and _attribute(response, "http_response") is not None:
        try:
            response.parse = _WatchedParse(response, watch, ends)
        except (AttributeError, TypeError):
            pass


class _WatchedParse:
    """The method `parse` of a response."""

    def __init__(self, response: Any, watch: Watch, ends: bool) -> None:
        self.watch = watch
        # Not weak, although it is a cycle: `ask().parse()` drops the response on the way here.
        self._response = response
        self._parse = type(response).parse
        self._ends = ends

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        parsed = self._parse(self._response, *arguments, **keywords)
        return self._then_seen(parsed) if hasattr(parsed, "__await__") else self._seen(parsed)

    async def _then_seen(self, parsing: Awaitable[Any]) -> Any:
        return self._seen(await parsing)

    def _seen(self, parsed: Any) -> Any:
        if _is_iterator(type(parsed)):
            return parsed if _has_tap(parsed) else _watching(parsed, self.watch)
        if self._ends:
            self.watch.reads_at_end(lambda: parsed)
            self.watch.ended()
        return parsed


def _watch_response(response: Any, watch: Watch) -> None:
    """Watches a raw response whose body is to be read: `with_raw_response` has given it for a stream."""
    _watch_parsing(response, watch, ends=True)
    http_response = response.http_response

    def dropped() -> None:
        if not watch.is_tapped:  # else the stream ends the call
            (watch.ended if field(http_response, "is_closed") else watch.closed)()

    # If the agent reads the body itself, or never.
    weakref.finalize(response, dropped).atexit = False


def _has_tap(stream: Any) -> bool:
    return isinstance(_attribute(stream, "_iterator"), (Tap, AsyncTap))


def _whole(answer: Any) -> Any:
    """The body of a raw response that the agent has read whole; of anything else, the answer itself."""
    response = field(answer, "http_response")
    if response is None:
        return answer
    try:
        return json.loads(response.content)  # raises if it was not read, or read in parts
    except Exception:
        return None
