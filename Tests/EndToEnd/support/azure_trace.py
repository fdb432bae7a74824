"""The calls of the Azure LLM inference trace 2023, as records, and what they add up to."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from exporter import FIXTURES

#: Counted independently of this project, as the fixture's README says.
CALLS, INPUT, OUTPUT, TOKENS, COST = 8_819, 18_059_974, 245_896, 18_305_870, "2.8565337"
OF_SET = {"agent_name": "CodesmithAgent", "provider": "openai", "model": "gpt-4o-mini"}

#: USD a token: 0.15 and 0.60 a million.
INPUT_RATE, OUTPUT_RATE = Decimal("0.00000015"), Decimal("0.0000006")


def trace() -> Iterator[dict[str, Any]]:
    with (FIXTURES / "azure-llm-2023" / "code.csv").open(newline="") as rows:
        for place, row in enumerate(csv.DictReader(rows)):
            given, generated = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            yield {**OF_SET, "id": f"azure-{place}", "timestamp": row["TIMESTAMP"].replace(" ", "T") + "Z",
                   "input_tokens": given, "output_tokens": generated,
                   "cost_usd": given * INPUT_RATE + generated * OUTPUT_RATE}
