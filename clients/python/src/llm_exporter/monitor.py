"""The exporter as an agent sees it: records calls and returns totals."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Optional

from .call import CallMonitor
from .metrics import LLMCallMetrics
from .reports import Reports, shown
from .sending.backlog import Backlog
from .sending.inbox import Bounds
from .sending.sender import Sender
from .sending.statistics import Statistics
from .sending.transport import MAX_REPLY_BYTES, Answer, Transport, Unanswered

if TYPE_CHECKING:
    from .sending.spool import Spool

__all__ = ["DEFAULT_URL", "LLMMonitor", "default_monitor", "monitor_llm_call"]

DEFAULT_URL = "http://127.0.0.1:10140"

_MAX_NUMBER = 1e15
# Above what an exporter with many series answers: all of them, or a line for each of its agents and models.
_MAX_METRICS_BYTES = 64 << 20
_MAX_SUMMARY_BYTES = 8 << 20

_monitors: weakref.WeakSet[LLMMonitor] = weakref.WeakSet()


class LLMMonitor:
    """Records LLM calls with an exporter, in the background.

    Recording neither waits nor raises, even if the exporter is down or a value is wrong. Neither does this constructor:
    a wrong URL is logged as a warning, and once the queue is full, records are dropped and counted. Make one for each
    process and keep it. Threads, asyncio and forked children may share it.

    Settings that are not given come from the environment; an empty variable counts as unset:

    - `url`: ``LLM_EXPORTER_URL``, else ``http://127.0.0.1:10140``.
    - `username`, `password` (basic), or `token` (bearer): ``LLM_EXPORTER_USERNAME``, ``LLM_EXPORTER_PASSWORD``,
      ``LLM_EXPORTER_TOKEN``.
    - `ca_file`: ``LLM_EXPORTER_CA_FILE``; certificates to trust for ``https``, as PEM.
    - `spool_dir`: ``LLM_EXPORTER_SPOOL_DIR``; a folder that keeps undelivered records across crashes.
    - `max_spool_bytes`: the most that this process keeps there.
    - `max_queue_records`: calls that may wait in memory, each with its start and its end. So many starts and so many
      ends may wait; further ones are dropped. `statistics` counts starts and ends alike.
    - `max_queue_bytes`: the most that they may take there. Starts may take a quarter of it, and give way to ends.
    - `linger`: seconds that a record waits for others, to be sent with them.
    - `timeout`: seconds that one request may take, from connecting to its answer.
    - `exit_timeout`: seconds that the process may take at its end to send what is still queued, and what is recorded
      even then.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        username: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        ca_file: Optional[str] = None,
        spool_dir: Optional[str] = None,
        max_spool_bytes: int = 64 << 20,
        max_queue_records: int = 10_000,
        max_queue_bytes: int = 16 << 20,
        linger: float = 0.1,
        timeout: float = 10.0,
        exit_timeout: float = 2.0,
    ) -> None:
        self._report = Reports()
        self._url = self._text("url", url) or DEFAULT_URL
        self._access: dict[str, Any] = {
            "username": self._text("username", username),
            "password": self._text("password", password),
            "token": self._text("token", token),
            "ca_file": self._text("ca_file", ca_file),
            "timeout": self._number("timeout", timeout, 10.0, least=0.001),
        }
        self._spool_dir = self._text("spool_dir", spool_dir)
        self._max_spool_bytes = int(self._number("max_spool_bytes", max_spool_bytes, 64 << 20))
        queue = {
            "linger": self._number("linger", linger, 0.1),
            "max_records": int(self._number("max_queue_records", max_queue_records, 10_000)),
            "max_bytes": int(self._number("max_queue_bytes", max_queue_bytes, 16 << 20)),
            "exit_timeout": self._number("exit_timeout", exit_timeout, 2.0),
        }
        self._settings: dict[str, Any] = {
            "url": self._url,
            **self._access,
            "spool_dir": self._spool_dir,
            "max_spool_bytes": self._max_spool_bytes,
            "linger": queue["linger"],
            "max_queue_records": queue["max_records"],
            "max_queue_bytes": queue["max_bytes"],
            "exit_timeout": queue["exit_timeout"],
        }
        self._spool_type = self._importing_spool() if self._spool_dir else None
        self._sender = Sender(
            Transport(self._url, **self._access),
            self._new_backlog,
            linger=queue["linger"],
            bounds=Bounds(int(queue["max_records"]), int(queue["max_bytes"])),
            exit_timeout=queue["exit_timeout"],
            report=self._report,
        )
        _monitors.add(self)

    def __copy__(self) -> LLMMonitor:
        return self

    def __deepcopy__(self, memo: Any) -> LLMMonitor:
        return self

    def __reduce__(self) -> Any:
        """Pickled, it is its settings, credentials included; the same process gets the same monitor back."""
        return _with_settings, (self._settings,)

    # Recording: never waits, never raises.

    def record_metric(self, metrics: LLMCallMetrics) -> None:
        """Records a finished call, as it is now; what you change in `metrics` afterwards changes nothing."""
        try:
            self._sender.put(metrics)
        except Exception as error:
            self._defect(error)

    def monitor_llm_call(
        self,
        agent_name: str,
        provider: str,
        model: str,
        *,
        id: Optional[str] = None,
        trace_id: Optional[str] = None,
    ) -> CallMonitor:
        """Measures a call: as a context manager around it, or as the decorator of a function that makes it.

        ::

            with monitor.monitor_llm_call("ReviewerGPT", "openai", "gpt-4o-mini") as call:
                with call.api():
                    answer = call.observe(client.chat.completions.create(...))

            @monitor.monitor_llm_call("ReviewerGPT", "openai", "gpt-4o-mini")
            async def review(...): ...

        The start is recorded, so that the call counts as active, and so is the end, with latency, provider's latency,
        memory, tokens and status. An exception of the call is raised unchanged. For a decorated function, the function
        is the provider's call and its result is the answer.
        """
        return CallMonitor(self, lambda: LLMCallMetrics(agent_name, provider, model, id=id, trace_id=trace_id))

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits at most `timeout` seconds until all records so far are answered. Returns whether they are."""
        try:
            return self._sender.flush(timeout)
        except Exception as error:
            self._defect(error)
            return False

    def close(self, timeout: float = 5.0) -> bool:
        """Flushes and stops; later records are dropped. Returns whether all records were answered.

        Not needed at the end of a program: the client flushes by itself, for at most `exit_timeout` seconds.
        """
        try:
            return self._sender.close(timeout)
        except Exception as error:
            self._defect(error)
            return False

    def statistics(self) -> Statistics:
        """The counts of what happened to the records of this process."""
        return self._sender.statistics()

    # These wait for the exporter, at most `timeout` seconds, and never raise.

    def get_prometheus_metrics(self, timeout: float = 5.0) -> str:
        """The exposition of the exporter, text format 0.0.4; if it cannot be read, "" and a warning.

        Waits for the exporter. Records that are still queued are not in it: call `flush` first.
        """
        answer = self._ask("GET", "/metrics", timeout, _MAX_METRICS_BYTES)
        return answer.body.decode("utf-8", "replace") if answer is not None else ""

    def get_summary(self, timeout: float = 5.0) -> dict[str, Any]:
        """The exporter's totals: all, by agent, by model; if they cannot be read, {} and a warning. Waits, too."""
        answer = self._ask("GET", "/summary", timeout, _MAX_SUMMARY_BYTES)
        if answer is not None:
            summary = answer.json()
            if isinstance(summary, dict):
                return summary
            self._report("summary", "what answers at %s is no exporter", self._url_to_show)
        return {}

    def reset_prometheus(self, timeout: float = 5.0) -> bool:
        """Removes all series of the exporter: those of all agents, not only of this one.

        Returns whether it did; it needs ``--web.enable-admin-api``. Waits, too.
        """
        return self._ask("POST", "/api/v1/admin/reset", timeout, MAX_REPLY_BYTES) is not None

    def _ask(self, method: str, path: str, timeout: float, max_bytes: int) -> Optional[Answer]:
        """Sends a request on a connection of its own, as the sender's may be busy for long; None if it failed."""
        try:
            access = {**self._access, "timeout": self._number("timeout", timeout, 5.0, least=0.001)}
            transport = Transport(self._url, **access)
            try:
                answer = transport.exchange(method, path, b"" if method == "POST" else None, max_bytes=max_bytes)
            finally:
                transport.forget()
        except Unanswered as error:
            self._report(path, "%s %s of %s failed: %s", method, path, self._url_to_show, error)
        except Exception as error:
            self._defect(error)
        else:
            if answer.status in (200, 204):
                return answer
            hint = " (it needs --web.enable-admin-api, and a user who may)" if answer.status == 403 else ""
            self._report(path, "%s %s of %s answered %d%s", method, path, self._url_to_show, answer.status, hint)
        return None

    # Private to the package.

    @property
    def _url_to_show(self) -> str:
        return self._sender.address

    def _record_start(self, metrics: LLMCallMetrics) -> None:
        self._sender.put(metrics, start=True)

    def _new_id(self) -> str:
        return self._sender.new_id()

    def _ended_without_usage(self, agent_name: str) -> None:
        # By the sender's thread, as the log is the agent's: it may be slow, and this may run in the garbage collector.
        self._sender.remark(
            f"usage {shown(agent_name)}",
            "calls of the agent %s end without token usage: they count in llm_calls_usage_missing_total, at no cost; "
            'pass stream_options={"include_usage": True} to streams, pass answers to call.observe(), '
            "or see the README's table of what is read",
            agent_name,
        )

    def _new_backlog(self) -> Backlog:
        if self._spool_type is None or self._spool_dir is None:
            return Backlog()
        return self._spool_type(self._spool_dir, self._url, self._max_spool_bytes, self._report)

    def _importing_spool(self) -> Optional[type[Spool]]:
        # In this thread, not in the sender's: a child forked during an import cannot import the module.
        try:
            from .sending.spool import Spool
        except ImportError as error:
            self._report("spool", "cannot use a spool (%s): records stay in memory", error)
            return None
        return Spool

    def _text(self, name: str, given: Any) -> Optional[str]:
        """The setting as given, else from the environment."""
        text = ""
        if given is not None:
            try:
                text = str.__str__(os.fsdecode(given))  # `spool_dir` may be a pathlib.Path
            except Exception:
                self._report(f"setting {name}", "%s must be a string, not %s", name, type(given).__name__)
        return text or _environment(name.upper())

    def _number(self, name: str, given: Any, usual: float, least: float = 0.0) -> float:
        """The setting as given if it is a usable number, else the usual one."""
        if issubclass(type(given), (int, float)) and least <= given <= _MAX_NUMBER:
            return given  # type: ignore[no-any-return]
        self._report(f"setting {name}", "%s must be a number, %s or more: %s is used", name, least, usual)
        return usual

    def _defect(self, error: BaseException) -> None:
        """Logs an error of this package, which must not reach the agent."""
        self._report(f"defect {type(error).__name__}", "monitoring met an error", error=error)


