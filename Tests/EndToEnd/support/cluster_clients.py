"""Clients of every kind, which post the calls of a workload to one address until each is acknowledged."""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from exporter import JSON, NDJSON, ROOT, Reply, encode, ndjson
from workload import PER_SET, Event, Workload

sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))
from llm_exporter import LLMCallMetrics, LLMMonitor

#: Seconds that a client waits for an answer, so that an exporter that hangs costs answers.
TIMEOUT = 1.0


class Request(NamedTuple):
    """What is sent, and sent again, byte for byte."""

    headers: dict[str, str]
    body: bytes
    records: int


class ClusterClients:
    """The clients, which outlive the exporters that they reach, and what they have seen."""

    def __init__(self, url: str, folder: Path, seed: int):
        self.url, self.folder, self.seed = url, folder, seed
        # The Python client has no further fields.
        self.workload = Workload(seed, further_fields=False)
        #: Events that are or will be acknowledged.
        self.events: list[Event] = []
        #: What happened to the clients, and how often.
        self.seen: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self.finishing = False
        self._lock = threading.Lock()
        self._made = self._allowed = 0
        kinds = [AgentClient, AgentClient, KeyClient, KeyClient, PlainClient, PythonClient, PythonClient]
        self.clients: list[Client] = [kind(self, number) for number, kind in enumerate(kinds)]
        self._threads = [threading.Thread(target=self._guarded, args=(client.run,)) for client in self.clients]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> ClusterClients:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Ends the clients; after an error without waiting for an exporter that may not come back."""
        if error:
            self.failures.append(error)
        self.finishing = True
        for thread in self._threads:
            thread.join()

    def allow(self, calls: int) -> None:
        with self._lock:
            self._allowed += calls

    def take(self, dice: random.Random, starts: bool) -> list[Event]:
        """New events of one agent, none when enough are made."""
        with self._lock:
            size = min(dice.choice([1, 1, 2, 5, 20]), self._allowed - self._made, PER_SET - self._made % PER_SET)
            numbers = range(self._made, self._made + size)
            self._made += size
            events = [event for number in numbers for event in self.workload.events(number)
                      if starts or event.kind == "call"]
            self.events += events
        dice.shuffle(events)
        return events

    def count(self, what: str, by: int = 1) -> None:
        with self._lock:
            self.seen[what] += by

    def finish(self) -> None:
        """Waits until all is acknowledged."""
        self.finishing = True
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def repeat(self) -> int:
        """Sends all that was ever sent once more, holds every record to be a duplicate, and returns how many."""
        return sum(client.repeat() for client in self.clients)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failures.append(error)


class Client:
    def __init__(self, group: ClusterClients, number: int):
        self.group, self.number = group, number
        self.dice = random.Random(f"{group.seed}/client/{number}")

    def run(self) -> None:
        raise NotImplementedError

    def repeat(self) -> int:
        raise NotImplementedError


class HTTPClient(Client):
    """One keep-alive connection. Each request is sent until it is answered; sometimes the answer is not waited for."""

    starts = True

    def __init__(self, group: ClusterClients, number: int):
        super().__init__(group, number)
        self.acknowledged: list[Request] = []
        host, port = group.url.removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)

    def headers(self, events: Sequence[Event]) -> dict[str, str]:
        """What tells nginx where the request belongs."""
        raise NotImplementedError

    def record(self, event: Event) -> dict[str, Any]:
        return self.group.workload.record(event)

    def request(self, events: Sequence[Event]) -> Request:
        records = [self.record(event) for event in events]
        as_lines = self.dice.random() < 0.5
        return Request({**self.headers(events), **(NDJSON if as_lines else JSON)},
                       ndjson(records) if as_lines else encode(records).encode(), len(records))

    def run(self) -> None:
        try:
            while not self.group.failures:
                events = self.group.take(self.dice, self.starts)
                if events:
                    request = self.request(events)
                    if self.dice.random() < 0.1:
                        self._send(request)
                        time.sleep(self.dice.uniform(0, 0.02))
                        self._connection.close()
                    self.group.count("lost answers settled", self.deliver(request) < request.records)
                    self.acknowledged.append(request)
                elif self.group.finishing:
                    return
                elif self.acknowledged:
                    assert self.deliver(self.dice.choice(self.acknowledged)) == 0, "what was acknowledged is known"
                time.sleep(self.dice.expovariate(60))
        finally:
            self._connection.close()

    def repeat(self) -> int:
        for request in self.acknowledged:
            assert self.deliver(request) == 0, f"{request} counted again"
        self._connection.close()
        return sum(request.records for request in self.acknowledged)

    def deliver(self, request: Request) -> int:
        """Sends it until a 200 settles it, as the contract has senders do, and returns how many were new."""
        while not self.group.failures:
            try:
                self._send(request)
                answer = self._connection.getresponse()
                reply = Reply(answer.status, answer.headers, answer.read())
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self.group.count("unanswered")
                time.sleep(0.05)
                continue
            if reply.status == 200:
                accepted, duplicates, rejected = reply.outcome()
                assert rejected == 0 and accepted + duplicates == request.records, reply
                self.group.count("posts")
                return accepted
            assert reply.status in (502, 503, 504), reply
            assert reply.problem(reply.status)
            self.group.count(str(reply.status))
            time.sleep(int(reply.headers["Retry-After"]))
        raise self.group.failures[0]

    def _send(self, request: Request) -> None:
        try:
            self._connection.request("POST", "/record", request.body, request.headers)
        except OSError:
            # A kept connection that was closed meanwhile: getresponse() says so as well.
            self._connection.close()


class AgentClient(HTTPClient):
    """Names its agent; starts and ends travel apart."""

    def headers(self, events: Sequence[Event]) -> dict[str, str]:
        return {"X-Agent-Name": self.group.workload.agent(events[0].number)}


class KeyClient(HTTPClient):
    """Records without ids under a key of the request."""

    starts = False

    def headers(self, events: Sequence[Event]) -> dict[str, str]:
        return {"Idempotency-Key": f"{self.number}-{events[0].number}"}

    def record(self, event: Event) -> dict[str, Any]:
        return {field: value for field, value in super().record(event).items() if field != "id"}


class PlainClient(HTTPClient):
    """Ids alone."""

    def headers(self, events: Sequence[Event]) -> dict[str, str]:
        return {}


class PythonClient(Client):
    """The client of clients/python, with a spool. It makes batches and retries by itself."""

    def __init__(self, group: ClusterClients, number: int):
        super().__init__(group, number)
        self.recorded: list[Event] = []

    def monitor(self, spool: str) -> LLMMonitor:
        return LLMMonitor(self.group.url, spool_dir=str(self.group.folder / spool), timeout=TIMEOUT, linger=0.02)

    def record(self, monitor: LLMMonitor, event: Event) -> None:
        fields: dict[str, Any] = {**self.group.workload.record(event)}
        for name in ("cost_usd", "latency_ms", "api_latency_ms"):
            if name in fields:
                fields[name] = float(fields[name])
        monitor.record_metric(LLMCallMetrics(**fields))

    def run(self) -> None:
        monitor = self.monitor(f"spool-{self.number}")
        try:
            while not self.group.failures:
                events = self.group.take(self.dice, starts=False)
                for event in events:
                    self.record(monitor, event)
                self.recorded += events
                if self.group.finishing and not events:
                    break
                time.sleep(self.dice.expovariate(60))
        finally:
            drained = monitor.close(timeout=0 if self.group.failures else 30)
        told = monitor.statistics()
        assert drained and told.sent + told.duplicates == told.recorded == len(self.recorded), told
        self.group.count("retries of the Python client", told.retried)
        self.group.count("lost answers settled", told.duplicates > 0)

    def repeat(self) -> int:
        monitor = self.monitor(f"spool-again-{self.number}")
        for event in self.recorded:
            self.record(monitor, event)
        assert monitor.close(timeout=30), monitor.statistics()
        assert monitor.statistics().duplicates == len(self.recorded), monitor.statistics()
        return len(self.recorded)
