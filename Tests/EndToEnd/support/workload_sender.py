"""Posts events of a workload over one keep-alive connection, and keeps an account of the answers."""

from __future__ import annotations

import http.client
import random
from collections.abc import Sequence
from enum import Enum

from exporter import JSON, NDJSON, PATIENCE, Reply, encode, ndjson
from workload import Account, Event, Workload


class Outcome(Enum):
    ACKNOWLEDGED = "200"
    REFUSED = "503 or 507: nothing was applied"
    UNANSWERED = "the connection ended without an answer"
    NOT_SENT = "no connection"


class WorkloadSender:
    """One connection to one exporter; a new exporter gets a new sender.

    Each answer is held to the contract: 200 takes every event, those known to be in as duplicates and those known not
    to be as accepted; 503 and 507 carry Retry-After; nothing else is answered to these events.
    """

    def __init__(self, address: tuple[str, int], workload: Workload, account: Account, timeout: float = PATIENCE,
                 headers: dict[str, str] | None = None):
        """`headers` go with each post."""
        self.workload, self.account, self.headers = workload, account, headers or {}
        #: The answer to the last post that had one.
        self.reply: Reply | None = None
        self.duplicates = 0
        self._connection = http.client.HTTPConnection(*address, timeout=timeout)

    def __enter__(self) -> WorkloadSender:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, events: Sequence[Event], dice: random.Random) -> Outcome:
        """Posts events as an object, an array or lines, as the dice fall."""
        records = [self.workload.record(event) for event in events]
        if len(records) == 1 and dice.random() < 0.5:
            body, headers = encode(records[0]).encode(), JSON
        elif dice.random() < 0.5:
            body, headers = encode(records).encode(), JSON
        else:
            body, headers = ndjson(records), NDJSON
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError:
            return Outcome.NOT_SENT
        known, fresh = self.account.sending(events)
        try:
            self._connection.request("POST", "/record", body, {**headers, **self.headers})
            answer = self._connection.getresponse()
            self.reply = Reply(answer.status, answer.headers, answer.read())
        except TimeoutError as error:
            raise AssertionError(f"neither an answer nor an end within {self._connection.timeout} s") from error
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Outcome.UNANSWERED
        if self.reply.status in (503, 507):
            assert self.reply.problem(self.reply.status)
            assert int(self.reply.headers["Retry-After"]) > 0, self.reply.headers.items()
            self.account.refuse(fresh)
            return Outcome.REFUSED
        accepted, duplicates, rejected = self.reply.outcome()
        assert accepted + duplicates == len(events) and rejected == 0, self.reply
        assert accepted >= len(fresh), f"{len(fresh)} of {len(events)} were not in yet: {self.reply}"
        assert duplicates >= len(known), f"{len(known)} of {len(events)} were acknowledged before: {self.reply}"
        self.duplicates += duplicates
        self.account.acknowledge(events)
        return Outcome.ACKNOWLEDGED
