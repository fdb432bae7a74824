"""LiteLLM's generic API logger, unchanged, which posts to the exporter's /litellm."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest

from peers import installed

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own price table, rather than a download

litellm = installed("litellm")
pytestmark = pytest.mark.clients

from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger

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
