"""Watches streams while the agent reads them; the end of the stream is the end of the call.

A stream that is closed or dropped before its end counts as cancelled, unless the provider had sent everything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from time import perf_counter
from typing import Any, Callable, Optional, Protocol

from .usage import Reading, StreamUsage, read_answers

__all__ = ["AsyncTap", "StreamOwner", "Tap", "Watch"]


class StreamOwner(Protocol):
    """The part of a call that the watch of its stream uses."""

    def _stream_began(self) -> None: ...

    def _stream_ended(self, readings: list[Reading], error: Optional[BaseException]) -> None: ...

    def _token_came(self) -> None: ...

    def _add_api_time(self, seconds: float) -> None: ...


class Watch:
    """The usage and the end of one stream. Ends once, by the first call of `ended`."""

    def __init__(self, call: StreamOwner) -> None:
        self._call: Optional[StreamOwner] = call
        self._seen = StreamUsage()
        self._waits_for_token = True
        self._answer: Optional[Callable[[], Any]] = None
        self.is_tapped = False
        """Whether the agent has an iterator of it."""
        call._stream_began()

    def belongs_to(self, call: StreamOwner) -> bool:
        return self._call is call

    def reads_at_end(self, answer: Callable[[], Any]) -> None:
        """Reads the usage of what `answer` returns when the stream has ended, beside that of the chunks."""
        self._answer = answer

    def waited_since(self, began: float) -> None:
        if self._call is not None:
            self._call._add_api_time(perf_counter() - began)

    def saw(self, chunk: Any, began: float) -> None:
        self.waited_since(began)
        self._seen.add(chunk)
        if self._waits_for_token and self._seen.has_token:
            self._waits_for_token = False
            if self._call is not None:
                self._call._token_came()

    def raised(self, error: BaseException, began: float) -> None:
        """Ends the watch, as the stream raised: its end or an error."""
        self.waited_since(began)
        self.ended(None if isinstance(error, (StopIteration, StopAsyncIteration)) else error)

    def ended(self, error: Optional[BaseException] = None) -> None:
        call, self._call = self._call, None
        answer, self._answer = self._answer, None
        if call is not None:
            call._stream_ended(_together(self._seen.readings(), _readings_of(answer)), error)

    def closed(self) -> None:
        """Ends the watch, as the reader stopped."""
        self.ended(None if self._seen.complete else GeneratorExit())


def _readings_of(answer: Optional[Callable[[], Any]]) -> list[Reading]:
    try:
        return read_answers(answer()) if answer is not None else []
    except Exception:  # an object of the agent may fail at anything
        return []


def _together(seen: list[Reading], whole: list[Reading]) -> list[Reading]:
    """The readings of the chunks, and those of the answer at their end, each usage once.

    An answer without an id has a different key in each list. Both lists are in the order of the requests, so the first
    such answers of `whole` are the first of `seen`, whose usage then does not count. A request that was left early is
    in `seen` alone.
    """
    nameless = sum(type(reading.key) is not str for reading in whole)
    readings = []
    for reading in seen:
        is_in_whole = nameless > 0 and type(reading.key) is not str and reading.usage is not None
        nameless -= is_in_whole
        readings.append(reading._replace(usage=None) if is_in_whole else reading)
    return readings + whole


class Tap(Generator[Any, Any, Any]):
    """An iterator or generator, watched."""

    def __init__(self, source: Iterator[Any], watch: Watch) -> None:
        self._source = source
        self.watch = watch
        self.stand_in: Any = None
        """Kept for as long as this is read."""
        watch.is_tapped = True

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        began = perf_counter()
        try:
            chunk = step(*arguments)
        except BaseException as error:
            self.watch.raised(error, began)
            raise
        self.watch.saw(chunk, began)
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
        self.watch.ended(error if isinstance(error, BaseException) else error())
        raise error

    def close(self) -> None:
        try:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        finally:
            self.watch.closed()

    def __del__(self) -> None:
        self.watch.closed()


class AsyncTap(AsyncIterator[Any]):
    """An asynchronous iterator or generator, watched."""

    def __init__(self, source: AsyncIterator[Any], watch: Watch) -> None:
        self._source = source
        self.watch = watch
        self.stand_in: Any = None
        """Kept for as long as this is read."""
        watch.is_tapped = True

    async def _step(self, step: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        began = perf_counter()
        try:
            chunk = await step(*arguments)
        except BaseException as error:
            self.watch.raised(error, began)
            raise
        self.watch.saw(chunk, began)
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
            self.watch.closed()

    def __del__(self) -> None:
        self.watch.closed()
