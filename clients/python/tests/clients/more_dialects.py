"""Answers that the model server of the examples leaves out: tools, every kind of token, searches, tiers, embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Optional

from example import examples

#: The arguments of a call of a tool, in the parts that a stream sends.
ARGUMENTS = ['{"text": "Hel', 'lo"}']
_RESULTS = ('"role": "tool"', '"function_call_output"', '"tool_result"', '"functionResponse"', '"toolResult"')


def tool(asked: Any) -> Optional[str]:
    """The tool that the answer calls: ``say``, if it is offered and the request has no result; or a chosen one."""
    tools = asked.get("tools") or asked.get("toolConfig", {}).get("tools") or []
    if not tools:
        return None
    first = tools[0]
    if "functionDeclarations" in first:
        first = first["functionDeclarations"][0]
    name = (first.get("function") or first.get("toolSpec") or first).get("name")
    is_chosen = isinstance(asked.get("tool_choice"), dict)
    return name if is_chosen or (name == "say" and not has_result(asked)) else None


def has_result(asked: Any) -> bool:
    return any(word in json.dumps(asked) for word in _RESULTS)


def arguments(asked: Any) -> list[str]:
    """The arguments of the call of a tool, in parts."""
    return ["{", "}"] if asked["model"] == "forgets" and not has_result(asked) else ARGUMENTS


def has_all_kinds(asked: Any) -> bool:
    return bool(asked["model"] == "all-kinds")


# OpenAI, chat completions


def chat(asked: Any, answer: Any) -> Any:
    body = _chat_kinds(asked, examples.chat(asked, answer))
    if name := tool(asked):
        function = {"name": name, "arguments": "".join(arguments(asked))}
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        body["choices"] = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    if asked["model"] == "long":
        body["choices"][0]["finish_reason"] = "length"
    return body


def chat_stream(asked: Any, answer: Any) -> Iterator[Any]:
    name, parts = tool(asked), iter(arguments(asked))
    for event in examples.chat_stream(asked, answer):
        if isinstance(event, dict) and "id" in event:
            _chat_kinds(asked, event)
            for choice in event["choices"] if name else ():
                if "content" in choice["delta"]:
                    function = {"arguments": next(parts)}
                    call: dict[str, Any] = {"index": 0, "function": function}
                    if "role" in choice["delta"]:
                        call.update(id="call_1", type="function", function={"name": name, **function})
                    choice["delta"] = {"tool_calls": [call]}
                elif choice["finish_reason"]:
                    choice["finish_reason"] = "tool_calls"
        yield event


def _chat_kinds(asked: Any, body: Any) -> Any:
    if has_all_kinds(asked) or asked["model"] == "priority":
        body["service_tier"] = "priority"
    if has_all_kinds(asked) and body.get("usage"):
        body["usage"]["prompt_tokens_details"]["audio_tokens"] = 50
        body["usage"]["completion_tokens_details"]["audio_tokens"] = 4
    return body


# OpenAI, responses


def response(asked: Any, answer: Any) -> Any:
    return _response_kinds(asked, examples.response(asked, answer))


def response_stream(asked: Any, answer: Any) -> Iterator[Any]:
    name, parts = tool(asked), iter(ARGUMENTS)
    for event in examples.response_stream(asked, answer):
        if "response" in event:
            _response_kinds(asked, event["response"])
        elif name and "part" in event:
            continue
        elif name and "delta" in event:
            event.update(type="response.function_call_arguments.delta", item_id="fc_1", delta=next(parts))
        elif name and "item" in event:
            event["item"] = _function_call(name)
        yield event
        if answer.breaks and "delta" in event:
            error = {"code": "server_error", "message": "broken", "param": None}
            yield {"type": "error", "sequence_number": 9, **error}
            return


def _function_call(name: str) -> Any:
    arguments = {"name": name, "arguments": "".join(ARGUMENTS)}
    return {"id": "fc_1", "call_id": "call_1", "type": "function_call", "status": "completed", **arguments}


def _response_kinds(asked: Any, body: Any) -> Any:
    if name := tool(asked):
        body["output"] = [_function_call(name)] if body["output"] else []
    if has_all_kinds(asked):
        body["service_tier"] = "priority"
        body["tools"] = [{"type": "web_search", "search_context_size": "low"}]
        search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
        actions = [{"type": "search", "query": "q"}, {"type": "open_page", "url": "http://127.0.0.1"}]
        body["output"] = [*({**search, "action": action} for action in actions), *body["output"]]
    return body


# OpenAI, embeddings


def embeddings(asked: Any, answer: Any) -> Any:
    tokens = answer.input_tokens
    return {
        "object": "list",
        "model": asked["model"],
        # In base 64, as the package asks for it.
        "data": [{"object": "embedding", "index": 0, "embedding": "AACAPw=="}],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


# Anthropic, messages


def message(asked: Any, answer: Any) -> Any:
    body = examples.message(asked, answer)
    if name := tool(asked):
        call = {"type": "tool_use", "id": "toolu_1", "name": name, "input": json.loads("".join(ARGUMENTS))}
        body.update(content=[call], stop_reason="tool_use")
    return _message_kinds(asked, body)


def message_stream(asked: Any, answer: Any) -> Iterator[Any]:
    name, parts = tool(asked), iter(ARGUMENTS)
    for event in examples.message_stream(asked, answer):
        if "message" in event:
            _message_kinds(asked, event["message"])
        elif event["type"] == "message_delta":
            _message_kinds(asked, event)
            # Anthropic repeats neither the lives of what it wrote nor the tier.
            event["usage"].pop("cache_creation", None)
            event["usage"].pop("service_tier", None)
            if name:
                event["delta"]["stop_reason"] = "tool_use"
        elif name and event["type"] == "content_block_start":
            event["content_block"] = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
        elif name and event["type"] == "content_block_delta":
            event["delta"] = {"type": "input_json_delta", "partial_json": next(parts)}
        yield event


def _message_kinds(asked: Any, body: Any) -> Any:
    if has_all_kinds(asked):
        body["usage"].update(
            cache_creation={"ephemeral_5m_input_tokens": 112, "ephemeral_1h_input_tokens": 400},
            server_tool_use={"web_search_requests": 2, "web_fetch_requests": 0},
            service_tier="standard",
        )
    return body


DIALECTS = {
    "/chat/completions": (chat, chat_stream, examples.openai_error),
    "/responses": (response, response_stream, examples.openai_error),
    "/embeddings": (embeddings, None, examples.openai_error),
    "/messages": (message, message_stream, examples.anthropic_error),
}
