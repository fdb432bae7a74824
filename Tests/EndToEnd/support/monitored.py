"""An exporter with samples in every family, and the real Prometheus and Alertmanager that watch it."""

from __future__ import annotations

import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import otlp_messages as otlp
from exporter import JSON, Exporter, Raw, call, eventually
from prometheus import Alertmanager, Prometheus
from promql import histogram_kind

BUDGETS = """
budgets:
  - {name: everything, limit_usd: 500, period: month}
  - {name: reviewers, agent_name: ReviewerGPT, limit_usd: 0.05, period: day}
  - {name: forbidden, agent_name: Nobody, limit_usd: 0, period: week}
"""

GPT = {"provider": "openai", "model": "gpt-4o-mini"}
CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4"}


def records(turn: int) -> list[dict[str, Any]]:
    """Calls of five agents, of four models, of each kind that a family tells; the same in each turn, under new ids."""
    return [
        *(call(agent_name="ReviewerGPT", **GPT, input_tokens=1000, cache_read_tokens=400, output_tokens=300,
               reasoning_tokens=100, cost_usd=Raw("0.01"), latency_ms=300 * n, api_latency_ms=200 * n, ttft_ms=40 * n,
               memory_rss_mb=120, memory_available_mb=4000, id=f"review-{turn}-{n}") for n in range(1, 6)),
        *(call(agent_name="CodesmithAgent", **CLAUDE, input_tokens=2000, cache_write_tokens=500, output_tokens=800,
               cost_usd=Raw("0.02"), latency_ms=4000 * n, api_latency_ms=3500 * n, ttft_ms=700 * n)
          for n in range(1, 6)),
        call(agent_name="CodesmithAgent", **CLAUDE, status="error", error_type="overloaded", latency_ms=200),
        *[call(agent_name="ReviewerGPT", **GPT, status="rate_limited", error_type="rate_limit")] * 3,
        call(agent_name="CodesmithAgent", **GPT, input_tokens=10, output_tokens=10, cost_usd=Raw("0.001")),
        # Calls that a subscription pays, with searches on the web.
        *(call(agent_name=agent, **model, input_tokens=500, output_tokens=50, cost_usd=Raw("0.002"), billing="plan",
               web_search_requests=2) for agent, model in (("ReviewerGPT", GPT), ("CodesmithAgent", CLAUDE))),
        # A model that no table knows, one that is known and tells no tokens, and a field that nobody knows.
        call(agent_name="Auditor", input_tokens=100, output_tokens=10, latency_ms=12_000),
        call(agent_name="Streamer", **GPT, latency_ms=900, mood="good"),
        # Past --limits.max-series.
        call(agent_name="Latecomer", provider="late", model=f"late-{turn}", cost_usd=Raw("0.001")),
        # Refused.
        call(latency_ms=-1),
        # A start that never ends: its lease runs out.
        {"agent_name": "ReviewerGPT", "event": "start", "id": f"open-{turn}"},
    ]


class Monitored:
    """All of it, and `moment`: when the last of what was posted had been scraped and evaluated.

    Prometheus keeps histograms of one kind: `classic` or `native`.
    """

    def __init__(self, kind: str = "classic"):
        self.kind = kind
        self.folder = tempfile.TemporaryDirectory(prefix="llm-exporter-monitored-")
        self.started: list[Any] = []
        try:
            self.fill()
        except BaseException:
            self.close()
            raise

    def fill(self) -> None:
        configuration = Path(self.folder.name, "config.yaml")
        configuration.write_text(BUDGETS)
        self.exporter = Exporter("--config.file", str(configuration), "--limits.max-series", "5",
                                 "--active-calls.lease", "1s", storage=Path(self.folder.name, "data"),
                                 shipped_prices=True)
        self.started.append(self.exporter.kill)
        self.alertmanager = Alertmanager()
        self.started.append(self.alertmanager.stop)
        self.prometheus = Prometheus(self.exporter, self.alertmanager, native=self.kind == "native")
        self.started.append(self.prometheus.stop)
        # A rate sees only what grows between two scrapes: the first turn makes the series, the others let them grow.
        for turn in range(4):
            sent = records(turn)
            assert self.exporter.post_lines(sent).outcome() == (len(sent) - 1, 0, 1)
            assert self.exporter.post_lines(sent[:5]).outcome() == (0, 5, 0)
            # A span and a log record that report no call.
            agent = json.dumps(otlp.request(otlp.span({"gen_ai.operation.name": "invoke_agent"}))).encode()
            assert otlp.partial_success(self.exporter.post(agent, JSON, path="/v1/traces")) == (0, "")
            ignored = json.dumps(otlp.logs(otlp.log("codex.user_prompt"))).encode()
            assert otlp.partial_success(self.exporter.post(ignored, JSON, path="/v1/logs")) == (0, "")
            assert self.exporter.post([{"call_type": "call_mcp_tool"}], path="/litellm").outcome() == (0, 0, 0)
            if turn:
                # A reload that is refused, and an answer of the kind 5xx.
                configuration.write_text("budgets: 3\n")
                assert self.exporter.post(b"", path="/-/reload").status == 500
            self.prometheus.await_scrapes(2)
        eventually(lambda: self.exporter.scrape().total("llm_active_calls_expired_total") == 4, "the leases run out")
        # The rules of a group are evaluated after a scrape, from what they have recorded before.
        self.prometheus.await_scrapes(4)
        self.moment = eventually(self.good_moment, "a second of scrapes without a failure")

    def good_moment(self) -> float | None:
        """A moment just past, up to which all scrapes have ended well."""
        moment = round(time.time() - 1, 3)
        return moment if self.prometheus.is_steady(moment) else None

    def close(self) -> None:
        for end in reversed(self.started):
            end()
        self.folder.cleanup()

    def instant(self, promql: str) -> list[dict[str, str]]:
        """The labels of each series with a native histogram, or a value that is a number."""
        return [s["metric"] for s in self.prometheus.query(promql, self.moment)
                if "histogram" in s or not math.isnan(float(s["value"][1]))]

    def over_time(self, promql: str) -> list[dict[str, str]]:
        """The labels of each series with a histogram or a number at some moment, of those that a graph asks for."""
        return [s["metric"] for s in self.prometheus.query_range(promql, self.moment - 5, self.moment, 0.5)
                if "histograms" in s or any(not math.isnan(float(value)) for _, value in s["values"])]

    def missing(self, selectors: list[str]) -> list[str]:
        """The selectors that find nothing, without those of call histograms of the other kind."""
        return [s for s in selectors if not self.instant(s) and histogram_kind(s) in (None, self.kind)]
