"""The benchmarks run to their end. Their figures are not looked at here."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from exporter import BINARY, ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "Benchmarks" / "bench.py", *arguments], capture_output=True,
                          text=True,
                          env={"LLM_EXPORTER_BIN": str(BINARY), "PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.mark.alone
@pytest.mark.heavy
def test_a_round_of_a_second_gives_a_table_with_every_goal_and_its_ratio(tmp_path):
    report = tmp_path / "BENCHMARKS.md"
    done = bench("--seconds", "1", "--rounds", "1", "--only", "single", "--without-peers", "--output", str(report))
    assert done.returncode == 0, done.stderr
    told = report.read_text()
    assert done.stdout.strip() == told.strip()
    tables = [[row.strip("|").split("|") for row in table.strip().splitlines()]
              for table in re.findall(r"(?:^\|.*\n)+", told, re.MULTILINE)]
    assert len(tables) == 2, told
    for head, _, *rows in tables:
        assert rows and all(len(row) == len(head) for row in rows), told
    goals, servers = ([[cell.strip() for cell in row] for row in table[2:]] for table in tables)
    assert [goal[:2] for goal in goals] == [
        ["single posts, --storage.memory", "0.95 of libmicrohttpd"],
        ["single posts with ids, durable", "0.95 of libmicrohttpd + fdatasync"],
        ["single posts with ids, durable", "0.6 of libmicrohttpd"],
    ]
    for *_, ratio, outcome in goals:
        assert float(ratio) > 0 and outcome in ("met", "**missed**"), told
    assert [row[0] for row in servers] == [
        "libmicrohttpd", "llm-exporter, memory", "libmicrohttpd, ids", "llm-exporter, memory, ids",
        "libmicrohttpd + fdatasync, ids", "llm-exporter, ids",
    ]
    assert all(float(row[1].replace(",", "")) > 0 for row in servers), told


@pytest.mark.alone
@pytest.mark.heavy
def test_a_server_that_does_not_start_is_told_and_leaves_nothing(tmp_path):
    program = tmp_path / "llm-exporter"
    program.write_text("#!/bin/sh\necho no storage today >&2\nexit 1\n")
    program.chmod(0o755)
    before = set((ROOT / ".build-bench").glob("run-*"))
    done = subprocess.run([sys.executable, ROOT / "Benchmarks" / "bench.py", "--only", "resources"],
                          capture_output=True,
                          text=True, env={"LLM_EXPORTER_BIN": str(program), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 1 and "no storage today" in done.stderr and "Traceback" not in done.stderr
    assert set((ROOT / ".build-bench").glob("run-*")) <= before


def test_a_section_that_is_not_there_is_named():
    done = bench("--only", "speed")
    assert done.returncode == 2 and "not speed" in done.stderr
