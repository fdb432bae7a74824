"""`llm-exporter prices`: what the prices in force are, and by which of them a call is billed."""

from __future__ import annotations

import datetime
import json
import os
import re

import pytest

from exporter import call, run

HEAD = ["provider", "model", "input", "cache", "read", "cache", "write", "cache", "write", "1h", "output", "reasoning"]


def table(**rates):
    return json.dumps({"acme/parrot-1": {"litellm_provider": "acme", **rates}})


def answered(*arguments, **options):
    """The output of a run that succeeds."""
    ended = run("prices", *arguments, **options)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def test_prices_lists_models_in_dollars_for_a_million(tmp_path):
    head, *lines = answered("gemini-2.5-pro").splitlines()
    assert head.split() == HEAD
    at = next(place for place, line in enumerate(lines) if line.split()[:2] == ["gemini", "gemini/gemini-2.5-pro"])
    assert lines[at].split()[2:] == ["1.25", "0.125", "-", "-", "10", "-"]
    assert lines[at + 1].split() == ["input", ">", "200000", "tokens", "2.5", "0.25", "-", "-", "15", "-"]
    assert len(answered().splitlines()) > 3000
    own = tmp_path / "p.json"
    own.write_text(table(input_cost_per_token=0.0000015))
    only = answered("--prices.no-builtin", "--prices.file", str(own)).splitlines()
    assert [line.split() for line in only[1:2]] == [["acme", "acme/parrot-1", "1.5", "-", "-", "-", "-", "-"]]


def test_prices_shows_what_beside_the_standard_rates_a_call_may_cost(tmp_path):
    own = tmp_path / "p.json"
    own.write_text(table(
        input_cost_per_token=1e-6, output_cost_per_token=2e-6, cache_creation_input_token_cost_above_1hr=3e-6,
        input_cost_per_token_flex=5e-7, input_cost_per_token_batches=4e-7,
        input_cost_per_token_above_9k_tokens_flex=6e-7,
        output_cost_per_token_priority=4e-6, input_cost_per_audio_token=8e-6, output_cost_per_image_token=9e-6,
        input_cost_per_request=0.01, search_context_cost_per_query={"search_context_size_low": 0.005},
        off_peak_pricing={"hours_utc": "16:30-00:30", "input_cost_per_token": 1e-7}))
    shown = answered("acme/parrot-1", "--prices.no-builtin", "--prices.file", str(own))
    lines = [line.split() for line in shown.splitlines()]
    assert ["acme", "acme/parrot-1", "1", "-", "-", "3", "2", "-"] in lines
    assert ["flex", "0.5", "-", "-", "3", "2", "-"] in lines
    assert ["flex,", "input", ">", "9000", "tokens", "0.6", "-", "-", "3", "2", "-"] in lines
    assert ["batch", "0.4", "-", "-", "-", "1", "-"] in lines
    assert ["priority", "1", "-", "-", "3", "4", "-"] in lines
    assert ["off-peak", "0.1", "-", "-", "-", "-", "-"] in lines
    assert ["off-peak", "is", "16:30-00:30", "UTC"] in lines
    for words in ("input audio 8", "output image 9", "0.01 USD a request", "0.005 (low) USD a search"):
        assert words in shown, shown


@pytest.mark.parametrize("name, key, step", [
    ("openai/gpt-4o", "gpt-4o", "as gpt-4o"),
    ("azure.ai.openai/gpt-4o-2031-02-03", "azure/gpt-4o", "as azure/gpt-4o"),
    ("openai/GPT-4o", "gpt-4o", "without regard to case, as gpt-4o"),
    ("anthropic/claude-opus-4-6[1m]", "claude-opus-4-6", "without [1m], as claude-opus-4-6"),
    ("openai/ft:gpt-4o-mini-2024-07-18:acme::id", "ft:gpt-4o-mini-2024-07-18",
     "as a fine-tuned model of its base, as ft:gpt-4o-mini-2024-07-18"),
    ("unknown/openai/gpt-4o", "gpt-4o", "by the provider in the model's name, as gpt-4o"),
])
def test_a_provider_and_model_are_answered_by_the_entry_that_bills_them(name, key, step):
    shown = answered(name)
    assert shown.splitlines()[1].split()[1] == key
    assert shown.endswith(f"\nCalls of {name} are billed by {key}: found {step}.\n"), shown
    # Exactly that entry, however many have it in their name.
    assert len([line for line in shown.splitlines()[1:-2] if not line.startswith("  ")]) == 1, shown


