"""A monitor that keeps what it would send, and the answers and streams that the tests of calls use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

from llm_exporter import CallMonitor, LLMCallMetrics, LLMMonitor

CHUNKS: list[Any] = [
    {"choices": [{"delta": {"content": "a"}, "finish_reason": None}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
]
ANSWER = {"usage": {"prompt_tokens": 10, "completion_tokens": 5}}
SUCCESS = ("success", None, 10, 5)


class Recorded(LLMMonitor):
    """A monitor that keeps what it would send."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.starts: list[LLMCallMetrics] = []
        self.ends: list[LLMCallMetrics] = []
        self.without_usage: list[str] = []

    def record_metric(self, metrics: LLMCallMetrics) -> None:
        self.ends.append(metrics)

    def _record_start(self, metrics: LLMCallMetrics) -> None:
        self.starts.append(metrics)

    def _ended_without_usage(self, agent_name: str) -> None:
        self.without_usage.append(agent_name)

    @property
    def call(self) -> CallMonitor:
        return self.monitor_llm_call("A", "openai", "gpt")

    @property
    def end(self) -> LLMCallMetrics:
        gc.collect()
        assert len(self.starts) == len(self.ends) == 1
        assert self.starts[0].id == self.ends[0].id
        return self.ends[0]


def outcome(monitor: Recorded) -> tuple[Any, ...]:
    end = monitor.end
    return end.status, end.error_type, end.input_tokens, end.output_tokens


class Stream:
    """As openai and anthropic build theirs."""

    def __init__(self, chunks: list[Any]) -> None:
        self._iterator = self._chunks(chunks)
        self.closed = False

    @staticmethod
    def _chunks(chunks: list[Any]) -> Iterator[Any]:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def __iter__(self) -> Iterator[Any]:
        yield from self._iterator

    def __next__(self) -> Any:
        return next(self._iterator)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True

    def until_done(self) -> None:
        for _ in self:
            pass
