"""The instructor package, unchanged, over OpenAI's: answers as models of pydantic, its own retries, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from openai_calls import MESSAGES, ONE
from peers import installed
from ways import ASYNC_WAYS, PLAIN_WAYS, make_calls, times

instructor, openai, pydantic = installed("instructor"), installed("openai"), installed("pydantic")
pytestmark = pytest.mark.clients

MODEL = "gpt-4o-mini"
TWICE = {name: 2 * value for name, value in ONE.items() if name != "calls_total success"}


class Said(pydantic.BaseModel):  # type: ignore[name-defined]
    text: str


class Longer(Said):
    rest: str


def ask(client: Any, model: str = MODEL, response_model: Any = Said, **options: Any) -> Any:
    return client.chat.completions.create(
        model=model, response_model=response_model, messages=MESSAGES, **{"max_retries": 2, **options}
    )


@pytest.fixture
def clients(models: Any) -> Any:
    """The plain and the asynchronous client."""
    access: Any = {"base_url": models.url + "/v1", "api_key": "k", "max_retries": 0}
    return instructor.from_openai(openai.OpenAI(**access)), instructor.from_openai(openai.AsyncOpenAI(**access))


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", MODEL)


def test_models(clients: Any, call: Any, counted: Any) -> None:
    assert call(ask)(clients[0]).text == "Hello"
    made = 1 + make_calls(call, clients, ask)
    made += make_calls(call, clients, lambda client: ask(client, response_model=None))
    assert counted() == times(made, ONE)


def test_lists_of_models(clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(call, clients, lambda client: ask(client, response_model=list[Said]))
    assert counted() == times(made, ONE)


def test_models_beside_the_completion_count_once(clients: Any, call: Any, counted: Any) -> None:
    def both(client: Any) -> Any:
        return client.chat.completions.create_with_completion(model=MODEL, response_model=Said, messages=MESSAGES)

    made = make_calls(call, clients, both)
    assert counted() == times(made, ONE)


def test_its_retries_are_one_call_with_the_tokens_of_all_requests(
    models: Any, clients: Any, call: Any, counted: Any
) -> None:
    made = make_calls(call, clients, lambda client: ask(client, "forgets"))
    assert len(models.calls) == 2 * made
    assert counted() == times(made, {"calls_total success": 1, **TWICE})


def test_if_no_answer_fits_the_tokens_count_all_the_same(models: Any, clients: Any, call: Any, counted: Any) -> None:
    made = make_calls(
        call, clients, lambda client: ask(client, response_model=Longer, max_retries=1), raises=Exception
    )
    assert len(models.calls) == 2 * made
    assert counted() == times(made, {"calls_total error": 1, "errors_total InstructorRetryException": 1, **TWICE})


def test_models_in_parts_have_no_usage(clients: Any, call: Any, counted: Any) -> None:
    def partial(client: Any) -> Any:
        return client.chat.completions.create_partial(model=MODEL, response_model=Said, messages=MESSAGES)

    made = make_calls(call, clients, partial, ways=PLAIN_WAYS)
    assert counted() == {"calls_total success": made, "calls_usage_missing_total": made}


@pytest.mark.parametrize(
    ("model", "status"),
    [("boom-429", "rate_limited"), ("boom-500", "error"), ("boom-400", "error"), ("slow", "timeout")],
)
def test_errors(clients: Any, call: Any, counted: Any, model: str, status: str) -> None:
    made = make_calls(
        call,
        clients,
        lambda client: ask(client, model, max_retries=0, timeout=0.3),
        raises=Exception,
        ways=[PLAIN_WAYS[0], ASYNC_WAYS[1]],
    )
    # A provider may bill a call that its client gave up.
    missing = {"calls_usage_missing_total": made} if status == "timeout" else {}
    error = "InstructorRetryException"
    assert counted() == {f"calls_total {status}": made, f"errors_total {error}": made, **missing}
