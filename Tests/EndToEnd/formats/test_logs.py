"""POST /v1/logs: captured exports of Claude Code and Codex first, then log records of each sender, in both encodings.

Tests/Fixtures/senders says what was captured, and what the provider served.
"""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import otlp_messages as otlp
from exporter import FIXTURES, JSON
from otlp_messages import PROTOBUF, chunk, log, logs, partial_success

SENDERS = FIXTURES / "senders"
OK = (0, "")

#: Each capture with the signals that are posted: those that are traced as well report each call in both.
CAPTURES = {
    "claude_proto": {"/v1/logs", "/v1/metrics"}, "claude_resume": {"/v1/logs", "/v1/metrics"},
    "claude_err_final": {"/v1/logs", "/v1/metrics"}, "claude_err_traces": {"/v1/logs", "/v1/metrics"},
    "claude_json_traces": {"/v1/logs", "/v1/metrics"}, "codex": {"/v1/logs", "/v1/metrics", "/v1/traces"},
    "codex_err": {"/v1/logs"},
}


def send(exporter, body, encoding="protobuf", **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    if isinstance(body, dict):
        body = otlp.protobuf(body) if encoding == "protobuf" else json.dumps(body).encode()
    return exporter.post(body, {**(PROTOBUF if encoding == "protobuf" else JSON), **headers}, path="/v1/logs")


@pytest.fixture(params=["protobuf", "json"])
def export(request, exporter):
    """Posts log records twice, which must all be taken, and returns the scrape after it."""
    def exporting(*records, resource=None, expected=OK):
        for _ in range(2):
            assert partial_success(send(exporter, logs(*records, resource=resource), request.param)) == expected
        return exporter.scrape()
    return exporting


def content_type(sent: dict[str, Any]) -> str:
    (of,) = (of for name, of in sent["headers"].items() if name.lower() == "content-type")
    return of


def ignored(told) -> dict[str, str]:
    return {s.labels["event"]: s.value for s in told.find("llm_exporter_ignored_log_records_total")}


def agents(exporter) -> dict[str, int]:
    told = exporter.scrape()
    names = told.agents("llm_calls_total")
    return {name: int(told.total("llm_calls_total", agent_name=name)) for name in names}


def tokens(told, *kinds: str) -> int:
    return sum(int(s.value) for s in told.find("llm_token_usage_total") if s.labels["token_type"] in kinds)


def totals(told) -> dict[str, Any]:
    """The totals of all series, under the names of expected.json."""
    calls = told.find("llm_calls_total")
    return {
        "calls_success": sum(int(s.value) for s in calls if s.labels["status"] == "success"),
        "calls_failed": sum(int(s.value) for s in calls if s.labels["status"] != "success"),
        "input_tokens": tokens(told, "input", "cache_read", "cache_write"),
        "cache_read_tokens": tokens(told, "cache_read"), "cache_write_tokens": tokens(told, "cache_write"),
        "output_tokens": tokens(told, "output", "reasoning"), "reasoning_tokens": tokens(told, "reasoning"),
        "cost_usd": sum(Decimal(s.value) for s in told.find("llm_cost_usd_total")),
    }


# Captures

def test_all_captures_of_logs_are_in_the_table():
    # The log records of openlit repeat what its spans report.
    assert {path.parent.name for path in SENDERS.glob("*/*_v1_logs.headers.json")} - {"openlit"} == CAPTURES.keys()


@pytest.mark.parametrize("name, paths", CAPTURES.items(), ids=CAPTURES)
def test_a_capture_counts_what_was_served(start, name: str, paths: set[str]):
    exporter = start(shipped_prices=True)
    for described in sorted(SENDERS.joinpath(name).glob("*.headers.json")):
        sent = json.loads(described.read_text())
        if sent["path"] not in paths:
            continue
        (body,) = {*described.parent.glob(described.name.replace(".headers.json", ".*"))} - {described}
        for _ in range(2):
            headers = {"Content-Type": content_type(sent)}
            reply = exporter.post(body.read_bytes(), headers, path=sent["path"])
            assert reply.status == 200, reply
            if sent["path"] == "/v1/logs":
                assert partial_success(reply) == OK
    expected = json.loads(Path(SENDERS, name, "expected.json").read_text(), parse_float=Decimal)
    expected.pop("differs_from_served", None)
    told = exporter.scrape()
    assert {key: of for key, of in totals(told).items() if key in expected} == expected
    calls = expected["calls_success"] + expected["calls_failed"]
    assert told.value("llm_exporter_records_accepted_total") == str(calls)
    assert told.value("llm_exporter_records_duplicate_total") == str(calls)


def test_what_a_capture_of_codex_does_not_count_is_shown_by_name(exporter):
    send(exporter, SENDERS.joinpath("codex", "03_v1_logs.bin").read_bytes())
    assert ignored(exporter.scrape()) == {
        "codex.api_request": "1", "codex.conversation_starts": "1", "codex.sse_event": "14",
        "codex.startup_phase": "2", "codex.turn_ttft": "1", "codex.user_prompt": "1", "unnamed": "1"}


# Claude Code

def claude(event: str = "api_request", **more):
    """As Claude Code writes it: the whole name of the event is the body."""
    of = {"session.id": "s1", "anthropic.provider": "firstParty", "model": "claude-sonnet-4-6", "duration_ms": 1500,
          **more}
    return log(event, of, body=f"claude_code.{event}")


CLAUDE = {"agent_name": "svc", "provider": "anthropic", "model": "claude-sonnet-4-6"}


def test_a_request_of_claude_code(export):
    told = export(claude(input_tokens=10, cache_read_tokens=1000, cache_creation_tokens=200, output_tokens=7,
                         cost_usd=0.0125, request_id="req_1"))
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total", **CLAUDE)}
    assert kinds == {"input": "10", "cache_read": "1000", "cache_write": "200", "output": "7", "reasoning": "0"}
    assert told.value("llm_cost_usd_total", **CLAUDE) == "0.0125"
    assert told.value("llm_latency_seconds_sum", **CLAUDE) == "1.5"
    assert told.value("llm_calls_total", status="success", **CLAUDE) == "1"


def test_counts_of_claude_code_as_text(export):
    told = export(claude(input_tokens="10", cache_read_tokens="1000", output_tokens="7", cost_usd="0.0125",
                         duration_ms="1500", request_id="req_1"))
    assert told.value("llm_tokens_total", **CLAUDE) == "1017"
    assert told.value("llm_cost_usd_total", **CLAUDE) == "0.0125"
    assert told.value("llm_latency_seconds_sum", **CLAUDE) == "1.5"


def test_requests_without_an_id_are_known_by_what_they_say(export):
    told = export(claude(input_tokens=10), claude(input_tokens=11), claude(input_tokens=10, **{"session.id": "s2"}),
                  claude(input_tokens=10, event="api_request"))
    assert told.value("llm_calls_total", status="success", **CLAUDE) == "3"


def test_a_request_id_is_one_call_whatever_else_the_records_say(export):
    told = export(claude(input_tokens=10, request_id="req_1"), claude(input_tokens=11, request_id="req_1"),
                  claude("api_error", status_code=500, request_id="req_1"), claude(request_id="req_2"))
    assert told.total("llm_calls_total") == 2
    assert told.value("llm_tokens_total", **CLAUDE) == "10"
    assert told.total("llm_exporter_records_rejected_total") == 0


def test_a_subagent_and_an_agent_that_the_operator_names(exporter):
    record = claude(input_tokens=1, request_id="req_1", **{"agent.name": "Explore"})
    send(exporter, logs(record, resource={"service.name": "claude-code"}))
    record = claude(input_tokens=1, request_id="req_2", **{"agent.name": "Explore"})
    send(exporter, logs(record, resource={"service.name": "claude-code", "agent_name": "Reviewer"}))
    assert {s.labels["agent_name"] for s in exporter.scrape().find("llm_calls_total")} == {"Explore", "Reviewer"}


@pytest.mark.parametrize("of, status, error", [
    ({"error": "boom", "status_code": 400}, "error", "400"),
    ({"error": "boom", "status_code": "429"}, "rate_limited", "429"),
    ({"error": "Request timed out."}, "timeout", "unknown"), ({"error": "SECRET"}, "error", "unknown"),
])
def test_an_error_of_claude_code(export, of, status, error):
    told = export(claude("api_error", request_id="req_1", **of))
    assert told.value("llm_calls_total", status=status, **CLAUDE) == "1"
    assert told.value("llm_errors_total", error_type=error, **CLAUDE) == "1"
    assert told.total("llm_calls_total") == 1


# Codex

def codex(kind="response.completed", **more):
    """As Codex writes it: the place in its source is the name of the event, and only the observation has a time."""
    of = {"event.kind": kind, "conversation.id": "c1", "model": "gpt-5.2-codex", **more}
    return log("codex.sse_event", of, event_name="event otel/src/events/session_telemetry.rs:1132", observed=5)


CODEX = {"agent_name": "svc", "provider": "openai", "model": "gpt-5.2-codex"}


def test_a_stream_of_codex_counts_at_its_end_and_once(export):
    told = export(codex("response.created"), codex("response.output_text.delta"), codex(duration_ms="3"),
                  codex(input_token_count="1202", output_token_count="36", cached_token_count=1024,
                        reasoning_token_count=10, tool_token_count="1238"))
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total", **CODEX)}
    assert kinds == {"input": "178", "cache_read": "1024", "cache_write": "0", "output": "26", "reasoning": "10"}
    assert told.total("llm_calls_total") == 1
    assert ignored(told) == {"codex.sse_event": "6"}


def test_attempts_of_codex_count_if_they_fail(export):
    def attempt(number, **more):
        return log("codex.api_request", {"model": "gpt-5.2-codex", "attempt": number, "duration_ms": "90",
                                         **{name.replace("__", "."): of for name, of in more.items()}},
                   observed=number)
    told = export(
        attempt(1, http__response__status_code=500, error__message="http 500"),
        attempt(2, http__response__status_code="429"), attempt(3, error__message="timeout"),
        attempt(4, http__response__status_code=200), attempt(5, http__response__status_code=304),
        attempt(6, http__response__status_code=500, endpoint="/models"))
    by_status = {s.labels["status"]: s.value for s in told.find("llm_calls_total", **CODEX)}
    assert by_status == {"success": "0", "error": "1", "rate_limited": "1", "timeout": "1"}
    assert told.value("llm_latency_seconds_count", **CODEX) == "3"
    assert ignored(told) == {"codex.api_request": "6"}


# Gemini CLI

def gemini(event="api_response", **more):
    """As Gemini CLI writes it (packages/core/src/telemetry/types.ts): the body is a sentence."""
    of = {"session.id": "s1", "auth_type": "gemini-api-key", "model": "gemini-2.5-pro", "duration_ms": 1500,
          "prompt_id": "p1", "status_code": 200, **more}
    return log(f"gemini_cli.{event}", of, body="API response from gemini-2.5-pro. Status: 200. Duration: 1500ms.")


GEMINI = {"agent_name": "svc", "provider": "gemini", "model": "gemini-2.5-pro"}


def test_a_response_of_gemini_cli(export):
    told = export(
        log("gemini_cli.api_request", {"model": "gemini-2.5-pro"}),
        gemini(input_token_count=1000, output_token_count=50, cached_content_token_count=200, thoughts_token_count=30,
               tool_token_count=0, total_token_count=1080),
        log("gen_ai.client.inference.operation.details", {"gen_ai.usage.input_tokens": 1000}))
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total", **GEMINI)}
    assert kinds == {"input": "800", "cache_read": "200", "cache_write": "0", "output": "50", "reasoning": "30"}
    assert told.value("llm_tokens_total", **GEMINI) == "1080"
    assert told.value("llm_latency_seconds_sum", **GEMINI) == "1.5"
    assert told.total("llm_calls_total") == 1
    assert ignored(told) == {"gemini_cli.api_request": "2", "gen_ai.client.inference.operation.details": "2"}


def test_a_response_of_gemini_cli_is_priced(start):
    exporter = start(shipped_prices=True)
    for auth in ("oauth-personal", "vertex-ai"):
        send(exporter, logs(gemini(input_token_count=1000, output_token_count=50, thoughts_token_count=30,
                                   total_token_count=1080, auth_type=auth, **{"session.id": auth})))
    told = exporter.scrape()
    # 1.25 and 10 USD for a million tokens. A Google account's calls are billed by a plan.
    assert told.value("llm_plan_equivalent_usd_total", **GEMINI) == "0.00205"
    assert told.get("llm_cost_usd_total", **GEMINI) is None
    assert told.value("llm_cost_usd_total", **{**GEMINI, "provider": "vertex_ai"}) == "0.00205"
    assert told.get("llm_plan_equivalent_usd_total", **{**GEMINI, "provider": "vertex_ai"}) is None


def test_an_error_of_gemini_cli(export):
    told = export(gemini("api_error", **{"status_code": 429, "error.type": "ApiError", "error": "SECRET",
                                         "error.message": "SECRET"}))
    assert told.value("llm_calls_total", status="error", **GEMINI) == "0"
    assert told.value("llm_calls_total", status="rate_limited", **GEMINI) == "1"
    assert told.value("llm_errors_total", error_type="ApiError", **GEMINI) == "1"


# All senders

def test_a_record_without_a_model_is_a_call_of_an_unknown_one(export):
    told = export(gemini(model=None, input_token_count=3))
    assert told.value("llm_calls_total", status="success", **{**GEMINI, "model": "unknown"}) == "1"


def test_a_call_without_tokens_lacks_its_usage(start):
    exporter = start(shipped_prices=True)
    send(exporter, logs(gemini(input_token_count=0, output_token_count=0, total_token_count=0)))
    assert exporter.scrape().value("llm_calls_usage_missing_total", **GEMINI) == "1"


def test_a_record_that_breaks_a_rule_is_rejected_and_the_others_count(exporter):
    body = logs(gemini(input_token_count=-1), gemini(input_token_count=5), gemini(input_token_count="many"))
    for encoding in ("protobuf", "json"):
        rejected, message = partial_success(send(exporter, body, encoding))
        assert rejected == 2 and "input_tokens" in message
    told = exporter.scrape()
    assert told.value("llm_tokens_total", **GEMINI) == "5"
    assert told.total("llm_exporter_records_rejected_total") == 4


def test_names_of_events_are_bounded(exporter):
    records = [log(f"event-{number}") for number in range(1000)]
    assert partial_success(send(exporter, logs(*records))) == OK
    names = ignored(exporter.scrape())
    assert len(names) == 33 and names["_other"] == "968"


def test_names_that_are_no_names_are_not_shown(exporter):
    long = "a" * 100
    send(exporter, logs(log("SECRET WORDS"), log(None, body="SECRET"), log(None, event_name='SECRET"\n'), log(long),
                        log("prompt", body="SECRET.prompts"), log("_other"), log(None)))
    assert ignored(exporter.scrape()) == {"unnamed": "6", "prompt": "1"}


def test_a_trace_becomes_an_exemplar(exporter):
    of = {"model": "gemini-2.5-pro", "duration_ms": 1500}
    assert partial_success(send(exporter, logs(log("gemini_cli.api_response", of, trace=0xAB)))) == OK
    exemplars = [s.exemplar.labels for s in exporter.openmetrics().samples if s.exemplar]
    assert exemplars == [{"trace_id": f"{0xAB:032x}"}]


def test_a_repeated_export_counts_once_after_a_restart_too(start, tmp_path):
    body = logs(gemini(input_token_count=5), claude(input_tokens=5, request_id="req_1"), codex(input_token_count="5"))
    first = start(storage=tmp_path)
    assert partial_success(send(first, body)) == OK
    first.stop()
    second = start(storage=tmp_path)
    assert partial_success(send(second, body)) == OK
    assert second.calls() == 3
    assert second.scrape().value("llm_exporter_records_duplicate_total") == "3"


def test_the_operators_attributes_name_the_agent(start, tmp_path):
    configuration = tmp_path / "config.yaml"
    configuration.write_text("agent_attributes: [user.email, team]")
    exporter = start("--config.file", str(configuration))
    for n, more in enumerate(({"user.email": "a@b.c"}, {"team": "core", "user.email": "a@b.c"},
                               {"agent.name": "sub"})):
        body = logs(claude(request_id=f"req_{n}", **more), resource={"team": "tools", "agent_name": "CI"})
        assert partial_success(send(exporter, body)) == OK
    assert agents(exporter) == {"a@b.c": 2, "tools": 1}
    configuration.write_text("agent_attributes: [session.id]")
    assert exporter.request("POST", "/-/reload").status == 200
    body = logs(claude(request_id="req_9", **{"session.id": "s1", "user.email": "a@b.c"}))
    assert partial_success(send(exporter, body, "json")) == OK
    assert agents(exporter) == {"a@b.c": 2, "tools": 1, "s1": 1}


# Bodies

@pytest.mark.heavy
def test_a_body_of_200_000_log_records_is_taken(exporter):
    idle = otlp.protobuf(logs(log("codex.sse_event", {"event.kind": "response.created", "model": "gpt-5"})))
    record = dict(otlp.fields(dict(otlp.fields(dict(otlp.fields(idle))[1]))[2]))[2]
    body = chunk(1, chunk(2, chunk(2, record) * 200_000))
    assert 18_000_000 < len(body) < 32 << 20
    assert partial_success(send(exporter, body)) == OK
    told = exporter.scrape()
    assert told.value("llm_exporter_ignored_log_records_total", event="codex.sse_event") == "200000"
    assert exporter.calls() == 0


def test_an_export_without_log_records_is_taken(standing):
    for body in (b"", chunk(1, b""), chunk(1, chunk(2, b"")), chunk(1, chunk(2, chunk(2, b"")))):
        assert partial_success(send(standing, body)) == OK
    for body in (b"{}", b'{"resourceLogs":[]}', b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}',
                 b'{"resourceLogs":null,"later":[{"a":1}]}', b'{"resourceLogs":[5]}'):
        assert partial_success(send(standing, body, "json")) == OK


