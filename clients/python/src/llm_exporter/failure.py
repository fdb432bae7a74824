"""The status of a call that failed, from the class and attributes of its exception; imports no provider's package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Optional

__all__ = ["classify", "classify_named"]

# Parts of names, in lower case and without separators: of classes, and of codes such as "rate_limit_exceeded".
_RATE_LIMITED = ("ratelimit", "toomanyrequests", "resourceexhausted", "throttl")
_TIMEOUT = ("timeout", "timedout", "deadlineexceeded")
_CANCELLED = ("cancelled", "canceled")
_MAX_CAUSES = 4
_STATUSES = {429: "rate_limited", 408: "timeout", 504: "timeout", 499: "cancelled"}


def classify(error: BaseException) -> tuple[str, Optional[str]]:
    """The status and the error type of a call that ended with `error`.

    - ``cancelled``: a cancelled task, Ctrl-C, and any other class that is not an `Exception`; a stream that its reader
      left (`GeneratorExit`) too, which is no error, and has no type.
    - ``timeout``, ``rate_limited``: by the names of the class and its bases, else by a code that the exception has,
      else by the HTTP status 408 or 504, or 429. If it has none of these, the exception that it was raised from decides
      in the same way: instructor wraps those of the provider's package.
    - ``error``: the rest.
    """
    error_type = re.sub(r"[^A-Za-z0-9_.:-]+", "_", type(error).__name__).lstrip(".:-")[:64] or "unknown"
    if isinstance(error, GeneratorExit):
        return "cancelled", None
    if not isinstance(error, Exception):
        return "cancelled", error_type
    return _status(error, _MAX_CAUSES), error_type


def _status(error: Exception, causes_left: int) -> str:
    names = [base.__name__ for base in type(error).__mro__]
    # A class says more than a code: a proxy may answer 500 for all of them.
    status = _of_names(names) or _of_names([code for code in _codes(error) if isinstance(code, str)])
    if status is not None or _http_status(_codes(error)) is not None:
        return status or _of_numbers(_codes(error)) or "error"
    cause = _attribute(error, "__cause__")
    return _status(cause, causes_left - 1) if issubclass(type(cause), Exception) and causes_left > 0 else "error"


def classify_named(name: Any, code: Any) -> tuple[str, Optional[str]]:
    """The status and the error type of a failure of which only the class's name and the HTTP status are known."""
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else code
    status = _of_names([name] if isinstance(name, str) else []) or _of_numbers(iter([number])) or "error"
    return status, str(name or code or "") or None


def _of_names(names: list[str]) -> Optional[str]:
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    for status, words in (("rate_limited", _RATE_LIMITED), ("timeout", _TIMEOUT), ("cancelled", _CANCELLED)):
        if any(word in name for name in plain for word in words):
            return status
    return None


def _of_numbers(codes: Iterator[Any]) -> Optional[str]:
    """By the first of the codes that is an HTTP status."""
    first = _http_status(codes)
    return None if first is None else _STATUSES.get(first)


def _http_status(codes: Iterator[Any]) -> Optional[int]:
    return next((code for code in codes if type(code) is int and 100 <= code < 600), None)


def _codes(error: Any) -> Iterator[Any]:
    """The codes that an exception, or the response in it, has: HTTP statuses and names."""
    response = _attribute(error, "response")
    for holder in (error, response):
        for name in ("status_code", "http_status", "status", "code"):
            yield _attribute(holder, name)
    if isinstance(response, Mapping):  # botocore
        try:
            yield response["Error"]["Code"]
        except Exception:
            pass
        try:
            yield response["ResponseMetadata"]["HTTPStatusCode"]
        except Exception:
            pass


def _attribute(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except Exception:
        return None
