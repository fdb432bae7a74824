"""The record of a call as it is sent: every value is within the exporter's bounds, even if the agent's is not."""

from __future__ import annotations

import datetime
import json
import math
import random
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from llm_exporter import LLMCallMetrics
from llm_exporter.sending import bounds
from llm_exporter.sending.record import START_PREFIX, Ids, encode, snapshot, weight
from peers import Exporter


def encoded(**fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    names = {"agent_name": "A", "provider": "openai", "model": "gpt", **fields}
    line = encode(snapshot(LLMCallMetrics(**names)), lambda: "made", 1700000000.5)
    assert line.body.endswith(b"\n") and line.body.count(b"\n") == 1
    return json.loads(line.body), line.mended


def test_a_call_is_one_line_with_what_is_known() -> None:
    record, mended = encoded(input_tokens=100, output_tokens=436, cost_usd=0.0002766, latency_ms=150)
    assert record == {
        "agent_name": "A",
        "provider": "openai",
        "model": "gpt",
        "id": "made",
        "input_tokens": 100,
        "output_tokens": 436,
        "cost_usd": 0.0002766,
        "latency_ms": 150.0,
    }
    assert mended == ()


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("agent_name", "  Réviseur 日本  ", "Réviseur 日本"),
        ("agent_name", "a\r\nb\x7f\x85c", "a b c"),
        ("agent_name", "__hidden", "hidden"),
        ("agent_name", "", "unknown"),
        ("agent_name", None, "unknown"),
        ("agent_name", 7, "unknown"),
        ("agent_name", "é" * 200, "é" * 128),
        ("agent_name", "\ud800x", "?x"),
        ("status", "Timed Out!", "timed_out"),
        ("status", "", "error"),
        ("status", 500, "error"),
        ("id", "", "made"),
        ("id", "x" * 257, "64 hex digits"),
        ("trace_id", "xyz", None),
        ("trace_id", "a" * 65, None),
        ("input_tokens", -1, None),
        ("input_tokens", 5.5, None),
        ("input_tokens", True, None),
        ("input_tokens", "5", None),
        ("input_tokens", 10**12 + 1, None),
        ("cost_usd", math.nan, None),
        ("cost_usd", math.inf, None),
        ("cost_usd", -0.01, None),
        ("cost_usd", 1e6 + 1, None),
        ("cost_usd", "0.1", None),
        ("latency_ms", 864e5 + 1, None),
        ("memory_rss_mb", object(), None),
        ("reasoning_tokens", 1, None),
        ("cache_read_tokens", 1, None),
        ("input_audio_tokens", 1, None),
        ("output_image_tokens", 1, None),
        ("web_search_requests", 10**6 + 1, None),
        ("web_search_requests", 0.5, None),
        ("ttft_ms", 864e5 + 1, None),
        ("ttft_ms", math.nan, None),
        ("service_tier", "on-demand!", "on_demand"),
        ("service_tier", "x" * 33, "x" * 32),
        ("service_tier", "7", None),
        ("service_tier", 5, None),
        ("search_context_size", "huge", None),
        ("search_context_size", 2, None),
        ("billing", "free", None),
        ("response_model", "__gpt\n5 ", "gpt 5"),
        ("response_model", "", None),
        ("response_model", b"gpt", None),
        ("error_type", "ignored on success", None),
    ],
)
def test_what_does_not_fit_is_mended_or_left_out_and_told(field: str, value: Any, sent: Any) -> None:
    record, mended = encoded(**{field: value})
    if sent == "64 hex digits":  # the same each time: the start and the end of a call must stay together
        assert len(record["id"]) == 64 and record["id"] == encoded(id=value)[0]["id"]
    else:
        assert record.get(field) == sent
    assert mended == (field,)


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("input_tokens", 5.0, 5),
        ("input_tokens", 0, 0),
        ("cost_usd", Decimal("0.0002766"), 0.0002766),
        ("cost_usd", -0.0, 0.0),
        ("id", "é" * 128, "é" * 128),
        ("trace_id", 0xABC, "abc".zfill(32)),
        ("status", "rate_limited", "rate_limited"),
        ("ttft_ms", 120, 120.0),
        ("web_search_requests", 3, 3),
        ("service_tier", "Flex", "flex"),
        ("search_context_size", "LOW", "low"),
        ("billing", "Plan", "plan"),
        ("response_model", "gpt-5-2026-01-01", "gpt-5-2026-01-01"),
    ],
)
def test_what_fits_is_sent_as_it_is_meant(field: str, value: Any, sent: Any) -> None:
    record, mended = encoded(**{field: value})
    assert (record[field], mended) == (sent, ())


