"""One client takes all that it can, and posts of 4 KiB from another are answered 200, 99 of 100 within a second.

Shares go by user or token, else by address, then by connection, and bind only while clients compete: a client that is
alone may use all.

`LLM_EXPORTER_ALL_ATTACKS=1` tries each kind of attack alone, and in each of these ways (`make test-shares`); else they
are tried in fewer cases, several kinds at once.
"""

from __future__ import annotations

import http.client
import itertools
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from attack import LIMIT, Attack, Figures, Part
from credentials import basic, bearer, digest, hashed
from exporter import NDJSON, PATIENCE, Exporter, call, eventually, ndjson
from pace import slowness

pytestmark = [pytest.mark.alone, pytest.mark.heavy]

#: How long each attack goes on.
SECONDS = 4
#: Victims of each kind, and their posts in all: fewer would say little about one in a hundred.
VICTIMS = 3
LEAST_POSTS = 50
MAX_CONNECTIONS = 2000
#: How soon after an attack memory and connections are near what they were, and how much memory may be kept: an amount,
#: and bytes for each id that is remembered. A million ids of starts, a tenth of them open, take 127 bytes each.
SETTLE_SECONDS = 40
SPARE_MIB = 64
BYTES_PER_ID = 128

CONFIGURATION = f"""
basic_auth_users:
  alice: {{password}}
bearer_tokens:
  - {{{{name: attacker, sha256: {digest("attacker")}, scopes: [record, scrape]}}}}
  - {{{{name: victim, sha256: {digest("victim")}, scopes: [record, scrape]}}}}
"""


@dataclass(frozen=True)
class Case:
    """Kinds of attack that go on together, and what shows that they did."""

    name: str
    parts: tuple[Part, ...]
    #: How attacker and victims differ: by `addresses`, by `tokens` of one address, or by `connections` alone.
    shares: str = "addresses"
    #: Bytes that the attacker sent at the least.
    at_least_bytes: int = 0
    #: Connections that it opened, or whole requests that it sent, at the least.
    at_least: int = 1
    #: Sets in the exposition.
    series: int = 1

    def __str__(self) -> str:
        return f"{self.name}-{self.shares}"

    @property
    def tokens(self) -> bool:
        return self.shares == "tokens"

    def shows(self, figures: Figures) -> bool:
        return (figures.bytes_sent >= self.at_least_bytes
                and max(figures.connections, figures.requests) >= self.at_least)


def case(name: str, *parts: tuple[str, int], **what: Any) -> Case:
    return Case(name, tuple(Part(*part) for part in parts), **what)


