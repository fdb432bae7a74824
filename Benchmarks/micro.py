#!/usr/bin/env python3
"""Counts the instructions of each stage of a record, and compares them with micro-baseline.json.

    Benchmarks/micro.py [--write]      --write makes the present counts the baseline

Instructions, counted by valgrind's callgrind, are the same on a busy and on an idle machine; nanoseconds are printed
beside them as an orientation. If a count is more than 5 percent above the baseline, the exit code is 1.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / ".build" / "release" / "micro-bench"
BASELINE = Path(__file__).with_name("micro-baseline.json")

#: Name, the two counts whose difference is taken, the count for the clock, and what one is.
WORKS = [
    ("decode", 2000, 4000, 200_000, "a post of one record"),
    ("decode-line", 2000, 4000, 200_000, "a line of NDJSON"),
    ("decode-span", 2000, 4000, 200_000, "a span of an export in protobuf"),
    ("price", 2000, 4000, 200_000, "looking up a price, and the cost"),
    ("fold-alone", 2000, 4000, 100_000, "a batch of one record, merged"),
    ("fold", 4000, 8000, 200_000, "a record in a batch of 1,000, merged"),
    ("fold-span", 2000, 4000, 50_000, "a report of a call, with 65,536 recent ones, and its decoding as a record"),
    ("commit", 50, 100, 2000, "a batch of 32 records with ids, synced"),
    ("render-sample", 100_000, 200_000, 2_000_000, "a sample of an exposition"),
]
TOLERANCE = 0.05
#: Swift seeds its hashes in each process: otherwise look-ups in a Dictionary differ by a quarter between runs.
ENVIRONMENT = os.environ | {"SWIFT_DETERMINISTIC_HASHING": "1"}


def instructions(program: Path, name: str, count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program, name, str(count)],
            capture_output=True, text=True, env=ENVIRONMENT)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not found:
            raise SystemExit(f"micro-bench {name} under callgrind: {done.stdout}{done.stderr[-1500:]}")
        return int(found[1])


def nanoseconds(name: str, count: int) -> int:
    done = subprocess.run([PROGRAM, name, str(count)], capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode != 0:
        raise SystemExit(f"micro-bench {name}: {done.stdout}{done.stderr}")
    return int(done.stdout)


def main() -> None:
    if sys.argv[1:] not in ([], ["--write"]):
        raise SystemExit(__doc__)
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    seen, worse, better = {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        # valgrind 3.19 does not read this compiler's debugging information.
        program = Path(folder) / "micro-bench"
        subprocess.run(["strip", "--strip-debug", "-o", program, PROGRAM], check=True)
        print(f"{'':16}{'instructions':>14}{'baseline':>12}{'change':>9}{'ns':>10}")
        for name, few, many, timed, what in WORKS:
            seen[name] = round((instructions(program, name, many) - instructions(program, name, few)) / (many - few))
            time = nanoseconds(name, timed)
            old = baseline.get(name)
            change = f"{(seen[name] / old - 1) * 100:+.1f}%" if old else "-"
            print(f"{name:16}{seen[name]:>14,}{old or 0:>12,}{change:>9}{time:>10,}  {what}", flush=True)
            if old and seen[name] > old * (1 + TOLERANCE):
                worse.append(name)
            if old and seen[name] < old * (1 - TOLERANCE):
                better.append(name)
    if "--write" in sys.argv:
        BASELINE.write_text(json.dumps(seen, indent=2) + "\n")
        return
    if better:
        print(f"more than {TOLERANCE:.0%} below the baseline (--write makes a new one): {', '.join(better)}")
    if worse:
        raise SystemExit(f"more than {TOLERANCE:.0%} above the baseline: {', '.join(worse)}")


if __name__ == "__main__":
    main()
