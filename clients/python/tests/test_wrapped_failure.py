"""Failures that others wrap, and the answers that they hold."""

from __future__ import annotations


import pytest

from llm_exporter.failure import classify



class Wrapper(Exception):
    """As instructor's `InstructorRetryException` and other frameworks' own."""


class Answered(Exception):
    status_code = 500


def wrapping(error: type[Exception], cause: BaseException, depth: int = 1) -> Exception:
    for _ in range(depth):
        wrapper = error()
        wrapper.__cause__, cause = cause, wrapper
    return wrapper


class Throttled(Exception):
    status_code = 429


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (wrapping(Wrapper, Throttled()), "rate_limited"),
        (wrapping(Wrapper, TimeoutError(), 3), "timeout"),
        (wrapping(Wrapper, ValueError()), "error"),
        # It has a status of its own, or ended for another reason.
        (wrapping(Answered, TimeoutError()), "error"),
        (wrapping(Wrapper, KeyboardInterrupt()), "error"),
        (wrapping(Wrapper, TimeoutError(), 9), "error"),
    ],
)
def test_a_failure_that_wraps_another_has_its_status(error: Exception, status: str) -> None:
    assert classify(error) == (status, type(error).__name__)


def test_causes_in_a_circle_are_an_error() -> None:
    error = Wrapper()
    error.__cause__ = wrapping(Wrapper, error)
    assert classify(error) == ("error", "Wrapper")
