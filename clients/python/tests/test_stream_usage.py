"""The usage of a stream is gathered from its chunks: dictionaries and objects, one answer or several."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from llm_exporter.usage import Reading, StreamUsage, Usage
from test_usage import (
    ANTHROPIC,
    ANTHROPIC_READ,
    CHAT,
    CHAT_READ,
    GEMINI,
    GEMINI_READ,
    LANGCHAIN,
    LANGCHAIN_READ,
    RESPONSES,
    RESPONSES_READ,
    as_object,
)


def read(chunks: Any) -> StreamUsage:
    stream = StreamUsage()
    for chunk in chunks:
        stream.add(chunk)
    return stream


def text(content: str = "a", **more: Any) -> Any:
    return {"choices": [{"delta": {"content": content}, "finish_reason": None}], "usage": None, **more}


def stop(**more: Any) -> Any:
    return {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None, **more}


def last(usage: Any = CHAT, **more: Any) -> Any:
    return {"choices": [], "usage": usage, **more}


def anthropic(id: str = "msg_1") -> list[Any]:
    usage = {**ANTHROPIC, "output_tokens": 1, "output_tokens_details": None}
    message = {"id": id, "model": "claude", "usage": usage}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "content_block": {"type": "text"}},
        {"type": "ping"},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"type": "message_delta", "usage": {"output_tokens": 20, "input_tokens": None}},
        {"type": "message_delta", "usage": {"output_tokens": 34, "output_tokens_details": {"thinking_tokens": 4}}},
        {"type": "message_stop"},
    ]


def responses(id: str = "resp_1", **more: Any) -> list[Any]:
    return [
        {"type": "response.created", "response": {"id": id, "usage": None}},
        {"type": "response.output_text.delta", "delta": "a"},
        {"type": "response.completed", "response": {"id": id, "usage": RESPONSES, **more}},
    ]


BEDROCK: list[Any] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "a"}}},
    {"contentBlockStop": {}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 90}}},
]
OLLAMA: list[Any] = [
    {"model": "q", "message": {"content": "a"}, "done": False, "prompt_eval_count": None},
    {"model": "q", "message": {"content": ""}, "done": True, "prompt_eval_count": 26, "eval_count": 298},
]

# Name, chunks, usage of each answer, whether the last is complete. Each is read as dictionaries and as objects.
STREAMS: list[tuple[str, list[Any], list[Any], bool]] = [
    (
        "chat completions, usage at the end",
        [text("", id="1"), text(id="1"), stop(id="1"), last(id="1")],
        [CHAT_READ],
        True,
    ),
    (
        "chat completions with usage in each chunk: totals so far",
        [last({**CHAT, "completion_tokens": 1}), last()],
        [CHAT_READ],
        False,
    ),
    ("the usage in the chunk that stops, and again", [text(), stop(usage=CHAT), last()], [CHAT_READ], True),
    ("without usage", [text(id="1"), stop(id="1")], [None], True),
    ("left early", [text(id="1"), text(id="1")], [None], False),
    (
        "azure: the first chunk has no id",
        [text("", id=""), text(id="1"), stop(id="1"), last(id="1")],
        [CHAT_READ],
        True,
    ),
    ("an id for each chunk", [text(id="1"), text(id="2"), stop(id="3"), last(id="4")], [CHAT_READ], False),
    (
        "two answers in turn",
        [text(id="1"), stop(id="1"), last(id="1"), text(id="2"), stop(id="2"), last(id="2")],
        [CHAT_READ, CHAT_READ],
        True,
    ),
    (
        "two answers at once",
        [text(id="1"), text(id="2"), stop(id="2"), stop(id="1"), last(id="1"), last(id="2")],
        [CHAT_READ, CHAT_READ],
        True,
    ),
    ("two without ids", [text(), stop(), last(), text(), stop(), last()], [CHAT_READ, CHAT_READ], True),
    (
        "the second of two left early",
        [text(id="1"), stop(id="1"), last(id="1"), text(id="2"), text(id="2")],
        [CHAT_READ, None],
        False,
    ),
    ("groq", [text(id="1"), stop(id="1", x_groq={"id": "r", "usage": CHAT})], [CHAT_READ], True),
    ("openai's stream helper", [{"type": "chunk", "chunk": last()}, {"type": "content.done"}], [CHAT_READ], False),
    ("mistral's package", [{"data": text(id="1")}, {"data": stop(id="1", usage=CHAT)}], [CHAT_READ], True),
    (
        "whole completions",
        [{"id": n, "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": CHAT} for n in "ab"],
        [CHAT_READ, CHAT_READ],
        True,
    ),
    ("responses", responses(), [RESPONSES_READ], True),
    ("two responses", [*responses("1"), *responses("2")], [RESPONSES_READ, RESPONSES_READ], True),
    ("two responses of one made-up id", [*responses("__fake_id__")] * 2, [RESPONSES_READ, RESPONSES_READ], True),
    (
        "agents' events",
        [{"type": "agent_updated_stream_event"}, *({"type": "raw_response_event", "data": x} for x in responses())],
        [RESPONSES_READ],
        True,
    ),
    ("anthropic: the input at the start, the output so far in each delta", anthropic(), [ANTHROPIC_READ], True),
    ("anthropic, two answers", [*anthropic("1"), *anthropic("2")], [ANTHROPIC_READ, ANTHROPIC_READ], True),
    (
        "anthropic, left early",
        anthropic()[:4],
        [ANTHROPIC_READ._replace(output_tokens=1, reasoning_tokens=None)],
        False,
    ),
    (
        "anthropic's helper, whose events repeat the message",
        [
            *anthropic()[:-1],
            {"type": "text", "text": "a"},
            {"type": "message_stop", "message": {"id": "msg_1", "usage": ANTHROPIC}},
        ],
        [ANTHROPIC_READ],
        True,
    ),
    (
        "langchain: chunks add up",
        [
            {"usage_metadata": {"input_tokens": 350, "output_tokens": 0}, "type": "AIMessageChunk", "id": "1"},
            {"usage_metadata": None, "type": "AIMessageChunk", "id": "1"},
            {"usage_metadata": {"input_tokens": 0, "output_tokens": 240}, "type": "AIMessageChunk", "id": "1"},
        ],
        [Usage(350, 240)],
        False,
    ),
    (
        "langchain: two messages",
        [
            {"usage_metadata": LANGCHAIN, "type": "AIMessageChunk", "id": n, "chunk_position": "last"}
            for n in ("1", "2")
        ],
        [LANGCHAIN_READ, LANGCHAIN_READ],
        True,
    ),
    (
        "langchain's responses: the first chunk and the whole message have another id than the chunks between",
        [
            {"type": "AIMessageChunk", "id": "resp_1", "response_metadata": {"id": "resp_1"}},
            {"type": "AIMessageChunk", "id": "resp_2", "response_metadata": {"id": "resp_2"}},
            {"type": "AIMessageChunk", "id": "lc_run--1", "content": "a"},
            {"type": "AIMessageChunk", "id": "lc_run--2", "content": "a"},
            {"type": "AIMessageChunk", "id": "lc_run--2", "usage_metadata": LANGCHAIN, "chunk_position": "last"},
            {"type": "AIMessageChunk", "id": "lc_run--1", "usage_metadata": LANGCHAIN, "chunk_position": "last"},
            {"type": "ai", "id": "resp_1", "usage_metadata": LANGCHAIN, "response_metadata": {"id": "resp_1"}},
        ],
        [LANGCHAIN_READ, LANGCHAIN_READ],
        True,
    ),
    (
        "langgraph: chunks, then the state with the whole message",
        [
            [{"usage_metadata": LANGCHAIN, "type": "AIMessageChunk", "id": "1"}, {"langgraph_step": 1}],
            ["values", {"messages": [{"type": "human"}, {"usage_metadata": LANGCHAIN, "type": "ai", "id": "1"}]}],
            ["values", {"messages": [{"type": "human"}, {"usage_metadata": LANGCHAIN, "type": "ai", "id": "1"}]}],
        ],
        [LANGCHAIN_READ],
        False,
    ),
    (
        "langchain's events: each of a model is repeated for what is around it, and by the whole message",
        [
            {"event": "on_chat_model_start", "data": {"input": {}}},
            {
                "event": "on_chat_model_stream",
                "data": {"chunk": {"type": "AIMessageChunk", "id": "1", "usage_metadata": LANGCHAIN}},
            },
            {
                "event": "on_chain_stream",
                "data": {"chunk": {"type": "AIMessageChunk", "id": "1", "usage_metadata": LANGCHAIN}},
            },
            {
                "event": "on_chat_model_end",
                "data": {"output": {"type": "AIMessageChunk", "id": "1", "usage_metadata": LANGCHAIN}},
            },
        ],
        [LANGCHAIN_READ],
        True,
    ),
    (
        "gemini: totals so far",
        [
            {
                "response_id": "g",
                "usage_metadata": {"prompt_token_count": 1200, "thoughts_token_count": 50},
                "candidates": [{"content": {"parts": [{"text": "a"}]}}],
            },
            {
                "response_id": "g",
                "usage_metadata": GEMINI,
                "candidates": [{"content": {"parts": []}, "finish_reason": "STOP"}],
            },
        ],
        [GEMINI_READ],
        True,
    ),
    (
        "gemini's interactions",
        [
            {"event_type": "interaction.start", "interaction": {"id": "i"}},
            {"event_type": "content.delta", "delta": {"text": "a"}},
            {
                "event_type": "interaction.complete",
                "interaction": {"id": "i", "usage": {"total_input_tokens": 5, "total_output_tokens": 2}},
            },
        ],
        [Usage(5, 2)],
        True,
    ),
    (
        "cohere",
        [
            {"type": "message-start", "id": "c"},
            {"type": "content-start"},
            {"type": "content-delta", "delta": {}},
            {"type": "message-end", "delta": {"usage": {"billed_units": {"input_tokens": 5.0, "output_tokens": 2.0}}}},
        ],
        [Usage(5, 2)],
        True,
    ),
    ("ollama", OLLAMA, [Usage(26, 298)], True),
    ("ollama, two answers", OLLAMA * 2, [Usage(26, 298), Usage(26, 298)], True),
    (
        "llama-index: the provider's chunk within its own",
        [{"delta": "a", "raw": text(id="1")}, {"delta": "", "raw": stop(id="1")}, {"delta": "", "raw": last(id="1")}],
        [CHAT_READ],
        True,
    ),
    (
        "pydantic-ai's events",
        [
            {"event_kind": "part_delta"},
            {"event_kind": "agent_run_result", "result": {"usage": {"input_tokens": 5, "output_tokens": 2}}},
        ],
        [Usage(5, 2)],
        False,
    ),
    (
        "google's agents: events with ids of their own, the partial ones with totals so far",
        [
            {"id": "1", "partial": True, "usage_metadata": {"prompt_token_count": 1200, "candidates_token_count": 1}},
            {"id": "2", "partial": False, "usage_metadata": GEMINI},
            {"id": "3", "partial": None, "usage_metadata": GEMINI},
        ],
        [GEMINI_READ, GEMINI_READ],
        False,
    ),
    ("text", ["a", "b"], [], False),
]
# Only ever dictionaries.
MAPPINGS: list[tuple[str, list[Any], list[Any], bool]] = [
    ("bedrock converse", BEDROCK, [Usage(95, 2, None, 90)], True),
    ("bedrock converse, two answers", BEDROCK * 2, [Usage(95, 2, None, 90)] * 2, True),
    ("bedrock converse, stopped before its usage", BEDROCK[:-1], [None], True),
    (
        "bedrock invoke: the provider's own chunks",
        [{"chunk": {"bytes": json.dumps(chunk).encode()}} for chunk in anthropic()],
        [ANTHROPIC_READ],
        True,
    ),
    (
        "langgraph's updates",
        [{"agent": {"messages": [{"type": "ai", "id": n, "usage_metadata": LANGCHAIN}]}} for n in ("1", "2")],
        [LANGCHAIN_READ, LANGCHAIN_READ],
        False,
    ),
]


@pytest.mark.parametrize(("chunks", "usages", "complete"), [x[1:] for x in STREAMS], ids=[x[0] for x in STREAMS])
def test_streams(chunks: Any, usages: Any, complete: bool) -> None:
    for form in (chunks, [as_object(chunk) for chunk in chunks]):
        stream = read(form)
        assert [reading.usage for reading in stream.readings()] == usages
        assert stream.complete == complete


@pytest.mark.parametrize(("chunks", "usages", "complete"), [x[1:] for x in MAPPINGS], ids=[x[0] for x in MAPPINGS])
def test_streams_of_dictionaries(chunks: Any, usages: Any, complete: bool) -> None:
    stream = read(chunks)
    assert [reading.usage for reading in stream.readings()] == usages
    assert stream.complete == complete


@pytest.mark.parametrize(
    ("chunks", "reading"),
    [
        (
            [text(id="1", model="gpt-5", service_tier="flex"), stop(id="1"), last(id="1", service_tier="flex")],
            Reading("1", CHAT_READ, "gpt-5", "flex"),
        ),
        (anthropic(), Reading("msg_1", ANTHROPIC_READ, "claude")),
        (responses(model="gpt-5", service_tier="priority"), Reading("resp_1", RESPONSES_READ, "gpt-5", "priority")),
        (
            [{"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2}, "serviceTier": {"type": "flex"}}}],
            Reading(None, Usage(5, 2), None, "flex"),
        ),
    ],
)
def test_what_a_stream_says_beside_its_tokens(chunks: Any, reading: Reading) -> None:
    (found,) = read(chunks).readings()
    assert found._replace(key=None) == reading._replace(key=None)
    assert reading.key in (None, found.key)


@pytest.mark.parametrize(
    "chunk",
    [
        "a",
        b"a",
        text(),
        {"choices": [{"delta": {"reasoning_content": "a"}}]},
        {"choices": [{"delta": {"content": None, "tool_calls": [{"index": 0}]}}]},
        {"choices": [{"delta": {"audio": {"data": "a"}}}]},
        {"choices": [{"text": "a"}]},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta"}},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "search"}},
        {"type": "response.output_text.delta", "delta": "a"},
        {"type": "response.function_call_arguments.delta", "delta": "a"},
        {"type": "AIMessageChunk", "content": "a"},
        {"type": "AIMessageChunk", "content": "", "tool_call_chunks": [{"name": "search"}]},
        {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
        {"message": {"content": "a"}, "done": False},
        {"response": "a", "done": False},
        {"contentBlockDelta": {"delta": {"text": "a"}}},
        {"type": "content-delta"},
        {"event_kind": "part_start"},
        {"anything": "else"},
        object(),
    ],
)
def test_what_is_a_token(chunk: Any) -> None:
    assert read([chunk]).has_token


@pytest.mark.parametrize(
    "chunk",
    [
        "",
        None,
        text("", id="1"),
        {"choices": [{"delta": {"role": "assistant", "content": "", "tool_calls": None}}]},
        last(),
        {"choices": [], "prompt_filter_results": []},
        {"type": "message_start", "message": {"usage": ANTHROPIC}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "response.created", "response": {"id": "1"}},
        {"type": "AIMessageChunk", "content": ""},
        {"type": "AIMessageChunk", "content": []},
        {"usage_metadata": GEMINI, "candidates": [{"content": {"parts": None}}]},
        {"usage_metadata": GEMINI, "candidates": None},
        {"message": {"role": "assistant", "content": ""}, "done": False},
        {"messageStart": {"role": "assistant"}},
        {"type": "message-start"},
        {"messages": [{"type": "human"}]},
        {"event": "on_chat_model_start", "data": {}},
        {"type": "agent_updated_stream_event", "new_agent": {}},
    ],
)
def test_what_is_no_token(chunk: Any) -> None:
    assert not read([chunk]).has_token


def test_a_failure_that_came_as_an_answer() -> None:
    failed = {"object": "response", "status": "failed", "error": {"code": "server_error"}}
    stream = read([{"type": "response.created", "response": {}}, {"type": "response.failed", "response": failed}])
    assert [reading.failure for reading in stream.readings()] == ["server_error"] and stream.complete
    stream = read([anthropic()[0], {"type": "error", "error": {"type": "overloaded_error"}}])
    assert [reading.failure for reading in stream.readings()] == ["overloaded_error"]
    # An event of the agent's own.
    assert read([{"type": "error", "code": "x"}]).readings() == []


class UnreportedUsage(SimpleNamespace):
    """As LiteLLM's, of a stream whose provider sent no usage."""


@pytest.mark.parametrize(("kind", "usage"), [(SimpleNamespace, CHAT_READ), (UnreportedUsage, None)])
def test_litellm_tells_what_it_was_not_asked_for(kind: Any, usage: Any) -> None:
    chunk = as_object(stop(id="1"))
    chunk._hidden_params = {"usage": kind(**{name: as_object(value) for name, value in CHAT.items()})}
    assert [reading.usage for reading in read([text(id="1"), chunk]).readings()] == [usage]
