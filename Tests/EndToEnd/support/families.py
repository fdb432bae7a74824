"""The families of a scrape, read from the tables of docs/metrics.md, in their order."""

from __future__ import annotations

import re
from typing import NamedTuple

from exporter import ROOT


class Family(NamedTuple):
    type: str
    labels: tuple[str, ...]


def documented() -> dict[str, Family]:
    """Each family by its name. A row that does not read as a family is an error, so that none is left out."""
    found: dict[str, Family] = {}
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if line.startswith("| `"):
            row = re.match(r"\| `(\w+)` \| (counter|gauge|histogram) \| ([a-z_, ]*?) ?\| .+ \|.*\|$", line)
            assert row and row[1] not in found, f"docs/metrics.md has no family, or one that it has already: {line}"
            found[row[1]] = Family(row[2], tuple(row[3].split(", ")) if row[3] else ())
    return found


FAMILIES = documented()

#: Families of calls and budgets. They are durable, and the first in a scrape.
OF_CALLS = {name: family for name, family in FAMILIES.items() if re.match("llm_(?!exporter_)", name)}
