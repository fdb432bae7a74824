"""The Python client reads LiteLLM's payload as the exporter does: each item goes both ways, and both show the same."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any, Optional

import pytest

from llm_exporter import LLMCallMetrics
from llm_exporter.litellm_payload import metrics
from peers import Exporter

FIXTURES = Path(__file__).resolve().parents[3] / "Tests" / "Fixtures"


def captured() -> dict[str, Any]:
    items = {}
    for path in sorted([*FIXTURES.glob("litellm/*.json"), *FIXTURES.glob("cases/litellm-*.json")]):
        found = json.loads(path.read_text())
        for number, one in enumerate(found if isinstance(found, list) else [found]):
            items[f"{path.stem} {number}"] = one
    return items


def item(usage: Optional[dict[str, Any]] = None, **fields: Any) -> dict[str, Any]:
    whole = {
        "litellm_call_id": "call-1",
        "status": "success",
        "call_type": "acompletion",
        "stream": False,
        "custom_llm_provider": "openai",
        "model": "gpt-4o-mini",
        "startTime": 1795456864.5,
        "endTime": 1795456866.25,
        "completionStartTime": 1795456866.25,
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "response_cost": None,
        "request_tags": ["agent:A"],
        "metadata": {"usage_object": usage},
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def failed(error_class: Any, code: Any = "", **fields: Any) -> dict[str, Any]:
    information = {"error_class": error_class, "error_code": code}
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "response_cost": 0}
    return item(status="failure", error_information=information, **{**nothing, **fields})


STREAM: dict[str, Any] = {"stream": True, "completionStartTime": 1795456864.75}
CACHED = {"prompt_tokens_details": {"cached_tokens": 600}}
ITEMS = {
    "plain": item(),
    "a reported cost": item(response_cost=0.5),
    "a cost of 0": item(response_cost=0.0),
    "an unknown cost": item(response_cost=0.0, response_cost_failure_debug_info={"error": "no price"}),
    "a cost that could not be computed": item(response_cost=0.0, zero_cost_diagnostic={"reason": "x"}),
    "a stream": item(**STREAM),
    "a stream without usage": item(**STREAM, prompt_tokens=0, completion_tokens=0, response_cost=0.0),
    "a stream whose clock was set back": item(**{**STREAM, "completionStartTime": 1795456860.0}),
    "a call whose clock was set back": item(endTime=1795456860.0),
    "a call without times": item(startTime=None, endTime=None),
    "cached tokens": item(CACHED),
    "cached tokens of the responses API": item({"input_tokens_details": {"cached_tokens": 600}}),
    "cached tokens of Anthropic": item({"cache_read_input_tokens": 500, "cache_creation_input_tokens": 200}),
    "written tokens": item({"prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 300}}),
    "written tokens of another name": item({"prompt_tokens_details": {"cache_creation_input_tokens": 300}}),
    "tokens written for an hour": item(
        {
            "cache_creation_input_tokens": 500,
            "prompt_tokens_details": {"cache_creation_token_details": {"ephemeral_1h_input_tokens": 200}},
        }
    ),
    "tokens written for an hour alone": item({"cache_creation": {"ephemeral_1h_input_tokens": 200}}),
    "more for an hour than was written": item(
        {"cache_creation_input_tokens": 50, "cache_creation": {"ephemeral_1h_input_tokens": 200}}
    ),
    "reasoning": item({"completion_tokens_details": {"reasoning_tokens": 40}}),
    "audio": item(
        {
            "prompt_tokens_details": {
                "audio_tokens": 300,
                "cached_tokens": 100,
                "cached_tokens_details": {"audio_tokens": 50},
            },
            "completion_tokens_details": {"audio_tokens": 60, "reasoning_tokens": 10},
        },
        model="gpt-4o-audio-preview",
    ),
    "images": item(
        {"prompt_tokens_details": {"image_tokens": 400}, "completion_tokens_details": {"image_tokens": 80}},
        custom_llm_provider="gemini",
        model="gemini-2.5-flash-image",
    ),
    "more audio and images than there are tokens": item(
        {
            "prompt_tokens_details": {"image_tokens": 4000, "audio_tokens": 700, "cached_tokens": 600},
            "completion_tokens_details": {"image_tokens": 800, "audio_tokens": 50},
        }
    ),
    "counts that are none": item({"prompt_tokens_details": {"cached_tokens": None}, "completion_tokens_details": None}),
    "the tier that served": item(response={"service_tier": "flex"}, model_parameters={"service_tier": "priority"}),
    "the tier that was asked for": item(response={"service_tier": "auto"}, model_parameters={"service_tier": "FLEX"}),
    "a tier that is not known": item(response={"service_tier": "scale"}, model_parameters={"service_tier": "priority"}),
    "a tier of the bill": item(cost_breakdown={"service_tier": "batch"}),
    "the fast mode": item({"service_tier": "standard", "speed": "fast"}, model="claude-opus-4-6"),
    "web searches": item(
        {"server_tool_use": {"web_search_requests": 3}}, custom_llm_provider="anthropic", model="claude-sonnet-4-5"
    ),
    "web searches of a size": item(
        {"prompt_tokens_details": {"web_search_requests": 2}, "search_context_size": "high"},
        custom_llm_provider="perplexity",
        model="sonar",
    ),
    "a size that was asked for": item(
        {"num_search_queries": 2},
        model_parameters={"web_search_options": {"search_context_size": "low"}},
        custom_llm_provider="perplexity",
        model="sonar",
    ),
    "a deployment": item(model="my-deployment", model_map_information={"model_map_key": "gpt-4o"}),
    "a model that answered": item(model="my-deployment", response={"model": "gpt-4o-mini-2024-07-18"}),
    "a subscription": item(metadata={"usage_object": None, "used_client_oauth_token": True}),
    "a redacted response": item(response="redacted-by-litellm"),
    "no provider": item(custom_llm_provider=None),
    "no model": item(model=""),
    "a rate limit": failed("RateLimitError", "429"),
    "a rate limit in lower case": failed("rate_limit_error", "500"),
    "a time-out": failed("Timeout", "408"),
    "a gateway's time-out": failed("APIError", "504"),
    "a code alone": failed("", "429"),
    "a cancelled call": failed("CancelledError"),
    "a client that left": failed("HTTPException", "499"),
    "an overloaded provider": failed("OverloadedError", "529"),
    "an error": failed("InternalServerError", "500"),
    "an error without a class": failed(None, None),
    "an error that used tokens": failed("APIError", "500", prompt_tokens=1000, completion_tokens=50),
    "an embedding": item(call_type="aembedding", completion_tokens=0),
    "a file": item(call_type="acreate_file"),
    "a message of a thread": item(call_type="a_add_message"),
    "a tool": item(call_type="call_mcp_tool"),
    "a type that is new": item(call_type="adream"),
    "the request's agent": item(metadata={"requester_metadata": {"agent_name": "Requester"}}),
    "the logs' agent": item(metadata={"spend_logs_metadata": {"agent_name": "Spend"}}),
    "no agent": item(request_tags=[], metadata={}),
    "the key's agent": item(request_tags=["prod"], metadata={"user_api_key_alias": "Key"}),
    "a tag that names nothing": item(request_tags=["agent:", "agent: ", "agent:_x", 7]),
    **captured(),
}


@pytest.fixture(scope="module")
def exporters(exporter_program: str) -> Any:
    both = [Exporter(exporter_program, None, "--web.enable-admin-api").start() for _ in range(2)]
    yield both
    for exporter in both:
        exporter.kill()


def shown(exporter: Exporter) -> dict[str, float]:
    names = {
        name: value
        for name, value in exporter.samples().items()
        if name.startswith("llm_") and not name.startswith("llm_exporter_")
    }
    request = urllib.request.Request(exporter.url + "/api/v1/admin/reset", b"", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
    return names


def passed_to_a_logger(payload: dict[str, Any]) -> dict[str, Any]:
    return {"standard_logging_object": payload, "litellm_params": {"metadata": {}}}


@pytest.mark.parametrize("name", ITEMS)
def test_both_show_the_same(exporters: list[Exporter], new_monitor: Any, name: str) -> None:
    theirs, ours = exporters
    payload = {**ITEMS[name], "litellm_call_id": f"call of {name}"}
    body = json.dumps([payload]).encode()
    request = urllib.request.Request(theirs.url + "/litellm", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()

    record = metrics(passed_to_a_logger(payload), None, None, payload["status"] == "failure", None)
    monitor = new_monitor(ours.url)
    if record is not None:
        monitor.record_metric(record)
        assert monitor.flush() and monitor.statistics().sent == 1 and monitor.statistics().mended == 0
        # The same id: whichever comes second is a duplicate, or is rejected as one of other content.
        again = new_monitor(theirs.url)
        again.record_metric(record)
        assert again.flush() and again.statistics().sent == 0
    expected = shown(theirs)
    assert shown(ours) == expected
    assert (record is None) == (not any(key.startswith("llm_calls_total") for key in expected))


def read(payload: dict[str, Any], failed: bool = False, is_estimate: bool = False, **kwargs: Any) -> LLMCallMetrics:
    record = metrics({**passed_to_a_logger(payload), **kwargs}, None, None, failed, "Default", is_estimate)
    assert record is not None
    return record


def test_attempts_of_one_call_have_ids_of_their_own() -> None:
    first, second = read(item(startTime=1795456864.5)), read(item(startTime=1795456864.625))
    assert (first.id, second.id) == ("call-1/1795456864.5", "call-1/1795456864.625")
    assert read(item(startTime=1795456864)).id == "call-1/1795456864"
    assert read(item(startTime=None)).id == "call-1"
    assert read(item(litellm_call_id=None)).id is None


def test_the_exception_says_more_than_the_payload() -> None:
    class GaveUpError(Exception):
        status_code = 504

    record = read(failed("GaveUpError", "500"), failed=True, exception=GaveUpError())
    assert (record.status, record.error_type) == ("timeout", "GaveUpError")
    record = read(failed("CancelledError"), failed=True, exception=asyncio.CancelledError())
    assert (record.status, record.error_type) == ("cancelled", "CancelledError")


def test_an_estimate_is_no_usage() -> None:
    guessed = read(item({"prompt_tokens_details": None}, response_cost=0.5), is_estimate=True)
    assert (guessed.input_tokens, guessed.output_tokens, guessed.cost_usd) == (None, None, None)
    reported_late = read(item(CACHED, response_cost=0.5), is_estimate=True)
    assert (reported_late.input_tokens, reported_late.cache_read_tokens, reported_late.cost_usd) == (1000, 600, 0.5)


def test_the_time_to_the_first_token_is_of_streams_alone() -> None:
    assert read(item(**STREAM)).ttft_ms == 250.0
    assert read(item()).ttft_ms is None


def test_no_payload_and_none_that_is_whole() -> None:
    record = metrics({"model": "m", "litellm_call_id": "c", "standard_logging_object": None}, None, None, False, None)
    assert record == LLMCallMetrics("unknown", "unknown", "m", id="c")
    strange = {"metadata": "x", "request_tags": 3, "response": 7, "startTime": True, "stream": "yes", "model": None}
    for kwargs in ({}, {"standard_logging_object": 3}, {"standard_logging_object": strange, "litellm_params": None}):
        assert metrics(kwargs, object(), None, True, None) is not None
