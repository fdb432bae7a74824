"""The references for prices, the shipped table, and what the exporter charges: for the tests that compare them."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bills import Entry, Usage
from exporter import ROOT, SUPPORT, Exporter
from exposition import parse_sample

PYTHON = Path(os.environ.get("LLM_EXPORTER_LITELLM_PYTHON") or ROOT / ".build-venv-litellm" / "bin" / "python")
SHIPPED = ROOT / "Sources" / "CPriceTable"

RELATIVE, ABSOLUTE = Decimal("1e-9"), Decimal("1e-12")

Entries = dict[str, Entry]


def agree(ours: Decimal, theirs: Decimal) -> bool:
    return abs(ours - theirs) <= max(ABSOLUTE, RELATIVE * abs(theirs))


def asked(program: str, questions: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The answers of a program in the references' environment: its head, and a line for each question."""
    if not PYTHON.is_file():
        pytest.fail("the environment of the references is missing: run scripts/python-environment litellm")
    with tempfile.TemporaryFile("w+") as file:
        file.writelines(json.dumps(question) + "\n" for question in questions)
        file.seek(0)
        done = subprocess.run([PYTHON, SUPPORT / program], stdin=file, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    head, *answers = (json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines())
    assert len(answers) == len(questions)
    return head, answers


class ShippedTable:
    """The table that ships: each key with an entry of its own."""

    def __init__(self) -> None:
        whole = json.loads((SHIPPED / "prices.json").read_text(), parse_float=Decimal, parse_int=Decimal)
        self.source: dict[str, Any] = whole.pop("_source")
        self.entries: Entries = {}
        for key, told in whole.items():
            others = told.pop("also", {})
            named = [(key, told["litellm_provider"]), *((name, provider) for provider in others
                                                        for name in others[provider])]
            for name, provider in named:
                assert name not in self.entries, f"{name} stands in the table twice"
                self.entries[name] = {**told, "litellm_provider": provider}

    def those(self, holds: Callable[[Entry], bool]) -> Entries:
        return {key: entry for key, entry in self.entries.items() if holds(entry)}


class Spellings:
    """The canonical names of providers, as providers.json has them."""

    def __init__(self) -> None:
        told = json.loads((SHIPPED / "providers.json").read_text())
        assert list(told) == ["spellings", "frameworks", "servers", "hosts"]
        self.by_canonical: dict[str, list[str]] = told["spellings"]

    def canonical(self, name: str) -> str:
        name = name.lower()
        exact = (canonical for canonical, others in self.by_canonical.items() if name in (canonical, *others))
        alike = (canonical for canonical, others in self.by_canonical.items()
                 if any("*" in other and fnmatch.fnmatchcase(name, other) for other in others))
        return next(exact, None) or next(alike, name)


class Call(NamedTuple):
    provider: str
    model: str
    #: The name of its usage, which the set of the call has as its agent.
    name: str
    usage: Usage


class Charged(NamedTuple):
    """The exporter's results: costs by model and usage, unpriced calls by model."""

    costs: dict[tuple[str, str], Decimal]
    unpriced: Counter[str]

    def check(self, expected: dict[tuple[str, str], Decimal | None]) -> None:
        """Checks that each call costs what it must, or is counted as unpriced."""
        wrong = [f"{model}, {name}: {self.costs.get((model, name))}, expected {cost}"
                 for (model, name), cost in expected.items()
                 if (cost is None) != ((model, name) not in self.costs)
                 or (cost is not None and not agree(self.costs[model, name], cost))]
        assert not wrong, f"{len(wrong)} of {len(expected)} calls differ:\n" + "\n".join(wrong[:60])
        assert self.unpriced == Counter(model for (model, _), cost in expected.items() if cost is None)


def charge(exporter: Exporter, calls: list[Call]) -> Charged:
    """Posts calls, each as a set of its own."""
    records = [{"agent_name": call.name, "provider": call.provider, "model": call.model, **call.usage.fields()}
               for call in calls]
    for at in range(0, len(records), 1000):
        part = records[at:at + 1000]
        assert exporter.post_lines(part).outcome() == (len(part), 0, 0)
    reply = exporter.get("/metrics")
    assert reply.status == 200, reply
    charged, sources = Charged({}, Counter()), Counter[str]()
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
                sources[labels["source"]] = int(value)
    unpriced = charged.unpriced.total()
    assert +sources == +Counter(unpriced=unpriced, computed=len(records) - unpriced)
    return charged
