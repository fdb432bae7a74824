"""POST /v1/traces and /v1/metrics: captured exports first, then spans of each convention, in both encodings.

Tests/Fixtures/otlp says what was captured.
"""

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
import zstandard

import otlp_messages as otlp
from exporter import FIXTURES, JSON
from otlp_messages import PROTOBUF, chunk, partial_success, request, span, varint
from pace import Stopwatch

OK = (0, "")


def capture(name):
    return (FIXTURES / "otlp" / name).read_bytes()


def send(exporter, body, encoding="protobuf", path="/v1/traces", **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    if isinstance(body, dict):
        body = otlp.protobuf(body) if encoding == "protobuf" else json.dumps(body).encode()
    return exporter.post(body, {**(PROTOBUF if encoding == "protobuf" else JSON), **headers}, path=path)


@pytest.fixture(params=["protobuf", "json"])
def export(request, exporter):
    """Posts spans that must all be taken, and returns the scrape after it."""
    def exporting(body, expected=OK):
        assert partial_success(send(exporter, body, request.param)) == expected
        return exporter.scrape()
    return exporting


def chat(**more):
    """The attributes of a chat; names are the conventions', with dots for two underscores."""
    return {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme", "gen_ai.request.model": "parrot-1",
            "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
            **{name.replace("__", "."): value for name, value in more.items()}}


def ignored(told, reason):
    return told.value("llm_exporter_ignored_spans_total", reason=reason)


def merged(told, by):
    return told.value("llm_exporter_merged_reports_total", by=by)


# Captures

@pytest.mark.concurrency
def test_the_captured_export_of_openai_v2(start):
    exporter = start(shipped_prices=True)
    body = capture("openai-v2.bin")
    reply = send(exporter, gzip.compress(body), Content_Encoding="gzip", User_Agent="OTel-OTLP-Exporter-Python/1.45.2")
    assert reply.status == 200 and reply.body == b"" and reply.media_type == "application/x-protobuf"
    told = exporter.scrape()
    labels = {"agent_name": "planner", "provider": "openai", "model": "gpt-4o-mini"}
    assert told.value("llm_calls_total", status="success", **labels) == "3"
    assert told.value("llm_calls_total", status="error", **labels) == "1"
    assert told.value("llm_errors_total", error_type="APIConnectionError", **labels) == "1"
    assert told.value("llm_tokens_total", **labels) == "2468"
    # One of the streams told no usage; the failure told none either, and is no success.
    assert told.value("llm_calls_usage_missing_total", **labels) == "1"
    # 0.15 and 0.60 USD for a million tokens; what failed cost 0.
    assert told.value("llm_cost_usd_total", **labels) == "0.0004008"
    assert told.value("llm_latency_seconds_count", **labels) == "4"
    # 69001178 + 136549513 + 153679274 + 1456447 ns, each to the microsecond.
    assert told.value("llm_latency_seconds_sum", **labels) == "0.360686"
    others = {"agent_name": "planner", "provider": "openai"}
    for model, error in [("boom-429", "RateLimitError"), ("boom-500", "InternalServerError")]:
        assert told.value("llm_errors_total", model=model, error_type=error, **others) == "1"
    assert told.value("llm_tokens_total", model="text-embedding-3-small", **others) == "4"
    assert told.total("llm_calls_total") == 7
    assert told.value("llm_exporter_records_accepted_total") == "7"


def test_the_captured_export_of_traceloop(exporter):
    assert partial_success(send(exporter, capture("traceloop.bin"))) == OK
    told = exporter.scrape()
    labels = {"agent_name": "planner-agent", "provider": "openai", "model": "gpt-4o-mini"}
    assert told.value("llm_calls_total", status="success", **labels) == "4"
    assert told.value("llm_calls_usage_missing_total", **labels) == "1"
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total", **labels)}
    assert kinds == {"input": "528", "cache_read": "3072", "cache_write": "0", "output": "82", "reasoning": "20"}
    assert told.value("llm_errors_total", error_type="RateLimitError", agent_name="planner-agent", provider="openai",
                      model="boom-429") == "1"
    assert told.total("llm_calls_total") == 8


def test_the_captured_export_in_json(exporter):
    reply = send(exporter, capture("traces.json"), "json")
    assert reply.status == 200 and reply.body == b"{}" and reply.media_type == "application/json"
    labels = {"agent_name": "planner", "provider": "openai", "model": "gpt-4o-mini"}
    told = exporter.scrape()
    assert told.value("llm_tokens_total", **labels) == "1234"
    assert told.value("llm_latency_seconds_sum", **labels) == "0.00002"


@pytest.mark.concurrency
@pytest.mark.parametrize("name, encoding, count", [("openai-v2.bin", "protobuf", 7), ("traceloop.bin", "protobuf", 8),
                                                   ("traces.json", "json", 1)])
def test_a_repeated_export_counts_once(exporter, name, encoding, count):
    for _ in range(2):
        assert partial_success(send(exporter, capture(name), encoding)) == OK
    assert exporter.calls() == count
    assert exporter.scrape().value("llm_exporter_records_duplicate_total") == str(count)


# Which spans are calls

@pytest.mark.parametrize("attributes, is_call", [
    *[({"gen_ai.operation.name": name}, True)
      for name in ("chat", "text_completion", "generate_content", "embeddings")],
    *[({"gen_ai.operation.name": name}, False)
      for name in ("invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval", 5)],
    *[({"gen_ai.operation.name": None, "openinference.span.kind": kind}, True) for kind in ("LLM", "EMBEDDING")],
    *[({"gen_ai.operation.name": None, "openinference.span.kind": kind}, False)
      for kind in ("AGENT", "CHAIN", "TOOL", "RETRIEVER", "llm")],
    # Without an operation it is a call by its model, provider and tokens; a blank one is none.
    ({"gen_ai.operation.name": None}, True), ({"gen_ai.operation.name": ""}, True),
    ({"gen_ai.operation.name": None, "gen_ai.provider.name": None}, False),
], ids=repr)
def test_calls_are_told_from_what_holds_them(export, attributes, is_call):
    told = export(request(span({**chat(), **attributes})))
    assert told.total("llm_calls_total") == is_call
    assert ignored(told, "not_a_call") == str(1 - is_call)


@pytest.mark.parametrize("zero", [0, 0.0])
def test_a_cost_of_0_is_what_does_not_know_the_price(export, zero):
    told = export(request(span(chat(gen_ai__usage__cost=zero))))
    assert told.value("llm_calls_unpriced_total", provider="acme", model="parrot-1") == "1"
    assert told.get("llm_cost_usd_total", agent_name="svc", provider="acme", model="parrot-1") is None


# Names of both generations

@pytest.mark.parametrize("attributes", [
    {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme", "gen_ai.request.model": "parrot-1",
     "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50, "gen_ai.usage.cache_read.input_tokens": 30,
     "gen_ai.usage.cache_creation.input_tokens": 20, "gen_ai.usage.reasoning.output_tokens": 10,
     "gen_ai.usage.cost": 0.25},
    {"gen_ai.operation.name": "chat", "gen_ai.system": "acme", "gen_ai.request.model": "parrot-1",
     "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 50,
     "gen_ai.usage.cache_read.input_tokens": 30, "gen_ai.usage.cache_write.input_tokens": 20,
     "gen_ai.usage.reasoning_tokens": 10, "operation.cost": 0.25},
    {"openinference.span.kind": "LLM", "llm.system": "acme", "llm.model_name": "parrot-1",
     "llm.token_count.prompt": 100, "llm.token_count.completion": 50, "gen_ai.usage.cache_read.input_tokens": 30,
     "gen_ai.usage.cache_write.input_tokens": 20, "gen_ai.usage.details.reasoning_tokens": 10,
     "gen_ai.usage.cost": 0.25},
    {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "acme", "gen_ai.system": "old",
     "gen_ai.request.model": "parrot-1", "llm.model_name": "old", "gen_ai.response.model": "parrot-1-2026",
     "gen_ai.usage.input_tokens": 100.0, "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.output_tokens": 50.0,
     "gen_ai.usage.cache_read.input_tokens": 30, "gen_ai.usage.cache_write.input_tokens": 20,
     "gen_ai.usage.reasoning_tokens": 10, "gen_ai.usage.cost": 0.25, "gen_ai.response.finish_reasons": ["stop"],
     "gen_ai.tool.definitions": {"a": [{"b": True}]}},
], ids=["genai", "old genai", "openinference", "both, newer first"])
def test_figures_by_each_name(export, attributes):
    told = export(request(span(attributes)))
    labels = {"agent_name": "svc", "provider": "acme", "model": "parrot-1"}
    assert told.value("llm_calls_total", status="success", **labels) == "1"
    assert told.value("llm_tokens_total", **labels) == "150"
    assert told.value("llm_cost_usd_total", **labels) == "0.25"
    assert told.value("llm_latency_seconds_sum", **labels) == "1.5"
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total")}
    assert kinds == {"input": "50", "cache_read": "30", "cache_write": "20", "output": "40", "reasoning": "10"}


def test_an_embedding_of_openinference(export):
    told = export(request(span({"openinference.span.kind": "EMBEDDING", "llm.provider": "acme",
                                "embedding.model_name": "parrot-1", "llm.token_count.prompt": 7})))
    assert told.value("llm_tokens_total", agent_name="svc", provider="acme", model="parrot-1") == "7"


def test_a_span_without_usage_is_usage_missing(export):
    told = export(request(span(chat(gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None))))
    assert told.total("llm_calls_usage_missing_total") == 1


@pytest.mark.parametrize("cost, expected", [(0.1, "0.1"), (1e-7, "0.0000001"), (3, "3"), (0.0, "0")])
def test_a_cost_is_the_decimal_that_its_double_means(export, cost, expected):
    assert export(request(span(chat(gen_ai__usage__cost=cost)))).total("llm_cost_usd_total") == Decimal(expected)


def test_a_span_without_its_times_has_no_latency(export):
    body = span(chat())
    body["endTimeUnixNano"] = "0"
    told = export(request(body))
    assert told.total("llm_calls_total") == 1 and told.find("llm_latency_seconds_sum") == []


# Errors

@pytest.mark.parametrize("attributes, events, expected", [
    ({"error.type": "<class 'openai.RateLimitError'>"}, (), "RateLimitError"),
    ({"error.type": "openai.RateLimitError"}, (), "RateLimitError"), ({"error.type": "timeout"}, (), "timeout"),
    ({"error.type": "429", "http.response.status_code": 500}, (), "429"),
    ({"error.type": ""}, (("exception", {"exception.type": "openai.APIError"}),), "APIError"),
    ({}, (("log", {"exception.type": "X"}), ("exception", {}), ("exception", {"exception.type": "Y"})), "Y"),
    ({"http.response.status_code": 429}, (), "429"), ({"http.response.status_code": "503"}, (), "503"),
    ({"http.response.status_code": 429}, (("exception", {"exception.type": "a b"}),), "429"),
    ({"error.type": "no class at all"}, (), "unknown"), ({}, (), "unknown"),
], ids=repr)
def test_the_type_of_an_error(export, attributes, events, expected):
    told = export(request(span({**chat(), **attributes}, error=True, events=events)))
    assert told.total("llm_calls_total") - told.total("llm_calls_total", status="success") == 1
    assert [s.labels["error_type"] for s in told.find("llm_errors_total")] == [expected]


@pytest.mark.parametrize("sentence", ["The call failed.Retry", "a.b c.D", "no.5", "x..Y", ".Y"])
def test_a_sentence_is_no_class(export, sentence):
    told = export(request(span({**chat(), "error.type": sentence, "http.response.status_code": 429.0}, error=True)))
    assert [s.labels["error_type"] for s in told.find("llm_errors_total")] == ["429"]


def test_a_success_has_no_error_whatever_it_tells(export):
    told = export(request(span(chat(error__type="X"), events=(("exception", {"exception.type": "Y"}),))))
    assert told.total("llm_calls_total", status="success") == 1 and told.find("llm_errors_total") == []


def test_status_ok_is_success(export):
    body = span(chat())
    body["status"] = {"code": 1, "message": ""}
    assert export(request(body)).total("llm_calls_total", status="success") == 1


# Agents

def test_the_agent_is_the_nearest_that_a_span_names(export):
    told = export(request(
        span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "outer"}, trace=1, id=1),
        span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "inner"}, trace=1, id=2, parent=1),
        span({}, trace=1, id=3, parent=2),
        span(chat(), trace=1, id=4, parent=3),
        span(chat(), trace=1, id=5, parent=1),
        span(chat(gen_ai__agent__name="own"), trace=1, id=6, parent=2),
        span(chat(), trace=2, id=7, parent=1),
        resource={"agent_name": "resource", "service.name": "svc"}))
    assert told.agents("llm_calls_total") == {"inner", "outer", "own", "resource"}


