"""openlit, unchanged, whose spans go to the exporter: calls with openlit's own cost, streams, errors, latency."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from openai_calls import STREAM, chat
from peers import installed

openai = installed("openai")
openlit = installed("openlit")
pytestmark = pytest.mark.clients

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from spans import Redirected

#: US dollars for a thousand tokens, in openlit's form; it has no rate for cached ones.
PRICES = {"chat": {"gpt-4o-mini": {"promptPrice": 0.001, "completionPrice": 0.002}}}
COST = 1200 * 0.000001 + 34 * 0.000002
ONE = {
    "calls_total success": 1,
    "cost_usd_total": pytest.approx(COST),
    "tokens_total": 1234,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total output": 34,
}
# openlit does not report the reasoning of chat completions.
RESPONSE = {**ONE, "token_usage_total output": 24, "token_usage_total reasoning": 10}


PROCESSOR = Redirected()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> TracerProvider:
    prices = tmp_path_factory.mktemp("openlit") / "prices.json"
    prices.write_text(json.dumps(PRICES))
    provider = TracerProvider(resource=Resource.create({"service.name": "A"}))
    provider.add_span_processor(PROCESSOR)
    trace.set_tracer_provider(provider)
    # It takes the provider that is set, and prices from GitHub unless it is given some.
    openlit.init(pricing_json=str(prices), disable_metrics=True, disable_events=True, collect_gpu_stats=False)
    return provider


@pytest.fixture
def client(models: Any, traces: Any, provider: TracerProvider) -> Any:
    PROCESSOR.to(traces.url)
    return openai.OpenAI(base_url=models.url + "/v1", api_key="k", max_retries=0)


def test_chat_completion(client: Any, traces: Any) -> None:
    assert chat(client).choices[0].message.content == "Hello"
    assert traces.counts("A") == ONE


def test_chat_stream(client: Any, traces: Any) -> None:
    assert len(list(chat(client, **STREAM))) == 4
    assert traces.counts("A") == ONE


def test_asynchronous(client: Any, models: Any, traces: Any) -> None:
    async def run() -> Any:
        return await chat(openai.AsyncOpenAI(base_url=models.url + "/v1", api_key="k", max_retries=0))

    assert asyncio.run(run()).choices[0].message.content == "Hello"
    assert traces.counts("A") == ONE


def test_responses(client: Any, traces: Any) -> None:
    assert client.responses.create(model="gpt-4o-mini", input="hi").output_text == "Hello"
    assert traces.counts("A") == RESPONSE


def test_responses_stream(client: Any, traces: Any) -> None:
    assert len(list(client.responses.create(model="gpt-4o-mini", input="hi", stream=True))) == 7
    assert traces.counts("A") == RESPONSE


def test_the_steps_around_calls_do_not_count(client: Any, traces: Any, provider: Any) -> None:
    with provider.get_tracer("agent").start_as_current_span("step"):
        for _ in range(10):
            chat(client)
    counts = traces.counts("A")
    assert (counts["calls_total success"], counts["tokens_total"]) == (10, 12340)
    assert counts["cost_usd_total"] == pytest.approx(10 * COST)


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "RateLimitError", "rate_limited"),
        ("boom-500", "InternalServerError", "error"),
        ("slow", "APITimeoutError", "timeout"),
    ],
)
def test_errors(client: Any, traces: Any, model: str, error: str, status: str) -> None:
    with pytest.raises(getattr(openai, error)):
        chat(client, model, timeout=0.3)
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": 1} if status == "timeout" else {}
    assert traces.counts("A") == {f"calls_total {status}": 1, f"errors_total {error}": 1, **missing}


def test_latency(client: Any, traces: Any) -> None:
    began = time.monotonic()
    chat(client, "slow")
    seconds = time.monotonic() - began
    samples = traces.samples()
    assert 1.0 <= samples['llm_latency_seconds_sum{agent_name="A",provider="openai",model="slow"}'] <= seconds
