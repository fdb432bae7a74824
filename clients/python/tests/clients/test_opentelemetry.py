"""opentelemetry-instrumentation-openai, unchanged, whose spans go to the exporter: calls, streams, errors, latency."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

from openai_calls import ONE, STREAM, chat
from peers import installed

openai = installed("openai")
installed("opentelemetry.instrumentation.openai")
pytestmark = pytest.mark.clients

from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from spans import Redirected

# The instrumentation does not report the reasoning of streamed chat completions: it stays in the output.
STREAMED = {**ONE, "token_usage_total output": 34}
del STREAMED["token_usage_total reasoning"]


PROCESSOR = Redirected()
PROVIDER = TracerProvider(resource=Resource.create({"service.name": "A"}))
PROVIDER.add_span_processor(PROCESSOR)
OpenAIInstrumentor().instrument(tracer_provider=PROVIDER)


@pytest.fixture
def client(models: Any, traces: Any) -> Any:
    PROCESSOR.to(traces.url)
    return openai.OpenAI(base_url=models.url + "/v1", api_key="k", max_retries=0)


@pytest.fixture
def told(traces: Any) -> Any:
    return lambda: traces.counts("A")


def test_chat_completion(client: Any, told: Any) -> None:
    assert chat(client).choices[0].message.content == "Hello"
    assert told() == ONE


def test_chat_stream(client: Any, told: Any) -> None:
    assert len(list(chat(client, **STREAM))) == 4
    assert told() == STREAMED


def test_chat_stream_without_usage(client: Any, told: Any) -> None:
    list(chat(client, stream=True))
    assert told() == {"calls_total success": 1, "calls_usage_missing_total": 1}


def test_asynchronous_stream(models: Any, client: Any, told: Any) -> None:
    async def run() -> int:
        other = openai.AsyncOpenAI(base_url=models.url + "/v1", api_key="k", max_retries=0)
        return len([chunk async for chunk in await chat(other, **STREAM)])

    assert asyncio.run(run()) == 4
    assert told() == STREAMED


def test_responses(client: Any, told: Any) -> None:
    assert client.responses.create(model="gpt-4o-mini", input="hi").output_text == "Hello"
    assert told() == ONE


def test_responses_stream(client: Any, told: Any) -> None:
    events = [event.type for event in client.responses.create(model="gpt-4o-mini", input="hi", stream=True)]
    assert len(events) == 7
    gc.collect()  # its span ends with the stream's object
    assert told() == ONE


def test_calls_add_up_and_the_steps_around_them_do_not_count(client: Any, told: Any) -> None:
    with PROVIDER.get_tracer("agent").start_as_current_span("step"):
        for _ in range(50):
            chat(client)
    assert told() == {name: pytest.approx(50 * value) for name, value in ONE.items()}


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "RateLimitError", "rate_limited"),
        ("boom-500", "InternalServerError", "error"),
        ("slow", "APITimeoutError", "timeout"),
    ],
)
def test_errors(client: Any, told: Any, model: str, error: str, status: str) -> None:
    with pytest.raises(getattr(openai, error)):
        chat(client, model, timeout=0.3)
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": 1} if status == "timeout" else {}
    assert told() == {f"calls_total {status}": 1, f"errors_total {error}": 1, **missing}


def test_latency(client: Any, traces: Any) -> None:
    began = time.monotonic()
    chat(client, "slow")
    seconds = time.monotonic() - began
    samples = traces.samples()
    assert 1.0 <= samples['llm_latency_seconds_sum{agent_name="A",provider="openai",model="slow"}'] <= seconds
    assert samples['llm_latency_seconds_count{agent_name="A",provider="openai",model="slow"}'] == 1
