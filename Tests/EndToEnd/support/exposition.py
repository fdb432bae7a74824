"""The text of a scrape, read back sample by sample.

Values stay the text they were sent as: `3` and `3.0` differ here, as the contract makes them differ. Both formats are
read: text 0.0.4 (Prometheus, "Exposition formats") and OpenMetrics 1.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class MalformedExposition(AssertionError):
    """A line that neither format allows."""


@dataclass(frozen=True)
class Exemplar:
    labels: dict[str, str]
    value: str
    timestamp: str | None


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: str
    exemplar: Exemplar | None = None


@dataclass
class Family:
    name: str
    type: str | None = None
    help: str | None = None
    samples: list[Sample] = field(default_factory=list)


class Exposition:
    """Families in the order of the text, each with its samples."""

    def __init__(self, body: bytes):
        self.text = body.decode("utf-8", errors="strict")
        if not self.text.endswith("\n"):
            raise MalformedExposition("the last line has no line feed")
        self.families: dict[str, Family] = {}
        self.ended = False
        current: Family | None = None
        # Only "\n" ends a line: str.splitlines() would also split at U+0085 and U+2028, which label values may hold.
        for line in self.text[:-1].split("\n"):
            if self.ended:
                raise MalformedExposition(f"text after # EOF: {line!r}")
            if line == "# EOF":
                self.ended = True
            elif line.startswith("# "):
                keyword, name, rest = [*line[2:].split(" ", 2), ""][:3]
                if keyword not in ("HELP", "TYPE", "UNIT"):
                    raise MalformedExposition(line)
                if current is None or current.name != name:
                    if name in self.families:
                        raise MalformedExposition(f"the lines of {name} are not together")
                    current = self.families[name] = Family(name)
                if keyword == "TYPE":
                    if current.type is not None or current.samples:
                        raise MalformedExposition(f"a TYPE out of place: {line!r}")
                    current.type = rest
                elif keyword == "HELP":
                    if current.help is not None or current.samples:
                        raise MalformedExposition(f"a HELP out of place: {line!r}")
                    current.help = rest
            else:
                sample = parse_sample(line)
                if current is None or not belongs(sample.name, current):
                    raise MalformedExposition(f"a sample outside its family: {line!r}")
                current.samples.append(sample)

    @property
    def samples(self) -> list[Sample]:
        return [sample for family in self.families.values() for sample in family.samples]

    def find(self, name: str, /, **labels: str) -> list[Sample]:
        """Samples of that name that carry these labels, and maybe more."""
        return [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    def get(self, name: str, /, **labels: str) -> str | None:
        """The text of the one sample with exactly these labels."""
        found = [s for s in self.samples if s.name == name and s.labels == labels]
        if len(found) > 1:
            raise MalformedExposition(f"{name}{labels} is there {len(found)} times")
        return found[0].value if found else None

    def value(self, name: str, /, **labels: str) -> str:
        value = self.get(name, **labels)
        if value is None:
            near = [f"{s.labels} {s.value}" for s in self.samples if s.name == name][:10]
            raise AssertionError(f"no sample {name}{labels}; there are {near}")
        return value

    def total(self, name: str, /, **labels: str) -> Decimal:
        """The exact sum over the samples of `find`."""
        return sum((Decimal(s.value) for s in self.find(name, **labels)), Decimal(0))

    def agents(self, name: str) -> set[str]:
        return {s.labels["agent_name"] for s in self.find(name)}

    def type_of(self, family: str) -> str | None:
        """The type of a family by its full name: OpenMetrics drops the `_total` of counters in TYPE lines."""
        found = self.families.get(family) or self.families.get(family.removesuffix("_total"))
        return found.type if found else None


def belongs(sample: str, family: Family) -> bool:
    suffixes = {
        "histogram": ("_bucket", "_sum", "_count", "_created"),
        "summary": ("", "_sum", "_count", "_created"),
        "counter": ("", "_total", "_created"),
        "info": ("_info",),
    }.get(family.type or "", ("",))
    return sample.startswith(family.name) and sample[len(family.name):] in suffixes


def parse_labels(text: str, line: str) -> tuple[dict[str, str], str]:
    """The labels of a `{…}` at the start of `text`, and what follows it."""
    labels: dict[str, str] = {}
    at = 1
    while text[at] != "}":
        match = LABEL.match(text, at)
        if not match or match[1] in labels:
            raise MalformedExposition(line)
        labels[match[1]] = re.sub(r"\\[\\\"n]", lambda m: ESCAPES[m[0]], match[2])
        at = match.end()
        if text[at] == ",":
            at += 1
        elif text[at] != "}":
            raise MalformedExposition(line)
    return labels, text[at + 1:]


def parse_sample(line: str) -> Sample:
    match = NAME.match(line)
    if not match:
        raise MalformedExposition(line)
    labels: dict[str, str] = {}
    rest = line[match.end():]
    if rest.startswith("{"):
        labels, rest = parse_labels(rest, line)
    value, mark, tail = rest.removeprefix(" ").partition(" # ")
    if not rest.startswith(" ") or not re.fullmatch(r"[+-]?(Inf|NaN|[0-9.]+(e[+-]?[0-9]+)?)", value):
        raise MalformedExposition(line)
    exemplar = None
    if mark:
        exemplar_labels, tail = parse_labels(tail, line)
        parts = tail.removeprefix(" ").split(" ")
        exemplar = Exemplar(exemplar_labels, parts[0], parts[1] if len(parts) > 1 else None)
    return Sample(match[0], labels, value, exemplar)
