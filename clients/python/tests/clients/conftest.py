"""A model server, and the sums that the real exporter shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest
from model_server import ModelServer

from llm_exporter import LLMMonitor


@pytest.fixture
def models() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture
def monitor(exporter: Any, new_monitor: Any) -> LLMMonitor:
    return new_monitor(exporter.url)


@pytest.fixture
def counted(exporter: Any, monitor: LLMMonitor) -> Callable[..., dict[str, float]]:
    """The samples of agent A that are not 0, latencies and memory left out, by what tells them apart."""

    def read() -> dict[str, float]:
        assert monitor.flush()
        samples = {}
        for series, value in exporter.samples().items():
            family, _, labels = series.partition("{")
            if 'agent_name="A"' in labels and value and family.endswith("_total"):
                told = [
                    x.split("=")[1].strip('"}')
                    for x in labels.split(",")
                    if x.split("=")[0] not in ("agent_name", "provider", "model")
                ]
                samples[
                    " ".join([family.removeprefix("llm_") if hasattr(str, "removeprefix") else family[4:], *told])
                ] = value
        assert exporter.samples()['llm_active_calls{agent_name="A"}'] == 0
        return samples

    return read
