"""The model server, for agents: a question with tools gets the call of the first tool, and its result gets the text.

Both answers report usage of their own, so that a sum shows whether each was counted once:

- The text: 1200 tokens in, of which 1024 were cached; 34 out, of which 10 were reasoning. Anthropic: 176 in beside 1024
  read and 512 written, 400 of which are kept for an hour; 34 out.
- The call of a tool: 300 in, 7 out.

Beside the models of `ModelServer`, ``tool-boom-NNN`` and ``tool-slow`` fail or wait once they have the result of a
tool, ``paced`` waits 0.2 s for the first piece of a stream and 0.1 s between the pieces, ``stalls`` does not go on for
a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_server import ModelServer, examples

CALLS_TOOL = {"input_tokens": 300, "output_tokens": 7, "pieces": []}


class AgentModels(ModelServer):
    def answer(self, path: str, asked: Any) -> Any:
        model = asked["model"]
        wants_tool = bool(asked.get("tools")) and not _has_result(asked)
        fails = model.startswith("boom-") or (model.startswith("tool-boom-") and not wants_tool)
        answer = examples.Answer(
            ["Hel", "lo"],
            input_tokens=1200,
            cache_read_tokens=1024,
            output_tokens=34,
            reasoning_tokens=10,
            status=int(model[-3:]) if fails else 200,
            breaks=model == "broken",
        )
        if path.endswith("/messages"):
            answer.input_tokens, answer.cache_write_tokens, answer.reasoning_tokens = 1712, 512, 0
        if wants_tool:
            answer = examples.Answer(**CALLS_TOOL, status=answer.status)
        answer.delay = {"slow": 1.0, "paced": 0.2, "tool-slow": 0.0 if wants_tool else 1.0}.get(model, 0.0)
        answer.pause = {"stalls": 1.0, "paced": 0.1}.get(model, 0.0)
        return answer


def _has_result(asked: Any) -> bool:
    last = (asked.get("messages") or asked["input"])[-1]
    if last in ({}, "") or isinstance(last, str):
        return False
    content = last.get("content")
    is_anthropic = isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)
    return is_anthropic or last.get("role") == "tool" or last.get("type") == "function_call_output"


def _tool(asked: Any) -> str:
    tool = asked["tools"][0]
    return str(tool.get("function", tool)["name"])


def chat(asked: Any, answer: Any) -> Any:
    whole = examples.chat(asked, answer)
    if not answer.pieces:
        function = {"name": _tool(asked), "arguments": "{}"}
        message: Any = {"role": "assistant", "content": None}
        message["tool_calls"] = [{"id": examples.new_id("call"), "type": "function", "function": function}]
        whole["choices"] = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    return whole


def chat_stream(asked: Any, answer: Any) -> Iterator[Any]:
    for event in examples.chat_stream(asked, answer):
        if answer.pieces or event == "[DONE]" or not event["choices"]:
            yield event
            continue
        # The end of a stream without pieces.
        function = {"name": _tool(asked), "arguments": ""}
        call: Any = {"index": 0, "id": examples.new_id("call"), "type": "function", "function": function}
        deltas = [{"role": "assistant", "content": None, "tool_calls": [call]}]
        deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
        for delta in deltas:
            yield {**event, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**event, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def response(asked: Any, answer: Any) -> Any:
    whole = examples.response(asked, answer)
    if not answer.pieces:
        whole["output"] = [{**_call_item(asked), "arguments": "{}", "status": "completed"}]
    return whole


def _call_item(asked: Any) -> dict[str, Any]:
    item = {"type": "function_call", "id": "fc_1", "call_id": examples.new_id("call"), "name": _tool(asked)}
    return {**item, "arguments": "", "status": "in_progress"}


def response_stream(asked: Any, answer: Any) -> Iterator[Any]:
    if answer.pieces:
        for event in examples.response_stream(asked, answer):
            yield event
            if answer.breaks and event["type"] == "response.output_text.delta":
                yield {"type": "error", "sequence_number": 9, "code": "server_error", "message": "broken"}
                return
        return
    begun, done = examples.response(asked, answer, "in_progress"), response(asked, answer)
    (item,) = done["output"]
    place = {"item_id": "fc_1", "output_index": 0}
    events: list[Any] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "delta": "{}", **place},
        {"type": "response.function_call_arguments.done", "arguments": "{}", "name": item["name"], **place},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {**done, "id": begun["id"]}},
    ]
    for number, event in enumerate(events):
        yield {"sequence_number": number, **event}


def message(asked: Any, answer: Any) -> Any:
    whole = examples.message(asked, answer)
    if answer.pieces:
        whole["usage"]["cache_creation"] = {"ephemeral_5m_input_tokens": 112, "ephemeral_1h_input_tokens": 400}
    else:
        block = {"type": "tool_use", "id": examples.new_id("toolu"), "name": _tool(asked), "input": {}}
        whole.update(content=[block], stop_reason="tool_use")
    return whole


def message_stream(asked: Any, answer: Any) -> Iterator[Any]:
    whole = message(asked, answer)
    for event in examples.message_stream(asked, answer):
        if event["type"] == "message_start":
            event["message"]["usage"] = {**whole["usage"], "output_tokens": 1}
        if event["type"] == "content_block_start" and not answer.pieces:
            yield {**event, "content_block": whole["content"][0]}
            event.pop("content_block")
            yield {**event, "type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}}
            continue
        if event["type"] == "message_delta":
            event["delta"]["stop_reason"] = whole["stop_reason"]
        yield event


DIALECTS = {
    "/chat/completions": (chat, chat_stream, examples.openai_error),
    "/responses": (response, response_stream, examples.openai_error),
    "/messages": (message, message_stream, examples.anthropic_error),
}
