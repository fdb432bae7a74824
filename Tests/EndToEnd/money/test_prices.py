"""Costs of records that come without one, and where the prices come from."""

from __future__ import annotations

import functools
import gzip
import http.client
import json
import re
import signal
import threading
from decimal import Decimal

import pytest

from azure_trace import CALLS, COST, OF_SET, trace
from exporter import ABSENT, NDJSON, ROOT, call, eventually, ndjson, run

PRICED = {"provider": "openai", "model": "gpt-4o-mini"}


@pytest.fixture
def start(start):
    """With the shipped prices."""
    return functools.partial(start, shipped_prices=True)


def table(**rates):
    return json.dumps({"acme/parrot-1": {"litellm_provider": "acme", **rates}})


def cost(exporter, agent="TestAgent", **labels):
    return exporter.scrape().get("llm_cost_usd_total", agent_name=agent, **{"provider": "acme", "model": "parrot-1",
                                                                           **labels})


def test_the_azure_trace_costs_what_its_models_price_says(exporter):
    records = [{**record, "cost_usd": ABSENT} for record in trace()]
    for at in range(0, CALLS, 1000):
        exporter.post_lines(records[at:at + 1000])
    shown = exporter.scrape()
    assert shown.value("llm_cost_usd_total", **OF_SET) == COST == "2.8565337"
    assert shown.value("llm_calls_unpriced_total", **PRICED) == "0"
    assert shown.value("llm_exporter_cost_source_total", source="computed") == str(CALLS)


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_ten_million_calls_of_a_tenth_of_a_millionth_cost_one_dollar(start, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(table(input_cost_per_token=1e-7, output_cost_per_token=0))
    config = tmp_path / "config.yaml"
    config.write_text("budgets: [{name: all, limit_usd: 1, period: month}]")
    exporter = start("--prices.file", str(prices), "--config.file", str(config))
    # Half of them tell their cost, of half it is computed.
    bodies = [gzip.compress(ndjson([call(cost_usd=Decimal("0.0000001"))] * 100_000), 1),
              gzip.compress(ndjson([call(input_tokens=1, output_tokens=5)] * 100_000), 1)]
    failures = []

    def sending(body):
        connection = http.client.HTTPConnection(exporter.address[0], exporter.address[1], timeout=120)
        for _ in range(50):
            connection.request("POST", "/record", body, {**NDJSON, "Content-Encoding": "gzip"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
            if told.get("accepted") != 100_000:
                failures.append(told)
        connection.close()

    senders = [threading.Thread(target=sending, args=(body,)) for body in bodies]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not failures, failures
    assert exporter.calls() == 10_000_000
    assert cost(exporter) == "1"
    assert exporter.summary()["total_cost_usd"] == 1
    assert exporter.get("/api/v1/budgets/all").problem(402)["remaining_usd"] == 0


def test_a_reported_cost_wins_and_what_cannot_be_known_is_told(exporter):
    exporter.post([
        {"agent_name": "A", **PRICED, "input_tokens": 1000, "cost_usd": 7},
        {"agent_name": "A", **PRICED, "input_tokens": 1000, "cost_usd": 0},
        {"agent_name": "B", **PRICED, "input_tokens": 1000},
        # No usage at all: nothing to compute, and not the price's fault.
        {"agent_name": "C", **PRICED},
        # A failed call that tells no usage has cost nothing.
        {"agent_name": "D", **PRICED, "status": "error"},
        # Of a total nobody can tell what part was output, unless the other part is told.
        {"agent_name": "E", **PRICED, "total_tokens": 9},
        {"agent_name": "H", **PRICED, "total_tokens": 1000, "input_tokens": 400},
        # More input than there was in all: the total says nothing.
        {"agent_name": "I", **PRICED, "total_tokens": 300, "input_tokens": 400},
        # The same for a model that no price table knows.
        call(agent_name="J", status="error"),
        call(agent_name="F", input_tokens=1),
        {"agent_name": "G", "provider": "ollama", "model": "ollama/llama3", "input_tokens": 5, "output_tokens": 5},
    ])
    shown = exporter.scrape()
    costs = {agent: shown.get("llm_cost_usd_total", agent_name=agent, **PRICED) for agent in "ABCDEHI"}
    assert costs == {"A": "7", "B": "0.00015", "C": None, "D": "0", "E": None, "H": "0.00042", "I": "0.00006"}
    assert shown.value("llm_token_usage_total", agent_name="H", **PRICED, token_type="output") == "600"
    assert cost(exporter, "J") == "0"
    assert cost(exporter, "F") is None
    # An explicit price of 0 is a price.
    assert cost(exporter, "G", provider="ollama", model="ollama/llama3") == "0"
    assert shown.value("llm_calls_unpriced_total", **PRICED) == "1"
    assert shown.value("llm_calls_unpriced_total", provider="acme", model="parrot-1") == "1"
    assert shown.value("llm_calls_unpriced_total", provider="ollama", model="ollama/llama3") == "0"
    missing = {agent: shown.value("llm_calls_usage_missing_total", agent_name=agent, **PRICED) for agent in "ABCDE"}
    assert missing == {"A": "0", "B": "0", "C": "1", "D": "0", "E": "0"}
    sources = {source: shown.value("llm_exporter_cost_source_total", source=source)
               for source in ("reported", "computed", "unpriced", "usage_missing")}
    assert sources == {"reported": "2", "computed": "6", "unpriced": "2", "usage_missing": "1"}


@pytest.mark.concurrency
def test_a_retry_whose_price_has_changed_meanwhile_is_still_the_same_record(start, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(table(input_cost_per_token=1e-6))
    exporter = start("--prices.file", str(prices))
    record = call(id="once", input_tokens=1000)
    assert exporter.post(record).outcome() == (1, 0, 0)
    prices.write_text(table(input_cost_per_token=2e-6))
    assert exporter.request("POST", "/-/reload").status == 200
    assert exporter.post(record).outcome() == (0, 1, 0)
    assert cost(exporter) == "0.001"
    assert exporter.scrape().value("llm_exporter_cost_source_total", source="computed") == "1"


def test_token_kinds_sum_to_the_bill(exporter):
    exporter.post({"agent_name": "A", **PRICED, "input_tokens": 1000, "cache_read_tokens": 600,
                   "cache_write_tokens": 50,
                   "output_tokens": 300, "reasoning_tokens": 100})
    shown = exporter.scrape()
    kinds = {kind: int(shown.value("llm_token_usage_total", agent_name="A", **PRICED, token_type=kind))
             for kind in ("input", "cache_read", "cache_write", "output", "reasoning")}
    assert kinds == {"input": 350, "cache_read": 600, "cache_write": 50, "output": 200, "reasoning": 100}
    assert sum(kinds.values()) == int(shown.value("llm_tokens_total", agent_name="A", **PRICED))
    # 0.15 a million in, half of it from the cache, writes as input, 0.60 out and for reasoning.
    assert shown.value("llm_cost_usd_total", agent_name="A", **PRICED) == "0.000285"


# Sources


def test_files_go_over_the_shipped_table_in_their_order_and_the_configuration_over_all(start, tmp_path):
    first, second, config = (tmp_path / name for name in ("1.json", "2.json", "c.yaml"))
    # Both of the configuration's go over the shipped ones, which are spelled otherwise.
    first.write_text(json.dumps({
        "gpt-4o-mini": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
        "acme/parrot-1": {"litellm_provider": "acme", "input_cost_per_token": 1e-6},
        "acme/parrot-2": {"litellm_provider": "acme", "input_cost_per_token": 1e-6}}))
    second.write_text(table(input_cost_per_token=2e-6))
    config.write_text("prices:\n  acme/parrot-2: {input_cost_per_token: 3.0e-6}\n"
                      "  azure.ai.openai/gpt-4o: {input_cost_per_token: 4.0e-6}\n"
                      "  gemini-2.5-flash: {litellm_provider: gemini, input_cost_per_token: 5.0e-6}\n"
                      "aliases: {models: {mine: gpt-4o-mini}, providers: {Gateway: openai}}\n")
    exporter = start("--prices.file", str(first), "--prices.file", str(second), "--config.file", str(config))
    exporter.post([{"agent_name": "A", "provider": provider, "model": model, "input_tokens": 1_000_000}
                   for provider, model in (("openai", "gpt-4o-mini"), ("acme", "parrot-1"), ("acme", "parrot-2"),
                                           ("openai", "gpt-4o"), ("gateway", "gpt-4o"), ("openai", "mine"),
                                           ("azure", "gpt-4o"), ("google", "gemini-2.5-flash"))])
    shown = exporter.scrape()
    costs = {f"{s.labels['provider']}/{s.labels['model']}": s.value for s in shown.find("llm_cost_usd_total")}
    assert costs == {"openai/gpt-4o-mini": "1", "acme/parrot-1": "2", "acme/parrot-2": "3", "openai/gpt-4o": "2.5",
                     "gateway/gpt-4o": "2.5", "openai/mine": "1", "azure/gpt-4o": "4", "google/gemini-2.5-flash": "5"}


def test_without_the_shipped_table_nothing_has_a_price(start):
    exporter = start("--prices.no-builtin")
    exporter.post({"agent_name": "A", **PRICED, "input_tokens": 1})
    assert exporter.scrape().value("llm_calls_unpriced_total", **PRICED) == "1"
    assert exporter.scrape().value("llm_exporter_price_entries") == "0"


@pytest.mark.parametrize("how", ["SIGHUP", "POST"])
def test_a_reload_changes_prices_and_a_bad_file_changes_nothing(start, tmp_path, how):
    prices, config = tmp_path / "prices.json", tmp_path / "config.yaml"
    prices.write_text(table(input_cost_per_token=1e-6))
    config.write_text("budgets: [{name: all, limit_usd: 1, period: day}]\n")
    exporter = start("--prices.file", str(prices), "--config.file", str(config))

    def reload(succeeds, words=""):
        result = "success" if succeeds else "failure"
        before = int(exporter.scrape().value("llm_exporter_config_reloads_total", result=result))
        if how == "POST":
            reply = exporter.request("POST", "/-/reload")
            if succeeds:
                assert reply.status == 200
            else:
                assert words in reply.problem(500)["detail"]
        else:
            exporter.signal(signal.SIGHUP)
        eventually(lambda: int(exporter.scrape().value("llm_exporter_config_reloads_total",
                                                       result=result)) == before + 1,
                   f"a reload counts as {result}")
        shown = exporter.scrape()
        assert shown.value("llm_exporter_config_last_reload_successful") == str(int(succeeds))
        if not succeeds:
            assert any("level=error" in line and words in line for line in exporter.log_lines), exporter.log

    def charged():
        before = Decimal(cost(exporter) or 0)
        exporter.post(call(input_tokens=1_000_000))
        return Decimal(cost(exporter)) - before

    assert charged() == 1
    prices.write_text(table(input_cost_per_token=2e-6))
    assert charged() == 1
    reload(True)
    assert charged() == 2
    prices.write_text(table(input_cost_per_token="2e-6"))
    reload(False, "acme/parrot-1")
    assert charged() == 2
    # Sound prices with a configuration that is not: neither is taken.
    prices.write_text(table(input_cost_per_token=3e-6))
    config.write_text("budgets:\n  - {name: all, limit_usd: 1, period: year}\n")
    reload(False, f"{config}:2: budgets[0].period must be one of")
    assert charged() == 2
    assert exporter.get("/api/v1/budgets/all").status == 402
    config.write_text("budgets: [{name: all, limit_usd: 2, period: day}]\n")
    prices.unlink()
    reload(False, "cannot be read: No such file or directory")
    assert exporter.get("/api/v1/budgets/all").status == 402
    prices.write_text(table(input_cost_per_token=3e-6))
    reload(True)
    assert charged() == 3
    assert [budget["limit_usd"] for budget in exporter.get("/api/v1/budgets").json["budgets"]] == [2]


@pytest.mark.parametrize("flag, content, words", [
    ("--config.file", "budgets:\n  - {name: a, limit: 5, period: day}\n", ":2: budgets[0].limit is not known here"),
    ("--config.file", "budget: []\n", ":1: budget is not known here; the keys are prices, aliases, price_factors"),
    ("--config.file", "a: [\n", ": not YAML"),
    ("--prices.file", '{"a": 1,\n"b": 2,\n"c"}', ": not JSON: look at line 3"),
    ("--prices.file", table(input_cost_per_token=-1),
     ': line 1: "acme/parrot-1": input_cost_per_token must be 0, or a number'),
    ("--prices.file", "[]", "must be a JSON object"),
])
def test_a_file_that_is_wrong_ends_the_start_with_2_and_one_line_that_names_it(tmp_path, flag, content, words):
    path = tmp_path / "file"
    path.write_text(content)
    for arguments in (["--config.check"], ["--storage.path", str(tmp_path / "data")], ["prices"]):
        command = [*arguments, flag, str(path)] if arguments != ["prices"] else ["prices", flag, str(path)]
        ended = run(*command)
        assert ended.returncode == 2, ended
        told = [line for line in ended.stderr.splitlines() if "level=info" not in line]
        assert len(told) == 1 and f"{flag} {path}" in told[0] and words in told[0].replace('\\"', '"'), ended
    assert not (tmp_path / "data").exists()


def test_config_check_says_what_is_in_force(tmp_path):
    checked = run("--config.check", "--config.file", str(ROOT / "docs" / "config.example.yaml"))
    assert checked.returncode == 0
    assert re.search(r"sound; with it \d{4} prices and 2 budgets", checked.stdout), checked
    assert run("--config.check").returncode == 2
    missing = run("--config.check", "--config.file", str(tmp_path / "none"))
    assert missing.returncode == 2 and "No such file" in missing.stderr
