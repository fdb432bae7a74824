#!/usr/bin/env python3
"""Measures the exporter beside the library underneath and its peers, and writes BENCHMARKS.md.

    Benchmarks/bench.py [--quick] [--seconds S] [--rounds N] [--only SECTION,...] [--without-peers] [--output FILE]

Loads of a section are interleaved: each round runs all of them, one after the other, so that drift affects all alike.
Figures are medians over the rounds, with their spread, and ratios are taken within a round. All load stays on loopback.
The servers write below .build-bench, on the disk of the checkout; that folder is removed at the end.
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
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOADS = Path(__file__).parent / "loads"
SERVERS = Path(__file__).parent / "servers"
EXPORTER = Path(os.environ.get("LLM_EXPORTER_BIN") or ROOT / ".build" / "release" / "llm-exporter")
PYTHON = ROOT / ".build-venv-bench" / "bin" / "python"
#: Not /tmp, which may be memory: a sync must meet a disk.
SCRATCH = ROOT / ".build-bench"
TICKS = os.sysconf("SC_CLK_TCK")
#: As many threads of wrk as the exporter has: one alone is busier than libmicrohttpd, and would be the limit.
THREADS = min(os.cpu_count() or 1, 64)

BARE, SYNCED = "libmicrohttpd", "libmicrohttpd + fdatasync"
DURABLE, MEMORY = "llm-exporter", "llm-exporter, memory"
PUSHGATEWAY, LIBRARY, VICTORIA = "Pushgateway", "FastAPI + prometheus_client", "VictoriaMetrics"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def first(pattern: str, text: str) -> str:
    """The first group of the first match, which there must be; `^` and `$` match at lines."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"no {pattern} in: {text[-2000:]}")
    return found[1]


# Servers

#: The command of each server by its name, with what differs from run to run in capitals: for the report.
COMMANDS: dict[str, str] = {}


