"""Good, bad and hostile traffic for minutes: totals stay exact, and memory, descriptors, threads and files stay flat.

`LLM_EXPORTER_SOAK_MINUTES` says for how long (`make soak MINUTES=30`; by default one minute), `LLM_EXPORTER_SEED`
repeats the choices of a run.

Two exporters with durable storage get the same traffic. The *lasting* one runs to the end, so that its memory can be
followed; the *mortal* one is killed and stopped every few seconds. Calls come in epochs: once all calls of an epoch are
acknowledged, totals and native histograms must be exactly theirs, and the series are reset for the next epoch. Ids are
forgotten after a window that is shorter than a third of the run, so that their number stays the same, too.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import os
import random
import re
import signal
import socket
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from attack import Attack, Part
from credentials import bearer, digest, hashed
from durability import SEED, check_native_histograms, check_sound
from exporter import OPENMETRICS, PATIENCE, Exporter, Reply, call, encode, eventually
from exposition import Exposition
from protobuf_exposition import ACCEPT, families
from workload import PER_SET, Account, Event, Key, Shown, Workload
from workload_sender import Outcome, WorkloadSender

SECONDS = 60 * float(os.environ.get("LLM_EXPORTER_SOAK_MINUTES") or 1)
#: Seconds for which ids are remembered.
WINDOW = max(15, min(60, round(SECONDS / 10)))
BODY_LIMIT = 4 << 20
WRITERS = 2
CALLS_PER_EPOCH = 40 * PER_SET
#: Rows of the table of samples.
ROWS = 30

#: Threads are started when they are first needed, and glibc keeps up to 64 MiB in each of its arenas. A run of less
#: than five minutes may end before all have come. `MALLOC_ARENA_MAX=2 make soak` distinguishes a leak from that.
THREADS, ARENAS_MIB = (2, 64) if SECONDS >= 300 else (8, 192)
#: May grow from the median of the middle third of the run to that of the last third: a share of it, and an amount.
TOLERANCES = {
    "RSS MiB": (0.10, ARENAS_MIB), "peak MiB": (0.10, ARENAS_MIB), "descriptors": (0.10, 8), "threads": (0, THREADS),
    "WAL MiB": (0.25, 4), "database MiB": (0.25, 4),
}

#: Kinds of attack for the lasting exporter, one after the other.
ATTACKS = [
    [Part("gzip", 1)], [Part("idle", 100), Part("half a header", 100)], [Part("starts", 1)], [Part("length", 8)],
    [Part("Basic", 4)], [Part("array", 1), Part("litellm", 1)], [Part("unread answer", 100)], [Part("Bearer", 4)],
    [Part("rejected lines", 1), Part("nested", 1)], [Part("chunked", 8), Part("expect", 8), Part("announced", 8)],
    [Part("spans", 1), Part("empty messages", 1)], [Part("zstd", 1), Part("ledger", 1)],
]
#: Attackers of the mortal exporter must bear that it ends.
ATTACKS_OF_THE_MORTAL = [[Part("gzip", 1)], [Part("starts", 1), Part("Bearer", 1)], [Part("zstd", 1), Part("Basic", 1)]]
#: So that each third of the shortest run has all of them.
ATTACK_SECONDS, PAUSE_SECONDS = 0.8, 0.4

HEAD = b"POST /record HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer soak\r\nContent-Type: application/json\r\n"
WRONG_RECORD = encode(call(latency_ms=-1)).encode()
#: Requests of clients that make mistakes, with the status that each gets.
BAD_REQUESTS = [
    (HEAD + b"Content-Length: 1\r\n\r\n{", 400),
    (HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(WRONG_RECORD), WRONG_RECORD), 422),
    (HEAD + b"Content-Length: %d\r\n\r\n" % (5 * BODY_LIMIT), 413),
    (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone", 400),
    (HEAD + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnone", 415),
    (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (HEAD.replace(b"Bearer soak", b"Bearer none") + b"Content-Length: 2\r\n\r\n[]", 401),
    (HEAD.replace(b"POST", b"DELETE") + b"Content-Length: 0\r\n\r\n", 405),
    (HEAD.replace(b"/record", b"/nowhere") + b"Content-Length: 0\r\n\r\n", 404),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
]
#: These are left without waiting for an answer.
ABANDONED = [b"", b"GET / HT", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n{\"agent",
             HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
             b"\x16\x03\x01\0\xa5\1\0\0"]

WEB = """
basic_auth_users: {{alice: {password}}}
bearer_tokens:
  - {{name: soak, sha256: {soak}, scopes: [record, scrape, admin]}}
  - {{name: attacker, sha256: {attacker}, scopes: [record, scrape]}}
