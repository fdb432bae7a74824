"""How Google's Gemini and Amazon's Bedrock say what the model server answers."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from example import examples
from more_dialects import ARGUMENTS, has_all_kinds, message, message_stream, tool

# Gemini, as in ai.google.dev/api/generate-content


def content(asked: Any, answer: Any) -> Any:
    name = tool(asked)
    part = {"functionCall": {"name": name, "args": json.loads("".join(ARGUMENTS))}} if name else {"text": answer.text}
    return _candidate(asked, answer, [part], "STOP")


def content_stream(asked: Any, answer: Any) -> Iterator[Any]:
    """First the thoughts. The usage so far is in each chunk."""
    name = tool(asked)
    yield _candidate(asked, answer, [{"text": "Hm", "thought": True}], output_tokens=0)
    first, *rest = answer.pieces
    yield _candidate(asked, answer, [{"text": first}], output_tokens=2)
    if answer.breaks:
        yield gemini_error(500)
        return
    if name:
        call = {"functionCall": {"name": name, "args": json.loads("".join(ARGUMENTS))}}
        yield _candidate(asked, answer, [call], "STOP")
        return
    for piece in rest:
        yield _candidate(asked, answer, [{"text": piece}], "STOP" if piece is rest[-1] else None)


def _candidate(asked: Any, answer: Any, parts: Any, finish_reason: Any = None, output_tokens: Any = None) -> Any:
    if output_tokens is None:
        output_tokens = answer.output_tokens - answer.reasoning_tokens
    usage = {
        "promptTokenCount": answer.input_tokens,
        "cachedContentTokenCount": answer.cache_read_tokens,
        "candidatesTokenCount": output_tokens,
        "thoughtsTokenCount": answer.reasoning_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        "trafficType": "ON_DEMAND",
    }
    candidate: Any = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    if has_all_kinds(asked):
        usage.update(
            toolUsePromptTokenCount=60,
            promptTokensDetails=[
                {"modality": "TEXT", "tokenCount": answer.input_tokens - 50},
                {"modality": "AUDIO", "tokenCount": 50},
            ],
            cacheTokensDetails=[{"modality": "TEXT", "tokenCount": answer.cache_read_tokens}],
            candidatesTokensDetails=[{"modality": "TEXT", "tokenCount": output_tokens}],
            trafficType="ON_DEMAND_PRIORITY",
        )
        candidate["groundingMetadata"] = {"webSearchQueries": ["one", "two", "one"]}
    answer.id = getattr(answer, "id", None) or examples.new_id("g")  # one for all chunks of an answer
    counts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
    usage["totalTokenCount"] = sum(usage.get(name, 0) for name in counts)
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": asked["model"], "responseId": answer.id}


def gemini_error(status: int) -> Any:
    word = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED"}.get(status, "INTERNAL")
    return {"error": {"code": status, "message": f"this is {word}, made for you", "status": word}}


# Bedrock, as in docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html


def converse(asked: Any, answer: Any) -> Any:
    name = tool(asked)
    call = {"toolUseId": "t1", "name": name, "input": json.loads("".join(ARGUMENTS))}
    blocks = [{"toolUse": call} if name else {"text": answer.text}]
    return {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": "tool_use" if name else "end_turn",
        **_metadata(asked, answer),
    }


def converse_stream(asked: Any, answer: Any) -> Iterator[bytes]:
    name = tool(asked)
    yield _event("messageStart", {"role": "assistant"})
    if name:
        start = {"toolUse": {"toolUseId": "t1", "name": name}}
        yield _event("contentBlockStart", {"contentBlockIndex": 0, "start": start})
    for piece in ARGUMENTS if name else answer.pieces:
        delta = {"toolUse": {"input": piece}} if name else {"text": piece}
        yield _event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})
        if answer.breaks:
            yield _event("modelStreamErrorException", {"message": "broken"}, "exception")
            return
    yield _event("contentBlockStop", {"contentBlockIndex": 0})
    yield _event("messageStop", {"stopReason": "tool_use" if name else "end_turn"})
    yield _event("metadata", _metadata(asked, answer))


def _metadata(asked: Any, answer: Any) -> Any:
    usage = {
        "inputTokens": answer.input_tokens - answer.cache_read_tokens - answer.cache_write_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens,
        "cacheReadInputTokens": answer.cache_read_tokens,
        "cacheWriteInputTokens": answer.cache_write_tokens,
    }
    metadata: Any = {"usage": usage, "metrics": {"latencyMs": 1}}
    if has_all_kinds(asked):
        usage["cacheDetails"] = [{"ttl": "5m", "inputTokens": 112}, {"ttl": "1h", "inputTokens": 400}]
        metadata["serviceTier"] = {"type": "default"}
    return metadata


def invoke(asked: Any, answer: Any) -> Any:
    """A model's own answer: that of Anthropic's models."""
    return message(asked, answer)


def invoke_stream(asked: Any, answer: Any) -> Iterator[bytes]:
    for event in message_stream(asked, answer):
        yield _event("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})


def bedrock_error(status: int) -> Any:
    names = {429: "ThrottlingException", 400: "ValidationException", 408: "ModelTimeoutException"}
    return {"__type": names.get(status, "InternalServerException"), "message": "made for you"}


def _event(name: str, payload: Any, kind: str = "event") -> bytes:
    """A message of ``application/vnd.amazon.eventstream``: lengths, headers and payload, with two checksums."""
    texts = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in texts.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


DIALECTS = {
    ":generateContent": (content, content_stream, gemini_error),
    ":streamGenerateContent": (content, content_stream, gemini_error),
    "/converse": (converse, converse_stream, bedrock_error),
    "/converse-stream": (converse, converse_stream, bedrock_error),
    "/invoke": (invoke, invoke_stream, bedrock_error),
    "/invoke-with-response-stream": (invoke, invoke_stream, bedrock_error),
}
