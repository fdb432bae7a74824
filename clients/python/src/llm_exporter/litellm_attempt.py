"""Requests that LiteLLM sends to providers, and what becomes of those whose end it does not log.

LiteLLM logs most requests when they end. It does not log a stream that its reader leaves, a call that is cancelled, and
the attempts of ``num_retries`` beside one; and it drops what it has not logged yet if the event loop ends or its queue
is full. An `Attempt` lies in the state that LiteLLM keeps of the call (``model_call_details``). When that state goes,
or the process ends, and LiteLLM has logged nothing, the attempt records itself by what was seen of it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any, Callable, Optional

from .failure import classify_named
from .litellm_payload import agent_name, model_name
from .metrics import LLMCallMetrics
from .usage import Usage, read_usage

__all__ = ["Attempt", "log_what_litellm_holds"]

_Failure = tuple[str, Optional[str]]

# LiteLLM logs other calls too, but not all that it sends for them.
_CALL_TYPE = re.compile(r"a?(?:completion|text_completion|embedding|responses|anthropic_messages)\Z")


class Attempt:
    """One request, from the moment at which LiteLLM sends it. It ends once: by `take` or by itself.

    - `details`: LiteLLM's state of the call. It is not kept: its end is what ends the attempt.
    - `before`: the attempt before it in the same call.
    - `record`: takes the record of an attempt that LiteLLM does not log.
    """

    def __init__(
        self,
        details: dict[str, Any],
        before: Optional[Attempt],
        default_agent: Optional[str],
        record: Callable[[LLMCallMetrics], None],
    ) -> None:
        self.call_id: Any = details.get("litellm_call_id")
        self.is_estimate = False
        """Whether LiteLLM said that the provider reported no usage, so that it will estimate it."""
        sent: Any = details.get("api_call_start_time")
        self._metrics = LLMCallMetrics(
            agent_name=agent_name(details) or default_agent or "unknown",
            provider=details.get("custom_llm_provider") or "unknown",
            model=model_name(details),
            # The form of LiteLLM's own ids, but with the time of the request, not of the call: the two never collide.
            id=f"{self.call_id}/{sent.timestamp()!r}" if hasattr(sent, "timestamp") else None,
        )
        self._record = record
        self._process = os.getpid()
        self._open = [True]  # popped by the end: two threads may end it
        self._logged: set[Optional[str]] = set()
        self._began = time.perf_counter()
        self._is_stream = details.get("stream") is True
        self._is_read = False
        self._usage: Optional[Usage] = None
        self._answer: Any = None
        self._failure: Optional[_Failure] = before._failure if before is not None else None
        self._unlogged: list[Attempt] = []
        if before is not None and before._open and not before._drop_if_answered():
            self._unlogged = [*before._unlogged, before]
            before._unlogged = []

    @property
    def is_open(self) -> bool:
        """Whether LiteLLM has not logged how it ended."""
        return bool(self._open) and self._process == os.getpid()

    @classmethod
    def is_tracked(cls, details: Any) -> bool:
        """Whether LiteLLM logs such calls when they end, so that one it does not log is missing."""
        if not isinstance(details, dict) or not _CALL_TYPE.match(str(details.get("call_type"))) or _is_internal():
            return False
        parameters = details.get("litellm_params")
        return isinstance(parameters, dict) and parameters.get("no-log") is not True

    def continues(self, details: dict[str, Any]) -> bool:
        """Whether a request that is reported now is still this one: some providers' code reports it twice."""
        return bool(self._open) and self.call_id == details.get("litellm_call_id") and not self._has_ended()

    def _has_ended(self) -> bool:
        return self._answer is not None or self._failure is not None

    def answered(self, answer: Any) -> None:
        """Keeps what came: the answer as the provider wrote it, or the text of an error."""
        self._answer = True if self._is_stream else answer  # of a stream it is the beginning that came
        if not self._is_stream:
            self._metrics.latency_ms = round((time.perf_counter() - self._began) * 1000.0, 3)

    def saw(self, chunk: Any) -> None:
        """Reads a chunk of a stream, as LiteLLM passes it on."""
        usage = read_usage(chunk) or read_usage({"usage": _reported_so_far(chunk)})
        if usage is not None and (usage.input_tokens or usage.output_tokens):
            self._usage = self._usage.updated(usage) if self._usage else usage
        choices = getattr(chunk, "choices", None)
        if isinstance(choices, list) and choices and getattr(choices[0], "finish_reason", None):
            self._is_read = True

    def saw_last(self, chunk: Any) -> None:
        """Reads the last chunk of a stream. If no chunk reported usage, LiteLLM gives it one of zeros."""
        self.saw(chunk)
        self.is_estimate = self._usage is None and _reported_so_far(chunk) is not None

    def take(self, metrics: LLMCallMetrics, failed: bool) -> bool:
        """Ends the attempt with the record of what LiteLLM logs. False if that was recorded before."""
        if self._pop():
            self._logged.add(metrics.id)
        elif not self._logged or metrics.id in self._logged:
            return False
        else:  # another attempt of the call, logged late
            self._logged.add(metrics.id)
        if failed:
            self._failure = (metrics.status, metrics.error_type)
        self._end_unlogged(self._failure)
        return True

    def finish(self, failure: Optional[_Failure] = None) -> None:
        """Ends the attempt, if LiteLLM has not logged it. `failure` is how the others of the call failed."""
        if self._process != os.getpid() or not self._pop():
            return
        metrics = self._metrics
        metrics.status, metrics.error_type = self._outcome(failure)
        for name, count in self._usage._asdict().items() if self._usage else ():
            setattr(metrics, name, count)
        self._record(metrics)
        self._end_unlogged(failure or self._failure)

    def _outcome(self, failure: Optional[_Failure]) -> _Failure:
        code = _http_status_in(self._answer)
        if failure is not None:
            own = classify_named(None, code)[0] if code else failure[0]
            return failure if own == failure[0] else (own, None)
        if self._is_stream:
            # A reader that stops at the last chunk has read the stream, but LiteLLM waits for one more read.
            return ("success", None) if self._is_read else ("cancelled", None)
        if self._answer is not None:
            self._usage = read_usage(_parsed(self._answer))
            if self._usage is not None:
                return "success", None
            return self._failure or (classify_named(None, code)[0], None)
        return self._failure or ("cancelled", None)

    def _drop_if_answered(self) -> bool:
        """Ends an attempt that was answered before the next one began: LiteLLM logs the two as one call."""
        return self._answer is not None and read_usage(_parsed(self._answer)) is not None and self._pop()

    def _end_unlogged(self, failure: Optional[_Failure]) -> None:
        for attempt in self._unlogged:
            attempt.finish(failure or ("error", None))
        self._unlogged = []

    def _pop(self) -> bool:
        try:
            return self._open.pop()
        except IndexError:
            return False

    def __del__(self) -> None:
        try:
            if self._open:
                self.finish()
        except Exception:  # at interpreter exit modules are gone
            pass

    # LiteLLM's state is copied, and other loggers may store it.

    def __copy__(self) -> Attempt:
        return self

    def __deepcopy__(self, memo: Any) -> Attempt:
        return self

    def __reduce__(self) -> Any:
        return str, ()

    def __repr__(self) -> str:
        return "llm_exporter"


