"""Prices: the whole bill of each model of litellm's table, against litellm's calculator.

litellm is asked for what it charges for every model of its own table (litellm_reference.py, in an environment of its
own). The exporter is given that table, then its shipped one, and the same calls as records: one set for each call, so
that the cost of each can be read. It must be what the contract makes of the table (bills.py). If litellm says
something else, a reason below says why ours is right.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import subprocess
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from bills import (
    AUDIO_IN,
    AUDIO_OUT,
    FEES,
    IMAGE_IN,
    IMAGE_OUT,
    INPUT,
    OFF_PEAK,
    RANGES,
    READ,
    Bill,
    Entry,
    Usage,
    all_rates,
    bill,
    bills_each_request,
    edges,
    has_tier,
    has_token_price,
    longest_write,
    moments,
)
from exporter import ROOT
from price_reference import ABSOLUTE, PYTHON, RELATIVE, Call, Entries, ShippedTable, Spellings, agree, asked, charge

TABLE = "lib/python*/site-packages/litellm/model_prices_and_context_window_backup.json"
REPORT = ROOT / ".build-logs" / "prices-reference.txt"

#: The kinds of models that the shipped table has.
MODES = {"chat", "completion", "embedding", "responses"}

TIERS = ("flex", "priority", "batch")

#: The calls of every model.
PLAIN = {
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
    "written for an hour": Usage(10_000, 200, read=1000, write=8000, write_1h=5000),
    "heard": Usage(3000, 300, input_audio=2000),
    "spoken": Usage(3000, 900, output_audio=800),
    "seen": Usage(3000, 300, input_image=2000),
    "drawn": Usage(3000, 900, output_image=800),
    "a search": Usage(1000, 300, searches=1),
}
#: Those of models that have a price for them, or for one of them.
LONG_CACHE = {
    "all written for an hour": Usage(344_139, 0, write=344_139, write_1h=344_139),
    "read, and written for an hour": Usage(90_000, 2000, read=50_000, write=30_000, write_1h=29_999, reasoning=1500),
}
SENSES = {
    "heard and spoken": Usage(1000, 500, input_audio=1000, output_audio=500),
    "seen and drawn": Usage(900, 1400, input_image=700, output_image=1290),
    "heard and seen": Usage(30_000, 900, read=10_000, write=3000, input_audio=2000, input_image=1000, reasoning=300),
    "all senses": Usage(30_000, 9000, read=9000, input_audio=2000, input_image=1000, reasoning=300, output_audio=700,
                        output_image=800),
}
SEARCHES = {
    "searches": Usage(1000, 300, searches=3),
    "searches, low": Usage(1000, 300, searches=2, size="low"),
    "searches, medium": Usage(1000, 300, searches=2, size="medium"),
    "searches, high": Usage(1000, 300, searches=2, size="high"),
}
#: Those that are also made in a service tier that the model has; of a tier that it lacks the first is enough.
TIERED = ("all kinds", "typical", "huge", "input alone", "output alone", "read", "written", "reasoning",
          "huge, all kinds", "written for an hour", "heard", "spoken", "seen", "drawn", "a search")


def usages(entry: Entry, moments: list[str]) -> dict[str, Usage]:
    """The calls to compare, by the name they go under."""
    found = dict(PLAIN)
    hour = longest_write(entry) in entry
    senses = any(name in entry for name in (AUDIO_IN, AUDIO_OUT, IMAGE_IN, IMAGE_OUT))
    found |= LONG_CACHE if hour else {}
    found |= SENSES if senses else {}
    found |= SEARCHES if FEES in entry else {}
    tiered = [*TIERED, *(LONG_CACHE if hour else ()), *(SENSES if senses else ())]
    for edge in edges(entry):
        for name, tokens in ((f"{edge} less one", edge - 1), (f"{edge}", edge), (f"{edge} and one", edge + 1)):
            whole = Usage(tokens, 700, read=tokens // 2, write=tokens // 4, reasoning=300)
            near = {name: Usage(tokens, 700), f"{name}, all kinds": whole}
            if hour:
                near[f"{name}, for an hour"] = whole._replace(write_1h=tokens // 8)
            if senses:
                near[f"{name}, heard and seen"] = whole._replace(
                    input_audio=tokens // 16 if AUDIO_IN in entry else 0, input_image=tokens // 32)
            found |= near
            tiered += near
    for tier in TIERS:
        names = tiered if has_tier(entry, tier) else tiered[:1]
        found |= {f"{name}, {tier}": found[name]._replace(tier=tier) for name in names}
    if has_tier(entry, "priority"):
        found["typical, fast"] = found["typical"]._replace(tier="fast")
    found["typical, default"] = found["typical"]._replace(tier="default")
    if OFF_PEAK in entry:
        return {name if n == 0 else f"{name}, {n}": usage._replace(time=moment)
                for name, usage in found.items() for n, moment in enumerate(moments)}
    return found


class Reason(NamedTuple):
    """Why litellm charges something else for a call than the contract says; the report lists it."""

    sentence: str
    holds: Callable[[Call, Entry], bool]


def is_of(*providers: str) -> Callable[[Entry], bool]:
    return lambda entry: entry["litellm_provider"] in providers


FIREWORKS = Reason(
    "litellm bills cached input of Fireworks at half the input rate by a rule in its code, which its table does not "
    "hold; the shipped table does",
    lambda call, entry: is_of("fireworks_ai")(entry) and entry.get(READ) is None and call.usage.read > 0)

REASONS = [
    Reason("litellm's calculator for Fireworks is not given the service tier, though the table has rates for it",
           lambda call, entry: is_of("fireworks_ai")(entry) and call.usage.tier in ("priority", "fast")),
    Reason("Perplexity charges each request once for its searches; litellm, which relies on the cost in the reply, "
           "multiplies by the searches of a reply and takes the fee of the smallest context for each size",
           lambda call, entry: is_of("perplexity")(entry) and FEES in entry),
    Reason("litellm forgets the fee of Perplexity's older models for a request",
           lambda call, entry: is_of("perplexity")(entry) and "input_cost_per_request" in entry),
    Reason("without a cost in the reply, litellm forgets Perplexity's tiers and what it charges for writing a cache",
           lambda call, entry: is_of("perplexity")(entry)
           and (call.usage.write > 0 or any(call.usage.input > edge for edge in edges(entry)))),
    Reason("OpenAI's search models search at each request; litellm charges for searches only if some are reported",
           lambda call, entry: bills_each_request(call.model, entry) and call.usage.searches == 0),
    Reason("of a model with a batch price for its output alone, litellm halves the price of cached input, or gives it "
           "away where it has none of its own; it costs its own price, or half the input rate",
           lambda call, entry: call.usage.tier == "batch" and f"{INPUT}_batches" not in entry and call.usage.read > 0),
    Reason("without input tokens litellm finds no range of tiered_pricing, and gives the output away; the first range "
           "holds",
           lambda call, entry: RANGES in entry and call.usage.input == 0),
    Reason("litellm drops one of two equal prefixes, and so never finds perplexity/perplexity/sonar, only "
           "perplexity/sonar",
           lambda call, entry: call.model.startswith(2 * f"{entry['litellm_provider']}/")),
    Reason("two keys of the table are one model of one provider, and the one with the provider before it comes first; "
           "litellm, which knows parts of a provider by names of their own, finds the other",
           lambda call, entry: entry["litellm_provider"] != call.provider),
]

#: Why a call is unpriced, by what its entry has no price for: litellm's cost would be a guess. In this order.
UNPRICED = {
    "tier": "a batch, flex or priority call of a model without a price for it; litellm charges the standard price, or "
            "for a batch half of it",
    "citations": "a model that charges for citations, which no record counts; litellm leaves them out",
    "searches": "searches of a model without a fee for them; litellm gives them away, or charges a fee of its code",
    "write_1h": "a cache kept for an hour, without a price for that; litellm charges the shorter one's",
    "input_audio": "audio that a model without a price for it was given; litellm charges it as text",
    "output_audio": "audio from a model without a price for it, or in a batch; litellm charges it as text",
    "output_image": "images from a model without a price for their tokens; litellm charges them as text",
    "input": "input of a model without a price for it; litellm charges 0",
    "output": "text from a model without a price for it; litellm charges 0, or the price of images",
}

#: Why a model of litellm's table has no price in the shipped one, by the first that fits; scripts/update-prices says
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

SPELLINGS = Spellings()


def priced_by(model: str, entries: Entries) -> str:
    """The key by which a model is priced: that with the provider before it comes first."""
    prefix = SPELLINGS.canonical(entries[model]["litellm_provider"]) + "/"
    return model if model.startswith(prefix) or prefix + model not in entries else prefix + model


class Reference(NamedTuple):
    """The models of litellm's table, the calls, and what litellm charges for each."""

    version: str
    table: Path
    entries: Entries
    calls: list[Call]
    costs: dict[tuple[str, str], Decimal]
    now: datetime.datetime

    def bills(self, entries: Entries) -> Iterator[tuple[Call, Entry, Bill]]:
        """The calls of the models of a table, and what they cost by it."""
        keys = {model: priced_by(model, entries) for model in entries}
        for call in self.calls:
            if call.model in entries:
                entry = entries[keys[call.model]]
                yield call, entry, bill(keys[call.model], entry, call.usage, self.now)


