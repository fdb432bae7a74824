"""What a call needs of its monitor."""

from __future__ import annotations

from typing import Protocol

from .metrics import LLMCallMetrics

__all__ = ["Recorder"]


class Recorder(Protocol):
    """What a call needs of its monitor."""

    def record_metric(self, metrics: LLMCallMetrics) -> None: ...

    def _record_start(self, metrics: LLMCallMetrics) -> None: ...

    def _new_id(self) -> str: ...

    def _defect(self, error: BaseException) -> None: ...

    def _ended_without_usage(self, agent_name: str) -> None: ...
