"""POST /litellm: what LiteLLM's generic API logger posts, captured bodies first, then what it may post besides.

Tests/Fixtures/litellm holds real bodies of litellm 1.109.1 with a provider that reports 1,200 input tokens, 1,024 of
them cached, and 34 output tokens, 10 of them reasoning.
"""

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from exporter import FIXTURES, JSON, Raw, encode
from pace import Stopwatch

LABELS = {"provider": "openai", "model": "gpt-4o-mini"}


def capture(name):
    return (FIXTURES / "litellm" / name).read_bytes()


def item(**fields):
    """An item with what is read of it, and a prompt, which is not."""
    return {"id": "chatcmpl-1", "litellm_call_id": "call-1", "status": "success", "stream": None,
            "custom_llm_provider": "acme", "model": "parrot-1", "startTime": 1795456864.5, "endTime": 1795456866.0,
            "response_time": 0.25, "metadata": {"usage_object": None}, "prompt_tokens": 10, "completion_tokens": 5,
            "total_tokens": 15, "response_cost": 0.0001, "request_tags": [], "error_information": None,
            "messages": [{"role": "user", "content": "SECRET PROMPT"}], **fields}


def post(exporter, body, **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    return exporter.post(body, {**JSON, **headers}, path="/litellm")


def agents(exporter):
    return exporter.scrape().agents("llm_calls_total")


# Captures

@pytest.mark.concurrency
def test_the_captured_success(exporter):
    assert post(exporter, capture("success.json")).outcome() == (1, 0, 0)
    labels = {"agent_name": "unknown", **LABELS}
    told = exporter.scrape()
    assert told.value("llm_calls_total", status="success", **labels) == "1"
    assert told.value("llm_calls_total", status="error", **labels) == "0"
    assert told.value("llm_tokens_total", **labels) == "1234"
    assert told.value("llm_cost_usd_total", **labels) == "0.0001236"
    kinds = {"input": "176", "cache_read": "1024", "cache_write": "0", "output": "24", "reasoning": "10"}
    for kind, tokens in kinds.items():
        assert told.value("llm_token_usage_total", token_type=kind, **labels) == tokens
    # 1795456467.672389 - 1795456462.869636, not response_time.
    assert told.value("llm_latency_seconds_sum", **labels) == "4.802753"
    assert told.value("llm_input_tokens_last_call", **labels) == "1200"
    assert told.value("llm_output_tokens_last_call", **labels) == "34"
    assert told.value("llm_exporter_cost_source_total", source="reported") == "1"
    assert told.total("llm_exporter_unknown_fields_total") == 0


@pytest.mark.concurrency
def test_a_repeated_batch_counts_once(exporter):
    assert post(exporter, capture("success.json")).outcome() == (1, 0, 0)
    assert post(exporter, capture("success.json")).outcome() == (0, 1, 0)
    assert exporter.calls() == 1


def test_the_captured_failures(exporter):
    assert post(exporter, capture("failures.json")).outcome() == (2, 0, 0)
    labels = {"agent_name": "unknown", **LABELS}
    told = exporter.scrape()
    assert told.value("llm_calls_total", status="rate_limited", **labels) == "1"
    assert told.value("llm_calls_total", status="error", **labels) == "1"
    assert told.value("llm_calls_total", status="success", **labels) == "0"
    assert told.value("llm_errors_total", error_type="RateLimitError", **labels) == "1"
    assert told.value("llm_errors_total", error_type="InternalServerError", **labels) == "1"
    assert told.value("llm_cost_usd_total", **labels) == "0"
    assert told.value("llm_calls_usage_missing_total", **labels) == "0"
    # A failure's zeros are no figures.
    assert told.find("llm_input_tokens_last_call") == []


def test_lines_under_the_name_of_json(exporter):
    assert post(exporter, capture("lines.ndjson")).outcome() == (3, 0, 0)
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 3
    assert told.total("llm_tokens_total") == 3702
    assert told.total("llm_cost_usd_total") == Decimal("0.0003708")


def test_a_bare_object(exporter):
    assert post(exporter, capture("single.json")).outcome() == (1, 0, 0)
    assert exporter.scrape().total("llm_tokens_total") == 1234


def test_the_captured_agent_fields(exporter):
    assert post(exporter, capture("agent_fields.json"), X_Agent_Name="planner").outcome() == (1, 0, 0)
    assert agents(exporter) == {"RM-planner"}


# Cases of public reports (Tests/Fixtures/cases)

def case(name):
    return (FIXTURES / "cases" / name).read_bytes()


def test_a_tool_is_no_call(exporter):
    assert post(exporter, case("litellm-mcp-tool-call.json")).outcome() == (0, 0, 0)
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 0
    assert told.value("llm_exporter_ignored_litellm_items_total", call_type="call_mcp_tool") == "1"


def test_written_tokens_by_their_new_name(start):
    exporter = start(shipped_prices=True)
    assert post(exporter, case("litellm-openai-cache-write-tokens.json")).outcome() == (1, 0, 0)
    told = exporter.scrape()
    labels = {"agent_name": "w56", "provider": "openai", "model": "gpt-5.6"}
    for kind, tokens in {"input": "100", "cache_read": "200", "cache_write": "700"}.items():
        assert told.value("llm_token_usage_total", token_type=kind, **labels) == tokens
    assert told.value("llm_cost_usd_total", **labels) == "0.00598"


# Which items are calls

@pytest.mark.parametrize("name, shown", [
    ("alist_mcp_tools", "list_mcp_tools"), ("acreate_file", "create_file"), ("aretrieve_batch", "retrieve_batch"),
    ("avector_store_search", "vector_store_search"), ("file_content", "file_content"),
])
def test_management_is_ignored_by_name(exporter, name, shown):
    assert post(exporter, [item(call_type=name), item(call_type="acompletion")]).outcome() == (1, 0, 0)
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 1
    samples = [(s.labels["call_type"], s.value) for s in told.find("llm_exporter_ignored_litellm_items_total")]
    assert samples == [(shown, "1")]


@pytest.mark.parametrize("name", ["aresponses", "anthropic_messages", "arerank", "aspeech", "a_new_one", "", None, 5])
def test_other_call_types_count(exporter, name):
    assert post(exporter, item(call_type=name)).outcome() == (1, 0, 0)
    assert exporter.scrape().find("llm_exporter_ignored_litellm_items_total") == []


@pytest.mark.parametrize("error, status", [
    ({"error_class": "RateLimitError", "error_code": "429"}, "rate_limited"),
    ({"error_class": "Timeout", "error_code": "408"}, "timeout"),
    ({"error_class": "CancelledError", "error_code": ""}, "cancelled"),
    ({"error_class": None, "error_code": "429"}, "rate_limited"),
    ({"error_class": "AuthenticationError", "error_code": "401"}, "error"), (None, "error")], ids=repr)
def test_a_failure_has_a_status_of_its_own(exporter, error, status):
    assert post(exporter, item(status="failure", error_information=error)).outcome() == (1, 0, 0)
    assert exporter.scrape().total("llm_calls_total", status=status) == 1


# Shapes

def test_payloads_in_an_envelope(exporter):
    records = [{"standard_logging_payload": item(litellm_call_id=str(n))} for n in range(3)]
    assert post(exporter, {"records": records[:2]}).outcome() == (2, 0, 0)
    lines = encode({"records": records[:2]}) + "\n" + encode({"records": records[2:]})
    assert post(exporter, lines).outcome() == (1, 2, 0)
    assert post(exporter, records).outcome() == (0, 3, 0)
    assert post(exporter, records[0]).outcome() == (0, 1, 0)
    # Unwrapped, it is the same call.
    assert post(exporter, item(litellm_call_id="0")).outcome() == (0, 1, 0)
    reply = post(exporter, {"records": [records[0], {"standard_logging_payload": item(prompt_tokens=-1)}, 5]})
    assert reply.outcome() == (0, 1, 2) and [error["index"] for error in reply.json["errors"]] == [1, 2]


def test_items_that_are_null_are_skipped(exporter):
    assert post(exporter, [None, item(), None]).outcome() == (1, 0, 0)
    assert post(exporter, "null\n" + encode(item(litellm_call_id="2")) + "\nnull\n").outcome() == (1, 0, 0)
    assert post(exporter, "[null]").outcome() == (0, 0, 0)
    assert post(exporter, "null").outcome() == (0, 0, 0)
    assert post(exporter, "[]").outcome() == (0, 0, 0)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}], ids=repr)
