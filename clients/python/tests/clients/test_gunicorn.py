"""gunicorn: its workers are forked from an arbiter that may have recorded, and sent, before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peers import Exporter, installed

installed("gunicorn")
pytestmark = pytest.mark.clients

APPLICATION = """
import os, threading
from llm_exporter import LLMCallMetrics, default_monitor, monitor_llm_call

def call(agent):
    with monitor_llm_call(agent, "openai", "gpt") as running:
        running.metrics.input_tokens = 3

call("import")  # in the arbiter if it preloads
if os.environ.get("FLUSHED"):
    assert default_monitor().flush()  # so its thread runs, and its connection is open, when it forks

def application(environ, respond):
    call("request")
    respond("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
WORKERS = 3


class Gunicorn:
    def __init__(self, folder: Path, exporter: Exporter, *arguments: str, **environment: str) -> None:
        (folder / "application.py").write_text(APPLICATION)
        self._socket = str(folder / "socket")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore::DeprecationWarning", "-m", "gunicorn", "application:application"),
                *("--bind", "127.0.0.1:0", "--workers", str(WORKERS), "--graceful-timeout", "10", *arguments),
            ],
            cwd=folder,
            env={**os.environ, "LLM_EXPORTER_URL": exporter.url, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self.log: list[str] = []
        for line in self._process.stderr:
            self.log.append(line)
            if "Listening at: " in line:
                self.url = line.partition("Listening at: ")[2].split()[0]
                break
        else:
            raise AssertionError("gunicorn did not start:\n" + "".join(self.log))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        self.log += self._process.stderr

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def request(self) -> int:
        """The process that answered."""
        with urllib.request.urlopen(self.url, timeout=20) as answer:
            return int(answer.read())

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
        self._reader.join(10)


@pytest.fixture
def served(tmp_path: Path, exporter: Exporter) -> Iterator[Any]:
    made: list[Gunicorn] = []

    def start(*arguments: str, **environment: str) -> Gunicorn:
        made.append(Gunicorn(tmp_path, exporter, *arguments, **environment))
        return made[-1]

    yield start
    for gunicorn in made:
        gunicorn.stop()


def assert_counted(exporter: Exporter, gunicorn: Gunicorn, requests: int, imports: int) -> None:
    samples = exporter.samples()
    assert (exporter.calls("request"), exporter.calls("import")) == (requests, imports), "".join(gunicorn.log)
    assert samples["llm_exporter_records_duplicate_total"] == 0
    assert samples['llm_active_calls{agent_name="request"}'] == 0
    assert not any("met an error" in line or "Traceback" in line for line in gunicorn.log)


@pytest.mark.parametrize("worker", ["sync", "gthread"])
@pytest.mark.parametrize("flushed", ["", "1"], ids=["records wait at the fork", "the thread runs at the fork"])
def test_preloaded_workers_count_every_call_once(exporter: Exporter, served: Any, flushed: str, worker: str) -> None:
    gunicorn = served("--preload", "--worker-class", worker, FLUSHED=flushed)
    workers = {gunicorn.request() for _ in range(60)}
    gunicorn.stop()  # the workers, and the arbiter, flush at their exit
    assert workers
    assert_counted(exporter, gunicorn, requests=60, imports=1)


def test_workers_that_load_the_application_themselves(exporter: Exporter, served: Any) -> None:
    gunicorn = served()
    for _ in range(60):
        gunicorn.request()
    gunicorn.stop()
    assert_counted(exporter, gunicorn, requests=60, imports=WORKERS)


def test_workers_that_are_replaced_lose_nothing(exporter: Exporter, served: Any) -> None:
    gunicorn = served("--preload", "--max-requests", "5", FLUSHED="1")
    workers = {gunicorn.request() for _ in range(60)}
    gunicorn.signal(signal.SIGHUP)
    time.sleep(0.5)
    workers |= {gunicorn.request() for _ in range(10)}
    gunicorn.stop()
    assert len(workers) > WORKERS
    assert exporter.calls("request") == 70
    assert exporter.samples()["llm_exporter_records_duplicate_total"] == 0
