"""Counts the LLM calls of an agent: tokens, cost, latency, memory and errors, as Prometheus metrics of llm-exporter.

::

    from llm_exporter import monitor_llm_call

    @monitor_llm_call("ReviewerGPT", "openai", "gpt-4o-mini")
    def review(diff):
        return client.chat.completions.create(...)

Nothing here blocks the agent or raises into it. `LLMMonitor` says how, and where the exporter is looked for.
"""

from __future__ import annotations

from ._version import VERSION as __version__
from .call import CallMonitor, LLMCall, observe
from .metrics import LLMCallMetrics
from .monitor import LLMMonitor, default_monitor, monitor_llm_call
from .sending.statistics import Statistics

__all__ = [
    "CallMonitor",
    "LLMCall",
    "LLMCallMetrics",
    "LLMMonitor",
    "Statistics",
    "__version__",
    "default_monitor",
    "monitor_llm_call",
    "observe",
]