def test_compressed_bodies(exporter):
    body = gzip.compress(otlp.protobuf(logs(gemini(input_token_count=1))))
    assert partial_success(send(exporter, body, Content_Encoding="gzip")) == OK
    assert exporter.calls() == 1


@pytest.mark.parametrize("body", [
    otlp.protobuf(logs(gemini(input_token_count=1)))[:-3], b"\x0a", b"\xff" * 20, b"\x00",
    b"\x0a" + b"\xff" * 11, chunk(1, chunk(2, chunk(2, chunk(6, b"\x0a\x7f")))),
    chunk(1, chunk(2, chunk(2, chunk(5, b"\x0a\x7f")))),
], ids=lambda body: body[:12].hex())
def test_a_body_that_is_no_protobuf_is_400(standing, body):
    assert otlp.error(send(standing, body), 400)[0] == 3


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"resourceLogs":{}}', b'{"resourceLogs":[{"scopeLogs":[}]}'])
def test_a_body_that_is_no_json_is_400(standing, body):
    assert otlp.error(send(standing, body, "json"), 400)[0] == 3


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/grpc"])
def test_another_media_type_is_415(standing, content_type):
    reply = standing.post(b"", {"Content-Type": content_type} if content_type else {}, path="/v1/logs")
    assert otlp.error(reply, 415)[0] == 3


def test_text_that_is_not_utf8_costs_no_other_record(exporter):
    whole = otlp.protobuf(logs(log("gemini_cli.user_prompt", {"prompt": "CUT"}), gemini(input_token_count=1)))
    assert partial_success(send(exporter, whole.replace(b"CUT", b"C\xc3\xff"))) == OK
    text = json.dumps(logs(log("gemini_cli.user_prompt", {"prompt": "CUT"}), gemini(input_token_count=2))).encode()
    assert partial_success(send(exporter, text.replace(b"CUT", b"C\xc3\xff"), "json")) == OK
    assert exporter.calls() == 2


def test_no_body_is_in_the_log_or_in_an_answer(start):
    exporter = start("--log.level", "debug")
    replies = [
        send(exporter, logs(log("x", {"prompt": "SECRET"}, body="SECRET BODY"), claude("api_error", error="SECRET"))),
        send(exporter, logs(gemini(input_token_count=-1, error="SECRET") | {"body": otlp.value("SECRET BODY")})),
        send(exporter, b'{"resourceLogs": "SECRET BODY"}', "json"),
        send(exporter, chunk(1, b"SECRET BODY")),
    ]
    assert "SECRET" not in exporter.log
    assert not any(b"SECRET" in reply.body for reply in replies)
    assert b"SECRET" not in exporter.get("/metrics").body
