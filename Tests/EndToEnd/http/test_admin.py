"""Routes beside the record: reset, forget, summary, health, reload, and where the telemetry is."""

import random
import time
import urllib.parse
from datetime import datetime
from decimal import Decimal

import pytest

from exporter import Exporter, Raw, call

pytestmark = pytest.mark.concurrency


@pytest.fixture
def admin(start):
    return start("--web.enable-admin-api")


def reset(exporter, query=""):
    return exporter.request("POST", f"/api/v1/admin/reset{query}")


def forget(exporter, **selection):
    return exporter.request("POST", "/api/v1/admin/forget?" + urllib.parse.urlencode(selection))


def full(**fields):
    return call(**{**dict(input_tokens=10, output_tokens=5, cost_usd=Raw("0.5"), latency_ms=100, api_latency_ms=90,
                          memory_rss_mb=50, memory_available_mb=100), **fields})


def of_records(shown):
    """Samples that come from records."""
    return [s for s in shown.samples if s.name.startswith("llm_") and not s.name.startswith("llm_exporter_")]


# Reset

def test_admin_routes_are_403_unless_enabled(exporter):
    exporter.post(full()).outcome()
    assert "--web.enable-admin-api" in reset(exporter).problem(403)["detail"]
    assert "--web.enable-admin-api" in forget(exporter, agent_name="TestAgent").problem(403)["detail"]
    assert exporter.calls() == 1


def test_reset_removes_all_series_of_records_and_nothing_else(admin):
    admin.post([full(id="1"), full(agent_name="B", status="error", id="2")]).outcome()
    before = admin.scrape()
    reply = reset(admin)
    assert (reply.status, reply.body) == (204, b"")
    after = admin.scrape()
    assert of_records(after) == []
    assert [name for name in after.families if name.startswith("llm_")] == [
        name for name in before.families if name.startswith("llm_")], "HELP and TYPE stay"
    assert after.value("llm_exporter_records_accepted_total") == "2"
    assert after.value("llm_exporter_series") == "0"
    assert admin.summary()["total_calls"] == 0 and admin.summary()["agents"] == {} and admin.summary()["models"] == {}
    # Ids stay: a late retry must not count as new.
    assert admin.post([full(id="1"), full(agent_name="B", status="error", id="2")]).outcome() == (0, 2, 0)
    assert of_records(admin.scrape()) == []
    assert admin.post(full(id="3")).outcome() == (1, 0, 0)
    assert admin.scrape().total("llm_tokens_total") == 15


def test_reset_keeps_open_starts(admin):
    admin.post([{"event": "start", "agent_name": "A", "id": "1"}, {"event": "start", "agent_name": "B", "id": "1"},
                call(agent_name="B", id="1"), call(agent_name="A")]).outcome()
    assert reset(admin).status == 204
    assert {(s.name, s.labels["agent_name"]): s.value for s in of_records(admin.scrape())} == {
        ("llm_active_calls", "A"): "1", ("llm_active_calls_expired_total", "A"): "0"}
    admin.post(call(agent_name="A", id="1")).outcome()
    assert admin.scrape().value("llm_active_calls", agent_name="A") == "0"
    assert admin.calls() == 1


def test_reset_frees_every_place(start):
    exporter = start("--web.enable-admin-api", "--limits.max-series", "2")
    exporter.post([call(agent_name=a) for a in "ABCD"]).outcome()
    assert reset(exporter).status == 204
    exporter.post([call(agent_name=a) for a in "CD"]).outcome()
    assert exporter.scrape().agents("llm_calls_total") == {"C", "D"}


@pytest.mark.parametrize("query", ["?budgets=true", "?budgets=false"])
def test_reset_takes_budgets(admin, query):
    admin.post(full()).outcome()
    assert reset(admin, query).status == 204
    assert of_records(admin.scrape()) == []


# Forget

@pytest.fixture
def populated(admin):
    for agent, provider, model, calls in [("A", "p", "m1", 1), ("A", "p", "m2", 2), ("A", "q", "m1", 4),
                                          ("B", "p", "m1", 8)]:
        admin.post([full(agent_name=agent, provider=provider, model=model)] * (calls - 1)
                   + [full(agent_name=agent, provider=provider, model=model, status="error")]).outcome()
    return admin


def sets(shown, family="llm_tokens_total"):
    return {(s.labels["agent_name"], s.labels["provider"], s.labels["model"]) for s in shown.find(family)}


EVERY = {("A", "p", "m1"), ("A", "p", "m2"), ("A", "q", "m1"), ("B", "p", "m1")}