def test_an_alias_is_answered_by_what_it_leads_to(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("aliases: {models: {review-deployment: azure.ai.openai/gpt-4o}}\n")
    for name in ("review-deployment", "openai/review-deployment"):
        shown = answered(name, "--config.file", str(config))
        assert f"\nCalls of {name} are billed by azure/gpt-4o: found by the alias" in shown


@pytest.mark.parametrize("name, near", [
    ("openai/gpt-4o-minni", "gpt-4o-mini"), ("anthropic/claude-sonet-4-5", "claude-sonnet-4-5"),
    ("azure/gpt4o", "azure/gpt-4o"), ("xai/gpt-4o-minni", "gpt-4o-mini"), ("openai/zzzzzzzz", None),
    ("no-such-model-at-all-zzzzz", None), ("vllm/openai/gpt-4o", "openrouter/openai/gpt-4o"),
    ("acme/gpt-4o", "gpt-4o")])
def test_what_has_no_price_ends_with_1_and_what_is_near(name, near):
    ended = run("prices", name)
    assert (ended.returncode, ended.stdout) == (1, "")
    [told] = ended.stderr.splitlines()
    assert told.startswith(f"llm-exporter: no price for {name}: ") and "--prices.file" in told
    if near is None:
        assert "similar" not in told
    else:
        listed = told.split("similar names: ")[1].split(", ")
        assert near in listed and 1 <= len(listed) <= 5


def test_a_model_that_is_known_to_have_no_price_says_so():
    ended = run("prices", "azure/model-router")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no price for azure/model-router: it is not billed by tokens alone" in ended.stderr


def test_the_price_factor_of_a_model_is_shown(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("price_factors:\n  - {provider: anthropic, model: claude-opus-4-6, factor: 0.8}\n"
                      "  - {provider: anthropic, factor: 0.85}\n")
    for name, factor in (("anthropic/claude-opus-4-6", "0.8"), ("anthropic/claude-opus-4-6-20260205", "0.8"),
                         ("unknown/anthropic/claude-opus-4-6", "0.8"), ("claude/claude-sonnet-4-5", "0.85")):
        assert f"multiplied by {factor} (price_factors)" in answered(name, "--config.file", str(config))
    assert "multiplied" not in answered("openai/gpt-4o", "--config.file", str(config))


def test_several_models_that_cost_differently_are_no_price():
    """A framework that names itself: such a call is unpriced."""
    ended = run("prices", "langchain/mistral-large-latest")
    assert ended.returncode == 1, ended
    assert "no price for langchain/mistral-large-latest" in ended.stderr


# --check


def test_check_names_what_has_no_price_and_what_is_near(tmp_path):
    names = tmp_path / "names"
    names.write_text("# of last week\nopenai/gpt-4o\n\nopenai/gpt-4o-minni\nanthropic/claude-opus-4-6[1m]\r\n"
                     "openai/gpt-4o-minni\nazure/model-router\nno-provider\nacme/zzzzzzzz\n")
    ended = run("prices", "--check", str(names))
    assert ended.returncode == 1
    told = ended.stdout.splitlines()
    assert [line.split(": ")[0] for line in told] == ["openai/gpt-4o-minni", "azure/model-router", "no-provider",
                                                      "acme/zzzzzzzz"]
    assert "similar names: gpt-4o-mini, " in told[0]
    assert "is not billed by tokens alone" in told[1]
    assert told[3] == "acme/zzzzzzzz: not in the price table"
    assert "names without a price: 4 of 6" in ended.stderr


def test_check_reads_the_standard_input():
    assert answered("--check", "-", text="openai/gpt-4o\nazure/gpt-4o\n") == "All of 2 names have a price.\n"
    assert answered("--check", "-", text="openai/gpt-4o") == "The name has a price.\n"
    ended = run("prices", "--check", "-", text="acme/m\n")
    assert ended.returncode == 1 and ended.stdout.startswith("acme/m: ")


def test_check_reads_a_saved_scrape(start, tmp_path):
    exporter = start("--limits.max-series", "4")
    exporter.post([call(agent_name="A,model=\"x\"", provider="openai", model="gpt-4o"),
                   call(provider="openai", model="gpt-4o"),
                   call(provider="openai", model='a "model" with \\ in it'), call(provider="acme", model="parrot-1"),
                   call(provider="folded", model="away")])
    shown = exporter.scrape().text
    assert 'model="_other"' in shown
    saved = tmp_path / "metrics.txt"
    saved.write_text(shown)
    ended = run("prices", "--check", str(saved))
    assert ended.returncode == 1
    # `_other` is no model: what was folded into it is not known.
    assert sorted(line.split(": ")[0] for line in ended.stdout.splitlines()) == [
        "acme/parrot-1", 'openai/a "model" with \\ in it']


def test_check_takes_the_prices_in_force(tmp_path):
    own = tmp_path / "p.json"
    own.write_text(table(input_cost_per_token=1e-6))
    for arguments, code in ((["--prices.file", str(own)], 0), ([], 1)):
        assert run("prices", "--check", "-", *arguments, text="acme/parrot-1\n").returncode == code


def test_check_of_nothing_says_so(tmp_path):
    missing = run("prices", "--check", str(tmp_path / "none"))
    assert missing.returncode in (1, 2) and "none" in missing.stderr and missing.stdout == ""
    for arguments in (["--check", "-", "openai/gpt-4o"], ["--check", "-", "--providers"]):
        ended = run("prices", *arguments)
        assert ended.returncode == 2 and "--check" in ended.stderr


# Age


def test_prices_says_how_old_the_table_is_and_how_to_renew_it(tmp_path):
    *_, age, source = answered().splitlines()
    found = re.match(r"The table is of (\d{4}-\d\d-\d\d), (\d+) days? old\. ", age)
    assert found, age
    made = datetime.date.fromisoformat(found[1])
    assert int(found[2]) == (datetime.datetime.now(datetime.UTC).date() - made).days
    assert "LiteLLM" in age and "--prices.file" in age and source.endswith("/model_prices_and_context_window.json")
    own = tmp_path / "p.json"
    own.write_text(table(input_cost_per_token=1e-6))
    os.utime(own, (1_790_000_000, 1_790_000_000))
    assert "The table is of 2026-09-21, " in answered("--prices.file", str(own))
    assert "The table is of 2026-09-21, " in answered("--prices.file", str(own), "--prices.no-builtin")
    config = tmp_path / "c.yaml"
    config.write_text("prices: {p/m: {input_cost_per_token: 1e-6}}")
    assert "The prices are those of the configuration alone." in answered(
        "--prices.no-builtin", "--config.file", str(config))


def test_the_time_of_the_prices_is_a_family_and_a_reload_renews_it(start, tmp_path):
    def shown(exporter):
        return exporter.scrape().get("llm_exporter_price_table_timestamp_seconds")

    *_, age, _ = answered().splitlines()
    day = datetime.datetime.fromisoformat(age.removeprefix("The table is of ")[:10] + "T00:00:00+00:00")
    assert shown(start(shipped_prices=True)) == str(int(day.timestamp()))
    older, newer = tmp_path / "1.json", tmp_path / "2.json"
    for file, time in ((older, 1_790_000_000), (newer, 1_790_000_500)):
        file.write_text(table(input_cost_per_token=1e-6))
        os.utime(file, (time, time))
    exporter = start("--prices.file", str(newer), "--prices.file", str(older), shipped_prices=True)
    assert shown(exporter) == "1790000500"
    os.utime(older, (1_790_000_900, 1_790_000_900))
    assert exporter.request("POST", "/-/reload").status == 200
    assert shown(exporter) == "1790000900"
    # Without prices of a table there is no time.
    assert shown(start()) is None


def test_prices_lists_spellings_of_providers():
    listed = dict(line.split(": ", 1) for line in answered("--providers").splitlines())
    for canonical, spelling in {"azure": "azure.ai.openai", "gemini": "gcp.gemini", "vertex_ai": "vertex_ai-*",
                                "bedrock": "aws.bedrock", "xai": "x_ai", "mistral": "mistral_ai",
                                "cohere": "cohere_chat"}.items():
        assert spelling in listed[canonical].split(", "), (canonical, listed[canonical])