def test_the_content_type_says_nothing(exporter, headers):
    assert exporter.post([item()], headers, path="/litellm").outcome() == (1, 0, 0)


def test_gzip(exporter):
    body = gzip.compress(encode([item()]).encode())
    assert post(exporter, body, Content_Encoding="gzip").outcome() == (1, 0, 0)


@pytest.mark.parametrize("body", ["", " ", "[{", '{"model": "a"', "5", '"text"', "[null", "\x00"], ids=repr)
def test_a_body_without_sound_framing_is_400(standing, body):
    post(standing, body).problem(400)


def test_get_is_405(standing):
    assert standing.get("/litellm").problem(405) and standing.get("/litellm").headers["Allow"] == "POST"


def test_a_body_past_the_limit_is_413(start):
    small = start("--web.max-body-size", "64KiB")
    post(small, [item(messages="x" * 70_000)]).problem(413)
    assert small.calls() == 0


# Agents

METADATA = {"requester_metadata": {"agent_name": "A"}, "spend_logs_metadata": {"agent_name": "B"},
            "user_api_key_alias": "E"}


@pytest.mark.parametrize("absent, expected", [
    ([], "A"), (["requester_metadata"], "B"), (["requester_metadata", "spend_logs_metadata"], "C"),
    (["requester_metadata", "spend_logs_metadata", "tag"], "D"),
    (["requester_metadata", "spend_logs_metadata", "tag", "header"], "E"),
    (["requester_metadata", "spend_logs_metadata", "tag", "header", "user_api_key_alias"], "unknown"),
])
@pytest.mark.parametrize("how", ["gone", "null", "blank"])
def test_the_agent_is_the_first_that_is_named(exporter, absent, expected, how):
    metadata: dict[str, Any] = {**METADATA}
    for name in absent:
        if name in metadata:
            metadata[name] = None if how == "null" else " " if name == "user_api_key_alias" else {"agent_name": ""}
            if how == "gone":
                del metadata[name]
    tags = ["prod", None, "agent:"] + ([] if "tag" in absent else ["agent:C", "agent:Z"])
    headers = {} if "header" in absent else {"X_Agent_Name": "D"}
    assert post(exporter, [item(metadata=metadata, request_tags=tags)], **headers).outcome() == (1, 0, 0)
    assert agents(exporter) == {expected}