@pytest.mark.parametrize("selection, gone, calls, errors", [
    ({"agent_name": "A"}, {("A", "p", "m1"), ("A", "p", "m2"), ("A", "q", "m1")}, 7, 3),
    ({"agent_name": "A", "provider": "p"}, {("A", "p", "m1"), ("A", "p", "m2")}, 3, 2),
    ({"agent_name": "A", "model": "m1"}, {("A", "p", "m1"), ("A", "q", "m1")}, 5, 2),
    ({"agent_name": "A", "provider": "q", "model": "m1"}, {("A", "q", "m1")}, 4, 1),
    ({"agent_name": "B"}, {("B", "p", "m1")}, 8, 1),
], ids=lambda value: repr(sorted(value) if isinstance(value, set) else value))
def test_forget_removes_those_series_and_replies_with_their_totals(populated, selection, gone, calls, errors):
    reply = forget(populated, **selection)
    assert reply.status == 200
    told = reply.json
    assert (told["calls"], told["tokens"], told["cost_usd"], told["errors"]) == (
        calls, 15 * calls, Decimal(calls) / 2, errors)
    shown = populated.scrape()
    left = EVERY - gone
    assert shown.total("llm_calls_total") == 15 - calls
    for family in ("llm_tokens_total", "llm_cost_usd_total", "llm_latency_seconds_count", "llm_input_tokens_last_call"):
        assert sets(shown, family) == left
    # Of the families with fewer labels those go that no set is left for.
    assert {(s.labels["agent_name"], s.labels["provider"]) for s in shown.find("llm_api_latency_seconds_count")} == {
        (agent, provider) for agent, provider, _ in left}
    assert shown.agents("llm_memory_rss_mb") == {agent for agent, _, _ in left}
    assert {(s.labels["provider"], s.labels["model"]) for s in shown.find("llm_calls_unpriced_total")} == {
        (provider, model) for _, provider, model in left}
    assert populated.summary()["total_calls"] == 15 - calls
    assert shown.value("llm_exporter_series") == str(len(left))


@pytest.mark.parametrize("selection", [
    {"agent_name": "nobody"}, {"agent_name": "A", "provider": "nobody"}, {"agent_name": "A", "model": "m9"},
    {"agent_name": "B", "provider": "q"}, {"agent_name": "a"}], ids=repr)
def test_forgetting_what_is_not_there_is_404(populated, selection):
    forget(populated, **selection).problem(404)
    assert sets(populated.scrape()) == EVERY


@pytest.mark.parametrize("query", ["", "?", "?provider=p", "?agent_name="])
def test_forget_needs_an_agent(populated, query):
    populated.request("POST", f"/api/v1/admin/forget{query}").problem(400)
    assert sets(populated.scrape()) == EVERY


def test_forget_reads_any_name(admin):
    names = ['a&b=c', 'a+b', 'a b', '%41', 'é', 'e\u0301', '🐙', 'a/b?c#d', '"\\']
    admin.post([full(agent_name=name) for name in names]).outcome()
    for at, name in enumerate(names):
        assert forget(admin, agent_name=name).json["calls"] == 1
        assert admin.scrape().agents("llm_tokens_total") == set(names[at + 1:])


def test_forget_frees_the_place(start):
    exporter = start("--web.enable-admin-api", "--limits.max-series", "2")
    exporter.post([call(agent_name="typo"), call(agent_name="A"), call(agent_name="B")]).outcome()
    assert forget(exporter, agent_name="typo").status == 200
    exporter.post(call(agent_name="B")).outcome()
    shown = exporter.scrape()
    assert shown.agents("llm_tokens_total") == {"A", "B", "_other"}
    assert shown.total("llm_calls_total") == 3
    assert forget(exporter, agent_name="_other").json["calls"] == 1


def test_forget_keeps_ids_and_drops_the_open_starts_of_a_whole_agent(admin):
    admin.post([{"event": "start", "agent_name": "A", "id": "1"}, call(agent_name="A", id="2"),
                {"event": "start", "agent_name": "B", "id": "1"}]).outcome()
    assert forget(admin, agent_name="A").status == 200
    shown = admin.scrape()
    assert [s.labels["agent_name"] for s in shown.find("llm_active_calls")] == ["B"]
    assert admin.post(call(agent_name="A", id="2")).outcome() == (0, 1, 0)
    assert admin.post({"event": "start", "agent_name": "A", "id": "1"}).outcome() == (0, 1, 0)
    # The end of a forgotten start counts its call and lowers nothing.
    assert admin.post(call(agent_name="A", id="1")).outcome() == (1, 0, 0)
    assert admin.scrape().get("llm_active_calls", agent_name="A") in (None, "0")


def test_an_agent_of_starts_only_can_be_forgotten(admin):
    admin.post({"event": "start", "agent_name": "typo", "id": "1"}).outcome()
    assert forget(admin, agent_name="typo").json["calls"] == 0
    assert of_records(admin.scrape()) == []


# Summary

def test_the_summary_of_nothing(exporter):
    unknown = dict.fromkeys(("p50", "p95", "p99"))
    assert exporter.summary() == {"total_calls": 0, "success_calls": 0, "error_calls": 0, "total_tokens": 0,
                                  "total_cost_usd": 0, "unpriced_calls": 0, "cost_known": False, "last_seen": None,
                                  "latency_seconds": unknown, "ttft_seconds": unknown, "agents": {}, "models": {}}


