"""Limits on series: further ones are folded into `_other`, and totals are conserved."""

import random
from decimal import Decimal

import pytest

from exporter import call

OTHER = {"agent_name": "_other", "provider": "_other", "model": "_other"}


def sets(shown, family="llm_tokens_total"):
    return {tuple(s.labels[k] for k in ("agent_name", "provider", "model")): s.value for s in shown.find(family)}


def test_a_known_agent_keeps_its_name_and_a_new_one_becomes_other(start):
    exporter = start("--limits.max-series", "2")
    full = dict(input_tokens=10, cost_usd=1, latency_ms=100, api_latency_ms=90, memory_rss_mb=50)
    for agent, model in (("A", "m1"), ("A", "m2"), ("A", "m3"), ("A", "m4"), ("B", "m1"), ("C", "m9"), ("A", "m1")):
        assert exporter.post(call(agent_name=agent, model=model, **full)).outcome() == (1, 0, 0)
    shown = exporter.scrape()
    expected = {("A", "acme", "m1"): 2, ("A", "acme", "m2"): 1, ("A", "_other", "_other"): 2,
                ("_other", "_other", "_other"): 2}
    assert sets(shown) == {k: str(10 * n) for k, n in expected.items()}
    for family in ("llm_cost_usd_total", "llm_latency_seconds_count"):
        assert sets(shown, family) == {k: str(n) for k, n in expected.items()}
    success = {tuple(s.labels[n] for n in ("agent_name", "provider", "model")): s.value
               for s in shown.find("llm_calls_total", status="success")}
    assert success == {k: str(n) for k, n in expected.items()}
    # Families with fewer labels use the same folded values.
    assert {(s.labels["agent_name"], s.labels["provider"]): s.value
            for s in shown.find("llm_api_latency_seconds_count")} == {
        ("A", "acme"): "3", ("A", "_other"): "2", ("_other", "_other"): "2"}
    assert shown.agents("llm_memory_rss_mb") == {"A", "_other"}
    assert shown.value("llm_exporter_overflow_records_total") == "4"
    assert shown.value("llm_exporter_series") == "2"
    assert shown.value("llm_exporter_series_limit") == "2"


def test_unpriced_calls_and_errors_are_folded_like_the_rest(start):
    exporter = start("--limits.max-series", "1")
    for agent in ("A", "B", "C"):
        exporter.post(call(agent_name=agent, status="error", error_type="boom", input_tokens=1)).outcome()
    shown = exporter.scrape()
    assert {s.labels["agent_name"]: s.value for s in shown.find("llm_errors_total")} == {"A": "1", "_other": "2"}
    assert {(s.labels["provider"], s.labels["model"]): s.value for s in shown.find("llm_calls_unpriced_total")} == {
        ("acme", "parrot-1"): "1", ("_other", "_other"): "2"}
    told = exporter.summary()
    assert {name: a["errors"] for name, a in told["agents"].items()} == {"A": 1, "_other": 2}
    assert {name: m["calls"] for name, m in told["models"].items()} == {"acme/parrot-1": 1, "_other/_other": 2}


@pytest.mark.parametrize("seed", range(3))
def test_totals_are_conserved_whatever_is_folded(start, seed):
    dice = random.Random(seed)
    exporter = start("--limits.max-series", "20")
    records = [call(agent_name=f"agent-{dice.randrange(30)}", model=f"m-{dice.randrange(5)}",
                    status=dice.choice(["success", "error", f"s{dice.randrange(40)}"]),
                    input_tokens=dice.randrange(1000), cost_usd=Decimal(dice.randrange(10**9)).scaleb(-12),
                    latency_ms=dice.randrange(10_000), api_latency_ms=dice.randrange(10_000)) for _ in range(2000)]
    for at in range(0, len(records), 100):
        assert exporter.post(records[at:at + 100]).outcome() == (100, 0, 0)
    shown = exporter.scrape()
    assert shown.total("llm_calls_total") == 2000
    assert shown.total("llm_tokens_total") == sum(r["input_tokens"] for r in records)
    assert shown.total("llm_cost_usd_total") == sum(r["cost_usd"] for r in records)
    assert shown.total("llm_latency_seconds_count") == shown.total("llm_api_latency_seconds_count") == 2000
    assert shown.total("llm_latency_seconds_sum") == Decimal(sum(r["latency_ms"] for r in records)) / 1000
    assert shown.total("llm_errors_total") == sum(r["status"] != "success" for r in records)
    kept = [k for k in sets(shown) if "_other" not in k]
    assert len(kept) == 20
    first = list(dict.fromkeys((r["agent_name"], r["provider"], r["model"]) for r in records))[:20]
    assert sorted(kept) == sorted(first), "first come, first kept"
    assert exporter.summary()["total_calls"] == 2000


