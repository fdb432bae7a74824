"""The status of a call that raised, from the class and attributes of the exception; imports no provider's package."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["classify"]


def classify(error: BaseException) -> tuple[str, str]:
    """The status and the error type of a call that ended with `error`.

    - ``cancelled``: a cancelled task, a closed generator, Ctrl-C, and any other class that is not an `Exception`.
    - ``timeout``, ``rate_limited``: by the names of the class and its bases, or by the HTTP status 408 or 429.
    - ``error``: the rest.
    """
    names = [base.__name__ for base in type(error).__mro__]
    error_type = re.sub(r"[^A-Za-z0-9_.:-]+", "_", names[0]).lstrip(".:-")[:64] or "unknown"
    if not isinstance(error, Exception) or any(name.endswith("CancelledError") for name in names):
        return "cancelled", error_type
    code = _http_status(error)
    if code == 429 or _any_in(names, "RateLimit", "TooManyRequests", "ResourceExhausted", "Throttl"):
        return "rate_limited", error_type
    if code == 408 or isinstance(error, TimeoutError) or _any_in(names, "Timeout", "TimedOut", "DeadlineExceeded"):
        return "timeout", error_type
    return "error", error_type


def _any_in(names: list[str], *words: str) -> bool:
    return any(word in name for name in names for word in words)


def _http_status(error: Any) -> Any:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "http_status", "status", "code"):
            try:
                value = getattr(holder, name, None)
            except Exception:
                continue
            if isinstance(value, int):
                return value
    return None
