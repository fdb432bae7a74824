"""A workload of calls whose totals say which of them were counted.

`PER_SET` calls share a set of labels, and call k of a set adds 2^k to one total of that set (units of 1e-12 USD, or
tokens where the calls are unpriced). Read in binary, that total names the calls that were counted; every other total
must then be the exact sum over these calls. A call that is lost, counted twice, in half, or never sent shows.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple

from exposition import parse_sample
from protobuf_exposition import native_bucket

PER_SET = 36
UNPRICED_SETS = 4  # every fourth
PLAN_SETS = 4
BOUNDS = ("0.1", "0.5", "1.0", "2.5", "5.0", "10.0")

Labels = frozenset[tuple[str, str]]


class Key(NamedTuple):
    """One series of the exposition."""

    name: str
    labels: Labels

    def __repr__(self) -> str:
        return self.name + "{" + ",".join(f'{name}="{value}"' for name, value in sorted(self.labels)) + "}"


class Event(NamedTuple):
    """What is posted: a `call`, its `start`, or the start of a call that stays `open`."""

    kind: Literal["call", "start", "open"]
    number: int


class Shown:
    """The durable part of a scrape in text format 0.0.4: what the families of docs/metrics.md show.

    Quicker than `Exposition`, for thousands of series many times: the labels of a series are parsed once.
    """

    _keys: ClassVar[dict[str, Key]] = {}

    def __init__(self, body: bytes):
        #: Samples of counters and histograms, as text.
        self.counters: dict[Key, str] = {}
        self.gauges: dict[Key, str] = {}
        into: dict[Key, str] | None = None
        for line in body.decode().split("\n")[:-1]:
            if line.startswith("#"):
                _, keyword, name, type_or_help = line.split(" ", 3)
                if keyword == "TYPE":
                    durable = name.startswith("llm_") and not name.startswith("llm_exporter_")
                    into = None if not durable else self.gauges if type_or_help == "gauge" else self.counters
            elif into is not None:
                series, value = line.rsplit(" ", 1)
                into[self._key(series)] = value

    @classmethod
    def _key(cls, series: str) -> Key:
        key = cls._keys.get(series)
        if key is None:
            sample = parse_sample(series + " 0")
            key = cls._keys[series] = Key(sample.name, frozenset(sample.labels.items()))
        return key

    @classmethod
    def forget_keys(cls) -> None:
        """Frees what was parsed, for runs that see ever new series."""
        cls._keys = {}

    def units(self) -> dict[Key, int]:
        """Counter samples other than 0, in whole units."""
        return {key: amount for key, value in self.counters.items() if (amount := in_units(key, value))}

    def active(self) -> dict[str, int]:
        """Calls in flight by agent, without those that have none."""
        shown = {dict(key.labels)["agent_name"]: int(value) for key, value in self.gauges.items()
                 if key.name == "llm_active_calls"}
        return {agent: count for agent, count in shown.items() if count}


class Workload:
    """Calls and starts by number, each made from the seed alone, and the totals that any of them add up to."""

    def __init__(self, seed: int, *, further_fields: bool = True):
        self.seed = seed
        self.further_fields = further_fields
        self._calls: dict[int, dict[str, Any]] = {}
        self._amounts: dict[int, list[tuple[Key, int]]] = {}
        self._gauges: dict[int, list[tuple[Key, Decimal]]] = {}
        self._interned: dict[Key, Key] = {}

    # What is posted

    @staticmethod
    def events(number: int) -> list[Event]:
        """The call of a number, for some numbers after its start or beside a start that never ends."""
        started = [Event("start", number)] if number % 4 == 0 else []
        left_open = [Event("open", number)] if number % 10 == 1 else []
        return [*started, Event("call", number), *left_open]

    def record(self, event: Event) -> dict[str, Any]:
        """An event as it is posted."""
        if event.kind == "call":
            return self._call(event.number)
        id = f"call-{event.number}" if event.kind == "start" else f"open-{event.number}"
        return {"event": "start", "agent_name": self.agent(event.number), "id": id}

    @staticmethod
    def agent(number: int) -> str:
        return f"agent-{number // PER_SET % 5}"

    def _call(self, number: int) -> dict[str, Any]:
        if number not in self._calls:
            self._calls[number] = self._made(number)
        return self._calls[number]

    def _made(self, number: int) -> dict[str, Any]:
        dice = random.Random(f"{self.seed}/{number}")
        set, place = divmod(number, PER_SET)
        record: dict[str, Any] = {
            "agent_name": self.agent(number), "provider": ("acme", "umbrella")[set % 2], "model": f"model-{set}",
            "id": f"call-{number}", "status": dice.choice(["success", "success", "success", "error", "timeout"])}
        if record["status"] != "success" and dice.random() < 0.7:
            record["error_type"] = dice.choice(["rate_limit", "connection"])
        if is_unpriced(set):
            record["total_tokens"] = 2 ** place
        else:
            record["cost_usd"] = Decimal(2 ** place).scaleb(-12)
            if self.further_fields and is_plan(set):
                record["billing"] = "plan"
            if dice.random() < 0.85:
                read, write, reasoning = (dice.randrange(100) for _ in range(3))
                record |= {"input_tokens": read + write + dice.randrange(5000), "cache_read_tokens": read,
                           "cache_write_tokens": write, "output_tokens": reasoning + dice.randrange(5000),
                           "reasoning_tokens": reasoning}
                if self.further_fields and dice.random() < 0.2:
                    record |= {"cache_write_1h_tokens": write // 2, "web_search_requests": dice.randrange(4)}
                if dice.random() < 0.3:
                    record["total_tokens"] = record["input_tokens"] + record["output_tokens"] + dice.randrange(9)
        for field in ("latency_ms", "api_latency_ms"):
            if dice.random() < 0.9:
                record[field] = Decimal(int(10 ** dice.uniform(3, 7.2))).scaleb(-3)
        if self.further_fields and "latency_ms" in record and dice.random() < 0.5:
            record["ttft_ms"] = Decimal(dice.randrange(int(record["latency_ms"] * 1000) + 1)).scaleb(-3)
        if dice.random() < 0.3:
            record |= {"memory_rss_mb": dice.randrange(1, 9999), "memory_available_mb": dice.randrange(1, 9999)}
        return record

    # What it adds up to

    def totals(self, numbers: Iterable[int]) -> dict[Key, int]:
        """What the counters show for exactly these calls, each once, without zeros; in the units of `Shown.units`."""
        sums: Counter[Key] = Counter()
        for number in numbers:
            for key, amount in self.amounts(number):
                sums[key] += amount
        return dict(sums)

    def native_counts(self, numbers: Iterable[int]) -> dict[Key, Counter[int]]:
        """Observations by native bucket of each call histogram, for exactly these calls."""
        counts: dict[Key, Counter[int]] = {}
        for number in numbers:
            call = self._call(number)
            for field, family, labels in HISTOGRAMS:
                if field in call:
                    buckets = counts.setdefault(key(family, call, *labels), Counter())
                    buckets[native_bucket(int(call[field].scaleb(3)))] += 1
        return counts

    def amounts(self, number: int) -> list[tuple[Key, int]]:
        """What one call adds, and to which samples."""
        if number not in self._amounts:
            self._amounts[number] = [(self._interned.setdefault(key, key), amount)
                                     for key, amount in added_by(self._call(number)) if amount]
        return self._amounts[number]

    def counted(self, shown: Shown) -> set[int]:
        """The calls that a scrape consists of, after holding every counter and last-value gauge to them."""
        units = shown.units()
        numbers: set[int] = set()
        for key, amount in units.items():
            if key.name in ("llm_cost_usd_total", "llm_plan_equivalent_usd_total", "llm_tokens_total"):
                set_number = int(dict(key.labels)["model"].removeprefix("model-"))
                if (key.name == "llm_tokens_total") == is_unpriced(set_number):
                    assert amount < 2 ** PER_SET, f"{key} is more than all its calls together"
                    numbers.update(set_number * PER_SET + place for place in range(PER_SET) if amount >> place & 1)
        expected = self.totals(numbers)
        different = [f"{key}: {units.get(key, 0)} instead of {expected.get(key, 0)}"
                     for key in sorted(expected.keys() | units.keys(), key=repr)
                     if units.get(key, 0) != expected.get(key, 0)]
        assert not different, (f"no set of calls, each counted once, has these totals; {len(different)} samples "
                               f"contradict the calls that the identifying totals name:\n" + "\n".join(different[:20]))
        self._check_gauges(shown, numbers)
        return numbers

    def _check_gauges(self, shown: Shown, numbers: Iterable[int]) -> None:
        """Each gauge of a last value shows one that some counted call brought, and is there when any brought one."""
        brought: dict[Key, set[Decimal]] = {}
        for number in numbers:
            if number not in self._gauges:
                self._gauges[number] = list(last_values_of(self._call(number)))
            for key, value in self._gauges[number]:
                brought.setdefault(key, set()).add(value)
        gauges = {key: value for key, value in shown.gauges.items() if key.name != "llm_active_calls"}
        assert gauges.keys() == brought.keys(), f"gauges that differ: {list(gauges.keys() ^ brought.keys())[:10]}"
        wrong = [f"{key} {value}" for key, value in gauges.items() if Decimal(value) not in brought[key]]
        assert not wrong, f"last values that no counted call brought: {wrong[:10]}"

    def active(self, events: Iterable[Event], ended: Collection[int]) -> Counter[str]:
        """Calls in flight by agent when these events and the calls `ended` are in."""
        return Counter(self.agent(event.number) for event in events
                       if event.kind == "open" or (event.kind == "start" and event.number not in ended))

    def check(self, shown: Shown, at_least: Collection[Event], at_most: Collection[Event]) -> set[int]:
        """Holds a scrape to a legal state: all of `at_least` is in, nothing beyond `at_most`, each event at most once.

        Returns the calls that are in. Starts have no total of their own, so they are held to bounds for each agent.
        """
        counted = self.counted(shown)
        lost = {event.number for event in at_least if event.kind == "call"} - counted
        assert not lost, f"{len(lost)} acknowledged calls are not counted: {sorted(lost)[:20]}"
        made_up = counted - {event.number for event in at_most if event.kind == "call"}
        assert not made_up, f"{len(made_up)} calls are counted that should not be: {sorted(made_up)[:20]}"
        low, high, active = self.active(at_least, counted), self.active(at_most, counted), shown.active()
        for agent in low.keys() | high.keys() | active.keys():
            assert low[agent] <= active.get(agent, 0) <= high[agent], (
                f"{active.get(agent, 0)} active calls of {agent}, not {low[agent]} to {high[agent]}")
        return counted

    def check_exactly(self, shown: Shown, events: Collection[Event]) -> None:
        """Holds a scrape to these events, each once, and nothing else."""
        self.check(shown, events, events)


class Account:
    """What a sender knows of its events. Several threads may send, each event by one of them at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Answered with 200.
        self.acknowledged: set[Event] = set()
        #: Sent, and neither acknowledged nor refused: counted or not, nobody has said.
        self.uncertain: set[Event] = set()

    def sending(self, events: Collection[Event]) -> tuple[set[Event], set[Event]]:
        """Notes that events go out. Returns those known to be in, and those known not to be."""
        with self._lock:
            known = self.acknowledged.intersection(events)
            fresh = set(events) - known - self.uncertain
            self.uncertain |= fresh
            return known, fresh

    def acknowledge(self, events: Collection[Event]) -> None:
        with self._lock:
            self.acknowledged.update(events)
            self.uncertain.difference_update(events)

    def refuse(self, fresh: Collection[Event]) -> None:
        """Nothing was applied of a request, whose events `fresh` were not known to be in or uncertain before."""
        with self._lock:
            self.uncertain.difference_update(fresh)

    def bounds(self) -> tuple[set[Event], set[Event]]:
        """The events that must be in, and those that may be."""
        with self._lock:
            return set(self.acknowledged), self.acknowledged | self.uncertain


