"""The boto3 package, unchanged: Amazon Bedrock's converse and invoke_model, streams, tools and errors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from peers import installed
from ways import ALL, PLAIN_WAYS, check_times, make_calls, times

boto3 = installed("boto3")
pytestmark = pytest.mark.clients

from botocore.config import Config

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
TOKENS = {
    "tokens_total": 1746,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total cache_write": 512,
    "token_usage_total output": 34,
}
# 3, 0.30, 3.75 and 15 USD for a million tokens of input, cache reads, cache writes and output.
ONE = {"calls_total success": 1, "cost_usd_total": 0.0032652, **TOKENS}
# 400 of the tokens written are kept for an hour: 6 USD for a million.
ALL_KINDS = {
    **ONE,
    "token_usage_total cache_write": 112,
    "token_usage_total cache_write_1h": 400,
    "cost_usd_total": 0.0041652,
}
TOOLS = {"tools": [{"toolSpec": {"name": "say", "inputSchema": {"json": {"type": "object"}}}}]}
BODY = json.dumps({"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "anthropic_version": "bedrock"})


def converse(client: Any, model: str = MODEL, **options: Any) -> Any:
    return client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}], **options)


def stream(client: Any, model: str = MODEL, **options: Any) -> Any:
    return client.converse_stream(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}], **options)


@pytest.fixture
def new_client(models: Any) -> Any:
    def make(**options: Any) -> Any:
        return boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=models.url,
            aws_access_key_id="k",
            aws_secret_access_key="k",
            config=Config(retries={"total_max_attempts": 1}, **options),
        )

    return make


@pytest.fixture
def client(new_client: Any) -> Any:
    return new_client()


@pytest.fixture
def impatient(new_client: Any) -> Any:
    return new_client(read_timeout=0.3)


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "bedrock", MODEL)


def make(call: Any, client: Any, ask: Any, **how: Any) -> int:
    return make_calls(call, [client], ask, ways=PLAIN_WAYS, **how)


def test_answers_and_streams(client: Any, call: Any, counted: Any) -> None:
    made = make(call, client, converse)
    made += make(call, client, lambda client: converse(client, toolConfig=TOOLS))
    made += make(call, client, stream, read=ALL)
    made += make(call, client, lambda client: stream(client, toolConfig=TOOLS), read=ALL)
    assert counted() == times(made, ONE)


def test_the_agent_gets_what_the_package_gives(client: Any, call: Any) -> None:
    assert call(converse)(client)["output"]["message"]["content"] == [{"text": "Hello"}]
    answer = call(stream)(client)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [next(iter(event)) for event in answer["stream"]][-2:] == ["messageStop", "metadata"]
    answer["stream"].close()


@pytest.mark.parametrize(("ask", "read"), [(converse, None), (stream, ALL)])
def test_every_kind_of_token(client: Any, call: Any, counted: Any, ask: Any, read: Any) -> None:
    made = make(call, client, lambda client: ask(client, "all-kinds"), read=read)
    assert counted() == times(made, ALL_KINDS)


def test_in_threads_of_an_asynchronous_program(client: Any, call: Any, counted: Any) -> None:
    @call
    async def ask() -> Any:
        return await asyncio.to_thread(converse, client)

    async def run() -> None:
        await asyncio.gather(*(ask() for _ in range(8)))

    asyncio.run(run())
    assert counted() == times(8, ONE)


def test_the_body_of_invoke_model_has_to_be_observed(client: Any, call: Any, counted: Any, monitor: Any) -> None:
    call(client.invoke_model)(modelId=MODEL, body=BODY)["body"].read()
    # It is read once, by the agent, after the call.
    assert counted() == {"calls_total success": 1, "calls_usage_missing_total": 1}
    monitor.reset_prometheus()
    with call as measured:
        answer = client.invoke_model(modelId=MODEL, body=BODY)
        measured.observe(json.loads(answer["body"].read()))
    assert counted() == ONE


def test_streams_of_invoke_model(client: Any, call: Any, counted: Any) -> None:
    ask = call(client.invoke_model_with_response_stream)
    assert len(list(ask(modelId=MODEL, body=BODY)["body"])) == 7
    assert counted() == ONE


def test_streams_left_early(client: Any, call: Any, counted: Any) -> None:
    made = make(call, client, stream, read=2)
    left = {"calls_total cancelled": 1, "errors_total unknown": 1, "calls_usage_missing_total": 1}
    assert counted() == times(made, left)


@pytest.mark.parametrize(("broken", "error"), [("broken", "EventStreamError"), ("cut", "ProtocolError")])
def test_streams_that_break(client: Any, call: Any, counted: Any, broken: str, error: str) -> None:
    made = make(call, client, lambda client: stream(client, broken), read=ALL, raises=Exception)
    assert counted() == times(made, {"calls_total error": 1, f"errors_total {error}": 1})


def test_streams_that_stop_for_too_long(impatient: Any, call: Any, counted: Any) -> None:
    made = make(call, impatient, lambda client: stream(client, "stalls"), read=ALL, raises=Exception)
    counts = {"calls_total timeout": 1, "errors_total ReadTimeoutError": 1, "calls_usage_missing_total": 1}
    assert counted() == times(made, counts)


@pytest.mark.parametrize(("model", "first_token"), [("slow", (1.0, 3.0)), ("stalls", (0.0, 0.9))])
def test_times(client: Any, call: Any, counted: Any, exporter: Any, model: str, first_token: Any) -> None:
    made = make(call, client, lambda client: stream(client, model), read=ALL)
    assert counted() == times(made, ONE)
    check_times(exporter, "bedrock", MODEL, made, first_token)


@pytest.mark.parametrize(("ask", "read"), [(converse, None), (stream, ALL)])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("boom-429", "ThrottlingException", "rate_limited"),
        ("boom-500", "InternalServerException", "error"),
        ("boom-400", "ValidationException", "error"),
        ("boom-408", "ModelTimeoutException", "timeout"),
        ("slow", "ReadTimeoutError", "timeout"),
    ],
)
def test_errors(
    impatient: Any, call: Any, counted: Any, model: str, error: str, status: str, ask: Any, read: Any
) -> None:
    made = make(call, impatient, lambda client: ask(client, model), read=read, raises=Exception)
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": made} if status == "timeout" else {}
    assert counted() == {f"calls_total {status}": made, f"errors_total {error}": made, **missing}
