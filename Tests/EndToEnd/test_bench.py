"""The benchmarks run, so that they can be run when they are wanted; their figures say nothing here."""

import subprocess
import sys

import pytest

from exporter import BINARY, ROOT


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_short_benchmark_writes_its_tables(tmp_path):
    report = tmp_path / "BENCHMARKS.md"
    done = subprocess.run([sys.executable, ROOT / "Benchmarks" / "bench.py", "--quick", "--seconds", "1", "--only",
                           "resources", "--output", report], capture_output=True, text=True,
                          env={"LLM_EXPORTER_BIN": str(BINARY), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    told = report.read_text()
    assert done.stdout.strip() == told.strip()
    for goal in ("memory at start", "memory of a remembered id", "start with 10,000 sets"):
        assert goal in told, told


def test_a_section_that_is_not_there_is_named():
    done = subprocess.run([sys.executable, ROOT / "Benchmarks" / "bench.py", "--only", "speed"], capture_output=True,
                          text=True)
    assert done.returncode == 2 and "not speed" in done.stderr
