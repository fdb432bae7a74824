"""Ids make retries count once, whatever order, batch or thread they come in."""

import random
import threading
import time
from decimal import Decimal

import pytest

from exporter import JSON, Raw, call, encode, eventually

FULL = dict(status="error", input_tokens=100, output_tokens=50, total_tokens=160, cache_read_tokens=10,
            cache_write_tokens=5, reasoning_tokens=7, cost_usd=Decimal("0.25"), latency_ms=1200, api_latency_ms=1100,
            memory_rss_mb=300, memory_available_mb=900, error_type="timeout")


def rejected(reply):
    return [(e["index"], e["code"], e.get("field")) for e in reply.json["errors"]]


def test_the_same_id_with_the_same_content_is_a_duplicate(exporter):
    record = call(id="call-1", **FULL)
    assert exporter.post(record).outcome() == (1, 0, 0)
    before = exporter.scrape()
    for _ in range(3):
        assert exporter.post(record).outcome() == (0, 1, 0)
    after = exporter.scrape()
    for family in ("llm_calls_total", "llm_tokens_total", "llm_cost_usd_total", "llm_latency_seconds_count",
                   "llm_errors_total", "llm_token_usage_total"):
        assert after.total(family) == before.total(family)
    assert after.value("llm_exporter_records_duplicate_total") == "3"
    assert after.value("llm_exporter_records_accepted_total") == "1"


@pytest.mark.parametrize("field, other", [
    ("provider", "other"), ("model", "other"), ("status", "timeout"), ("input_tokens", 101), ("output_tokens", 51),
    ("total_tokens", 161), ("cache_read_tokens", 11), ("cache_write_tokens", 6), ("reasoning_tokens", 8),
    ("cost_usd", Raw("0.250000000001")), ("latency_ms", 1201), ("api_latency_ms", 1101), ("memory_rss_mb", 301),
    ("memory_available_mb", 901), ("error_type", "other"), ("cost_usd", None), ("latency_ms", None),
    ("reasoning_tokens", 0), ("total_tokens", None),
], ids=repr)
def test_the_same_id_with_other_content_is_rejected(exporter, field, other):
    record = call(id="call-1", **FULL)
    assert exporter.post(record).outcome() == (1, 0, 0)
    reply = exporter.post({**record, field: other})
    assert reply.problem(422)
    assert rejected(reply)[0][:2] == (0, "id_reused")
    assert exporter.calls() == 1


@pytest.mark.parametrize("change", [
    {"timestamp": 1714564800}, {"trace_id": "abc"}, {"timestamp": None, "trace_id": None}, {"event": "end"},
    {"input_tokens": Raw("100.0")}, {"input_tokens": Raw("1e2")}, {"latency_ms": Raw("1200.000")},
    {"cost_usd": Raw("25e-2")}, {"cost_usd": Raw("0.2500000000000000000001")}, {"provider": "  acme "},
    {"note": "an unknown field"}, {"memory_rss_mb": Raw("3e2")},
    {"agent_name": Raw(r'"\u0054estAgent"')},
], ids=repr)
def test_content_is_the_known_fields_after_parsing_without_timestamp_and_trace_id(exporter, change):
    record = call(id="call-1", **FULL)
    assert exporter.post({**record, "timestamp": 1714560000, "trace_id": "fff"}).outcome() == (1, 0, 0)
    assert exporter.post({**record, **change}).outcome() == (0, 1, 0)


def test_the_order_of_fields_is_no_content(exporter):
    record = call(id="call-1", **FULL)
    exporter.post(record).outcome()
    assert exporter.post(dict(reversed(record.items()))).outcome() == (0, 1, 0)


def test_ids_belong_to_their_agent(exporter):
    for agent in ("A", "B", "a", "e\u0301", "\u00e9"):
        assert exporter.post(call(agent_name=agent, id="1")).outcome() == (1, 0, 0)
    assert exporter.post(call(agent_name=" A ", id="1")).outcome() == (0, 1, 0)
    assert exporter.calls() == 5


def test_agent_and_id_are_not_run_together(exporter):
    assert exporter.post(call(agent_name="ab", id="c")).outcome() == (1, 0, 0)
    assert exporter.post(call(agent_name="a", id="bc")).outcome() == (1, 0, 0)


def test_ids_are_compared_byte_for_byte(exporter):
    ids = ["1", "01", " 1", "1 ", "A", "a", "\u00e9", "e\u0301", "\0", "\0\0", "1\0"]
    for name in ids:
        assert exporter.post(call(id=name)).outcome() == (1, 0, 0)
    for name in ids:
        assert exporter.post(call(id=name)).outcome() == (0, 1, 0)


