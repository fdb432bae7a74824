"""Each rule of the contract's table of fields, at its bounds and just beyond."""

import itertools
import json
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exporter import ABSENT, Raw, call, encode

NUMBERS = itertools.count()

INTEGERS = ["input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens",
            "reasoning_tokens"]
DECIMALS = {"cost_usd": 10**6, "latency_ms": 86_400_000, "api_latency_ms": 86_400_000, "memory_rss_mb": 10**9,
            "memory_available_mb": 10**9}
NAMES = ["agent_name", "provider", "model"]
OPTIONAL = ["status", *INTEGERS, *DECIMALS, "id", "event", "timestamp", "trace_id", "error_type"]


def fresh(**fields):
    """A record of an agent that no other test uses, unless the test is about the agent's name."""
    return call(**{"agent_name": f"agent-{next(NUMBERS)}", **fields})


def whole(field):
    """The fields without which a part would be inconsistent."""
    return {"cache_read_tokens": {"input_tokens": Raw("1e12")}, "cache_write_tokens": {"input_tokens": Raw("1e12")},
            "reasoning_tokens": {"output_tokens": Raw("1e12")}}.get(field, {})


def assert_rejected(exporter, record, code, field):
    before = exporter.calls()
    reply = exporter.post(record)
    error = reply.first_error()
    assert reply.status == 422
    assert (error["index"], error["code"]) == (0, code), error
    fields = field if isinstance(field, set) else {field}
    assert error.get("field") in fields, error
    assert exporter.calls() == before


def assert_accepted(exporter, record):
    reply = exporter.post(record)
    assert reply.outcome() == (1, 0, 0), reply
    return reply.json


# Names

