"""Off-peak prices: by the call's time if that is within 24 hours before its arrival, else by its arrival."""

from __future__ import annotations

import datetime
import json

import pytest

from exporter import FIXTURES, JSON
from time_of_day import TimeOfDay

CASE = FIXTURES / "cases" / "record-deepseek-off-peak.json"
NIGHT = {"agent_name": "night", "provider": "deepseek", "model": "deepseek-v4-pro"}

PEAK, OFF_PEAK = "0.12056", "0.06028"


def is_off_peak(time):
    """DeepSeek's hours in the shipped table: weekends, and 00-01, 04-06 and 10-24 UTC from Monday to Friday."""
    return time.isoweekday() >= 6 or time.hour == 0 or time.hour in (4, 5) or time.hour >= 10


def charged(exporter, **fields):
    before = exporter.scrape().get("llm_cost_usd_total", **NIGHT)
    assert before is None, "one record an exporter"
    record = {**json.loads(CASE.read_text()), **fields}
    assert exporter.post(json.dumps(record)).outcome() == (1, 0, 0)
    return exporter.scrape().value("llm_cost_usd_total", **NIGHT)


def test_the_case_of_a_public_report_costs_what_the_hour_of_its_arrival_costs(start):
    exporter = start(shipped_prices=True)
    before = datetime.datetime.now(datetime.UTC)
    assert exporter.post(CASE.read_bytes(), JSON).outcome() == (1, 0, 0)
    shown = exporter.scrape().value("llm_cost_usd_total", **NIGHT)
    hours = {is_off_peak(before), is_off_peak(datetime.datetime.now(datetime.UTC))}
    assert shown in {OFF_PEAK if off else PEAK for off in hours}


def test_the_hours_of_the_last_day_are_told_apart(start):
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    times = [now - datetime.timedelta(hours=hours) for hours in range(24)]
    picked = {is_off_peak(time): time for time in times}
    for off, hour in picked.items():
        # The middle of an hour within the last day is in its window at each minute of the test.
        time = hour.replace(minute=30, second=0)
        if not now - datetime.timedelta(hours=23) < time < now or is_off_peak(time) != off:
            continue
        exporter = start(shipped_prices=True)
        assert charged(exporter, timestamp=time.isoformat()) == (OFF_PEAK if off else PEAK), time


@pytest.mark.parametrize("timestamp, cost", [
    # It arrives on Tuesday at noon, off-peak.
    (None, OFF_PEAK), ("2026-12-01T00:59:59.999Z", OFF_PEAK), ("2026-12-01T01:00:00Z", PEAK),
    ("2026-12-01T03:59:59.999Z", PEAK), ("2026-12-01T04:00:00Z", OFF_PEAK), ("2026-12-01T05:59:59Z", OFF_PEAK),
    ("2026-12-01T06:00:00Z", PEAK), ("2026-12-01T09:59:59Z", PEAK), ("2026-12-01T10:00:00Z", OFF_PEAK),
    ("2026-11-30T23:59:59Z", OFF_PEAK), ("2026-12-01T09:00:00+08:00", PEAK),
    # Older than a day, or in the future: the arrival counts.
    ("2026-11-30T09:00:00Z", OFF_PEAK), ("2026-12-02T02:00:00Z", OFF_PEAK), (0, OFF_PEAK)])
def test_windows_hold_to_the_second(start, tmp_path, timestamp, cost):
    clock = TimeOfDay(tmp_path / "ahead")
    clock.set("2026-12-01T12:00:00")
    exporter = start(shipped_prices=True, environment=clock.environment)
    assert charged(exporter, **({"timestamp": timestamp} if timestamp is not None else {})) == cost


@pytest.mark.parametrize("arrival, timestamp, cost", [
    ("2026-12-01T02:00:00", None, PEAK), ("2026-12-01T02:00:00", "2026-11-30T12:00:00Z", OFF_PEAK),
    ("2026-12-05T02:00:00", None, OFF_PEAK), ("2026-12-06T08:00:00", None, OFF_PEAK),
    ("2026-12-06T08:00:00", "2026-12-05T08:30:00Z", OFF_PEAK), ("2026-12-05T00:30:00", "2026-12-04T08:30:00Z", PEAK)])
def test_days_of_the_week_count(start, tmp_path, arrival, timestamp, cost):
    clock = TimeOfDay(tmp_path / "ahead")
    clock.set(arrival)
    exporter = start(shipped_prices=True, environment=clock.environment)
    assert charged(exporter, **({"timestamp": timestamp} if timestamp else {})) == cost


@pytest.mark.parametrize("end, cost", [("2026-12-01T02:00:00", PEAK), ("2026-12-01T05:00:00", OFF_PEAK),
                                       ("2026-11-30T02:00:00", OFF_PEAK)])
def test_a_span_is_priced_by_its_end(start, tmp_path, end, cost):
    clock = TimeOfDay(tmp_path / "ahead")
    clock.set("2026-12-01T12:00:00")
    exporter = start(shipped_prices=True, environment=clock.environment)
    nanoseconds = int(datetime.datetime.fromisoformat(end + "+00:00").timestamp()) * 10**9
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "deepseek",
                  "gen_ai.request.model": "deepseek-v4-pro", "gen_ai.usage.input_tokens": 100_000,
                  "gen_ai.usage.cache_read.input_tokens": 40_000, "gen_ai.usage.output_tokens": 10_000}
    listed = [{"key": key, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}
              for key, value in attributes.items()]
    span = {"traceId": "0" * 31 + "7", "spanId": "0" * 15 + "7", "name": "chat", "attributes": listed,
            "startTimeUnixNano": str(nanoseconds - 3600 * 10**9), "endTimeUnixNano": str(nanoseconds)}
    body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "night"}}]},
                               "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]}
    assert exporter.post(json.dumps(body), JSON, path="/v1/traces").status == 200
    assert exporter.scrape().value("llm_cost_usd_total", **NIGHT) == cost
