"""SIGKILL at random moments, many times, under several writers and a scraper: nothing acknowledged is lost, nothing is
counted twice, and no counter that was scraped ever steps back.

`LLM_EXPORTER_CRASHES` says how many kills (`make crash-test`: 200), `LLM_EXPORTER_SEED` repeats the choices of a run.
"""

import http.client
import os
import random
import threading
import time
from decimal import Decimal
from typing import Any

import pytest

from durability import SEED, check_native_histograms, check_sound, created_times, post_until_acknowledged, shown
from exporter import PATIENCE, Exporter
from workload import Account, Event, Shown, Workload
from workload_sender import Outcome, WorkloadSender

pytestmark = pytest.mark.concurrency

CRASHES = int(os.environ.get("LLM_EXPORTER_CRASHES") or 30)
WRITERS = 4
#: More would only make scrapes longer; writers that have used them up send duplicates.
CALLS_PER_CRASH = 400


class Swarm:
    """Writers and a scraper, who outlive the exporter that they talk to."""

    def __init__(self):
        self.workload, self.account = Workload(SEED), Account()
        #: Of the exporter to talk to; none while it is not to be found.
        self.address = None
        self.finishing = False
        self.failures = []
        self.posts = self.retried = self.duplicates = self.scrapes = self.samples = 0
        self._lock = threading.Lock()
        self._made = self._allowed = 0
        self._scraping = True
        self._writers = [threading.Thread(target=self._guarded, args=(self._write, n)) for n in range(WRITERS)]
        self._scraper = threading.Thread(target=self._guarded, args=(self._scrape,))
        for thread in (*self._writers, self._scraper):
            thread.start()

    def allow(self, calls):
        with self._lock:
            self._allowed += calls

    @property
    def events(self):
        return [event for number in range(self._made) for event in self.workload.events(number)]

    def finish(self):
        """Waits until all is acknowledged."""
        self.finishing = True
        for writer in self._writers:
            writer.join()

    def end(self):
        self.finishing, self._scraping = True, False
        for thread in (*self._writers, self._scraper):
            thread.join()

    def check(self):
        if self.failures:
            raise self.failures[0]

    def _guarded(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:
            self.failures.append(error)

    def _take(self, dice):
        """New events for one writer, none when enough are made."""
        with self._lock:
            size = min(dice.choice([1, 1, 1, 2, 5, 20, 60]), self._allowed - self._made)
            numbers = range(self._made, self._made + size)
            self._made += size
        events = [event for number in numbers for event in self.workload.events(number)]
        dice.shuffle(events)
        return events

    def _write(self, writer):
        dice = random.Random(f"{SEED}/writer/{writer}")
        backlog: list[Event] = []
        acknowledged: list[Event] = []
        sender = address = None
        posts = retried = duplicates = 0
        while not self.failures:
            backlog = backlog or self._take(dice)
            if self.finishing and not backlog:
                break
            if self.address != address:
                if sender:
                    duplicates += sender.duplicates
                address = self.address
                sender = address and WorkloadSender(address, self.workload, self.account)
            if not sender:
                time.sleep(0.002)
                continue
            # Sometimes what was answered long ago goes out again, as from a sender that lost its notes.
            again = acknowledged and (not backlog or dice.random() < 0.05)
            batch = (dice.sample(acknowledged, min(len(acknowledged), dice.randint(1, 40))) if again
                     else backlog[:dice.choice([1, len(backlog)])])
            if batch:
                posts += 1
                if sender.post(batch, dice) is Outcome.ACKNOWLEDGED:
                    if not again:
                        backlog = backlog[len(batch):]
                        acknowledged += batch
                else:
                    retried += len(batch)
                    dice.shuffle(backlog)
            time.sleep(dice.expovariate(250))
        with self._lock:
            self.posts += posts
            self.retried += retried
            self.duplicates += duplicates + (sender.duplicates if sender else 0)

    def _scrape(self):
        last: dict[Any, Any] = {}
        connection = address = None
        while self._scraping and not self.failures:
            if self.address != address:
                address = self.address
                connection = address and http.client.HTTPConnection(address[0], address[1], timeout=PATIENCE)
            if not connection:
                time.sleep(0.002)
                continue
            try:
                connection.request("GET", "/metrics")
                answer = connection.getresponse()
                body = answer.read()
            except (ConnectionError, http.client.HTTPException):
                connection.close()
                continue
            assert answer.status == 200, body
            now = Shown(body).counters
            for key, value in last.items():
                assert key in now, f"{key} {value} has vanished"
                assert now[key] == value or Decimal(now[key]) > Decimal(value), f"{key}: {now[key]} after {value}"
            last = now
            self.scrapes += 1
            self.samples = len(now)
            time.sleep(0.01)


class Crashes:
    """Kills, in several ways, each followed by a start."""

    def __init__(self, folder, swarm):
        self.folder, self.swarm = folder, swarm
        self.kills = self.while_starting = self.twice = 0
        self.start_seconds = []
        self.dice = random.Random(f"{SEED}/crashes")
        #: When each series began, which no crash may change.
        self.created: dict[Any, float] = {}

    def start(self):
        """Starts, and holds what it finds on disk to what was sent before anyone sends more."""
        exporter = Exporter(storage=self.folder)
        try:
            self.start_seconds.append(exporter.start_seconds)
            at_least, at_most = self.swarm.account.bounds()
            self.swarm.workload.check(shown(exporter), at_least, at_most)
            for series, created in created_times(exporter).items():
                assert self.created.setdefault(series, created) == created, series
        except BaseException:
            exporter.kill()
            raise
        self.swarm.allow(CALLS_PER_CRASH)
        self.swarm.address = exporter.address
        return exporter

    def kill(self, exporter):
        exporter.kill()
        self.swarm.address = None
        self.kills += 1

    def crash(self, exporter):
        """One kill or a few; returns the exporter that runs after them."""
        time.sleep(min(self.dice.expovariate(2), 2))
        self.kill(exporter)
        way = self.dice.random()
        if way < 0.2:
            starting = Exporter(storage=self.folder, awaited=False)
            time.sleep(self.dice.uniform(0, 1.2 * max(self.start_seconds)))
            self.kill(starting)
            self.while_starting += 1
        elif way < 0.3:
            started = Exporter(storage=self.folder)
            time.sleep(self.dice.uniform(0, 0.005))
            self.kill(started)
            self.twice += 1
        self.swarm.check()
        return self.start()


@pytest.mark.heavy
@pytest.mark.timeout(120 + 5 * CRASHES)
def test_what_is_acknowledged_survives_every_crash_and_counts_once(tmp_path, figures):
    swarm = Swarm()
    crashes = Crashes(tmp_path / "storage", swarm)
    began = time.monotonic()
    exporter = None
    try:
        exporter = crashes.start()
        while crashes.kills < CRASHES:
            exporter = crashes.crash(exporter)
        swarm.finish()
        swarm.check()
        events = swarm.events
        assert swarm.account.bounds() == (set(events), set(events)), "all was acknowledged"
        swarm.workload.check_exactly(shown(exporter), events)

        # A full retry is all duplicates: the sender fails when one of these is accepted.
        again = post_until_acknowledged(exporter, swarm.workload, swarm.account, events, crashes.dice, batch=500)
        assert again == len(events)
        before = shown(exporter)
        swarm.workload.check_exactly(before, events)
        check_native_histograms(exporter, swarm.workload, events)
        created = created_times(exporter)
        assert len(crashes.created) > 100 and created.items() >= crashes.created.items()
        exporter.stop()
        exporter = crashes.start()
        after = shown(exporter)
        assert (after.counters, after.gauges) == (before.counters, before.gauges)
        assert created_times(exporter) == created
        swarm.end()
        swarm.check()
        exporter.stop()
        check_sound(crashes.folder)
    except AssertionError as error:
        raise AssertionError(f"{error}\nAgain, with the same choices: LLM_EXPORTER_SEED={SEED} "
                             f"LLM_EXPORTER_CRASHES={CRASHES} pytest {__file__}") from error
    finally:
        swarm.end()
        if exporter:
            exporter.kill()
    figures(f"crash test: seed {SEED}, {crashes.kills} kills ({crashes.while_starting} while starting, "
            f"{crashes.twice} within 5 ms of a start), {swarm.posts} posts, {len(events)} events acknowledged, "
            f"{swarm.retried} sent again, {swarm.duplicates + again} duplicates, {swarm.scrapes} scrapes of "
            f"{swarm.samples} counter samples, slowest start {max(crashes.start_seconds):.3f} s, "
            f"{time.monotonic() - began:.0f} s in all")
