"""Failures that others wrap, and the answers that they hold."""

from __future__ import annotations

import pytest

from llm_exporter.failure import classify
from recorded import ANSWER, Recorded, outcome


class Wrapper(Exception):
    """As instructor's `InstructorRetryException` and other frameworks' own."""

    last_completion: object = None


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


@pytest.mark.parametrize("name", ["last_completion", "completion", "run_data"])
def test_the_answer_that_a_failure_holds_is_billed(recorded: Recorded, name: str) -> None:
    error = Wrapper()
    setattr(error, name, {"raw_responses": [ANSWER]} if name == "run_data" else ANSWER)

    @recorded.call
    def ask() -> None:
        raise error

    with pytest.raises(Wrapper):
        ask()
    assert outcome(recorded) == ("error", "Wrapper", 10, 5)


def test_an_answer_that_was_observed_and_that_the_failure_holds_counts_once(recorded: Recorded) -> None:
    error = Wrapper()
    error.last_completion = ANSWER
    call = recorded.call

    def fail() -> None:
        with call as running:
            running.observe(ANSWER)
            raise error

    with pytest.raises(Wrapper):
        fail()
    assert outcome(recorded) == ("error", "Wrapper", 10, 5)