@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize("value, code", [
    (ABSENT, "missing"), (None, "missing"),
    (5, "wrong_type"), (True, "wrong_type"), (["a"], "wrong_type"), ({"a": 1}, "wrong_type"),
    ("", "empty"), ("   ", "empty"),
    ("a" * 257, "too_long"), ("é" * 128 + "a", "too_long"), ("🐙" * 64 + "a", "too_long"),
    ("_hidden", "reserved"), ("  _hidden", "reserved"), ("_other", "reserved"), ("_", "reserved"),
    *((f"a{c}b", "control_character")
      for c in ("\0", "\t", "\n", "\r\n", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f")),
    ("\ta", "control_character"), ("a\n", "control_character"),
], ids=repr)
def test_a_name_out_of_its_bounds_is_rejected(standing, field, value, code):
    # json.dumps() escapes control characters: as they are they would be a defect of the syntax, not of the name.
    if isinstance(value, str):
        value = Raw(json.dumps(value))
    assert_rejected(standing, {**fresh(), field: value}, code, field)


@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize("sent, shown", [
    ("a", "a"), ("a_b", "a_b"), ("a" * 256, "a" * 256), ("é" * 128, "é" * 128), ("🐙" * 64, "🐙" * 64),
    ("  padded  ", "padded"), (" " * 200 + "b" * 256 + " " * 200, "b" * 256), ("two  words", "two  words"),
    ("\u00a0", "\u00a0"), ("\u200e", "\u200e"), ("\u2028", "\u2028"),
    ("e\u0301", "e\u0301"), ("\u00e9", "\u00e9"), ("\ufeff", "\ufeff"), ("\U0010ffff", "\U0010ffff"),
    ('"', '"'), ("\\", "\\"), ("\\n", "\\n"), ("NaN", "NaN"), ("{}=,#", "{}=,#"),
], ids=repr)
def test_a_name_within_its_bounds_is_shown_as_sent_without_spaces_around(exporter, field, sent, shown):
    assert_accepted(exporter, call(**{field: sent}))
    assert [s.labels[field] for s in exporter.scrape().find("llm_calls_total", status="success")] == [shown]


def test_an_escaped_name_is_the_name(exporter):
    assert_accepted(exporter, Raw(r'{"agent_name":"\u0041\u00e9\ud83d\udc19\/","provider":"p","model":"m"}'))
    assert_accepted(exporter, Raw('{"agent_name":"Aé🐙/","provider":"p","model":"m"}'))
    assert exporter.scrape().value("llm_calls_total", agent_name="Aé🐙/", provider="p", model="m",
                                   status="success") == "2"


def test_composed_and_decomposed_letters_are_two_series(exporter):
    for name in ("\u00e9", "e\u0301", "\u00e9"):
        assert_accepted(exporter, call(agent_name=name))
    shown = exporter.scrape()
    labels = {"provider": "acme", "model": "parrot-1", "status": "success"}
    assert shown.value("llm_calls_total", agent_name="\u00e9", **labels) == "2"
    assert shown.value("llm_calls_total", agent_name="e\u0301", **labels) == "1"


@pytest.mark.parametrize("text", [
    r'{"agent_name":"\ud800","provider":"p","model":"m"}',
    r'{"agent_name":"\udc00a","provider":"p","model":"m"}',
])
def test_half_a_surrogate_pair_is_no_name(standing, text):
    before = standing.calls()
    assert standing.post(text).status in (400, 422)
    assert standing.calls() == before


# Status

@pytest.mark.parametrize("value, code", [
    ("", "invalid_format"), ("Success", "invalid_format"), ("1st", "invalid_format"), ("_a", "invalid_format"),
    ("a-b", "invalid_format"), ("a b", "invalid_format"), (" success", "invalid_format"), ("é", "invalid_format"),
    ("a" * 33, "invalid_format"), ("success\n", "invalid_format"),
    (200, "wrong_type"), (False, "wrong_type"), ({}, "wrong_type"),
], ids=repr)
def test_a_status_of_another_form_is_rejected(standing, value, code):
    assert_rejected(standing, fresh(status=value), code, "status")


@pytest.mark.parametrize("value", ["error", "timeout", "a", "a" * 32, "http_500", "z9_"])
def test_any_status_but_success_counts_as_an_error(exporter, value):
    assert_accepted(exporter, call(status=value))
    shown = exporter.scrape()
    labels = {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1"}
    assert shown.value("llm_calls_total", **labels, status=value) == "1"
    assert shown.value("llm_calls_total", **labels, status="success") == "0"
    assert shown.value("llm_errors_total", **labels, error_type="unknown") == "1"
    told = exporter.summary()
    assert (told["success_calls"], told["error_calls"]) == (0, 1)
    assert told["agents"]["TestAgent"]["errors"] == 1


@pytest.mark.parametrize("value", [ABSENT, None, "success"], ids=repr)
def test_success_is_the_default_status(exporter, value):
    assert_accepted(exporter, call(status=value))
    shown = exporter.scrape()
    labels = {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1"}
    assert shown.value("llm_calls_total", **labels, status="success") == "1"
    assert shown.value("llm_calls_total", **labels, status="error") == "0"
    assert not shown.find("llm_errors_total")


# Integers

@pytest.mark.parametrize("field", INTEGERS)
@pytest.mark.parametrize("text, code", [
    ("-1", "out_of_range"), ("-1e3", "out_of_range"), ("1000000000001", "out_of_range"), ("1e13", "out_of_range"),
    ("1000000000001.0", "out_of_range"), ("9223372036854775808", "out_of_range"),
    ("18446744073709551616", "out_of_range"), ("1e300", "out_of_range"),
    ("5.5", "not_integer"), ("0.1", "not_integer"), ("1e-1", "not_integer"), ("15e-1", "not_integer"),
    ("5.00000000000000000001", "not_integer"),
    ('"5"', "wrong_type"), ("true", "wrong_type"), ("[5]", "wrong_type"), ("{}", "wrong_type"), ('""', "wrong_type"),
])
def test_a_token_count_out_of_its_bounds_is_rejected(standing, field, text, code):
    assert_rejected(standing, fresh(**whole(field), **{field: Raw(text)}), code, field)


@pytest.mark.parametrize("text, value", [
    ("0", 0), ("0.0", 0), ("1", 1), ("5.0", 5), ("1e3", 1000), ("1E+3", 1000), ("1.5e1", 15), ("100e-2", 1),
    ("1e12", 10**12), ("1000000000000", 10**12), ("1000000000000.000", 10**12),
])
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "total_tokens"])
def test_a_whole_number_is_an_integer_however_it_is_written(standing, field, text, value):
    record = fresh(**{field: Raw(text)})
    assert_accepted(standing, record)
    assert standing.scrape().total("llm_tokens_total", agent_name=record["agent_name"]) == value


@pytest.mark.parametrize("text", ["5.0", "5e0", "50E-1", "5"])
@pytest.mark.parametrize("field, kind", [("cache_read_tokens", "cache_read"), ("cache_write_tokens", "cache_write"),
                                         ("reasoning_tokens", "reasoning")])
def test_a_part_is_an_integer_too(standing, field, kind, text):
    record = fresh(input_tokens=9, output_tokens=9, **{field: Raw(text)})
    assert_accepted(standing, record)
    shown = standing.scrape().find("llm_token_usage_total", agent_name=record["agent_name"], token_type=kind)
    assert [s.value for s in shown] == ["5"]


def test_total_tokens_is_the_total_and_else_input_and_output_are(exporter):
    exporter.post_lines([call(agent_name="A", total_tokens=7, input_tokens=1, output_tokens=2),
                         call(agent_name="B", input_tokens=1, output_tokens=2),
                         call(agent_name="C", input_tokens=4), call(agent_name="D", output_tokens=5),
                         call(agent_name="E")]).outcome()
    shown = exporter.scrape()
    totals = {s.labels["agent_name"]: s.value for s in shown.find("llm_tokens_total")}
    assert totals == {"A": "7", "B": "3", "C": "4", "D": "5", "E": "0"}
    missing = {s.labels["agent_name"]: s.value for s in shown.find("llm_calls_usage_missing_total")}
    assert (missing["A"], missing["B"], missing["E"]) == ("0", "0", "1")


def test_last_call_gauges_keep_the_last_value_that_arrived(exporter):
    for tokens in ({"input_tokens": 10, "output_tokens": 20}, {"input_tokens": 7}, {}, {"output_tokens": None}):
        assert_accepted(exporter, call(**tokens))
    shown = exporter.scrape()
    labels = {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1"}
    assert shown.value("llm_input_tokens_last_call", **labels) == "7"
    assert shown.value("llm_output_tokens_last_call", **labels) == "20"


def test_token_kinds_do_not_overlap(exporter):
    assert_accepted(exporter, call(input_tokens=100, cache_read_tokens=30, cache_write_tokens=20, output_tokens=50,
                                   reasoning_tokens=15))
    kinds = {s.labels["token_type"]: s.value for s in exporter.scrape().find("llm_token_usage_total")}
    assert kinds == {"input": "50", "cache_read": "30", "cache_write": "20", "output": "35", "reasoning": "15"}
    assert exporter.scrape().total("llm_tokens_total") == 150


@pytest.mark.parametrize("fields, at_fault", [
    ({"input_tokens": 10, "cache_read_tokens": 11}, {"cache_read_tokens", "input_tokens"}),
    ({"input_tokens": 10, "cache_write_tokens": 11}, {"cache_write_tokens", "input_tokens"}),
    ({"input_tokens": 10, "cache_read_tokens": 6, "cache_write_tokens": 5},
     {"cache_read_tokens", "cache_write_tokens", "input_tokens"}),
    ({"input_tokens": 10**12, "cache_read_tokens": 10**12, "cache_write_tokens": 10**12},
     {"cache_read_tokens", "cache_write_tokens", "input_tokens"}),
    ({"output_tokens": 10, "reasoning_tokens": 11}, {"reasoning_tokens", "output_tokens"}),
    ({"cache_read_tokens": 1}, {"cache_read_tokens", "input_tokens"}),
    ({"cache_write_tokens": 1}, {"cache_write_tokens", "input_tokens"}),
    ({"reasoning_tokens": 1}, {"reasoning_tokens", "output_tokens"}),
    ({"total_tokens": 10, "reasoning_tokens": 1}, {"reasoning_tokens", "output_tokens"}),
])
def test_parts_beyond_their_whole_are_inconsistent(standing, fields, at_fault):
    assert_rejected(standing, fresh(**fields), "inconsistent", at_fault)


@pytest.mark.parametrize("fields", [
    {"input_tokens": 10, "cache_read_tokens": 10},
    {"input_tokens": 10, "cache_read_tokens": 4, "cache_write_tokens": 6},
    {"output_tokens": 10, "reasoning_tokens": 10}, {"cache_read_tokens": 0, "cache_write_tokens": 0,
                                                    "reasoning_tokens": 0},
])
def test_parts_as_large_as_their_whole_are_taken(standing, fields):
    assert_accepted(standing, fresh(**fields))


# Decimals

@pytest.mark.parametrize("field, most", DECIMALS.items())
def test_a_decimal_is_taken_up_to_its_bound_and_no_further(standing, field, most):
    for text in ("0", "0.0", "1e-9", "12.5", str(most), f"{most}.0", f"{most // 100}e2"):
        assert_accepted(standing, fresh(**{field: Raw(text)}))
    for text in ("-1", "-0.001", "-1e-7", f"{most}.001", str(most + 1), "1e20", "1e300"):
        assert_rejected(standing, fresh(**{field: Raw(text)}), "out_of_range", field)
    # Bounds hold before rounding.
    assert_rejected(standing, fresh(**{field: Raw(f"{most}.{'0' * 12}1")}), "out_of_range", field)
    for text in ('"1"', "true", "[]", "{}", '"NaN"'):
        assert_rejected(standing, fresh(**{field: Raw(text)}), "wrong_type", field)


@pytest.mark.parametrize("field", [*INTEGERS, *DECIMALS])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "nan", "1.", ".5", "+1", "01", "0x10", "1e", "--1"])
def test_what_json_does_not_call_a_number_is_400(standing, field, text):
    before = standing.calls()
    standing.post(fresh(**{field: Raw(text)})).problem(400)
    assert standing.calls() == before


@pytest.mark.parametrize("field", ["input_tokens", "cost_usd", "latency_ms", "memory_rss_mb"])
@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e99999999999999999999", "9" * 5000])
def test_a_number_beyond_every_machine_number_is_refused(standing, field, text):
    before = standing.calls()
    assert standing.post(fresh(**{field: Raw(text)})).status in (400, 422)
    assert standing.calls() == before


@pytest.mark.parametrize("costs, shown", [
    (["1e-12"], "0.000000000001"),
    (["1e-12"] * 1000, "0.000000001"),
    (["0.1", "0.2"], "0.3"),
    (["0.1"] * 10, "1"),
    (["0.0000691"] * 1000, "0.0691"),
    (["0.5e-12"], "0"), (["0.50000000000000000001e-12"], "0.000000000001"),
    (["1.5e-12"], "0.000000000002"), (["2.5e-12"], "0.000000000002"), (["3.5e-12"], "0.000000000004"),
    (["2.4999999999999999999999999e-12"], "0.000000000002"),
    # Rounded once for each call, not once for the sum.
    (["0.4e-12"] * 10, "0"), (["0.6e-12"] * 10, "0.00000000001"),
    (["999999.999999999999"], "999999.999999999999"),
    (["999999.9999999999995"], "1000000"),
    (["1e6"] * 50, "50000000"), (["1E+6", "1e-12"], "1000000.000000000001"),
    (["0.1000000000000000055511151231257827"], "0.1"),
    (["0." + "0" * 400 + "1"], "0"), (["1e-400"], "0"), (["0e400"], "0"),
    (["123456.789012345678"], "123456.789012345678"),
    (["12345678901234567890e-19"], "1.234567890123"), (["0"], "0"), (["0.0"], "0"),
], ids=lambda v: v if isinstance(v, str) else f"{v[0][:24]}x{len(v)}")
def test_money_is_exact(standing, costs, shown):
    record = fresh()
    reply = standing.post([{**record, "cost_usd": Raw(cost)} for cost in costs])
    assert reply.outcome() == (len(costs), 0, 0)
    assert [s.value for s in standing.scrape().find("llm_cost_usd_total", agent_name=record["agent_name"])] == [shown]


def test_a_call_without_a_price_is_unpriced_and_never_a_silent_zero(exporter):
    for cost in (ABSENT, None):
        assert_accepted(exporter, call(input_tokens=5, cost_usd=cost))
    shown = exporter.scrape()
    assert not shown.find("llm_cost_usd_total")
    assert shown.value("llm_calls_unpriced_total", provider="acme", model="parrot-1") == "2"
    assert_accepted(exporter, call(input_tokens=5, cost_usd=0))
    shown = exporter.scrape()
    assert shown.value("llm_cost_usd_total", agent_name="TestAgent", provider="acme", model="parrot-1") == "0"
    assert shown.value("llm_calls_unpriced_total", provider="acme", model="parrot-1") == "2"


@pytest.mark.parametrize("field, family, labels", [
    ("latency_ms", "llm_latency_seconds", {"provider": "acme", "model": "parrot-1"}),
    ("api_latency_ms", "llm_api_latency_seconds", {"provider": "acme"}),
])
def test_only_a_record_with_that_latency_is_observed(exporter, field, family, labels):
    labels = {"agent_name": "TestAgent", **labels}
    assert_accepted(exporter, call())
    assert_accepted(exporter, call(**{field: None}))
    assert not exporter.scrape().find(f"{family}_count")
    for text in ("0", "100", "100.001", "0.001", "2000", "10000", "10000.001", "86400000"):
        assert_accepted(exporter, call(**{field: Raw(text)}))
    shown = exporter.scrape()
    # A bound belongs to its bucket: le says "less or equal".
    assert [(s.labels["le"], s.value) for s in shown.find(f"{family}_bucket", **labels)] == [
        ("0.1", "3"), ("0.5", "4"), ("1.0", "4"), ("2.5", "5"), ("5.0", "5"), ("10.0", "6"), ("+Inf", "8")]
    assert shown.value(f"{family}_count", **labels) == "8"
    assert shown.value(f"{family}_sum", **labels) == "86422.200003"
    assert not shown.find({"llm_latency_seconds": "llm_api_latency_seconds_count"}.get(
        family, "llm_latency_seconds_count"))


def test_seconds_are_summed_exactly_to_the_microsecond(exporter):
    exporter.post_lines([call(latency_ms=Raw("0.1"))] * 1000 + [call(latency_ms=Raw("5807.4795"))]).outcome()
    assert [s.value for s in exporter.scrape().find("llm_latency_seconds_sum")] in (["5.90748"], ["5.907479"])


def test_memory_gauges_keep_the_last_value(exporter):
    for fields in ({"memory_rss_mb": Raw("256.0"), "memory_available_mb": Raw("1024.5")}, {"memory_rss_mb": Raw("0.1")},
                   {}, {"memory_rss_mb": None}):
        assert_accepted(exporter, call(**fields))
    assert_accepted(exporter, call(agent_name="Other", memory_available_mb=Raw("1e9")))
    shown = exporter.scrape()
    assert shown.value("llm_memory_rss_mb", agent_name="TestAgent") == "0.1"
    assert shown.get("llm_memory_rss_mb", agent_name="Other") is None
    assert float(shown.value("llm_memory_available_mb")) == 1e9


# id, event

@pytest.mark.parametrize("value, code", [
    ("", "empty"), ("a" * 257, "too_long"), ("é" * 129, "too_long"),
    (5, "wrong_type"), (True, "wrong_type"), ([], "wrong_type"),
], ids=repr)
def test_an_id_out_of_its_bounds_is_rejected(standing, value, code):
    assert_rejected(standing, fresh(id=value), code, "id")


@pytest.mark.parametrize("value", ["a", "a" * 256, "é" * 128, " ", " a ", "_a", "a\nb", "\0", None], ids=repr)
def test_an_id_within_its_bounds_is_taken(standing, value):
    assert_accepted(standing, fresh(id=Raw(json.dumps(value))))


@pytest.mark.parametrize("value, code", [
    ("stop", "invalid_format"), ("", "invalid_format"), ("Start", "invalid_format"), (" end", "invalid_format"),
    (1, "wrong_type"), (False, "wrong_type"),
], ids=repr)
def test_an_event_is_start_or_end(standing, value, code):
    assert_rejected(standing, fresh(event=value, id="e-1"), code, "event")


@pytest.mark.parametrize("value", [ABSENT, None, "end"], ids=repr)
def test_end_is_the_default_event(standing, value):
    record = fresh(event=value)
    assert_accepted(standing, record)
    assert standing.scrape().total("llm_calls_total", agent_name=record["agent_name"]) == 1


@pytest.mark.parametrize("record, code, field", [
    ({"event": "start", "agent_name": "S"}, "missing", "id"),
    ({"event": "start", "agent_name": "S", "id": None}, "missing", "id"),
    ({"event": "start", "agent_name": "S", "id": ""}, "empty", "id"),
    ({"event": "start", "id": "1"}, "missing", "agent_name"),
    ({"event": "start", "agent_name": "_S", "id": "1"}, "reserved", "agent_name"),
    ({"event": "end", "agent_name": "S", "id": "1"}, "missing", "provider"),
])
def test_a_start_needs_its_agent_and_id_only(standing, record, code, field):
    assert_rejected(standing, record, code, field)


# timestamp, trace_id

@pytest.mark.parametrize("value, code", [
    ("yesterday", "invalid_format"), ("", "invalid_format"), ("2024-05-01", "invalid_format"),
    ("2024-05-01T12:00:00", "invalid_format"), ("2024-13-01T12:00:00Z", "invalid_format"),
    ("2024-02-30T12:00:00Z", "invalid_format"), ("2023-02-29T12:00:00Z", "invalid_format"),
    ("2024-05-01T24:00:00Z", "invalid_format"), ("2024-05-01T12:60:00Z", "invalid_format"),
    ("2024-05-01T12:00:00.Z", "invalid_format"), ("2024-05-01T12:00:00+2:00", "invalid_format"),
    ("2024-05-01T12:00:60Z", "invalid_format"), ("2024-05-01 12:00:00Z", "invalid_format"),
    ("2024-05-01T12:00:00Zjunk", "invalid_format"), (Raw("-1"), "out_of_range"), ("1714564800", "invalid_format"),
    (True, "wrong_type"), ({}, "wrong_type"),
], ids=repr)
def test_a_timestamp_of_another_form_is_rejected(standing, value, code):
    assert_rejected(standing, fresh(timestamp=value), code, "timestamp")


@pytest.mark.parametrize("value", [
    "2024-05-01T12:00:00Z", "2024-02-29T12:00:00Z", "2024-05-01T12:00:00.123456789Z", "2024-05-01T12:00:00+02:00",
    "2024-05-01T12:00:00-11:30", "2016-12-31T23:59:60Z", "2017-01-01T00:59:60+01:00",
    "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z",
    0, 1714564800, Raw("1714564800.125"), Raw("1.7145648e9"), None,
], ids=repr)
def test_a_timestamp_is_rfc_3339_or_unix_seconds(standing, value):
    assert_accepted(standing, fresh(timestamp=value))


@pytest.mark.parametrize("value, code", [
    ("", "invalid_format"), ("a" * 65, "invalid_format"), ("xyz", "invalid_format"), ("0x1f", "invalid_format"),
    ("ab cd", "invalid_format"), ("ab-cd", "invalid_format"), ("é", "invalid_format"), ("１", "invalid_format"),  # noqa: RUF001  a digit, but not of ASCII
    (5, "wrong_type"), (True, "wrong_type"),
], ids=repr)
def test_a_trace_id_of_another_form_is_rejected(standing, value, code):
    assert_rejected(standing, fresh(trace_id=value), code, "trace_id")


@pytest.mark.parametrize("value", ["0", "f", "4bf92f3577b34da6a3ce929d0e0e4736", "a" * 64, None], ids=repr)
def test_a_trace_id_is_up_to_64_hex_digits(standing, value):
    assert_accepted(standing, fresh(trace_id=value))


def exemplars(shown, family):
    return {s.labels["le"]: s.exemplar for s in shown.find(f"{family}_bucket") if s.exemplar}


@pytest.mark.parametrize("field, family", [("latency_ms", "llm_latency_seconds"),
                                           ("api_latency_ms", "llm_api_latency_seconds")])
def test_a_trace_id_becomes_the_exemplar_of_its_bucket(exporter, field, family):
    before = time.time()
    assert_accepted(exporter, call(trace_id="aaa1", **{field: 200}))
    assert_accepted(exporter, call(trace_id="bbb2", **{field: 300}))
    assert_accepted(exporter, call(trace_id="ccc3", **{field: 20_000}))
    assert_accepted(exporter, call(**{field: 400}))
    shown = exemplars(exporter.openmetrics(), family)
    # The newest replaces; a record without a trace replaces nothing.
    assert {le: e.labels for le, e in shown.items()} == {"0.5": {"trace_id": "bbb2"}, "+Inf": {"trace_id": "ccc3"}}
    assert {le: Decimal(e.value) for le, e in shown.items()} == {"0.5": Decimal("0.3"), "+Inf": 20}
    for exemplar in shown.values():
        assert before - 0.01 <= float(exemplar.timestamp) <= time.time() + 0.01
    assert not any(s.exemplar for s in exporter.scrape().samples), "text 0.0.4 has no exemplars"
    assert " # " not in exporter.scrape().text.replace("\n# ", "")


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)], ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one body", "posts"])
def test_the_newest_exemplar_by_its_own_time_stays_whichever_came_first(exporter, order, together):
    now = int(time.time())
    records = [call(latency_ms=120, timestamp=now - 120, trace_id="bbbb"),
               call(latency_ms=130, timestamp=now - 60, trace_id="ab"),
               call(latency_ms=140, timestamp=now - 60, trace_id="aa")]
    for batch in [[records[n] for n in order]] if together else [[records[n]] for n in order]:
        assert exporter.post(batch).outcome() == (len(batch), 0, 0)
    [exemplar] = exemplars(exporter.openmetrics(), "llm_latency_seconds").values()
    assert exemplar.labels == {"trace_id": "ab"}
    assert Decimal(exemplar.timestamp) == now - 60
    assert Decimal(exemplar.value) == Decimal("0.13")


