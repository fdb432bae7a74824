"""Prices: a second reference, genai-prices, for the models of the shipped table that it also knows.

The prices of both packages are written by hand. If they differ, the exporter charges what litellm's table says; each
difference is listed in .build-logs/prices-genai.txt and has an explanation below. Models that the shipped table has
from genai-prices cost what it says.
"""

from __future__ import annotations

import datetime
import fnmatch
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from bills import (
    AUDIO_IN,
    AUDIO_OUT,
    FEES,
    OFF_PEAK,
    OUTPUT,
    READ,
    WRITE,
    Entry,
    Usage,
    bill,
    has_tier,
    has_token_price,
    is_off_peak,
    longest_write,
    moments,
)
from exporter import ROOT
from price_reference import Call, Entries, ShippedTable, Spellings, agree, asked, charge

REPORT = ROOT / ".build-logs" / "prices-genai.txt"

#: Its providers that have other names here.
PROVIDERS = {"aws": "bedrock", "zhipuai": "bigmodel"}
#: Parts of other providers, with prices of those.
PARTS = ("huggingface_*", "openai-decisions")

PLAIN = {
    "typical": Usage(1000, 300),
    "read": Usage(20_000, 900, read=9000),
    "written": Usage(20_000, 900, write=9000),
    "long": Usage(300_000, 2000, read=100_000),
    "reasoned": Usage(1000, 800, reasoning=700),
}
TIERED = ("typical", "read", "long")

NOON = datetime.time(12, tzinfo=datetime.UTC)


def usages(entry: Entry, tiers: list[str]) -> dict[str, Usage]:
    """The calls that both price by rules of one kind: of no kind of tokens that one of them lacks."""
    found = dict(PLAIN)
    if longest_write(entry) in entry:
        found["written for an hour"] = Usage(20_000, 900, write=9000, write_1h=8000)
    if AUDIO_IN in entry:
        found["heard"] = Usage(3000, 900, input_audio=2000)
    if AUDIO_OUT in entry:
        found["spoken"] = Usage(3000, 900, output_audio=700)
    if FEES in entry:
        found["searches"] = Usage(1000, 300, searches=2)
    return found | {f"{name}, {tier}": found[name]._replace(tier=tier)
                    for tier in tiers if has_tier(entry, tier) for name in TIERED}


class Explanation(NamedTuple):
    """Why the two packages differ for calls, by the patterns of keys and of names of usages."""

    sentence: str
    keys: tuple[str, ...]
    usages: tuple[str, ...] = ("*",)
    #: A field that the entry must have, as a field and its value; `None` for a field that it lacks.
    has: tuple[str, int | None] | None = None

    def fits(self, key: str, name: str, entry: Entry) -> bool:
        return (any(fnmatch.fnmatchcase(key, pattern) for pattern in self.keys)
                and any(fnmatch.fnmatchcase(name, pattern) for pattern in self.usages)
                and (self.has is None or entry.get(self.has[0]) == self.has[1]))


