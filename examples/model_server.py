#!/usr/bin/env python3
"""A model provider that answers offline, as OpenAI (chat completions, responses) and Anthropic (messages) do.

    python examples/model_server.py [--port 10141] [--steady] [--log FILE]

It sends whole answers and streams, with token usage that follows from the prompt: cached if its beginning was seen
before, with reasoning if the model reasons. In each twenty calls to a model the second is refused by a rate limit, the
fourth fails, and the sixth takes too long; with --steady all succeed. The same calls in the same order get the same
answers. --log writes a line of JSON for each call, as a provider's bill would list it.
"""

import argparse
import dataclasses
import http.server
import json
import random
import re
import select
import socket
import threading
import time

WORDS = ["the", "change", "keeps", "each", "caller", "as", "it", "was", "and", "moves", "one", "check", "to", "tests"]
#: OpenAI caches the beginnings of prompts from here on, in steps.
LEAST_CACHED, CACHE_STEP = 1024, 128
REASONING_MODEL = re.compile(r"o[0-9]|gpt-5")
SLOW_SECONDS = 20.0


@dataclasses.dataclass
class Answer:
    """The answer to one call. Tokens as the exporter counts them: input includes cached ones, output reasoning."""

    pieces: list
    """The parts of the text: a stream sends them one by one."""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    status: int = 200
    delay: float = 0.0
    """Seconds to the answer, or to a stream's first piece."""
    pause: float = 0.0
    """Seconds between the pieces of a stream."""
    breaks: bool = False
    """Whether the stream ends in an error, after its first piece."""

    @property
    def text(self):
        return "".join(self.pieces)