http_server_config: {{headers: {{X-Frame-Options: {frames}}}}}
"""
GOOD = ["budgets:\n  - {name: all, limit_usd: 100, period: day}\n",
        ("budgets:\n  - {name: all, limit_usd: 200, period: day}\n"
         "  - {name: acme, provider: acme, limit_usd: 1, period: hour}\n")]
BAD = "budgets:\n  - {name: all, limit_usd: much, period: day}\n"


class Guarded(Exporter):
    """An exporter whose clients show the token of this test."""

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None,
                source: str | None = None) -> Reply:
        """As an exporter's; one that says that it is stopping is taken for one that has stopped."""
        reply = super().request(method, path, body, {**bearer("soak"), **(headers or {})}, source)
        if reply.status == 503 and re.search(rb"the exporter is (starting or )?stopping", reply.body):
            raise ConnectionAbortedError(reply.body)
        return reply


def is_of_others(key: Key) -> bool:
    """Whether a series is not of the workload but of an attack, whose calls count as well, or of a budget."""
    labels = dict(key.labels)
    return labels.get("provider") == "p" or labels.get("agent_name") == "b" or key.name.startswith("llm_budget_")


def scraped(exporter: Exporter) -> Shown:
    reply = exporter.get("/metrics")
    assert reply.status == 200, reply
    shown = Shown(reply.body)
    shown.counters = {key: value for key, value in shown.counters.items() if not is_of_others(key)}
    shown.gauges = {key: value for key, value in shown.gauges.items() if not is_of_others(key)}
    return shown


class Epoch:
    """Calls that are sent between two resets."""

    def __init__(self, number: int):
        self.workload, self.account = Workload(SEED), Account()
        self.number = number
        self.numbers = range(number * CALLS_PER_EPOCH, (number + 1) * CALLS_PER_EPOCH)
        self.events = [event for call in self.numbers for event in self.workload.events(call) if event.kind != "open"]
        #: Events with the time of their first acknowledgement, for senders that repeat them.
        self.acknowledged: deque[tuple[float, Event]] = deque(maxlen=400)
        self._lock = threading.Lock()
        self._untaken = deque(self.numbers)

    def take(self, dice: random.Random) -> list[Event]:
        """New events for one writer, none when all are taken."""
        with self._lock:
            size = min(dice.choice([1, 1, 2, 5, 20, 60]), len(self._untaken))
            taken = [self._untaken.popleft() for _ in range(size)]
        events = [event for call in taken for event in self.workload.events(call) if event.kind != "open"]
        dice.shuffle(events)
        return events

    @property
    def is_complete(self) -> bool:
        return len(self.account.acknowledged) == len(self.events)