def test_the_newest_exemplar_stays_across_a_restart(start, tmp_path):
    now = int(time.time())
    exporter = start(storage=tmp_path / "state")
    assert_accepted(exporter, call(latency_ms=120, timestamp=now - 10, trace_id="aaaa"))
    exporter.kill()
    exporter = start(storage=tmp_path / "state")
    assert_accepted(exporter, call(latency_ms=120, timestamp=now - 120, trace_id="bbbb"))
    [exemplar] = exemplars(exporter.openmetrics(), "llm_latency_seconds").values()
    assert exemplar.labels == {"trace_id": "aaaa"}


@pytest.mark.parametrize("written", ["unix", "unix_decimal", "rfc3339", "rfc3339_offset"])
def test_a_recent_timestamp_is_the_time_of_the_exemplar(exporter, written):
    moment = int(time.time()) - 300
    text = {"unix": moment, "unix_decimal": Raw(f"{moment}.5"),
            "rfc3339": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.5Z"),
            "rfc3339_offset": datetime.fromtimestamp(moment + 7200, UTC).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            }[written]
    assert_accepted(exporter, call(trace_id="abc", latency_ms=1, timestamp=text))
    [exemplar] = exemplars(exporter.openmetrics(), "llm_latency_seconds").values()
    assert Decimal(exemplar.timestamp) == moment + (Decimal("0.5") if ".5" in str(text) else 0)


