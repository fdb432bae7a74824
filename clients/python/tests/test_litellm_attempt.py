"""Records of the requests whose end LiteLLM does not log. These tests do not need LiteLLM."""

from __future__ import annotations

import contextvars
import copy
import datetime
import gc
import json
import os
import pickle
import sys
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from llm_exporter import LLMCallMetrics
from llm_exporter.litellm_attempt import Attempt, log_what_litellm_holds

SENT = datetime.datetime(2026, 12, 1, 12, 0, 0, tzinfo=datetime.timezone.utc)
ANSWER = json.dumps({"usage": {"prompt_tokens": 1200, "completion_tokens": 34}})


def details(**fields: Any) -> dict[str, Any]:
    """LiteLLM's state of a call."""
    return {
        "litellm_call_id": "call-1",
        "call_type": "acompletion",
        "custom_llm_provider": "openai",
        "model": "gpt-4o-mini",
        "stream": False,
        "api_call_start_time": SENT,
        "litellm_params": {"metadata": {"agent_name": "A"}},
        **fields,
    }


def chunk(usage: Any = None, end: Optional[str] = None, reported: Any = None) -> Any:
    """A chunk of a stream as LiteLLM passes it on; `reported` is the usage that it adds."""
    hidden = {} if reported is None else {"usage": reported}
    return SimpleNamespace(usage=usage, choices=[SimpleNamespace(finish_reason=end)], _hidden_params=hidden)


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


class Recorded(list[LLMCallMetrics]):
    def attempt(self, before: Optional[Attempt] = None, **fields: Any) -> Attempt:
        return Attempt(details(**fields), before, "Default", self.append)

    @property
    def outcomes(self) -> list[Any]:
        return [(record.status, record.error_type, record.input_tokens) for record in self]


def logged(start: float = 1.0, status: str = "success", error_type: Optional[str] = None) -> LLMCallMetrics:
    return LLMCallMetrics("A", "openai", "gpt-4o-mini", status=status, error_type=error_type, id=f"call-1/{start}")


def test_it_records_itself_when_the_state_of_the_call_goes() -> None:
    records = Recorded()
    state = details()
    state["attempt"] = Attempt(state, None, None, records.append)
    assert records == []
    del state
    gc.collect()
    assert records.outcomes == [("cancelled", None, None)]
    assert (records[0].agent_name, records[0].provider, records[0].model) == ("A", "openai", "gpt-4o-mini")
    assert records[0].id == f"call-1/{SENT.timestamp()!r}"


def test_what_litellm_logs_is_recorded_once() -> None:
    records = Recorded()
    attempt = records.attempt()
    assert attempt.take(logged(), failed=False)
    assert not attempt.is_open
    assert not attempt.take(logged(), failed=False)  # as a synchronous and an asynchronous success
    attempt.finish()
    del attempt
    assert records == []


def test_what_is_logged_after_the_attempt_recorded_itself_is_not_counted_again() -> None:
    records = Recorded()
    attempt = records.attempt()
    attempt.finish()
    assert not attempt.take(logged(), failed=False)
    assert len(records) == 1


def test_a_success_after_a_failure_that_was_logged_late_counts() -> None:
    attempt = Recorded().attempt()
    assert attempt.take(logged(1.0, "error", "APIError"), failed=True)
    assert attempt.take(logged(2.0), failed=False)


def test_an_answer_that_is_not_logged_is_a_success_with_its_usage() -> None:
    records = Recorded()
    records.attempt().answered(ANSWER)
    assert records.outcomes == [("success", None, 1200)]
    assert records[0].latency_ms is not None and records[0].output_tokens == 34


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("Error code: 429 - {'error': {}}", "rate_limited"),
        ("Error code: 504 - x", "timeout"),
        ("Connection error.", "error"),
        (object(), "error"),
        (b"\xff", "error"),
        ("[1, 2]", "error"),
    ],
)
def test_an_error_that_is_not_logged(answer: Any, status: str) -> None:
    records = Recorded()
    records.attempt().answered(answer)
    assert records.outcomes == [(status, None, None)]


def test_streams_that_are_left() -> None:
    records = Recorded()
    stream = records.attempt(stream=True)
    stream.answered(object())
    stream.saw(chunk())
    stream.saw(chunk(usage(7, 1)))
    stream.saw(chunk(usage(7, 3)))
    del stream
    assert records.outcomes == [("cancelled", None, 7)]
    assert records[0].output_tokens == 3 and records[0].latency_ms is None


def test_a_stream_that_is_left_at_its_last_chunk_was_read() -> None:
    records = Recorded()
    stream = records.attempt(stream=True)
    stream.saw_last(chunk(end="stop", reported=usage(7, 3)))
    assert not stream.is_estimate
    del stream
    assert records.outcomes == [("success", None, 7)]