class Server:
    """A process that listens on a port of its own."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path):
        self.name, self.port, self.folder = name, port, folder
        self.log = (folder / "log").open("wb")
        began = time.monotonic()
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                            cwd=folder)
        except FileNotFoundError:
            raise SystemExit(f"{command[0]} is not there: `make bench` installs and builds what is missing, or leave "
                             "peers out by --without-peers") from None
        try:
            while not self.is_ready:
                if self.process.poll() is not None or time.monotonic() - began > 120:
                    raise SystemExit(f"{name} does not answer: {(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.002)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began

    @property
    def is_ready(self) -> bool:
        """Whether it takes connections; the exporter says itself whether it can commit and render."""
        try:
            if not self.name.startswith(DURABLE):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            connection = self.connection()
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

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
    def memory_bytes(self) -> int:
        return int(first(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())) * 1024

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def request(self, method: str, path: str, body: str | bytes | None = None, **headers: str) -> bytes:
        """The body of the answer, which must be 200."""
        connection = self.connection()
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{self.name}: {method} {path}: {answer.status} {told[:700]!r}")
        return told

    def fill_sets(self, first: int, end: int) -> None:
        """A record of each set from `first` until `end`; a set has about 22 samples."""
        for at in range(first, end, 1000):
            lines = [json.dumps(one) + "\n" for one in records(range(at, min(at + 1000, end)))]
            told = json.loads(self.request("POST", "/record", "".join(lines), Content_Type="application/x-ndjson"))
            if told["accepted"] != len(lines):
                raise SystemExit(f"{self.name} refused: {told}")

    def fill_ids(self, count: int) -> None:
        """Records of one set with as many ids, a multiple of 1,000: the bodies are the same, their keys differ."""
        body = b'{"agent_name":"a","provider":"p","model":"m"}\n' * 1000
        connection = self.connection()
        for _ in range(count // 1000):
            connection.request("POST", "/record", body,
                               {"Content-Type": "application/x-ndjson", "Idempotency-Key": unique()})
            told = json.loads(connection.getresponse().read())
            if told.get("accepted") != 1000:
                raise SystemExit(f"{self.name} refused: {told}")
        connection.close()


def records(numbers: range) -> list[dict[str, Any]]:
    """A record of each set by its number, named as loads/ids.lua names them."""
    return [{"agent_name": f"agent-{1_000_000 + n // 10}", "provider": "openai", "model": f"model-{n % 10}",
             "input_tokens": 100, "output_tokens": 40, "cost_usd": 0.001, "latency_ms": 150, "api_latency_ms": 120,
             "memory_rss_mb": 256.5} for n in numbers]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    SCRATCH.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=SCRATCH))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(name: str, *flags: str, folder: Path | None = None) -> Iterator[Server]:
    """A server by its name in the tables; its state in `folder`, or in one of its own that is gone afterwards."""
    with scratch() as own:
        port, state = free_port(), folder or own / "data"
        address = f"127.0.0.1:{port}"
        commands: dict[str, Callable[[], list[str]]] = {
            BARE: lambda: [str(limit_program()), str(port)],
            SYNCED: lambda: [str(limit_program()), str(port), "--sync", str(state)],
            DURABLE: lambda: [str(EXPORTER), "--web.listen-address", address, "--storage.path", str(state)],
            MEMORY: lambda: [str(EXPORTER), "--web.listen-address", address, "--storage.memory"],
            LIBRARY: lambda: [
                str(PYTHON), "-m", "uvicorn", "library:app", "--app-dir", str(SERVERS), "--port", str(port),
                "--loop", "uvloop", "--http", "httptools", "--log-level", "error", "--no-access-log"],
            # Without a file, which is its own default and not Debian's: what is pushed is in memory only.
            PUSHGATEWAY: lambda: ["prometheus-pushgateway", f"--web.listen-address={address}", "--persistence.file=",
                                  "--log.level=error"],
            VICTORIA: lambda: ["victoria-metrics", f"-httpListenAddr={address}", f"-storageDataPath={state}",
                               "-loggerLevel=ERROR"],
        }
        command = commands[name]()
        told = " ".join(command)
        for place, word in ((EXPORTER, "llm-exporter"), (state, "STATE"), (port, "PORT"), (f"{ROOT}/", "")):
            told = told.replace(str(place), word)
        COMMANDS.setdefault(name, told)
        server = Server(name, [*command, *flags], port, own)
        try:
            yield server
        finally:
            server.stop()


def limit_program() -> Path:
    """servers/limit.c, compiled where it is newer."""
    program = SCRATCH / "limit"
    source = SERVERS / "limit.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        SCRATCH.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source,
                        "-lmicrohttpd", "-lpthread"], check=True)
    return program


# Loads

@dataclass
class Load:
    """The figures of wrk, and the processor time of the server and of wrk."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_microseconds: float
    client_microseconds: float


def milliseconds(text: str) -> float:
    unit = first(r"^[\d.]+(us|ms|s|m)$", text)
    return float(text.removesuffix(unit)) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


RUNS = iter(range(1_000_000))


def unique() -> str:
    """A name that no other load has, and of the same length in each run."""
    return f"run-{os.getpid():07}-{next(RUNS):06}"


def wrk(seconds: float, script: str, target: str, *arguments: str) -> list[str]:
    return ["wrk", f"-t{THREADS}", "-c64", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "--latency",
            "-s", script, f"http://127.0.0.1:{target}", "--", *arguments]