@pytest.mark.parametrize("resource, expected", [
    ({"agent_name": "A", "service.name": "S"}, "A"), ({"service.name": "S"}, "S"),
    ({"agent_name": " ", "service.name": "S"}, "S"),
    ({"service.name": "unknown_service"}, "unknown"), ({"service.name": "unknown_service:python"}, "unknown"),
    ({"service.name": 5}, "unknown"), ({}, "unknown")], ids=repr)
def test_else_the_resource_names_it(export, resource, expected):
    assert export(request(span(chat()), resource=resource)).agents("llm_calls_total") == {expected}


def test_spans_that_are_their_own_ancestors_name_no_agent(export):
    told = export(request(span(chat(), trace=1, id=1, parent=1), span(chat(), trace=1, id=2, parent=3, start=5000),
                          span({}, trace=1, id=3, parent=2)))
    assert told.agents("llm_calls_total") == {"svc"}


# One call reported twice

def test_two_instrumentations_of_one_call_count_once(export):
    told = export(request(
        own=[span(chat(gen_ai__response__id="r1", gen_ai__usage__cost=0.5), start=0, milliseconds=1000)],
        package=[span(chat(gen_ai__response__id="r1"), start=1, milliseconds=998)]))
    assert told.total("llm_calls_total") == 1
    # The fuller is counted.
    assert told.total("llm_cost_usd_total") == Decimal("0.5")
    assert merged(told, "response_id") == "1"