@pytest.mark.parametrize(
    ("given", "sent", "mended"),
    [
        # Audio and images share what no cache gave or took.
        (
            {"input_tokens": 100, "cache_read_tokens": 60, "input_audio_tokens": 30, "input_image_tokens": 20},
            {"input_tokens": 100, "cache_read_tokens": 60, "input_audio_tokens": 30, "input_image_tokens": 10},
            ("input_image_tokens",),
        ),
        (
            {"output_tokens": 50, "reasoning_tokens": 10, "output_audio_tokens": 45, "output_image_tokens": 1},
            {"output_tokens": 50, "reasoning_tokens": 10, "output_audio_tokens": 40},
            ("output_audio_tokens", "output_image_tokens"),
        ),
        (
            {"input_tokens": 100, "cache_write_tokens": 20, "cache_write_1h_tokens": 30},
            {"input_tokens": 100, "cache_write_tokens": 20, "cache_write_1h_tokens": 20},
            ("cache_write_1h_tokens",),
        ),
        # Tokens written for an hour are also tokens written.
        (
            {"input_tokens": 100, "cache_write_1h_tokens": 30},
            {"input_tokens": 100, "cache_write_tokens": 30, "cache_write_1h_tokens": 30},
            (),
        ),
        (
            {"input_tokens": 100, "cache_read_tokens": 80, "cache_write_1h_tokens": 30, "input_audio_tokens": 90},
            {"input_tokens": 100, "input_audio_tokens": 90},
            ("cache_read_tokens",),
        ),
        ({"latency_ms": 100.0, "ttft_ms": 100.0}, {"latency_ms": 100.0, "ttft_ms": 100.0}, ()),
        ({"latency_ms": 100.0, "ttft_ms": 101.0}, {"latency_ms": 100.0}, ("ttft_ms",)),
        ({"input_audio_tokens": 0}, {"input_audio_tokens": 0}, ()),
    ],
)
def test_parts_are_at_most_their_whole(given: Any, sent: Any, mended: Any) -> None:
    record, told = encoded(**given)
    names = ("agent_name", "provider", "model", "id")
    assert {name: value for name, value in record.items() if name not in names} == sent
    assert told == mended


def test_an_exemplar_has_the_time_of_recording_unless_it_is_given() -> None:
    assert encoded(trace_id="ab")[0]["timestamp"] == 1700000000.5
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    assert encoded(trace_id="ab", timestamp=moment)[0]["timestamp"] == moment.timestamp()
    assert "timestamp" not in encoded()[0]


def test_the_kind_of_error_is_cleaned() -> None:
    record, mended = encoded(status="error", error_type="<class 'openai.RateLimitError'>")
    assert record["error_type"] == "class_openai.RateLimitError"
    assert mended == ("error_type",)


def test_a_start_says_only_whose_call_began() -> None:
    line = encode(snapshot(LLMCallMetrics("A", "p", "m", id="7", input_tokens=3)), lambda: "made", 0, start=True)
    assert json.loads(line.body) == {"event": "start", "agent_name": "A", "id": "7"}
    assert line.body.startswith(START_PREFIX)


def test_ids_of_two_processes_never_meet() -> None:
    one, other = Ids(), Ids()
    assert len({one() for _ in range(1000)} | {other() for _ in range(1000)}) == 2000


