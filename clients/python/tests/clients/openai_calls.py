"""The calls that tests of OpenAI's package and of its instrumentation make, and the counts of one call."""

from __future__ import annotations

from typing import Any

USAGE = {
    "tokens_total": 1234,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total output": 24,
    "token_usage_total reasoning": 10,
}
# 0.15, 0.075 and 0.60 USD for a million tokens of input, cache and output.
ONE = {"calls_total success": 1, "cost_usd_total": 0.0001236, **USAGE}
MESSAGES: Any = [{"role": "user", "content": "hi"}]
STREAM: Any = {"stream": True, "stream_options": {"include_usage": True}}


def chat(client: Any, model: str = "gpt-4o-mini", **options: Any) -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES, **options)
