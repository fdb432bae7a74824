"""Watches streams while the agent reads them; the end of the stream is the end of the call.

The agent must not notice. SDK streams that keep their iterator in an attribute (OpenAI's, Anthropic's) are watched in
place: the agent gets the same object, and its helpers (`text_stream`, `get_final_message()`) are watched too. Others
(generators, LiteLLM's wrapper, stream managers) are replaced by a stand-in of their class that forwards everything.
A stream that is closed or dropped before its end counts as cancelled, unless the provider had sent everything.
"""

from __future__ import annotations

import io
import weakref
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable, Optional

from .usage import StreamUsage

if TYPE_CHECKING:
    from .call import LLMCall

__all__ = ["AsyncTap", "Tap", "Watch", "is_stream", "watched"]


class Watch:
    """The usage and the end of one stream. Ends once, by the first call of `ended`."""

    def __init__(self, call: LLMCall) -> None:
        self._call: Optional[LLMCall] = call
        self._seen = StreamUsage()
        call._stream_began()

    def waited_since(self, began: float) -> None:
        if self._call is not None:
            self._call._add_api_time(perf_counter() - began)

    def saw(self, chunk: Any, began: float) -> None:
        self.waited_since(began)
        self._seen.add(chunk)

    def raised(self, error: BaseException, began: float) -> None:
        """Ends the watch, as the stream raised: its end or an error."""
        self.waited_since(began)
        self.ended(None if isinstance(error, (StopIteration, StopAsyncIteration)) else error)

    def ended(self, error: Optional[BaseException] = None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call._stream_ended(self._seen.usage, error, self._seen.failure)

    def closed(self) -> None:
        """Ends the watch, as the reader stopped."""
        self.ended(None if self._seen.complete else GeneratorExit())


class Tap(Generator[Any, Any, Any]):
    """An iterator or generator, watched."""

    def __init__(self, source: Iterator[Any], watch: Watch) -> None:
        self._source = source
        self._watch = watch

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        began = perf_counter()
        try:
            chunk = step(*arguments)
        except BaseException as error:
            self._watch.raised(error, began)
            raise
        self._watch.saw(chunk, began)
        return chunk

    def __iter__(self) -> Tap:
        return self

    def __next__(self) -> Any:
        return self._step(self._source.__next__)

    def send(self, value: Any) -> Any:
        if value is None:  # as `yield from` does: a plain iterator has no send()
            return self._step(self._source.__next__)
        return self._step(self._source.send, value)  # type: ignore[attr-defined]

    def throw(self, *arguments: Any) -> Any:
        throw = getattr(self._source, "throw", None)
        if throw is not None:
            return self._step(throw, *arguments)
        error = arguments[-1] if isinstance(arguments[-1], BaseException) else arguments[0]
        self._watch.ended(error if isinstance(error, BaseException) else error())
        raise error

    def close(self) -> None:
        try:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        finally:
            self._watch.closed()

    def __del__(self) -> None:
        self._watch.closed()


class AsyncTap(AsyncIterator[Any]):
    """An asynchronous iterator or generator, watched."""

    def __init__(self, source: AsyncIterator[Any], watch: Watch) -> None:
        self._source = source
        self._watch = watch

    async def _step(self, step: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        began = perf_counter()
        try:
            chunk = await step(*arguments)
        except BaseException as error:
            self._watch.raised(error, began)
            raise
        self._watch.saw(chunk, began)
        return chunk

    def __aiter__(self) -> AsyncTap:
        return self

    async def __anext__(self) -> Any:
        return await self._step(self._source.__anext__)

    async def asend(self, value: Any) -> Any:
        return await self._step(self._source.asend, value)  # type: ignore[attr-defined]

    async def athrow(self, *arguments: Any) -> Any:
        return await self._step(self._source.athrow, *arguments)  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        try:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()
        finally:
            self._watch.closed()

    def __del__(self) -> None:
        self._watch.closed()


def is_stream(answer: Any) -> bool:
    """Whether an answer is read in parts: an iterator, or a manager that opens one (`client.messages.stream()`)."""
    kind = type(answer)
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        # An object with a length is not a stream but a mock of a test, which has every attribute.
        return not issubclass(kind, io.IOBase) and not hasattr(kind, "__len__")
    return _is_manager(kind)


def watched(stream: Any, call: LLMCall) -> Any:
    """The stream that the agent gets instead of `stream`."""
    watch = Watch(call)
    try:
        return stream if _watch_in_place(stream, watch) else _StandIn(stream, watch)
    except Exception:
        watch.ended()
        raise


def _is_manager(kind: type) -> bool:
    return kind.__name__.endswith("StreamManager") and (hasattr(kind, "__enter__") or hasattr(kind, "__aenter__"))


def _watch_in_place(stream: Any, watch: Watch) -> bool:
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
        result = close(stream_now(), *arguments, **keywords)
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


class _StandIn:
    """A stream, or the manager of one, that forwards everything and watches on the way."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self._self_stream = stream
        self._self_watch = watch
        self._self_tap: Any = Tap(stream, watch) if hasattr(type(stream), "__next__") else None
        self._self_async_tap: Any = AsyncTap(stream, watch) if hasattr(type(stream), "__anext__") else None

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._self_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._self_stream, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_self_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._self_stream, name, value)

    def __repr__(self) -> str:
        return repr(self._self_stream)

    def __iter__(self) -> Any:
        return self if self._self_tap is not None else iter(self._self_stream)

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
        return self if self._self_async_tap is not None else self._self_stream.__aiter__()

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
            return type(self._self_stream).__exit__(self._self_stream, *error)
        finally:
            self._self_left(error)

    async def __aexit__(self, *error: object) -> Any:
        try:
            return await type(self._self_stream).__aexit__(self._self_stream, *error)
        finally:
            self._self_left(error)

    def _self_entered(self, entered: Any, began: float) -> Any:
        self._self_watch.waited_since(began)
        if entered is self._self_stream:
            return self
        # A manager: what it opened is the stream.
        return entered if _watch_in_place(entered, self._self_watch) else _StandIn(entered, self._self_watch)

    def _self_left(self, error: Any) -> None:
        if error and error[1] is not None:
            self._self_watch.ended(error[1])
        else:
            self._self_watch.closed()

    def __del__(self) -> None:
        self._self_watch.closed()
