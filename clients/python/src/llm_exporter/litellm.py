"""A logger for LiteLLM: each call that LiteLLM makes becomes a record.

::

    import litellm
    from llm_exporter.litellm import LiteLLMLogger

    litellm.callbacks = [LiteLLMLogger(agent_name="ReviewerGPT")]

It needs LiteLLM itself, which this package does not install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from .metrics import LLMCallMetrics
from .monitor import LLMMonitor, default_monitor
from .usage import Usage, read_usage

if TYPE_CHECKING:

    class CustomLogger:
        """Stands in for LiteLLM's class, which type checkers need not have."""

else:
    try:
        from litellm.integrations.custom_logger import CustomLogger
    except ModuleNotFoundError as error:
        if error.name == "litellm":
            message = "llm_exporter.litellm needs LiteLLM: pip install litellm"
        elif (error.name or "").startswith("litellm."):
            message = f"llm_exporter.litellm needs another version of LiteLLM: the installed one has no {error.name}"
        else:
            message = f"LiteLLM is installed but cannot be imported: {error}"
        raise ModuleNotFoundError(message, name=error.name) from error
    except ImportError as error:
        message = f"LiteLLM is installed but cannot be imported: {error}"
        raise ImportError(message, name=error.name, path=error.path) from error

__all__ = ["LiteLLMLogger"]


class LiteLLMLogger(CustomLogger):
    """Records each call that LiteLLM makes: plain or asynchronous, a success or a failure, a stream at its end.

    The agent is `agent_name` of the call's ``metadata`` (also in ``requester_metadata`` or ``spend_logs_metadata``), a
    tag ``agent:NAME``, the alias of its key, or `agent_name` here, else ``unknown``. Tokens and cost are LiteLLM's
    own. If LiteLLM knows no price, the cost is left out, and the exporter computes it.

    - `monitor`: where to record; the `default_monitor()` if left out.
    """

    def __init__(self, monitor: Optional[LLMMonitor] = None, agent_name: Optional[str] = None) -> None:
        super().__init__()
        self._monitor = monitor
        self._agent_name = agent_name

    # LiteLLM passes these by name.

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._record(kwargs, start_time, end_time, failed=False)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._record(kwargs, start_time, end_time, failed=True)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._record(kwargs, start_time, end_time, failed=False)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._record(kwargs, start_time, end_time, failed=True)

    def _record(self, kwargs: Any, start_time: Any, end_time: Any, failed: bool) -> None:
        monitor = self._monitor or default_monitor()
        try:
            monitor.record_metric(_metrics(kwargs, start_time, end_time, failed, self._agent_name))
        except Exception as error:
            monitor._defect(error)


def _metrics(kwargs: Any, start_time: Any, end_time: Any, failed: bool, agent_name: Optional[str]) -> LLMCallMetrics:
    said = _mapping(kwargs.get("standard_logging_object"))
    metadata = _mapping(said.get("metadata"))
    usage = _usage(said, metadata)
    if not failed and said.get("stream") and not (usage.input_tokens or usage.output_tokens):
        usage = Usage()  # 0 in a stream without usage means unknown
    return LLMCallMetrics(
        agent_name=_agent(kwargs, said, metadata) or agent_name or "unknown",
        provider=said.get("custom_llm_provider") or kwargs.get("custom_llm_provider") or "unknown",
        model=said.get("model") or kwargs.get("model") or "unknown",
        status="error" if failed else "success",
        error_type=_error_type(kwargs, said) if failed else None,
        cost_usd=_cost(said, failed, usage),
        latency_ms=_latency_ms(said, start_time, end_time),
        id=said.get("litellm_call_id") or kwargs.get("litellm_call_id"),
        **usage._asdict(),
    )


def _agent(kwargs: Any, said: Any, metadata: Any) -> Optional[str]:
    own = _mapping(_mapping(kwargs.get("litellm_params")).get("metadata"))
    for holder in (own, _mapping(metadata.get("requester_metadata")), _mapping(metadata.get("spend_logs_metadata"))):
        if isinstance(name := holder.get("agent_name"), str) and name:
            return name
    for tag in said.get("request_tags") or ():
        if isinstance(tag, str) and tag.startswith("agent:") and len(tag) > len("agent:"):
            return tag[len("agent:") :]
    alias = metadata.get("user_api_key_alias")
    return alias if isinstance(alias, str) and alias else None


def _usage(said: Any, metadata: Any) -> Usage:
    parts = read_usage({"usage": metadata.get("usage_object")}) or Usage()
    return parts._replace(
        input_tokens=said.get("prompt_tokens"), output_tokens=said.get("completion_tokens"), total_tokens=None
    )


def _cost(said: Any, failed: bool, usage: Usage) -> Any:
    cost = said.get("response_cost")
    if cost:
        return cost
    # LiteLLM reports 0 if it knows no price, and gives the reason beside it. A failed call that used nothing is free.
    unknown = said.get("response_cost_failure_debug_info") or said.get("zero_cost_diagnostic")
    used = usage.input_tokens or usage.output_tokens
    return None if unknown or (not failed and not used) else cost


def _error_type(kwargs: Any, said: Any) -> Optional[str]:
    error_class = _mapping(said.get("error_information")).get("error_class")
    if error_class:
        return str(error_class)
    exception = kwargs.get("exception")
    return str(type(exception).__name__) if exception is not None else None


def _latency_ms(said: Any, start_time: Any, end_time: Any) -> Optional[float]:
    # Not `response_time`: for a stream that is the time to the first token.
    begun, ended = said.get("startTime"), said.get("endTime")
    try:
        if begun is None or ended is None:
            begun, ended = start_time.timestamp(), end_time.timestamp()
        return float(round(max(0.0, ended - begun) * 1000.0, 3))
    except Exception:
        return None


def _mapping(value: Any) -> Any:
    return value if isinstance(value, dict) else {}