EXPLANATIONS = [
    Explanation("OpenAI's search models and Perplexity charge for each request; genai-prices has no fee for the "
                "former, and that of the largest context for the latter",
                ("gpt-4o*-search-preview*", "gpt-5-search-api*", "perplexity/sonar*")),
    Explanation("Gemini 2.5 charges once a call for its searches; genai-prices multiplies by them",
                ("gemini/gemini-2.5-*",), ("searches",)),
    Explanation("genai-prices has no fee for the searches of these models, which are billed",
                ("*anthropic.claude-*", "azure/o[34]*", "groq/*", "gemini/gemini-robotics-*", "gpt-5.3-codex"),
                ("searches",)),
    Explanation("litellm has OpenAI's fee for its older search tool, 25 USD for a thousand, genai-prices that for the "
                "newer one, 10 USD", ("gpt-4*", "o3-pro*"), ("searches",)),
    Explanation("genai-prices has no price for a cache that OpenAI keeps for long",
                ("gpt-*",), ("written for an hour",)),
    Explanation("litellm's table has that writing the cache of GLM and DeepSeek costs nothing; genai-prices, which has "
                "no price for it, takes the input's", ("zai/*", "deepseek/*"), ("written", "written, *"), (WRITE, 0)),
    Explanation("only genai-prices has a price for cached input of GLM 4.5",
                ("zai/glm-4.5*",), ("read", "long"), (READ, None)),
    Explanation("Fireworks and Mistral take less for cached input of every model; genai-prices has no price for it",
                ("fireworks_ai/*", "mistral/codestral-latest", "mistral/devstral-small-latest", "mistral/mistral-tiny",
                 "mistral/pixtral-large-latest"), ("read", "long")),
    Explanation("genai-prices has no price for cached input of these models, or another one",
                ("groq/openai/gpt-oss-safeguard-20b", "together_ai/Qwen/Qwen3.8-2.4T-A95B",
                 "together_ai/ricursive-ai/Ripple-65B-Preview", "gemini/gemini-2.5-pro-preview-tts"),
                ("read*", "long*")),
    Explanation("the two have other prices for what the speech models of Gemini 2.5 hear",
                ("gemini/gemini-2.5-pro-preview-tts",), ("heard", "spoken")),
    Explanation("the two disagree on cached input in batches of Gemini, and above a threshold",
                ("gemini/gemini-*-latest", "gemini/gemini-3.5-flash-lite"), ("read, batch", "long, batch")),
    Explanation("the two disagree on whether much input still makes Sonnet 4 and 4.5 cost more",
                ("claude-sonnet-4-5", "global.anthropic.claude-sonnet-4-*"), ("long*",)),
    Explanation("above 272,000 tokens genai-prices keeps the ordinary price of a service tier; litellm's table has "
                "another, or none, so that the standard one holds", ("gpt-5.4*", "gpt-5.5*"), ("long, *",)),
    Explanation("genai-prices has no price for the long context of this model", ("gpt-5.6-cyber",), ("long",)),
    Explanation("for a name without a region, and in GovCloud, genai-prices takes the price of a regional endpoint; "
                "litellm's table has the global price and GovCloud's own",
                ("anthropic.claude-*", "us-gov.anthropic.claude-*")),
    Explanation("litellm's table has Azure's prices for embeddings in a region, a tenth above the global ones",
                ("azure/ada", "azure/text-embedding-*")),
    Explanation("Databricks bills in a unit of its own, which litellm's table converts without rounding to dollars",
                ("databricks/*",)),
    Explanation("OVHcloud and Zhipu bill in euros and yuan: litellm's table has OVHcloud's numbers as they are and "
                "another rate of exchange for Zhipu's", ("ovhcloud/*", "bigmodel/*")),
    Explanation("Cloudflare bills in a unit of its own, and has changed its prices",
                tuple(f"cloudflare/@cf/{name}" for name in (
                    "meta/llama-2-7b-chat-fp16", "meta/llama-3.2-*", "mistral/mistral-7b-instruct-v0.1",
                    "qwen/qwen3-30b-a3b-fp8", "zai-org/glm-4.7-flash"))),
    Explanation("the name stands for another version in each of the two packages, which are not equally new",
                ("deepseek/deepseek-chat", "deepseek/deepseek-reasoner", "deepseek/deepseek-v3.2",
                 "mistral/mistral-large-latest", "mistral/mistral-medium", "mistral/open-mistral-nemo",
                 "xai/grok-code-fast*", "fireworks_ai/accounts/fireworks/models/deepseek-v4-*")),
    Explanation("the provider has changed the price, and one of the packages has the older one",
                ("fireworks_ai/accounts/fireworks/models/gemma-3-27b-it",
                 "fireworks_ai/accounts/fireworks/models/llama-v3p1-8b-instruct", "novita/mistralai/mistral-nemo",
                 "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo",
                 "together_ai/mistralai/Mixtral-8x7B-Instruct-v0.1")),
]


class Question(NamedTuple):
    """A call, and by what names genai-prices knows the provider and the model."""

    provider: str
    model: str
    call: Call

    def members(self, date: str) -> dict[str, Any]:
        """Asks for the prices of the day of the table, as genai-prices also has some that begin later."""
        time = datetime.datetime.fromisoformat(self.call.usage.time).timetz() if self.call.usage.time else NOON
        return {"provider": self.provider, "model": self.model, **self.call.usage.question(),
                "time": datetime.datetime.combine(datetime.date.fromisoformat(date), time).isoformat()}