def monitor_llm_call(
    agent_name: str,
    provider: str,
    model: str,
    *,
    id: Optional[str] = None,
    trace_id: Optional[str] = None,
    monitor: Optional[LLMMonitor] = None,
) -> CallMonitor:
    """`LLMMonitor.monitor_llm_call` of `monitor`, or of `default_monitor()`."""
    return CallMonitor(
        default_monitor if monitor is None else monitor,
        lambda: LLMCallMetrics(agent_name, provider, model, id=id, trace_id=trace_id),
    )


_default: Optional[LLMMonitor] = None
_default_lock = threading.Lock()


def default_monitor() -> LLMMonitor:
    """The monitor of this process with the settings of the environment, made on first use."""
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = LLMMonitor()
    return _default


def _with_settings(settings: dict[str, Any]) -> LLMMonitor:
    """A monitor of this process with these settings; else a new one."""
    for monitor in list(_monitors):
        if monitor._settings == settings and not monitor._sender.closed:
            return monitor
    return LLMMonitor(**settings)


def _environment(name: str) -> Optional[str]:
    return os.environ.get(f"LLM_EXPORTER_{name}") or None


def _after_fork_in_child() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    for monitor in list(_monitors):
        try:
            monitor._sender.after_fork()
        except Exception as error:
            monitor._defect(error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