@pytest.mark.parametrize("why, first, second, resources", [
    ("one scope", ("a", 0), ("a", 1), 1), ("times apart", ("a", 0), ("b", 3000), 1),
    ("one after the other", ("a", 0), ("b", 1000), 1), ("two processes", ("a", 0), ("b", 1), 2),
])
def test_a_response_id_alone_says_nothing(export, why, first, second, resources):
    def one(scope, start, instance):
        # Ollama draws its ids from 999 numbers.
        return request(span(chat(gen_ai__response__id="chatcmpl-271"), start=start, milliseconds=1000), scope=scope,
                       resource={"service.name": "svc", "service.instance.id": instance})["resourceSpans"]
    (scope, start), (other, later) = first, second
    told = export({"resourceSpans": one(scope, start, "1") + one(other, later, str(resources))})
    assert told.total("llm_calls_total") == 2
    assert merged(told, "response_id") == "0"


def test_one_process_may_send_its_spans_in_two_groups(export):
    groups = [request(span(chat(gen_ai__response__id="r1")), scope=scope)["resourceSpans"][0] for scope in "ab"]
    assert export({"resourceSpans": groups}).total("llm_calls_total") == 1


def test_calls_side_by_side_are_paired(export):
    """Two calls at once, each reported by two scopes, with the id of a cached response."""
    def spans(offset):
        return [span(chat(gen_ai__response__id="r1"), start=start + offset, milliseconds=100) for start in (0, 30, 60)]
    told = export(request(a=spans(0), b=spans(1)))
    assert told.total("llm_calls_total") == 3
    assert merged(told, "response_id") == "3"