def test_the_rules_hold_within_one_body(exporter):
    reply = exporter.post([call(id="1"), call(id="1"), call(id="1", input_tokens=5), call(id="2"), call(), call()])
    assert reply.outcome() == (4, 1, 1)
    assert rejected(reply)[0][:2] == (2, "id_reused")
    assert exporter.calls() == 4


def test_a_rejected_record_does_not_take_its_id(exporter):
    assert exporter.post(call(id="1", latency_ms=-1)).status == 422
    assert exporter.post(call(id="1", latency_ms=1)).outcome() == (1, 0, 0)


def test_records_without_an_id_all_count(exporter):
    for _ in range(3):
        exporter.post([call(), call()]).outcome()
    assert exporter.calls() == 6


# Idempotency-Key

def keyed(exporter, body, key):
    return exporter.post(body, {**JSON, "Idempotency-Key": key})


def test_an_idempotency_key_makes_a_whole_body_count_once(exporter):
    body = [call(input_tokens=1), call(input_tokens=2), call(agent_name="B")]
    assert keyed(exporter, body, "batch-1").outcome() == (3, 0, 0)
    assert keyed(exporter, body, "batch-1").outcome() == (0, 3, 0)
    assert keyed(exporter, body, "batch-2").outcome() == (3, 0, 0)
    # The retry may send more than the first attempt did.
    assert keyed(exporter, [*body, call()], "batch-1").outcome() == (1, 3, 0)
    assert exporter.calls() == 7


def test_the_key_and_the_place_in_the_body_make_the_id(exporter):
    assert keyed(exporter, [call(input_tokens=1), call(id="own"), call(input_tokens=3)], "K").outcome() == (3, 0, 0)
    assert exporter.post([call(id="K/0", input_tokens=1), call(id="K/2", input_tokens=3)]).outcome() == (0, 2, 0)
    assert exporter.post(call(id="own")).outcome() == (0, 1, 0)
    # A record with an id of its own leaves that of its place unused.
    assert exporter.post(call(id="K/1")).outcome() == (1, 0, 0)


def test_rejected_records_keep_their_place_and_blank_lines_have_none(exporter):
    lines = "\n".join([encode(call(latency_ms=-1)), "", encode(call(input_tokens=1)), "nonsense",
                       encode(call(input_tokens=3))])
    reply = exporter.post(lines, {"Content-Type": "application/x-ndjson", "Idempotency-Key": "K"})
    assert reply.outcome() == (2, 0, 2)
    assert exporter.post([call(id="K/1", input_tokens=1), call(id="K/3", input_tokens=3)]).outcome() == (0, 2, 0)


def test_one_object_has_place_0(exporter):
    assert keyed(exporter, call(), "K").outcome() == (1, 0, 0)
    assert exporter.post(call(id="K/0")).outcome() == (0, 1, 0)


def test_surrounding_quotes_of_the_key_are_dropped(exporter):
    assert keyed(exporter, call(), '"K"').outcome() == (1, 0, 0)
    assert keyed(exporter, call(), "K").outcome() == (0, 1, 0)
    assert exporter.post(call(id="K/0")).outcome() == (0, 1, 0)


@pytest.mark.parametrize("key", ["K", "K" * 200, '"' + "K" * 200 + '"'], ids=len)
def test_a_key_of_1_to_200_bytes_is_taken(exporter, key):
    assert keyed(exporter, call(), key).outcome() == (1, 0, 0)
    assert keyed(exporter, call(), key).outcome() == (0, 1, 0)


@pytest.mark.parametrize("key", ["", '""', "K" * 201, '"' + "K" * 201 + '"'], ids=len)
def test_any_other_key_is_400_and_nothing_is_applied(exporter, key):
    keyed(exporter, call(), key).problem(400)
    assert exporter.calls() == 0


# Window

def test_an_id_is_remembered_for_the_window_only(start):
    exporter = start("--dedup.window", "2s")
    assert exporter.scrape().value("llm_exporter_dedup_window_seconds") == "2"
    assert exporter.post(call(id="1")).outcome() == (1, 0, 0)
    assert exporter.post(call(id="1")).outcome() == (0, 1, 0)
    time.sleep(2.5)
    assert exporter.post(call(id="1", input_tokens=9)).outcome() == (1, 0, 0)
    assert exporter.calls() == 2


def test_the_window_of_a_day_is_shown(exporter):
    assert exporter.scrape().value("llm_exporter_dedup_window_seconds") == "86400"