@pytest.mark.parametrize("seconds_ago", [601, 86400, 10**9, -10**8])
def test_any_other_timestamp_gives_way_to_the_arrival(exporter, seconds_ago):
    before = time.time()
    assert_accepted(exporter, call(trace_id="abc", latency_ms=1, timestamp=int(before) - seconds_ago))
    [exemplar] = exemplars(exporter.openmetrics(), "llm_latency_seconds").values()
    assert before - 0.01 <= float(exemplar.timestamp) <= time.time() + 0.01


# error_type

@pytest.mark.parametrize("value, code", [
    ("", "invalid_format"), ("-a", "invalid_format"), (".a", "invalid_format"), (":a", "invalid_format"),
    ("a b", "invalid_format"), ("a/b", "invalid_format"), ("é", "invalid_format"), ("a" * 65, "invalid_format"),
    (500, "wrong_type"), (True, "wrong_type"),
], ids=repr)
def test_an_error_type_of_another_form_is_rejected(standing, value, code):
    assert_rejected(standing, fresh(status="error", error_type=value), code, "error_type")


@pytest.mark.parametrize("value", ["a", "_a", "9", "a" * 64, "openai.RateLimitError", "http:429", "A-b_c.d:e"])
def test_an_error_type_of_the_form_is_counted(standing, value):
    record = fresh(status="timeout", error_type=value)
    assert "warnings" not in assert_accepted(standing, record)
    shown = standing.scrape().find("llm_errors_total", agent_name=record["agent_name"])
    assert [(s.labels["error_type"], s.value) for s in shown] == [(value, "1")]


