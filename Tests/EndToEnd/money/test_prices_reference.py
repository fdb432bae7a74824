"""Prices: each model against the calculator of litellm, bills known by hand, and provider names as others spell them.

litellm is asked for what it charges for every model of its own table (litellm_reference.py, in an environment of its
own). The exporter is given that table, then its shipped one, and the same calls as records: one set for each call, so
that the cost of each can be read. Where the two differ, a reason below says which is right.
"""

import functools
import itertools
import json
import os
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter import ROOT, SUPPORT, Exporter
from exposition import parse_sample

PYTHON = Path(os.environ.get("LLM_EXPORTER_LITELLM_PYTHON") or ROOT / ".build-venv-litellm" / "bin" / "python")
TABLE = "lib/python*/site-packages/litellm/model_prices_and_context_window_backup.json"
SHIPPED = ROOT / "Sources" / "CPriceTable"
REPORT = ROOT / ".build-logs" / "prices-reference.txt"

INPUT, OUTPUT = "input_cost_per_token", "output_cost_per_token"
READ, WRITE, REASONING = (
    "cache_read_input_token_cost", "cache_creation_input_token_cost", "output_cost_per_reasoning_token")
RATES = (INPUT, OUTPUT, READ, WRITE, REASONING)
TIER = re.compile(rf"({'|'.join(RATES)})_above_(\d+)k_tokens")
MODES = {"chat", "completion", "embedding", "responses"}

RELATIVE, ABSOLUTE = Decimal("1e-9"), Decimal("1e-12")

Entry = dict[str, Any]


class Usage(NamedTuple):
    """The tokens of a call: read and written ones are part of the input, reasoning is part of the output."""

    input: int
    output: int
    read: int = 0
    write: int = 0
    reasoning: int = 0

    def fields(self) -> dict[str, int]:
        return {"input_tokens": self.input, "output_tokens": self.output, "cache_read_tokens": self.read,
                "cache_write_tokens": self.write, "reasoning_tokens": self.reasoning}


USAGES = {
    "tiny": Usage(1, 1),
    "typical": Usage(1000, 300),
    "huge": Usage(1_500_000, 65_000),
    "input alone": Usage(800, 0),
    "output alone": Usage(0, 500),
    "read": Usage(1200, 300, read=1000),
    "written": Usage(12_307, 550, write=12_304),
    "read and written": Usage(40_000, 900, read=30_000, write=6000),
    "reasoning": Usage(5000, 4000, reasoning=3500),
    "all kinds": Usage(60_000, 8000, read=50_000, write=9000, reasoning=7999),
    "huge, all kinds": Usage(1_500_000, 9000, read=1_200_000, write=200_000, reasoning=5000),
}


def edges(entry: Entry) -> list[int]:
    """The numbers of input tokens at which the rates of an entry change."""
    tiers = {int(match[2]) * 1000 for match in map(TIER.fullmatch, entry) if match}
    ranges = {int(bound) for tier in entry.get("tiered_pricing", []) for bound in tier.get("range", [])}
    return sorted((tiers | ranges) - {0})


