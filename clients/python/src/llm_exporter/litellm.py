"""A logger for LiteLLM: each call that LiteLLM makes becomes a record.

::

    import litellm
    from llm_exporter.litellm import LiteLLMLogger

    litellm.callbacks = [LiteLLMLogger(agent_name="ReviewerGPT")]

It needs LiteLLM itself, which this package does not install.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Optional

from .litellm_attempt import Attempt, log_what_litellm_holds
from .litellm_payload import metrics
from .monitor import LLMMonitor, default_monitor

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

_EXIT_SECONDS = 2.0

_numbers = itertools.count()


class LiteLLMLogger(CustomLogger):
    """Records each call that LiteLLM makes: plain or asynchronous, a success or a failure, a stream at its end.

    The agent is `agent_name` of the call's ``metadata`` (also in ``requester_metadata`` or ``spend_logs_metadata``), a
    tag ``agent:NAME``, the alias of its key, or `agent_name` here, else ``unknown``. Tokens and cost are LiteLLM's
    own. If LiteLLM knows no price, the cost is left out, and the exporter computes it.

    Each attempt of a call counts, those of fallbacks and retries too. Retries that a provider's package makes by itself
    (``max_retries``) are one attempt: LiteLLM does not see them.

    LiteLLM does not log every request that it sends. The others are recorded when the cyclic garbage
    collector finds LiteLLM's state of the call, or at exit:

    - A stream that its reader leaves, and a call that is cancelled, are ``cancelled``. Their tokens are unknown, unless
      the stream is a synchronous one whose provider reports usage before its end.
    - LiteLLM logs one of the attempts of ``num_retries`` without a `Router`. The others have its failure, or the usage
      of the provider's answer.
    - A call that LiteLLM drops, because its event loop ends or its queue is full, has the usage of the provider's
      answer, but not LiteLLM's cost. If the answer was a stream, its usage is unknown.

    LiteLLM may log a call whose event loop ended with the next asynchronous call, or at exit: `LLMMonitor.flush` does
    not wait for what LiteLLM has not logged.

    For a stream without usage, LiteLLM counts tokens by itself. It says so for asynchronous streams without
    ``stream_options``: then usage and cost are left out. For other streams it does not say it, and what it counted is
    recorded: call with ``stream_options={"include_usage": True}``.

    No active calls are set: LiteLLM does not say at the start of a call what its id will be at the end.

    - `monitor`: where to record; the `default_monitor()` if left out.
    """

    def __init__(self, monitor: Optional[LLMMonitor] = None, agent_name: Optional[str] = None) -> None:
        super().__init__()
        self._monitor = monitor
        self._agent_name = agent_name
        # In LiteLLM's state of a call. Several loggers may follow one call.
        self._key = f"llm_exporter_attempt_{next(_numbers)}"
        self._attempts: weakref.WeakSet[Attempt] = weakref.WeakSet()
        self._registered_in: Optional[int] = None
        """The process whose exit this hears of; a forked worker of multiprocessing forgets its parent's finalizers."""

    # LiteLLM passes these by name.

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        try:
            self._begin(kwargs)
        except Exception as error:
            self._defect(error)

    def log_post_api_call(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        try:
            attempt = self._attempt(kwargs)
            if attempt is not None:
                attempt.answered(kwargs.get("original_response"))
        except Exception as error:
            self._defect(error)

    def log_stream_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        try:
            attempt = self._attempt(kwargs)
            if attempt is not None:
                attempt.saw(response_obj)
        except Exception as error:
            self._defect(error)

    async def async_post_call_streaming_deployment_hook(
        self, request_data: Any, response_chunk: Any, call_type: Any
    ) -> Any:
        try:
            attempt = self._attempt(request_data)
            if attempt is not None:
                attempt.saw_last(response_chunk)
        except Exception as error:
            self._defect(error)
        return response_chunk

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._end(kwargs, start_time, end_time, failed=False)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._end(kwargs, start_time, end_time, failed=True)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._end(kwargs, start_time, end_time, failed=False)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._end(kwargs, start_time, end_time, failed=True)

    def _begin(self, details: Any) -> None:
        if not Attempt.is_tracked(details):
            return
        before = self._attempt(details)
        if before is not None and before.continues(details):
            return
        if self._registered_in != os.getpid():
            self._register()
        attempt = Attempt(details, before, self._agent_name, self._record)
        details[self._key] = attempt
        self._attempts.add(attempt)

    def _end(self, kwargs: Any, start_time: Any, end_time: Any, failed: bool) -> None:
        try:
            attempt = self._attempt(kwargs)
            is_estimate = attempt is not None and attempt.is_estimate
            record = metrics(kwargs, start_time, end_time, failed, self._agent_name, is_estimate)
            if record is not None and (attempt is None or attempt.take(record, failed)):
                self._record(record)
        except Exception as error:
            self._defect(error)

    def _attempt(self, details: Any) -> Optional[Attempt]:
        """The attempt in LiteLLM's state of a call, or in a copy of it; but not in one that is of another call now."""
        attempt = details.get(self._key) if isinstance(details, dict) else None
        return attempt if isinstance(attempt, Attempt) and attempt.call_id == details.get("litellm_call_id") else None

    def _record(self, record: Any) -> None:
        (self._monitor or default_monitor()).record_metric(record)

    def _defect(self, error: BaseException) -> None:
        (self._monitor or default_monitor())._defect(error)

    def _register(self) -> None:
        self._registered_in = os.getpid()
        if self._monitor is None:
            default_monitor()  # its own handler has to run after this one
        atexit.unregister(self._at_exit)  # the parent's, in a forked child
        atexit.register(self._at_exit)
        multiprocess = sys.modules.get("multiprocessing.process")
        if multiprocess is not None and multiprocess.parent_process() is not None:
            # Workers of multiprocessing end by os._exit(): it runs these finalizers, but no atexit handlers.
            from multiprocessing.util import Finalize

            Finalize(None, self._at_exit, exitpriority=1)

    def _at_exit(self) -> None:
        """Records the attempts whose end LiteLLM has not logged, after it has logged what it can."""
        try:
            log_what_litellm_holds(lambda: len(self._open_attempts()), _EXIT_SECONDS)
            for attempt in self._open_attempts():
                attempt.finish()
        except Exception as error:
            self._defect(error)

    def _open_attempts(self) -> list[Attempt]:
        for _ in range(10):
            try:
                return [attempt for attempt in list(self._attempts) if attempt.is_open]
            except RuntimeError:  # a thread that still runs has begun a call meanwhile
                pass
        return []
