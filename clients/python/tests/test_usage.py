"""Tokens are read by the shape of an answer, from dictionaries and objects alike."""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from llm_exporter.usage import Reading, StreamUsage, Usage, read_answers, read_usage

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
RESPONSES_READ = Usage(1200, 34, None, 1024, None, 10)
ANTHROPIC = {
    "input_tokens": 176,
    "cache_creation_input_tokens": 512,
    "cache_read_input_tokens": 1024,
    "output_tokens": 34,
    "output_tokens_details": {"thinking_tokens": 4},
}
ANTHROPIC_READ = Usage(1712, 34, None, 1024, 512, 4)
LANGCHAIN = {
    "input_tokens": 350,
    "output_tokens": 240,
    "total_tokens": 590,
    "input_token_details": {"cache_creation": 200, "cache_read": 100},
    "output_token_details": {"reasoning": 20},
}
LANGCHAIN_READ = Usage(350, 240, None, 100, 200, 20)
GEMINI = {
    "prompt_token_count": 1200,
    "cached_content_token_count": 1000,
    "candidates_token_count": 30,
    "thoughts_token_count": 50,
    "tool_use_prompt_token_count": 8,
    "total_token_count": 1288,
}
GEMINI_READ = Usage(1208, 80, None, 1000, None, 50)


