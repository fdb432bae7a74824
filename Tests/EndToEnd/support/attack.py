"""A client that takes as much of an exporter as it can, as a process: it shares no interpreter with the test.

`Attack` is the test's side. Run as a program, this module is the attacker: it connects, says `begun` once all its
connections have what they hold or have posted once, goes on until its standard input ends, and prints its figures.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import itertools
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import zstandard

import otlp_messages

#: The default of --web.max-body-size.
LIMIT = 32 << 20
#: Is replaced in each post by text that no post before had.
MARK = b"0123456789abcdef"

LINE = b'{"agent_name":"b","provider":"p","model":"m"}\n'


class Part(NamedTuple):
    """A kind of attack, and on how many connections."""

    kind: str
    connections: int


@dataclass
class Figures:
    """The doings of an attacker, so that a test can say that there was an attack."""

    #: Connections that it opened.
    connections: int = 0
    bytes_sent: int = 0
    #: Requests that were sent to their end.
    requests: int = 0
    #: By status, or by the name of the error that ended a connection.
    answers: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.answers.items())) or "no answer"
        return (f"{self.connections} connections, {self.bytes_sent >> 20} MiB, {self.requests} whole requests, "
                f"answers: {answers}")


class Attack:
    """An attack on one exporter, from 127.0.0.1, while the context is open."""

    def __init__(self, address: tuple[str, int], *parts: Part, headers: dict[str, str] | None = None,
                 limit: int = LIMIT):
        """`headers` go with each request, and `limit` is the exporter's --web.max-body-size."""
        self._settings = json.dumps({"address": address, "parts": parts, "headers": headers or {}, "limit": limit})
        self.figures = Figures()

    def __enter__(self) -> Attack:
        self._process = subprocess.Popen([sys.executable, __file__, self._settings], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout
        if self._process.stdout.readline() != "begun\n":
            self._process.kill()
            raise AssertionError(f"the attacker ended with {self._process.wait()}")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            printed = self._process.communicate(timeout=30)[0]
        finally:
            self._process.kill()
            self._process.wait()
        figures: dict[str, Any] = json.loads(printed)
        self.figures = Figures(**{**figures, "answers": Counter(figures["answers"])})


# The attacker

class Posts(NamedTuple):
    """A body that is posted again and again, each time as soon as the last one is answered."""

    headers: dict[str, str]
    body: bytes
    path: str = "/record"

    def bodies(self) -> Iterator[bytes]:
        if MARK not in self.body:
            while True:
                yield self.body
        drawn = os.urandom(4).hex().encode()
        for number in itertools.count():
            yield self.body.replace(MARK, b"%b%08x" % (drawn, number))


class Holds(NamedTuple):
    """A request that stops in the middle: a beginning, spaces, then a space a second; or an answer that is not read."""

    beginning: bytes
    spaces: int = 0
    drips: bool = False
    #: The most bytes of the answer that it takes in a second.
    reads: int = 65536


class Guesses(NamedTuple):
    """Credentials that are wrong, each time others."""

    scheme: str

    def requests(self, address: str) -> Iterator[bytes]:
        drawn = os.urandom(4).hex()
        for number in itertools.count():
            guess = f"{drawn}-{number}"
            if self.scheme == "Basic":
                guess = base64.b64encode(f"alice:{guess}".encode()).decode()
            yield (f"POST /record HTTP/1.1\r\nHost: {address}\r\nAuthorization: {self.scheme} {guess}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]").encode()



def numbered(opening: bytes, item: str, between: bytes, closing: bytes, size: int) -> bytes:
    """A body of items, each with its number in place of a `%d`, as many as the size allows."""
    count = (size - len(opening) - len(closing)) // (len(item % 10_000_000) + len(between))
    return opening + between.join((item % (10_000_000 + number)).encode() for number in range(count)) + closing


def spans(size: int) -> bytes:
    """A request of OTLP of nearly this size, each span a call of its own."""
    place = b"SPAN-ID."
    made = otlp_messages.span({"gen_ai.operation.name": "chat", "gen_ai.system": "p", "gen_ai.request.model": "m"},
                              trace=int.from_bytes(MARK, "big"), id=int.from_bytes(place, "big"))
    message = otlp_messages.protobuf(otlp_messages.request(made))
    for field_number in (1, 2, 2):
        message = dict(otlp_messages.fields(message))[field_number]
    head, _, tail = otlp_messages.chunk(2, message).partition(place)
    count = (size - 64) // (len(head) + len(place) + len(tail))
    scope = b"".join(head + number.to_bytes(8, "big") + tail for number in range(1, count + 1))
    return otlp_messages.chunk(1, otlp_messages.chunk(2, scope))


def rejected_lines(size: int, limit: int) -> bytes:
    """As many lines with a bad record as gzip packs into so few bytes."""
    low, high = 1, limit // 3
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(gzip.compress(b"{}\n" * middle, 9)) <= size else (low, middle - 1)
    return gzip.compress(b"{}\n" * low, 9)


def posts(kind: str, limit: int) -> Posts:
    lines, array = {"Content-Type": "application/x-ndjson"}, {"Content-Type": "application/json"}
    in_gzip = {"Content-Encoding": "gzip"}
    records = LINE * (limit // len(LINE))
    match kind:
        case "gzip":
            return Posts(lines | in_gzip, gzip.compress(records, 9))
        case "zstd":
            return Posts(lines | {"Content-Encoding": "zstd"}, zstandard.compress(records, 9))
        case "array":
            record = LINE.strip()
            return Posts(array, b"[" + b",".join([record] * ((limit - 2) // (len(record) + 1))) + b"]")
        case "litellm":
            item = (f'{{"litellm_call_id":"{MARK.decode()}-%d","startTime":1795456864.5,"endTime":1795456866.0,'
                    '"status":"success","custom_llm_provider":"p","model":"m"}')
            return Posts(array, numbered(b"[", item, b",", b"]", limit), "/litellm")
        case "spans":
            return Posts({"Content-Type": "application/x-protobuf"}, spans(limit), "/v1/traces")
        case "starts":
            item = f'{{"agent_name":"b","event":"start","id":"{MARK.decode()}-%d"}}'
            return Posts(lines, numbered(b"", item, b"\n", b"\n", limit // 16))
        case "rejected lines":
            return Posts(lines | in_gzip, rejected_lines(295, limit))
        case "nested":
            depth = limit // 2 - 100
            body = LINE.strip().removesuffix(b"}") + b',"x":' + b"[" * depth + b"]" * depth + b"}"
            return Posts(array | in_gzip, gzip.compress(body, 6))
        case "empty messages":
            empty = otlp_messages.chunk(1, b"")
            return Posts({"Content-Type": "application/x-protobuf"} | in_gzip,
                         gzip.compress(empty * (limit // len(empty)), 6), "/v1/traces")
        case "ledger":
            return Posts(lines, LINE * (limit * 15 // 16 // len(LINE)))
    raise ValueError(kind)


def holds(kind: str, headers: bytes, limit: int) -> Holds:
    head = b"POST /record HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + headers
    length = b"Content-Length: %d\r\n" % limit
    match kind:
        case "length":
            return Holds(head + length + b"\r\n", limit - 16, drips=True)
        case "chunked":
            return Holds(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % limit, limit - 16, drips=True)
        case "expect":
            return Holds(head + length + b"Expect: 100-continue\r\n\r\n", limit - 16, drips=True)
        case "announced":
            return Holds(head + length + b"\r\n", 4096, drips=True)
        case "idle":
            return Holds(b"")
        case "half a header":
            return Holds(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow")
        case "unread answer":
            return Holds(b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n", reads=1024)
    raise ValueError(kind)


class Attacker:
    def __init__(self, address: tuple[str, int], headers: dict[str, str]):
        self.address = address
        self.host = f"{address[0]}:{address[1]}"
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        self.figures = Figures()
        self.ends = threading.Event()
        self._lock = threading.Lock()

    def count(self, *, answer: str | None = None, bytes_sent: int = 0, requests: int = 0, connections: int = 0) -> None:
        with self._lock:
            self.figures.bytes_sent += bytes_sent
            self.figures.requests += requests
            self.figures.connections += connections
            if answer:
                self.figures.answers[answer] += 1

    def sends(self, requests: Iterator[bytes], begun: threading.Event) -> None:
        """One request after another on a connection that is kept while it can be."""
        connection = None
        while not self.ends.is_set():
            try:
                if not connection:
                    connection = socket.create_connection(self.address, timeout=60)
                    self.count(connections=1)
                request = next(requests)
                connection.sendall(request)
                begun.set()
                self.count(bytes_sent=len(request), requests=1)
                answer = http.client.HTTPResponse(connection, method="POST")
                answer.begin()
                answer.read()
                self.count(answer=str(answer.status))
                if not answer.will_close:
                    continue
            except (OSError, http.client.HTTPException) as error:
                self.count(answer=type(error).__name__)
                # It may have been ended, and be started again on this port.
                time.sleep(0.01)
            begun.set()
            if connection:
                connection.close()
            connection = None

    def requests(self, of: Posts) -> Iterator[bytes]:
        headers = "".join(f"{name}: {value}\r\n" for name, value in of.headers.items()).encode() + self.headers
        for body in of.bodies():
            yield (f"POST {of.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n".encode()
                   + headers + b"\r\n" + body)

    def hold(self, parts: list[tuple[Holds, int]], begun: threading.Event) -> None:
        """Keeps connections of these kinds; one that ends is replaced."""
        with selectors.DefaultSelector() as selector:
            connections = [Held(self, selector, of) for of, count in parts for _ in range(count)]
            deadline = time.monotonic() + 3
            while not self.ends.is_set():
                for chosen, events in selector.select(0.02):
                    chosen.data.turn(events)
                now = time.monotonic()
                for held in connections:
                    held.tick(now)
                if now > deadline or all(held.is_held or held.ended for held in connections):
                    begun.set()


class Held:
    """One connection that is held."""

    def __init__(self, attacker: Attacker, selector: selectors.BaseSelector, of: Holds):
        self.attacker, self.selector, self.of = attacker, selector, of
        #: How often the exporter has ended it.
        self.ended = 0
        self.open()

    def open(self) -> None:
        self.socket = socket.socket()
        if self.of.reads < 65536:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(self.attacker.address)
        self.attacker.count(connections=1)
        self.socket.setblocking(False)
        self.unsent = memoryview(self.of.beginning)
        self.spaces, self.due, self.answer = self.of.spaces, time.monotonic() + 1, b""
        self.watched = selectors.EVENT_READ | selectors.EVENT_WRITE
        self.selector.register(self.socket, self.watched, self)

    @property
    def is_held(self) -> bool:
        return not self.unsent and not self.spaces

    def turn(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self.send()
            if events & selectors.EVENT_READ:
                self.receive()
        except BlockingIOError:
            pass
        except OSError as error:
            self.end(type(error).__name__)

    def send(self) -> None:
        if not self.unsent:
            self.unsent = memoryview(SPACES)[:min(self.spaces, len(SPACES))]
            self.spaces -= len(self.unsent)
        sent = self.socket.send(self.unsent) if self.unsent else 0
        self.unsent = self.unsent[sent:]
        self.attacker.count(bytes_sent=sent)
        if self.is_held:
            self.watch(selectors.EVENT_READ if self.of.reads == 65536 else 0)

    def receive(self) -> None:
        if self.of.reads < 65536:
            self.watch(self.watched & ~selectors.EVENT_READ)
        received = self.socket.recv(self.of.reads)
        if not received:
            self.end(self.answer[9:12].decode() or "closed")
            return
        # The status of the last answer: an invitation to send comes before it.
        if b"HTTP/1.1 " in received:
            self.answer = received[received.rindex(b"HTTP/1.1 "):]
        if self.answer.startswith(b"HTTP/1.1 ") and self.answer[9:12] not in (b"", b"100") and self.of.drips:
            self.end(self.answer[9:12].decode())

    def tick(self, now: float) -> None:
        if now < self.due:
            return
        self.due = now + 1
        if self.of.drips and self.is_held:
            self.spaces = 1
            self.watch(self.watched | selectors.EVENT_WRITE)
        if self.of.reads < 65536 and self.is_held:
            self.watch(self.watched | selectors.EVENT_READ)

    def watch(self, events: int) -> None:
        if events != self.watched:
            if not self.watched:
                self.selector.register(self.socket, events, self)
            elif events:
                self.selector.modify(self.socket, events, self)
            else:
                self.selector.unregister(self.socket)
            self.watched = events

    def end(self, answer: str) -> None:
        self.attacker.count(answer=answer)
        self.ended += 1
        self.watch(0)
        self.socket.close()
        self.open()


SPACES = b" " * (1 << 20)
HELD = ("length", "chunked", "expect", "announced", "idle", "half a header", "unread answer")


def main() -> None:
    settings: dict[str, Any] = json.loads(sys.argv[1])
    attacker = Attacker(tuple(settings["address"]), settings["headers"])
    parts = [Part(*part) for part in settings["parts"]]
    limit = settings["limit"]
    held = [(holds(part.kind, attacker.headers, limit), part.connections) for part in parts if part.kind in HELD]
    threads, waited = [], []
    for part in parts:
        if part.kind in HELD:
            continue
        of = Guesses(part.kind) if part.kind in ("Basic", "Bearer") else posts(part.kind, limit)
        for _ in range(part.connections):
            waited.append(threading.Event())
            requests = of.requests(attacker.host) if isinstance(of, Guesses) else attacker.requests(of)
            threads.append(threading.Thread(target=attacker.sends, args=(requests, waited[-1]), daemon=True))
    if held:
        waited.append(threading.Event())
        threads.append(threading.Thread(target=attacker.hold, args=(held, waited[-1]), daemon=True))
    for thread in threads:
        thread.start()
    for begun in waited:
        begun.wait(timeout=10)
    print("begun", flush=True)
    sys.stdin.read()
    attacker.ends.set()
    print(json.dumps(vars(attacker.figures)), flush=True)
    # Some of the threads wait for an answer that may not come.
    os._exit(0)


if __name__ == "__main__":
    main()