@pytest.mark.parametrize("metadata", [None, [], "text", 5, {"requester_metadata": {"agent_name": 5}}], ids=repr)
@pytest.mark.parametrize("tags", [None, "agent:X", {"agent": "X"}, [["agent:X"], {"agent": "X"}, 5]], ids=repr)
def test_what_names_no_agent_is_passed_over(exporter, metadata, tags):
    assert post(exporter, [item(metadata=metadata, request_tags=tags)]).outcome() == (1, 0, 0)
    assert agents(exporter) == {"unknown"}


def test_an_escaped_name_is_the_name_it_means(exporter):
    body = Raw('[{"litellm_call_id":"1","model":"m","custom_llm_provider":"p",'
               '"meta\\u0064ata":{"requester_metadata":{"agent_name":"caf\\u00e9 \\"x\\""}}}]')
    assert post(exporter, body).outcome() == (1, 0, 0)
    assert agents(exporter) == {'café "x"'}


# Figures

def figures(exporter, **fields):
    assert post(exporter, [item(**fields)]).outcome() == (1, 0, 0)
    return exporter.scrape()


def test_parts_in_the_form_of_anthropic(exporter):
    usage = {"cache_read_input_tokens": 1024, "cache_creation_input_tokens": 512, "prompt_tokens_details": None,
             "completion_tokens_details": None}
    told = figures(exporter, prompt_tokens=1712, completion_tokens=34, metadata={"usage_object": usage})
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total")}
    assert kinds == {"input": "176", "cache_read": "1024", "cache_write": "512", "output": "34", "reasoning": "0"}


