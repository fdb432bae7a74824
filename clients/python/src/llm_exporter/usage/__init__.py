"""Reads token usage from the answers of providers' packages.

It reads the shape of an answer, never its type: no package is imported, and a dictionary from a raw HTTP call reads the
same. `tokens` has the shapes of usage, `facts` what stands beside it, `answers` whole answers, `chunks` streams.
"""

from __future__ import annotations

from typing import Any, Optional

from .answers import readings_of
from .chunks import StreamUsage
from .reading import Reading, Usage

__all__ = ["Reading", "StreamUsage", "Usage", "read_answers", "read_usage"]


def read_answers(answer: Any) -> list[Reading]:
    """The readings of a whole answer; several if it holds the answers of several requests.

    Empty if it is not an answer. Never fails.
    """
    try:
        return readings_of(answer)
    except Exception:
        return []


def read_usage(answer: Any) -> Optional[Usage]:
    """The sum of the usage in `read_answers`; None if no answer reports usage. Never fails."""
    total: Optional[Usage] = None
    for reading in read_answers(answer):
        if reading.usage is not None:
            total = total.adding(reading.usage) if total else reading.usage
    return total
