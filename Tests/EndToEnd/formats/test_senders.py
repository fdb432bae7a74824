"""What real LLM tools sent, with what was served: the totals are those, as far as the sender reports them."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

import otlp_messages as otlp
from exporter import FIXTURES, JSON, Exporter
from senders import NAMES, SENDERS, Body, bodies, totals


def one_by_one(requests: list[Body]) -> list[Body]:
    """The same with a request for each span and each log record."""
    return [(path, part, headers) for path, body, headers in requests for part in otlp.parts(body)]


def shuffled(requests: list[Body], random: Random) -> list[Body]:
    return random.sample(requests, len(requests))


ORDERS: dict[str, Any] = {
    "in order": lambda requests, _: requests,
    "reversed": lambda requests, _: requests[::-1],
    "each body twice": lambda requests, _: [each for each in requests for _ in range(2)],
    "one by one": lambda requests, _: one_by_one(requests),
    **{f"one by one, shuffled {seed}": lambda requests, random: shuffled(one_by_one(requests), random)
       for seed in range(int(os.environ.get("LLM_EXPORTER_SHUFFLES", "4")))},
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sender", NAMES)
def test_the_totals_are_what_was_served(exporter: Exporter, sender: str, order: str) -> None:
    expected = json.loads((SENDERS / sender / "expected.json").read_text(), parse_float=Decimal)
    for path, body, headers in ORDERS[order](bodies(sender), Random(order)):
        reply = exporter.request("POST", path, body, headers)
        assert reply.status == 200, reply
    # A counter cannot fall: what was counted as plain input or output, for a report that says no more, stays so.
    left_out = expected.get("differs_when_shuffled", []) if "shuffled" in order else []
    shown = {name: value for name, value in totals(exporter).items()
             if expected.get(name) is not None and name not in left_out}
    assert shown == {name: expected[name] for name in shown}


CASES = FIXTURES / "cases"


def right_lines(case: Path) -> list[tuple[str, str]]:
    """The samples, and their values, that a case's text gives as right."""
    text = case.with_suffix(".expected.md").read_text()
    block = text.split("## Right\n")[1].split("\n## ")[0]
    lines = [re.fullmatch(r"    (\S+\{.*\}) (\S+)", line) for line in block.splitlines()]
    return [(line[1], line[2].removeprefix("+")) for line in lines if line]


@pytest.fixture(scope="module")
def priced():
    with Exporter(shipped_prices=True) as exporter:
        yield exporter


#: Off-peak prices depend on the hour: money/test_off_peak.py.
NAMED_CASES = [case for kind in ("otlp", "record") for case in sorted(CASES.glob(f"{kind}-*.json"))
               if "off-peak" not in case.stem]


@pytest.mark.parametrize("case", NAMED_CASES, ids=lambda case: case.stem)
def test_a_case_of_a_public_bug_report_has_its_right_values(priced: Exporter, case: Path) -> None:
    before = priced.scrape().text
    path = "/record" if case.stem.startswith("record-") else "/v1/traces"
    assert priced.post(case.read_bytes(), JSON, path=path).status == 200
    shown = priced.scrape().text
    expected = right_lines(case)
    assert expected, case
    for sample, value in expected:
        found = re.findall(rf"^{re.escape(sample)} (\S+)$", shown, re.MULTILINE)
        if value == "absent":
            assert not found, sample
        elif sample.startswith("llm_exporter_"):
            earlier = re.findall(rf"^{re.escape(sample)} (\S+)$", before, re.MULTILINE)
            assert Decimal(found[0]) - Decimal(earlier[0] if earlier else 0) == Decimal(value), sample
        else:
            # A counter that is 0 need not be there.
            assert found == [value] or (value == "0" and not found), (sample, found)


SPAN = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "x", "startTimeUnixNano": "1796000000000000000",
        "endTimeUnixNano": "1796000001000000000"}


