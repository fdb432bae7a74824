"""What a PromQL query reads."""

from __future__ import annotations

import re

STRING = r'"(?:[^"\\]|\\.)*"'
WORDS = {"and", "or", "unless", "bool", "offset", "on", "ignoring", "by", "without", "group_left", "group_right",
         "Inf", "NaN"}


def selectors(promql: str) -> list[str]:
    """What a query reads: each metric's name with its label matchers."""
    text = re.sub(r"\[[^\]]*\]", "", promql)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", r"\1 ", text)
    found = re.finditer(rf"(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(\{{(?:[^{{}}\"]|{STRING})*\}}|\(|)|{STRING}", text)
    reading = [(m[1], m[2]) for m in found if m[1] and m[2] != "("]
    return [name + matchers for name, matchers in reading if name not in WORDS | {"sum", "count", "max", "min", "topk"}]


def metric_names(promql: str) -> set[str]:
    """The names of the metrics that a query reads."""
    return {selector.partition("{")[0] for selector in selectors(promql)}