class Target:
    """One exporter with its traffic, and what is known of it."""

    def __init__(self, soak: Soak, name: str, folder: Path):
        self.soak, self.name, self.folder = soak, name, folder
        folder.mkdir()
        self.storage = folder / "state"
        self.web, self.config = folder / "web.yml", folder / "config.yml"
        self.passwords = [hashed("secret", 10), hashed("other", 10)]
        self.reloads = itertools.count()
        self.write_settings()
        self.dice = random.Random(f"{SEED}/{name}")
        self.epoch = Epoch(0)
        #: Is odd while series are removed, and even while counters only go up.
        self.resets = 0
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.exporter: Guarded | None = None
        self.exporter = self.started()

    def started(self) -> Guarded:
        return Guarded("--web.config.file", str(self.web), "--config.file", str(self.config), "--web.enable-admin-api",
                       "--web.max-body-size", str(BODY_LIMIT), "--dedup.window", f"{WINDOW}s", storage=self.storage)

    def write_settings(self) -> bool:
        """Writes the files that a reload reads, every third time with a fault; returns whether they are sound."""
        turn = next(self.reloads)
        self.web.write_text(WEB.format(password=self.passwords[turn % 2], soak=digest("soak"),
                                       attacker=digest("attacker"), frames=("deny", "sameorigin")[turn % 2]))
        self.config.write_text(BAD if turn % 3 == 2 else GOOD[turn % 2])
        return turn % 3 != 2

    def count(self, what: str, times: int = 1) -> None:
        with self._lock:
            self.counts[what] += times

    # Traffic, each kind in a thread of its own.

    def write(self, writer: int) -> None:
        dice = random.Random(f"{SEED}/{self.name}/writer/{writer}")
        epoch, backlog = self.epoch, list[Event]()
        sender: WorkloadSender | None = None
        exporter = None
        while not self.soak.is_over(self):
            if not backlog:
                epoch_now = self.epoch
                if epoch_now is not epoch:
                    epoch, sender = epoch_now, None
                backlog = epoch.take(dice)
            if self.exporter is not exporter or sender is None:
                exporter = self.exporter
                sender = WorkloadSender(exporter.address, epoch.workload, epoch.account,
                                        headers=bearer("soak")) if exporter else None
            if not sender:
                time.sleep(0.01)
                continue
            recent = [event for at, event in list(epoch.acknowledged) if at > time.monotonic() - WINDOW / 3]
            again = bool(recent) and (not backlog or dice.random() < 0.05)
            batch = (dice.sample(recent, min(len(recent), dice.randint(1, 40))) if again
                     else backlog[:dice.choice([1, len(backlog)])])
            if batch:
                outcome = sender.post(batch, dice)
                self.count("posts")
                if outcome is not Outcome.ACKNOWLEDGED:
                    self.count("posts sent again")
                elif not again:
                    backlog = backlog[len(batch):]
                    epoch.acknowledged.extend((time.monotonic(), event) for event in batch)
            time.sleep(dice.expovariate(60))

    def scrape(self) -> None:
        """All formats; what counts in a durable family never goes down between two resets."""
        last: dict[Key, str] = {}
        of = 0
        further = itertools.cycle([self._openmetrics, self._protobuf, self._pages])
        while not self.soak.is_over(self):
            exporter, resets = self.exporter, self.resets
            if not exporter:
                time.sleep(0.01)
                continue
            try:
                now = scraped(exporter).counters
                next(further)(exporter)
            except (OSError, http.client.HTTPException):
                self.is_excused(exporter)
                continue
            if resets == of == self.resets and resets % 2 == 0:
                for key, value in last.items():
                    assert key in now, f"{key} {value} has vanished"
                    assert now[key] == value or Decimal(now[key]) > Decimal(value), f"{key}: {now[key]} after {value}"
            last, of = now, resets
            self.count("scrapes", 2)
            time.sleep(0.2)

    def is_excused(self, exporter: Guarded) -> None:
        """Raises what is being handled, unless the exporter was ended meanwhile."""
        if self.exporter is exporter:
            eventually(lambda: self.exporter is not exporter or self.soak.failures, "it was ended", within=PATIENCE)

    @staticmethod
    def _openmetrics(exporter: Exporter) -> None:
        reply = exporter.get("/metrics", Accept=OPENMETRICS, Accept_Encoding="gzip")
        assert reply.status == 200 and Exposition(gzip.decompress(reply.body)).ended, reply

    @staticmethod
    def _protobuf(exporter: Exporter) -> None:
        reply = exporter.get("/metrics", Accept=ACCEPT)
        assert reply.status == 200 and "llm_calls_total" in families(reply.body), reply

    @staticmethod
    def _pages(exporter: Exporter) -> None:
        for path in ("/", "/summary", "/api/v1/budgets", "/-/healthy", "/-/ready"):
            assert exporter.get(path).status == 200, path

    def err(self) -> None:
        """Requests that are wrong, and such that end in the middle: closed, reset or half-closed."""
        dice = random.Random(f"{SEED}/{self.name}/errors")
        while not self.soak.is_over(self):
            exporter = self.exporter
            if not exporter:
                time.sleep(0.01)
                continue
            request, status = dice.choice(BAD_REQUESTS)
            try:
                with exporter.wire() as wire:
                    reply = wire.send(request).reply()
                    assert reply.status in (status, 429, 503), (request, reply)
                self.leave(exporter, dice)
            except (OSError, http.client.HTTPException):
                self.is_excused(exporter)
            self.count("bad requests", 2)
            time.sleep(0.05)

    @staticmethod
    def leave(exporter: Exporter, dice: random.Random) -> None:
        with exporter.wire() as wire:
            wire.send(dice.choice(ABANDONED))
            way = dice.randrange(3)
            if way == 0:
                wire.reset()
            elif way == 1:
                wire.socket.shutdown(socket.SHUT_WR)

    # Reloads, ends and resets, all by one thread.

    def manage(self, *, is_mortal: bool) -> None:
        due = time.monotonic()
        while not self.soak.finishing.is_set() and not self.soak.failures:
            time.sleep(0.02)
            if self.epoch.is_complete:
                self.close_epoch()
                self.epoch = Epoch(self.epoch.number + 1)
            if time.monotonic() > due:
                due = time.monotonic() + min(self.dice.expovariate(1), 3)
                if is_mortal and self.dice.random() < 0.5:
                    self.restart()
                else:
                    self.reload()

    def close_epoch(self) -> None:
        """Holds totals and histograms to the calls of the epoch, each once, and removes all series."""
        exporter, epoch = self.running, self.epoch
        epoch.workload.check_exactly(scraped(exporter), set(epoch.events))
        check_native_histograms(exporter, epoch.workload, epoch.events, is_of_others)
        # Those that only repeat go on; the next epoch has new calls.
        self.resets += 1
        eventually(lambda: exporter.request("POST", "/api/v1/admin/reset").status == 204, "series are removed")
        assert not scraped(exporter).units()
        self.resets += 1
        Shown.forget_keys()
        self.count("epochs")
        self.count("calls", len(epoch.numbers))

    def reload(self) -> None:
        exporter = self.running

        def readings() -> int:
            return sum(int(sample.value) for sample in exporter.scrape().find("llm_exporter_config_reloads_total"))

        before = readings()
        is_sound = self.write_settings()
        exporter.signal(signal.SIGHUP)
        eventually(lambda: readings() > before, "the files are read")
        assert exporter.scrape().value("llm_exporter_config_last_reload_successful") == str(int(is_sound))
        self.count("reloads")

    def restart(self) -> None:
        """Ends it as a crash or an operator does, and holds what a start finds to what was sent."""
        exporter = self.running
        while not self.write_settings():
            pass
        if self.dice.random() < 0.3:
            exporter.signal(signal.SIGHUP)
        if self.dice.random() < 0.7:
            self.exporter = None
            exporter.kill()
            self.count("kills")
        else:
            exporter.stop()
            self.exporter = None
            self.count("stops")
        started = self.started()
        at_least, at_most = self.epoch.account.bounds()
        self.epoch.workload.check(scraped(started), at_least, at_most)
        self.exporter = started

    @property
    def running(self) -> Guarded:
        assert self.exporter
        return self.exporter

    def finish(self) -> None:
        """After the traffic: all is counted, a stop is clean, and a start finds the same."""
        exporter = self.running
        epoch = self.epoch
        epoch.workload.check_exactly(scraped(exporter), set(epoch.events))
        exporter.stop()
        check_sound(self.storage)
        while not self.write_settings():
            pass
        with self.started() as again:
            epoch.workload.check_exactly(scraped(again), set(epoch.events))
            again.stop()
        self.count("epochs")
        self.count("calls", len(epoch.numbers))