def span(number: int, name: str = "x", status: int = 0, **attributes: Any) -> dict[str, Any]:
    def value(one: Any) -> dict[str, Any]:
        if isinstance(one, bool):
            return {"boolValue": one}
        if isinstance(one, int):
            return {"intValue": str(one)}
        return {"doubleValue": one} if isinstance(one, float) else {"stringValue": one}

    listed = [{"key": key.replace("__", "."), "value": value(one)} for key, one in attributes.items()]
    return {**SPAN, "spanId": f"{number:016x}", "name": name, "status": {"code": status}, "attributes": listed}


def post_spans(exporter: Exporter, *spans: dict[str, Any], scope: str = "", **resource: str) -> None:
    body = {"resourceSpans": [{
        "resource": {"attributes": [{"key": key.replace("__", "."), "value": {"stringValue": one}}
                                    for key, one in resource.items()]},
        "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}
    assert exporter.post(json.dumps(body), JSON, path="/v1/traces").status == 200


NAMED = {"gen_ai__system": "acme", "gen_ai__request__model": "parrot-1"}
USAGE = {"gen_ai__usage__input_tokens": 10, "gen_ai__usage__output_tokens": 3}
VERCEL = {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 100, "ai.usage.outputTokens": 5,
          "ai.usage.totalTokens": 105}


@pytest.mark.parametrize("attributes, name, is_call", [
    ({**NAMED, **USAGE}, "x", True),
    (NAMED, "x", False),
    (USAGE, "x", False),
    ({**NAMED, **USAGE, "gen_ai__operation__name": "invoke_agent"}, "x", False),
    ({**NAMED, **USAGE, "gen_ai__operation__name": "fetch_response"}, "x", False),
    ({**NAMED, "gen_ai__operation__name": "aresponses"}, "x", True),
    ({**NAMED, "gen_ai__operation__name": "aembedding"}, "x", True),
    ({**NAMED, **USAGE, "openinference__span__kind": "CHAIN"}, "x", False),
    ({"langfuse__observation__type": "generation"}, "x", True),
    ({"langfuse__observation__type": "span", **NAMED, **USAGE}, "x", False),
    ({"mlflow__spanType": '"LLM"'}, "x", True),
    ({"mlflow__spanType": '"RETRIEVER"', **NAMED, **USAGE}, "x", False),
    ({"lmnr__span__type": "LLM"}, "x", True),
    ({"lmnr__span__type": "DEFAULT", **NAMED, **USAGE}, "x", False),
    ({"ai__operationId": "ai.streamText.doStream"}, "x", True),
    ({"ai__operationId": "ai.embedMany.doEmbed"}, "x", True),
    ({"ai__operationId": "ai.streamText", **NAMED, **USAGE}, "x", False),
    ({"ai__operationId": "ai.toolCall", **NAMED, **USAGE}, "x", False),
    ({"llm__request__type": "chat"}, "x", True),
    ({"model": "claude-x"}, "claude_code.llm_request", True),
    ({"model": "claude-x"}, "claude_code.tool", False),
], ids=str)
def test_which_spans_are_calls(exporter: Exporter, attributes: dict[str, Any], name: str, is_call: bool) -> None:
    post_spans(exporter, span(1, name, **attributes))
    assert exporter.calls() == is_call
    shown = exporter.scrape()
    assert shown.value("llm_exporter_ignored_spans_total", reason="not_a_call") == str(int(not is_call))
    named = attributes.get("gen_ai__operation__name", name)
    assert shown.get("llm_exporter_ignored_span_names_total", name=named) == (None if is_call else "1")


def test_names_of_ignored_spans_are_bounded(exporter: Exporter) -> None:
    post_spans(exporter, *(span(n + 1, f"GET /users/{n}") for n in range(100)), span(200, "bad\nname"))
    names = exporter.scrape().find("llm_exporter_ignored_span_names_total")
    assert len(names) == 33
    assert {s.labels["name"]: s.value for s in names}["_other"] == "69"
    assert sum(int(s.value) for s in names) == 101


@pytest.mark.parametrize("attributes, expected", [
    # input, cache read, cache write, output, reasoning
    ({"input_tokens": 5, "cache_read_tokens": 100, "cache_creation_tokens": 10, "output_tokens": 7},
     (115, 100, 10, 7, 0)),
    ({**USAGE, "gen_ai__usage__cache_read_input_tokens": 8}, (10, 8, 0, 3, 0)),
    ({**USAGE, "gen_ai.usage.cache.read.input.tokens": 20}, (30, 20, 0, 3, 0)),
    ({**USAGE, "gen_ai__usage__cache_read_input_tokens": 8, "gen_ai__usage__total_tokens": 21}, (18, 8, 0, 3, 0)),
    ({**USAGE, "gen_ai__usage__cache_read_input_tokens": 8, "gen_ai__usage__total_tokens": 13}, (10, 8, 0, 3, 0)),
    ({"gen_ai__usage__input_tokens": "10", "gen_ai__usage__output_tokens": "3"}, (10, 0, 0, 3, 0)),
    ({**USAGE, "gen_ai__request__model": "gemini-2.5-pro", "gen_ai__usage__total_tokens": 20}, (10, 0, 0, 10, 7)),
    ({"langfuse__observation__usage_details": '{"input": 14, "output": 2}'}, (14, 0, 0, 2, 0)),
    ({"langsmith__metadata__usage_metadata":
      '{"input_tokens":9,"output_tokens":4,"input_token_details":{"cache_read":5,"cache_creation":0,'
      '"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":1}}'}, (9, 5, 3, 4, 0)),
    ({"mlflow__chat__tokenUsage": "not JSON", **USAGE}, (10, 0, 0, 3, 0)),
    # Only Claude Code's own input always excludes cached tokens.
    ({"input_tokens": 1000, "output_tokens": 10, "cache_read_tokens": 800, "gen_ai.usage.total_tokens": 1010},
     (1000, 800, 0, 10, 0)),
    # Langfuse's handler for LangChain takes details from the input and the output.
    ({"langfuse__observation__usage_details":
      '{"input":100,"output":30,"total":1200,"input_cache_read":900,"output_reasoning":170}'},
     (1000, 900, 0, 200, 170)),
    # A total that the sender made up, and more cached tokens than input.
    ({"mlflow__chat__tokenUsage":
      '{"input_tokens":10,"output_tokens":20,"total_tokens":30,"cache_read_input_tokens":5000}'},
     (5010, 5000, 0, 20, 0)),
    ({"mlflow__chat__tokenUsage": '{"prompt_tokens_details":{"cached_tokens":0},"cache_read_input_tokens":8}', **USAGE},
     (10, 8, 0, 3, 0)),
    ({"mlflow__chat__tokenUsage": '{"input_tokens":"14","output_tokens":2.0}'}, (14, 0, 0, 2, 0)),
    # Values that are no counts.
    ({"mlflow__chat__tokenUsage": '{"cache_read_input_tokens":9223372036854775807,"cache_creation_input_tokens":1}',
      **USAGE}, (10, 0, 1, 3, 0)),
    ({"langsmith__metadata__usage_metadata": '{"input_token_details":{"ephemeral_5m_input_tokens":9223372036854775807,'
      '"ephemeral_1h_input_tokens":1}}', **USAGE}, (10, 0, 1, 3, 0)),
    ({"langfuse__observation__usage_details": '{"input":1,"output":1,"total":-9223372036854775808}'}, (1, 0, 0, 1, 0)),
    ({"langfuse__observation__usage_details":
      '{"input":-9223372036854775808,"output":1e400,"total":9223372036854775807}', **USAGE}, (10, 0, 0, 3, 0)),
    # Thoughts beside the output are those that the total adds.
    ({"gen_ai__request__model": "gemini-2.5-pro", "ai.usage.inputTokens": 10, "ai.usage.outputTokens": 5,
      "ai.usage.reasoningTokens": 20, "ai.usage.totalTokens": 35}, (10, 0, 0, 25, 20)),
    ({**USAGE, "ai.usage.inputTokenDetails.cacheReadTokens": 4, "ai.usage.inputTokenDetails.cacheWriteTokens": 3,
      "ai.usage.outputTokenDetails.reasoningTokens": 2}, (10, 4, 3, 3, 2)),
    # Vercel's SDK before version 6 with Anthropic, with OpenAI, and version 6 with Anthropic.
    ({**VERCEL, "ai.model.provider": "anthropic.messages", "ai.usage.cachedInputTokens": 50}, (150, 50, 0, 5, 0)),
    ({**VERCEL, "ai.model.provider": "openai.responses", "ai.usage.cachedInputTokens": 50}, (100, 50, 0, 5, 0)),
    ({**VERCEL, "ai.model.provider": "anthropic.messages", "ai.usage.cachedInputTokens": 50,
      "ai.usage.inputTokenDetails.cacheReadTokens": 50}, (100, 50, 0, 5, 0)),
    ({"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 12}, (12, 0, 0, 0, 0)),
], ids=str)
def test_usage_is_read_in_each_spelling(
        exporter: Exporter, attributes: dict[str, Any], expected: tuple[int, ...]) -> None:
    post_spans(exporter, span(1, **{**NAMED, "gen_ai__operation__name": "chat", **attributes}))
    shown = totals(exporter)
    assert (shown["input_tokens"], shown["cache_read_tokens"], shown["cache_write_tokens"], shown["output_tokens"],
            shown["reasoning_tokens"]) == expected


@pytest.mark.parametrize("attributes, status, error_type", [
    ({"error__type": "openai.RateLimitError"}, "rate_limited", "RateLimitError"),
    ({"error__type": "_OTHER", "http__response__status_code": 429}, "rate_limited", "_OTHER"),
    ({"error__type": "TimeoutError"}, "timeout", "TimeoutError"),
    ({"http__status_code": 504}, "timeout", "504"),
    ({"error__type": "asyncio.CancelledError"}, "cancelled", "CancelledError"),
    ({"error_class": "client_error", "status_code": "400"}, "error", "client_error"),
    ({"error__type": "500"}, "error", "500"),
    ({}, "error", "unknown"),
], ids=str)
def test_failures_have_the_status_that_clients_would_give(
        exporter: Exporter, attributes: dict[str, Any], status: str, error_type: str) -> None:
    post_spans(exporter, span(1, status=2, **{**NAMED, "gen_ai__operation__name": "chat", **attributes}))
    [call] = [s for s in exporter.scrape().find("llm_calls_total") if s.value == "1"]
    assert call.labels["status"] == status
    [error] = exporter.scrape().find("llm_errors_total")
    assert error.labels["error_type"] == error_type


@pytest.mark.parametrize("scope, resource, attributes, agent", [
    ("", {"agent_name": "R", "service__name": "S"}, {"gen_ai__agent__name": "A"}, "A"),
    ("", {"agent_name": "R", "service__name": "S"}, {"agent__name": "B"}, "B"),
    ("", {"agent_name": "R", "service__name": "S"}, {"agent_name": "C"}, "C"),
    ("", {"agent_name": "R", "service__name": "S"}, {}, "R"),
    ("", {"service__name": "S", "openinference__project__name": "P"}, {}, "S"),
    ("", {"service__name": "unknown_service:python", "openinference__project__name": "P"}, {}, "P"),
    ("com.anthropic.claude_code.tracing", {"agent_name": "R", "service__name": "S"}, {"agent__name": "Sub"}, "R"),
    ("com.anthropic.claude_code.tracing", {"service__name": "S"}, {"agent__name": "Sub"}, "Sub"),
    ("com.anthropic.claude_code.tracing", {"service__name": "S"}, {}, "S"),
], ids=str)
def test_the_agent_is_the_first_that_is_named(
        exporter: Exporter, scope: str, resource: dict[str, str], attributes: dict[str, Any], agent: str) -> None:
    post_spans(exporter, span(1, **{**NAMED, "gen_ai__operation__name": "chat", **attributes}), scope=scope, **resource)
    assert {s.labels["agent_name"] for s in exporter.scrape().find("llm_calls_total")} == {agent}
