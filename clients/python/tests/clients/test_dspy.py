"""DSPy, unchanged, with both of its engines: predictions, modules, streams, errors."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from agent_calls import FAILURES, LEFT_EARLY, ONE, decorated, failed, in_a_block, in_an_asynchronous_block, times
from agent_models import AgentModels
from peers import installed

# Set before the package is loaded: it has a cache in the home folder, and LiteLLM downloads prices.
with pytest.MonkeyPatch.context() as environment:
    environment.setenv("DSPY_CACHEDIR", "/dev/null/none")
    environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    dspy = installed("dspy")
pytestmark = pytest.mark.clients

TWO: dict[str, Any] = {**{name: pytest.approx(2 * value) for name, value in ONE.items()}, "calls_total success": 1}


class Pair(dspy.Module):  # type: ignore[name-defined]  # a module that is imported by its name
    """A program of two requests."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (dspy.Predict("question -> answer") for _ in range(2))

    def forward(self, question: str) -> Any:
        self.first(question=question)
        return self.second(question=question)


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@pytest.fixture(params=["auto", "litellm"])
def use(request: pytest.FixtureRequest, agent_models: AgentModels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a model the one that is used, until the end of the test."""
    answer = agent_models.answer

    def answer_in_parts(path: str, asked: Any) -> Any:
        made = answer(path, asked)
        made.pieces = ["[[ ## answer ## ]]\nHel", "lo\n\n[[ ## completed ## ]]"]
        return made

    monkeypatch.setattr(agent_models, "answer", answer_in_parts)
    contexts = []

    def enter(model: str = "gpt-4o-mini", track_usage: bool = True, **options: Any) -> None:
        url = agent_models.url + "/v1"
        options = {"api_key": "k", "cache": False, "num_retries": 0, "timeout": 0.5, **options}
        language_model = dspy.LM(f"openai/{model}", api_base=url, engine=request.param, **options)
        contexts.append(dspy.context(lm=language_model, track_usage=track_usage))
        contexts[-1].__enter__()

    yield enter
    for context in contexts:
        context.__exit__(None, None, None)


async def stream(call: Any, program: Any) -> list[Any]:
    return [chunk async for chunk in call(dspy.streamify(program))(question="hi")]


@pytest.mark.parametrize("model_type", ["chat", "responses"])
@pytest.mark.parametrize("counting", [decorated, in_a_block])
def test_predict(use: Any, call: Any, counted: Any, counting: Any, model_type: str) -> None:
    use(model_type=model_type)
    assert counting(call, dspy.Predict("question -> answer").__call__)(question="hi").answer == "Hello"
    assert counted() == ONE


@pytest.mark.parametrize("counting", [decorated, in_an_asynchronous_block])
def test_acall(use: Any, call: Any, counted: Any, counting: Any) -> None:
    use()
    assert asyncio.run(counting(call, dspy.Predict("question -> answer").acall)(question="hi")).answer == "Hello"
    assert counted() == ONE


def test_program_of_two_requests(use: Any, call: Any, counted: Any) -> None:
    use()
    assert call(Pair().__call__)(question="hi").answer == "Hello"
    assert counted() == TWO


def test_usage_that_is_not_tracked_is_missing(use: Any, call: Any, counted: Any) -> None:
    use(track_usage=False)
    call(dspy.Predict("question -> answer").__call__)(question="hi")
    assert counted() == {"calls_total success": 1, "calls_usage_missing_total": 1}


def test_stream(use: Any, call: Any, counted: Any) -> None:
    use()
    assert asyncio.run(stream(call, dspy.Predict("question -> answer")))[-1].answer == "Hello"
    assert counted() == ONE


def test_stream_of_two_requests(use: Any, call: Any, counted: Any) -> None:
    use()
    assert asyncio.run(stream(call, Pair()))[-1].answer == "Hello"
    assert counted() == TWO


def test_first_token(use: Any, call: Any, counted: Any, exporter: Any) -> None:
    use("paced", timeout=5)
    asyncio.run(stream(call, dspy.Predict("question -> answer")))
    assert counted() == ONE
    first, latency = times(exporter)
    assert 0.2 <= first <= latency - 0.1


def test_stream_left_early(use: Any, call: Any, counted: Any) -> None:
    async def run() -> None:
        chunks = call(dspy.streamify(dspy.Predict("question -> answer")))(question="hi")
        async for _ in chunks:
            break
        await chunks.aclose()

    use("paced", timeout=5)
    asyncio.run(run())
    gc.collect()
    assert counted() == LEFT_EARLY


@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_errors(use: Any, call: Any, counted: Any, model: str, status: str) -> None:
    use(model)
    with pytest.raises(dspy.utils.exceptions.LMError) as raised:
        call(dspy.Predict("question -> answer").__call__)(question="hi")
    assert counted() == failed(status, raised.value)


def test_stream_that_breaks(use: Any, call: Any, counted: Any) -> None:
    use("broken")
    with pytest.raises(dspy.utils.exceptions.LMError) as raised:
        asyncio.run(stream(call, dspy.Predict("question -> answer")))
    assert counted() == failed("error", raised.value)
