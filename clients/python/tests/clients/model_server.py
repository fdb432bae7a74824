"""A provider that answers offline, in the dialects of OpenAI and Anthropic, always with the same usage.

OpenAI: 1200 tokens in, of which 1024 were cached; 34 out, of which 10 were reasoning. Anthropic: 176 in beside 1024
read from and 512 written to its cache; 34 out. A model ``boom-NNN`` is answered with that HTTP status, ``slow`` after a
second, ``broken`` with a stream that ends in an error.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import Any

CHAT_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 34,
    "total_tokens": 1234,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 0},
}
RESPONSES_USAGE = {
    "input_tokens": 1200,
    "output_tokens": 34,
    "total_tokens": 1234,
    "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 10},
}
ANTHROPIC_USAGE = {
    "input_tokens": 176,
    "cache_creation_input_tokens": 512,
    "cache_read_input_tokens": 1024,
    "output_tokens": 34,
}
ANTHROPIC_INPUT = 176 + 512 + 1024


class ModelServer:
    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model = str(asked["model"])
                if model.startswith("boom-"):
                    error = {"type": "error", "error": {"type": "api_error", "message": "boom", "code": None}}
                    self._answer(int(model[5:8]), error)
                    return
                if model == "slow":
                    time.sleep(1.0)
                if self.path.endswith("/chat/completions"):
                    self._either(asked, chat(model), chat_stream(model, asked))
                elif self.path.endswith("/responses"):
                    self._either(asked, response(model), response_stream(model))
                elif self.path.endswith("/messages"):
                    self._either(asked, message(model), message_stream(model))
                else:
                    self._answer(404, {})

            def _either(self, asked: Any, whole: Any, stream: Any) -> None:
                if not asked.get("stream"):
                    self._answer(200, whole)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    for event in stream:
                        if isinstance(event, dict) and "type" in event:
                            self.wfile.write(f"event: {event['type']}\n".encode())
                        text = event if isinstance(event, str) else json.dumps(event)
                        self.wfile.write(f"data: {text}\n\n".encode())
                except OSError:
                    pass  # the reader had enough
                self.close_connection = True

            def _answer(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def chat(model: str) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": model}
    return {**head, "choices": [choice], "usage": CHAT_USAGE}


def chat_stream(model: str, asked: Any) -> Any:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": model}
    yield {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}]}
    if model == "broken":
        yield {"error": {"message": "broken", "type": "server_error"}}
        return
    yield {**head, "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": CHAT_USAGE}
    yield "[DONE]"


def response(model: str, status: str = "completed") -> Any:
    text = {"type": "output_text", "text": "Hello", "annotations": []}
    output = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "model": model,
        "status": status,
        "output": [output],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
    }


def response_stream(model: str) -> Any:
    yield {
        "type": "response.created",
        "sequence_number": 0,
        "response": {**response(model, "in_progress"), "usage": None},
    }
    yield {
        "type": "response.output_text.delta",
        "sequence_number": 1,
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hello",
        "logprobs": [],
    }
    yield {"type": "response.completed", "sequence_number": 2, "response": response(model)}


def message(model: str) -> Any:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": ANTHROPIC_USAGE,
    }


def message_stream(model: str) -> Any:
    started = {**message(model), "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
    yield {"type": "message_start", "message": started}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
    if model == "broken":
        yield {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 34},
    }
    yield {"type": "message_stop"}
