"""A call that is reported several times counts once: across requests, restarts and intakes."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

import otlp_messages as otlp
from exporter import JSON, Exporter
from otlp_messages import PROTOBUF, request, span
from pace import Stopwatch
from senders import NAMES, SENDERS, bodies, totals


def chat(**more: Any) -> dict[str, Any]:
    return {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
            **{name.replace("__", "."): value for name, value in more.items()}}


def send(exporter: Exporter, body: dict[str, Any], path: str = "/v1/traces") -> None:
    assert exporter.post(otlp.protobuf(body), PROTOBUF, path=path).status == 200


def merged(exporter: Exporter, by: str) -> str:
    return exporter.scrape().value("llm_exporter_merged_reports_total", by=by)


def litellm(**more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "litellm_call_id": "call-1", "status": "success", "custom_llm_provider": "openai",
            "model": "gpt-4o-mini", "startTime": 1795456864.5, "endTime": 1795456866.0, "prompt_tokens": 10,
            "completion_tokens": 5, "total_tokens": 15, "response_cost": 0.0001,
            "metadata": {"usage_object": None, "requester_metadata": {"agent_name": "A"}}, **more}


# Restarts

#: Cuts between the two reports of one call: a restart forgets the first, and the contract allows a double.
DOUBLES = {"simple_genai_anth": {1, 3, 5, 7}, "manual": {5}}


@pytest.mark.parametrize("sender", [name for name in NAMES if len(bodies(name)) > 1])
def test_a_restart_between_any_two_bodies_doubles_only_what_it_parts(start, tmp_path, sender: str) -> None:
    expected = json.loads((SENDERS / sender / "expected.json").read_text(), parse_float=Decimal)
    requests = bodies(sender)
    for cut in range(1, len(requests)):
        folder = tmp_path / str(cut)
        for part in (requests[:cut], requests[cut:]):
            exporter = start(storage=folder)
            for path, body, headers in part:
                assert exporter.request("POST", path, body, headers).status == 200
            shown = totals(exporter)
            exporter.stop()
        calls = shown["calls_success"] + shown["calls_failed"]
        assert calls == expected["calls_success"] + expected["calls_failed"] + (cut in DOUBLES.get(sender, ())), cut
        if cut not in DOUBLES.get(sender, ()):
            # A span of Claude Code has no cost, and its log record cannot add one to what is forgotten.
            left_out = {"cost_usd"} if sender == "claude_json_traces" else set()
            assert {name: shown[name] for name in shown if expected.get(name) is not None and name not in left_out} == {
                name: value for name, value in expected.items() if name in shown and name not in left_out}, cut


def test_a_late_retry_of_a_merged_report_adds_nothing_after_a_restart(start, tmp_path) -> None:
    outer = request(span(chat(), trace=1, id=1), scope="outer")
    inner = request(span(chat(), trace=1, id=2, parent=1, start=1, milliseconds=9), scope="inner")
    first = start(storage=tmp_path)
    for body in (outer, inner):
        send(first, body)
    assert first.calls() == 1 and merged(first, "nested") == "1"
    first.stop()
    second = start(storage=tmp_path)
    for body in (inner, outer):
        send(second, body)
    assert second.calls() == 1
    assert second.scrape().value("llm_exporter_records_duplicate_total") == "2"


# What operators see

def test_debug_lines_say_which_spans_were_taken_for_one(start) -> None:
    exporter = start("--log.level", "debug")
    send(exporter, request(span(chat(), trace=1, id=1), scope="outer"))
    send(exporter, request(span(chat(), trace=1, id=2, parent=1), scope="inner"))
    [line] = [line for line in exporter.log_lines if "as one call" in line]
    for part in ("by=nested", f"report={1:032x}-{2:016x}", f"first={1:032x}-{1:016x}"):
        assert part in line, line


def test_a_merged_report_adds_to_the_series_of_the_first(start) -> None:
    exporter = start(shipped_prices=True)
    usage = {"gen_ai__usage__input_tokens": None, "gen_ai__usage__output_tokens": None}
    send(exporter, request(span(chat(**usage), trace=1, id=1), scope="outer", resource={"service.name": "first"}))
    send(exporter, request(span(chat(), trace=1, id=2, parent=1), scope="inner", resource={"service.name": "second"}))
    told = exporter.scrape()
    labels = {"agent_name": "first", "provider": "openai", "model": "gpt-4o-mini"}
    assert told.agents("llm_calls_total") == {"first"}
    assert told.value("llm_tokens_total", **labels) == "15"
    assert told.value("llm_cost_usd_total", **labels) == "0.0000045"
    assert told.value("llm_latency_seconds_count", **labels) == "1"


# Two intakes

def configured(start, tmp_path, text: str) -> Exporter:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return start("--config.file", str(path))


def test_sources_name_the_intake_that_counts(start, tmp_path) -> None:
    exporter = configured(start, tmp_path, "sources: [{provider: openai, count: litellm}]")
    record = {"agent_name": "A", "provider": "openai", "model": "gpt-4o-mini", "input_tokens": 10, "output_tokens": 5,
              "id": "1"}
    assert exporter.post({**record, "event": "start"}).outcome() == (1, 0, 0)
    assert exporter.post(record).outcome() == (1, 0, 0)
    # A client compares the sum with what it sent.
    other = {**record, "id": "2"}
    assert exporter.post([{**other, "event": "start"}, other]).outcome() == (2, 0, 0)
    # Another provider's name for it, and another provider.
    send(exporter, request(span(chat(gen_ai__provider__name="OpenAI"))))
    send(exporter, request(span(chat(gen_ai__provider__name="acme"), start=9000)))
    assert exporter.post([litellm()], JSON, path="/litellm").status == 200
    told = exporter.scrape()
    assert told.total("llm_calls_total") == 2 and told.total("llm_calls_total", provider="openai") == 1
    assert told.total("llm_cost_usd_total") == Decimal("0.0001")
    assert told.value("llm_active_calls", agent_name="A") == "0"
    uncounted = {s.labels["intake"]: s.value for s in told.find("llm_exporter_uncounted_records_total")}
    assert uncounted == {"record": "2", "traces": "1", "litellm": "0", "logs": "0"}
    assert told.value("llm_exporter_suspected_duplicates_total") == "0"


def test_the_first_source_that_holds_applies_and_a_reload_changes_it(start, tmp_path) -> None:
    exporter = configured(
        start, tmp_path, "sources:\n- {agent_name: A, count: record}\n- {count: traces}\n")
    record = {"agent_name": "A", "provider": "openai", "model": "m", "input_tokens": 1}
    assert exporter.post(record).outcome() == (1, 0, 0)
    assert exporter.post({**record, "agent_name": "B"}).outcome() == (1, 0, 0)
    assert exporter.calls() == 1
    (tmp_path / "config.yaml").write_text("sources: [{count: record}]")
    assert exporter.request("POST", "/-/reload").status == 200
    assert exporter.post({**record, "agent_name": "B"}).outcome() == (1, 0, 0)
    assert exporter.calls() == 2


def test_calls_that_two_intakes_count_are_suspected(exporter: Exporter) -> None:
    record = {"agent_name": "A", "provider": "openai", "model": "openai/gpt-4o-mini", "input_tokens": 10,
              "output_tokens": 5, "id": "1"}

    def suspected() -> str:
        return exporter.scrape().value("llm_exporter_suspected_duplicates_total")

    assert exporter.post({**record, "id": "0"}).outcome() == (1, 0, 0)
    send(exporter, request(span(chat(gen_ai__usage__input_tokens=11))))
    assert suspected() == "0"
    assert exporter.post(record).outcome() == (1, 0, 0)
    send(exporter, request(span(chat(), start=5000)))
    assert suspected() == "1"
    # A retry, and calls without tokens.
    assert exporter.post(record).outcome() == (0, 1, 0)
    nothing = {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}
    send(exporter, request(span({**chat(), **nothing}, start=9000)))
    assert exporter.post({"agent_name": "A", "provider": "openai", "model": "gpt-4o-mini"}).outcome() == (1, 0, 0)
    assert suspected() == "1"


def test_a_span_and_a_log_record_of_one_call_are_not_suspected(exporter: Exporter) -> None:
    for path, body, headers in bodies("claude_json_traces"):
        assert exporter.request("POST", path, body, headers).status == 200
    assert merged(exporter, "request_id") == "2"
    assert exporter.scrape().value("llm_exporter_suspected_duplicates_total") == "0"


# Hostile bodies

def equal(count: int) -> dict[str, Any]:
    scopes: dict[str, Any] = {f"scope-{n}": [span(chat())] for n in range(count)}
    return request(**scopes)


def chain(count: int) -> dict[str, Any]:
    scopes: dict[str, Any] = {
        f"scope-{n}": [span(chat(), trace=1, id=k + 1, parent=k) for k in range(n, count, 3)] for n in range(3)}
    return request(**scopes)


def ring(count: int) -> dict[str, Any]:
    return request(*(span(chat(), trace=1, id=n + 1, parent=(n + 1) % count + 1) for n in range(count)))


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.parametrize("body", [equal, chain, ring])
def test_a_hostile_body_takes_bounded_work_and_scrapes_go_on(exporter: Exporter, body: Any) -> None:
    """8,000 spans that might all be of one call, or of each other: about 2 MB."""
    content = otlp.protobuf(body(8000))
    with ThreadPoolExecutor(1) as pool:
        watch = Stopwatch()
        posted = pool.submit(exporter.post, content, PROTOBUF, path="/v1/traces")
        longest = 0.0
        while not posted.done():
            before = time.monotonic()
            exporter.scrape()
            longest = max(longest, time.monotonic() - before)
        assert posted.result().status == 200
    watch.assert_within(20)
    assert longest < 2


# Spans that report none

@pytest.mark.heavy
def test_spans_without_calls_are_bounded_and_cost_little(exporter: Exporter) -> None:
    """A service that sends all of its spans."""
    for part in range(5):
        first = part * 40_000
        body = request(*(span({}, trace=1, id=first + n + 1, parent=1, start=n) for n in range(40_000)))
        send(exporter, body)
    assert exporter.calls() == 0
    assert exporter.memory_kib("VmRSS") < 200 << 10
