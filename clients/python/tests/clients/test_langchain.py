"""langchain-core, unchanged: messages, chunks and results that carry usage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openai_calls import ONE
from peers import installed

langchain_core = installed("langchain_core")
pytestmark = pytest.mark.clients

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

MESSAGE = AIMessage(
    content="Hello you",
    usage_metadata={
        "input_tokens": 1200,
        "output_tokens": 34,
        "total_tokens": 1234,
        "input_token_details": {"cache_read": 1024},
        "output_token_details": {"reasoning": 10},
    },
)


@pytest.fixture
def call(monitor: Any) -> Any:
    return monitor.monitor_llm_call("A", "openai", "gpt-4o-mini")


@pytest.fixture
def model() -> Any:
    return GenericFakeChatModel(messages=iter([MESSAGE]))


def test_invoke(model: Any, call: Any, counted: Any) -> None:
    assert call(model.invoke)("hi").content == "Hello you"
    assert counted() == ONE


def test_ainvoke(model: Any, call: Any, counted: Any) -> None:
    assert asyncio.run(call(model.ainvoke)("hi")).content == "Hello you"
    assert counted() == ONE


def test_result(call: Any, counted: Any) -> None:
    call(lambda: LLMResult(generations=[[ChatGeneration(message=MESSAGE)]]))()
    assert counted() == ONE


def test_stream(call: Any, counted: Any) -> None:
    class Model(GenericFakeChatModel):
        def _stream(self, *arguments: Any, **keywords: Any) -> Any:
            from langchain_core.messages import AIMessageChunk
            from langchain_core.outputs import ChatGenerationChunk

            first = {"input_tokens": 1200, "output_tokens": 0, "total_tokens": 1200}
            second = {"input_tokens": 0, "output_tokens": 34, "total_tokens": 34}
            for usage in (first, second):
                yield ChatGenerationChunk(message=AIMessageChunk(content="a", usage_metadata=usage))

    chunks = list(call(Model(messages=iter([])).stream)("hi"))
    assert len(chunks) >= 2
    assert counted() == {
        "calls_total success": 1,
        "cost_usd_total": 0.0002004,
        "tokens_total": 1234,
        "token_usage_total input": 1200,
        "token_usage_total output": 34,
    }