@pytest.mark.parametrize("value", [ABSENT, None], ids=repr)
def test_an_error_without_a_type_is_unknown(standing, value):
    record = fresh(status="error", error_type=value)
    assert "warnings" not in assert_accepted(standing, record)
    shown = standing.scrape().find("llm_errors_total", agent_name=record["agent_name"])
    assert [(s.labels["error_type"], s.value) for s in shown] == [("unknown", "1")]


def test_an_error_type_with_success_is_ignored_and_warned_of(standing):
    record = fresh(error_type="boom")
    told = assert_accepted(standing, record)
    assert any("error_type" in warning for warning in told["warnings"]), told
    assert not standing.scrape().find("llm_errors_total", agent_name=record["agent_name"])


# Any field

@pytest.mark.parametrize("field", OPTIONAL)
def test_null_in_an_optional_field_is_its_absence(standing, field):
    assert "warnings" not in assert_accepted(standing, fresh(**{field: None}))


@pytest.mark.parametrize("field", [*NAMES, *OPTIONAL])
@pytest.mark.parametrize("spelling", ["plain", "escaped"])
@pytest.mark.parametrize("value", ["same", "null"])
def test_a_known_key_twice_is_an_error(standing, field, spelling, value):
    record = {"agent_name": '"Twice"', "provider": '"acme"', "model": '"m"', "status": '"error"', "input_tokens": "5",
              "output_tokens": "5", "total_tokens": "5", "cache_read_tokens": "1", "cache_write_tokens": "1",
              "reasoning_tokens": "1", "cost_usd": "1", "latency_ms": "1", "api_latency_ms": "1", "memory_rss_mb": "1",
              "memory_available_mb": "1", "id": '"i"', "event": '"end"', "timestamp": "1714564800",
              "trace_id": '"ab"', "error_type": '"e"'}
    again = field if spelling == "plain" else f"\\u{ord(field[0]):04X}{field[1:]}"
    members = [f'"{k}":{v}' for k, v in record.items()] + [f'"{again}":{record[field] if value == "same" else "null"}']
    assert_rejected(standing, Raw("{" + ",".join(members) + "}"), "duplicate_key", {field})