def load(server: Server, script: str, seconds: float, *arguments: str, path: str = "/record") -> Load:
    command = wrk(seconds, str(LOADS / script), f"{server.port}{path}", *arguments)
    before, client_before = server.cpu_seconds, os.times()
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("wrk is not there: `make bench` installs what is missing") from None
    client_after, after = os.times(), server.cpu_seconds
    output = done.stdout
    if done.returncode != 0 or "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{server.name}: {output}{done.stderr}\n{(server.folder / 'log').read_text()[-2000:]}")
    total = int(first(r"(\d+) requests in", output))
    p50, p99 = (milliseconds(first(rf"^ +{percent}% +(\S+)$", output)) for percent in (50, 99))
    client = sum(client_after[2:4]) - sum(client_before[2:4])
    return Load(float(first(r"Requests/sec:\s+([\d.]+)", output)), p50, p99, (after - before) / total * 1e6,
                client / total * 1e6)


#: Kept from one download to the next, so that none measures its allocation.
BUFFER = bytearray(1 << 20)


def download(server: Server, buffer: bytearray = BUFFER) -> tuple[float, int]:
    """Seconds from the request of /metrics to its last byte, and bytes: HTTP/1.0, so that none is spent on chunks."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        began, size = time.monotonic(), 0
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n")
        while read := connection.recv_into(buffer):
            if size == 0 and not buffer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                raise SystemExit(f"{server.name}: {bytes(buffer[:read])!r}")
            size += read
        return time.monotonic() - began, size


@contextmanager
def downloading(server: Server) -> Iterator[list[int]]:
    """One download after the other; their sizes."""
    stop, sizes = threading.Event(), []

    def work() -> None:
        buffer = bytearray(1 << 20)
        while not stop.is_set():
            sizes.append(download(server, buffer)[1])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield sizes
    finally:
        stop.set()
        thread.join()


# Results

@dataclass
class Report:
    seconds: float
    rounds: int
    quick: bool
    has_peers: bool
    tables: list[str] = field(default_factory=list)
    goals: list[tuple[str, str, str, str, bool]] = field(default_factory=list)

    def goal(self, what: str, goal: str, figure: str, ratio: str, is_met: bool) -> None:
        self.goals.append((what, goal, figure, ratio, is_met))

    def table(self, title: str, head: list[str], rows: list[list[str]], note: str = "") -> None:
        lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.tables.append("\n".join([*lines, *(["", note] if note else [])]))


def spread(values: list[float], digits: int = 0) -> str:
    middle = statistics.median(values)
    text = f"{middle:,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratio(values: list[float], others: list[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, others, strict=True))


def ratios(values: list[float], others: list[float], digits: int = 2) -> str:
    return spread([value / other for value, other in zip(values, others, strict=True)], digits)


def rates(loads: list[Load]) -> list[float]:
    return [one.requests_per_second for one in loads]


def rounds(report: Report, plan: dict[str, Callable[[], Load]]) -> dict[str, list[Load]]:
    """All loads of the plan, once a round."""
    loads: dict[str, list[Load]] = {label: [] for label in plan}
    for round_ in range(report.rounds):
        for label, work in plan.items():
            loads[label].append(work())
            say(f"  round {round_ + 1}/{report.rounds}: {label}: {loads[label][-1].requests_per_second:,.0f} a second")
    return loads


LOAD_HEAD = ["requests a second", "p50 ms", "p99 ms", "server CPU, µs a request", "wrk's CPU, µs a request"]


def load_cells(loads: list[Load]) -> list[str]:
    return [spread(rates(loads)), *(spread([getattr(one, name) for one in loads], 2) for name in ("p50_ms", "p99_ms")),
            *(spread([getattr(one, name) for one in loads], 1) for name in ("cpu_microseconds", "client_microseconds"))]


# Sections

def single(report: Report) -> None:
    """Single posts, 64 keep-alive connections."""
    def fresh(name: str, script: str, *arguments: str, path: str = "/record") -> Callable[[], Load]:
        def work() -> Load:
            with serving(name) as server:
                own = [unique()] if script == "ids.lua" else []
                return load(server, script, report.seconds, *own, *arguments, path=path)
        return work

    bare_ids = f"{BARE}, ids"
    memory_ids = f"{MEMORY}, ids"
    plan = {
        BARE: fresh(BARE, "json.lua"),
        MEMORY: fresh(MEMORY, "json.lua"),
        bare_ids: fresh(BARE, "ids.lua"),
        memory_ids: fresh(MEMORY, "ids.lua"),
        f"{SYNCED}, ids": fresh(SYNCED, "ids.lua"),
        f"{DURABLE}, ids": fresh(DURABLE, "ids.lua"),
    }
    if report.has_peers:
        plan |= {
            LIBRARY: fresh(LIBRARY, "json.lua"),
            PUSHGATEWAY: fresh(PUSHGATEWAY, "text.lua", "/metrics/job/agent", path="/metrics/job/agent"),
            VICTORIA: fresh(VICTORIA, "text.lua", "/api/v1/import/prometheus", path="/api/v1/import/prometheus"),
        }
    loads = rounds(report, plan)
    durable, synced = rates(loads[f"{DURABLE}, ids"]), rates(loads[f"{SYNCED}, ids"])
    report.table(
        "Single posts", ["server", *LOAD_HEAD, f"of {BARE}", f"{DURABLE}, ids, is"],
        [[label, *load_cells(all_), f"{ratio(rates(all_), rates(loads[bare_ids if 'ids' in label else BARE])):.2f}",
          f"{ratio(durable, rates(all_)):.2f} times"] for label, all_ in loads.items()],
        "Rows with ids are compared with libmicrohttpd's row with ids. Pushgateway, FastAPI and VictoriaMetrics answer "
        "before anything is on disk, and know no ids.")
    ours, bare = rates(loads[MEMORY]), rates(loads[BARE])
    report.goal("single posts, --storage.memory", f"0.95 of {BARE}", f"{spread(ours)} a second", ratios(ours, bare),
                ratio(ours, bare) >= 0.95)
    figure = f"{spread(durable)} a second"
    for label, others, wanted in ((SYNCED, synced, 0.95), (BARE, rates(loads[bare_ids]), 0.6)):
        report.goal("single posts with ids, durable", f"{wanted} of {label}", figure, ratios(durable, others),
                    ratio(durable, others) >= wanted)
    if not report.has_peers:
        return
    for peer, wanted in ((PUSHGATEWAY, 20), (LIBRARY, 8)):
        seen = ratio(durable, rates(loads[peer]))
        report.goal(f"the same, against {peer}", f"{wanted} times", figure, ratios(durable, rates(loads[peer]), 1),
                    seen >= wanted)
    p99 = [one.p99_ms for one in loads[f"{DURABLE}, ids"]]
    p50 = [one.p50_ms for one in loads[PUSHGATEWAY]]
    report.goal("p99 of single durable posts", "below Pushgateway's p50",
                f"{spread(p99, 2)} ms; Pushgateway's p50 {spread(p50, 2)} ms", ratios(p99, p50), ratio(p99, p50) < 1)


def batches(report: Report) -> None:
    """NDJSON of 1,000 records a post, 64 keep-alive connections."""
    def fresh(name: str, sets: int, has_ids: bool) -> Callable[[], Load]:
        def work() -> Load:
            with serving(name) as server:
                return load(server, "ndjson.lua", report.seconds, str(sets), *([unique()] if has_ids else []))
        return work

    goals = {f"{DURABLE}, no ids": 1_000_000, f"{DURABLE}, ids": 300_000}
    plan = {
        BARE: fresh(BARE, 1, False),
        f"{DURABLE}, no ids": fresh(DURABLE, 1, False),
        f"{DURABLE}, no ids, 100 sets": fresh(DURABLE, 100, False),
        f"{DURABLE}, ids": fresh(DURABLE, 1, True),
        f"{DURABLE}, ids, 100 sets": fresh(DURABLE, 100, True),
    }
    loads = rounds(report, plan)
    report.table(
        "NDJSON of 1,000 records", ["server", "records a second", *LOAD_HEAD[1:]],
        [[label, spread([rate * 1000 for rate in rates(all_)]), *load_cells(all_)[1:]]
         for label, all_ in loads.items()],
        "Each post has an Idempotency-Key of its own where there are ids. The records of a post are of one set, or of "
        "100.")
    for label, wanted in goals.items():
        seen = [rate * 1000 for rate in rates(loads[label])]
        report.goal(f"NDJSON of 1,000, durable, {label.split(', ')[1]}", f"{wanted:,} records a second", spread(seen),
                    f"{statistics.median(seen) / wanted:.2f} of it", statistics.median(seen) >= wanted)


def scrapes(report: Report) -> None:
    """Scrapes of about 100,000 samples."""
    count = 100_000 // 22
    names = [DURABLE, *([PUSHGATEWAY, LIBRARY] if report.has_peers else [])]
    times: dict[str, list[float]] = {name: [] for name in names}
    samples: dict[str, int] = {}
    many = ("--limits.max-series", "1000000")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(name, *(many if name == DURABLE else ()))) for name in names}
        servers[DURABLE].fill_sets(0, count)
        if report.has_peers:
            lines = servers[DURABLE].request("GET", "/metrics").decode().split("\n")
            kept = [line for line in lines if re.match(r"(# TYPE )?llm_(?!exporter_)", line)]
            for name, path in ((PUSHGATEWAY, "/metrics/job/agent"), (LIBRARY, "/series")):
                servers[name].request("PUT", path, "\n".join(kept) + "\n")
        for name, server in servers.items():
            told = server.request("GET", "/metrics").decode().split("\n")
            samples[name] = sum(line[:1] not in ("", "#") for line in told)
        # A change before each scrape, as in use: none may answer with what it had rendered before.
        change = json.dumps(records(range(1))[0])
        for round_ in range(report.rounds):
            seen: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(3):
                for name, server in servers.items():
                    if name == PUSHGATEWAY:
                        server.request("POST", "/metrics/job/change", "change 1\n")
                    else:
                        server.request("POST", "/record", change, Content_Type="application/json")
                    seen[name].append(download(server)[0] * 1000)
            for name in names:
                times[name].append(statistics.median(seen[name]))
            say(f"  round {round_ + 1}/{report.rounds}: "
                + ", ".join(f"{name} {all_[-1]:,.1f} ms" for name, all_ in times.items()))
    report.table(f"Scrape of {count:,} sets, time to the last byte", ["server", "samples", "ms", "times ours"],
                 [[name, f"{samples[name]:,}", spread(times[name], 1), f"{ratio(times[name], times[DURABLE]):.1f}"]
                  for name in names],
                 "All show the exporter's `llm_` series, which it has beside a few of its own. A round's figure is the "
                 "median of three scrapes, each after a change.")
    if report.has_peers:
        for peer, wanted in ((PUSHGATEWAY, 10), (LIBRARY, 30)):
            faster = ratio(times[peer], times[DURABLE])
            report.goal(f"scrape of {samples[DURABLE]:,} samples, against {peer}", f"{wanted} times faster",
                        f"{spread(times[DURABLE], 1)} ms; {spread(times[peer], 1)} ms",
                        ratios(times[peer], times[DURABLE], 1), faster >= wanted)


def posts_beside(report: Report) -> None:
    """Single durable posts while a scrape of about 1,000,000 samples runs."""
    with ExitStack() as stack:
        server = stack.enter_context(serving(DURABLE, "--limits.max-series", "1000000"))
        server.fill_sets(0, (100_000 if report.quick else 1_000_000) // 22)
        body = server.request("GET", "/metrics")
        samples = sum(line[:1] not in (b"", b"#") for line in body.split(b"\n"))
        page = stack.enter_context(scratch()) / "page"
        page.write_bytes(body)
        other = stack.enter_context(serving(BARE, "--get", str(page)))
        downloads: list[int] = []

        def beside(source: Server | None) -> Callable[[], Load]:
            def work() -> Load:
                if source is None:
                    return load(server, "ids.lua", report.seconds, unique())
                with downloading(source) as sizes:
                    seen = load(server, "ids.lua", report.seconds, unique())
                if source is server:
                    downloads.append(len(sizes))
                return seen
            return work

        alone, control, scraped = "alone", "beside downloads of as much from libmicrohttpd", "beside scrapes"
        loads = rounds(report, {alone: beside(None), control: beside(other), scraped: beside(server)})
    report.table(
        f"Single durable posts beside scrapes of {samples:,} samples, one after the other", ["posts", *LOAD_HEAD],
        [[label, *load_cells(all_)] for label, all_ in loads.items()],
        f"{spread(list(map(float, downloads)))} scrapes of {len(body) / 1e6:,.0f} MB a load. The downloads come from "
        "the memory of another process: they cost the posts what any download costs that uses the same processors.")
    p99 = {label: [one.p99_ms for one in all_] for label, all_ in loads.items()}
    seen = ratio(p99[scraped], p99[alone])
    report.goal(f"p99 of durable posts beside scrapes of {samples:,} samples", "at most twice what it is without",
                f"{spread(p99[scraped], 2)} ms; without {spread(p99[alone], 2)} ms",
                ratios(p99[scraped], p99[alone], 1), seen <= 2)


def resources(report: Report) -> None:
    """Memory, and the time of a start."""
    ids, sets, settle = (100_000 if report.quick else 1_000_000), 10_000, 10_000
    flags = ("--limits.max-series", "20000")
    starts, at_start, of_ids_again = [], [], []
    with scratch() as folder:
        for _ in range(report.rounds):
            with serving(DURABLE, *flags, folder=folder / "empty") as server:
                at_start.append(server.memory_bytes)
        say(f"  {spread([one / 1e6 for one in at_start], 1)} MB at start")
        # The first records take memory once, such as the server threads' buffers: it belongs to no set and no id.
        with serving(DURABLE, *flags, folder=folder / "data") as server:
            server.fill_sets(0, 1000)
            before = server.memory_bytes
            server.fill_sets(1000, sets)
            of_set = (server.memory_bytes - before) / (sets - 1000)
        say(f"  {of_set:,.0f} bytes a set")
        with serving(DURABLE, *flags, folder=folder / "data") as server:
            with_sets = server.memory_bytes
            server.fill_ids(settle)
            before = server.memory_bytes
            server.fill_ids(ids - settle)
            of_id = (server.memory_bytes - before) / (ids - settle)
        say(f"  {of_id:,.1f} bytes an id")
        for _ in range(max(3, report.rounds)):
            with serving(DURABLE, *flags, folder=folder / "data") as server:
                starts.append(server.start_seconds * 1000)
                of_ids_again.append((server.memory_bytes - with_sets) / ids)
        say(f"  {spread(starts)} ms to start")
    report.goal("memory at start", "20 MB", f"{spread([one / 1e6 for one in at_start], 1)} MB",
                f"{statistics.median(at_start) / 20e6:.2f} of it", statistics.median(at_start) <= 20e6)
    report.goal(f"memory of a (agent, provider, model) set, {sets:,} sets", "1 KB", f"{of_set:,.0f} bytes",
                f"{of_set / 1024:.2f} of it", of_set <= 1024)
    report.goal(f"memory of a remembered id, {ids:,} ids", "40 bytes", f"{of_id:.1f} bytes", f"{of_id / 40:.2f} of it",
                of_id <= 40)
    again = statistics.median(of_ids_again)
    report.goal("the same, after a start", "40 bytes", f"{spread(of_ids_again, 1)} bytes", f"{again / 40:.2f} of it",
                again <= 40)
    seen = statistics.median(starts)
    report.goal(f"start with {sets:,} sets and {ids:,} ids, until ready", "200 ms", f"{spread(starts)} ms",
                f"{seen / 200:.2f} of it", seen <= 200)


def growth(report: Report) -> None:
    """The cost of a post as sets and ids grow."""
    sets = [10, 1000, *([] if report.quick else [10_000, 100_000])]
    ids = [1000, 100_000, *([] if report.quick else [1_000_000, 5_000_000])]

    def posting(server: Server, *arguments: str) -> Callable[[], Load]:
        return lambda: load(server, "ids.lua", report.seconds, unique(), *arguments)

    def judge(what: str, loads: dict[str, list[Load]]) -> None:
        """Compares all with the first of them."""
        labels = list(loads)
        for kind, cost in (("server CPU", lambda one: one.cpu_microseconds),
                           ("time", lambda one: 1e6 / one.requests_per_second)):
            costs = {label: [cost(one) for one in all_] for label, all_ in loads.items()}
            worst = max(labels[1:], key=lambda label: ratio(costs[label], costs[labels[0]]))
            seen = ratio(costs[worst], costs[labels[0]])
            report.goal(f"{kind} of a durable post {what}", "within a factor of 1.5",
                        f"{spread(costs[labels[0]], 1)} µs; with {worst.split(', posts')[0]} "
                        f"{spread(costs[worst], 1)} µs",
                        ratios(costs[worst], costs[labels[0]]), seen <= 1.5)

    rows = []
    with ExitStack() as stack:
        servers = {}
        for count in sets:
            servers[count] = stack.enter_context(serving(DURABLE, "--limits.max-series", "1000000"))
            servers[count].fill_sets(0, count)
            say(f"  filled with {count:,} sets")
        plan = {f"{count:,} sets, posts to all": posting(server, str(count)) for count, server in servers.items()}
        plan |= {f"{count:,} sets, posts to one": posting(server) for count, server in servers.items()}
        loads = rounds(report, plan)
    rows += [[label, *load_cells(all_)] for label, all_ in loads.items()]
    span = f"from {sets[0]} to {sets[-1]:,} sets, "
    judge(span + "posts spread over them", {label: all_ for label, all_ in loads.items() if "all" in label})
    judge(span + "posts to one of them", {label: all_ for label, all_ in loads.items() if "one" in label})
    with ExitStack() as stack:
        servers = {}
        for count in ids:
            # The count stays as it is under load: for each id that comes one goes.
            servers[count] = stack.enter_context(serving(DURABLE, "--dedup.max-ids", str(count)))
            servers[count].fill_ids(count)
            say(f"  filled with {count:,} ids")
        loads = rounds(report, {f"{count:,} ids": posting(server) for count, server in servers.items()})
    rows += [[label, *load_cells(all_)] for label, all_ in loads.items()]
    judge(f"from {ids[0]:,} to {ids[-1]:,} remembered ids", loads)
    report.table("Single durable posts as the exporter fills", ["it holds", *LOAD_HEAD], rows)


SECTIONS: dict[str, Callable[[Report], None]] = {
    "single": single, "batches": batches, "scrapes": scrapes, "beside": posts_beside, "resources": resources,
    "growth": growth}


# The report

def version(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError:
        return "not installed"
    return ((done.stdout or done.stderr).strip().splitlines() or ["?"])[0]


def package(name: str) -> str:
    try:
        done = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", name], capture_output=True, text=True)
    except OSError:
        return f"{name} ?"
    return f"{name} {done.stdout or '?'}"


def processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def memory() -> str:
    return f"{int(first(r'MemTotal: +([0-9]+)', Path('/proc/meminfo').read_text())) / 1e6:.0f} GB of memory"


def file_system() -> str:
    """The file system that the servers write to, and the time of a sync of 4 KiB there."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    kind = max((mount for mount in mounts if SCRATCH.is_relative_to(mount[0])), key=lambda mount: len(mount[0]))[1]
    times = []
    with scratch() as folder, (folder / "file").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - began) * 1e6)
    return (f"{kind}; fdatasync of 4 KiB appended: median {statistics.median(times):,.0f} µs, "
            f"p99 {sorted(times)[-2]:,.0f} µs")


