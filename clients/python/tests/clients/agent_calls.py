"""Shared by the tests of agents: the counts that `AgentModels` serves, and the two ways to count a call."""

from __future__ import annotations

from typing import Any, Callable

#: One answer with text, and an agent's run: the call of a tool before it.
ONE: dict[str, Any] = {
    "calls_total success": 1,
    "cost_usd_total": 0.0001236,  # 0.15, 0.075 and 0.60 USD for a million tokens of input, cache and output
    "tokens_total": 1200 + 34,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total output": 24,
    "token_usage_total reasoning": 10,
}
RUN: dict[str, Any] = {
    **ONE,
    "cost_usd_total": 0.0001728,
    "tokens_total": 1200 + 34 + 300 + 7,
    "token_usage_total input": 176 + 300,
    "token_usage_total output": 24 + 7,
}
#: The usage of a run that ends before its second answer.
FIRST_REQUEST: dict[str, Any] = {
    "cost_usd_total": 0.0000492,
    "tokens_total": 307,
    "token_usage_total input": 300,
    "token_usage_total output": 7,
}
#: Both of Anthropic, at 3, 0.30, 3.75, 6 and 15 USD for input, reads, writes, writes for an hour, and output.
ONE_ANTHROPIC: dict[str, Any] = {
    "calls_total success": 1,
    "cost_usd_total": 0.0041652,
    "tokens_total": 1712 + 34,
    "token_usage_total input": 176,
    "token_usage_total cache_read": 1024,
    "token_usage_total cache_write": 112,
    "token_usage_total cache_write_1h": 400,
    "token_usage_total output": 34,
}
RUN_ANTHROPIC: dict[str, Any] = {
    **ONE_ANTHROPIC,
    "cost_usd_total": 0.0051702,
    "tokens_total": 1712 + 34 + 300 + 7,
    "token_usage_total input": 176 + 300,
    "token_usage_total output": 34 + 7,
}
#: A stream that its reader left before any usage came. The exporter shows an error without a type as `unknown`.
LEFT_EARLY: dict[str, Any] = {
    "calls_total cancelled": 1,
    "errors_total unknown": 1,
    "calls_usage_missing_total": 1,
}
#: The model of a failing request, and the status of its call. A client may be billed for one that it gave up.
FAILURES = [
    ("boom-400", "error"),
    ("boom-429", "rate_limited"),
    ("boom-500", "error"),
    ("boom-529", "error"),
    ("slow", "timeout"),
]


def failed(status: str, error: BaseException) -> dict[str, float]:
    """The counts of one call that ended with that status and error, before any usage came."""
    missing = {"calls_usage_missing_total": 1} if status in ("timeout", "cancelled") else {}
    return {f"calls_total {status}": 1, f"errors_total {type(error).__name__}": 1, **missing}


def decorated(call: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    counted: Callable[..., Any] = call(function)
    return counted


def in_a_block(call: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        with call as measured:
            return measured.observe(function(*arguments, **options))

    return run


def in_an_asynchronous_block(call: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    async def run(*arguments: Any, **options: Any) -> Any:
        async with call as measured:
            return measured.observe(await function(*arguments, **options))

    return run


def times(exporter: Any) -> tuple[float, float]:
    """Seconds to the first token and to the end, of the only call."""
    sums: dict[str, float] = {}
    for series, value in exporter.samples().items():
        for family in ("llm_time_to_first_token_seconds", "llm_latency_seconds"):
            if series.startswith(f"{family}_count{{"):
                assert value == 1, series
            if series.startswith(f"{family}_sum{{"):
                sums[family] = value
    return sums["llm_time_to_first_token_seconds"], sums["llm_latency_seconds"]