def in_units(key: Key, value: str) -> int:
    """A counter sample in whole units: 1e-12 USD, microseconds, or ones."""
    scaled = Decimal(value).scaleb(12 if "_usd" in key.name else 6 if key.name.endswith("_sum") else 0)
    assert scaled == int(scaled), f"{key} {value} is finer than its unit"
    return int(scaled)


def is_unpriced(set: int) -> bool:
    return set % UNPRICED_SETS == UNPRICED_SETS - 1


def is_plan(set: int) -> bool:
    return set % PLAN_SETS == 1


def key(name: str, call: dict[str, Any], *labels: str, **further: str) -> Key:
    return Key(name, frozenset({**{label: call[label] for label in labels}, **further}.items()))


HISTOGRAMS = (("latency_ms", "llm_latency_seconds", ("agent_name", "provider", "model")),
              ("api_latency_ms", "llm_api_latency_seconds", ("agent_name", "provider")),
              ("ttft_ms", "llm_time_to_first_token_seconds", ("agent_name", "provider", "model")))


def added_by(call: dict[str, Any]) -> Iterable[tuple[Key, int]]:
    """What docs/metrics.md makes of one call."""
    set = ("agent_name", "provider", "model")
    input, output = call.get("input_tokens"), call.get("output_tokens")
    yield key("llm_calls_total", call, *set, status=call["status"]), 1
    yield key("llm_tokens_total", call, *set), call.get("total_tokens", (input or 0) + (output or 0))
    if "cost_usd" in call:
        money = "plan_equivalent" if call.get("billing") == "plan" else "cost"
        yield key(f"llm_{money}_usd_total", call, *set), int(call["cost_usd"].scaleb(12))
    else:
        yield key("llm_calls_unpriced_total", call, "provider", "model"), 1
    if input is not None:
        read, write, reasoning = (call[f] for f in ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"))
        hour = call.get("cache_write_1h_tokens", 0)
        for token_type, count in (("input", input - read - write), ("cache_read", read), ("cache_write", write - hour),
                                  ("cache_write_1h", hour), ("output", output - reasoning), ("reasoning", reasoning)):
            yield key("llm_token_usage_total", call, *set, token_type=token_type), count
        yield key("llm_tool_requests_total", call, *set, tool="web_search"), call.get("web_search_requests", 0)
    elif call["status"] in ("success", "timeout") and "total_tokens" not in call:
        yield key("llm_calls_usage_missing_total", call, *set), 1
    if call["status"] != "success":
        yield key("llm_errors_total", call, *set, error_type=call.get("error_type", "unknown")), 1
    for field, family, labels in HISTOGRAMS:
        if field in call:
            microseconds = int(call[field].scaleb(3))
            yield key(family + "_count", call, *labels), 1
            yield key(family + "_sum", call, *labels), microseconds
            for bound in (*BOUNDS, "+Inf"):
                if bound == "+Inf" or microseconds <= Decimal(bound).scaleb(6):
                    yield key(family + "_bucket", call, *labels, le=bound), 1


def last_values_of(call: dict[str, Any]) -> Iterable[tuple[Key, Decimal]]:
    """The gauges that one call sets."""
    set = ("agent_name", "provider", "model")
    for field, family, labels in (("input_tokens", "llm_input_tokens_last_call", set),
                                  ("output_tokens", "llm_output_tokens_last_call", set),
                                  ("memory_rss_mb", "llm_memory_rss_mb", set[:1]),
                                  ("memory_available_mb", "llm_memory_available_mb", ())):
        if field in call:
            yield key(family, call, *labels), Decimal(call[field])