def written(report: Report, command: str) -> str:
    goals = ["| what | goal | figure | ratio | |", "|---|---|---|---|---|"]
    goals += [f"| {what} | {goal} | {figure} | {ratio} | {'met' if is_met else '**missed**'} |"
              for what, goal, figure, ratio, is_met in report.goals]
    python = version(
        str(PYTHON), "-c",
        "import platform, importlib.metadata as m; print(platform.python_version() + ': ' + ', '.join("
        "f'{n} {m.version(n)}' for n in ('fastapi', 'uvicorn', 'uvloop', 'httptools', 'prometheus-client')))")
    packages = ("libmicrohttpd12", "libsqlite3-0", "wrk", "prometheus-pushgateway", "victoria-metrics")
    today = datetime.datetime.now(datetime.UTC).date()
    return "\n".join([
        "# Benchmarks", "",
        (f"Written by `{command}` on {today}: {report.rounds} interleaved round(s), {report.seconds:g} s a load, "
         "64 keep-alive connections. Medians, with the least and the most; ratios are medians of the rounds' own. "
         "The load generator runs on the same processors. Ratios within one run count; absolute figures drift "
         "from machine to machine and from day to day."), "",
        "## Goals", "", *goals, "",
        "## Machine and versions", "",
        f"- {os.cpu_count()} processors, {processor()}; {memory()}; Linux {platform.release()}",
        f"- {file_system()}",
        f"- {version(str(EXPORTER), '--version')}",
        f"- {', '.join(map(package, packages))}",
        f"- Python {python}; one process",
        (f"- `{BARE}` reads the same POST and answers without looking at it; `+ fdatasync` appends 64 bytes a post, "
         "and all posts that wait share one sync (Benchmarks/servers/limit.c)"), "",
        "## Commands", "",
        *(f"- {name}: `{command}`" for name, command in COMMANDS.items()),
        (f"- load: `{' '.join(wrk(report.seconds, 'Benchmarks/loads/LOAD.lua', 'PORT/PATH', 'ARGUMENTS'))}`; each file "
         "in Benchmarks/loads lists its arguments"), "",
        "## Tables", "", "\n\n".join(report.tables), ""])


