"""Real input: the 8,819 calls of the Azure LLM inference trace 2023, posted in three ways from several connections."""

import gzip
import http.client
import json
import threading
from decimal import Decimal

import pytest

from azure_trace import CALLS, COST, INPUT, OF_SET, OUTPUT, TOKENS, trace
from exporter import Exporter, encode, eventually, ndjson
from prometheus import Prometheus


def as_lines(records):
    for at in range(0, len(records), 500):
        yield ndjson(records[at:at + 500]), {"Content-Type": "application/x-ndjson"}, records[at:at + 500]


def as_singles(records):
    for one in records:
        yield encode(one).encode(), {"Content-Type": "application/json"}, [one]


def as_gzip_arrays(records):
    for at in range(0, len(records), 200):
        part = records[at:at + 200]
        yield gzip.compress(encode(part).encode()), {"Content-Type": "application/json",
                                                     "Content-Encoding": "gzip"}, part


@pytest.fixture(scope="module")
def replayed():
    exporter = Exporter()
    prometheus = Prometheus(exporter)
    try:
        records = list(trace())
        assert len(records) == CALLS
        accepted, failures = [], []

        def sending(shape, part):
            try:
                connection = http.client.HTTPConnection(*exporter.address, timeout=30)
                for body, headers, sent in shape(part):
                    connection.request("POST", "/record", body, headers)
                    answer = connection.getresponse()
                    told = json.loads(answer.read())
                    assert (answer.status, told["rejected"], told["duplicates"]) == (200, 0, 0), told
                    assert told["accepted"] == len(sent)
                    accepted.append(told["accepted"])
                connection.close()
            except Exception as error:  # Carried to the fixture's own thread.
                failures.append(error)

        shapes = [as_lines, as_singles, as_gzip_arrays] * 2
        senders = [threading.Thread(target=sending, args=(shape, records[n::len(shapes)]))
                   for n, shape in enumerate(shapes)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert not failures, failures
        assert sum(accepted) == CALLS
        # A sender that lost its answers sends a part again: nothing of it counts twice.
        for body, headers, sent in as_gzip_arrays(records[1000:2000]):
            assert exporter.post(body, headers).outcome() == (0, len(sent), 0)
        yield exporter, prometheus
        exporter.stop()
    finally:
        prometheus.stop()
        exporter.kill()


def test_the_fixture_is_what_its_readme_says():
    records = list(trace())
    assert len(records) == CALLS
    assert sum(r["input_tokens"] for r in records) == INPUT
    assert sum(r["output_tokens"] for r in records) == OUTPUT
    assert sum(r["cost_usd"] for r in records) == Decimal(COST)


def test_metrics_show_exactly_the_totals(replayed):
    exporter, _ = replayed
    shown = exporter.scrape()
    assert shown.value("llm_calls_total", **OF_SET, status="success") == str(CALLS)
    assert shown.value("llm_calls_total", **OF_SET, status="error") == "0"
    assert shown.value("llm_tokens_total", **OF_SET) == str(TOKENS)
    assert shown.value("llm_cost_usd_total", **OF_SET) == COST
    assert shown.value("llm_token_usage_total", **OF_SET, token_type="input") == str(INPUT)
    assert shown.value("llm_token_usage_total", **OF_SET, token_type="output") == str(OUTPUT)
    assert shown.value("llm_exporter_records_duplicate_total") == "1000"
    assert shown.value("llm_exporter_records_accepted_total") == str(CALLS)


def test_the_summary_shows_exactly_the_totals(replayed):
    exporter, _ = replayed
    told = exporter.summary_of_totals()
    totals = {"calls": CALLS, "tokens": TOKENS, "cost_usd": Decimal(COST), "errors": 0}
    assert (told["total_calls"], told["success_calls"], told["error_calls"]) == (CALLS, CALLS, 0)
    assert told["total_tokens"] == TOKENS
    assert told["total_cost_usd"] == Decimal(COST)
    totals |= {"unpriced_calls": 0, "cost_known": True}
    assert told["agents"] == {"CodesmithAgent": totals}
    assert told["models"] == {"openai/gpt-4o-mini": totals}


@pytest.mark.parametrize("family, value", [
    ('llm_calls_total{status="success"}', str(CALLS)), ("llm_tokens_total", str(TOKENS)), ("llm_cost_usd_total", COST)])
def test_prometheus_has_exactly_the_totals(replayed, family, value):
    _, prometheus = replayed
    eventually(lambda: prometheus.by_agent(family) == {"CodesmithAgent": value}, f"{family} is {value}")