def log_what_litellm_holds(is_waiting: Callable[[], int], seconds: float) -> None:
    """Lets LiteLLM log what is in its queue, as it does itself at exit, but all of it.

    - `is_waiting`: how many calls LiteLLM has not logged.
    """
    worker: Any = getattr(sys.modules.get("litellm.litellm_core_utils.logging_worker"), "GLOBAL_LOGGING_WORKER", None)
    flush = getattr(worker, "_flush_on_exit", None)
    deadline = time.monotonic() + seconds
    while callable(flush) and (waiting := is_waiting()) and time.monotonic() < deadline:
        try:
            flush()
        except Exception:
            return
        if is_waiting() >= waiting:
            return


def _reported_so_far(chunk: Any) -> Any:
    hidden = getattr(chunk, "_hidden_params", None)
    return hidden.get("usage") if isinstance(hidden, dict) else None


def _parsed(answer: Any) -> Any:
    if not isinstance(answer, (str, bytes)):
        return answer
    try:
        return json.loads(answer)
    except ValueError:
        return None


def _http_status_in(answer: Any) -> Optional[str]:
    """The HTTP status in the text of an error, as OpenAI's package writes it: ``Error code: 429 - {…}``."""
    found = re.match(r"Error code: (\d{3})\b", answer) if isinstance(answer, str) else None
    return found[1] if found else None


def _is_internal() -> bool:
    """Whether this call is one of LiteLLM's own, within another that LiteLLM logs with the tokens of both."""
    try:
        internal: Any = getattr(sys.modules.get("litellm._internal_context"), "is_internal_call", None)
        return internal is not None and internal.get() is True
    except Exception:
        return False
