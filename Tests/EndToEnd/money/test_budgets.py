"""Budgets: spending survives restarts, and agents learn when to stop."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from exporter import call, eventually, run
from time_of_day import TimeOfDay

CONFIGURATION = """\
budgets:
  - {name: everything, limit_usd: 10, period: month}
  - {name: "Reviewer's day / €", agent_name: ReviewerGPT, provider: openai, model: gpt-4o, limit_usd: 0.5, period: day}
"""
REVIEWS = "Reviewer's day / €"
REVIEWS_PATH = "/api/v1/budgets/Reviewer's%20day%20%2F%20%E2%82%AC"


def review(cost, **fields):
    return {"agent_name": "ReviewerGPT", "provider": "openai", "model": "gpt-4o", "cost_usd": cost, **fields}


@pytest.fixture
def configuration(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture(autouse=True)
def no_turn_of_the_hour():
    """A window must not turn within a test: near the end of an hour it waits for the next."""
    left = 3600 - time.time() % 3600
    if left < 20:
        time.sleep(left + 1)


def spent(exporter):
    return {budget["name"]: (budget["spent_usd"], budget["unpriced_calls"])
            for budget in exporter.get("/api/v1/budgets").json["budgets"]}


def test_a_budget_is_200_while_money_is_left_and_402_when_it_is_spent(start, configuration):
    exporter = start("--config.file", str(configuration))
    assert exporter.post([review(Decimal("0.3")), call(cost_usd=2), review(Decimal("0.1"), model="gpt-4o-mini"),
                          review(Decimal("0.05"), agent_name="Reviewer")]).outcome() == (4, 0, 0)
    reply = exporter.get(REVIEWS_PATH)
    assert reply.status == 200
    told = reply.json
    assert told.pop("resets_at") == time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 86_400))
    assert told == {"name": REVIEWS, "agent_name": "ReviewerGPT", "provider": "openai", "model": "gpt-4o",
                    "period": "day", "limit_usd": Decimal("0.5"), "spent_usd": Decimal("0.3"),
                    "remaining_usd": Decimal("0.2"), "unpriced_calls": 0}
    assert spent(exporter) == {"everything": (Decimal("2.45"), 0), REVIEWS: (Decimal("0.3"), 0)}

    # To the last 1e-12 USD.
    assert exporter.post(review(Decimal("0.199999999999"))).outcome() == (1, 0, 0)
    assert exporter.get(REVIEWS_PATH).json["remaining_usd"] == Decimal("1e-12")
    assert exporter.post(review(Decimal("1e-12"))).outcome() == (1, 0, 0)
    problem = exporter.get(REVIEWS_PATH).problem(402)
    assert {"name": REVIEWS, "limit_usd": Decimal("0.5"), "spent_usd": Decimal("0.5"), "remaining_usd": 0,
            "period": "day"}.items() <= problem.items()
    assert problem["resets_at"].endswith("T00:00:00Z")
    # Nobody is kept from reporting what it cost.
    assert exporter.post(review(1)).outcome() == (1, 0, 0)
    assert exporter.get(REVIEWS_PATH).problem(402)["remaining_usd"] == -1
    assert exporter.request("HEAD", "/api/v1/budgets/everything").status == 200
    assert "GET /api/v1/budgets" in exporter.get("/api/v1/budgets/nobody").problem(404)["detail"]
    assert exporter.request("POST", REVIEWS_PATH).problem(405)
    assert exporter.get("/api/v1/budgets/").problem(404)


def test_budgets_are_families(start, configuration):
    exporter = start("--config.file", str(configuration))
    exporter.post([review(Decimal("0.75")), review(None)])
    for shown in (exporter.scrape(), exporter.openmetrics()):
        for budget, period, limit, money, left in [
                ("everything", "month", "10", "0.75", "9.25"), (REVIEWS, "day", "0.5", "0.75", "-0.25")]:
            labels = {"budget": budget, "period": period}
            assert shown.value("llm_budget_limit_usd", **labels) == limit
            assert shown.value("llm_budget_spent_usd", **labels) == money
            assert shown.value("llm_budget_remaining_usd", **labels) == left
    # gpt-4o has a price, but a call without usage adds nothing.
    assert spent(exporter)[REVIEWS] == (Decimal("0.75"), 1)


@pytest.mark.concurrency
def test_spending_is_exact_after_kills_and_counts_a_retry_once(start, configuration, tmp_path):
    flags = {"storage": tmp_path / "data"}
    total = Decimal(0)
    for round_ in range(5):
        exporter = start("--config.file", str(configuration), **flags)
        records = [review(Decimal(f"0.000{round_}{n:03}"), id=f"{round_}-{n}") for n in range(200)]
        assert exporter.post_lines(records).outcome() == (200, 0, 0)
        assert exporter.post_lines(records).outcome() == (0, 200, 0)
        assert exporter.post(review(None, id=f"unpriced-{round_}", model="gpt-4o")).outcome() == (1, 0, 0)
        total += sum(record["cost_usd"] for record in records)
        assert spent(exporter)[REVIEWS] == (total, round_ + 1)
        exporter.kill()
    exporter = start("--config.file", str(configuration), **flags)
    assert spent(exporter) == {"everything": (total, 5), REVIEWS: (total, 5)}
    exporter.stop()
    assert run("check-storage", "--storage.path", str(flags["storage"])).returncode == 0
    # Without the budgets their spending goes; the totals stay.
    exporter = start(**flags)
    assert spent(exporter) == {}
    assert exporter.scrape().total("llm_cost_usd_total") == total


@pytest.mark.concurrency
def test_a_reload_keeps_what_was_spent_when_the_limit_changes_and_restarts_what_counts_otherwise(start, configuration):
    exporter = start("--config.file", str(configuration))
    exporter.post([review(Decimal("0.75")), call(cost_usd=1)])
    assert exporter.get(REVIEWS_PATH).status == 402
    configuration.write_text(CONFIGURATION.replace("0.5", "5") + "  - {name: new, limit_usd: 1, period: hour}\n")
    assert exporter.request("POST", "/-/reload").status == 200
    assert exporter.get(REVIEWS_PATH).json["remaining_usd"] == Decimal("4.25")
    assert spent(exporter) == {"everything": (Decimal("1.75"), 0), REVIEWS: (Decimal("0.75"), 0), "new": (0, 0)}
    configuration.write_text(CONFIGURATION.replace("period: month", "period: week").replace(", model: gpt-4o", ""))
    assert exporter.request("POST", "/-/reload").status == 200
    assert spent(exporter) == {"everything": (0, 0), REVIEWS: (0, 0)}
    exporter.post(review(Decimal("0.25"), model="o3"))
    assert spent(exporter) == {"everything": (Decimal("0.25"), 0), REVIEWS: (Decimal("0.25"), 0)}


def test_reset_leaves_spending_unless_told_otherwise(start, configuration):
    exporter = start("--config.file", str(configuration), "--web.enable-admin-api")
    exporter.post(review(Decimal("0.75")))
    for wrong in ("?budget=true", "?budgets=yes", "?budgets=true&budgets=true", "?budgets"):
        exporter.request("POST", f"/api/v1/admin/reset{wrong}").problem(400)
    assert exporter.calls() == 1
    assert exporter.request("POST", "/api/v1/admin/reset").status == 204
    assert exporter.calls() == 0
    assert spent(exporter)[REVIEWS] == (Decimal("0.75"), 0)
    assert exporter.request("POST", "/api/v1/admin/reset?budgets=true").status == 204
    assert spent(exporter) == {"everything": (0, 0), REVIEWS: (0, 0)}


def test_the_names_as_sent_count_whatever_is_folded(start, configuration):
    exporter = start("--config.file", str(configuration), "--limits.max-series", "1")
    exporter.post([call(cost_usd=1), review(Decimal("0.25")), review(Decimal("0.5"), model="gpt-5")])
    assert exporter.scrape().value("llm_cost_usd_total", agent_name="_other", provider="_other",
                                   model="_other") == "0.75"
    assert spent(exporter) == {"everything": (Decimal("1.75"), 0), REVIEWS: (Decimal("0.25"), 0)}


def test_offline_commands_leave_budgets_alone(start, configuration, tmp_path):
    storage = tmp_path / "data"
    exporter = start("--config.file", str(configuration), storage=storage)
    exporter.post(review(Decimal("0.75")))
    exporter.stop()
    assert run("reset", "--storage.path", str(storage)).returncode == 0
    exporter = start("--config.file", str(configuration), storage=storage)
    assert exporter.calls() == 0
    assert spent(exporter)[REVIEWS] == (Decimal("0.75"), 0)


@pytest.mark.heavy
def test_windows_turn_at_the_end_of_a_leap_day_without_a_post(start, configuration, tmp_path):
    """The clock of the program is set to its last seconds."""
    clock = TimeOfDay(tmp_path / "clock")
    clock.set("2028-02-29T23:59:56")
    configuration.write_text(CONFIGURATION + "  - {name: hour, limit_usd: 1, period: hour}\n")
    exporter = start("--config.file", str(configuration), storage=tmp_path / "data", environment=clock.environment)
    exporter.post(review(Decimal("0.75")))
    assert spent(exporter) == {"everything": (Decimal("0.75"), 0), REVIEWS: (Decimal("0.75"), 0),
                               "hour": (Decimal("0.75"), 0)}
    assert exporter.get(REVIEWS_PATH).problem(402)["resets_at"] == "2028-03-01T00:00:00Z"
    eventually(lambda: spent(exporter) == dict.fromkeys(("everything", REVIEWS, "hour"), (0, 0)),
               "all windows have turned")
    assert exporter.get(REVIEWS_PATH).json["resets_at"] == "2028-03-02T00:00:00Z"
    exporter.post(review(Decimal("0.25")))
    assert spent(exporter)["hour"] == (Decimal("0.25"), 0)
    # The totals know no windows.
    assert exporter.scrape().total("llm_cost_usd_total") == 1