def test_parts_that_are_null_are_absent(exporter):
    details = {"cached_tokens": None, "cache_creation_tokens": 3, "reasoning_tokens": None}
    usage = {"prompt_tokens_details": details, "completion_tokens_details": details}
    told = figures(exporter, metadata={"usage_object": usage})
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total")}
    assert kinds == {"input": "7", "cache_read": "0", "cache_write": "3", "output": "5", "reasoning": "0"}


def test_a_stream_without_usage_is_usage_missing(start):
    told = figures(start(shipped_prices=True), stream=True, prompt_tokens=0, completion_tokens=0, response_cost=0.0,
                   model="gpt-4o-mini", custom_llm_provider="openai")
    assert told.total("llm_calls_usage_missing_total") == 1
    assert told.find("llm_cost_usd_total") == []
    assert told.value("llm_exporter_cost_source_total", source="usage_missing") == "1"
    assert told.find("llm_input_tokens_last_call") == []


def test_a_call_without_tokens_that_is_no_stream_has_its_usage(exporter):
    told = figures(exporter, prompt_tokens=0, completion_tokens=0, response_cost=0.02)
    assert told.total("llm_calls_usage_missing_total") == 0
    assert told.total("llm_cost_usd_total") == Decimal("0.02")


@pytest.mark.parametrize("why", [
    {"response_cost_failure_debug_info": {"error_str": "no such model"}}, {"zero_cost_diagnostic": {"reason": "rates"}},
    {"response_cost": None}], ids=repr)
def test_a_cost_that_litellm_could_not_compute_is_none(exporter, why):
    told = figures(exporter, **{"response_cost": 0.0, **why})
    assert told.find("llm_cost_usd_total") == []
    assert told.total("llm_calls_unpriced_total") == 1


def test_a_cost_that_is_not_told_comes_from_the_price_table(start):
    told = figures(start(shipped_prices=True), response_cost=None, custom_llm_provider="openai", model="gpt-4o-mini",
                   prompt_tokens=1000)
    # 0.15 and 0.60 USD for a million tokens.
    assert told.total("llm_cost_usd_total") == Decimal("0.000153")


def test_a_cost_is_taken_to_the_last_digit(exporter):
    told = figures(exporter, response_cost=Raw("1.2345678901234e-05"))
    assert told.total("llm_cost_usd_total") == Decimal("0.000012345679")


@pytest.mark.parametrize("fields", [{"startTime": None}, {"endTime": None}, {"startTime": "2026-11-24"}], ids=repr)
def test_without_both_times_there_is_no_latency(exporter, fields):
    assert figures(exporter, **fields).find("llm_latency_seconds_sum") == []


@pytest.mark.parametrize("error, expected", [
    ({"error_class": "RateLimitError"}, "RateLimitError"), ({"error_class": "openai.APIError"}, "APIError"),
    ({"error_class": "<class 'openai.APIError'>"}, "APIError"), ({"error_class": ""}, "unknown"),
    ({"error_class": "no class at all"}, "unknown"), ({"error_class": None}, "unknown"), (None, "unknown"),
    ({"error_class": "x" * 65}, "unknown")], ids=repr)
def test_the_type_of_an_error(exporter, error, expected):
    told = figures(exporter, status="failure", error_information=error)
    assert [s.labels["error_type"] for s in told.find("llm_errors_total")] == [expected]


def test_attempts_of_one_call_count_each(exporter):
    """The proxy gives all attempts one litellm_call_id, and logs each."""
    attempts = [item(status="failure", startTime=1795456864.5, endTime=1795456865.0, prompt_tokens=0),
                item(status="failure", startTime=1795456865.5, endTime=1795456866.0, prompt_tokens=0),
                item(startTime=1795456866.5, endTime=1795456869.0)]
    assert post(exporter, attempts).outcome() == (3, 0, 0)
    assert post(exporter, attempts).outcome() == (0, 3, 0)


def test_an_id_belongs_to_its_agent(exporter):
    assert post(exporter, [item()], X_Agent_Name="A").outcome() == (1, 0, 0)
    assert post(exporter, [item()], X_Agent_Name="B").outcome() == (1, 0, 0)


