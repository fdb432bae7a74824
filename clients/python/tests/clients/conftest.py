"""A model server, and the sums that the real exporter shows."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from agent_models import DIALECTS, AgentModels
from connecting import NOWHERE, Sender
from llm_exporter import LLMMonitor
from model_server import ModelServer, examples


@pytest.fixture(autouse=True)
def no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package of a test reaches another host, with its telemetry for example."""
    for name, address in {**NOWHERE, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, address)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def models() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture
def agent_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentModels]:
    """The model server of agents, in a process whose packages reach no other host."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it would keep the proxies beyond this test
    for end, dialect in DIALECTS.items():
        monkeypatch.setitem(examples.DIALECTS, end, dialect)
    server = AgentModels()
    yield server
    server.close()


@pytest.fixture
def monitor(exporter: Any, new_monitor: Any) -> LLMMonitor:
    return new_monitor(exporter.url)


@pytest.fixture
def counted(exporter: Any, monitor: LLMMonitor) -> Callable[..., dict[str, float]]:
    """The exporter's counts of agent A, once all its calls have ended."""

    def read() -> dict[str, float]:
        assert monitor.flush()
        assert exporter.samples()['llm_active_calls{agent_name="A"}'] == 0
        return exporter.counts("A")

    return read


@pytest.fixture
def traces(exporter: Any) -> Any:
    """The exporter, where it takes OpenTelemetry's traces."""
    if not exporter.answers("/v1/traces", "application/x-protobuf"):
        pytest.skip("this exporter has no /v1/traces")
    return exporter


@pytest.fixture
def sender(traces: Any, models: ModelServer, tmp_path: Path) -> Sender:
    return Sender(traces, models, tmp_path)
