"""The seven checks of the original report, over HTTP, and the reviewer's day."""

import re
import socket
from decimal import Decimal

import pytest

from exporter import call, run

#: The families of the original report, with their types. They do not change, whatever docs/metrics.md comes to say.
REPORTED = {
    "llm_calls_total": "counter",
    "llm_tokens_total": "counter",
    "llm_cost_usd_total": "counter",
    "llm_memory_rss_mb": "gauge",
    "llm_memory_available_mb": "gauge",
    "llm_active_calls": "gauge",
    "llm_latency_seconds": "histogram",
    "llm_api_latency_seconds": "histogram",
    "llm_input_tokens_last_call": "gauge",
    "llm_output_tokens_last_call": "gauge",
}

PHASES = ["preparation", "API call", "response received", "metrics extraction", "cost calculation",
          "memory tracking", "performance analysis", "recording"]


def test_check_1_the_exporter_is_available(exporter):
    assert exporter.get("/-/healthy").status == 200
    assert exporter.get("/-/ready").status == 200
    assert exporter.get("/").status == 200


@pytest.mark.parametrize("family, kind", REPORTED.items())
def test_check_2_the_export_has_help_and_type_of_every_family(standing, family, kind):
    described = standing.scrape().families[family]
    assert described.type == kind
    assert described.help


def test_check_3_three_records_count_three(exporter):
    for _ in range(3):
        assert exporter.post(call()).outcome() == (1, 0, 0)
    assert exporter.scrape().value("llm_calls_total", agent_name="TestAgent", provider="acme", model="parrot-1",
                                   status="success") == "3"


def test_check_4_memory_shows_the_last_value(exporter):
    for value in ("256.0", "300.0"):
        assert exporter.post(f'{{"agent_name":"TestAgent","provider":"acme","model":"parrot-1",'
                             f'"memory_rss_mb":{value}}}').outcome() == (1, 0, 0)
    assert Decimal(exporter.scrape().value("llm_memory_rss_mb", agent_name="TestAgent")) == 300


def test_check_5_two_seconds_fall_into_the_right_buckets(exporter):
    exporter.post(call(latency_ms=2000))
    shown = exporter.scrape()
    of_call = {"agent_name": "TestAgent", "provider": "acme", "model": "parrot-1"}
    buckets = {s.labels["le"]: s.value for s in shown.find("llm_latency_seconds_bucket")}
    assert buckets == {"0.1": "0", "0.5": "0", "1.0": "0", "2.5": "1", "5.0": "1", "10.0": "1", "+Inf": "1"}
    assert shown.value("llm_latency_seconds_sum", **of_call) == "2"
    assert shown.value("llm_latency_seconds_count", **of_call) == "1"


def test_check_6_labels_of_three_agents_come_out(exporter):
    sent = [("ReviewerGPT", "OpenAI", "gpt-4o-mini"), ("CodesmithAgent", "Anthropic", "claude-sonnet-4"),
            ("Übersetzer \"2\"", "Mistral\\AI", "mistral-large")]
    for agent, provider, model in sent:
        exporter.post(call(agent_name=agent, provider=provider, model=model)).outcome()
    shown = exporter.scrape()
    for agent, provider, model in sent:
        labels = {"agent_name": agent, "provider": provider, "model": model}
        assert shown.value("llm_calls_total", **labels, status="success") == "1"
        assert shown.value("llm_calls_total", **labels, status="error") == "0"


def test_check_7_totals_of_two_agents_add_up(exporter):
    calls = [call(agent_name="ReviewerGPT", input_tokens=500, output_tokens=250, cost_usd=Decimal("0.000225")),
             call(agent_name="ReviewerGPT", input_tokens=800, output_tokens=400, cost_usd=Decimal("0.00036")),
             call(agent_name="CodesmithAgent", total_tokens=1200, cost_usd=Decimal("0.000435"))]
    for one in calls:
        assert exporter.post(one).outcome() == (1, 0, 0)
    told = exporter.summary()
    assert (told["total_calls"], told["success_calls"], told["error_calls"]) == (3, 3, 0)
    assert told["total_tokens"] == 3150
    assert Decimal(told["total_cost_usd"]) == Decimal("0.00102")
    assert {name: (a["calls"], a["tokens"], Decimal(a["cost_usd"]), a["errors"])
            for name, a in told["agents"].items()} == {
        "ReviewerGPT": (2, 1950, Decimal("0.000585"), 0), "CodesmithAgent": (1, 1200, Decimal("0.000435"), 0)}
    shown = exporter.scrape()
    assert shown.total("llm_tokens_total") == 3150
    assert shown.total("llm_cost_usd_total") == Decimal("0.00102")
    assert shown.total("llm_tokens_total", agent_name="ReviewerGPT") == 1950
    assert shown.total("llm_cost_usd_total", agent_name="CodesmithAgent") == Decimal("0.000435")


def assert_eight_phases_a_call(output):
    for phase in PHASES:
        assert len(re.findall(re.escape(phase), output, re.IGNORECASE)) >= 4, f"phase {phase!r} in:\n{output}"


def test_simulation_against_a_running_exporter(exporter):
    done = run("simulate", "--url", exporter.url)
    assert done.returncode == 0, done.stderr
    assert_eight_phases_a_call(done.stdout + done.stderr)
    shown = exporter.scrape()
    of_agent = {"agent_name": "ReviewerGPT", "provider": "openai", "model": "gpt-4o-mini"}
    assert shown.agents("llm_calls_total") == {"ReviewerGPT"}
    assert shown.value("llm_calls_total", **of_agent, status="success") == "4"
    assert shown.value("llm_calls_total", **of_agent, status="error") == "0"
    assert shown.value("llm_tokens_total", **of_agent) == "536"
    assert shown.value("llm_token_usage_total", **of_agent, token_type="input") == "100"
    assert shown.value("llm_token_usage_total", **of_agent, token_type="output") == "436"
    assert shown.value("llm_cost_usd_total", **of_agent) == "0.0002766"
    assert shown.value("llm_latency_seconds_count", **of_agent) == "4"
    assert Decimal("0.4") <= Decimal(shown.value("llm_latency_seconds_sum", **of_agent)) <= Decimal(4)
    assert shown.get("llm_memory_rss_mb", agent_name="ReviewerGPT") is not None


def test_simulation_can_run_twice_against_one_exporter(exporter):
    for _ in range(2):
        done = run("simulate", "--url", exporter.url)
        assert done.returncode == 0, done.stdout + done.stderr
    assert exporter.calls() == 8


def test_simulation_against_an_exporter_of_its_own():
    done = run("simulate")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert_eight_phases_a_call(output)
    assert "ReviewerGPT" in output
    assert re.search(r"\b536\b", output), output
    assert "0.00027660" in output


def test_simulation_fails_when_nobody_listens():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = run("simulate", "--url", url)
    assert done.returncode == 1, done.stdout + done.stderr
    assert url.removeprefix("http://") in done.stderr
