#!/usr/bin/env python3
"""Measures the exporter beside the library underneath and its peers, and writes BENCHMARKS.md.

    Benchmarks/bench.py [--quick] [--seconds S] [--rounds N] [--only SECTION,...] [--output FILE]

Each round starts every server of a section anew, one after the other, so that what drifts meets all of them; figures
are medians over the rounds, with their spread, and ratios are taken within a round. All load stays on loopback.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
LOADS = Path(__file__).parent / "loads"
SERVERS = Path(__file__).parent / "servers"
EXPORTER = Path(os.environ.get("LLM_EXPORTER_BIN") or ROOT / ".build" / "release" / "llm-exporter")
PYTHON = ROOT / ".build-venv-bench" / "bin" / "python"
TICKS = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Servers

class Server:
    """A process that listens on a port of its own."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path):
        self.name, self.port, self.folder = name, port, folder
        self.log = (folder / "log").open("wb")
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=folder)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() - began > 60:
                    raise SystemExit(f"{name} does not listen: {(folder / 'log').read_text()[-2000:]}") from None
                time.sleep(0.002)
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory_kib(self) -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def post(self, lines: list[dict[str, Any]], connection: http.client.HTTPConnection | None = None) -> None:
        connection = connection or self.connection()
        connection.request("POST", "/record", "".join(json.dumps(line) + "\n" for line in lines),
                           {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200 or told["accepted"] != len(lines):
            raise SystemExit(f"{self.name} refused: {answer.status} {told}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(name: str, *flags: str, folder: Path | None = None) -> Iterator[Server]:
    """A server by its name in the tables; in `folder`, or one of its own that is gone afterwards."""
    own = Path(tempfile.mkdtemp(prefix="bench-"))
    port = free_port()
    state = folder or own / "data"
    address = f"127.0.0.1:{port}"
    commands: dict[str, Callable[[], list[str]]] = {
        "libmicrohttpd": lambda: [str(limit_program()), str(port)],
        "libmicrohttpd + fdatasync": lambda: [str(limit_program()), str(port), str(own / "file")],
        "llm-exporter": lambda: [str(EXPORTER), "--web.listen-address", address, "--storage.path", str(state), *flags],
        "llm-exporter, memory": lambda: [str(EXPORTER), "--web.listen-address", address, "--storage.memory", *flags],
        "FastAPI + prometheus_client": lambda: [
            str(PYTHON), "-m", "uvicorn", "library:app", "--app-dir", str(SERVERS), "--port", str(port),
            "--loop", "uvloop", "--http", "httptools", "--log-level", "error"],
        # Debian's keeps a file by default; this one forgets, as its own default is.
        "Pushgateway": lambda: ["prometheus-pushgateway", f"--web.listen-address={address}", "--persistence.file=",
                                "--log.level=error"],
        "VictoriaMetrics": lambda: ["victoria-metrics", f"-httpListenAddr={address}", f"-storageDataPath={own / 'vm'}",
                                    "-loggerLevel=ERROR"],
    }
    server = Server(name, commands[name](), port, own)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(own, ignore_errors=True)


def limit_program() -> Path:
    """servers/limit.c, compiled where it is newer."""
    program = ROOT / ".build-bench" / "limit"
    source = SERVERS / "limit.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source,
                        "-lmicrohttpd", "-lpthread"], check=True)
    return program


# Loads

@dataclass
class Load:
    """What wrk saw, and what the server took for it."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_microseconds: float


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


RUNS = iter(range(1_000_000))


def load(server: Server, script: str, seconds: float, path: str = "/record", connections: int = 64,
         argument: str | None = None, threads: int = 1) -> Load:
    before = server.cpu_seconds
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "-s", LOADS / script,
         f"http://127.0.0.1:{server.port}{path}", "--", *([] if argument is None else [argument])],
        capture_output=True, text=True, check=True)
    told = done.stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"{server.name}: {told}\n{(server.folder / 'log').read_text()[-2000:]}")
    total = int(re.search(r"(\d+) requests in", told)[1])
    p50, p99 = (milliseconds(re.search(rf"^ +{percent}% +(\S+)$", told, re.M)[1]) for percent in (50, 99))
    return Load(float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]), p50, p99,
                (server.cpu_seconds - before) / total * 1e6)


def unique() -> str:
    return f"run{next(RUNS)}-{os.getpid()}"


def time_of_scrape(server: Server) -> tuple[float, int]:
    """Seconds to the last byte, the best of three, and bytes."""
    best, size = float("inf"), 0
    for _ in range(3):
        connection = server.connection()
        began = time.monotonic()
        connection.request("GET", "/metrics")
        size = len(connection.getresponse().read())
        best = min(best, time.monotonic() - began)
    return best, size


def sets(count: int, start: int = 0) -> Iterator[list[dict[str, Any]]]:
    """Records of as many sets, a thousand at once; each has about 22 samples."""
    for at in range(start, start + count, 1000):
        yield [{"agent_name": f"agent-{n // 10}", "provider": "openai", "model": f"model-{n % 10}", "input_tokens": 100,
                "output_tokens": 40, "cost_usd": 0.001, "latency_ms": 150} for n in range(at, min(at + 1000, start + count))]


# Results

@dataclass
class Report:
    seconds: float
    rounds: int
    quick: bool
    tables: list[str] = field(default_factory=list)
    goals: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def goal(self, what: str, goal: str, seen: str, is_met: bool) -> None:
        self.goals.append((what, goal, seen, is_met))

    def table(self, title: str, head: list[str], rows: list[list[str]]) -> None:
        lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.tables.append("\n".join(lines))


def spread(values: list[float], digits: int = 0) -> str:
    middle = statistics.median(values)
    text = f"{middle:,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratio(values: list[float], others: list[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, others))


def posts(report: Report, title: str, plan: list[tuple[str, str, str, Callable[[Server], Load]]], base: str) -> dict[
        str, list[Load]]:
    """Rounds of loads, by label; `plan` is label, server, flags and load."""
    loads: dict[str, list[Load]] = {label: [] for label, *_ in plan}
    for round_ in range(report.rounds):
        for label, name, flags, work in plan:
            with serving(name, *flags.split()) as server:
                loads[label].append(work(server))
            say(f"  round {round_ + 1}/{report.rounds}: {label}: {loads[label][-1].requests_per_second:,.0f} a second")
    rate = {label: [one.requests_per_second for one in all_] for label, all_ in loads.items()}
    report.table(title, ["server", "requests a second", f"of {base}", "p50 ms", "p99 ms", "server CPU, µs a request"], [
        [label, spread(rate[label]), f"{ratio(rate[label], rate[base]):.2f}",
         *(spread([getattr(one, name) for one in loads[label]], 2) for name in ("p50_ms", "p99_ms")),
         spread([one.cpu_microseconds for one in loads[label]], 1)] for label in loads])
    return loads


def rates(loads: list[Load]) -> list[float]:
    return [one.requests_per_second for one in loads]


# Sections

def single(report: Report) -> None:
    """Single posts, 64 keep-alive connections."""
    def json_post(server: Server) -> Load:
        return load(server, "json.lua", report.seconds)

    def with_ids(server: Server) -> Load:
        return load(server, "ids.lua", report.seconds, argument=unique())

    def text(path: str) -> Callable[[Server], Load]:
        return lambda server: load(server, "text.lua", report.seconds, path=path, argument=path)

    memory = posts(report, "Single posts, the same body", [
        ("libmicrohttpd", "libmicrohttpd", "", json_post),
        ("llm-exporter, memory", "llm-exporter, memory", "", json_post),
        ("FastAPI + prometheus_client", "FastAPI + prometheus_client", "", json_post),
        ("Pushgateway", "Pushgateway", "", text("/metrics/job/agent")),
        ("VictoriaMetrics", "VictoriaMetrics", "", text("/api/v1/import/prometheus")),
    ], "libmicrohttpd")
    durable = posts(report, "Single posts with an id each, made by the load generator", [
        ("libmicrohttpd", "libmicrohttpd", "", with_ids),
        ("libmicrohttpd + fdatasync", "libmicrohttpd + fdatasync", "", with_ids),
        ("llm-exporter", "llm-exporter", "", with_ids),
        ("llm-exporter, memory", "llm-exporter, memory", "", with_ids),
    ], "libmicrohttpd + fdatasync")
    ours, bare = rates(memory["llm-exporter, memory"]), rates(memory["libmicrohttpd"])
    report.goal("single posts, --storage.memory", "0.95 of bare libmicrohttpd", f"{ratio(ours, bare):.2f}",
                ratio(ours, bare) >= 0.95)
    ours = rates(durable["llm-exporter"])
    for base, wanted in (("libmicrohttpd + fdatasync", 0.95), ("libmicrohttpd", 0.6)):
        seen = ratio(ours, rates(durable[base]))
        report.goal("single posts with ids, durable", f"{wanted} of {base}", f"{seen:.2f}", seen >= wanted)
    for peer, wanted in (("Pushgateway", 20), ("FastAPI + prometheus_client", 8)):
        seen = ratio(ours, rates(memory[peer]))
        report.goal(f"the same, against {peer}", f"{wanted} times", f"{seen:.1f} times", seen >= wanted)
    p99 = statistics.median(one.p99_ms for one in durable["llm-exporter"])
    p50 = statistics.median(one.p50_ms for one in memory["Pushgateway"])
    report.goal("p99 of single durable posts", "below Pushgateway's p50", f"{p99:.2f} ms, {p50:.2f} ms", p99 < p50)


def batches(report: Report) -> None:
    """NDJSON of 1,000 records a post."""
    def lines(argument: Callable[[], str | None]) -> Callable[[Server], Load]:
        return lambda server: load(server, "ndjson.lua", report.seconds, connections=8, argument=argument())

    loads = posts(report, "NDJSON of 1,000 records, 8 connections", [
        ("libmicrohttpd", "libmicrohttpd", "", lines(lambda: None)),
        ("llm-exporter, no ids", "llm-exporter", "", lines(lambda: None)),
        ("llm-exporter, ids", "llm-exporter", "--dedup.max-ids 10000000", lines(unique)),
    ], "libmicrohttpd")
    for label, wanted in (("llm-exporter, no ids", 1_000_000), ("llm-exporter, ids", 300_000)):
        seen = statistics.median(rates(loads[label])) * 1000
        report.goal(f"NDJSON of 1,000: {label}, durable", f"{wanted:,} records a second", f"{seen:,.0f}", seen >= wanted)


def scrapes(report: Report) -> None:
    """Scrapes of about 100,000 samples, and posts while a scrape of 1,000,000 runs."""
    count = 100_000 // 22
    times: dict[str, list[float]] = {"llm-exporter": [], "Pushgateway": [], "FastAPI + prometheus_client": []}
    samples: dict[str, int] = {}
    for round_ in range(report.rounds):
        with serving("llm-exporter", "--limits.max-series", "1000000") as server:
            for part in sets(count):
                server.post(part)
            seconds, _ = time_of_scrape(server)
            connection = server.connection()
            connection.request("GET", "/metrics")
            body = connection.getresponse().read()
            times["llm-exporter"].append(seconds)
        lines = [line for line in body.decode().split("\n") if line.startswith(("llm_", "# TYPE llm_"))
                 and "llm_exporter_" not in line]
        samples["llm-exporter"] = sum(not line.startswith("#") for line in lines)
        with serving("Pushgateway") as server:
            connection = server.connection()
            connection.request("PUT", "/metrics/job/agent", "\n".join(lines) + "\n")
            answer = connection.getresponse()
            if answer.status != 200:
                raise SystemExit(f"Pushgateway: {answer.status} {answer.read()[:700]!r}")
            answer.read()
            times["Pushgateway"].append(time_of_scrape(server)[0])
        with serving("FastAPI + prometheus_client") as server:
            connection = server.connection()
            for part in sets(count):
                for one in part:
                    connection.request("POST", "/record", json.dumps(one), {"Content-Type": "application/json"})
                    connection.getresponse().read()
            times["FastAPI + prometheus_client"].append(time_of_scrape(server)[0])
        say(f"  round {round_ + 1}/{report.rounds}: " + ", ".join(f"{name} {all_[-1] * 1000:,.1f} ms"
                                                                  for name, all_ in times.items()))
    report.table(f"Scrape of {samples['llm-exporter']:,} samples ({count:,} sets), time to the last byte",
                 ["server", "ms", "times ours"],
                 [[name, spread([one * 1000 for one in all_], 1), f"{ratio(all_, times['llm-exporter']):.1f}"]
                  for name, all_ in times.items()])
    for peer, wanted in (("Pushgateway", 10), ("FastAPI + prometheus_client", 30)):
        seen = ratio(times[peer], times["llm-exporter"])
        report.goal(f"scrape of 100,000 samples, against {peer}", f"{wanted} times faster", f"{seen:.1f} times",
                    seen >= wanted)

    pairs = []
    with serving("llm-exporter", "--limits.max-series", "1000000") as server:
        for part in sets((100_000 if report.quick else 1_000_000) // 22):
            server.post(part)
        for _ in range(report.rounds):
            without = load(server, "ids.lua", report.seconds, argument=unique()).p99_ms
            stop = threading.Event()
            scraped = []

            def scraping() -> None:
                while not stop.is_set():
                    connection = server.connection()
                    connection.request("GET", "/metrics")
                    scraped.append(len(connection.getresponse().read()))

            scraper = threading.Thread(target=scraping)
            scraper.start()
            beside = load(server, "ids.lua", report.seconds, argument=unique()).p99_ms
            stop.set()
            scraper.join()
            pairs.append((without, beside))
            say(f"  p99 {without:.2f} ms, {beside:.2f} ms beside {len(scraped)} scrapes of {scraped[0] / 1e6:,.0f} MB")
    seen = statistics.median(beside / without for without, beside in pairs)
    report.goal("p99 of durable posts while scrapes of 1,000,000 samples run one after the other",
                "at most twice what it is without", f"{seen:.1f} times", seen <= 2)


def resources(report: Report) -> None:
    """Memory, and the time of a start."""
    ids = 100_000 if report.quick else 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with serving("llm-exporter", folder=folder / "data") as server:
            at_start = server.memory_kib
        with serving("llm-exporter", "--limits.max-series", "20000", folder=folder / "data") as server:
            before = server.memory_kib
            for part in sets(10_000):
                server.post(part)
            of_sets = server.memory_kib - before
            connection = server.connection()
            for at in range(0, ids, 10_000):
                server.post([{"agent_name": "agent-1", "provider": "openai", "model": "model-1", "id": f"id-{n}"}
                             for n in range(at, at + 10_000)], connection)
            say(f"  10,000 sets take {of_sets:,} KiB")
        starts, memory = [], 0
        for _ in range(max(3, report.rounds)):
            with serving("llm-exporter", "--limits.max-series", "20000", folder=folder / "data") as server:
                starts.append(server.start_seconds * 1000)
                memory = server.memory_kib
        an_id = (memory - at_start - of_sets) * 1024 / ids
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.goal("memory at start", "20 MB", f"{at_start * 1024 / 1e6:.1f} MB", at_start * 1024 <= 20e6)
    report.goal("memory of a (agent, provider, model) set", "1 KB", f"{of_sets * 1024 / 10_000:,.0f} bytes",
                of_sets * 1024 / 10_000 <= 1024)
    report.goal("memory of a remembered id, after a start", "40 bytes", f"{an_id:.1f} bytes", an_id <= 40)
    seen = statistics.median(starts)
    report.goal(f"start with 10,000 sets and {ids:,} ids", "200 ms", f"{seen:.0f} ms", seen <= 200)


def growth(report: Report) -> None:
    """What a post costs, as sets and ids grow: server CPU, which drifts less than rates do."""
    rows = []
    costs = []
    with serving("llm-exporter", "--limits.max-series", "1000000") as server:
        known = 0
        for count in (10, 1000, 10_000, *([] if report.quick else [100_000])):
            for part in sets(count - known, known):
                server.post(part)
            known = count
            one = load(server, "ids.lua", report.seconds, argument=unique())
            costs.append(one.cpu_microseconds)
            rows.append([f"{count:,} sets", f"{one.requests_per_second:,.0f}", f"{one.cpu_microseconds:.1f}"])
            say(f"  {rows[-1]}")
    report.goal("cost of a post from 10 to 100,000 sets", "within a factor of 1.5", f"{max(costs) / min(costs):.2f}",
                max(costs) / min(costs) <= 1.5)
    costs = []
    with serving("llm-exporter", "--dedup.max-ids", "20000000") as server:
        connection, known = server.connection(), 0
        for count in (1000, 100_000, *([] if report.quick else [1_000_000, 5_000_000])):
            for at in range(known, count, 20_000):
                server.post([{"agent_name": "a", "provider": "p", "model": "m", "id": f"id-{n}"}
                             for n in range(at, min(at + 20_000, count))], connection)
            known = count
            one = load(server, "ids.lua", report.seconds, argument=unique())
            costs.append(one.cpu_microseconds)
            rows.append([f"{count:,} ids", f"{one.requests_per_second:,.0f}", f"{one.cpu_microseconds:.1f}"])
            say(f"  {rows[-1]}")
    report.goal("cost of a post from 1,000 to 5,000,000 remembered ids", "within a factor of 1.5",
                f"{max(costs) / min(costs):.2f}", max(costs) / min(costs) <= 1.5)
    report.table("Single durable posts as the exporter fills", ["it holds", "posts a second", "server CPU, µs a post"], rows)


SECTIONS: dict[str, Callable[[Report], None]] = {
    "single": single, "batches": batches, "scrapes": scrapes, "resources": resources, "growth": growth}


# The report

def version(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError:
        return "not installed"
    return ((done.stdout or done.stderr).strip().splitlines() or ["?"])[0]


def package(name: str) -> str:
    done = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", name], capture_output=True, text=True)
    return f"{name} {done.stdout or '?'}"


def processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def written(report: Report, command: str) -> str:
    goals = ["| what | goal | seen | |", "|---|---|---|---|"]
    goals += [f"| {what} | {goal} | {seen} | {'met' if met else '**missed**'} |" for what, goal, seen, met in report.goals]
    python = version(str(PYTHON), "-c", "import fastapi, uvicorn, prometheus_client, importlib.metadata as m; print(', '.join("
                     "f'{n} {m.version(n)}' for n in ('fastapi', 'uvicorn', 'uvloop', 'httptools', 'prometheus-client')))")
    return "\n".join([
        "# Benchmarks", "",
        f"Written by `{command}` on {datetime.date.today()}: {report.rounds} interleaved round(s), {report.seconds:g} s a load. "
        "Medians, with the least and the most; ratios are medians of the rounds' own. The load generator runs on the same "
        "processors. Ratios within one run count; absolute figures drift from machine to machine and from day to day.", "",
        f"- {os.cpu_count()} processors: {processor()}; Linux {platform.release()}",
        f"- {version(str(EXPORTER), '--version')}",
        f"- {', '.join(map(package, ('libmicrohttpd12', 'libsqlite3-0', 'wrk', 'prometheus-pushgateway', 'victoria-metrics')))}",
        f"- Python {platform.python_version()}: {python}; one process, as the original design had it",
        "- `libmicrohttpd` reads the same POST and answers without looking; `+ fdatasync` appends 64 bytes a post and shares "
        "one sync among all who wait (Benchmarks/servers/limit.c)", "",
        "## Goals", "", *goals, "", "## Tables", "", "\n\n".join(report.tables), ""])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="one round of two seconds, and fewer sets and ids")
    arguments.add_argument("--seconds", type=float)
    arguments.add_argument("--rounds", type=int)
    arguments.add_argument("--only", default=",".join(SECTIONS), help="sections, by their names, separated by commas")
    arguments.add_argument("--output", type=Path)
    chosen = arguments.parse_args()
    names = chosen.only.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        arguments.error(f"--only knows {', '.join(SECTIONS)}, not {', '.join(unknown)}")
    report = Report(chosen.seconds or (2 if chosen.quick else 4), chosen.rounds or (1 if chosen.quick else 3), chosen.quick)
    began = time.monotonic()
    for name in names:
        say(f"{name}: {SECTIONS[name].__doc__}")
        SECTIONS[name](report)
    text = written(report, "make bench" + (" QUICK=1" if chosen.quick else ""))
    print(text)
    if chosen.output:
        chosen.output.write_text(text)
    say(f"done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