def usages(entry: Entry) -> dict[str, Usage]:
    """The calls to compare, by the name they go under: at least eleven, and six more at each edge."""
    found = dict(USAGES)
    for edge in edges(entry):
        for name, tokens in ((f"{edge} less one", edge - 1), (f"{edge}", edge), (f"{edge} and one", edge + 1)):
            found[name] = Usage(tokens, 700)
            found[f"{name}, all kinds"] = Usage(tokens, 700, read=tokens // 2, write=tokens // 4, reasoning=300)
    return found


def has_token_price(entry: Entry) -> bool:
    return any(entry.get(name) is not None for name in (*RATES, "tiered_pricing"))


def rates_of(entry: Entry, usage: Usage) -> dict[str, Decimal]:
    """The rates that hold for a call, before fall-backs (docs/prices.md)."""
    if "tiered_pricing" in entry:
        tiers = sorted(entry["tiered_pricing"], key=lambda tier: tier["range"][0])
        return next((tier for tier in tiers if usage.input <= tier["range"][1]), tiers[-1])
    rates = {name: entry[name] for name in RATES if name in entry}
    for edge in edges(entry):
        if usage.input >= edge if entry["litellm_provider"] == "xai" else usage.input > edge:
            tier = f"_above_{edge // 1000}k_tokens"
            rates |= {name: entry[name + tier] for name in RATES if name + tier in entry}
    return rates


def has_each_rate(entry: Entry, usage: Usage) -> bool:
    """Whether the model has a rate for each kind of tokens: without one litellm charges 0, and ours is unpriced."""
    if not has_token_price(entry):
        return False
    rates = rates_of(entry, usage)
    kinds = [(usage.input - usage.read - usage.write, [INPUT]), (usage.read, [READ, INPUT]),
             (usage.write, [WRITE, INPUT]), (usage.output - usage.reasoning, [OUTPUT]),
             (usage.reasoning, [REASONING, OUTPUT])]
    return all(tokens == 0 or any(rates.get(name) is not None for name in names) for tokens, names in kinds)


def all_rates(entry: Entry) -> Iterable[Decimal]:
    for part in (entry, *entry.get("tiered_pricing", [])):
        yield from (part[name] for name in part if part[name] is not None and (name in RATES or TIER.fullmatch(name)))


def by_the_contract(entry: Entry, usage: Usage) -> Decimal:
    """The cost as section 6 of the contract has it, for the calls that litellm cannot vouch for."""
    rates = rates_of(entry, usage)
    into, out = rates.get(INPUT, Decimal(0)), rates.get(OUTPUT, Decimal(0))
    return ((usage.input - usage.read - usage.write) * into + usage.read * rates.get(READ, into)
            + usage.write * rates.get(WRITE, into) + (usage.output - usage.reasoning) * out
            + usage.reasoning * rates.get(REASONING, out))


class Reason(NamedTuple):
    """Why calls may cost something else than litellm says, namely what the contract says; told in the report."""

    sentence: str
    holds: Callable[[str, Entry, Usage], bool]


FIREWORKS = Reason(
    "litellm bills cached input of Fireworks at half the input rate by a rule in its code, which its table does not "
    "hold; the shipped table does",
    lambda model, entry, usage: entry["litellm_provider"] == "fireworks_ai" and entry.get(READ) is None
    and usage.read > 0)

PERPLEXITY = Reason(
    "for Perplexity, litellm takes the cost that the reply states, and else forgets the cache rates and tiers of its "
    "table; Perplexity bills by both",
    lambda model, entry, usage: entry["litellm_provider"] == "perplexity"
    and (usage.read + usage.write > 0 or any(usage.input > edge for edge in edges(entry))))

NO_INPUT = Reason(
    "without input tokens litellm finds no range of tiered_pricing, and gives the output away; the first range holds",
    lambda model, entry, usage: "tiered_pricing" in entry and usage.input == 0)

DOUBLED = Reason(
    "litellm drops one of two equal prefixes, and so never finds perplexity/perplexity/sonar, only perplexity/sonar",
    lambda model, entry, usage: model.startswith(2 * f"{entry['litellm_provider']}/"))

#: Why a model of litellm's table has no price in the shipped one, by the first that fits; scripts/update-prices tells
#: more of each.
LEFT_OUT: dict[str, Callable[[str, Entry], bool]] = {
    "no price for tokens": lambda model, entry: not has_token_price(entry),
    "a fee that comes beside the price": lambda model, entry: re.search(r"model[-_]router$", model) is not None,
    "a price for a thousand tokens taken for one": lambda model, entry: any(
        rate > (Decimal("1e-5") if entry["mode"] == "embedding" else Decimal("1e-3")) for rate in all_rates(entry)),
    "billed by something else than tokens": lambda model, entry: not entry.get(INPUT) and any(
        isinstance(entry[name], Decimal) and entry[name] > 0 for name in entry
        if re.match(r"(in|out)put_cost_per_(second|query|request|image|video_per_second|character)$", name)),
    "0 where the price is not known to be 0": lambda model, entry: not any(all_rates(entry)),
    "another name for a price that is left out": lambda model, entry: model == "gemini-exp-1206",
}


class Reference(NamedTuple):
    """The models of litellm's table, the calls, and what litellm charges for each."""

    version: str
    table: Path
    entries: dict[str, Entry]
    calls: list[tuple[str, str, Usage]]
    costs: dict[tuple[str, str], Decimal]

    def priced_by(self, model: str) -> str:
        """The key by which litellm prices a model: that with the provider before it comes first."""
        prefix = self.entries[model]["litellm_provider"] + "/"
        return model if model.startswith(prefix) or prefix + model not in self.entries else prefix + model


@pytest.fixture
def start(start):
    """With the shipped prices."""
    return functools.partial(start, shipped_prices=True)


@pytest.fixture(scope="module")
def reference() -> Reference:
    if not PYTHON.is_file():
        pytest.fail("the environment of the reference is missing: run scripts/python-environment litellm")
    table = next(PYTHON.parents[1].glob(TABLE))
    whole = json.loads(table.read_text(), parse_float=Decimal, parse_int=Decimal)
    entries = {model: entry for model, entry in whole.items()
               if entry.get("mode") in MODES and entry.get("litellm_provider")}
    calls = [(model, name, usage) for model, entry in entries.items() for name, usage in usages(entry).items()]
    with tempfile.TemporaryFile("w+") as questions:
        for model, _, usage in calls:
            question = {"provider": entries[model]["litellm_provider"], "model": model, **usage._asdict()}
            questions.write(json.dumps(question) + "\n")
        questions.seek(0)
        done = subprocess.run([PYTHON, SUPPORT / "litellm_reference.py"], stdin=questions,
                              capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    told, *answers = (json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines())
    assert Path(told["table"]).samefile(table)
    assert len(answers) == len(calls)
    refused = [(call, answer) for call, answer in zip(calls, answers, strict=True) if "error" in answer]
    assert not refused, refused[:10]
    return Reference(told["version"], table, entries, calls,
                     {(model, name): Decimal(answer["cost"])
                      for (model, name, _), answer in zip(calls, answers, strict=True)})


class Charged(NamedTuple):
    """What the exporter made of the calls: costs by model and usage, unpriced calls by model, all calls by source."""

    costs: dict[tuple[str, str], Decimal]
    unpriced: Counter[str]
    sources: Counter[str]


def charge(exporter: Exporter, reference: Reference) -> Charged:
    """Posts all calls: the model by its key, the name of the usage as the agent."""
    records = [{"agent_name": name, "provider": reference.entries[model]["litellm_provider"], "model": model,
                **usage.fields()} for model, name, usage in reference.calls]
    for at in range(0, len(records), 1000):
        part = records[at:at + 1000]
        assert exporter.post_lines(part).outcome() == (len(part), 0, 0)
    reply = exporter.get("/metrics")
    assert reply.status == 200, reply
    charged = Charged({}, Counter(), Counter())
    # Some ten samples a set: only those of these families are worth reading as such.
    for line in reply.body.decode().split("\n"):
        if line.startswith(("llm_cost_usd_total{", "llm_calls_unpriced_total{", "llm_exporter_cost_source_total{")):
            sample = parse_sample(line)
            labels, value = sample.labels, sample.value
            if sample.name == "llm_cost_usd_total":
                charged.costs[labels["model"], labels["agent_name"]] = Decimal(value)
            elif sample.name == "llm_calls_unpriced_total":
                charged.unpriced[labels["model"]] += int(value)
            else:
                charged.sources[labels["source"]] = int(value)
    assert +charged.sources == +Counter(unpriced=charged.unpriced.total(),
                                        computed=len(records) - charged.unpriced.total())
    return charged


def agree(ours: Decimal, theirs: Decimal) -> bool:
    return abs(ours - theirs) <= max(ABSOLUTE, RELATIVE * abs(theirs))


def compare(reference: Reference, charged: Charged, models: set[str], reasons: list[Reason]) -> list[str]:
    """Checks the costs of those models; returns what to report. A reason counts only where the costs differ.

    Where it does, the cost must be what the contract makes of litellm's table.
    """
    compared, wrong = 0, []
    exempt: defaultdict[str, Counter[str]] = defaultdict(Counter)
    without_rate: Counter[str] = Counter()
    for model, name, usage in reference.calls:
        if model not in models:
            continue
        if not has_each_rate(reference.entries[model], usage):
            without_rate[model] += 1
            assert (model, name) not in charged.costs
            continue
        compared += 1
        ours, theirs = charged.costs.get((model, name)), reference.costs[model, name]
        if ours is not None and agree(ours, theirs):
            continue
        entry = reference.entries[reference.priced_by(model)]
        reason = next((reason for reason in reasons if reason.holds(model, entry, usage)), None)
        if ours is None or reason is None or not agree(ours, by_the_contract(entry, usage)):
            wrong.append(f"{model} ({entry['litellm_provider']}), {name}: {ours}, litellm {theirs}; {usage}")
        else:
            exempt[reason.sentence][model] += 1
    assert not wrong, f"{len(wrong)} of {compared} calls differ:\n" + "\n".join(wrong[:40])
    idle = [reason.sentence for reason in reasons if reason.sentence not in exempt]
    assert not idle, f"reasons that nothing needs any more: {idle}"
    equal = compared - sum(models.total() for models in exempt.values())
    return [
        f"{len(models)} models, {compared} calls compared, {equal} equal within {RELATIVE} or {ABSOLUTE} USD",
        *(f"exempt: {which.total()} calls of {len(which)} models: {sentence}" for sentence, which in exempt.items()),
        (f"unpriced: {without_rate.total()} calls of {len(without_rate)} models, for kinds of tokens for which the "
         "table has no rate; litellm charges 0 for them"),
    ]


@pytest.fixture(scope="module")
def report(figures: Callable[[str], None]) -> Callable[[str, list[str]], None]:
    """Takes what was compared: shown at the end of the run, and kept in .build-logs."""
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.unlink(missing_ok=True)

    def reporting(title: str, told: list[str]) -> None:
        text = "\n".join([f"{title}:", *(f"  {line}" for line in told)])
        print(f"\n{text}")
        figures(text)
        with REPORT.open("a") as file:
            file.write(text + "\n")

    return reporting


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_every_model_of_litellms_table_costs_what_litellm_says(start, reference, report):
    exporter = start("--prices.no-builtin", "--prices.file", str(reference.table),
                     "--limits.max-series", str(len(reference.calls)))
    charged = charge(exporter, reference)
    unpriced = {model for model, entry in reference.entries.items() if not has_token_price(entry)}
    assert charged.unpriced == Counter(
        model for model, _, usage in reference.calls if not has_each_rate(reference.entries[model], usage))
    told = compare(reference, charged, reference.entries.keys() - unpriced, [FIREWORKS, PERPLEXITY, DOUBLED, NO_INPUT])
    report(f"prices with the table of litellm {reference.version}",
           [*told, f"{len(unpriced)} models more have no price for tokens; their calls count as unpriced"])


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_every_model_of_the_shipped_table_costs_what_litellm_says_and_the_others_are_unpriced(
        start, reference, report):
    shipped = json.loads((SHIPPED / "prices.json").read_text())
    source = shipped.pop("_source")
    assert (source["package"], source["version"]) == ("litellm", reference.version), (
        "the shipped table is of another litellm: run scripts/update-prices, or change requirements-litellm.txt")
    assert shipped.keys() <= reference.entries.keys()
    left_out = reference.entries.keys() - shipped.keys()
    why = {model: next((reason for reason, fits in LEFT_OUT.items() if fits(model, reference.entries[model])), None)
           for model in left_out}
    assert None not in why.values(), sorted(model for model in why if why[model] is None)[:40]
    counts = Counter(why.values())
    assert counts.keys() == LEFT_OUT.keys(), "a reason that nothing needs any more"

    exporter = start("--limits.max-series", str(len(reference.calls)))
    charged = charge(exporter, reference)
    assert charged.unpriced == Counter(
        model for model, _, usage in reference.calls
        if model in left_out or not has_each_rate(reference.entries[model], usage))
    told = compare(reference, charged, set(shipped), [PERPLEXITY, DOUBLED, NO_INPUT])
    report(f"prices with the shipped table ({source['date']})",
           [*told, *(f"left out, so unpriced: {count} models: {reason}" for reason, count in counts.most_common())])


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_the_shipped_table_is_what_the_script_makes_of_litellms(reference):
    source = json.loads((SHIPPED / "prices.json").read_text())["_source"]
    done = subprocess.run([ROOT / "scripts" / "update-prices", "--check", "--table", reference.table,
                           "--version", reference.version, "--date", source["date"]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def standing():
    exporter = Exporter(shipped_prices=True)
    yield exporter
    exporter.stop()


#: Each call of the tests below is of an agent of its own, so that its cost can be read.
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


@pytest.mark.parametrize("provider, model, tokens, cost", [
    ("openai", "gpt-4o", Usage(1200, 300, read=1000), "0.00475"),
    ("gemini", "gemini-2.5-pro", Usage(200_000, 0), "0.25"),
    ("gemini", "gemini-2.5-pro", Usage(200_001, 0), "0.5000025"),
    ("vertex_ai", "gemini-2.5-pro", Usage(200_000, 0), "0.25"),
    ("vertex_ai", "gemini-2.5-pro", Usage(200_001, 0), "0.5000025"),
    ("anthropic", "claude-sonnet-4-5", Usage(12_307, 550, write=12_304), "0.054399"),
])
def test_a_bill_worked_out_by_hand(standing, provider, model, tokens, cost):
    assert cost_of(standing, provider=provider, model=model, **tokens.fields()) == cost


@pytest.mark.parametrize("provider, model", [
    ("openai", "openai/gpt-4o"), ("OpenAI", "gpt-4o"), ("openai", "gpt-4o-2031-02-03"), ("openai", "gpt-4o-20310203"),
    ("openai", "openai/gpt-4o-2031-02-03"), ("azure.ai.openai", "gpt-4o"), ("AZURE_OPENAI", "gpt-4o-2031-02-03"),
    ("azure", "azure/gpt-4o"),
])
def test_a_model_is_found_by_the_names_that_senders_give_it(standing, provider, model):
    assert cost_of(standing, provider=provider, model=model, **Usage(1200, 300, read=1000).fields()) == "0.00475"


def test_a_dated_model_of_the_table_has_its_own_price(standing):
    # The first gpt-4o took 5 USD for a million, today's takes 2.50.
    assert cost_of(standing, provider="openai", model="gpt-4o-2024-05-13", input_tokens=1000) == "0.005"
    assert cost_of(standing, provider="openai", model="gpt-4o", input_tokens=1000) == "0.0025"


@pytest.mark.parametrize("provider, model", [
    ("acme", "gpt-4o"), ("openai", "claude-sonnet-4-5"), ("anthropic", "gpt-4o"), ("openai", "gpt-4o-turbo-max"),
    ("openai", "azure/gpt-4o"), ("openai", "gpt"),
])
def test_a_price_is_never_borrowed_from_another_provider_or_model(standing, provider, model):
    assert cost_of(standing, provider=provider, model=model, **Usage(1200, 300).fields()) is None


def test_each_spelling_of_a_provider_finds_its_prices(start):
    spellings = json.loads((SHIPPED / "providers.json").read_text())
    prices = json.loads((SHIPPED / "prices.json").read_text(), parse_float=Decimal)
    records, sets = [], defaultdict(list)
    for canonical, others in spellings.items():
        model = next((key for key, entry in prices.items()
                      if entry.get("litellm_provider") == canonical and entry.get(OUTPUT)), None)
        if model is None:
            continue
        written = [canonical, *(name.replace("*", "anything") for name in others)]
        for provider in [*written, *map(str.upper, written)]:
            sets[canonical].append((provider, model))
            records.append({"agent_name": "Speller", "provider": provider, "model": model,
                            **Usage(1200, 300, read=1000).fields()})
    assert len(sets) > 30 and len(records) > 400, (len(sets), len(records))
    exporter = start()
    assert exporter.post_lines(records).outcome() == (len(records), 0, 0)
    shown = exporter.scrape()
    assert {sample.value for sample in shown.find("llm_calls_unpriced_total")} == {"0"}
    for canonical, names in sets.items():
        costs = {provider: shown.value("llm_cost_usd_total", agent_name="Speller", provider=provider, model=model)
                 for provider, model in names}
        assert set(costs.values()) == {costs[canonical]} and costs[canonical] != "0", costs