class Names:
    """The models of the shipped table by the names that genai-prices has for them."""

    def __init__(self, entries: Entries, models: dict[str, Any]):
        self.spellings = Spellings()
        self.models = {provider: models[provider] for provider in models
                       if not any(fnmatch.fnmatchcase(provider, part) for part in PARTS)}
        self.canonical = {provider: self.spellings.canonical(PROVIDERS.get(provider, provider))
                          for provider in self.models}
        self.entries = entries

    def own_name(self, key: str) -> tuple[str, str]:
        """The provider and the model of an entry, without the provider before it."""
        provider = self.spellings.canonical(self.entries[key]["litellm_provider"])
        head, slash, rest = key.partition("/")
        return provider, rest if slash and self.spellings.canonical(head) == provider else key

    def shared(self) -> Iterator[Question]:
        """The calls of models that both packages know by one name."""
        keys: dict[tuple[str, str], str] = {}
        for key, entry in self.entries.items():
            if "origin" not in entry and not entry.get("retired") and has_token_price(entry):
                provider, model = self.own_name(key)
                # As the exporter has it, the key with its provider comes first.
                if model != key or (provider, model.lower()) not in keys:
                    keys[provider, model.lower()] = key
        for provider, models in self.models.items():
            for told in models.values():
                named = {keys.get((self.canonical[provider], name.lower())): name for name in told["names"]}
                for key in filter(None, named):
                    yield from self.questions(provider, named[key], key, told["tiers"])

    def taken(self) -> Iterator[Question]:
        """The calls of models that the shipped table has from genai-prices."""
        ids = {canonical: provider for provider, canonical in self.canonical.items()}
        for key, entry in self.entries.items():
            if entry.get("origin") == "genai-prices":
                provider, name = self.own_name(key)
                yield from self.questions(ids[provider], name, key, [])

    def questions(self, provider: str, name: str, key: str, tiers: list[str]) -> Iterator[Question]:
        entry = self.entries[key]
        for usage_name, usage in usages(entry, tiers).items():
            if OFF_PEAK not in entry:
                yield Question(provider, name, Call(entry["litellm_provider"], key, usage_name, usage))
                continue
            for time in moments(entry, datetime.datetime.now(datetime.UTC)):
                moment = datetime.datetime.fromisoformat(time)
                # It does not know that weekends are off-peak all day.
                if moment.isoweekday() < 6:
                    at = "off-peak" if is_off_peak(entry, moment) else "at peak"
                    yield Question(provider, name, Call(
                        entry["litellm_provider"], key, f"{usage_name}, {at}", usage._replace(time=time)))


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_models_that_genai_prices_knows_cost_what_it_says_or_the_difference_is_explained(start, figures):
    table = ShippedTable()
    told, _ = asked("genai_reference.py", [])
    assert table.source["filled_from"]["version"] == told["version"], (
        "the shipped table is of another genai-prices: run scripts/update-prices, or change requirements-litellm.txt")
    names = Names(table.entries, told["models"])
    taken = list(names.taken())
    # Some models of genai-prices have a name of ours in common: the first of them has it.
    shared = list({(question.call.model, question.call.name): question for question in reversed(list(names.shared()))}
                  .values())
    assert len({question.call.model for question in taken}) > 500 and len(shared) > 3000
    questions = taken + shared
    _, answers = asked("genai_reference.py", [question.members(table.source["date"]) for question in questions])
    theirs = [Decimal(answer["cost"]) for answer in answers]

    exporter = start("--limits.max-series", str(len(questions)), shipped_prices=True)
    charged = charge(exporter, [question.call for question in questions])
    now = datetime.datetime.now(datetime.UTC)
    own = {question.call: bill(question.call.model, table.entries[question.call.model], question.call.usage, now).amount
           for question in questions}
    charged.check({(call.model, call.name): cost for call, cost in own.items()})

    wrong, without_rate = [], Counter[str]()
    for question, cost in zip(taken, theirs, strict=False):
        ours, entry = own[question.call], table.entries[question.call.model]
        if ours is None:
            # A 0 that is not known to be a price was left out of the shipped table; and output of a model without a
            # price for it costs nothing there.
            without_rate[question.call.model] += 1
            if cost != 0 and has_token_price(entry) and OUTPUT in entry:
                wrong.append(f"{question.call}: unpriced, genai-prices {cost}")
        elif not agree(ours, cost):
            wrong.append(f"{question.call}: {ours}, genai-prices {cost}")
    assert not wrong, f"{len(wrong)} calls of models that are from genai-prices differ:\n" + "\n".join(wrong[:40])

    equal, unpriced = Counter[str](), Counter[str]()
    differing: defaultdict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    unexplained = []
    for (_, _, call), cost in zip(shared, theirs[len(taken):], strict=True):
        ours = own[call]
        if ours is None:
            unpriced[call.model] += 1
        elif agree(ours, cost):
            equal[call.model] += 1
        else:
            entry = table.entries[call.model]
            why = next((why for why in EXPLANATIONS if why.fits(call.model, call.name, entry)), None)
            if why is None:
                unexplained.append(f"{call.model}, {call.name}: {ours}, genai-prices {cost}")
            else:
                differing[why.sentence][call.model].append(f"{call.name} {ours} / {cost}")
    assert not unexplained, f"{len(unexplained)} differences without an explanation:\n" + "\n".join(unexplained[:60])
    idle = [why.sentence for why in EXPLANATIONS if why.sentence not in differing]
    assert not idle, f"explanations that nothing needs any more: {idle}"
    models = equal.keys() | {model for of in differing.values() for model in of}
    title = f"prices with the shipped table ({table.source['date']}) and genai-prices {told['version']}"
    lines = [
        (f"{len({question.call.model for question in taken})} models that are from there: "
         f"{len(taken) - without_rate.total()} calls equal, {without_rate.total()} of {len(without_rate)} models "
         "unpriced"),
        f"{len(models)} models of both: {equal.total()} calls equal, {unpriced.total()} unpriced here",
        *(f"{sum(map(len, of.values()))} calls of {len(of)} models differ: {sentence}"
          for sentence, of in differing.items())]
    figures("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
    REPORT.parent.mkdir(exist_ok=True)
    listed = [f"{model}: {'; '.join(calls)} ({sentence})"
              for sentence, of in differing.items() for model, calls in of.items()]
    REPORT.write_text("\n".join(
        [f"{title}:", *lines, "", "The differing calls, our cost / that of genai-prices:", *listed, ""]))
