"""The record of a call as it is sent: every value is within the exporter's bounds, even if the agent's is not."""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from typing import Any

import pytest

from llm_exporter import LLMCallMetrics
from llm_exporter.record import START_PREFIX, Ids, encode, snapshot, weight
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
    ],
)
def test_what_fits_is_sent_as_it_is_meant(field: str, value: Any, sent: Any) -> None:
    record, mended = encoded(**{field: value})
    assert (record[field], mended) == (sent, ())


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
    assert weight(snapshot(LLMCallMetrics(None, 3, b"m"))) > 0  # type: ignore[arg-type]


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