def test_a_waiting_record_is_charged_for_its_text() -> None:
    plain = weight(snapshot(LLMCallMetrics("A", "p", "m")))
    assert weight(snapshot(LLMCallMetrics("A" * 5000, "p", "m"))) >= plain + 4999
    assert weight(snapshot(LLMCallMetrics("A", "p", "m", response_model="m" * 5000))) >= plain + 5000
    assert weight(snapshot(LLMCallMetrics(None, 3, b"m"))) > 0  # type: ignore[arg-type]


def test_a_record_has_every_field_of_a_call() -> None:
    given: dict[str, Any] = {
        "agent_name": "A",
        "provider": "p",
        "model": "m",
        "status": "error",
        "id": "1",
        "error_type": "E",
        "timestamp": 5.0,
        "trace_id": "ab",
        "response_model": "m2",
        "service_tier": "flex",
        "search_context_size": "low",
        "billing": "plan",
        "input_tokens": 100,
        "output_tokens": 100,
    }
    given.update({field.name: 1 for field in fields(LLMCallMetrics) if field.name not in given})
    assert encoded(**given) == (given, ())


def test_the_exporter_accepts_whatever_an_agent_says(exporter: Exporter, new_monitor: Any) -> None:
    odd: list[Any] = [
        None,
        "",
        -1,
        1e300,
        math.nan,
        math.inf,
        True,
        "\ud800",
        "a\nb",
        "_x",
        "x" * 5000,
        object(),
        [],
        {},
    ]
    odd += [10**30, 0.5, b"bytes", "__", "é" * 300, 5]
    names = list(LLMCallMetrics.__dataclass_fields__)
    monitor = new_monitor(exporter.url)
    for name in names:
        for value in odd:
            monitor.record_metric(LLMCallMetrics(**{"agent_name": "A", "provider": "p", "model": "m", name: value}))
        for value in odd:
            fields = {"agent_name": "A", "provider": "p", "model": "m", "status": "error", "input_tokens": 9}
            monitor.record_metric(LLMCallMetrics(**{**fields, "output_tokens": 9, name: value}))
    assert monitor.flush(20)
    counted = monitor.statistics()
    # Ids that are given repeat here, and with other content.
    assert counted.rejected + counted.duplicates <= 2 * len(odd)
    assert counted.sent >= 2 * len(odd) * (len(names) - 1)


def test_the_exporter_accepts_wild_values_of_all_fields_at_once(exporter: Exporter, new_monitor: Any) -> None:
    wild = random.Random(7)
    counts: list[Any] = [None, 0, 1, 2, 5, 10, 100, 10**6, 10**6 + 1, 10**12, 10**12 + 1, -1, 2.0, 2.5, math.nan, True]
    amounts: list[Any] = [None, 0, 0.5, 10, 100.25, 864e5, 864e5 + 1, 1e9, -0.0, -1, math.inf, Decimal("1.5"), "1"]
    texts: list[Any] = [
        None,
        "flex",
        "Priority",
        "low",
        "HIGH",
        "plan",
        "metered",
        "",
        " ",
        "_x",
        "a\nb",
        "é" * 200,
        5,
        [],
    ]
    metrics = []
    for _ in range(3000):
        values: dict[str, Any] = {"agent_name": "A", "provider": "p", "model": f"m{wild.randrange(20)}"}
        for name in (field.name for field in fields(LLMCallMetrics)):
            if name not in values and name != "id" and wild.random() < 0.7:
                kind = counts if name in bounds.COUNTS else amounts if name in bounds.AMOUNTS else texts
                values[name] = wild.choice(kind)
        metrics.append(LLMCallMetrics(**values))
    monitor = new_monitor(exporter.url)
    for call in metrics:
        monitor.record_metric(call)
    assert monitor.flush(20)
    counted = monitor.statistics()
    assert (counted.sent, counted.rejected) == (3000, 0)
    assert counted.mended > 3000