def test_failures_reported_twice_count_once(export):
    failed = chat(gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None)
    told = export(request(
        a=[span(failed, start=0, error=True), span(failed, start=2000, error=True)],
        b=[span({**failed, "error.type": "X"}, start=49, milliseconds=1400, error=True),
           span(failed, start=2005, error=True)],
        c=[span({**failed, "gen_ai.request.model": "other"}, start=0, error=True)]))
    # b's second ends 5 ms after a's second.
    assert told.total("llm_calls_total", model="parrot-1") == 3
    assert told.total("llm_calls_total", model="other") == 1
    assert told.total("llm_errors_total", error_type="X") == 1


@pytest.mark.parametrize("more, calls", [
    ({}, 1), ({"gen_ai.usage.input_tokens": 11}, 2), ({"gen_ai.usage.input_tokens": None}, 2),
    ({"gen_ai.request.model": "other"}, 2), ({"gen_ai.request.model": "acme/parrot-1-2026-01-31"}, 1),
    ({"gen_ai.operation.name": "embeddings"}, 2), ({"gen_ai.response.id": "r2"}, 2)], ids=repr)
def test_spans_side_by_side_are_one_call_if_they_report_the_same_at_the_same_time(export, more, calls):
    told = export(request(a=[span(chat(gen_ai__response__id="r1"))],
                          b=[span({**chat(), **more}, start=1, milliseconds=1498)]))
    assert told.total("llm_calls_total") == calls
    assert merged(told, "sibling") == str(2 - calls)


def test_of_parent_and_child_the_tokens_are_the_greater(export):
    told = export(request(
        framework=[span(chat(), trace=1, id=1, milliseconds=2000)],
        client=[span(chat(gen_ai__usage__input_tokens=11), trace=1, id=2, parent=1, start=5)]))
    assert told.total("llm_calls_total") == 1
    assert told.total("llm_tokens_total") == 16
    assert told.value("llm_latency_seconds_sum", agent_name="svc", provider="acme", model="parrot-1") == "1.5"


def test_a_child_that_tells_no_provider_leaves_its_parent(exporter):
    child = chat(gen_ai__provider__name=None, gen_ai__response__id="r")
    body = request(a=[span(chat(gen_ai__response__id="r"), trace=1, id=1)], b=[span(child, trace=1, id=2, parent=1)])
    assert partial_success(send(exporter, body)) == OK
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 1 and merged(told, "nested") == "1"
    body = request(span(chat(), trace=2, id=1, start=5000),
                   span({**child, "gen_ai.response.id": None}, trace=2, id=2, parent=1, start=5000))
    assert partial_success(send(exporter, body)) == OK
    assert exporter.scrape().total("llm_calls_total", provider="acme") == 2 and exporter.calls() == 2


def test_calls_of_a_tool_within_a_call_count(export):
    tool = span({"gen_ai.operation.name": "execute_tool"}, trace=1, id=2, parent=1)
    told = export(request(span(chat(), trace=1, id=1), tool, span(chat(), trace=1, id=3, parent=2)))
    assert told.total("llm_calls_total") == 2


def test_an_embedding_within_a_call_is_another_call(export):
    inner = {**chat(), "gen_ai.operation.name": "embeddings", "gen_ai.request.model": "embedder"}
    told = export(request(span(chat(), trace=1, id=1), span(inner, trace=1, id=2, parent=1)))
    assert told.total("llm_calls_total") == 2


@pytest.mark.parametrize("order", [1, -1])
def test_a_report_that_makes_no_record_takes_no_other_with_it(exporter, order):
    whole, broken = span(chat(), trace=1, id=1), span(chat(gen_ai__usage__input_tokens=-1), trace=1, id=2, parent=1)
    rejected, _ = partial_success(send(exporter, request(*[whole, broken][::order]), "protobuf"))
    assert rejected == 1
    assert exporter.scrape().total("llm_tokens_total") == 15


def test_spans_that_name_each_other_are_one_call(export):
    told = export(request(span(chat(), trace=1, id=1, parent=2), span(chat(), trace=1, id=2, parent=1)))
    assert told.total("llm_calls_total") == 1


@pytest.mark.parametrize("missing", ["gen_ai.provider.name", "gen_ai.request.model"])
def test_a_call_whose_provider_or_model_is_not_told_counts(export, missing):
    told = export(request(span({**chat(), missing: None})))
    assert told.total("llm_calls_total", **{"provider" if "provider" in missing else "model": "unknown"}) == 1


