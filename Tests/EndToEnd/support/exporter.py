"""The built program as users see it: a process with flags, a log and sockets on loopback."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from exposition import Exposition
from pace import slowness

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[2]
FIXTURES = ROOT / "Tests" / "Fixtures"
BINARY = Path(os.environ.get("LLM_EXPORTER_BIN") or ROOT / ".build" / "release" / "llm-exporter").resolve()

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}

#: `thread` or `address` when the program was built with that sanitizer: several times slower, and larger.
SANITIZER = os.environ.get("LLM_EXPORTER_SANITIZER")

#: Seconds to wait for what should come at once; a passing run waits less.
PATIENCE = 60 if SANITIZER else 30

#: Seconds of the usual machine within which the program must have ended after a signal.
END_WITHIN = 30 if SANITIZER else 5


class Raw(str):
    """JSON text that goes out as it stands: `1e-12`, `5.0`, `NaN`, a key spelt twice."""


class Absent:
    """Takes a field out of a record that has it by default."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


def encode(value: Any) -> str:
    """JSON with `Raw` parts, without spaces, non-ASCII characters as they are."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        members = (f"{encode(k)}:{encode(v)}" for k, v in value.items() if v is not ABSENT)
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value, ensure_ascii=False)


def call(**fields: Any) -> dict[str, Any]:
    """A minimal record of a model that no price table knows, so that its cost is what the record says or nothing."""
    return {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1", **fields}


def ndjson(records: list[Any]) -> bytes:
    return "".join(encode(record) + "\n" for record in records).encode()


def eventually(condition: Callable[[], Any], what: str, within: float = PATIENCE, every: float = 0.02) -> Any:
    """Asks again and again until the answer is true, and returns it."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what} (last answer: {answer!r})")
        time.sleep(every)


class Reply:
    """One HTTP answer, read to its end."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:400]!r}"

    @classmethod
    def reading(cls, connection: socket.socket, method: str = "POST") -> Reply:
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        return cls(answer.status, answer.headers, answer.read())

    @property
    def media_type(self) -> str:
        return self.headers.get_content_type()

    @property
    def json(self) -> Any:
        assert self.media_type in ("application/json", "application/problem+json"), self.headers.items()
        return json.loads(self.body, parse_float=Decimal)

    def outcome(self) -> tuple[int, int, int]:
        """Accepted, duplicates, rejected, as a 200 tells them."""
        assert self.status == 200, self
        told = self.json
        assert {"accepted", "duplicates", "rejected", "errors"} <= told.keys(), told
        assert len(told["errors"]) == min(told["rejected"], 100), told
        return told["accepted"], told["duplicates"], told["rejected"]

    def problem(self, status: int) -> dict[str, Any]:
        """The members of an RFC 9457 answer, after checking their shape."""
        assert self.status == status, self
        assert self.media_type == "application/problem+json", (self, self.headers.items())
        told = self.json
        assert isinstance(told["title"], str) and told["title"], told
        assert told["status"] == status, told
        assert isinstance(told["detail"], str) and told["detail"], told
        return told

    def first_error(self) -> dict[str, Any]:
        """The first rejected record of a 200 or 422."""
        errors = self.json["errors"] if self.status == 200 else self.problem(422)["errors"]
        assert errors, self
        assert isinstance(errors[0]["message"], str) and errors[0]["message"], errors
        return errors[0]


class Wire:
    """A raw socket, for what no well-behaved client sends."""

    def __init__(self, address: tuple[str, int]):
        self.socket = socket.create_connection(address, timeout=PATIENCE)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: str | bytes) -> Wire:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def reply(self, method: str = "POST") -> Reply:
        return Reply.reading(self.socket, method)

    def reset(self) -> None:
        """Closes with RST, as a crashed client's machine does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def everything(self) -> bytes:
        """What arrives until the peer closes, in good order or not."""
        received = b""
        try:
            while more := self.socket.recv(65536):
                received += more
        except ConnectionResetError:
            pass
        return received

    def is_closed_by_peer(self, within: float = PATIENCE) -> bool:
        """Waits for the end of the stream; what still arrives before it is dropped."""
        self.socket.settimeout(within)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class DidNotStart(AssertionError):
    """The program ended before it listened."""

    def __init__(self, code: int, log: str):
        super().__init__(f"exit code {code}:\n{log}")
        self.code, self.log = code, log