MIB = 1 << 20
GZIP_1 = case("gzip_1", ("gzip", 1))
#: Bodies of the largest size that stop 16 bytes short of their end.
SLOW_8 = case("slow_8", ("length", 8), at_least=8, at_least_bytes=16 * MIB)
LITELLM = case("litellm_4", ("litellm", 4), at_least_bytes=LIMIT)
SPANS = case("spans_2", ("spans", 2), at_least_bytes=LIMIT)
STARTS = case("starts_4", ("starts", 4), at_least_bytes=4 * MIB)
LEDGER = case("ledger_4", ("ledger", 4), at_least_bytes=LIMIT)
ONE_BY_ONE = [
    GZIP_1, case("gzip_4", ("gzip", 4), at_least=4), case("gzip_16", ("gzip", 16), at_least=16),
    case("zstd_1", ("zstd", 1)), case("zstd_4", ("zstd", 4), at_least=4), case("zstd_16", ("zstd", 16), at_least=16),
    case("array_4", ("array", 4), at_least_bytes=LIMIT),
    LITELLM, SPANS, SLOW_8,
    case("slow_64", ("length", 64), at_least=64, at_least_bytes=16 * MIB),
    case("slow_chunked_8", ("chunked", 8), at_least=8, at_least_bytes=16 * MIB),
    case("slow_chunked_64", ("chunked", 64), at_least=64, at_least_bytes=16 * MIB),
    case("slow_expect_8", ("expect", 8), at_least=8, at_least_bytes=16 * MIB),
    case("slow_expect_64", ("expect", 64), at_least=64, at_least_bytes=16 * MIB),
    case("slow_announced_8", ("announced", 8), at_least=8, at_least_bytes=8 * 4096),
    case("slow_announced_64", ("announced", 64), at_least=64, at_least_bytes=64 * 4096),
    STARTS,
    case("rejected_lines_4", ("rejected lines", 4), at_least=8),
    case("nested_4", ("nested", 4), at_least=4),
    case("empty_messages_4", ("empty messages", 4), at_least=4),
    LEDGER,
]
#: Connections are counted before a request says who sends it, so these attack other addresses only.
OF_CONNECTIONS = [
    case("idle", ("idle", MAX_CONNECTIONS // 2), at_least=MAX_CONNECTIONS // 2),
    case("half_headers", ("half a header", MAX_CONNECTIONS // 2), at_least=MAX_CONNECTIONS // 2),
    case("unread_answers", ("unread answer", MAX_CONNECTIONS // 2), at_least=MAX_CONNECTIONS // 2, series=4000),
]
#: Without valid credentials a client has the share of its address.
OF_GUESSES = [
    case("wrong_passwords_16", ("Basic", 16), shares="tokens", at_least=16),
    case("wrong_tokens_16", ("Bearer", 16), shares="tokens", at_least=100),
]
COMPRESSED = case("compressed_16", ("gzip", 8), ("zstd", 8), at_least=16)
TOGETHER = [
    GZIP_1, COMPRESSED, LITELLM, SPANS, SLOW_8, STARTS, LEDGER,
    case("slow_64", ("length", 22), ("chunked", 21), ("expect", 21), at_least=64,
         at_least_bytes=16 * MIB),
    case("expensive_6", ("rejected lines", 2), ("nested", 2), ("empty messages", 2), at_least=6),
    case("connections", ("idle", 334), ("half a header", 333), ("unread answer", 333), at_least=MAX_CONNECTIONS // 2,
         series=4000),
]


def among(shares: str, *cases: Case) -> list[Case]:
    return [replace(case, shares=shares) for case in cases]


CASES = ([*ONE_BY_ONE, *OF_CONNECTIONS, *OF_GUESSES, *among("tokens", *ONE_BY_ONE),
          *among("connections", GZIP_1, SLOW_8, STARTS, LEDGER)]
         if os.environ.get("LLM_EXPORTER_ALL_ATTACKS") else
         [*TOGETHER, *OF_GUESSES, *among("tokens", COMPRESSED, SLOW_8, STARTS, LEDGER)])


class Victim:
    """A client that posts 4 KiB again and again, over one connection or over a new one each time."""

    _numbers = itertools.count()

    def __init__(self, exporter: Exporter, source: str, headers: dict[str, str], *, keeps: bool):
        self.exporter, self.source, self.headers, self.keeps = exporter, source, {**NDJSON, **headers}, keeps
        self.name = f"victim-{next(self._numbers)}"
        #: Seconds by post, and posts by what came of them.
        self.latencies: list[float] = []
        self.answers: Counter[str] = Counter()
        self.calls = 0

    def post(self, connection: http.client.HTTPConnection) -> None:
        """Calls with ids, and the start of the first of them."""
        number = len(self.latencies)
        records = [call(agent_name="Victim", id=f"{self.name}-{number}-{k}", latency_ms=k) for k in range(37)]
        start = {"event": "start", "agent_name": "Victim", "id": records[0]["id"]}
        body = ndjson([start, *records]).ljust(4096)
        began = time.monotonic()
        try:
            connection.request("POST", "/record", body, self.headers)
            answer = connection.getresponse()
            told = answer.read()
            if answer.status == 200 and told.startswith(b'{"accepted":38,"duplicates":0,"rejected":0,'):
                self.answers["200"] += 1
                self.calls += len(records)
            else:
                self.answers[f"{answer.status} {told[:200].decode()}"] += 1
        except (OSError, http.client.HTTPException) as error:
            self.answers[type(error).__name__] += 1
            connection.close()
        self.latencies.append(time.monotonic() - began)

    def run(self, until: float) -> None:
        connection = None
        while time.monotonic() < until:
            connection = connection or http.client.HTTPConnection(
                *self.exporter.address, timeout=PATIENCE, source_address=(self.source, 0))
            self.post(connection)
            if not self.keeps:
                connection.close()
                connection = None
            time.sleep(0.02)
        if connection:
            connection.close()


def exporter_for(case: Case, start: Callable[..., Exporter], folder: Path) -> Exporter:
    flags = ["--web.max-connections", str(MAX_CONNECTIONS)]
    if case.tokens:
        path = folder / "web.yml"
        path.write_text(CONFIGURATION.format(password=hashed("secret", 10)))
        flags += ["--web.config.file", str(path)]
    return start(*flags, storage=folder / "state")


def victims_of(case: Case, exporter: Exporter) -> list[Victim]:
    """As many that keep their connections as that do not."""
    if not case.tokens:
        kinds: list[tuple[str, dict[str, str]]] = [("127.0.0.2" if case.shares == "addresses" else "127.0.0.1", {})] * 2
    elif any(part.kind in ("Basic", "Bearer") for part in case.parts):
        # This user's password is not seen before the guesses have begun.
        kinds = [("127.0.0.1", bearer("victim")), ("127.0.0.2", basic("alice", "secret"))]
    else:
        kinds = [("127.0.0.1", bearer("victim"))] * 2
    return [Victim(exporter, source, headers, keeps=keeps)
            for (source, headers), keeps in zip(kinds, (True, False), strict=True) for _ in range(VICTIMS)]


@pytest.fixture(autouse=True)
def descriptors():
    """Enough for the connections of this process and of those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"ulimit -Hn is {hard}; this needs {wanted}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def percentile(latencies: list[float], part: float) -> float:
    return sorted(latencies)[int(len(latencies) * part)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_attack_leaves_others_their_share(start, tmp_path, figures, case):
    exporter = exporter_for(case, start, tmp_path)
    token = bearer("victim") if case.tokens else {}
    # The set of the victims, and those that make a scrape large.
    first = [call(agent_name="Victim", latency_ms=1), *(call(agent_name=f"Agent{n}") for n in range(case.series - 1))]
    assert exporter.post(ndjson(first), {**NDJSON, **token}).outcome() == (case.series, 0, 0)
    victims = victims_of(case, exporter)
    sockets, rss = exporter.open_sockets(), exporter.memory_kib("VmRSS")
    pace = slowness()
    with Attack(exporter.address, *case.parts, headers=bearer("attacker") if case.tokens else None) as attack:
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=victim.run, args=(until,)) for victim in victims]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    latencies = [latency for victim in victims for latency in victim.latencies]
    answers = sum((victim.answers for victim in victims), Counter[str]())
    p99, peak = percentile(latencies, 0.99), exporter.memory_kib("VmHWM")
    sockets_after, rss_after, shown = what_remains(exporter, token, sockets, rss)
    figures(f"{case}: victims {dict(answers)}, p50 {percentile(latencies, 0.5) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, "
            f"longest {max(latencies) * 1e3:.0f} ms; attacker: {attack.figures}; "
            f"memory {rss >> 10} MiB, at most {peak >> 10}, {rss_after >> 10} at the end")
    assert case.shows(attack.figures), f"there was no attack: {attack.figures}"
    calls = sum(victim.calls for victim in victims) + 1
    promises = {
        "every answer is 200": answers.keys() == {"200"},
        "99 of 100 answers come within a second": p99 < pace,
        "enough posts": len(latencies) > LEAST_POSTS / pace,
        f"{calls} calls of the victims are counted":
            f'llm_calls_total{{agent_name="Victim",provider="acme",model="parrot-1",status="success"}} {calls}\n'
            in shown,
        "none of them is active": 'llm_active_calls{agent_name="Victim"} 0\n' in shown,
        "the attacker's connections have ended": sockets_after <= sockets,
        "memory is near what it was": rss_after <= memory_allowed(rss, shown),
    }
    broken = [promise for promise, is_kept in promises.items() if not is_kept]
    assert not broken, (broken, dict(answers), p99, sockets, sockets_after, rss, rss_after)


def memory_allowed(rss: int, shown: str) -> int:
    """KiB after an attack: a little more than before, and what the ids take that came meanwhile."""
    [ids] = [int(line.split()[1]) for line in shown.splitlines() if line.startswith("llm_exporter_remembered_ids ")]
    return rss + (SPARE_MIB << 10) + ids * BYTES_PER_ID // 1024


def what_remains(exporter: Exporter, token: dict[str, str], sockets: int, rss: int) -> tuple[int, int, str]:
    """Sockets, KiB of memory and a scrape, as soon as they are near what they were, or after a while."""
    deadline = time.monotonic() + SETTLE_SECONDS * slowness()
    while True:
        reply = exporter.request("GET", "/metrics", headers=token)
        is_served = reply.status == 200
        now = exporter.open_sockets(), exporter.memory_kib("VmRSS"), reply.body.decode()
        if time.monotonic() > deadline:
            assert is_served, reply
            return now
        if is_served and now[0] <= sockets and now[1] <= memory_allowed(rss, now[2]):
            return now
        time.sleep(0.1)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [1, 256], ids=["short_records", "long_records"])
def test_a_lone_sender_may_use_everything(start, tmp_path, figures, names):
    """Eight bodies of the largest size, each of which waits for its last bytes until all others are there."""
    exporter = start(storage=tmp_path / "state")
    line = ndjson([{"agent_name": "a" * names, "provider": "p" * names, "model": "m" * names}])
    body = line * (LIMIT // len(line))
    body += b" " * (LIMIT - len(body))
    head = f"POST /record HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\nContent-Length: {LIMIT}\r\n\r\n"
    before, rss = exporter.open_sockets(), exporter.memory_kib("VmRSS")
    began = time.monotonic()
    wires = [exporter.wire() for _ in range(8)]
    for wire in wires:
        wire.send(head).send(body[:-1])
    time.sleep(0.5)
    for wire in wires:
        wire.send(body[-1:])
    count = LIMIT // len(line)
    assert [wire.reply().outcome() for wire in wires] == [(count, 0, 0)] * 8
    figures(f"alone: 8 bodies of 32 MiB with {count} records each, {time.monotonic() - began:.1f} s; "
            f"VmHWM {exporter.memory_kib('VmHWM') >> 10} MiB")
    assert exporter.calls() == 8 * count
    for wire in wires:
        wire.socket.close()
    eventually(lambda: exporter.open_sockets() <= before, "the connections have ended")
    most = rss + (SPARE_MIB << 10)
    eventually(lambda: exporter.memory_kib("VmRSS") <= most, f"at most {most >> 10} MiB, of {rss >> 10} before")
