"""`make demo`, for eight seconds: what it shows, what it counted, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model_server import EXAMPLES
from peers import Exporter, eventually

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
ROOT = EXAMPLES.parent
AGENTS = {
    "ReviewerGPT": "gpt-4o-mini",
    "Codesmith": "acme-coder-7b",
    "Architect": "gpt-5-mini",
    "Research": "claude-sonnet-4-5",
    "Responder": "gpt-4.1-mini",
}


@pytest.fixture(autouse=True)
def no_other_host() -> None:
    """In place of the fixture of this name: the demo installs what it needs."""


def start(folder: Path, *more: str) -> Any:
    # Not those of a make that runs this test.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    flags = f"--port 0 --prometheus-port 0 --folder {folder}"
    return subprocess.Popen(
        ["make", "-C", str(ROOT), "demo", f"DEMO_FLAGS={flags}", *more],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def address(output: str, name: str) -> str:
    found = re.search(rf"^{name} +(http://[0-9.:]+)", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


def read_until(process: Any, words: str) -> str:
    output = ""
    for line in process.stdout:
        output += line
        if words in line:
            return output
    raise AssertionError(f"it never said {words!r}:\n{output}")


def remains(folder: Path) -> list[str]:
    """The processes that have the folder in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def query(url: str, expression: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})) as answer:
        return json.load(answer)["data"]["result"]


def dashboard_families() -> set[str]:
    text = (ROOT / "grafana" / "llm-exporter.json").read_text()
    # Names with a colon are those of recorded series.
    names = set(re.findall(r"\b(llm_[a-z_]+)\b(?!:)", " ".join(re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text))))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_the_demo_fills_the_dashboard_and_counts_exactly(exporter_program: str, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = start(folder, "DEMO_SECONDS=8")
    output = read_until(process, "Five agents at work")
    url = address(output, "exporter")
    has_prometheus = shutil.which("prometheus") is not None
    if has_prometheus:
        prometheus = address(output, "Prometheus")
        # The last of what it is asked while it runs; the demo ends by itself.
        agents = eventually(lambda: query(prometheus, "count by (agent_name) (llm_calls_total)"), 30)
        eventually(lambda: query(prometheus, 'up{job="llm-exporter"} == 1'), 10)
        eventually(lambda: query(prometheus, "set:llm_calls_total:sum"), 10)  # a rule of ours
        assert {agent["metric"]["agent_name"] for agent in agents} <= set(AGENTS)
    output += process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert len(re.findall(r"^ *[0-9]+ s   [0-9]+ calls, [0-9]+ of them failed", output, re.MULTILINE)) >= 2, output
    for log in folder.glob("*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()
    eventually(lambda: not remains(folder))
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url, timeout=5)

    # Its records, on disk, served again.
    again = Exporter(exporter_program, folder / "records", "--config.file", str(EXAMPLES / "demo.yaml")).start()
    try:
        samples, summary = again.samples(), again.summary()
    finally:
        again.kill()
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    assert len(calls) >= 25
    for agent, model in AGENTS.items():
        asked = [call for call in calls if call["model"] == model]
        told = [call for call in asked if call["outcome"] == "answered" and call["usage_told"]]
        assert summary["agents"][agent]["calls"] == len(asked), agent
        assert summary["agents"][agent]["errors"] == sum(call["outcome"] != "answered" for call in asked), agent
        tokens = sum(call["input_tokens"] + call["output_tokens"] for call in told)
        assert summary["agents"][agent]["tokens"] == tokens > 0, agent
        assert samples[f'llm_active_calls{{agent_name="{agent}"}}'] == 0
        assert re.search(rf"^{agent} +{len(asked)} ", output, re.MULTILINE), output
    assert samples["llm_exporter_records_duplicate_total"] == 0

    by: dict[str, Counter[str]] = {"status": Counter(), "token_type": Counter()}
    for series, value in samples.items():
        for label, counter in by.items():
            if found := re.search(rf'{label}="(\w+)"', series):
                counter[found[1]] += int(value)
    assert all(by["status"][s] for s in ("success", "error", "rate_limited", "timeout", "cancelled")), by
    assert all(by["token_type"][t] for t in ("input", "cache_read", "cache_write", "output", "reasoning")), by
    assert samples['llm_calls_unpriced_total{provider="acme",model="acme-coder-7b"}'] > 0
    acme = 'agent_name="Codesmith",provider="acme",model="acme-coder-7b"'
    assert samples[f"llm_calls_usage_missing_total{{{acme}}}"] > 0
    spent = samples['llm_budget_spent_usd{budget="everything",period="month"}']
    assert spent == pytest.approx(summary["total_cost_usd"]) and spent > 0
    shown = {re.sub(r"_(bucket|sum|count)$", "", s.partition("{")[0]) for s, value in samples.items() if value}
    # Not those of the exporter, which are of its process; and nothing is in flight, or never ended.
    quiet = {"llm_active_calls", "llm_active_calls_expired_total"}
    # Nor does the demo have a seat of a subscription, or searches.
    quiet |= {"llm_plan_equivalent_usd_total", "llm_tool_requests_total"}
    wanted = {name for name in dashboard_families() if not name.startswith("llm_exporter_")} - quiet
    assert "llm_calls_total" in wanted and wanted <= shown, wanted - shown


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_what_it_started(exporter_program: str, tmp_path: Path, sign: signal.Signals) -> None:
    folder = tmp_path / "demo"
    process = start(folder)
    output = read_until(process, " 2 s ")
    assert len(remains(folder)) >= 3
    began = time.monotonic()
    os.killpg(process.pid, sign)  # as Ctrl-C in a terminal does
    output += process.communicate(timeout=60)[0]
    assert time.monotonic() - began < 30
    assert "The agents finish what they are at" in output
    assert "Responder" in output.rpartition("agent  ")[2], output
    eventually(lambda: not remains(folder))
