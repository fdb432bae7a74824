"""A real Prometheus scrapes with the repository's prometheus.yml and answers the README's five queries."""

import math
import re
import subprocess
import time
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from exporter import ROOT, Exporter, Raw, call, eventually
from prometheus import CONFIGURATION, Prometheus

COOKBOOK = (ROOT / "docs" / "promql.md").read_text()
FIVE = COOKBOOK[COOKBOOK.index("## Five to begin with"):COOKBOOK.index("## Cost")]
QUERIES = re.findall(r"^```promql\n(.*?)^```", FIVE, re.MULTILINE | re.DOTALL)

BASE = [call(agent_name="ReviewerGPT", provider="openai", model="gpt-4o-mini", input_tokens=1, cost_usd=Raw("0.001"),
             latency_ms=90),
        call(agent_name="CodesmithAgent", provider="anthropic", model="claude", input_tokens=2, cost_usd=Raw("0.002"),
             latency_ms=90),
        call(agent_name="CodesmithAgent", provider="openai", model="gpt-4o-mini", input_tokens=3, cost_usd=Raw("0.003"),
             latency_ms=90)]

DAY = ([call(agent_name="ReviewerGPT", provider="openai", model="gpt-4o-mini", input_tokens=100 + n, output_tokens=436,
             cost_usd=Raw("0.0002766"), latency_ms=140 + 20 * n) for n in range(40)]
       + [call(agent_name="ReviewerGPT", provider="openai", model="gpt-4o-mini", status="error", input_tokens=5,
               cost_usd=0, latency_ms=9000)] * 5
       + [call(agent_name="CodesmithAgent", provider="anthropic", model="claude", input_tokens=2000, output_tokens=n,
               cost_usd=Raw("0.0123"), latency_ms=1000 + 100 * n) for n in range(20)]
       + [call(agent_name="CodesmithAgent", provider="openai", model="gpt-4o-mini", status="error", latency_ms=12_000,
               cost_usd=Raw("0.5"))] * 2)


@pytest.fixture(scope="module")
def day():
    """The exporter, Prometheus, and the moment at which all was scraped."""
    exporter = Exporter()
    prometheus = Prometheus(exporter)
    try:
        # A rate sees only what grows between two scrapes: the first records make the series.
        assert exporter.post(BASE).outcome() == (len(BASE), 0, 0)
        prometheus.await_scrapes(2)
        for at in range(0, len(DAY), 10):
            assert exporter.post_lines(DAY[at:at + 10]).outcome()[0] == len(DAY[at:at + 10])
            time.sleep(0.2)
        prometheus.await_scrapes(2)
        # Prometheus' clock ticks in milliseconds.
        moment = round(time.time(), 3)
        yield exporter, prometheus, moment
        exporter.stop()
    finally:
        prometheus.stop()
        exporter.kill()


def seconds(duration):
    return sum(int(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
               for n, unit in re.findall(r"(\d+)(ms|s|m|h|d)", duration))


def extrapolated_rate(samples, start, end):
    """Growth per second over a range, as Prometheus computes it (promql/functions.go, extrapolatedRate), no resets.

    Times are whole milliseconds, as in Prometheus: differences of Unix seconds would lose digits.
    """
    (first_time, first), (last_time, last) = samples[0], samples[-1]
    grown, sampled = last - first, (last_time - first_time) / 1000
    average = sampled / (len(samples) - 1)
    to_start, to_end = (first_time - start) / 1000, (end - last_time) / 1000
    if grown > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / grown))
    reach = sampled
    reach += to_start if to_start < average * 1.1 else average / 2
    reach += to_end if to_end < average * 1.1 else average / 2
    return grown * (reach / sampled) / ((end - start) / 1000)


def rates(prometheus, selector, window, moment, by):
    """`sum by (by) (rate(selector[window]))`, from the raw samples."""
    sums: defaultdict[Any, float] = defaultdict(float)
    for series in prometheus.query(f"{selector}[{window}]", moment):
        samples = [(round(t * 1000), float(v)) for t, v in series["values"]]
        if len(samples) > 1:
            key = tuple(series["metric"][label] for label in by)
            end = round(moment * 1000)
            sums[key] += extrapolated_rate(samples, end - round(seconds(window) * 1000), end)
    return dict(sums)


def hourly(query):
    """What a query's `rate` or `increase` is multiplied with to be of one hour."""
    [(function, window)] = set(re.findall(r"(rate|increase)\([^()]*\[(\w+)\]", query))
    if function == "rate":
        assert re.search(r"\* *3600", query), "a rate is of a second"
        return window, 3600
    return window, seconds(window)


def assert_close(answers, expected):
    assert answers.keys() == expected.keys()
    for agent, value in expected.items():
        assert math.isclose(float(answers[agent]), value, rel_tol=1e-9), (agent, answers[agent], value)


def window_of(query):
    [window] = set(re.findall(r"\[(\w+)\]", query))
    return window


def test_the_readme_has_the_five_queries():
    assert len(QUERIES) == 5