@pytest.mark.parametrize("fields, provider, model", [
    ({"custom_llm_provider": None}, "unknown", None), ({"custom_llm_provider": ""}, "unknown", None),
    ({"model": None}, None, "unknown"), ({"model": "  "}, None, "unknown")])
def test_a_call_whose_provider_or_model_is_not_known_counts(exporter, fields, provider, model):
    # So LiteLLM logs the failure of a model that it does not know.
    assert post(exporter, item(status="failure", **fields)).status == 200
    labels = {"provider": provider or item()["custom_llm_provider"], "model": model or item()["model"]}
    assert exporter.scrape().total("llm_calls_total", status="error", **labels) == 1


def test_a_clock_that_was_set_back_costs_the_latency_alone(exporter):
    assert post(exporter, item(endTime=item()["startTime"] - 1)).status == 200
    shown = exporter.scrape()
    assert shown.total("llm_calls_total") == 1 and not shown.find("llm_latency_seconds_count")


# Items at fault

BAD = [
    (item(model="a\nb"), "control_character"), (item(model="_x"), "reserved"), (item(model="x" * 257), "too_long"),
    (item(model=5), "wrong_type"), (item(prompt_tokens="5"), "wrong_type"), (item(prompt_tokens=-1), "out_of_range"),
    (item(prompt_tokens=1.5), "not_integer"), (item(status="On Fire"), "invalid_format"), (5, "not_an_object"),
    ([item()], "not_an_object"),
    ("text", "not_an_object"), (Raw("Infinity"), "not_an_object"),
    (Raw('{"model":"m","model":"n","custom_llm_provider":"p"}'), "duplicate_key"),
]