def as_object(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(item) for key, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


class Modality(str, enum.Enum):
    """As google-genai has it."""

    AUDIO = "AUDIO"
    IMAGE = "IMAGE"


ANSWERS: list[tuple[str, Any, Any]] = [
    ("chat completion", {"usage": CHAT}, CHAT_READ),
    (
        "chat completion with audio: what a cache gave is cached, not audio",
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {
                    "cached_tokens": 40,
                    "audio_tokens": 30,
                    "cached_tokens_details": {"audio_tokens": 10},
                },
                "completion_tokens_details": {"audio_tokens": 45, "reasoning_tokens": 6},
            }
        },
        Usage(100, 50, None, 40, None, 6, input_audio_tokens=20, output_audio_tokens=44),
    ),
    ("responses", {"object": "response", "usage": RESPONSES}, RESPONSES_READ),
    (
        "responses, written to a cache for 12 hours",
        {
            "usage": {
                "input_tokens": 900,
                "output_tokens": 5,
                "input_tokens_details": {
                    "cached_tokens": 100,
                    "cache_write_tokens": 700,
                    "cache_write_tokens_details": {"ttl_30m_tokens": 300, "ttl_12h_tokens": 400},
                },
            }
        },
        Usage(900, 5, None, 100, 700, None, 400),
    ),
    (
        "images",
        {
            "usage": {
                "input_tokens": 50,
                "output_tokens": 4000,
                "input_tokens_details": {"text_tokens": 20, "image_tokens": 30},
                "output_tokens_details": {"text_tokens": 0, "image_tokens": 4000},
            }
        },
        Usage(50, 4000, input_image_tokens=30, output_image_tokens=4000),
    ),
    (
        "transcription",
        {"usage": {"input_tokens": 14, "output_tokens": 45, "input_token_details": {"audio_tokens": 14}}},
        Usage(14, 45, input_audio_tokens=14),
    ),
    ("anthropic: cached input is added", {"usage": ANTHROPIC}, ANTHROPIC_READ),
    ("anthropic without a cache", {"usage": {"input_tokens": 5, "output_tokens": 2}}, Usage(5, 2)),
    (
        "anthropic, written for an hour, with searches",
        {
            "usage": {
                **ANTHROPIC,
                "cache_creation": {"ephemeral_5m_input_tokens": 112, "ephemeral_1h_input_tokens": 400},
                "server_tool_use": {"web_search_requests": 3},
            }
        },
        Usage(1712, 34, None, 1024, 512, 4, 400, web_search_requests=3),
    ),
    (
        "anthropic, compacted: the usage leaves out the steps before",
        {
            "usage": {
                "input_tokens": 20,
                "output_tokens": 30,
                "cache_read_input_tokens": 0,
                "iterations": [
                    {"type": "compaction", "input_tokens": 1000, "output_tokens": 200, "cache_read_input_tokens": 500},
                    {"type": "message", "input_tokens": 20, "output_tokens": 30, "cache_read_input_tokens": 0},
                ],
            }
        },
        Usage(1520, 230, None, 500),
    ),
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
    (
        "litellm, newer",
        {
            "usage": {
                "prompt_tokens": 1712,
                "completion_tokens": 300,
                "prompt_tokens_details": {
                    "cached_tokens": 1024,
                    "cache_write_tokens": 512,
                    "cache_creation_tokens": 512,
                    "cache_creation_token_details": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 500},
                    "image_tokens": 30,
                    "web_search_requests": 2,
                },
                "completion_tokens_details": {"image_tokens": 258},
                "cache_creation_input_tokens": 512,
                "cache_read_input_tokens": 1024,
            }
        },
        Usage(
            1712, 300, None, 1024, 512, None, 500, input_image_tokens=30, output_image_tokens=258, web_search_requests=2
        ),
    ),
    ("embeddings", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8, None, 8)),
    (
        "deepseek",
        {"usage": {**CHAT, "prompt_tokens_details": None, "prompt_cache_hit_tokens": 9}},
        Usage(1200, 34, None, 9, None, 10),
    ),
    (
        "xai: the total says that reasoning is not in the completion",
        {
            "usage": {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            }
        },
        Usage(32, 103, None, None, None, 94),
    ),
    (
        "gemini in openai's shape: what is missing from the total is thoughts",
        {"model": "gemini-3-pro", "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}},
        Usage(10, 105, None, None, None, 100),
    ),
    (
        "perplexity",
        {
            "usage": {
                "prompt_tokens": 33,
                "completion_tokens": 7163,
                "total_tokens": 7196,
                "num_search_queries": 30,
                "reasoning_tokens": 95305,
            }
        },
        Usage(33, 102468, None, None, None, 95305, web_search_requests=30),
    ),
    (
        "cached above input: the sender excluded it",
        {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 90}},
        Usage(95, 2, None, 90),
    ),
    ("the total tells what is missing", {"usage": {"prompt_tokens": 5, "total_tokens": 7}}, Usage(5, 2)),
    ("and the other", {"usage": {"completion_tokens": 2, "total_tokens": 7}}, Usage(5, 2)),
    ("two shapes, half of each", {"usage": {"prompt_tokens": 5, "output_tokens": 2}}, Usage(5, 2)),
    ("langchain message", {"usage_metadata": LANGCHAIN}, LANGCHAIN_READ),
    (
        "langchain of anthropic: 0 written beside what was written for minutes and for an hour",
        {
            "usage_metadata": {
                "input_tokens": 1712,
                "output_tokens": 34,
                "input_token_details": {
                    "cache_read": 1024,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 112,
                    "ephemeral_1h_input_tokens": 400,
                },
            }
        },
        Usage(1712, 34, None, 1024, 512, None, 400),
    ),
    (
        "langchain of openai's flex tier",
        {
            "usage_metadata": {
                "input_tokens": 1200,
                "output_tokens": 34,
                "input_token_details": {"audio": 5, "flex_cache_read": 1024, "flex": 176},
                "output_token_details": {"audio": 3, "flex_reasoning": 10, "flex": 24},
            }
        },
        Usage(1200, 34, None, 1024, None, 10, input_audio_tokens=5, output_audio_tokens=3),
    ),
    ("langchain, older", {"usage_metadata": None, "response_metadata": {"token_usage": CHAT}}, CHAT_READ),
    ("langchain, anthropic", {"response_metadata": {"usage": ANTHROPIC}}, ANTHROPIC_READ),
    ("langchain LLMResult", {"llm_output": {"token_usage": CHAT}, "generations": []}, CHAT_READ),
    (
        "langchain LLMResult of two prompts",
        {"llm_output": None, "generations": [[{"message": {"usage_metadata": LANGCHAIN, "id": n}}] for n in "ab"]},
        LANGCHAIN_READ.adding(LANGCHAIN_READ),
    ),
    (
        "langchain LLMResult, whose sum repeats its messages",
        {
            "llm_output": {"token_usage": {"prompt_tokens": 700, "completion_tokens": 480}},
            "generations": [[{"message": {"usage_metadata": LANGCHAIN, "id": n}}] for n in "ab"],
        },
        LANGCHAIN_READ.adding(LANGCHAIN_READ),
    ),
    (
        "langchain ChatResult of two choices, which share one usage",
        {"llm_output": None, "generations": [{"message": {"usage_metadata": LANGCHAIN, "id": n}} for n in "ab"]},
        LANGCHAIN_READ,
    ),
    ("google-genai", {"usage_metadata": GEMINI, "response_id": "r", "model_version": "gemini"}, GEMINI_READ),
    (
        "gemini's own JSON",
        {
            "usageMetadata": {
                "promptTokenCount": 1200,
                "cachedContentTokenCount": 1000,
                "candidatesTokenCount": 30,
                "thoughtsTokenCount": 50,
                "toolUsePromptTokenCount": 8,
                "totalTokenCount": 1288,
            },
            "modelVersion": "gemini-3-pro",
        },
        GEMINI_READ,
    ),
    (
        "google-genai, blocked: no candidates",
        {"usage_metadata": {"prompt_token_count": 9, "total_token_count": 9}},
        Usage(9, None, 9),
    ),
    (
        "google-genai, by modality",
        {
            "usage_metadata": {
                "prompt_token_count": 400,
                "cached_content_token_count": 50,
                "candidates_token_count": 1300,
                "prompt_tokens_details": [
                    {"modality": "TEXT", "token_count": 40},
                    {"modality": Modality.AUDIO, "token_count": 100},
                    {"modality": Modality.IMAGE, "token_count": 260},
                ],
                "cache_tokens_details": [{"modality": Modality.AUDIO, "token_count": 50}],
                "candidates_tokens_details": [{"modality": Modality.IMAGE, "token_count": 1290}],
            }
        },
        Usage(400, 1300, None, 50, input_audio_tokens=50, input_image_tokens=260, output_image_tokens=1290),
    ),
    (
        "gemini's interactions",
        {
            "id": "v1_x",
            "model": "gemini-3-pro",
            "usage": {
                "total_input_tokens": 9,
                "total_output_tokens": 779,
                "total_thought_tokens": 912,
                "total_cached_tokens": 4,
                "total_tool_use_tokens": 3,
                "total_tokens": 1703,
                "grounding_tool_count": [{"type": "google_search", "count": 2}],
            },
        },
        Usage(12, 1691, None, 4, None, 912, web_search_requests=2),
    ),
    (
        "bedrock converse: cached input is added",
        {
            "usage": {
                "inputTokens": 176,
                "outputTokens": 34,
                "totalTokens": 1746,
                "cacheReadInputTokens": 1024,
                "cacheWriteInputTokens": 512,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 400}, {"ttl": "5m", "inputTokens": 112}],
            },
            "serviceTier": {"type": "priority"},
        },
        Usage(1712, 34, None, 1024, 512, None, 400),
    ),
    (
        "cohere: what is billed, as its package has it",
        {
            "usage": {
                "billed_units": {"input_tokens": 12.0, "output_tokens": 4.0},
                "tokens": {"input_tokens": 510.0, "output_tokens": 4.0},
            }
        },
        Usage(12, 4),
    ),
    ("cohere without billed units", {"usage": {"tokens": {"input_tokens": 510, "output_tokens": 4}}}, Usage(510, 4)),
    ("cohere's first API", {"meta": {"billed_units": {"input_tokens": 12, "output_tokens": 4}}}, Usage(12, 4)),
    ("ollama", {"model": "qwen", "done": True, "prompt_eval_count": 26, "eval_count": 298}, Usage(26, 298)),
    (
        "pydantic-ai: the input includes what a cache gave and took",
        {
            "usage": {
                "input_tokens": 1712,
                "cache_write_tokens": 512,
                "cache_read_tokens": 1024,
                "output_tokens": 34,
                "input_audio_tokens": 30,
                "cache_audio_read_tokens": 10,
                "output_audio_tokens": 2,
                "details": {"reasoning_tokens": 4},
                "requests": 2,
            }
        },
        Usage(1712, 34, None, 1024, 512, 4, input_audio_tokens=20, output_audio_tokens=2),
    ),
    (
        "pydantic-ai of a provider that sent none",
        {"usage": {"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0}},
        None,
    ),
    ("pydantic-ai below 1.0", {"usage": {"request_tokens": 5, "response_tokens": 2, "total_tokens": 7}}, Usage(5, 2)),
    (
        "crewai",
        {
            "token_usage": {
                "total_tokens": 110,
                "prompt_tokens": 100,
                "cached_prompt_tokens": 60,
                "completion_tokens": 10,
                "reasoning_tokens": 3,
                "cache_creation_tokens": 5,
            }
        },
        Usage(100, 10, None, 60, 5, 3),
    ),
    ("smolagents", {"token_usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}}, Usage(5, 2)),
    (
        "llama-index: the provider's answer, of which it repeats a part",
        {
            "message": {"role": "assistant"},
            "raw": {"id": "x", "usage": CHAT},
            "additional_kwargs": {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234},
        },
        CHAT_READ,
    ),
    (
        "llama-index without the provider's answer",
        {"raw": None, "additional_kwargs": {"prompt_tokens": 5, "completion_tokens": 2}},
        Usage(5, 2),
    ),
    ("instructor", {"name": "Ada", "_raw_response": {"id": "x", "usage": CHAT}}, CHAT_READ),
    (
        "agents' run",
        {
            "raw_responses": [
                {"response_id": "a", "usage": RESPONSES},
                {"response_id": None, "usage": RESPONSES},
                {"response_id": None, "usage": RESPONSES},
            ],
            "context_wrapper": {"usage": RESPONSES},
        },
        RESPONSES_READ.adding(RESPONSES_READ).adding(RESPONSES_READ),
    ),
    (
        "agents' run, which keeps no answers",
        {"raw_responses": [], "context_wrapper": {"usage": RESPONSES}},
        RESPONSES_READ,
    ),
    ("groq, in a stream", {"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}}, Usage(5, 2)),
    ("two answers", [{"usage": CHAT}, {"usage": RESPONSES}], CHAT_READ.adding(RESPONSES_READ)),
    ("an answer twice", [{"id": "x", "usage": CHAT}, {"id": "x", "usage": CHAT}], CHAT_READ),
    ("a text and its answer", ["text", {"usage": CHAT}], CHAT_READ),
    ("no usage", {"usage": None}, None),
    ("nonsense", {"usage": {"prompt_tokens": "12", "completion_tokens": True}}, None),
    ("more nonsense", {"usage": {"prompt_tokens": -1, "completion_tokens": 1.5, "input_tokens": [1]}}, None),
]


@pytest.mark.parametrize(("answer", "usage"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_whole_answers(answer: Any, usage: Any) -> None:
    assert read_usage(answer) == usage
    if isinstance(answer, dict):  # LangChain's parts are dictionaries within objects
        assert read_usage(SimpleNamespace(**answer)) == usage
    assert read_usage(as_object(answer)) == usage


AI = {"type": "ai", "id": "2", "usage_metadata": LANGCHAIN}


@pytest.mark.parametrize(
    ("state", "answers"),
    [
        ({"messages": [{"type": "human"}, AI]}, 1),
        ({"messages": [{"type": "human"}, AI, {"type": "tool"}, {**AI, "id": "3"}]}, 2),
        ({"messages": [{"type": "human"}, AI, {"type": "human"}, {**AI, "id": "3"}]}, 1),
        ({"messages": [{"type": "human"}, AI, {"type": "human"}]}, 0),
        ({"messages": [{"role": "user", "content": "a"}, AI]}, 1),
        ({"agent": {"messages": [AI]}, "other": {"messages": [{**AI, "id": "3"}]}, "last": None}, 2),
        ([{"agent": {"messages": [AI]}}, {"agent": {"messages": [AI]}}], 1),
        ([{"type": "human"}, AI], 1),
    ],
)
def test_of_a_conversation_only_what_is_new_counts(state: Any, answers: int) -> None:
    assert len(read_answers(state)) == answers
    assert (read_usage(state) or Usage()).input_tokens == (350 * answers or None)


@pytest.mark.parametrize(
    ("answer", "reading"),
    [
        (
            {"id": "chatcmpl-1", "model": "gpt-5-2026-01-01", "service_tier": "Flex", "usage": CHAT},
            Reading("chatcmpl-1", CHAT_READ, "gpt-5-2026-01-01", "flex"),
        ),
        (
            {"id": "msg_1", "model": "claude", "usage": {**ANTHROPIC, "service_tier": "standard", "speed": "fast"}},
            Reading("msg_1", ANTHROPIC_READ, "claude", "fast"),
        ),
        (
            {"id": "msg_1", "usage": {**ANTHROPIC, "service_tier": "batch", "speed": "fast"}},
            Reading("msg_1", ANTHROPIC_READ, None, "batch"),
        ),
        (
            {
                "id": "resp_1",
                "object": "response",
                "status": "completed",
                "usage": RESPONSES,
                "tools": [{"type": "function"}, {"type": "web_search", "search_context_size": "low"}],
                "output": [
                    {"type": "web_search_call", "action": {"type": "search"}},
                    {"type": "web_search_call", "action": {"type": "open_page"}},
                    {"type": "web_search_call"},
                    {"type": "message"},
                ],
            },
            Reading("resp_1", RESPONSES_READ._replace(web_search_requests=2), search_context_size="low"),
        ),
        (
            {"id": "resp_1", "usage": RESPONSES, "tool_usage": {"web_search": {"num_requests": 5}}, "output": []},
            Reading("resp_1", RESPONSES_READ._replace(web_search_requests=5)),
        ),
        (
            {"id": "1", "usage": {**CHAT, "search_context_size": "high"}},
            Reading("1", CHAT_READ, search_context_size="high"),
        ),
        (
            {"id": "1", "usage": {**CHAT}, "service_tier": "auto"},
            Reading("1", CHAT_READ),
        ),
        (
            {
                "response_id": "g1",
                "model_version": "gemini-3-pro",
                "usage_metadata": {**GEMINI, "traffic_type": "ON_DEMAND_PRIORITY"},
                "candidates": [{"grounding_metadata": {"web_search_queries": ["a", "b", "a", ""]}}],
            },
            Reading("g1", GEMINI_READ._replace(web_search_requests=2), "gemini-3-pro", "priority"),
        ),
        (
            {
                "id": "run-1",
                "usage_metadata": LANGCHAIN,
                "response_metadata": {"model_name": "claude", "usage": {"speed": "fast"}},
            },
            Reading("run-1", LANGCHAIN_READ, "claude", "fast"),
        ),
        (
            {
                "ResponseMetadata": {"RequestId": "r1"},
                "usage": {"inputTokens": 5, "outputTokens": 2},
                "serviceTier": {"type": "flex"},
            },
            Reading("r1", Usage(5, 2), None, "flex"),
        ),
        (
            {"id": "r1", "object": "response", "status": "failed", "error": {"code": "server_error"}},
            Reading("r1", failure="server_error"),
        ),
        ({"id": "r1", "object": "response", "status": "failed", "error": None}, Reading("r1", failure="failed")),
        ({"id": "c1", "model": "gpt", "choices": [{"index": 0}], "usage": None}, Reading("c1", None, "gpt")),
    ],
)
def test_what_an_answer_says_beside_its_tokens(answer: Any, reading: Reading) -> None:
    assert read_answers(answer) == [reading]
    assert read_answers(as_object(answer)) == [reading]


def test_an_answer_without_an_id_is_known_by_its_identity() -> None:
    answer = {"usage": CHAT}
    (first,), (again,), (other,) = read_answers(answer), read_answers(answer), read_answers({"usage": CHAT})
    assert first.key == again.key and hash(first.key) == hash(again.key)
    assert first.key != other.key


class AgentRunResult:
    """As Pydantic AI's below version 2."""

    __module__ = "pydantic_ai.run"
    response = SimpleNamespace(model_name="gpt-4o-mini")

    def usage(self) -> Any:
        return SimpleNamespace(input_tokens=5, output_tokens=2, cache_read_tokens=0, cache_write_tokens=0)


class Prediction:
    """As DSPy's."""

    __module__ = "dspy.primitives.prediction"

    def get_lm_usage(self) -> Any:
        return {"openai/gpt-4o": CHAT, "openai/gpt-5": CHAT}


class LegacyAPIResponse:
    """As of OpenAI's ``with_raw_response``."""

    __module__ = "openai._legacy_response"

    def __init__(self, is_closed: bool = True, stream: bool = False) -> None:
        self.http_response = SimpleNamespace(is_closed=is_closed)
        self._stream = stream

    def parse(self) -> Any:
        return {"id": "x", "usage": CHAT}


def test_methods_of_known_packages_are_called() -> None:
    (reading,) = read_answers(AgentRunResult())
    assert reading[1:3] == (Usage(5, 2, None, 0, 0), "gpt-4o-mini")
    prediction = Prediction()
    readings = read_answers(prediction)
    assert [reading[1:3] for reading in readings] == [(CHAT_READ, "openai/gpt-4o"), (CHAT_READ, "openai/gpt-5")]
    assert readings == read_answers(prediction) and readings[0].key != readings[1].key
    assert read_usage(LegacyAPIResponse()) == CHAT_READ


class AsyncAPIResponse(LegacyAPIResponse):
    __module__ = "openai._response"

    async def parse(self) -> Any:
        raise AssertionError


class BrokenAPIResponse(LegacyAPIResponse):
    __module__ = "openai._response"

    def parse(self) -> Any:
        raise ValueError


@pytest.mark.parametrize(
    "response", [LegacyAPIResponse(is_closed=False), LegacyAPIResponse(stream=True), AsyncAPIResponse()]
)
def test_a_response_that_is_still_to_be_read_is_left_alone(response: Any) -> None:
    assert read_answers(response) == []


def test_a_method_that_fails_does_not_hide_the_answers_beside_it() -> None:
    assert read_usage([BrokenAPIResponse(), {"usage": CHAT}]) == CHAT_READ


def test_methods_of_others_are_not() -> None:
    called: list[str] = []

    class Other:
        def usage(self) -> Any:
            called.append("usage")

        def get_lm_usage(self) -> Any:
            called.append("get_lm_usage")

        def parse(self) -> Any:
            called.append("parse")

    for kind in (AgentRunResult, Prediction, LegacyAPIResponse):
        mock = Mock(spec=kind)
        assert read_answers(mock) == []
        assert mock.mock_calls == []
    assert read_answers(Other()) == []
    assert called == []


def test_what_litellm_marks_as_not_reported_is_no_usage() -> None:
    class UnreportedUsage(SimpleNamespace):
        pass

    assert read_usage({"usage": UnreportedUsage(**CHAT)}) is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        b"",
        5,
        [],
        object(),
        MagicMock(),
        {"usage": MagicMock()},
        {"messages": MagicMock()},
        [MagicMock()] * 10,
        {"usage": {}},
        {"choices": []},
        [[0.5] * 1536] * 100,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_what_is_no_answer_has_no_usage(answer: Any) -> None:
    assert read_usage(answer) is None
    assert read_answers(answer) == []


def test_a_list_of_numbers_is_not_searched() -> None:
    looked: list[str] = []

    class Looked:
        def __getattr__(self, name: str) -> Any:
            looked.append(name)
            raise AttributeError(name)

    assert read_answers([0.5, *[Looked()] * 100_000]) == []
    assert len(looked) < 2_000
    assert read_answers([Looked()] * 100_000) == []
    assert len(looked) < 200_000


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Endless:
    """Has every attribute, and each is one more of it."""

    def __getattr__(self, name: str) -> Any:
        return Endless()


def test_an_answer_that_fails_when_looked_at_harms_nobody() -> None:
    assert read_usage(Hostile()) is None
    assert read_answers(Hostile()) == []
    assert read_answers(Endless()) == []
    for chunk in (Hostile(), Endless()):
        stream = StreamUsage()
        stream.add(chunk)
        assert stream.readings() == [] or stream.readings()[0].usage is None


def test_one_field_that_fails_does_not_hide_the_others() -> None:
    class Answer:
        usage = CHAT

        @property
        def model(self) -> str:
            raise RuntimeError

    assert read_usage(Answer()) == CHAT_READ


def test_an_answer_within_itself_ends() -> None:
    answer: dict[str, Any] = {"message": None, "raw": None, "messages": []}
    answer["raw"] = answer["message"] = answer
    answer["messages"].extend([answer] * 20)
    assert read_answers(answer) == []