def test_a_key_in_an_escaped_spelling_is_the_key(standing):
    record = Raw(r'{"\u0061gent_name":"Escaped","provider":"acme","\u006dodel":"m","input\u005ftokens":3}')
    assert "warnings" not in assert_accepted(standing, record)
    assert standing.scrape().total("llm_tokens_total", agent_name="Escaped") == 3


def test_an_unknown_key_twice_is_no_error(standing):
    assert_accepted(standing, Raw(encode(fresh())[:-1] + ',"note":1,"note":2}'))


@pytest.mark.parametrize("value", [
    Raw("1"), "text", None, True, [], {}, [[1, {"a": [None]}]], {"model": 5, "a": {"model": 1}}, Raw("1e400"),
    Raw('"\\u0000"'), Raw("[" * 50 + "]" * 50)], ids=lambda v: encode(v)[:24])
def test_an_unknown_field_is_ignored_counted_and_named(standing, value):
    before = standing.scrape().total("llm_exporter_unknown_fields_total")
    told = assert_accepted(standing, {**fresh(), "prompt_title": value})
    assert any("prompt_title" in warning for warning in told["warnings"]), told
    assert standing.scrape().total("llm_exporter_unknown_fields_total") == before + 1


@pytest.mark.parametrize("key", ["Agent_name", "agent_name ", "agent-name", "tokens", "latency", ""])
def test_a_field_is_known_by_its_exact_name_only(standing, key):
    told = assert_accepted(standing, {**fresh(), key: 1})
    assert told["warnings"]