def test_the_configuration_is_valid():
    done = subprocess.run(["promtool", "check", "config", CONFIGURATION], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_everything_posted_arrives(day):
    _, prometheus, moment = day
    sent = BASE + DAY
    for agent in ("ReviewerGPT", "CodesmithAgent"):
        mine = [r for r in sent if r["agent_name"] == agent]
        assert prometheus.by_agent("sum by (agent_name) (llm_calls_total)", moment)[agent] == str(len(mine))
        assert prometheus.by_agent("sum by (agent_name) (llm_tokens_total)", moment)[agent] == str(
            sum(r.get("input_tokens", 0) + r.get("output_tokens", 0) for r in mine))
        cost = prometheus.by_agent("sum by (agent_name) (llm_cost_usd_total)", moment)[agent]
        assert math.isclose(float(cost), float(sum(Decimal(r["cost_usd"]) for r in mine)), rel_tol=1e-12)


def test_scrapes_are_openmetrics_and_whole(day):
    _, prometheus, moment = day
    assert [s["value"][1] for s in prometheus.query("min_over_time(up[5m])", moment)] == ["1"]
    [target] = prometheus.get("/api/v1/targets")["activeTargets"]
    assert target["health"] == "up" and not target["lastError"]
    types = prometheus.get("/api/v1/metadata")
    assert types["llm_calls_total" if "llm_calls_total" in types else "llm_calls"][0]["type"] == "counter"
    assert types["llm_latency_seconds"][0]["type"] == "histogram"


def test_calls_per_second_by_agent(day):
    _, prometheus, moment = day
    window = window_of(QUERIES[0])
    expected = rates(prometheus, "llm_calls_total", window, moment, ["agent_name"])
    assert expected.keys() == {("ReviewerGPT",), ("CodesmithAgent",)}
    assert_close(prometheus.by_agent(QUERIES[0], moment), {agent: v for (agent,), v in expected.items()})
    # The raw growth is what was posted; only the edges of the range are extrapolated.
    grown = {s["metric"]["agent_name"]: float(s["value"][1]) for s in prometheus.query(
        f"sum by (agent_name) (llm_calls_total - min_over_time(llm_calls_total[{window}]))", moment)}
    for (agent,) in expected:
        # The very first scrape of a set may precede no call of BASE, which then is growth of nothing.
        assert grown[agent] == sum(r["agent_name"] == agent for r in DAY)


def test_tokens_per_hour_by_agent(day):
    _, prometheus, moment = day
    window, factor = hourly(QUERIES[1])
    expected = rates(prometheus, "llm_tokens_total", window, moment, ["agent_name"])
    assert_close(prometheus.by_agent(QUERIES[1], moment), {agent: v * factor for (agent,), v in expected.items()})
    assert all(v > 0 for v in expected.values())


def quantile(q, buckets):
    """Linear inside the bucket (promql/quantile.go, bucketQuantile); `buckets` are cumulative, `+Inf` last."""
    rank = q * buckets[-1][1]
    index = next(i for i, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    low, below = buckets[index - 1] if index else (0.0, 0.0)
    high, count = buckets[index]
    return low + (high - low) * (rank - below) / (count - below)


def test_95th_percentile_latency_by_agent(day):
    _, prometheus, moment = day
    by_bound = rates(prometheus, "llm_latency_seconds_bucket", window_of(QUERIES[2]), moment, ["agent_name", "le"])
    expected = {}
    for agent in ("ReviewerGPT", "CodesmithAgent"):
        buckets = sorted((float(le), rate) for (name, le), rate in by_bound.items() if name == agent)
        assert [bound for bound, _ in buckets] == [0.1, 0.5, 1, 2.5, 5, 10, math.inf]
        expected[agent] = quantile(0.95, buckets)
    assert_close(prometheus.by_agent(QUERIES[2], moment), expected)
    # Of 45 calls 5 took 9 s; of 22 two took 12 s, past the last bound.
    assert 5 < expected["ReviewerGPT"] < 10
    assert 2.5 < expected["CodesmithAgent"] <= 10


def test_success_rate_by_agent(day):
    _, prometheus, moment = day
    window = window_of(QUERIES[3])
    good = rates(prometheus, 'llm_calls_total{status="success"}', window, moment, ["agent_name"])
    every = rates(prometheus, "llm_calls_total", window, moment, ["agent_name"])
    answers = prometheus.by_agent(QUERIES[3], moment)
    scale = 100 if re.search(r"\b100\b", QUERIES[3]) else 1
    assert_close(answers, {agent: scale * good[agent,] / every[agent,] for (agent,) in every})
    # Extrapolation differs a little between series that began at 0 and others.
    assert abs(float(answers["ReviewerGPT"]) / scale - 40 / 45) < 0.05
    assert abs(float(answers["CodesmithAgent"]) / scale - 20 / 22) < 0.05


def test_cost_per_hour_by_agent(day):
    _, prometheus, moment = day
    window, factor = hourly(QUERIES[4])
    expected = rates(prometheus, "llm_cost_usd_total", window, moment, ["agent_name"])
    assert_close(prometheus.by_agent(QUERIES[4], moment), {agent: v * factor for (agent,), v in expected.items()})
    assert all(v > 0 for v in expected.values())


def test_exemplars_arrive(day):
    exporter, prometheus, _ = day
    exporter.post(call(agent_name="Traced", latency_ms=3000, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")).outcome()
    now = time.time()

    def found():
        return prometheus.get("/api/v1/query_exemplars", query='llm_latency_seconds_bucket{agent_name="Traced"}',
                              start=now - 60, end=now + 60)

    [series] = eventually(found, "the exemplar is stored")
    assert series["seriesLabels"]["le"] == "5.0"
    [exemplar] = series["exemplars"]
    assert exemplar["labels"] == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    assert float(exemplar["value"]) == 3