# Spans at fault

@pytest.mark.parametrize("attributes, code", [
    ({"gen_ai.request.model": "a\nb"}, "control_character"), ({"gen_ai.provider.name": "_x"}, "reserved"),
    ({"gen_ai.request.model": "x" * 257}, "too_long"), ({"gen_ai.usage.input_tokens": -1}, "out_of_range"),
    ({"gen_ai.usage.input_tokens": 10 ** 13}, "out_of_range"), ({"gen_ai.usage.input_tokens": 1.5}, "not_integer"),
    ({"gen_ai.usage.input_tokens": "ten"}, "wrong_type"), ({"gen_ai.usage.input_tokens": True}, "wrong_type"),
], ids=repr)
def test_a_span_at_fault_is_told_and_the_others_are_taken(exporter, attributes, code):
    body = request(span(chat()), span({**chat(), **attributes}), span(chat()))
    for encoding in ("protobuf", "json"):
        rejected, message = partial_success(send(exporter, body, encoding))
        assert rejected == 1 and message
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 2
    assert told.value("llm_exporter_records_rejected_total", reason=code) == "2"


@pytest.mark.parametrize("details, field", [
    *[({"gen_ai.usage.cost": cost}, "cost_usd") for cost in (-0.1, 1e300, float("nan"), float("inf"), "free")],
    ({"gen_ai.usage.cache_read.input_tokens": -1}, "cache_read_tokens"),
    ({"gen_ai.usage.cache_write.input_tokens": 1.5}, "cache_write_tokens"),
    ({"gen_ai.usage.reasoning_tokens": 6}, "reasoning_tokens"),
    ({"gen_ai.usage.reasoning_tokens": -1}, "reasoning_tokens"),
], ids=repr)
def test_a_call_counts_without_the_detail_that_cannot_be(exporter, details, field):
    rejected, message = partial_success(send(exporter, request(span({**chat(), **details}))))
    assert rejected == 0 and field in message
    told = exporter.scrape()
    assert told.total("llm_tokens_total") == 15 and told.find("llm_cost_usd_total") == []
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total")}
    assert kinds == {"input": "10", "cache_read": "0", "cache_write": "0", "output": "5", "reasoning": "0"}


def test_an_empty_attribute_hides_no_other(export):
    told = export(request(span(chat(gen_ai__usage__input_tokens="", gen_ai__usage__prompt_tokens=7,
                                    gen_ai__provider__name=" ", gen_ai__system="old")),
                          resource={"agent_name": "_mine", "service.name": "svc"}))
    assert told.value("llm_tokens_total", agent_name="svc", provider="old", model="parrot-1") == "12"


@pytest.mark.parametrize("prompt", [b"\xff\xfe", b"\xed\xa0\x80", b"caf\xc3"])
def test_a_prompt_that_is_no_utf_8_costs_nothing(exporter, prompt):
    whole = request(span(chat(prompt="MARK")), span(chat(gen_ai__request__model="MARK")), span(chat()))
    for encoding in ("protobuf", "json"):
        body = otlp.protobuf(whole) if encoding == "protobuf" else json.dumps(whole).encode()
        body = body.replace(b"MARK", (prompt + b"xxxx")[:4])
        assert partial_success(send(exporter, body, encoding)) == OK
    told = exporter.scrape()
    assert told.total("llm_calls_total", model="parrot-1") == 2 and told.total("llm_calls_total") == 3


@pytest.mark.parametrize("value", [
    '{"stringValue":"\\ud83d"}', '{"stringValue":"\\x"}', '{"doubleValue":NaN}', "nonsense", "[NaN]",
    '{"arrayValue":{"values":[' * 50 + "]}}" * 50, '{"kvlistValue":' * 300 + "1" + "}" * 300],
    ids=lambda value: value[:24])
def test_what_nobody_reads_costs_nothing(exporter, value):
    body = json.dumps(request(span(chat(prompt="MARK")), span(chat()))).replace('{"stringValue": "MARK"}', value)
    assert value in body
    assert partial_success(send(exporter, body.encode(), "json")) == OK
    assert exporter.scrape().total("llm_tokens_total") == 30


def test_numbers_of_json_are_numbers_or_text(exporter):
    body = json.dumps(request(span(chat(), error=True), resource={}))
    body = body.replace('{"intValue": "10"}', '{"intValue": 10}').replace('{"intValue": "5"}', '{"intValue": "5e0"}')
    body = body.replace('"code": 2', '"code": "STATUS_CODE_ERROR"')
    assert partial_success(send(exporter, body.encode(), "json")) == OK
    told = exporter.scrape()
    assert told.total("llm_tokens_total") == 15 and told.total("llm_calls_total", status="error") == 1


def test_a_span_is_one_call_with_and_without_its_parent(exporter):
    parent = span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "A"}, trace=1, id=1)
    call = span(chat(), trace=1, id=2, parent=1)
    assert partial_success(send(exporter, request(parent, call))) == OK
    assert partial_success(send(exporter, request(call))) == OK
    assert exporter.scrape().agents("llm_calls_total") == {"A"} and exporter.calls() == 1


