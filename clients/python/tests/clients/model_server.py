"""The model server of the examples, except that it always reports the same usage, and that it speaks more languages.

OpenAI and Gemini: 1200 tokens in, of which 1024 were cached; 34 out, of which 10 were reasoning. Anthropic and Bedrock:
176 in beside 1024 read from and 512 written to the cache; 34 out. If a tool ``say`` is offered, the answer is a
call of it, until its result is sent. The name of a model says what it does:

- ``all-kinds`` reports every kind of token that its provider knows, searches of the web, and the service tier.
- ``priority`` is one of OpenAI's, served by that tier.
- ``long`` has more to say than it may.
- ``forgets`` calls a tool without its arguments, until it is shown a result.
- ``boom-NNN`` is answered with that HTTP status, ``slow`` after a second.
- ``stalls`` stops for a second within a stream, ``broken`` ends a stream with an error, ``cut`` in the middle of it.
"""

from __future__ import annotations

import contextlib
import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import cloud_dialects
import more_dialects
from example import EXAMPLES, examples

__all__ = ["EXAMPLES", "ModelServer", "examples"]

PIECES = ["Hel", "lo"]
#: The requests of Gemini and Bedrock have the model in their path.
MODEL_IN_PATH = re.compile(r"/models/(?P<gemini>[^/]+):|/model/(?P<bedrock>[^/]+)/")


class ModelServer(examples.ModelServer):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        """The requests, as they came."""
        self._server.RequestHandlerClass = Handler

    def answer(self, path: str, asked: Any) -> Any:
        self.asked.append(asked)
        model = asked["model"]
        writes = 512 if path.endswith("/messages") or "/model/" in path else 0
        return examples.Answer(
            PIECES,
            input_tokens=1200 + writes,
            cache_read_tokens=1024,
            cache_write_tokens=writes,
            output_tokens=34,
            reasoning_tokens=0 if writes else 10,
            status=int(model[5:8]) if model.startswith("boom-") else 200,
            delay=1.0 if model == "slow" else 0.0,
            breaks=model == "broken",
        )


class Handler(examples.Handler):
    streams = False

    def asked(self) -> Any:
        asked = super().asked()
        if found := MODEL_IN_PATH.search(self.path):
            asked["model"] = urllib.parse.unquote(found["gemini"] or found["bedrock"])
            asked["stream"] = "stream" in self.path
        if "-stream" in self.path:
            self.stream_type = "application/vnd.amazon.eventstream"
        return asked

    def send_stream(self, asked: Any, answer: Any, events: Any) -> None:
        model, self.streams = asked["model"], True
        ways = {"cut": up_to_the_second_piece, "stalls": stalling}
        super().send_stream(asked, answer, ways.get(model, iter)(events))
        if model != "cut":
            with contextlib.suppress(OSError):  # of a client that left
                self.wfile.write(b"0\r\n\r\n")

    def end_headers(self) -> None:
        if self.streams:
            self.send_header("Transfer-Encoding", "chunked")
        super().end_headers()

    def encoded(self, event: Any) -> bytes:
        """In a chunk of its own, as providers send it: a stream without its last chunk is cut."""
        content = event if isinstance(event, bytes) else super().encoded(event)
        return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def has_second_piece(event: Any) -> bool:
    return f'"{PIECES[1]}"' in (event.decode("latin-1") if isinstance(event, bytes) else str(event).replace("'", '"'))


def up_to_the_second_piece(events: Any) -> Iterator[Any]:
    for event in events:
        if has_second_piece(event):
            return
        yield event


def stalling(events: Any) -> Iterator[Any]:
    for event in events:
        if has_second_piece(event):
            time.sleep(1.0)
        yield event


# The model server decides by the end of a request's path.
examples.DIALECTS = {**examples.DIALECTS, **more_dialects.DIALECTS, **cloud_dialects.DIALECTS}