def main() -> None:
    # A terminated run unwinds like an interrupted one, and ends what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="rounds of a second a load, and fewer sets and ids")
    arguments.add_argument("--seconds", type=float, help="of each load (default: 4)")
    arguments.add_argument("--rounds", type=int, help="(default: 5, or 3 with --quick)")
    arguments.add_argument("--only", default=",".join(SECTIONS),
                           help=f"some of the sections, separated by commas: {', '.join(SECTIONS)}")
    arguments.add_argument("--without-peers", action="store_true", help="libmicrohttpd and the exporter only")
    arguments.add_argument("--output", type=Path)
    chosen = arguments.parse_args()
    names = chosen.only.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        arguments.error(f"--only knows {', '.join(SECTIONS)}, not {', '.join(unknown)}")
    report = Report(chosen.seconds or (1 if chosen.quick else 4), chosen.rounds or (3 if chosen.quick else 5),
                    chosen.quick, not chosen.without_peers)
    began = time.monotonic()
    failed = []
    for name in names:
        say(f"{name}: {SECTIONS[name].__doc__}")
        try:
            SECTIONS[name](report)
        except SystemExit as failure:
            say(f"{failure}")
            failed.append(name)
    text = written(report, "make bench" + (" QUICK=1" if chosen.quick else ""))
    print(text)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; nothing is written to a file")
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(text)
    say(f"done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