@pytest.mark.parametrize("bad, code", BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_an_item_at_fault_is_counted_and_the_others_are_taken(exporter, bad, code):
    reply = post(exporter, [item(litellm_call_id="first"), bad, item(litellm_call_id="last")])
    assert reply.outcome() == (2, 0, 1)
    assert reply.json["errors"][0]["code"] == code and reply.json["errors"][0]["index"] == 1
    assert exporter.scrape().value("llm_exporter_records_rejected_total", reason=code) == "1"


def test_a_batch_of_nothing_but_faults_is_200(exporter):
    assert post(exporter, [item(model=5), 5]).outcome() == (0, 0, 2)


def test_a_line_that_is_no_json_is_one_rejected_item(exporter):
    lines = [encode(item(litellm_call_id="1")), '{"model": ', encode(item(litellm_call_id="2")), "[]"]
    assert post(exporter, "\n".join(lines)).outcome() == (2, 0, 1)


@pytest.mark.parametrize("body, outcome", [
    ("garbage\n" + encode(item()), (1, 0, 1)), ("\ufeff" + encode([item()]), (1, 0, 0)),
    ("\ufeff" + encode(item()) + "\n" + encode(item(litellm_call_id="2")), (2, 0, 0)),
    (encode([item(), None]) + "\n" + encode([item(litellm_call_id="2"), 5]), (2, 0, 1)),
    (encode(item()) + "\n" + encode([item(litellm_call_id="2")]) + "\n[" + encode(item(litellm_call_id="3")),
     (2, 0, 1)),
], ids=["garbage", "mark", "mark and lines", "arrays", "cut off"])
def test_sound_lines_count_whatever_lies_beside_them(exporter, body, outcome):
    assert post(exporter, body).outcome() == outcome


@pytest.mark.parametrize("body", ["garbage\nmore of it", "[\n5,\n", "\ufeff"])
def test_lines_of_which_none_is_sound_are_400(exporter, body):
    post(exporter, body).problem(400)


@pytest.mark.parametrize("details, field", [
    *[({"response_cost": cost}, "cost_usd") for cost in (Raw("NaN"), -1, 2e6, "0.1", [1])],
    ({"endTime": Raw("1e400")}, "latency_ms"), ({"litellm_call_id": {"a": 1}}, "id"),
    *[({"metadata": {"usage_object": usage}}, field) for usage, field in [
        ({"prompt_tokens_details": {"cached_tokens": 11}}, "cache_read_tokens"),
        ({"cache_read_input_tokens": 6, "cache_creation_input_tokens": 6}, "cache_write_tokens"),
        ({"completion_tokens_details": {"reasoning_tokens": 6}}, "reasoning_tokens"),
        ({"completion_tokens_details": {"reasoning_tokens": "6"}}, "reasoning_tokens")]],
], ids=repr)
def test_a_call_counts_without_the_detail_that_cannot_be(exporter, details, field):
    reply = post(exporter, [item(**details)])
    assert reply.outcome() == (1, 0, 0)
    assert len(reply.json["warnings"]) == 1 and field in reply.json["warnings"][0]
    told = exporter.scrape()
    assert told.total("llm_tokens_total") == 15
    assert (told.find("llm_cost_usd_total") == []) == (field == "cost_usd")
    kinds = {s.labels["token_type"]: s.value for s in told.find("llm_token_usage_total")}
    assert kinds == {"input": "10", "cache_read": "0", "cache_write": "0", "output": "5", "reasoning": "0"}


@pytest.mark.parametrize("id", ["x" * 300, "é" * 128, 5], ids=["long", "long with its time", "number"])
def test_any_id_that_tells_calls_apart_does(exporter, id):
    for outcome in [(1, 0, 0), (0, 1, 0)]:
        assert post(exporter, item(litellm_call_id=id)).outcome() == outcome
    assert post(exporter, item(litellm_call_id=6 if id == 5 else id + "y")).outcome() == (1, 0, 0)


@pytest.mark.parametrize("name", ["_mine", "a\nb", "x" * 257, 5])
def test_a_name_that_no_agent_may_have_is_passed_over(exporter, name):
    metadata = {"requester_metadata": {"agent_name": name}, "spend_logs_metadata": {"agent_name": name},
                "user_api_key_alias": "key"}
    tags = [f"agent:{name}" if name != 5 else 5]
    assert post(exporter, item(metadata=metadata, request_tags=tags), X_Agent_Name="_header").outcome() == (1, 0, 0)
    assert agents(exporter) == {"key"}


@pytest.mark.parametrize("prompt", [b"\xff\xfe", b"\xed\xa0\x80", b"caf\xc3"])
def test_a_prompt_that_is_no_utf_8_costs_nothing(exporter, prompt):
    body = encode([item(messages="MARK"), item(litellm_call_id="2")]).encode().replace(b"MARK", prompt)
    assert post(exporter, body).outcome() == (2, 0, 0)


@pytest.mark.parametrize("content", [
    '"\\ud83d"', '"\\x"', "NaN", "[" * 5000 + "]" * 5000, '{"a":' * 900 + "1" + "}" * 900,
], ids=["surrogate", "escape", "NaN", "deep arrays", "deep objects"])
def test_prompts_are_stepped_over_whatever_they_hold(exporter, content):
    body = encode([item(litellm_call_id="1", messages=Raw(content)), item(litellm_call_id="2", response=Raw(content))])
    assert post(exporter, body).outcome() == (2, 0, 0)
    assert exporter.scrape().total("llm_tokens_total") == 30


def test_no_body_is_in_the_log(start):
    exporter = start("--log.level", "debug")
    post(exporter, [item(), item(model=5, litellm_call_id="SECRET ID")])
    post(exporter, '[{"messages": "SECRET PROMPT"')
    assert "SECRET" not in exporter.log


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.parametrize("wrap", [list, lambda items: {"records": [{"standard_logging_payload": i} for i in items]}],
                         ids=["array", "envelope"])
def test_a_full_batch_with_prompts(exporter, wrap):
    """500 items of 13 KB: no more memory than a few bodies, and nothing lost."""
    template = json.loads(capture("single.json"))
    items = [{**template, "litellm_call_id": f"call-{n}", "messages": [{"role": "user", "content": "lorem " * 200}]}
             for n in range(500)]
    body = json.dumps(wrap(items)).encode()
    assert 6e6 < len(body) < 9e6
    exporter.forget_memory_peak()
    watch = Stopwatch()
    assert post(exporter, body).outcome() == (500, 0, 0)
    watch.assert_within(5)
    assert exporter.scrape().total("llm_tokens_total") == 617_000
    assert exporter.memory_kib("VmHWM") - exporter.memory_kib("VmRSS") < 64 << 10
