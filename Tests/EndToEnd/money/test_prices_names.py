"""Prices: bills worked out by hand, and the names by which senders call providers and models."""

from __future__ import annotations

import datetime
import itertools
import json
from collections import defaultdict
from typing import Any

import pytest

from bills import OUTPUT, Usage, is_off_peak, moments
from exporter import Exporter
from price_reference import SHIPPED, ShippedTable


@pytest.fixture(scope="module")
def standing():
    exporter = Exporter(shipped_prices=True)
    yield exporter
    exporter.stop()


#: Each call is of an agent of its own, so that its cost can be read.
NUMBERS = itertools.count()


def cost_of(exporter: Exporter, **record: Any) -> str | None:
    """The cost of one call as shown, or None when it is counted as unpriced."""
    agent = f"agent-{next(NUMBERS)}"
    labels = {"provider": record["provider"], "model": record["model"]}
    before = exporter.scrape().get("llm_calls_unpriced_total", **labels) or "0"
    assert exporter.post({"agent_name": agent, **record}).outcome() == (1, 0, 0)
    shown = exporter.scrape()
    after = shown.get("llm_calls_unpriced_total", **labels) or "0"
    if after != before:
        assert int(after) == int(before) + 1
        return None
    return shown.value("llm_cost_usd_total", agent_name=agent, **labels)


@pytest.mark.parametrize("provider, model, usage, cost", [
    ("openai", "gpt-4o", Usage(1200, 300, read=1000), "0.00475"),
    ("gemini", "gemini-2.5-pro", Usage(200_000, 0), "0.25"),
    ("gemini", "gemini-2.5-pro", Usage(200_001, 0), "0.5000025"),
    ("vertex_ai", "gemini-2.5-pro", Usage(200_000, 0), "0.25"),
    ("vertex_ai", "gemini-2.5-pro", Usage(200_001, 0), "0.5000025"),
    ("anthropic", "claude-sonnet-4-5", Usage(12_307, 550, write=12_304), "0.054399"),
    # 344,139 x 6 USD a million, for an hour; 3.75 USD for less.
    ("anthropic", "claude-sonnet-4-5", Usage(344_139, 0, write=344_139, write_1h=344_139), "2.064834"),
    # 1,000 x 0.125, 1,000 x 0.0125 and 500 x 1 USD a million; then 0.45, 0.045 and 3.6.
    ("openai", "gpt-5-mini", Usage(2000, 500, read=1000, tier="flex"), "0.0006375"),
    ("openai", "gpt-5-mini", Usage(2000, 500, read=1000, tier="priority"), "0.002295"),
    ("openai", "gpt-5-mini", Usage(2000, 500, read=1000, tier="fast"), "0.002295"),
    # 150 x 1 USD a million, and 5 USD for a thousand requests; 12 USD with a large context.
    ("perplexity", "sonar", Usage(100, 50), "0.00515"),
    ("perplexity", "sonar", Usage(100, 50, size="high"), "0.01215"),
    # 1,000 x 32 and 500 x 64 USD a million.
    ("openai", "gpt-audio", Usage(1000, 500, input_audio=1000, output_audio=500), "0.064"),
])
def test_a_bill_worked_out_by_hand(standing, provider, model, usage, cost):
    assert cost_of(standing, provider=provider, model=model, **usage.fields()) == cost


def test_a_bill_by_the_hour_of_the_day_worked_out_by_hand(standing):
    # 60,000 x 1.32, 40,000 x 0.044 and 10,000 x 3.96 USD a million, and half of that off-peak.
    entry = ShippedTable().entries["deepseek/deepseek-v4-pro"]
    times = moments(entry, datetime.datetime.now(datetime.UTC))
    assert times
    for time in times:
        usage = Usage(100_000, 10_000, read=40_000, time=time)
        cost = "0.06028" if is_off_peak(entry, datetime.datetime.fromisoformat(time)) else "0.12056"
        assert cost_of(standing, provider="deepseek", model="deepseek-v4-pro", **usage.fields()) == cost, time


GPT_4O = Usage(1200, 300, read=1000).fields()


