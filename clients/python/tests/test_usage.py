"""Tokens are read by the shape of an answer, from dictionaries and objects alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from llm_exporter.usage import StreamUsage, Usage, read_failure, read_usage

CHAT = {
    "prompt_tokens": 1200,
    "completion_tokens": 34,
    "total_tokens": 1234,
    "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 7},
    "completion_tokens_details": {"reasoning_tokens": 10},
}
CHAT_READ = Usage(1200, 34, None, 1024, 7, 10)
RESPONSES = {
    "input_tokens": 1200,
    "output_tokens": 34,
    "total_tokens": 1234,
    "input_tokens_details": {"cached_tokens": 1024},
    "output_tokens_details": {"reasoning_tokens": 10},
}
ANTHROPIC = {
    "input_tokens": 176,
    "cache_creation_input_tokens": 512,
    "cache_read_input_tokens": 1024,
    "output_tokens": 34,
    "output_tokens_details": {"thinking_tokens": 4},
}
LANGCHAIN = {
    "input_tokens": 350,
    "output_tokens": 240,
    "total_tokens": 590,
    "input_token_details": {"cache_creation": 200, "cache_read": 100},
    "output_token_details": {"reasoning": 20},
}
LANGCHAIN_READ = Usage(350, 240, None, 100, 200, 20)


def as_object(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(item) for key, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


ANSWERS = [
    ("chat completion", {"usage": CHAT}, CHAT_READ),
    ("responses", {"object": "response", "usage": RESPONSES}, Usage(1200, 34, None, 1024, None, 10)),
    ("anthropic: cached input is added", {"usage": ANTHROPIC}, Usage(1712, 34, None, 1024, 512, 4)),
    ("anthropic without a cache", {"usage": {"input_tokens": 5, "output_tokens": 2}}, Usage(5, 2)),
    (
        "litellm of an anthropic answer",
        {
            "usage": {
                "prompt_tokens": 1712,
                "completion_tokens": 34,
                "prompt_tokens_details": None,
                "cache_creation_input_tokens": 512,
                "cache_read_input_tokens": 1024,
            }
        },
        Usage(1712, 34, None, 1024, 512),
    ),
    ("embeddings", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8, None, 8)),
    ("langchain message", {"usage_metadata": LANGCHAIN}, LANGCHAIN_READ),
    ("langchain, older", {"usage_metadata": None, "response_metadata": {"token_usage": CHAT}}, CHAT_READ),
    ("langchain, anthropic", {"response_metadata": {"usage": ANTHROPIC}}, Usage(1712, 34, None, 1024, 512, 4)),
    ("langchain LLMResult", {"llm_output": {"token_usage": CHAT}, "generations": []}, CHAT_READ),
    (
        "langchain LLMResult of two prompts",
        {"llm_output": None, "generations": [[{"message": {"usage_metadata": LANGCHAIN}}]] * 2},
        LANGCHAIN_READ.adding(LANGCHAIN_READ),
    ),
    ("no usage", {"usage": None}, None),
    ("nonsense", {"usage": {"prompt_tokens": "12", "completion_tokens": True}}, None),
]


@pytest.mark.parametrize(("answer", "usage"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_whole_answers(answer: Any, usage: Any) -> None:
    assert read_usage(answer) == usage
    # LangChain's parts are dictionaries within objects.
    shallow = SimpleNamespace(**answer)
    assert read_usage(shallow) == usage
    assert read_usage(as_object(answer)) == usage


@pytest.mark.parametrize("answer", [None, "text", b"", 5, [], object(), MagicMock(), {"usage": MagicMock()}])
def test_what_is_no_answer_has_no_usage(answer: Any) -> None:
    assert read_usage(answer) is None


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_an_answer_that_fails_when_looked_at_harms_nobody() -> None:
    assert read_usage(Hostile()) is None
    assert read_failure(Hostile()) is None
    StreamUsage().add(Hostile())


STREAMS = [
    (
        "chat completions with usage at the end",
        [
            {"choices": [{"delta": {"content": "a"}, "finish_reason": None}], "usage": None},
            {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None},
            {"choices": [], "usage": CHAT},
        ],
        CHAT_READ,
        True,
    ),
    (
        "chat completions with usage in each chunk: totals so far",
        [{"choices": [], "usage": {**CHAT, "completion_tokens": 1}}, {"choices": [], "usage": CHAT}],
        CHAT_READ,
        False,
    ),
    ("openai's stream helper", [{"type": "chunk", "chunk": {"choices": [], "usage": CHAT}}], CHAT_READ, False),
    (
        "responses",
        [
            {"type": "response.created", "response": {"usage": None}},
            {"type": "response.output_text.delta", "delta": "a"},
            {"type": "response.completed", "response": {"usage": RESPONSES}},
        ],
        Usage(1200, 34, None, 1024, None, 10),
        True,
    ),
    (
        "anthropic: the input at the start, the output so far in each delta",
        [
            {"type": "message_start", "message": {"usage": {**ANTHROPIC, "output_tokens": 1}}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
            {"type": "message_delta", "usage": {"output_tokens": 20, "input_tokens": None}},
            {"type": "message_delta", "usage": {"output_tokens": 34}},
            {"type": "message_stop"},
        ],
        Usage(1712, 34, None, 1024, 512, 4),
        True,
    ),
    (
        "langchain: chunks add up",
        [
            {"usage_metadata": {"input_tokens": 350, "output_tokens": 0}},
            {"usage_metadata": None},
            {"usage_metadata": {"input_tokens": 0, "output_tokens": 240}},
        ],
        Usage(350, 240),
        False,
    ),
    ("text", ["a", "b"], None, False),
]


@pytest.mark.parametrize(("chunks", "usage", "complete"), [x[1:] for x in STREAMS], ids=[x[0] for x in STREAMS])
def test_streams(chunks: Any, usage: Any, complete: bool) -> None:
    for form in (chunks, [as_object(chunk) for chunk in chunks]):
        stream = StreamUsage()
        for chunk in form:
            stream.add(chunk)
        assert (stream.usage, stream.complete) == (usage, complete)


def test_a_failure_that_came_as_an_answer() -> None:
    failed = {"object": "response", "status": "failed", "error": {"code": "server_error"}}
    assert read_failure(failed) == "server_error"
    assert read_failure({"object": "response", "status": "completed"}) is None
    stream = StreamUsage()
    stream.add({"type": "response.failed", "response": failed})
    assert stream.failure == "server_error" and stream.complete
