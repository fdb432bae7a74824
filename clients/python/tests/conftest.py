"""Fixtures of all tests."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from llm_exporter import LLMMonitor
from peers import PYTHON, Exporter, ScriptedServer
from recorded import Recorded


@pytest.fixture(scope="session")
def exporter_program() -> str:
    program = os.environ.get("LLM_EXPORTER_BIN")
    if not program:
        reason = "LLM_EXPORTER_BIN names no llm-exporter: nothing real to talk to"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(Path(program).resolve())


@pytest.fixture
def exporter(exporter_program: str) -> Iterator[Exporter]:
    exporter = Exporter(exporter_program, None, "--web.enable-admin-api").start()
    yield exporter
    exporter.kill()


@pytest.fixture
def durable_exporter(exporter_program: str, tmp_path: Path) -> Iterator[Exporter]:
    exporter = Exporter(exporter_program, tmp_path / "storage").start()
    yield exporter
    exporter.kill()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and its key in one file, signed by itself, for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path = tmp_path / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(tmp_path / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + (tmp_path / "cert.pem").read_text())
    return path


@pytest.fixture
def hung_url() -> Iterator[str]:
    """An exporter that accepts connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@pytest.fixture
def closed_url() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def new_monitor() -> Iterator[Callable[..., LLMMonitor]]:
    made: list[LLMMonitor] = []

    def make(url: str, **options: Any) -> LLMMonitor:
        monitor = LLMMonitor(url, **{"linger": 0.01, **options})
        made.append(monitor)
        return monitor

    yield make
    for monitor in made:
        monitor.close(timeout=0.1)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    monitor = Recorded()
    yield monitor
    monitor.close(0)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LLM_EXPORTER_") and name != "LLM_EXPORTER_BIN":
            monkeypatch.delenv(name)


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING, "llm_exporter")
    return lambda: [r.getMessage() for r in caplog.records if r.name == "llm_exporter" and r.levelno >= logging.WARNING]


@pytest.fixture
def run_script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python source in an interpreter of its own; it must end by itself."""

    def run(source: str, *arguments: str, timeout: float = 30.0, **environment: str) -> Any:
        return subprocess.run(
            [*PYTHON, "-c", source, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
        )

    return run