def test_the_limit_holds_within_one_body(start):
    exporter = start("--limits.max-series", "3")
    exporter.post([call(agent_name=f"agent-{n}") for n in range(10)]).outcome()
    shown = exporter.scrape()
    assert sets(shown).keys() == {(f"agent-{n}", "acme", "parrot-1") for n in range(3)} | {tuple(OTHER.values())}
    assert shown.value("llm_calls_total", **OTHER, status="success") == "7"


def test_ids_look_at_the_original_agent(start):
    exporter = start("--limits.max-series", "1")
    exporter.post(call(agent_name="A")).outcome()
    for agent in ("B", "C"):
        assert exporter.post(call(agent_name=agent, id="1")).outcome() == (1, 0, 0)
        assert exporter.post(call(agent_name=agent, id="1")).outcome() == (0, 1, 0)
    assert exporter.scrape().value("llm_calls_total", **OTHER, status="success") == "2"


def test_agents_known_only_by_starts_fall_under_the_limit(start):
    exporter = start("--limits.max-series", "3")
    agents = [f"agent-{n}" for n in range(8)]
    exporter.post([{"event": "start", "agent_name": a, "id": "1"} for a in agents]).outcome()
    shown = exporter.scrape()
    gauges = {s.labels["agent_name"]: int(s.value) for s in shown.find("llm_active_calls")}
    assert len(gauges) == 4 and gauges["_other"] == 5
    assert sum(gauges.values()) == 8
    # Each end finds the start it belongs to, though its agent is folded.
    exporter.post([call(agent_name=a, id="1") for a in agents]).outcome()
    assert {s.value for s in exporter.scrape().find("llm_active_calls")} == {"0"}
    assert exporter.calls() == 8


RESERVED = ["success", "error", "timeout", "cancelled", "rate_limited"]


def test_at_most_16_statuses_of_a_set_and_five_have_their_place(exporter):
    custom = [f"custom_{n:02}" for n in range(20)]
    exporter.post([call(status=s) for s in custom] + [call(status=s) for s in RESERVED] * 2
                  + [call(status=custom[0]), call(status=custom[19])]).outcome()
    found = {s.labels["status"]: s.value for s in exporter.scrape().find("llm_calls_total")}
    assert found == {**dict.fromkeys(custom[1:11], "1"), custom[0]: "2", **dict.fromkeys(RESERVED, "2"), "_other": "10"}
    # The limit is each set's own.
    exporter.post(call(model="m2", status="custom_19")).outcome()
    assert exporter.scrape().total("llm_calls_total", model="m2", status="custom_19") == 1


def test_at_most_32_error_types_of_a_set(exporter):
    exporter.post([call(status="error", error_type=f"e{n:02}") for n in range(40)]
                  + [call(status="error", error_type="e00")]).outcome()
    found = {s.labels["error_type"]: s.value for s in exporter.scrape().find("llm_errors_total")}
    assert found == {**{f"e{n:02}": "1" for n in range(1, 32)}, "e00": "2", "_other": "8"}
    exporter.post(call(model="m2", status="error", error_type="e39")).outcome()
    assert exporter.scrape().total("llm_errors_total", model="m2", error_type="e39") == 1


def test_ten_thousand_sets_are_kept_by_default(exporter):
    assert exporter.scrape().value("llm_exporter_series_limit") == "10000"
    exporter.post_lines([call(agent_name=f"agent-{n % 100}", model=f"model-{n // 100}") for n in range(10_000)]
                        + [call(agent_name="agent-1", model="new"), call(agent_name="new")]).outcome()
    shown = exporter.scrape()
    assert shown.value("llm_exporter_series") == "10000"
    assert shown.total("llm_calls_total") == 10_002
    assert shown.value("llm_exporter_overflow_records_total") == "2"
