"""Arithmetic of counts. An unknown count has the value None."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

__all__ = ["at_most", "first", "sum_of", "without"]


def at_most(value: Optional[int], most: int) -> Optional[int]:
    return None if value is None else max(0, min(value, most))


def without(value: Optional[int], part: Optional[int]) -> Optional[int]:
    return None if value is None else max(0, value - (part or 0))


def first(*values: Optional[int]) -> Optional[int]:
    return next((value for value in values if value is not None), None)


def sum_of(values: Iterable[Optional[int]]) -> Optional[int]:
    """The sum of the known values; None if all are unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