@pytest.mark.parametrize("between, count", [
    ([{}], 1), ([{}, {}], 1), ([chat(gen_ai__usage__input_tokens=None, gen_ai__usage__output_tokens=None)], 1),
    ([{"gen_ai.operation.name": "execute_tool"}], 2), ([{}, {"openinference.span.kind": "TOOL"}, {}], 2),
    ([{"traceloop.span.kind": "tool"}], 2)], ids=repr)
def test_a_call_told_at_two_levels_counts_once_whatever_lies_between(export, between, count):
    spans = [span(of, trace=1, id=n + 1, parent=n) for n, of in enumerate([chat(), *between, chat()])]
    told = export(request(*spans))
    assert (told.total("llm_calls_total") == count and told.total("llm_calls_usage_missing_total") == 0) or count == 2


def test_calls_in_a_circle_are_one(export):
    told = export(request(*[span(chat(), trace=1, id=n + 1, parent=(n + 1) % 3 + 1) for n in range(3)]))
    assert told.total("llm_calls_total") == 1


def test_a_clock_that_was_set_back_costs_the_latency_alone(exporter):
    assert partial_success(send(exporter, request(span(chat(), milliseconds=-1)))) == OK
    shown = exporter.scrape()
    assert shown.total("llm_calls_total") == 1 and not shown.find("llm_latency_seconds_count")


@pytest.mark.parametrize("ids", [("", ""), ("00" * 16, "00" * 8), ("ab" * 12, "cd" * 8)], ids=repr)
def test_spans_without_ids_count_each_time(exporter, ids):
    body = span(chat())
    body["traceId"], body["spanId"] = ids
    for encoding in ("protobuf", "json"):
        assert partial_success(send(exporter, request(body), encoding)) == OK
    assert exporter.calls() == 2


def test_a_span_is_one_call_in_both_encodings(exporter):
    body = request(span(chat(), trace=0xFEDCBA9876543210_0123456789ABCDEF, id=0xFEDC000000000001))
    for encoding in ("protobuf", "json"):
        assert partial_success(send(exporter, body, encoding)) == OK
    upper = json.dumps(body).replace("fedcba9876543210", "FEDCBA9876543210")
    assert partial_success(send(exporter, upper.encode(), "json")) == OK
    assert exporter.calls() == 1


def test_a_trace_becomes_an_exemplar(exporter):
    assert partial_success(send(exporter, request(span(chat(), trace=0xAB)))) == OK
    exemplars = [s.exemplar.labels for s in exporter.openmetrics().samples if s.exemplar]
    assert exemplars == [{"trace_id": f"{0xAB:032x}"}]


# Answers

def gauge(name, points):
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": name, "gauge": {"dataPoints": points}}]}]}]}


def test_all_data_points_of_metrics_are_rejected(start):
    exporter = start("--log.level", "debug")
    for packed in (False, True):
        body = capture("metrics.bin")
        headers = {"Content_Encoding": "gzip"} if packed else {}
        reply = send(exporter, gzip.compress(body) if packed else body, path="/v1/metrics", **headers)
        rejected, message = partial_success(reply)
        assert rejected == 11 and "traces or logs" in message and "OTEL_METRICS_EXPORTER=none" in message
    reply = send(exporter, gauge("SECRET", [{"asInt": "1"}, {"asDouble": 2.5}]), "json", path="/otel/v1/metrics")
    assert partial_success(reply)[0] == 2
    told = exporter.scrape()
    assert told.value("llm_exporter_ignored_requests_total", route="/v1/metrics") == "3"
    assert told.total("llm_exporter_ignored_requests_total") == 3
    assert told.total("llm_calls_total") == 0
    # Said once an hour, with the sender and the remedy.
    line, = [line for line in exporter.log_lines if "metrics, which are not counted" in line]
    assert "level=info" in line and "peer=127.0.0.1" in line and "OTEL_METRICS_EXPORTER=none" in line
    assert "SECRET" not in exporter.log


@pytest.mark.parametrize("body, encoding", [(b"", "protobuf"), (b"{}", "json"), (b'{"resourceMetrics":[]}', "json")])
def test_a_request_without_data_points_is_taken(exporter, body, encoding):
    reply = send(exporter, body, encoding, path="/v1/metrics")
    assert reply.status == 200 and reply.body == (b"" if encoding == "protobuf" else b"{}")
    assert exporter.scrape().value("llm_exporter_ignored_requests_total", route="/v1/metrics") == "1"


@pytest.mark.parametrize("body, encoding", [(b"x", "protobuf"), (b"", "json"), (b"[]", "json"),
                                            (b'{"resourceMetrics":5}', "json"), (capture("openai-v2.bin"), "protobuf"),
                                            (capture("metrics.bin")[:-1], "protobuf")],
                         ids=["text", "empty", "array", "number", "spans", "cut short"])
def test_a_body_that_is_no_metrics_is_400(exporter, body, encoding):
    assert otlp.error(send(exporter, body, encoding, path="/v1/metrics"), 400)[0] == 3
    assert exporter.scrape().total("llm_exporter_ignored_requests_total") == 0


