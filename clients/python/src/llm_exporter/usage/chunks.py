"""Gathers the usage and the facts of a stream's requests from its chunks.

One stream may carry the answers of several requests: a generator that reads two streams in turn, an agent's run. A
chunk updates the counts of its answer, because providers send the totals so far; different answers add up. The ids of
the chunks, or the events that begin an answer, distinguish the answers. LangChain's chunks add up within an answer.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any, Optional

from .answers import answer_id, readings_of, usage_of
from .facts import failure, model_name, service_tier
from .fields import PLAIN, field, first_field, is_filled, items, members, package, text
from .first_token import has_chat_token, has_other_token
from .reading import Reading, Usage
from .tokens import tokens

__all__ = ["StreamUsage"]

_MAX_DEPTH = 4
_MAX_EVENT_BYTES = 1 << 20

# Anthropic's usage comes in parts, which make sense only together.
_ANTHROPIC_FIELDS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
    "iterations",
    "service_tier",
    "speed",
)


class _Request:
    """The facts gathered about one request."""

    def __init__(self) -> None:
        self.key: Hashable = object()
        """The id, if the chunks have one that no request before had."""
        self.has_id = False
        self.chunks = 0
        self.complete = False
        self.usage: Optional[Usage] = None
        self.parts: dict[str, Any] = {}
        self.reading = Reading(self.key)

    def note(self, reading: Reading) -> None:
        """Takes over what a chunk says, unless it says nothing."""
        if reading.usage is not None:
            self.usage = self.usage.updated(reading.usage) if self.usage else reading.usage
        known = self.reading
        self.reading = Reading(
            self.key,
            None,
            reading.response_model or known.response_model,
            reading.service_tier or known.service_tier,
            reading.failure or known.failure,
            reading.search_context_size or known.search_context_size,
        )


class StreamUsage:
    """The readings of a stream's chunks so far."""

    def __init__(self) -> None:
        self.has_token = False
        """Whether a chunk with a token (text, reasoning, a part of a tool call, audio) has come."""
        self._requests: list[_Request] = []
        self._by_id: dict[str, _Request] = {}
        self._renamed: list[_Request] = []
        self._now: Optional[_Request] = None
        self._parts = 0
        """The first request that no prediction of DSPy has the usage of."""

    @property
    def complete(self) -> bool:
        """Whether the provider has sent everything, for the last request: a reader that then stops misses nothing."""
        return self._now is not None and self._now.complete

    def add(self, chunk: Any) -> None:
        """Reads one chunk. Never fails."""
        try:
            self._add(chunk, _MAX_DEPTH)
        except Exception:
            pass

    def readings(self) -> list[Reading]:
        """One reading for each request whose chunks came, in their order."""
        requests = self._requests
        if len(requests) > 1:
            # Some servers give each chunk an id of its own, and some send one before they have an id.
            requests = [one for one in requests if one.chunks > 1 or one.usage or one.reading.failure] or requests[-1:]
        return [request.reading._replace(key=request.key, usage=request.usage) for request in requests]

    def _add(self, chunk: Any, depth: int) -> None:
        if type(chunk) in PLAIN:
            self.has_token = self.has_token or bool(chunk)
            return
        if depth == 0:
            return
        if issubclass(type(chunk), (list, tuple)):  # LangGraph's: the mode, the chunk, what is known of it
            for part in chunk[:16]:
                if type(part) not in PLAIN:
                    self._add(part, depth - 1)
            return
        look_in = members(chunk)
        choices = field(look_in, "choices")
        if issubclass(type(choices), (list, tuple)):
            self._add_chat(chunk, look_in, choices)
        elif not self._add_event(look_in, depth):
            self._add_other(chunk, look_in, depth)

    def _request(self, key: Optional[str], begins: bool = False) -> _Request:
        """The request that a chunk belongs to.

        - `key`: the chunk's id, if it has one.
        - `begins`: whether the chunk is the first of an answer, or has a token: none follows a complete answer.
        """
        now = self._now
        found = now if key is None else self._by_id.get(key)
        if found is not None and begins and found.complete and (found.usage is not None or key is not None):
            found = None
        if found is None and key is not None and now is not None and not now.has_id and not now.complete:
            found = now  # its first chunks had no id
        if found is None:
            found = _Request()
            self._requests.append(found)
        if key is not None and not found.has_id:
            found.has_id = True
            found.key = found.key if key in self._by_id else key
        if key is not None:
            self._by_id[key] = found
        self._now = found
        found.chunks += 1
        return found

    # Chat completions: OpenAI, LiteLLM, Groq, Mistral and many others.

    def _add_chat(self, original: Any, chunk: Any, choices: Any) -> None:
        first = members(choices[0]) if choices else None
        has_token = first is not None and has_chat_token(first)
        self.has_token = self.has_token or has_token
        key = answer_id(chunk)
        request = self._request(key, begins=has_token and key is None)
        found = usage_of(original) if first_field(chunk, "usage", "x_groq") is not None else None
        usage = found[1] if found else None
        ends = first is not None and is_filled(field(first, "finish_reason"))
        if ends:
            request.complete = True
            if usage is None:  # where LiteLLM has the usage if it was not asked for it
                usage = tokens(field(field(original, "_hidden_params"), "usage"))
        if ends or usage is not None or request.chunks == 1:
            tier = service_tier(chunk, found[0] if found else None)
            request.note(Reading(request.key, usage, model_name(chunk), tier))

    # Events that say what they are.

    def _add_event(self, chunk: Any, depth: int) -> bool:
        """Reads an event that is known by its name. False if the chunk is not such an event."""
        kind = text(chunk, "type", "event_type", "event_kind")
        if kind is None:
            return self._add_bedrock(chunk, depth) or self._add_callback(chunk)
        if kind.startswith(("message_", "content_block_")) or kind == "ping":
            self._add_anthropic(chunk, kind)
        elif kind.startswith(("response.", "interaction.")):
            self._add_response(chunk, kind)
        elif kind.startswith(("message-", "content-", "tool-", "citation-")):
            self._add_cohere(chunk, kind)
        elif field(chunk, "ns") is not None:  # LangGraph's second version: the mode, the graph, the chunk
            self._add(field(chunk, "data"), depth - 1)
        elif kind in _WRAPPERS:
            inner = field(chunk, _WRAPPERS[kind])
            if inner is None:
                return False
            self._add(inner, depth - 1)
        elif kind in _MESSAGES:
            self._add_langchain(chunk, is_whole=kind == "ai")
        elif kind == "error" and self._now is not None:
            error = first_field(chunk, "error") or chunk
            self._now.note(Reading(self._now.key, failure=text(error, "code", "type")))
        elif kind.endswith(".delta") or kind in ("part_start", "part_delta"):  # Gemini's interactions; Pydantic AI
            self.has_token = True
        elif not kind.endswith("_stream_event") and kind != "checkpoint":
            return False  # the others are what the Agents SDK and LangGraph say of their runs beside the chunks
        return True

    def _add_anthropic(self, chunk: Any, kind: str) -> None:
        message = field(chunk, "message")
        if kind == "message_start":
            request = self._request(answer_id(message), begins=True)
            usage = field(message, "usage")
            request.note(Reading(request.key, response_model=model_name(message)))
        else:
            request = self._request(None)
            usage = field(chunk, "usage") if kind == "message_delta" else None
            block = field(chunk, "content_block")
            is_call = block is not None and "tool_use" in (text(block, "type") or "")
            self.has_token = self.has_token or kind == "content_block_delta" or is_call
            request.complete = request.complete or kind == "message_stop"
        if usage is not None:
            usage = members(usage)
            for name in _ANTHROPIC_FIELDS:
                if (value := field(usage, name)) is not None:
                    request.parts[name] = value
            request.note(Reading(request.key, tokens(request.parts), None, service_tier(request.parts, None)))

    def _add_response(self, chunk: Any, kind: str) -> None:
        """OpenAI's responses, and Gemini's interactions."""
        self.has_token = self.has_token or kind.endswith(".delta")
        response = first_field(chunk, "response", "interaction")
        if response is None:
            self._request(None)
            return
        state = kind.rpartition(".")[2]
        request = self._request(answer_id(response), begins=state in ("created", "start"))
        for reading in readings_of(response):
            request.note(reading)
        request.note(Reading(request.key, response_model=model_name(response), failure=failure(response)))
        if state in ("completed", "complete", "incomplete", "failed", "done"):
            request.complete = True

    def _add_cohere(self, chunk: Any, kind: str) -> None:
        begins = kind == "message-start"
        request = self._request(answer_id(chunk) if begins else None, begins)
        self.has_token = self.has_token or kind.endswith("-delta") or kind == "tool-call-start"
        if kind == "message-end":
            request.complete = True
            request.note(Reading(request.key, tokens(field(field(chunk, "delta"), "usage"))))

    def _add_bedrock(self, chunk: Any, depth: int) -> bool:
        """Events of ``converse_stream``, and those of ``invoke_model``, whose bytes are the provider's own chunk."""
        if not isinstance(chunk, Mapping) or len(chunk) != 1:
            return False
        ((name, event),) = chunk.items()
        if name == "chunk":
            data = field(event, "bytes")
            if type(data) is not bytes or len(data) > _MAX_EVENT_BYTES:
                return False
            self._add(json.loads(data), depth - 1)
        elif name == "metadata" and field(event, "usage") is not None:
            request = self._request(None)
            request.complete = True
            request.note(Reading(request.key, tokens(event["usage"]), None, service_tier(event, None)))
        elif name in ("messageStart", "messageStop", "contentBlockStart", "contentBlockDelta", "contentBlockStop"):
            request = self._request(None, begins=name == "messageStart")
            self.has_token = self.has_token or name == "contentBlockDelta"
            request.complete = request.complete or name == "messageStop"
        else:
            return False
        return True

    # Frameworks.

    def _add_callback(self, chunk: Any) -> bool:
        """LangChain's ``astream_events``: each event of a model is repeated for all that is around it."""
        kind, event = text(chunk, "event"), field(chunk, "data")
        if kind is None or not kind.startswith("on_") or event is None:
            return False
        if kind in ("on_chat_model_stream", "on_chat_model_end"):
            message = members(first_field(event, "chunk", "output"))
            if text(message, "type") in _MESSAGES:
                # Not by the message's id: the chunks of one answer may have two.
                self._add_langchain(message, kind == "on_chat_model_end", text(chunk, "run_id"))
        return True

    def _add_langchain(self, message: Any, is_whole: bool, run: Optional[str] = None) -> None:
        key, metadata = run or answer_id(message), field(message, "response_metadata")
        if run is None and key is not None and key not in self._by_id and not is_whole:
            if key == text(metadata, "id"):
                # In OpenAI's responses, the first chunk and the whole message have the provider's id; the other chunks
                # have the run's.
                self._renamed.append(self._request(key))
            elif self._renamed:
                self._by_id[key] = self._renamed.pop(0)
        request = self._request(key)
        content = field(message, "content")
        reasoning = field(field(message, "additional_kwargs"), "reasoning_content")
        parts = (content, field(message, "tool_call_chunks"), reasoning)
        self.has_token = self.has_token or any(map(is_filled, parts))
        ended = first_field(metadata, "finish_reason", "stop_reason", "done_reason") is not None
        request.complete = request.complete or ended or is_whole or text(message, "chunk_position") == "last"
        found = usage_of(message)
        before = request.usage
        request.note(
            Reading(
                request.key,
                found[1] if found else None,
                model_name(message),
                service_tier(message, found[0] if found else None),
            )
        )
        if before is not None and found is not None and not is_whole:
            request.usage = before.adding(found[1])

    def _add_other(self, original: Any, chunk: Any, depth: int) -> None:
        """Reads chunks without a name: Gemini's, Ollama's, whole answers, and objects that hold any of these."""
        for name in ("message", "chunk", "raw"):  # LangChain's generations, LlamaIndex
            inner = field(chunk, name)
            is_event = name == "raw" and package(original) == "llama_index"
            if type(inner) not in PLAIN and (is_event or _is_chunk(inner)):
                self._add(inner, depth - 1)
                return
        # Google's Agent Development Kit repeats in its last event what the partial ones say.
        readings = [] if field(chunk, "partial") is True else readings_of(original)
        is_prediction = bool(readings) and package(original) == "dspy"
        if is_prediction:
            self._forget_parts()
        if not readings and type(inner := field(chunk, "data")) not in PLAIN and _is_chunk(inner):  # Mistral
            self._add(inner, depth - 1)
            return
        # The steps of runs begin before the first request.
        is_step = package(original) in _WITH_STEPS or field(chunk, "triggers") is not None  # the latter are LangGraph's
        has_token = not is_step and has_other_token(chunk, bool(readings))
        self.has_token = self.has_token or has_token
        is_last = (
            is_prediction
            or field(chunk, "done") is True
            or any(
                is_filled(first_field(candidate, "finish_reason", "finishReason"))
                for candidate in items(chunk, "candidates")
            )
        )
        if not readings and not is_last and not _is_chunk(chunk):
            return
        for reading in readings or [Reading(answer_id(chunk), None, model_name(chunk))]:
            key = reading.key if type(reading.key) is str else None
            request = self._request(key, begins=has_token and key is None)
            request.note(reading)
            request.complete = request.complete or is_last

    def _forget_parts(self) -> None:
        """Drops the usage of the chunks so far: a prediction of DSPy comes after them, with the usage of them all."""
        for request in self._requests[self._parts :]:
            request.usage = None
        self._parts = len(self._requests) + 1  # the prediction is a request of its own
        self._now = None


_WITH_STEPS = ("pydantic_ai", "pydantic_graph", "llama_index", "workflows")
_MESSAGES = ("ai", "AIMessageChunk")
# Events that only wrap a chunk: the name of the event, and where the chunk is.
_WRAPPERS = {
    "chunk": "chunk",  # openai's chat.completions.stream()
    "ChatGenerationChunk": "message",  # LangChain
    "ChatGeneration": "message",
    "raw_response_event": "data",  # the Agents SDK
    "agent_run_result": "result",  # Pydantic AI
    "task": "payload",  # LangGraph's debug mode
    "task_result": "payload",
    "stream-end": "response",  # Cohere's first API
}


def _is_chunk(chunk: Any) -> bool:
    """Whether `chunk` is a provider's, or an answer."""
    chunk = members(chunk)
    if text(chunk, "type") in _MESSAGES:
        return True
    names = ("choices", "usage", "usage_metadata", "usageMetadata", "prompt_eval_count", "candidates", "done")
    return any(field(chunk, name) is not None for name in names)
