"""The servers that the tests use: the real exporter, and one that answers as a test says."""

from __future__ import annotations

import http.server
import importlib
import importlib.util
import json
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

# From 3.12 on Python warns of each fork beside a thread. That is what is tested here.
PYTHON = [sys.executable, "-W", "ignore::DeprecationWarning"]


class Exporter:
    """The real one, on a port that it keeps over restarts."""

    def __init__(self, program: str, folder: Optional[Path] = None, *flags: str) -> None:
        self._program = program
        self._storage = ["--storage.path", str(folder)] if folder else ["--storage.memory"]
        self._flags = flags
        self._process: Optional[subprocess.Popen[str]] = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Exporter:
        command = [self._program, "--web.listen-address", f"127.0.0.1:{self.port}", *self._storage, *self._flags]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        log = []
        for line in self._process.stderr:
            log.append(line)
            if match := re.search(r'"?Listening on"? address=\S+:(\d+)', line):
                self.port = int(match[1])
                threading.Thread(target=self._process.stderr.read, daemon=True).start()
                return self
        raise AssertionError("the exporter did not start:\n" + "".join(log))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def summary(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + "/summary", timeout=10) as answer:
            return json.load(answer)

    def calls(self, agent_name: str) -> int:
        return self.summary()["agents"].get(agent_name, {}).get("calls", 0)

    def samples(self) -> dict[str, float]:
        """Every sample of a scrape by its series, as the text has it."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if x and x[0] != "#")}

    def counts(self, agent_name: str) -> dict[str, float]:
        """The agent's counters that are not 0: by their family and what labels they have beside agent and model."""
        counts: dict[str, float] = {}
        for series, value in self.samples().items():
            family, _, labels = series.partition("{")
            if f'agent_name="{agent_name}"' in labels and value and family.endswith("_total"):
                told = [label.split("=")[1].strip('"}') for label in labels.split(",")]
                name = " ".join([family[len("llm_") :], *told[3:]])
                counts[name] = counts.get(name, 0.0) + value
        return counts

    def answers(self, path: str, content_type: str) -> bool:
        """Whether the exporter has that route: on any other it answers 404 to every post."""
        request = urllib.request.Request(self.url + path, b"", {"Content-Type": content_type})
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            return error.code != 404
        return True


class Request:
    """A request that the scripted server received."""

    def __init__(self, handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        self.method, self.path, self.headers, self.body = handler.command, handler.path, handler.headers, body
        self.at = time.monotonic()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


Reply = Callable[[Request], Any]


class ScriptedServer:
    """An HTTP server whose answers are a list of functions, used up one by one; `accept` when none is left.

    A reply returns (status, headers, body), or None to close the connection without an answer.
    """

    def __init__(self, certificate: Optional[Path] = None) -> None:
        self.requests: list[Request] = []
        self.script: list[Reply] = []
        self.connections = 0
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                scripted.connections += 1
                super().setup()

            def handle_any(self) -> None:
                request = Request(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
                scripted.requests.append(request)
                answer = (scripted.script.pop(0) if scripted.script else accept)(request)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(str(certificate))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for request in self.requests for record in request.records]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def accept(request: Request) -> Any:
    reply = {"accepted": len(request.records), "duplicates": 0, "rejected": 0, "errors": []}
    return 200, {}, json.dumps(reply).encode()


def answering(status: int, headers: Optional[dict[str, str]] = None, body: bytes = b"{}") -> Reply:
    return lambda _: (status, headers or {}, body)


def eventually(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)
    return value


def is_installed(name: str) -> bool:
    """Whether there is a module of that name, even if its import fails."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        if not name.startswith(f"{error.name}."):
            raise
        return False  # nor is the package that it would be in


def installed(name: str) -> Any:
    """The module of that name; skips the test only if it is not installed. A broken one is an error.

    `pytest.importorskip` skips as well if the module is installed and one of its own imports is missing.
    """
    if not is_installed(name):
        pytest.skip(f"{name} is not installed", allow_module_level=True)
    return importlib.import_module(name)