@pytest.fixture
def start(start):
    """With the shipped prices."""
    return functools.partial(start, shipped_prices=True)


@pytest.fixture(scope="module")
def reference() -> Reference:
    table = next(PYTHON.parents[1].glob(TABLE))
    whole = json.loads(table.read_text(), parse_float=Decimal, parse_int=Decimal)
    entries = {model: entry for model, entry in whole.items()
               if model != "sample_spec" and entry.get("litellm_provider")}
    now = datetime.datetime.now(datetime.UTC)
    calls = [Call(entry["litellm_provider"], model, name, usage) for model, entry in entries.items()
             for name, usage in (usages(entry, moments(entry, now)) if has_token_price(entry) else PLAIN).items()]
    billed = [call for call in calls if has_token_price(entries[call.model])]
    assert min(Counter(call.model for call in billed).values()) >= 10
    head, answers = asked("litellm_reference.py", [
        {"provider": call.provider, "model": call.model, **call.usage.question()} for call in billed])
    assert Path(head["table"]).samefile(table)
    # To price a batch of GitHub Copilot it first asks GitHub for a token.
    refused = [(call, answer) for call, answer in zip(billed, answers, strict=True) if "error" in answer
               and not (call.provider == "github_copilot" and call.usage.tier == "batch")]
    assert not refused, refused[:10]
    return Reference(head["version"], table, entries, calls,
                     {(call.model, call.name): Decimal(answer.get("cost", "NaN"))
                      for call, answer in zip(billed, answers, strict=True)}, now)