@pytest.mark.heavy
@pytest.mark.parametrize("path", [(1,), (1, 2), (1, 2, 2), (1, 2, 2, 5), (1, 2, 2, 7, 1)], ids=repr)
def test_millions_of_empty_metrics_take_little_memory_and_time(exporter, path):
    body = gzip.compress(empty(*path), 1)
    exporter.forget_memory_peak()
    before = exporter.memory_kib("VmRSS")
    watch = Stopwatch()
    assert send(exporter, body, path="/v1/metrics", Content_Encoding="gzip").status == 200
    watch.assert_within(10)
    assert exporter.memory_kib("VmHWM") - before < (LIMIT >> 10) + (64 << 10)


def test_a_path_that_ends_in_that_of_a_signal_is_its_route(exporter):
    body = request(span(chat(), trace=1, id=1))
    for path in ("/otel/v1/traces", "/api/public/otel/v1/traces", "/v1/traces"):
        assert partial_success(send(exporter, body, path=path)) == OK
    for path in ("/v1/tracesx", "/xv1/traces", "/v1/traces/", "/otel/record"):
        assert send(exporter, body, path=path).status == 404
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 1 and told.value("llm_exporter_records_duplicate_total") == "2"
    routes = {s.labels["route"] for s in told.find("llm_exporter_http_requests_total")}
    assert routes <= {"/v1/traces", "other", "/metrics"}


def test_http2_is_refused_counted_and_said(exporter):
    assert exporter.scrape().value("llm_exporter_http2_attempts_total") == "0"
    for count in (1, 2, 3):
        with exporter.wire() as wire:
            # The preface, and a SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
            assert wire.everything().startswith(b"HTTP/1.1 505 ")
        assert exporter.scrape().value("llm_exporter_http2_attempts_total") == str(count)
    line, = [line for line in exporter.log_lines if "HTTP/2" in line]
    assert "level=warn" in line and "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in line


def test_an_export_without_spans_is_taken(standing):
    for body in (b"", chunk(1, b""), chunk(1, chunk(2, b"")), chunk(1, chunk(2, chunk(2, b"")))):
        assert partial_success(send(standing, body)) == OK
    for body in (b"{}", b'{"resourceSpans":[]}', b'{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}',
                 b'{"resourceSpans":null,"later":[{"a":1}]}'):
        assert partial_success(send(standing, body, "json")) == OK