def test_a_window_shortened_by_the_most_ids_is_shown_and_logged_once(start):
    exporter = start("--dedup.max-ids", "100")
    before = len(exporter.log_lines)
    for batch in range(20):
        records = [call(id=f"{batch}-{n}") for n in range(50)]
        assert exporter.post(records).outcome() == (50, 0, 0)
    assert exporter.post(call(id="19-49")).outcome() == (0, 1, 0), "the newest are remembered"
    assert exporter.post(call(id="0-0")).outcome() == (1, 0, 0), "the oldest are not"
    shown = eventually(lambda: float(exporter.scrape().value("llm_exporter_dedup_window_seconds")) < 86400,
                       "the window is shown shortened")
    assert shown
    said = [line for line in exporter.log_lines[before:] if "dedup" in line]
    assert len(said) == 1, said
    assert "--dedup.max-ids" in said[0]


# Many at once

@pytest.mark.concurrency
def test_threads_that_retry_the_same_ids_count_once(exporter):
    threads, ids = 16, 200
    outcomes: list[tuple[int, int, int]] = []

    def posting(seed):
        order = list(range(ids))
        random.Random(seed).shuffle(order)
        outcomes.extend(exporter.post(call(id=f"{n}", input_tokens=n, cost_usd=Decimal(n))).outcome() for n in order)

    workers = [threading.Thread(target=posting, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(outcomes) == threads * ids
    assert sum(accepted for accepted, _, _ in outcomes) == ids
    assert sum(duplicates for _, duplicates, _ in outcomes) == (threads - 1) * ids
    shown = exporter.scrape()
    assert shown.total("llm_calls_total") == ids
    assert shown.total("llm_tokens_total") == sum(range(ids))
    assert shown.total("llm_cost_usd_total") == sum(range(ids))


def totals(exporter):
    """The counters and histograms, which do not depend on the order of arrival; gauges of last values do."""
    shown = exporter.scrape()
    kept = ("llm_calls", "llm_tokens", "llm_cost", "llm_latency", "llm_api_latency", "llm_token_usage", "llm_errors",
            "llm_active_calls")
    # Whether a gauge shows 0 or is not there yet depends on the order: a start after its end changes nothing.
    return {(s.name, *sorted(s.labels.items())): s.value for s in shown.samples
            if s.name.startswith(kept) and (s.value != "0" or not s.name.startswith("llm_active_calls"))}


@pytest.mark.parametrize("seed", range(5))
def test_retries_duplicates_and_reordering_give_the_totals_of_each_once(start, seed):
    dice = random.Random(seed)
    records = []
    for n in range(150):
        read, reasoning = dice.randrange(50), dice.randrange(50)
        records.append(call(
            agent_name=f"agent-{dice.randrange(5)}", model=f"model-{dice.randrange(3)}", id=f"call-{n}",
            status=dice.choice(["success", "success", "error", "timeout"]),
            input_tokens=read + dice.randrange(1000), cache_read_tokens=read,
            output_tokens=reasoning + dice.randrange(1000), reasoning_tokens=reasoning,
            cost_usd=Raw(f"{dice.randrange(10**6)}e-{dice.randrange(3, 15)}"),
            latency_ms=Raw(f"{dice.randrange(10**6)}e-{dice.randrange(1, 4)}"), api_latency_ms=dice.randrange(12_000)))
        if dice.random() < 0.3:
            records.append({"event": "start", "agent_name": records[-1]["agent_name"], "id": f"call-{n}"})
    once, many = start(), start()
    assert once.post_lines(records).outcome() == (len(records), 0, 0)

    sent = records + dice.choices(records, k=2 * len(records))
    dice.shuffle(sent)
    accepted = 0
    while sent:
        size = dice.choice([1, 1, 2, 5, 40])
        batch, sent = sent[:size], sent[size:]
        reply = many.post(batch) if dice.random() < 0.5 else many.post_lines(batch)
        accepted += reply.outcome()[0]
        if dice.random() < 0.2:  # The answer got lost: the sender sends all of it again.
            assert many.post(batch).outcome() == (0, len(batch), 0)
    assert accepted == len(records)
    assert totals(many) == totals(once)


def test_an_idempotency_key_that_is_no_utf_8_is_400(exporter):
    with exporter.wire() as wire:
        body = encode(call())
        for key in (b"K\xff", b"K\xfe"):
            wire.send(b"POST /record HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: " + key
                      + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            assert wire.reply().problem(400)
    assert exporter.calls() == 0


@pytest.mark.concurrency
def test_expired_ids_do_not_pile_up(start):
    exporter = start("--dedup.window", "1s")
    for turn in range(3):
        exporter.post_lines([call(id=f"{turn}/{n}") for n in range(5000)]).outcome()
        time.sleep(1.2)
    assert int(exporter.scrape().value("llm_exporter_remembered_ids")) <= 5_100
