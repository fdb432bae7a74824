"""What real LLM tools sent (Tests/Fixtures/senders), and the totals that an exporter shows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from exporter import FIXTURES, Exporter

SENDERS = FIXTURES / "senders"

#: Path, body and headers of a request.
Body = tuple[str, bytes, dict[str, str]]


def bodies(sender: str) -> list[Body]:
    """The requests of a capture, in the order of arrival."""
    requests = []
    for headers in sorted((SENDERS / sender).glob("*.headers.json")):
        told = json.loads(headers.read_text())
        stem = headers.name.removesuffix(".headers.json")
        [body] = [path for path in (SENDERS / sender).glob(stem + ".*") if path != headers]
        kind = {name.lower(): value for name, value in told["headers"].items()}["content-type"]
        requests.append((told["path"], body.read_bytes(), {"Content-Type": kind}))
    return requests


def totals(exporter: Exporter) -> dict[str, Any]:
    shown = exporter.scrape()

    def kinds(*names: str) -> int:
        return sum(int(s.value) for s in shown.find("llm_token_usage_total") if s.labels["token_type"] in names)

    calls = shown.find("llm_calls_total")
    cost = sum((Decimal(s.value) for s in shown.find("llm_cost_usd_total")), Decimal(0))
    return {
        "calls_success": sum(int(s.value) for s in calls if s.labels["status"] == "success"),
        "calls_failed": sum(int(s.value) for s in calls if s.labels["status"] != "success"),
        "input_tokens": kinds("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image"),
        "cache_read_tokens": kinds("cache_read"),
        "cache_write_tokens": kinds("cache_write", "cache_write_1h"),
        "output_tokens": kinds("output", "reasoning", "output_audio", "output_image"),
        "reasoning_tokens": kinds("reasoning"),
        "cost_usd": cost,
    }


NAMES = sorted(path.name for path in SENDERS.iterdir() if path.is_dir())
