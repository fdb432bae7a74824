"""Plans, price factors, tiers and what calls without usage cost, over reloads and restarts."""

from __future__ import annotations

import functools
import json
import signal

import pytest

from exporter import FIXTURES, JSON, call, eventually, run

SONNET = {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929"}
MINI = {"provider": "openai", "model": "gpt-5-mini"}


@pytest.fixture
def start(start):
    """With the shipped prices."""
    return functools.partial(start, shipped_prices=True)


@pytest.fixture
def config(tmp_path):
    return tmp_path / "config.yaml"


def record(of, agent="A", **fields):
    return {"agent_name": agent, **of, "input_tokens": 1000, "output_tokens": 100, **fields}


def money(exporter, of, agent="A"):
    """Cost and plan equivalent."""
    shown = exporter.scrape()
    return tuple(shown.get(f"llm_{family}_usd_total", agent_name=agent, **of) for family in ("cost", "plan_equivalent"))


def test_an_agent_without_a_price_is_not_shown_as_free(start):
    exporter = start()
    assert exporter.post((FIXTURES / "cases" / "summary-unpriced-agent.json").read_bytes(), JSON).outcome() == (1, 0, 0)
    for part, name in (("agents", "ghost"), ("models", "acme/acme-1")):
        told = exporter.summary()[part][name]
        assert (told["cost_usd"], told["cost_known"], told["unpriced_calls"]) == (0, False, 1)
    assert exporter.summary()["cost_known"] is False and exporter.summary()["unpriced_calls"] == 1
    exporter.post(record(MINI, agent="ghost"))
    told = exporter.summary()["agents"]["ghost"]
    assert told["cost_known"] is True and told["unpriced_calls"] == 1
    assert exporter.scrape().get("llm_cost_usd_total", agent_name="ghost", provider="acme", model="acme-1") is None


@pytest.mark.parametrize("fields, cost", [
    ({}, "0.00045"), ({"service_tier": "flex"}, "0.000225"), ({"service_tier": "priority"}, "0.00081"),
    ({"service_tier": "fast"}, "0.00081"), ({"service_tier": "batch"}, "0.000225"),
    ({"service_tier": "default"}, "0.00045"), ({"service_tier": "scale"}, "0.00045"),
    ({"web_search_requests": 3}, "0.03045"), ({"web_search_requests": 3, "search_context_size": "high"}, "0.03045"),
    ({"input_audio_tokens": 10}, None), ({"cache_write_tokens": 10}, "0.00045"),
    ({"cache_write_tokens": 10, "cache_write_1h_tokens": 10}, None), ({"input_image_tokens": 10}, "0.00045"),
])
def test_a_record_says_how_it_was_served(start, fields, cost):
    exporter = start()
    reply = exporter.post(record(MINI, **fields))
    assert reply.outcome() == (1, 0, 0)
    assert ("warnings" in reply.json) == (fields.get("service_tier") == "scale")
    assert money(exporter, MINI) == (cost, None)
    unpriced = exporter.scrape().value("llm_calls_unpriced_total", **MINI)
    assert unpriced == ("1" if cost is None else "0")
    # Nothing of it is a label.
    assert exporter.scrape().value("llm_tokens_total", agent_name="A", **MINI) == "1100"


def test_a_reload_changes_plans_and_factors(start, config):
    config.write_text("price_factors: [{provider: Anthropic, factor: 0.85}]\n")
    exporter = start("--config.file", str(config))

    def reload(text, status=200):
        config.write_text(text)
        assert exporter.request("POST", "/-/reload").status == status

    exporter.post([record(SONNET), record(MINI)])
    # 0.003 + 0.0015, less 15 %.
    assert money(exporter, SONNET) == ("0.003825", None)
    assert money(exporter, MINI) == ("0.00045", None)
    reload("plans: [{provider: anthropic}]\nprice_factors: [{model: gpt-5-mini, factor: 2}]\n")
    exporter.post([record(SONNET), record(MINI), record(SONNET, cost_usd=7), record(SONNET, billing="metered")])
    assert money(exporter, SONNET) == ("0.008325", "7.0045")
    assert money(exporter, MINI) == ("0.00135", None)
    # A faulty file leaves both in force.
    reload("plans: [{provider: anthropic, seat: 5}]\n", 500)
    exporter.post([record(SONNET), record(MINI)])
    assert money(exporter, SONNET) == ("0.008325", "7.009")
    assert money(exporter, MINI) == ("0.00225", None)
    # A plan that a reload removes no longer applies; the totals stay.
    reload("budgets: [{name: all, limit_usd: 1, period: day}]\n")
    exporter.post([record(SONNET), record(MINI)])
    assert money(exporter, SONNET) == ("0.012825", "7.009")
    assert money(exporter, MINI) == ("0.0027", None)


def test_a_retry_is_the_same_record_whatever_a_reload_made_of_its_plan(start, config):
    config.write_text("plans: [{agent_name: A}]\n")
    exporter = start("--config.file", str(config))
    assert exporter.post(record(MINI, id="once")).outcome() == (1, 0, 0)
    config.write_text("price_factors: [{factor: 3}]\n")
    assert exporter.request("POST", "/-/reload").status == 200
    assert exporter.post(record(MINI, id="once")).outcome() == (0, 1, 0)
    assert money(exporter, MINI) == (None, "0.00045")


def test_calls_of_a_plan_spend_no_budget(start, config):
    config.write_text("plans: [{agent_name: Seat}]\nbudgets: [{name: all, limit_usd: 1, period: month}]\n")
    exporter = start("--config.file", str(config))
    exporter.post([record(MINI, agent="Seat", cost_usd=50),
                   record(MINI, agent="Seat", billing="metered", cost_usd=0.25),
                   record(MINI, agent="Metered", cost_usd=0.5),
                   record(MINI, agent="Metered", billing="plan", cost_usd=50)])
    told = exporter.get("/api/v1/budgets/all")
    assert told.status == 200 and float(told.json["spent_usd"]) == 0.75
    assert float(exporter.summary()["total_cost_usd"]) == 0.75
    assert money(exporter, MINI, "Seat") == ("0.25", "50") and money(exporter, MINI, "Metered") == ("0.5", "50")


@pytest.mark.parametrize("status, missing", [
    ("success", True), ("timeout", True), ("cancelled", True), ("error", False), ("rate_limited", False),
    ("my_own", False)])
@pytest.mark.parametrize("of", [MINI, {"provider": "acme", "model": "parrot-1"}], ids=["priced", "unpriced"])
def test_a_call_without_usage_is_missing_if_it_may_have_been_billed(start, of, status, missing):
    exporter = start()
    exporter.post({"agent_name": "A", **of, "status": status})
    shown = exporter.scrape()
    assert shown.value("llm_calls_usage_missing_total", agent_name="A", **of) == ("1" if missing else "0")
    assert money(exporter, of) == (None if missing else "0", None)
    assert shown.value("llm_calls_unpriced_total", **of) == "0"
    assert shown.value("llm_exporter_cost_source_total", source="usage_missing") == ("1" if missing else "0")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_new_totals_survive_a_restart(start, config, tmp_path, ending):
    config.write_text("plans: [{agent_name: Seat}]\n")
    flags = {"storage": tmp_path / "data"}
    exporter = start("--config.file", str(config), **flags)
    audio = {"provider": "openai", "model": "gpt-audio"}
    exporter.post([
        record(SONNET, cache_write_tokens=500, cache_write_1h_tokens=400, web_search_requests=2),
        record(SONNET, agent="Seat"), {"agent_name": "A", **MINI, "status": "timeout"},
        record(audio, input_audio_tokens=300, output_audio_tokens=50),
        record(MINI, agent="I", input_image_tokens=7, output_image_tokens=0)]).outcome()

    def totals():
        shown = exporter.scrape()
        return {(sample.name, *sorted(sample.labels.items())): sample.value
                for family in ("llm_token_usage_total", "llm_tool_requests_total", "llm_plan_equivalent_usd_total",
                               "llm_cost_usd_total", "llm_calls_usage_missing_total", "llm_calls_unpriced_total")
                for sample in shown.find(family)}

    before = totals()
    # 500 input at 3, 100 written at 3.75, 400 at 6, 100 output at 15 for a million, and two searches.
    assert money(exporter, SONNET) == ("0.025775", None) and money(exporter, SONNET, "Seat") == (None, "0.0045")
    shown = exporter.scrape()
    kinds = {sample.labels["token_type"]: sample.value
             for sample in shown.find("llm_token_usage_total") if sample.labels["agent_name"] == "A"
             and sample.labels["model"] in (SONNET["model"], "gpt-audio")}
    assert {"cache_write_1h": "400", "input_audio": "300", "output_audio": "50"}.items() <= kinds.items()
    assert shown.value("llm_tool_requests_total", agent_name="A", **SONNET, tool="web_search") == "2"
    assert shown.value("llm_token_usage_total", agent_name="I", **MINI, token_type="input_image") == "7"
    assert shown.get("llm_token_usage_total", agent_name="I", **MINI, token_type="output_image") is None
    exporter.signal(ending)
    exporter.wait()
    assert run("check-storage", "--storage.path", str(flags["storage"])).returncode == 0
    exporter = start("--config.file", str(config), **flags)
    assert totals() == before
    exporter.post(record(SONNET, agent="Seat"))
    assert money(exporter, SONNET, "Seat") == (None, "0.009")


def test_a_reset_removes_new_totals_too(start):
    exporter = start("--web.enable-admin-api")
    exporter.post(record(SONNET, web_search_requests=2, billing="plan", cache_write_tokens=9, cache_write_1h_tokens=9))
    assert exporter.request("POST", "/api/v1/admin/reset").status == 204
    shown = exporter.scrape()
    for family in ("llm_tool_requests_total", "llm_plan_equivalent_usd_total", "llm_token_usage_total"):
        assert shown.find(family) == []
    exporter.post(record(SONNET, billing="plan"))
    assert money(exporter, SONNET) == (None, "0.0045")
    forgotten = exporter.request("POST", "/api/v1/admin/forget?agent_name=A")
    assert forgotten.status == 200
    assert exporter.scrape().find("llm_plan_equivalent_usd_total") == []


def test_a_budget_that_a_reload_begins_again_is_logged(start, config):
    config.write_text("budgets: [{name: kept, limit_usd: 1, period: day}, {name: moved, limit_usd: 1, period: day}]\n")
    exporter = start("--config.file", str(config))
    exporter.post(record(MINI, cost_usd=0.5))
    config.write_text("budgets: [{name: kept, limit_usd: 2, period: day}, {name: moved, limit_usd: 1, period: week}]\n")
    assert exporter.request("POST", "/-/reload").status == 200
    lines = eventually(lambda: [line for line in exporter.log_lines if "starts at 0 again" in line], "it is logged")
    assert len(lines) == 1 and "moved" in lines[0] and "kept" not in lines[0]
    spent = {budget["name"]: float(budget["spent_usd"]) for budget in exporter.get("/api/v1/budgets").json["budgets"]}
    assert spent == {"kept": 0.5, "moved": 0}
    # A reload that changes nothing of it says nothing.
    assert exporter.request("POST", "/-/reload").status == 200
    assert len([line for line in exporter.log_lines if "starts at 0 again" in line]) == 1


def test_the_response_model_prices_a_call_and_is_no_label(start):
    exporter = start()
    azure = {"provider": "azure.ai.openai", "model": "prod-chat-eu"}
    exporter.post([record(azure, response_model="gpt-4o-2024-08-06"), record(azure)])
    assert money(exporter, azure) == ("0.0035", None)
    assert exporter.scrape().value("llm_calls_unpriced_total", **azure) == "1"
    assert {sample.labels["model"] for sample in exporter.scrape().find("llm_tokens_total")} == {"prod-chat-eu"}


def test_the_priced_fields_are_part_of_a_records_content(start):
    exporter = start()
    assert exporter.post(record(MINI, id="1", service_tier="flex")).outcome() == (1, 0, 0)
    assert exporter.post(record(MINI, id="1", service_tier="flex")).outcome() == (0, 1, 0)
    for fields in ({}, {"service_tier": "batch"}, {"service_tier": "flex", "billing": "plan"}):
        assert exporter.post(record(MINI, id="1", **fields)).first_error()["code"] == "id_reused"
    assert exporter.post(call(id="1")).outcome() == (1, 0, 0)


def test_a_rejected_plan_or_tier_names_its_field(start):
    exporter = start()
    told = exporter.post(json.dumps([record(MINI, billing="free"), record(MINI, service_tier="Flex!"),
                                     record(MINI, search_context_size="huge")])).problem(422)["errors"]
    assert [(error["index"], error["field"], error["code"]) for error in told] == [
        (0, "billing", "invalid_format"), (1, "service_tier", "invalid_format"),
        (2, "search_context_size", "invalid_format")]