@pytest.mark.parametrize("provider, model", [
    ("openai", "openai/gpt-4o"), ("OpenAI", "gpt-4o"), ("openai", "gpt-4o-2031-02-03"), ("openai", "gpt-4o-20310203"),
    ("openai", "openai/gpt-4o-2031-02-03"), ("azure.ai.openai", "gpt-4o"), ("AZURE_OPENAI", "gpt-4o-2031-02-03"),
    ("azure", "azure/gpt-4o"),
    # A provider in the model's prefix, from any sender.
    ("openai", "azure/gpt-4o"), ("acme", "openai/gpt-4o"),
    ("openai", "GPT-4o"),
])
def test_a_model_is_found_by_the_names_that_senders_give_it(standing, provider, model):
    assert cost_of(standing, provider=provider, model=model, **GPT_4O) == "0.00475"


@pytest.mark.parametrize("provider, model, written", [
    ("gemini", "gemini-2.5-pro", "models/gemini-2.5-pro"),
    ("vertex_ai", "gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro"),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5[1m]"),
    ("bedrock", "anthropic.claude-opus-4-1-20250805-v1:0", "invoke/anthropic.claude-opus-4-1-20250805-v1:0"),
    ("bedrock", "us.anthropic.claude-opus-4-1-20250805-v1:0",
     "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0"),
    ("openai", "ft:gpt-4o-2024-08-06", "ft:gpt-4o-2024-08-06:acme:support:9xYz"),
])
def test_what_senders_write_around_a_model_does_not_change_its_price(standing, provider, model, written):
    cost = cost_of(standing, provider=provider, model=model, **GPT_4O)
    assert cost and cost == cost_of(standing, provider=provider, model=written, **GPT_4O)


def test_the_model_that_answered_is_looked_up_if_the_one_that_was_asked_for_is_unknown(standing):
    assert cost_of(standing, provider="azure", model="our-deployment", response_model="gpt-4o", **GPT_4O) == "0.00475"
    assert cost_of(standing, provider="azure", model="gpt-4o", response_model="gpt-4", **GPT_4O) == "0.00475"


def test_a_dated_model_of_the_table_has_its_own_price(standing):
    # The first gpt-4o took 5 USD for a million, today's takes 2.50.
    assert cost_of(standing, provider="openai", model="gpt-4o-2024-05-13", input_tokens=1000) == "0.005"
    assert cost_of(standing, provider="openai", model="gpt-4o", input_tokens=1000) == "0.0025"


@pytest.mark.parametrize("provider, model", [
    ("acme", "gpt-4o"), ("openai", "claude-sonnet-4-5"), ("anthropic", "gpt-4o"), ("openai", "gpt-4o-turbo-max"),
    ("openai", "gpt"),
    # The models of an operator's own server have no price in a table.
    ("vllm", "openai/gpt-4o"), ("vllm", "gpt-4o"), ("sglang", "deepseek/deepseek-chat"), ("ollama", "openai/gpt-4o"),
    # Such a prefix names who made the model, not who is paid.
    ("together_ai", "deepseek/deepseek-chat"), ("openrouter", "together_ai/gpt-4o"),
])
def test_a_price_is_never_borrowed_from_another_provider_or_model(standing, provider, model):
    assert cost_of(standing, provider=provider, model=model, **Usage(1200, 300).fields()) is None


def test_each_spelling_of_a_provider_finds_its_prices(start):
    spellings = json.loads((SHIPPED / "providers.json").read_text())["spellings"]
    prices = ShippedTable().entries
    records, sets = [], defaultdict(list)
    for canonical, others in spellings.items():
        model = next((key for key, entry in prices.items()
                      if entry["litellm_provider"] == canonical and entry.get(OUTPUT)), None)
        if model is None:
            continue
        written = [canonical, *(name.replace("*", "anything") for name in others)]
        for provider in [*written, *map(str.upper, written)]:
            sets[canonical].append((provider, model))
            records.append({"agent_name": "Speller", "provider": provider, "model": model, **GPT_4O})
    assert len(sets) > 30 and len(records) > 400, (len(sets), len(records))
    exporter = start(shipped_prices=True)
    assert exporter.post_lines(records).outcome() == (len(records), 0, 0)
    shown = exporter.scrape()
    assert {sample.value for sample in shown.find("llm_calls_unpriced_total")} == {"0"}
    for canonical, names in sets.items():
        costs = {provider: shown.value("llm_cost_usd_total", agent_name="Speller", provider=provider, model=model)
                 for provider, model in names}
        assert set(costs.values()) == {costs[canonical]} and costs[canonical] != "0", costs
