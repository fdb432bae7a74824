"""The cost of a call by an entry of a price table: the contract's rules, written independently of the exporter's.

The tests of prices charge the same calls by litellm's calculator, by this and by the exporter.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Entry = dict[str, Any]

INPUT, OUTPUT = "input_cost_per_token", "output_cost_per_token"
READ, WRITE = "cache_read_input_token_cost", "cache_creation_input_token_cost"
WRITE_1H, WRITE_12H = f"{WRITE}_above_1hr", f"{WRITE}_above_12hr"
AUDIO_IN, IMAGE_IN = "input_cost_per_audio_token", "input_cost_per_image_token"
REASONING = "output_cost_per_reasoning_token"
AUDIO_OUT, IMAGE_OUT = "output_cost_per_audio_token", "output_cost_per_image_token"
RATES = (INPUT, OUTPUT, READ, WRITE, WRITE_1H, WRITE_12H, AUDIO_IN, IMAGE_IN, REASONING, AUDIO_OUT, IMAGE_OUT)
THRESHOLD = re.compile(rf"({'|'.join(RATES)})_above_(\d+)k_tokens(_batches|_flex|_priority)?")

#: The service tiers that have prices of their own, by the ends of the names of their rates.
SUFFIXES = {"flex": "_flex", "priority": "_priority", "fast": "_priority", "batch": "_batches"}

RANGES, OFF_PEAK, FEES = "tiered_pricing", "off_peak_pricing", "search_context_cost_per_query"

#: A price for something else than tokens, by the side of the call that it pays for.
BY_THE_UNIT = re.compile(r"(in|out)put_cost_per_(?!((audio|image|video|reasoning)_)?token|request$)")


class Usage(NamedTuple):
    """The usage of a call: the later counts of tokens are parts of the input or output, an hour's of the writes."""

    input: int
    output: int
    read: int = 0
    write: int = 0
    write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    #: Searches that the provider bills for, and the size of their context.
    searches: int = 0
    size: str | None = None
    tier: str | None = None
    #: When it was made, as RFC 3339 has it.
    time: str | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of a record; those of edition one always."""
        named = {
            "input_tokens": self.input, "output_tokens": self.output, "cache_read_tokens": self.read,
            "cache_write_tokens": self.write, "reasoning_tokens": self.reasoning}
        further = {
            "cache_write_1h_tokens": self.write_1h, "input_audio_tokens": self.input_audio,
            "input_image_tokens": self.input_image, "output_audio_tokens": self.output_audio,
            "output_image_tokens": self.output_image, "web_search_requests": self.searches,
            "search_context_size": self.size, "service_tier": self.tier, "timestamp": self.time}
        return named | {name: value for name, value in further.items() if value}

    def question(self) -> dict[str, Any]:
        """The members of a question to litellm_reference.py."""
        return {name: value for name, value in self._asdict().items() if value or name in ("input", "output")}


def edges(entry: Entry) -> list[int]:
    """The numbers of input tokens at which the rates of an entry change."""
    above = {int(match[2]) * 1000 for match in map(THRESHOLD.fullmatch, entry) if match}
    bounds = {int(bound) for tier in entry.get(RANGES, []) for bound in tier.get("range", [])}
    return sorted((above | bounds) - {0})


def has_token_price(entry: Entry) -> bool:
    return any(entry.get(name) is not None for name in RATES) or any(INPUT in tier for tier in entry.get(RANGES, []))


def all_rates(entry: Entry) -> Iterator[Decimal]:
    """Each rate of a token that the entry has, in any tier."""
    plain = tuple(f"{name}{suffix}" for name in RATES for suffix in ("", *SUFFIXES.values()))
    for part in (entry, *entry.get(RANGES, [])):
        yield from (part[name] for name in part
                    if part[name] is not None and (name in plain or THRESHOLD.fullmatch(name)))


def has_tier(entry: Entry, tier: str) -> bool:
    """Whether the entry says what the calls of a service tier cost."""
    if tier == "batch":
        return entry.get(f"{INPUT}_batches") is not None or entry.get(f"{OUTPUT}_batches") is not None
    ends = tuple(f"{end}{SUFFIXES[tier]}" for end in ("", "k_tokens"))
    return RANGES not in entry and any(
        name.endswith(ends) and name.startswith(RATES) and entry[name] is not None for name in entry)


def longest_write(entry: Entry) -> str:
    """The rate of what is kept in a cache for an hour, or for twelve by a provider that has no hour."""
    names = [name for name in entry if name.startswith((WRITE_1H, WRITE_12H))]
    return WRITE_12H if names and not any(name.startswith(WRITE_1H) for name in names) else WRITE_1H


def is_off_peak(entry: Entry, moment: datetime.datetime) -> bool:
    """Whether a window is open: hours of each day, or of those days that the window names on its calendar."""
    rules = entry.get(OFF_PEAK)
    if rules is None:
        return False
    calendar = ZoneInfo(rules.get("weekday_timezone", "UTC"))
    every_day = [{"hours_utc": rules["hours_utc"]}] if "hours_utc" in rules else []
    for window in [*every_day, *rules.get("windows", [])]:
        days = window.get("weekdays")
        if days is not None and moment.astimezone(calendar).isoweekday() not in map(int, days):
            continue
        hours = window["hours_utc"]
        for span in [hours] if isinstance(hours, str) else hours:
            begin, end = (datetime.time.fromisoformat(time) for time in span.split("-"))
            now = moment.astimezone(datetime.UTC).time()
            if begin <= now < end if begin < end else now >= begin or now < end:
                return True
    return False


def moments(entry: Entry, now: datetime.datetime) -> list[str]:
    """The latest moments of the last day at peak and off-peak, if both occurred."""
    found: dict[bool, str] = {}
    # Not the last minutes of the day that a record's time may be old.
    for minutes in range(10, 23 * 60, 10):
        moment = (now - datetime.timedelta(minutes=minutes)).replace(microsecond=0)
        found.setdefault(is_off_peak(entry, moment), moment.isoformat())
    return [found[key] for key in sorted(found)]


#: The tokens of each kind, which do not overlap, and what one of them costs.
Kinds = dict[str, tuple[int, Decimal | None]]


class _Rates:
    """The rates of one entry that hold for one call."""

    def __init__(self, entry: Entry, usage: Usage):
        self.entry, self.usage = entry, usage
        reaches = entry["litellm_provider"] == "xai"
        self.crossed = [edge for edge in edges(entry) if (usage.input >= edge if reaches else usage.input > edge)]

    def _with(self, name: str, suffix: str, base: Decimal | None) -> Decimal | None:
        """The rate of the highest tier that the call is in, of those with that suffix; `base` below them."""
        for edge in self.crossed:
            found = self.entry.get(f"{name}_above_{edge // 1000}k_tokens{suffix}")
            base = base if found is None else found
        return base

    def _named(self, name: str, suffix: str) -> Decimal | None:
        """That of the service tier, else the standard one, at each threshold."""
        rate = self.entry.get(name + suffix)
        rate = self.entry.get(name) if rate is None else rate
        for edge in self.crossed:
            above = f"{name}_above_{edge // 1000}k_tokens"
            found = next((self.entry[key] for key in (above + suffix, above) if self.entry.get(key) is not None), None)
            rate = rate if found is None else found
        return rate

    def _is_by_the_unit(self, side: str) -> bool:
        """Whether a side has no token rate, or one of 0, as something else than tokens is paid for."""
        return not self.entry.get(f"{side}_cost_per_token") and any(
            name.startswith(side) and BY_THE_UNIT.match(name) and isinstance(rate, Decimal) and rate > 0
            for name, rate in self.entry.items())

    def _in_range(self) -> dict[str, Decimal | None]:
        ranges = sorted((tier for tier in self.entry[RANGES] if INPUT in tier), key=lambda tier: tier["range"][0])
        held = next((tier for tier in ranges if self.usage.input <= tier["range"][1]), ranges[-1])
        rates = {name: held.get(name) for name in RATES}
        if rates[OUTPUT] is None:
            rates[OUTPUT] = self.entry.get(OUTPUT)
            rates[REASONING] = rates[REASONING] or self.entry.get(REASONING)
        return rates

    def _by_name(self) -> dict[str, Decimal | None]:
        """As the entry has them for the standard tier, or for flex and priority, without any fall-back."""
        if any(INPUT in tier for tier in self.entry.get(RANGES, [])):
            return self._in_range()
        suffix = SUFFIXES.get(self.usage.tier or "", "")
        rates = {name: self._named(name, suffix) for name in RATES}
        if suffix and self.entry.get(REASONING + suffix) is None and self.entry.get(OUTPUT + suffix) is not None:
            rates[REASONING] = None
        return rates

    def _of_side(self, rate: Decimal | None, side: str) -> Decimal | None:
        """The rate of plain tokens of a side: none if it is 0 beside a price for something else."""
        return rate or (None if self._is_by_the_unit(side) else rate)

    def standard(self, off_peak: bool) -> Kinds:
        rates = self._by_name()
        rates[INPUT], rates[OUTPUT] = self._of_side(rates[INPUT], "input"), self._of_side(rates[OUTPUT], "output")
        if off_peak:
            rates |= {name: rate for name, rate in self.entry[OFF_PEAK].items() if name in RATES}
        into, out = rates[INPUT], rates[OUTPUT]
        return self._tokens(
            input=into, read=_first(rates[READ], into), write=_first(rates[WRITE], into),
            write_1h=rates[longest_write(self.entry)], input_audio=rates[AUDIO_IN],
            input_image=_first(rates[IMAGE_IN], into), output=out, reasoning=_first(rates[REASONING], out),
            output_audio=rates[AUDIO_OUT], output_image=rates[IMAGE_OUT])

    def batch(self) -> Kinds:
        def batch(name: str) -> Decimal | None:
            return self._with(name, "_batches", self.entry.get(f"{name}_batches"))

        def half(name: str) -> Decimal | None:
            whole = self.entry.get(name)
            return None if whole is None else whole / 2

        into = self._of_side(_first(batch(INPUT), half(INPUT)), "input")
        out = self._of_side(_first(batch(OUTPUT), half(OUTPUT)), "output")
        return self._tokens(
            input=into, read=_first(batch(READ), self._with(READ, "", self.entry.get(READ)), into),
            write=_first(batch(WRITE), into), write_1h=batch(longest_write(self.entry)), input_audio=batch(AUDIO_IN),
            input_image=_first(batch(IMAGE_IN), into), output=out, reasoning=out, output_audio=None,
            output_image=_first(batch(IMAGE_OUT), half(IMAGE_OUT)))

    def _tokens(self, **rates: Decimal | None) -> Kinds:
        used = self.usage
        counts = {
            "input": used.input - used.read - used.write - used.input_audio - used.input_image,
            "read": used.read, "write": used.write - used.write_1h, "write_1h": used.write_1h,
            "input_audio": used.input_audio, "input_image": used.input_image,
            "output": used.output - used.reasoning - used.output_audio - used.output_image,
            "reasoning": used.reasoning, "output_audio": used.output_audio, "output_image": used.output_image}
        return {kind: (count, rates[kind]) for kind, count in counts.items() if count}


def _first(*rates: Decimal | None) -> Decimal | None:
    return next((rate for rate in rates if rate is not None), None)


def provider_of(entry: Entry) -> str:
    """The provider of an entry, as one of those whose searches have rules of their own."""
    return "vertex_ai" if entry["litellm_provider"].startswith("vertex_ai") else entry["litellm_provider"]


def bills_each_request(model: str, entry: Entry) -> bool:
    """Whether a model searches with each request, and bills for it even where no search is reported."""
    return provider_of(entry) in ("openai", "azure") and re.search(r"-search-(preview|api)", model) is not None


def fee(model: str, entry: Entry, usage: Usage) -> Decimal | None:
    """The charges beside the tokens, for searches and for the request itself; `None` if it is not known."""
    asked = entry.get("input_cost_per_request") or Decimal(0)
    provider, fees, searches = provider_of(entry), entry.get(FEES), usage.searches
    if provider == "perplexity" and fees is not None:
        searches = 1
    elif bills_each_request(model, entry):
        searches = max(1, searches)
    elif (provider == "gemini" or (provider == "vertex_ai" and "gemini" in model)) and (
            entry.get("web_search_billing_unit") != "per_query"):
        searches = min(1, searches)
    if searches == 0:
        return asked
    size = usage.size or ("low" if provider == "perplexity" else "medium")
    each = (fees or {}).get(f"search_context_size_{size}")
    return None if each is None else asked + searches * each


class Bill(NamedTuple):
    """The cost of a call as section 6 of the contract has it, or for what its entry has no price."""

    cost: Decimal
    #: `tier`, `citations`, `searches`, or kinds of tokens.
    unknown: frozenset[str] = frozenset()

    @property
    def amount(self) -> Decimal | None:
        return None if self.unknown else self.cost


def bill(model: str, entry: Entry, usage: Usage, now: datetime.datetime) -> Bill:
    if not has_token_price(entry):
        return Bill(Decimal(0), frozenset(["tokens"]))
    tier = usage.tier if usage.tier in SUFFIXES else None
    unknown = set()
    if tier and not has_tier(entry, tier):
        unknown.add("tier")
    if entry.get("citation_cost_per_token"):
        unknown.add("citations")
    beside = fee(model, entry, usage)
    if beside is None:
        unknown.add("searches")
    moment = datetime.datetime.fromisoformat(usage.time) if usage.time else now
    rates = _Rates(entry, usage)
    kinds = rates.batch() if tier == "batch" else rates.standard(is_off_peak(entry, moment))
    unknown |= {kind for kind, (_, rate) in kinds.items() if rate is None}
    cost = sum((count * rate for count, rate in kinds.values() if rate is not None), beside or Decimal(0))
    return Bill(cost, frozenset(unknown))
