"""The interface between a call and its monitor, so that neither module imports the other."""

from __future__ import annotations

from typing import Protocol

from .metrics import LLMCallMetrics

__all__ = ["Recorder"]


class Recorder(Protocol):
    """The part of a monitor that a call uses. No method waits, and `record_metric` never raises."""

    def record_metric(self, metrics: LLMCallMetrics) -> None:
        """Records the end of a call."""

    def _record_start(self, metrics: LLMCallMetrics) -> None:
        """Records its start."""

    def _new_id(self) -> str:
        """An id that no call of any process has."""

    def _defect(self, error: BaseException) -> None:
        """Logs an error of this package, which must not reach the agent."""

    def _ended_without_usage(self, agent_name: str) -> None:
        """Warns, once for each agent, that its calls end without token usage."""