@pytest.mark.parametrize("coding, pack", [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_content_codings(exporter, coding, pack):
    body = pack(otlp.protobuf(request(span(chat()))))
    assert partial_success(send(exporter, body, Content_Encoding=coding)) == OK
    assert exporter.calls() == 1


@pytest.mark.parametrize("content_type", ["application/x-protobuf; charset=x", "Application/X-Protobuf",
                                          "application/protobuf"])
def test_media_types_of_protobuf(exporter, content_type):
    body = otlp.protobuf(request(span(chat())))
    assert partial_success(exporter.post(body, {"Content-Type": content_type}, path="/v1/traces")) == OK
    assert exporter.calls() == 1


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics"])
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/grpc"])
def test_another_media_type_is_415(standing, path, content_type):
    reply = standing.post(b"", {"Content-Type": content_type} if content_type else {}, path=path)
    assert otlp.error(reply, 415)[0] == 3
    assert "application/x-protobuf" in reply.headers["Accept"]


@pytest.mark.parametrize("body, encoding", [(b"", "protobuf"), (b"{}", "json"), (b" {} ", "json"),
                                            (b'{"resourceSpans":null}', "json"), (b'{"resourceSpans":[5]}', "json")])
def test_a_request_of_no_spans_is_200(standing, body, encoding):
    assert partial_success(send(standing, body, encoding)) == OK


TRUNCATED = otlp.protobuf(request(span(chat())))[:-3]


@pytest.mark.parametrize("body", [
    TRUNCATED, b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff" * 20, b"\x00", b"\x0b" * 100_000, chunk(1, chunk(2, chunk(2, chunk(9, b"\x0a\x7f")))), b"\x0f",
    b"not protobuf at all",
], ids=lambda body: body[:12].hex())
def test_a_body_that_is_no_protobuf_is_400(standing, body):
    assert otlp.error(send(standing, body), 400)[0] == 3


@pytest.mark.parametrize("body", [
    b"", b"[]", b"5", b"{", b'{"resourceSpans":5}', b'{} {}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k"}}]}]}]}', b'{"a":' + b"[" * 100_000,
    b'{"a":' + b'[{"a":' * 100_000,
    b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"kvlistValue":' + b'{"a":' * 200_000,
], ids=lambda body: repr(body[:24]))
def test_a_body_that_is_no_json_of_otlp_is_400(standing, body):
    assert otlp.error(send(standing, body, "json"), 400)[0] == 3


def test_wrong_wire_types_and_unknown_fields_are_skipped(exporter):
    good = otlp._span(span(chat()))
    odd = varint(1 << 3) + varint(5) + varint(9 << 3) + varint(5) + varint(7 << 3 | 2) + varint(3) + b"abc"
    group = varint(200 << 3 | 3) + chunk(5, b"x") + varint(200 << 3 | 4)
    deep = b""
    for _ in range(5000):
        deep = chunk(6, chunk(1, chunk(2, deep)))
    nested = chunk(9, chunk(1, b"k") + chunk(2, deep))
    body = chunk(1, chunk(2, chunk(2, good + odd + group + chunk(99, b"y") + nested)))
    assert partial_success(send(exporter, body)) == OK
    assert exporter.calls() == 1


LIMIT = 32 << 20


def empty(*path):
    """A request as large as the exporter takes, of empty messages: resources, scopes, spans, attributes, ..."""
    body = (varint(path[-1] << 3 | 2) + b"\0") * ((LIMIT - 100) // 2)
    for number in reversed(path[:-1]):
        body = chunk(number, body)
    return body


@pytest.mark.heavy
@pytest.mark.parametrize("body", [
    empty(1), empty(1, 1, 1), empty(1, 2), empty(1, 2, 2), empty(1, 2, 2, 9), empty(1, 2, 2, 11), empty(1, 2, 2, 15),
    chunk(1, chunk(2, chunk(2, chunk(99, b"x" * (LIMIT - 100))))), b"\x9b\x06\x9c\x06" * (LIMIT // 4),
], ids=["resources", "resource attributes", "scopes", "spans", "attributes", "events", "statuses", "unknown field",
        "groups"])
def test_millions_of_empty_messages_take_little_memory_and_time(exporter, body):
    body = gzip.compress(body, 1)
    exporter.forget_memory_peak()
    before = exporter.memory_kib("VmRSS")
    watch = Stopwatch()
    assert partial_success(send(exporter, body, Content_Encoding="gzip")) == OK
    watch.assert_within(10)
    # The body itself, decompressed.
    assert exporter.memory_kib("VmHWM") - before < (LIMIT >> 10) + (64 << 10)
    assert exporter.calls() == 0


@pytest.mark.heavy
def test_a_large_export_is_taken(exporter):
    """8,192 spans, the usual batch of a collector."""
    body = request(*(span(chat(), start=n) for n in range(8192)))
    for encoding in ("protobuf", "json"):
        assert partial_success(send(exporter, body, encoding)) == OK
    assert exporter.calls() == 8192


@pytest.mark.heavy
def test_200_000_spans_in_one_body_are_taken(exporter):
    """About 18 MB, as a collector whose batches have no limit sends them."""
    def text(name, value):
        return chunk(9, chunk(1, name) + chunk(2, chunk(1, value)))

    call = (text(b"gen_ai.system", b"acme") + text(b"gen_ai.request.model", b"m")
            + chunk(9, chunk(1, b"gen_ai.usage.input_tokens") + chunk(2, b"\x18\x07")))
    spans = b"".join(chunk(2, chunk(2, n.to_bytes(8, "big")) + call) for n in range(1, 200_001))
    body = chunk(1, chunk(2, spans))
    assert 18_000_000 < len(body) < LIMIT
    assert partial_success(send(exporter, body)) == OK
    assert exporter.calls() == 200_000
    assert exporter.scrape().total("llm_tokens_total") == 1_400_000


@pytest.mark.alone
@pytest.mark.heavy
def test_spans_that_all_might_be_one_call_take_no_longer(exporter):
    spans: dict[str, Any] = {f"scope-{n}": [span(chat(gen_ai__response__id="r1"), start=10 * n, milliseconds=1)]
                             for n in range(5000)}
    assert partial_success(send(exporter, request(**spans))) == OK
    assert exporter.calls() == 5000
    one = request(span(chat()), *(span(chat(gen_ai__response__id="r2"), milliseconds=1) for _ in range(20_000)))
    assert partial_success(send(exporter, one)) == OK


def test_a_body_past_the_limit_is_413(start):
    small = start("--web.max-body-size", "64KiB")
    body = request(span(chat(gen_ai__input__messages="x" * 70_000)))
    for encoding in ("protobuf", "json"):
        assert otlp.error(send(small, body, encoding), 413)[0] == 8
    packed = gzip.compress(otlp.protobuf(body))
    assert otlp.error(send(small, packed, Content_Encoding="gzip"), 413)[0] == 8
    assert otlp.error(send(small, b"x" * 70_000, path="/v1/logs"), 413)[0] == 8
    assert small.calls() == 0


def test_get_is_405(standing):
    reply = standing.get("/v1/traces")
    assert otlp.error(reply, 405)[0] == 12 and reply.headers["Allow"] == "POST"


def test_a_coding_that_is_broken_or_not_known(standing):
    assert otlp.error(send(standing, b"not gzip", Content_Encoding="gzip"), 400)[0] == 3
    assert otlp.error(send(standing, b"x", Content_Encoding="br"), 415)[0] == 3


def test_no_body_is_in_the_log(start):
    exporter = start("--log.level", "debug")
    send(exporter, request(span(chat(gen_ai__input__messages="SECRET PROMPT"), error=True)))
    send(exporter, request(span(chat(gen_ai__request__model="SECRET MODEL\n"))))
    send(exporter, b'{"resourceSpans": "SECRET BODY"}', "json")
    assert "SECRET" not in exporter.log