def test_litellm_says_that_a_stream_has_no_usage_by_one_of_zeros() -> None:
    records = Recorded()
    without, with_usage, asked = (records.attempt(stream=True) for _ in range(3))
    without.saw_last(chunk(end="stop", reported=usage(0, 0)))
    with_usage.saw(chunk(usage(7, 3)))
    with_usage.saw_last(chunk(end="stop", reported=usage(0, 0)))
    asked.saw_last(chunk(end="stop"))
    assert [stream.is_estimate for stream in (without, with_usage, asked)] == [True, False, False]


def test_attempts_before_one_that_is_logged_have_its_failure() -> None:
    records = Recorded()
    first = records.attempt()
    first.answered("Connection error.")
    second = records.attempt(first)
    assert second.take(logged(2.0, "rate_limited", "RateLimitError"), failed=True)
    assert records.outcomes == [("rate_limited", "RateLimitError", None)]
    third = records.attempt(second)
    del first, second, third
    assert records.outcomes == [("rate_limited", "RateLimitError", None)] * 2


def test_an_attempt_keeps_a_failure_of_its_own() -> None:
    records = Recorded()
    first = records.attempt()
    first.answered("Error code: 429 - x")
    assert records.attempt(first).take(logged(2.0, "error", "InternalServerError"), failed=True)
    assert records.outcomes == [("rate_limited", None, None)]


def test_a_retry_that_succeeds_and_is_not_logged() -> None:
    records = Recorded()
    first = records.attempt()
    assert first.take(logged(1.0, "error", "APIError"), failed=True)
    second = records.attempt(first)
    third = records.attempt(second)
    third.answered(ANSWER)
    del first, second, third
    assert sorted(records.outcomes, key=str) == [("error", "APIError", None), ("success", None, 1200)]


def test_an_answer_that_another_request_follows_is_logged_with_that() -> None:
    records = Recorded()
    first = records.attempt()
    first.answered(ANSWER)
    assert records.attempt(first).take(logged(), failed=False)
    del first
    assert records == []


def test_a_request_that_is_reported_twice_is_one() -> None:
    first = Recorded().attempt()
    assert first.continues(details())
    assert not first.continues(details(litellm_call_id="call-2"))
    first.answered("Error code: 500 - x")
    assert not first.continues(details())


@pytest.mark.parametrize(
    ("state", "tracked"),
    [
        (details(), True),
        (details(call_type="embedding"), True),
        (details(call_type="acreate_file"), False),
        (details(call_type=None), False),
        (details(litellm_params={"no-log": True}), False),
        (details(litellm_params=None), False),
        (None, False),
    ],
)
def test_what_is_tracked(state: Any, tracked: bool) -> None:
    assert Attempt.is_tracked(state) is tracked


def test_a_call_within_another_is_not_tracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM logs the two as one."""
    internal = contextvars.ContextVar("is_internal_call", default=False)
    monkeypatch.setitem(sys.modules, "litellm._internal_context", SimpleNamespace(is_internal_call=internal))
    assert Attempt.is_tracked(details())
    internal.set(True)
    assert not Attempt.is_tracked(details())
    monkeypatch.setitem(sys.modules, "litellm._internal_context", SimpleNamespace(is_internal_call=3))
    assert Attempt.is_tracked(details())


def test_state_without_what_is_expected() -> None:
    records = Recorded()
    Attempt({"litellm_params": {}, "model": 3}, None, None, records.append)
    assert records == [LLMCallMetrics("unknown", "unknown", "unknown", status="cancelled")]


def test_litellm_may_copy_and_store_its_state() -> None:
    records = Recorded()
    attempt = records.attempt()
    state = {"attempt": attempt}
    assert copy.deepcopy(state)["attempt"] is copy.copy(attempt) is attempt
    assert pickle.loads(pickle.dumps(state)) == {"attempt": ""}
    assert json.dumps(state, default=str) == '{"attempt": "llm_exporter"}'


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_records_nothing_of_its_parents_calls() -> None:
    records = Recorded()
    attempt = records.attempt()
    child = os.fork()
    if child == 0:
        attempt.finish()
        os._exit(len(records) + attempt.is_open)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert attempt.is_open


def test_litellms_queue_is_emptied_as_long_as_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [5]
    flushed = []

    def flush() -> None:
        flushed.append(waiting[0])
        waiting[0] = max(2, waiting[0] - 2)

    worker = SimpleNamespace(GLOBAL_LOGGING_WORKER=SimpleNamespace(_flush_on_exit=flush))
    monkeypatch.setitem(sys.modules, "litellm.litellm_core_utils.logging_worker", worker)
    log_what_litellm_holds(lambda: waiting[0], 5.0)
    assert flushed == [5, 3, 2]

    def fail() -> None:
        raise RuntimeError

    for broken in (SimpleNamespace(_flush_on_exit=fail), SimpleNamespace(), None):
        worker.GLOBAL_LOGGING_WORKER = broken
        log_what_litellm_holds(lambda: 1, 5.0)