class ModelServer:
    """Serves on a thread of its own, from the moment it is made until it is closed."""

    def __init__(self, port=0, steady=False, log=None):
        self.steady = steady
        self.calls = []
        """The calls and their answers, in the order in which they ended; see `Handler.note`."""
        self._log = log
        self._lock = threading.Lock()
        self._counts = {}
        self._seen = set()
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.models = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def note(self, call):
        with self._lock:
            self.calls.append(call)
            if self._log is not None:
                self._log.write(json.dumps(call) + "\n")
                self._log.flush()

    def answer(self, path, asked):
        """Decides what a call gets: all that is not the form of a message."""
        model = asked["model"]
        with self._lock:
            count = self._counts[model] = self._counts.get(model, 0) + 1
            read, write, rest = self._prompt(path, asked)
        chance = random.Random(f"{model} {count}")
        words = chance.randint(25, 90)
        pieces = [f"{chance.choice(WORDS)} " for _ in range(words)]
        reasoning = 64 * chance.randint(2, 12) if REASONING_MODEL.match(model) else 0
        answer = Answer(
            pieces,
            input_tokens=read + write + rest,
            cache_read_tokens=read,
            cache_write_tokens=write,
            output_tokens=reasoning + words * 4 // 3,
            reasoning_tokens=reasoning,
            delay=chance.uniform(0.05, 0.3) + reasoning / 4000,
            pause=0.004,
        )
        if not self.steady:
            fault = count % 20
            if fault == 2:
                answer.status = 429
            elif fault == 4:
                answer.status = 529 if path.endswith("/messages") else 500
            elif fault == 6:
                answer.delay = SLOW_SECONDS
        return answer

    def _prompt(self, path, asked):
        """The tokens of a prompt: read from the cache, written to it, and neither. Four characters make a token."""
        if path.endswith("/messages"):  # Anthropic's cache holds what is marked, and no more
            blocks = asked.get("system") or []
            marked = json.dumps([b for b in blocks if isinstance(b, dict) and "cache_control" in b])
            beginning = len(marked) // 4 if len(marked) > 2 else 0
            whole = max(1, len(json.dumps([blocks, asked["messages"]])) // 4 - beginning)
            return (*self._cached((asked["model"], marked), beginning, write=beginning), whole)
        messages = asked.get("messages") or [asked.get("instructions") or "", asked.get("input") or ""]
        first = json.dumps(messages[0])
        beginning = len(first) // 4 // CACHE_STEP * CACHE_STEP
        if beginning < LEAST_CACHED:
            beginning = 0
        read, _ = self._cached((asked["model"], first), beginning, write=0)
        return read, 0, max(1, len(json.dumps(messages)) // 4 - read)

    def _cached(self, beginning, tokens, write):
        if beginning in self._seen:
            return tokens, 0
        self._seen.add(beginning)
        return 0, write


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    models: "ModelServer"

    def handle_error(self, *_):
        pass  # a caller that left


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    stream_type = "text/event-stream"

    def do_POST(self):
        asked = self.asked()
        dialect = next((d for end, d in DIALECTS.items() if self.path.endswith(end)), None)
        if dialect is None:
            self.send(404, {"error": {"message": f"nothing is served at {self.path}"}})
            return
        whole, stream, error = dialect
        answer = self.server.models.answer(self.path, asked)
        if not self.waited(answer.delay):
            self.note(asked, answer, "abandoned")
        elif answer.status != 200:
            # Noted before it is sent, here and below: a caller that has the answer finds it in the log.
            self.note(asked, answer, "failed")
            self.send(answer.status, error(answer.status))
        elif asked.get("stream"):
            self.send_stream(asked, answer, stream(asked, answer))
        else:
            self.note(asked, answer, "answered")
            self.send(200, whole(asked, answer))

    def asked(self):
        """The request."""
        self.path = self.path.partition("?")[0]  # Anthropic's clients add ?beta=true
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def waited(self, seconds):
        """Waits, and returns whether the caller did: one that gave up has closed its connection."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        try:
            left = bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            left = True
        self.close_connection = self.close_connection or left
        return not left

    def note(self, asked, answer, outcome):
        told = not asked.get("stream") or asked.get("stream_options", {}).get("include_usage")
        self.server.models.note(
            {
                "path": self.path,
                "model": asked["model"],
                "outcome": outcome,
                "status": answer.status,
                "stream": bool(asked.get("stream")),
                "usage_told": bool(told or not self.path.endswith("/chat/completions")),
                **{k: v for k, v in vars(answer).items() if k.endswith("_tokens")},
            }
        )

    def send(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("request-id", new_id("req"))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(content)

    def send_stream(self, asked, answer, events):
        self.send_response(200)
        self.send_header("Content-Type", self.stream_type)
        self.send_header("Connection", "close")
        self.send_header("request-id", new_id("req"))
        self.end_headers()
        self.close_connection = True
        outcome = "broken" if answer.breaks else "answered"
        try:
            for event in events:
                if isinstance(event, str):  # OpenAI's last word
                    self.note(asked, answer, outcome)
                    outcome = ""  # noted
                if not self.waited(answer.pause):
                    raise ConnectionError
                self.wfile.write(self.encoded(event))
        except OSError:
            outcome = outcome and "abandoned"
        if outcome:
            self.note(asked, answer, outcome)

    def encoded(self, event):
        """An event of a stream, as it is sent."""
        lines = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
        text = event if isinstance(event, str) else json.dumps(event)
        return f"{lines}data: {text}\n\n".encode()

    def log_message(self, *_):
        pass


# OpenAI, chat completions: platform.openai.com/docs/api-reference/chat


def chat(asked, answer):
    choice = {"index": 0, "message": {"role": "assistant", "content": answer.text}, "finish_reason": "stop"}
    return {**chat_head("chat.completion", asked), "choices": [choice], "usage": chat_usage(answer)}


def chat_head(kind, asked):
    return {"id": new_id("chatcmpl"), "object": kind, "created": int(time.time()), "model": asked["model"]}


def chat_usage(answer):
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens, "audio_tokens": 0},
    }


def chat_stream(asked, answer):
    head = chat_head("chat.completion.chunk", asked)
    delta = {"role": "assistant"}
    for piece in answer.pieces:
        yield {**head, "choices": [{"index": 0, "delta": {**delta, "content": piece}, "finish_reason": None}]}
        delta = {}
        if answer.breaks:
            yield {"error": {"message": "broken", "type": "server_error"}}
            return
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if asked.get("stream_options", {}).get("include_usage"):
        yield {**head, "choices": [], "usage": chat_usage(answer)}
    yield "[DONE]"


# OpenAI, responses: platform.openai.com/docs/api-reference/responses


def response(asked, answer, status="completed"):
    usage = {
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "input_tokens_details": {"cached_tokens": answer.cache_read_tokens, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "model": asked["model"],
        "status": status,
        "output": [output_item(answer)] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage if status == "completed" else None,
    }


def output_item(answer):
    text = {"type": "output_text", "text": answer.text, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}


def response_stream(asked, answer):
    item, begun = output_item(answer), response(asked, answer, "in_progress")
    place = {"item_id": "msg_1", "content_index": 0}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "item": {**item, "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", "part": {**item["content"][0], "text": ""}, **place},
        *({"type": "response.output_text.delta", "delta": piece, "logprobs": [], **place} for piece in answer.pieces),
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {**response(asked, answer), "id": begun["id"]}},
    ]
    for number, event in enumerate(events):
        output = {"output_index": 0} if "response" not in event else {}
        yield {"sequence_number": number, **output, **event}


def openai_error(status):
    kind = "rate_limit_exceeded" if status == 429 else "server_error"
    return {"error": {"message": f"this is a {kind}, made for you", "type": kind, "param": None, "code": kind}}


# Anthropic, messages: docs.anthropic.com/en/api/messages


def message(asked, answer):
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.input_tokens - answer.cache_read_tokens - answer.cache_write_tokens,
            "cache_creation_input_tokens": answer.cache_write_tokens,
            "cache_read_input_tokens": answer.cache_read_tokens,
            "output_tokens": answer.output_tokens,
        },
    }


def message_stream(asked, answer):
    begun = message(asked, answer)
    begun.update(content=[], stop_reason=None, usage={**begun["usage"], "output_tokens": 1})
    yield {"type": "message_start", "message": begun}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for piece in answer.pieces:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        if answer.breaks:
            yield {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            return
    yield {"type": "content_block_stop", "index": 0}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": message(asked, answer)["usage"]}
    yield {"type": "message_stop"}


def anthropic_error(status):
    kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": f"this is a {kind}, made for you"}}


def new_id(prefix):
    return f"{prefix}-{random.getrandbits(64):016x}"


#: By the end of a path: the whole answer, the events of a stream, an error.
DIALECTS = {
    "/chat/completions": (chat, chat_stream, openai_error),
    "/responses": (response, response_stream, openai_error),
    "/messages": (message, message_stream, anthropic_error),
}


def main():
    parser = argparse.ArgumentParser(description="A model provider that answers offline.")
    parser.add_argument("--port", type=int, default=10141, help="0 takes a free one")
    parser.add_argument("--steady", action="store_true", help="no rate limits, errors or slow answers")
    parser.add_argument("--log", type=argparse.FileType("a"), metavar="FILE", help="a line of JSON for each call")
    options = parser.parse_args()
    models = ModelServer(options.port, options.steady, options.log)
    print(f"Models answer on {models.url}; Ctrl-C stops them.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        models.close()


if __name__ == "__main__":
    main()