class Exporter:
    """A running `llm-exporter serve` on a free port of 127.0.0.1, with its state in memory or in a folder."""

    def __init__(self, *flags: str, listen: tuple[str, ...] = ("127.0.0.1:0",), command: tuple[str, ...] = (),
                 storage: Path | None = None, environment: dict[str, str] | None = None, awaited: bool = True,
                 shipped_prices: bool = False, launcher: tuple[str, ...] = (), inherits: tuple[int, ...] = ()):
        """Starts it, with `environment` beside that of the tests; `awaited` also waits until it listens.

        `launcher` begins the command line, and the process keeps the descriptors `inherits`, each a listening socket.
        Without `shipped_prices` unless a test asks for them: reading them takes longer than most tests.
        """
        # Open as long as the process.
        self.log_file = tempfile.NamedTemporaryFile(prefix="llm-exporter-", suffix=".log")  # noqa: SIM115
        self.listeners = len(listen) + len(inherits)
        addresses = [part for address in listen for part in ("--web.listen-address", address)]
        state = ["--storage.memory"] if storage is None else ["--storage.path", str(storage)]
        prices = [] if shipped_prices or "--prices.no-builtin" in flags else ["--prices.no-builtin"]
        self.spawned_at = time.monotonic()
        self.process = subprocess.Popen(
            [*launcher, BINARY, *command, *addresses, *state, *prices, *flags],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=self.log_file, stderr=self.log_file, pass_fds=inherits)
        if awaited:
            self.await_listening()

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def await_listening(self, within: float = PATIENCE) -> None:
        """Waits until it takes connections; raises `DidNotStart` when it ends instead."""
        try:
            eventually(lambda: len(self.ports) >= self.listeners or self.process.poll() is not None, "listening",
                       within, every=0.005)
            if self.process.poll() is not None:
                raise DidNotStart(self.process.returncode, self.log)
        except BaseException:
            self.kill()
            raise
        self.start_seconds = time.monotonic() - self.spawned_at
        self.port = self.ports[0]
        self.address = ("127.0.0.1", self.port)
        self.url = f"http://127.0.0.1:{self.port}"

    # Process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return Path(self.log_file.name).read_text()

    @property
    def log_lines(self) -> list[str]:
        return self.log.splitlines()

    @property
    def ports(self) -> list[int]:
        complete = self.log[:self.log.rfind("\n") + 1]
        return [int(m[1]) for m in re.finditer(r'msg="Listening on" address=\S+:(\d+)', complete)]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, within: float | None = None) -> int:
        """Its exit code; by default within `END_WITHIN` at the pace of this machine."""
        return self.process.wait(END_WITHIN * slowness() if within is None else within)

    def stop(self) -> None:
        """Ends it as an operator does, and checks that the end is clean and quick."""
        assert self.process.poll() is None, f"it ended by itself with {self.process.returncode}:\n{self.log}"
        self.signal(signal.SIGTERM)
        try:
            assert self.wait() == 0, f"exit code {self.process.returncode}:\n{self.log}"
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends it with SIGKILL, unless it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def open_sockets(self) -> int:
        """Its connections, and the sockets on which it listens. It may open files of other kinds at any time."""
        def is_socket(file: Path) -> bool:
            try:
                return str(file.readlink()).startswith("socket:")
            except FileNotFoundError:
                return False
        return sum(map(is_socket, Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory_kib(self, field: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        assert found, status
        return int(found[1])

    def forget_memory_peak(self) -> None:
        """Sets VmHWM back to the present size (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    # HTTP

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None,
                source: str | None = None) -> Reply:
        """Asks, from the address `source` of the loopback network, if it is given: that is another sender."""
        host, port = self.address
        connection = http.client.HTTPConnection(
            host, port, timeout=3 * PATIENCE, source_address=(source, 0) if source else None)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, body: Any, headers: dict[str, str] | None = None, path: str = "/record") -> Reply:
        """Posts bytes or text as they are, anything else as JSON."""
        if not isinstance(body, (bytes, str)) or isinstance(body, Raw):
            body = encode(body)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        return self.request("POST", path, body, JSON if headers is None else headers)

    def post_lines(self, records: list[Any], **headers: str) -> Reply:
        return self.post(ndjson(records), {**NDJSON, **{k.replace("_", "-"): v for k, v in headers.items()}})

    def wire(self) -> Wire:
        return Wire(self.address)

    def scrape(self, accept: str | None = None) -> Exposition:
        reply = self.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
        assert reply.status == 200, reply
        return Exposition(reply.body)

    def openmetrics(self) -> Exposition:
        return self.scrape(OPENMETRICS)

    def summary(self) -> dict[str, Any]:
        reply = self.get("/summary")
        assert reply.status == 200, reply
        return reply.json

    def summary_of_totals(self) -> dict[str, Any]:
        """The summary without times and calls in flight, in all and of each agent and model."""
        def totals(part: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in part.items()
                    if name not in ("last_seen", "latency_seconds", "ttft_seconds", "active_calls")}

        summary = totals(self.summary())
        for parts in ("agents", "models"):
            summary[parts] = {name: totals(part) for name, part in summary[parts].items()}
        return summary

    def calls(self) -> Decimal:
        return self.scrape().total("llm_calls_total")


def run(*arguments: str, within: float = 2 * PATIENCE, text: str = "") -> subprocess.CompletedProcess[str]:
    """The program run to its end, with a text on its standard input."""
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=within, input=text)
