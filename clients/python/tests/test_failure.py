"""The status of failures, from what their exceptions have: no package of a provider is needed."""

from __future__ import annotations

import asyncio
from typing import Any, Optional

import pytest

from llm_exporter.failure import classify, classify_named


def made(name: str, base: type[BaseException] = Exception, **attributes: Any) -> BaseException:
    error: BaseException = type(name, (base,), {})()
    error.__dict__.update(attributes)
    return error


class Response:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


class Hostile(Exception):
    @property
    def status_code(self) -> int:
        raise RuntimeError

    response = 3


def botocore(code: str, status: Optional[int] = None) -> BaseException:
    return made("ClientError", response={"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (made("RateLimitError"), "rate_limited"),
        (made("Child", type("TooManyRequests", (Exception,), {})), "rate_limited"),
        (made("ResourceExhausted"), "rate_limited"),
        (made("APIStatusError", status_code=429), "rate_limited"),
        (made("HTTPStatusError", response=Response(429)), "rate_limited"),
        (made("ClientResponseError", status=429), "rate_limited"),
        (made("ClientError", code=429, status="RESOURCE_EXHAUSTED"), "rate_limited"),
        (made("APIError", code="rate_limit_exceeded"), "rate_limited"),
        (botocore("ThrottlingException", 400), "rate_limited"),
        (botocore("throttlingException"), "rate_limited"),
        (botocore("ModelNotReadyException", 429), "rate_limited"),
        (made("APITimeoutError"), "timeout"),
        (made("ReadTimeout"), "timeout"),
        (made("TimedOut"), "timeout"),
        (made("DeadlineExceededError", status_code=504), "timeout"),
        (made("InternalServerError", status_code=504), "timeout"),
        (made("APIStatusError", status_code=408), "timeout"),
        (made("ServerError", code=504, status="DEADLINE_EXCEEDED"), "timeout"),
        (botocore("ModelTimeoutException", 408), "timeout"),
        (TimeoutError(), "timeout"),
        (asyncio.TimeoutError(), "timeout"),
        # A class says more than a code.
        (made("RateLimitError", status_code=500), "rate_limited"),
        (made("Timeout", status_code=500), "timeout"),
        (made("ClientClosedRequestError", status_code=499), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (made("OverloadedError", status_code=529), "error"),
        (made("InternalServerError", status_code=500), "error"),
        (made("ServiceUnavailableError", status_code=503), "error"),
        (made("NoStatus", status_code=True, code=42900, response=None), "error"),
        (ConnectionAbortedError(), "error"),
        (botocore("ValidationException", 400), "error"),
        (made("ClientError", response={"Error": None}), "error"),
        (Hostile(), "error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_statuses(error: BaseException, status: str) -> None:
    assert classify(error) == (status, type(error).__name__)


def test_a_reader_that_leaves_makes_no_error() -> None:
    assert classify(GeneratorExit()) == ("cancelled", None)


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("RateLimitError", None, ("rate_limited", "RateLimitError")),
        ("rate_limit_error", "500", ("rate_limited", "rate_limit_error")),
        ("APIError", "504", ("timeout", "APIError")),
        ("APIError", 408, ("timeout", "APIError")),
        ("", "429", ("rate_limited", "429")),
        ("CancelledError", "", ("cancelled", "CancelledError")),
        ("OverloadedError", "529", ("error", "OverloadedError")),
        (None, None, ("error", None)),
        (3, "x", ("error", "3")),
    ],
)
def test_statuses_of_names(name: Any, code: Any, expected: tuple[str, Optional[str]]) -> None:
    assert classify_named(name, code) == expected