def aspects(usage: Usage) -> Iterator[str]:
    """The aspects for which a call is compared, for the report."""
    yield usage.tier or "standard"
    yield from (name for name, holds in {
        "an hour's cache": usage.write_1h, "audio": usage.input_audio + usage.output_audio,
        "images": usage.input_image + usage.output_image, "searches": usage.searches,
        "by the hour of the day": usage.time}.items() if holds)


def compare(reference: Reference, entries: Entries, reasons: list[Reason]) -> list[str]:
    """Checks that litellm charges what the contract says, or that a reason is given; returns what to report."""
    compared: Counter[str] = Counter()
    equal, wrong = 0, []
    models, exempt, unpriced = set(), defaultdict[str, Counter[str]](Counter), defaultdict[str, Counter[str]](Counter)
    for call, entry, told in reference.bills(entries):
        if not has_token_price(entry):
            continue
        models.add(call.model)
        theirs = reference.costs[call.model, call.name]
        if told.unknown:
            unpriced[next(kind for kind in UNPRICED if kind in told.unknown)][call.model] += 1
            continue
        compared.update(["all", *aspects(call.usage)])
        if agree(told.cost, theirs):
            equal += 1
            continue
        reason = next((reason for reason in reasons if reason.holds(call, entry)), None)
        if reason is None:
            wrong.append(f"{call.model} ({entry['litellm_provider']}), {call.name}: {told.cost}, litellm {theirs}; "
                         f"{call.usage}")
        else:
            exempt[reason.sentence][call.model] += 1
    assert not wrong, f"{len(wrong)} of {compared['all']} calls differ:\n" + "\n".join(wrong[:40])
    idle = [reason.sentence for reason in reasons if reason.sentence not in exempt]
    assert not idle, f"reasons that nothing needs any more: {idle}"
    assert unpriced.keys() <= UNPRICED.keys()
    return [
        f"{len(models)} models, {compared['all']} priced calls compared, {equal} equal within {RELATIVE} or {ABSOLUTE} "
        "USD; of them " + ", ".join(f"{name} {count}" for name, count in compared.most_common()[1:]),
        *(f"exempt: {which.total()} calls of {len(which)} models: {sentence}" for sentence, which in exempt.items()),
        *(f"unpriced: {unpriced[kind].total()} calls of {len(unpriced[kind])} models: {UNPRICED[kind]}"
          for kind in UNPRICED if kind in unpriced),
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
@pytest.mark.timeout(900)
def test_every_model_of_litellms_table_costs_what_litellm_says(start, reference, report):
    exporter = start("--prices.no-builtin", "--prices.file", str(reference.table),
                     "--limits.max-series", str(len(reference.calls)))
    told = compare(reference, reference.entries, [FIREWORKS, *REASONS])
    charge(exporter, reference.calls).check(
        {(call.model, call.name): told.amount for call, _, told in reference.bills(reference.entries)})
    without = sum(not has_token_price(entry) for entry in reference.entries.values())
    times = sorted({call.usage.time for call in reference.calls if call.usage.time})
    report(f"prices with the table of litellm {reference.version}",
           [*told, f"{without} models more have no price for tokens; their calls count as unpriced",
            f"prices by the hour of the day were compared at these moments of the last one: {', '.join(times)}"])


#: Few enough for models that no reference has.
FEW = {name: PLAIN[name] for name in ("typical", "all kinds", "written for an hour", "heard", "a search")}


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_every_model_of_the_shipped_table_costs_what_litellm_says_and_the_others_are_unpriced(
        start, reference, report):
    shipped = ShippedTable()
    assert (shipped.source["package"], shipped.source["version"]) == ("litellm", reference.version), (
        "the shipped table is of another litellm: run scripts/update-prices, or change requirements-litellm.txt")
    own = shipped.those(lambda entry: "origin" not in entry and not entry.get("retired"))
    assert own.keys() == {model for model, entry in reference.entries.items() if entry.get("mode") in MODES}
    left_out = [model for model, entry in own.items() if not has_token_price(entry)]
    why = {model: next((reason for reason, fits in LEFT_OUT.items() if fits(model, reference.entries[model])), None)
           for model in left_out}
    assert None not in why.values(), sorted(model for model in why if why[model] is None)[:40]
    counts = Counter(why.values())
    assert counts.keys() == LEFT_OUT.keys(), "a reason that nothing needs any more"

    retired = shipped.those(lambda entry: entry.get("retired", False))
    old = [Call(entry["litellm_provider"], model, name, usage) for model, entry in retired.items()
           for name, usage in FEW.items()]
    exporter = start("--limits.max-series", str(len(reference.calls) + len(old)))
    expected: dict[tuple[str, str], Decimal | None] = {(call.model, call.name): None for call in reference.calls}
    expected |= {(call.model, call.name): told.amount for call, _, told in reference.bills(own)}
    expected |= {(call.model, call.name): bill(call.model, retired[call.model], call.usage, reference.now).amount
                 for call in old}
    told = compare(reference, own, REASONS)
    charge(exporter, reference.calls + old).check(expected)
    report(f"prices with the shipped table ({shipped.source['date']})",
           [*told, *(f"without rates, so unpriced: {count} models: {reason}" for reason, count in counts.most_common()),
            f"{len(reference.entries) - len(own)} models of other kinds are not in the table, so unpriced",
            f"{len(retired)} models that litellm no longer has cost what their last entry says"])


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_the_shipped_table_is_what_the_script_makes_of_both_packages(reference, tmp_path):
    source = ShippedTable().source
    packages = reference.table.parents[1]
    # The installed package in the form of a wheel, because the script would fetch one.
    wheel = tmp_path / f"genai_prices-{source['filled_from']['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in [packages / "genai_prices" / "data.py", *packages.glob("genai_prices-*.dist-info/METADATA")]:
            archive.write(file, file.relative_to(packages))
    done = subprocess.run([ROOT / "scripts" / "update-prices", "--check", "--table", reference.table, "--version",
                           reference.version, "--genai-wheel", wheel, "--genai-version",
                           source["filled_from"]["version"], "--date", source["date"]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