def test_the_summary_adds_up_by_agent_and_by_model(exporter):
    exporter.post([full(), full(status="error"), full(agent_name="B"), full(agent_name="B", provider="other"),
                   full(agent_name="B", model="parrot/2", status="timeout"), call(agent_name="B")]).outcome()
    assert exporter.get("/summary").media_type == "application/json"
    half, known = Decimal("0.5"), {"unpriced_calls": 0, "cost_known": True}
    assert exporter.summary_of_totals() == {
        "total_calls": 6, "success_calls": 4, "error_calls": 2, "total_tokens": 75, "total_cost_usd": 5 * half, **known,
        "agents": {"TestAgent": {"calls": 2, "tokens": 30, "cost_usd": 1, "errors": 1, **known},
                   "B": {"calls": 4, "tokens": 45, "cost_usd": 3 * half, "errors": 1, **known}},
        "models": {"acme/parrot-1": {"calls": 4, "tokens": 45, "cost_usd": 3 * half, "errors": 1, **known},
                   "other/parrot-1": {"calls": 1, "tokens": 15, "cost_usd": half, "errors": 0, **known},
                   "acme/parrot/2": {"calls": 1, "tokens": 15, "cost_usd": half, "errors": 1, **known}}}


def test_the_summarys_money_is_exact(exporter):
    exporter.post([call(cost_usd=Raw("0.1")), call(cost_usd=Raw("0.2")), call(cost_usd=Raw("1e-12"))]).outcome()
    assert exporter.summary()["total_cost_usd"] == Decimal("0.300000000001")


def test_the_summarys_quantiles_are_those_of_the_calls_to_nine_percent(exporter):
    dice = random.Random(1)
    latencies = {name: [dice.lognormvariate(mu, 1.5) for _ in range(1000)] for name, mu in (("A", 5), ("B", 11))}
    exporter.post([call(agent_name=name, model=f"m-{name}", latency_ms=round(ms, 3), ttft_ms=round(ms / 4, 3))
                   for name, times in latencies.items() for ms in times])
    summary = exporter.summary()

    def check(part, milliseconds):
        for field, factor in (("latency_seconds", 1), ("ttft_seconds", 4)):
            for percent in (50, 95, 99):
                true = sorted(milliseconds)[len(milliseconds) * percent // 100 - 1] / 1000 / factor
                assert abs(float(part[field][f"p{percent}"]) / true - 1) < 0.091, (field, percent)

    check(summary, latencies["A"] + latencies["B"])
    for name, times in latencies.items():
        check(summary["agents"][name], times)
        check(summary["models"][f"acme/m-{name}"], times)


def test_the_summary_says_who_was_seen_when_and_what_runs_now(tmp_path):
    def seen(part):
        return datetime.fromisoformat(part["last_seen"]).timestamp()

    with Exporter("--web.enable-admin-api", storage=tmp_path / "data") as exporter:
        exporter.post([call(agent_name="A"), {"event": "start", "agent_name": "A", "id": "1"},
                       {"event": "start", "agent_name": "New", "id": "1"}])
        time.sleep(0.05)
        before = time.time()
        exporter.post([call(agent_name="B", latency_ms=0)])
        summary = exporter.summary()
        agents = summary["agents"]
        assert {name: agent["active_calls"] for name, agent in agents.items()} == {"A": 1, "B": 0, "New": 1}
        assert agents["New"]["calls"] == 0 and agents["New"]["last_seen"] is None
        assert seen(agents["A"]) < before - 0.001 <= seen(agents["B"]) == seen(summary) <= time.time()
        assert agents["B"]["latency_seconds"] == {"p50": 0, "p95": 0, "p99": 0}
        assert "active_calls" not in summary and "active_calls" not in summary["models"]["acme/parrot-1"]
        exporter.stop()
    with Exporter(storage=tmp_path / "data") as exporter:
        assert exporter.summary() == summary


# Others

def test_the_landing_page_leads_to_the_metrics(exporter):
    page = exporter.get("/")
    assert page.status == 200 and page.media_type == "text/html"
    assert b'href="/metrics"' in page.body


def test_reload_is_200_when_there_is_nothing_wrong(exporter):
    exporter.post(call()).outcome()
    assert exporter.request("POST", "/-/reload").status == 200
    assert exporter.calls() == 1


def test_the_telemetry_path_is_a_flag(start):
    exporter = start("--web.telemetry-path", "/telemetry/llm")
    reply = exporter.get("/telemetry/llm")
    assert reply.status == 200 and b"llm_calls_total" in reply.body
    exporter.get("/metrics").problem(404)
    assert b'href="/telemetry/llm"' in exporter.get("/").body


@pytest.mark.parametrize("query", [
    "agent_name=A&provider=%FF", "agent_name=A&provider=acme&model", "agent_name=A&modle=M",
    "agent_name=A&agent_name=B",
    "agent_name=A&provider=acme&provider=x", "agent_name=A%00", "provider=acme", ""])
def test_forgetting_what_was_not_understood_is_400_and_forgets_nothing(admin, query):
    admin.post([call(agent_name="A"), call(agent_name="A", model="other")]).outcome()
    assert admin.request("POST", "/api/v1/admin/forget?" + query).problem(400)
    assert admin.calls() == 2