def test_the_unknown_fields_of_a_rejected_record_count_and_are_warned_of_too(standing):
    before = standing.scrape().total("llm_exporter_unknown_fields_total")
    told = standing.post([fresh(), {**fresh(), "modell": "x", "model": ABSENT}])
    assert told.outcome() == (1, 0, 1)
    assert any("modell" in warning for warning in told.json["warnings"]), told
    assert standing.scrape().total("llm_exporter_unknown_fields_total") == before + 1


def test_a_refused_request_is_told_of_its_misspelt_field(standing):
    told = standing.post({**fresh(), "modell": "x", "model": ABSENT}).problem(422)
    assert told["errors"][0]["field"] == "model" and told["rejected"] == 1
    assert any("modell" in warning for warning in told["warnings"]), told


def test_a_record_without_unknown_fields_has_no_warnings(standing):
    told = assert_accepted(standing, fresh(input_tokens=1))
    assert told.get("warnings", []) == []
    assert "warnings" not in told


@pytest.mark.parametrize("record, field, code", [
    ({"model": 5, "provider": None, "agent_name": ""}, "agent_name", "empty"),
    ({"model": 5, "agent_name": "A"}, "provider", "missing"),
    (call(latency_ms=-1, input_tokens="5", status="X"), "status", "invalid_format"),
    (call(trace_id="?", cost_usd=-1), "cost_usd", "out_of_range"),
    (call(cost_usd=-1, reasoning_tokens=5), "reasoning_tokens", "inconsistent"),
], ids=repr)
def test_the_error_named_is_the_first_of_the_table(standing, record, field, code):
    error = standing.post(record).first_error()
    assert (error["field"], error["code"]) == (field, code)


