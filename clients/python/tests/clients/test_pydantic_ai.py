"""Pydantic AI's own instrumentation, unchanged, whose spans go to the exporter: runs, tools, streams, errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from openai_calls import USAGE
from peers import installed

pydantic_ai = installed("pydantic_ai")
pytestmark = pytest.mark.clients

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

COST = 0.0001236
ONE: dict[str, Any] = {"calls_total success": 1, "cost_usd_total": pytest.approx(COST), **USAGE}


@pytest.fixture
def provider(traces: Any) -> Iterator[TracerProvider]:
    provider = TracerProvider(resource=Resource.create({"service.name": "service"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{traces.url}/v1/traces")))
    yield provider
    provider.shutdown()


@pytest.fixture
def told(traces: Any, provider: TracerProvider) -> Any:
    def read() -> dict[str, float]:
        assert provider.force_flush()
        return traces.counts("A")

    return read


@pytest.fixture
def new_agent(models: Any, provider: TracerProvider) -> Any:
    def make(model: str = "gpt-4o-mini") -> Any:
        service = OpenAIProvider(base_url=models.url + "/v1", api_key="k")
        return pydantic_ai.Agent(
            OpenAIChatModel(model, provider=service),
            name="A",
            capabilities=[Instrumentation(InstrumentationSettings(tracer_provider=provider))],
        )

    return make


def test_run(new_agent: Any, told: Any) -> None:
    assert new_agent().run_sync("hi").output == "Hello"
    assert told() == ONE


def test_stream(new_agent: Any, told: Any) -> None:
    async def run() -> str:
        async with new_agent().run_stream("hi") as result:
            return str(await result.get_output())

    assert asyncio.run(run()) == "Hello"
    assert told() == ONE


def test_runs_add_up_and_the_agents_own_spans_do_not_count(new_agent: Any, told: Any) -> None:
    agent = new_agent()
    for _ in range(10):
        agent.run_sync("hi")
    assert told() == {name: pytest.approx(10 * value) for name, value in {**ONE, "cost_usd_total": COST}.items()}


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [("boom-429", "ModelRateLimitError", "rate_limited"), ("boom-400", "ModelRequestRejectedError", "error")],
)
def test_errors(new_agent: Any, told: Any, model: str, error: str, status: str) -> None:
    with pytest.raises(pydantic_ai.ModelHTTPError):
        new_agent(model).run_sync("hi")
    assert told() == {f"calls_total {status}": 1, f"errors_total {error}": 1}


def test_latency(new_agent: Any, told: Any, traces: Any) -> None:
    began = time.monotonic()
    new_agent("slow").run_sync("hi")
    seconds = time.monotonic() - began
    told()
    samples = traces.samples()
    assert 1.0 <= samples['llm_latency_seconds_sum{agent_name="A",provider="openai",model="slow"}'] <= seconds
