"""LiteLLM's generic API logger, unchanged, which posts to the exporter's /litellm."""

from __future__ import annotations

import asyncio
import os
import re
import time
from typing import Any

import pytest

from peers import ScriptedServer, installed

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own price table, rather than a download

litellm = installed("litellm")
pytestmark = pytest.mark.clients

from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger

from llm_exporter.litellm import LiteLLMLogger

ONE = {
    "calls_total success": 1,
    "cost_usd_total": 0.0001236,
    "tokens_total": 1234,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total output": 24,
    "token_usage_total reasoning": 10,
}
STREAM: Any = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture(params=["json_array", "ndjson", "single"])
def post(exporter: Any, models: Any, monkeypatch: pytest.MonkeyPatch, request: Any) -> Any:
    """Makes calls, and returns when the logger has posted them."""
    if not exporter.answers("/litellm", "application/json"):
        pytest.skip("this exporter has no /litellm")
    monkeypatch.setattr(litellm, "suppress_debug_info", True)

    async def main(calls: list[tuple[str, dict[str, Any]]]) -> None:
        litellm.logging_callback_manager._reset_all_callbacks()
        logger = GenericAPILogger(endpoint=exporter.url + "/litellm", log_format=request.param)
        litellm.callbacks = [logger]
        for model, options in calls:
            base = models.url + ("" if model.startswith("anthropic") else "/v1")
            arguments = {"api_base": base, "api_key": "k", "num_retries": 0, "max_retries": 0, **options}
            try:
                answer = await litellm.acompletion(model, [{"role": "user", "content": "hi"}], **arguments)
                if options.get("stream"):
                    assert len([chunk async for chunk in answer]) > 2
            except litellm.RateLimitError:
                assert "boom-429" in model
        deadline = time.monotonic() + 10
        while len(logger.log_queue) < len(calls):
            assert time.monotonic() < deadline, "LiteLLM did not log all calls"
            await asyncio.sleep(0.05)
        await logger.flush_queue()

    return lambda *calls: asyncio.run(main(list(calls)))


def of(agent_name: str, **options: Any) -> dict[str, Any]:
    return {"metadata": {"requester_metadata": {"agent_name": agent_name}}, **options}


def test_calls_of_several_kinds(post: Any, exporter: Any) -> None:
    post(
        ("openai/gpt-4o-mini", of("A")),
        ("openai/gpt-4o-mini", of("Streams", **STREAM)),
        ("openai/boom-429", of("Fails")),
        ("openai/nobody-knows-me", of("Unpriced")),
        ("anthropic/claude-sonnet-4-5", of("Anthropic")),
        ("openai/gpt-4o-mini", {}),
    )
    assert exporter.counts("A") == exporter.counts("Streams") == exporter.counts("unknown") == ONE
    assert exporter.counts("Fails") == {"calls_total rate_limited": 1, "errors_total RateLimitError": 1}
    assert exporter.counts("Unpriced") == {k: v for k, v in ONE.items() if k != "cost_usd_total"}
    assert exporter.counts("Anthropic") == {
        "calls_total success": 1,
        "cost_usd_total": 0.0032652,
        "tokens_total": 1746,
        "token_usage_total input": 176,
        "token_usage_total cache_read": 1024,
        "token_usage_total cache_write": 512,
        "token_usage_total output": 34,
    }


def test_latency(post: Any, exporter: Any) -> None:
    began = time.monotonic()
    post(("openai/slow", of("A")))
    seconds = time.monotonic() - began
    samples = exporter.samples()
    assert 1.0 <= samples['llm_latency_seconds_sum{agent_name="A",provider="openai",model="slow"}'] <= seconds


@pytest.mark.parametrize("model", ["gpt-4o-mini", "boom-429"])
def test_the_python_logger_gives_a_call_the_same_id(
    server: ScriptedServer, models: Any, new_monitor: Any, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """As the exporter makes it of what the generic API logger posts: of the call's id and its start, as written."""
    monkeypatch.setattr(litellm, "suppress_debug_info", True)
    posts = ScriptedServer()
    monitor = new_monitor(server.url)

    async def main() -> None:
        litellm.logging_callback_manager._reset_all_callbacks()
        generic = GenericAPILogger(endpoint=posts.url, log_format="single")
        litellm.callbacks = [generic, LiteLLMLogger(monitor, agent_name="A")]
        options: Any = {"api_base": models.url + "/v1", "api_key": "k", "max_retries": 0}
        try:
            await litellm.acompletion(f"openai/{model}", [{"role": "user", "content": "hi"}], **options)
        except litellm.RateLimitError:
            assert model == "boom-429"
        deadline = time.monotonic() + 10
        while not (generic.log_queue and monitor.statistics().recorded):
            assert time.monotonic() < deadline, "LiteLLM did not log the call"
            await asyncio.sleep(0.05)
        await generic.flush_queue()

    try:
        asyncio.run(main())
        assert monitor.flush()
        (post,), (record,) = posts.requests, server.records
        call_id = re.search(rb'"litellm_call_id": ?"([^"]+)"', post.body)
        start = re.search(rb'"startTime": ?([0-9.]+)', post.body)
        assert call_id is not None and start is not None
        assert record["id"].encode() == call_id[1] + b"/" + start[1]
    finally:
        posts.close()