class Samples:
    """Memory, descriptors, threads and files of the lasting exporter, each second."""

    def __init__(self, target: Target):
        self.target = target
        self.rows: list[dict[str, float]] = []
        self._began = time.monotonic()

    def take(self) -> None:
        exporter = self.target.running
        own = exporter.scrape()

        def gauge(name: str, **labels: str) -> int:
            return int(own.value(f"llm_exporter_{name}", **labels))

        wal, database = (gauge("database_bytes", file=file) for file in ("wal", "database"))
        ids, series = gauge("remembered_ids"), gauge("series")
        self.rows.append({
            "s": time.monotonic() - self._began, "RSS MiB": exporter.memory_kib("VmRSS") / 1024,
            "peak MiB": exporter.memory_kib("VmHWM") / 1024, "descriptors": exporter.open_files(),
            "threads": len(list(Path(f"/proc/{exporter.pid}/task").iterdir())), "WAL MiB": wal / 2**20,
            "database MiB": database / 2**20, "ids": ids, "series": series, "bytes/id": database / (ids + series + 1)})
        exporter.forget_memory_peak()

    def table(self) -> Iterator[str]:
        """Some of the samples, evenly spread."""
        yield " ".join(f"{name:>12}" for name in self.rows[0])
        for row in self.rows[::-(-len(self.rows) // ROWS)]:
            yield " ".join(f"{value:12.1f}" if "MiB" in name else f"{value:12.0f}" for name, value in row.items())

    def growth(self) -> Iterator[tuple[str, float, float, float]]:
        """The name of each figure that stays flat, its medians of the middle and the last third, and the limit of the
        latter."""
        third = len(self.rows) // 3
        for name, (share, amount) in TOLERANCES.items():
            middle, last = (statistics.median(row[name] for row in rows)
                            for rows in (self.rows[third:2 * third], self.rows[2 * third:]))
            yield name, middle, last, middle * (1 + share) + amount


class Soak:
    def __init__(self, folder: Path):
        self.failures: list[BaseException] = []
        #: Nothing new begins; the calls of the epoch are sent to their end.
        self.finishing = threading.Event()
        self.attacks: Counter[str] = Counter()
        self.lasting = Target(self, "lasting", folder / "lasting")
        self.mortal = Target(self, "mortal", folder / "mortal")
        self.targets = (self.lasting, self.mortal)
        self.sockets = self.lasting.running.open_sockets()
        self.samples = Samples(self.lasting)

    def is_over(self, target: Target) -> bool:
        return bool(self.failures) or (self.finishing.is_set() and target.epoch.is_complete)

    def guarded(self, work: Callable[..., None], *arguments: Any, **options: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments, **options)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def attack(self) -> None:
        of_the_mortal = itertools.cycle(ATTACKS_OF_THE_MORTAL)
        for number, parts in enumerate(itertools.cycle(ATTACKS)):
            others = next(of_the_mortal) if number % 3 == 0 else []
            for target, chosen in ((self.lasting, parts), (self.mortal, others)):
                exporter = target.exporter
                if not chosen or not exporter:
                    continue
                with Attack(exporter.address, *chosen, headers=bearer("attacker"), limit=BODY_LIMIT) as attack:
                    self.finishing.wait(ATTACK_SECONDS)
                assert attack.figures.connections or target is self.mortal, (chosen, attack.figures)
                self.attacks.update({"attacks": 1, "connections": attack.figures.connections,
                                     "requests": attack.figures.requests})
            if self.finishing.wait(PAUSE_SECONDS) or self.failures:
                return

    def run(self) -> None:
        threads = [self.guarded(self.attack)]
        for target in self.targets:
            threads += [self.guarded(target.write, writer) for writer in range(WRITERS)]
            threads += [self.guarded(work) for work in (target.scrape, target.err)]
            threads.append(self.guarded(target.manage, is_mortal=target is self.mortal))
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end and not self.failures:
                self.samples.take()
                time.sleep(1)
        finally:
            self.finishing.set()
            for thread in threads:
                thread.join()
        if self.failures:
            raise self.failures[0]

    def finish(self) -> None:
        eventually(lambda: self.lasting.running.open_sockets() <= self.sockets, "all connections have ended")
        for target in self.targets:
            target.finish()
        grown = [f"{name}: {last:.1f} after {middle:.1f}, at most {most:.1f}"
                 for name, middle, last, most in self.samples.growth() if last > most]
        assert not grown, grown

    def kill(self) -> None:
        for target in self.targets:
            if target.exporter:
                target.exporter.kill()

    def closing_line(self) -> str:
        counts = self.lasting.counts + self.mortal.counts
        medians = ", ".join(f"{name} {middle:.0f} -> {last:.0f}" for name, middle, last, _ in self.samples.growth())
        traffic = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        return (f"soak: seed {SEED}, {self.samples.rows[-1]['s']:.0f} s, {traffic}; "
                f"{self.attacks['attacks']} attacks with {self.attacks['connections']} connections; "
                f"medians of the middle and last third: {medians}")


@pytest.mark.alone
@pytest.mark.heavy
@pytest.mark.timeout(SECONDS + 600)
def test_nothing_grows_and_all_totals_are_exact(tmp_path: Path, figures: Callable[[str], None]) -> None:
    soak = Soak(tmp_path)
    try:
        soak.run()
        soak.finish()
    finally:
        soak.kill()
        for line in (*soak.samples.table(), soak.closing_line()):
            figures(line)