def test_rejected_records_are_counted_by_reason(exporter):
    exporter.post_lines([call(latency_ms=-1), call(model=""), call(model="  "), call(), Raw("nonsense"), Raw("5")]
                        ).outcome()
    shown = exporter.scrape()
    reasons = {s.labels["reason"]: s.value for s in shown.find("llm_exporter_records_rejected_total") if s.value != "0"}
    assert reasons == {"out_of_range": "1", "empty": "2", "malformed_json": "1", "not_an_object": "1"}
    assert shown.value("llm_exporter_records_accepted_total") == "1"


def test_at_most_100_errors_are_listed_and_all_are_counted(standing):
    reply = standing.post([fresh(latency_ms=-1) for _ in range(150)] + [fresh()])
    assert reply.outcome() == (1, 0, 150)
    assert [error["index"] for error in reply.json["errors"]] == list(range(100))


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_a_record_that_would_carry_tokens_past_their_bound_is_rejected(start):
    """2^63 - 1 tokens take 4.6 million records of the largest size: 14 compressed bodies."""
    import zstandard
    exporter = start("--web.max-body-size", "64MiB")
    line = b'{"agent_name":"A","provider":"p","model":"m","input_tokens":1e12,"output_tokens":1e12}\n'
    most = 2**63 - 1
    left = most // (2 * 10**12)
    while left:
        count = min(left, 700_000)
        reply = exporter.post(zstandard.compress(line * count),
                              {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"})
        assert reply.outcome() == (count, 0, 0)
        left -= count
    big = {"agent_name": "A", "provider": "p", "model": "m"}
    rest = most % (2 * 10**12)
    error = exporter.post({**big, "total_tokens": rest + 1}).first_error()
    assert error["code"] == "total_overflow"
    # A batch of which each record alone would fit is held to the bound too.
    reply = exporter.post([{**big, "total_tokens": rest}, {**big, "total_tokens": 1}, {**big, "total_tokens": 0}])
    assert reply.outcome() == (2, 0, 1)
    assert [(e["index"], e["code"]) for e in reply.json["errors"]] == [(1, "total_overflow")]
    shown = exporter.scrape()
    assert shown.value("llm_tokens_total", **big) == "9223372036854775807"
    assert exporter.post(call(total_tokens=5)).outcome() == (1, 0, 0), "other series go on"
    told = exporter.summary()
    assert told["agents"]["A"]["tokens"] == most
    assert told["total_tokens"] == most + 5, "a sum over agents has no such bound"
