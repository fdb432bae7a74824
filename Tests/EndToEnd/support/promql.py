"""What a PromQL query reads."""

from __future__ import annotations

import re

STRING = r'"(?:[^"\\]|\\.)*"'
#: Families that Prometheus keeps as native histograms, as classic ones, or as both.
CALL_HISTOGRAMS = {"llm_latency_seconds", "llm_api_latency_seconds", "llm_time_to_first_token_seconds"}
WORDS = {"and", "or", "unless", "bool", "offset", "on", "ignoring", "by", "without", "group_left", "group_right",
         "Inf", "NaN"}


def selectors(promql: str) -> list[str]:
    """What a query reads: each metric's name with its label matchers."""
    text = re.sub(r"\[[^\]]*\]", "", promql)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", r"\1 ", text)
    found = re.finditer(rf"(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(\{{(?:[^{{}}\"]|{STRING})*\}}|\(|)|{STRING}", text)
    reading = [(m[1], m[2]) for m in found if m[1] and m[2] != "("]
    return [name + matchers for name, matchers in reading if name not in WORDS | {"sum", "count", "max", "min", "topk"}]


def substituted(promql: str, chosen: dict[str, str]) -> str:
    """A query of the dashboard as Grafana sends it: the scrape interval is 0.25 s, the time picker says the last hour.

    `chosen` has the values of the dashboard's variables.
    """
    for name, value in {**chosen, "__rate_interval": "30s", "__range": "1h"}.items():
        promql = re.sub(rf"\${name}\b|\${{{name}}}", value, promql)
    assert "$" not in promql, promql
    return promql


def metric_names(promql: str) -> set[str]:
    """The names of the metrics that a query reads."""
    return {selector.partition("{")[0] for selector in selectors(promql)}


def histogram_kind(selector: str) -> str | None:
    """`native` or `classic`, if it selects series of a call histogram of that kind; else nothing."""
    name = selector.partition("{")[0]
    if name in CALL_HISTOGRAMS:
        return "native"
    return "classic" if re.sub("_(bucket|sum|count)$", "", name) in CALL_HISTOGRAMS else None
