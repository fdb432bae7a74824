"""The n-th operation on storage fails, for every n: no false acknowledgement, no changed total, no help needed after.

Faults come from interposer.py; then real ones: a full disk, a folder that cannot be written, a database that vanishes.
By default every n is tried with one of the ways to fail, in turn; `LLM_EXPORTER_ALL_FAULTS=1` tries every n with all.
`LLM_EXPORTER_FAULT` tries one, written as a failure prints it.
"""

import errno
import http.client
import itertools
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import interposer
from durability import (
    SEED,
    check_after_restart,
    check_one_clear_line,
    fill,
    post_until_acknowledged,
    shown,
    side_by_side,
)
from exporter import NDJSON, DidNotStart, Exporter, call, eventually, ndjson
from interposer import FOREVER, Fault, Kind
from workload import Account, Workload
from workload_sender import Outcome, WorkloadSender

#: More than there are processors: most of the time a case waits for the exporter to try again.
WORKERS = 4

ALL = bool(os.environ.get("LLM_EXPORTER_ALL_FAULTS"))

DATABASE = "llm-exporter.db"

#: When faults are counted: from the start on a new folder, from the start on one that a crash left, from when it is
#: ready, or from when it is told to stop.
STAGES = ("new", "again", "running", "stopping")


@dataclass(frozen=True)
class Case:
    stage: str
    fault: Fault
    #: The exporter is killed as soon as it has refused something, instead of being asked again.
    killed: bool

    def __str__(self):
        return f"{self.stage}/{self.fault}/{'killed' if self.killed else 'retried'}"

    @classmethod
    def named(cls, name):
        stage, fault, after = name.split("/")
        return cls(stage, Fault.named(fault), after == "killed")


def ways(kind):
    """How an operation may fail, for how long, and whether the exporter is killed after its first refusal."""
    failures = [dict(errno=errno.ENOSPC), dict(errno=errno.EIO)]
    if kind is Kind.WRITE:
        failures += [dict(errno=errno.ENOSPC, short=True)]
    # Where all kinds fail, a few failures in a row reach into what the exporter does about the first.
    for failure, lasts in itertools.product(failures, (2, 3, 5, 8, 13) if kind is Kind.ANY else (1, FOREVER)):
        yield dict(failure, lasts=lasts), False
        yield dict(failure, lasts=lasts), True
    yield from ((dict(failure, kills=True), False) for failure in failures)
    if kind is Kind.WRITE:
        yield dict(errno=0, short=True), False


@dataclass
class Prepared:
    """A folder that a crash left, with a database and a WAL of some batches, and what its sender knows of it."""

    folder: Path
    workload: Workload
    account: Account

    def copy(self, folder):
        shutil.copytree(self.folder, folder)
        account = Account()
        account.acknowledge(self.account.acknowledged)
        return account


#: What is posted while operations fail, as ranges of numbers: small batches, an id for each of their events.
SERIES = [range(1000, 1001), range(1001, 1004), range(1004, 1005), range(1005, 1011), range(1011, 1012)]


#: Anew for each test where there are many cases: the leases of its calls end after 10 minutes.
@pytest.fixture(scope="function" if ALL else "module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "storage"
    workload, account, dice = Workload(SEED), Account(), random.Random(SEED)
    for numbers in (range(40), range(40, 60)):
        with Exporter(storage=folder) as exporter:
            post_until_acknowledged(exporter, workload, account, events_of(numbers), dice, batch=4)
            if numbers.start == 0:
                exporter.stop()
    return Prepared(folder, workload, account)


@pytest.fixture(scope="module")
def tally(figures):
    """Counts of all cases together."""
    counts: Counter[str] = Counter()
    began = time.monotonic()
    yield counts
    figures(f"storage faults: seed {SEED}, {counts['operations']} operations by stage and kind, "
            f"{counts['cases']} cases, {counts['met']} faults met, {time.monotonic() - began:.0f} s")


def events_of(numbers):
    return [event for number in numbers for event in Workload.events(number)]


class Attempt:
    """One case, from a fresh folder to the last restart."""

    def __init__(self, case, base, prepared):
        self.case, self.base, self.folder = case, base, base / "storage"
        self.control = base / "fault"
        self.workload, self.dice = prepared.workload, random.Random(f"{SEED}/{case}")
        base.mkdir()
        self.account = Account() if case.stage == "new" else prepared.copy(self.folder)
        self.outcomes = []

    def run(self):
        """Returns whether the fault was met at all."""
        if self.case.stage in ("new", "again"):
            self.case.fault.arm(self.control)
        try:
            exporter = Exporter(storage=self.folder, environment=(
                interposer.environment(self.folder, fault=self.control)))
        except DidNotStart as refusal:
            self.check_refusal_to_start(refusal)
        else:
            with exporter:
                self.drive(exporter)
        met = bool(interposer.hits(self.control))
        self.control.unlink(missing_ok=True)
        events = events_of(itertools.chain(*SERIES))
        check_after_restart(self.folder, self.workload, self.account, self.dice,
                           self.account.acknowledged | set(events))
        shutil.rmtree(self.base)
        return met

    def check_refusal_to_start(self, refusal):
        assert interposer.hits(self.control), f"it did not start, without a fault: {refusal}"
        if self.case.fault.kills:
            assert refusal.code == -signal.SIGKILL, refusal
        else:
            check_one_clear_line(refusal, self.folder)

    def drive(self, exporter):
        """Posts the series while operations fail, then without faults, unless one of them ends the exporter."""
        if self.case.stage == "running":
            self.case.fault.arm(self.control)
        with WorkloadSender(exporter.address, self.workload, self.account) as sender:
            for numbers in SERIES:
                if not self.post(exporter, sender, events_of(numbers)):
                    return
        if self.case.stage == "stopping":
            self.case.fault.arm(self.control)
            exporter.signal(signal.SIGTERM)
            code = exporter.wait()
            killed = self.case.fault.kills and interposer.hits(self.control)
            assert code in ((-signal.SIGKILL,) if killed else (0, 1)), f"exit code {code}:\n{exporter.log}"
            return
        self.control.unlink()
        eventually(lambda: exporter.get("/-/ready").status == 200, "ready, after the fault")
        events = events_of(itertools.chain(*SERIES))
        post_until_acknowledged(exporter, self.workload, self.account, events, self.dice, batch=7)
        self.workload.check_exactly(shown(exporter), self.account.acknowledged)

    def post(self, exporter, sender, events):
        """Tries a few times, each time with a look at the totals. Returns whether the exporter is still to be used."""
        for _ in range(3):
            outcome = sender.post(events, self.dice)
            self.outcomes.append(outcome)
            if outcome is not Outcome.ACKNOWLEDGED and self.has_been_killed(exporter):
                return False
            assert outcome is not Outcome.NOT_SENT, f"it takes no connections:\n{exporter.log}"
            assert exporter.process.poll() is None, f"it ended by itself:\n{exporter.log}"
            if outcome is Outcome.REFUSED:
                self.check_refusal(sender.reply)
            try:
                self.workload.check(shown(exporter), *self.account.bounds())
            except (OSError, http.client.HTTPException):
                # The operation that failed may have been one that came after the answer.
                assert self.has_been_killed(exporter), f"no scrape:\n{exporter.log}"
                return False
            if outcome is Outcome.ACKNOWLEDGED:
                return True
            if self.case.killed:
                return False
        return True

    def has_been_killed(self, exporter):
        if not (self.case.fault.kills and interposer.hits(self.control)):
            return False
        assert exporter.wait() == -signal.SIGKILL, exporter.log
        return True

    def check_refusal(self, reply):
        """The status tells a full disk from other failures."""
        assert interposer.hits(self.control), f"refused without a fault: {reply}"
        if self.case.fault.errno == errno.EIO:
            assert reply.status == 503, reply
        elif self.case.fault.kind is Kind.WRITE:
            assert reply.status == 507, reply


def cases(stage, kind, met):
    """Every n until there is no n-th operation, each with one of the ways to fail, in turn, or with all."""
    all_ways = list(ways(kind))
    turns = itertools.cycle(all_ways[SEED % len(all_ways):] + all_ways[:SEED % len(all_ways)])
    for n in itertools.count(1):
        for failure, killed in all_ways if ALL else [next(turns)]:
            yield Case(stage, Fault(kind, n, **failure), killed)
        # What is under way now may still be met.
        if n - WORKERS > max(met, default=0):
            return


@pytest.mark.heavy
@pytest.mark.timeout(3600 if ALL else 120)
@pytest.mark.parametrize("kind", [*Kind, Kind.ANY], ids=lambda kind: kind.name.lower())
@pytest.mark.parametrize("stage", STAGES)
def test_a_failing_operation_costs_no_record_and_counts_none_twice(tmp_path, prepared, tally, stage, kind):
    met, lock = [], threading.Lock()

    def attempt(case):
        if Attempt(case, tmp_path / str(case).replace("/", ","), prepared).run():
            with lock:
                met.append(case.fault.nth)

    one = os.environ.get("LLM_EXPORTER_FAULT")
    if one and not one.startswith(f"{stage}/{kind.name.lower()}-"):
        pytest.skip(f"only {one} is asked for")
    tried = side_by_side([Case.named(one)] if one else cases(stage, kind, met), attempt, lambda case: (
        f"LLM_EXPORTER_SEED={SEED} LLM_EXPORTER_FAULT={case} pytest {__file__}; what it left: "
        f"{tmp_path}/{str(case).replace('/', ',')}"), WORKERS)
    # A library that stands between nothing would let all of this pass.
    # A start ends with a commit: what a commit needs is open from then on.
    is_rare = kind in (Kind.RENAME, Kind.UNLINK, Kind.RESIZE) or (
        kind is Kind.OPEN and stage in ("running", "stopping"))
    assert met or is_rare or one, f"no {kind.name.lower()} failed in {stage}"
    tally.update(cases=tried, met=len(met), operations=max(met, default=0))


# Real ones

def refusal_of(storage):
    """Why a start is refused."""
    with pytest.raises(DidNotStart) as refusal, Exporter(storage=storage):
        pass
    return refusal.value


@pytest.mark.concurrency
@pytest.mark.parametrize("spare_pages", [0, 1, 2, 3, 5, 8, 13, 21])
def test_a_full_disk_is_507_and_records_are_taken_again_once_there_is_room(small_disk, start, spare_pages):
    workload, account, dice = Workload(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    exporter = start(storage=storage)
    post_until_acknowledged(exporter, workload, account, events_of(range(20)), dice, batch=5)
    filler = fill(small_disk, spare_pages * 4096)
    with WorkloadSender(exporter.address, workload, account) as sender:
        for number in range(20, 400):
            outcome = sender.post(events_of([number]), dice)
            assert outcome in (Outcome.ACKNOWLEDGED, Outcome.REFUSED), f"seed {SEED}, record {number}: {outcome}"
            workload.check_exactly(shown(exporter), account.acknowledged)
            if outcome is Outcome.REFUSED:
                break
    assert outcome is Outcome.REFUSED, "the disk is full"
    assert sender.reply and sender.reply.status == 507, sender.reply

    filler.unlink()
    events = events_of(range(400))
    post_until_acknowledged(exporter, workload, account, events, dice)
    assert exporter.get("/-/ready").status == 200
    workload.check_exactly(shown(exporter), events)
    exporter.kill()
    check_after_restart(storage, workload, account, dice)


@pytest.mark.parametrize("nth, is_known", [(1, True), (110, False)], ids=["the first part", "a later part"])
def test_a_disk_that_fails_within_a_large_post_leaves_its_outcome_unknown(tmp_path, nth, is_known):
    """It is counted in parts: what is on disk counts, and the same ids are sent again."""
    count = 20_000
    body = ndjson([call(id=str(n), total_tokens=1) for n in range(count)])
    storage, fault = tmp_path / "storage", tmp_path / "fault"
    storage.mkdir()
    with Exporter(storage=storage, environment=interposer.environment(storage, fault=fault)) as exporter:
        # A part is one commit, of some seventy writes at first.
        Fault(Kind.WRITE, nth, errno.ENOSPC, lasts=FOREVER).arm(fault)
        if is_known:
            assert exporter.post(body, NDJSON).status == 507
            assert exporter.calls() == 0
        else:
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                exporter.post(body, NDJSON)
            assert 0 < exporter.calls() < count
        fault.unlink()
        eventually(lambda: exporter.get("/-/ready").status == 200, "it recovers")
        accepted, duplicates, rejected = exporter.post(body, NDJSON).outcome()
        assert (accepted + duplicates, rejected) == (count, 0)
        assert (duplicates == 0) == is_known
        assert exporter.scrape().total("llm_tokens_total") == count
        exporter.stop()


@pytest.mark.parametrize("is_new", [True, False], ids=["a new database", "a database"])
def test_a_start_on_a_full_disk_loses_nothing(small_disk, is_new):
    workload, account, dice = Workload(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    storage.mkdir()
    if not is_new:
        with Exporter(storage=storage) as exporter:
            post_until_acknowledged(exporter, workload, account, events_of(range(60)), dice, batch=5)
    filler = fill(small_disk)
    try:
        # What a WAL takes may be room enough for a start.
        with Exporter(storage=storage) as exporter:
            assert not is_new
            workload.check_exactly(shown(exporter), account.acknowledged)
    except DidNotStart as refusal:
        check_one_clear_line(refusal, storage)
    filler.unlink()
    check_after_restart(storage, workload, account, dice)


@pytest.mark.parametrize("is_new", [True, False], ids=["a new database", "a database"])
def test_a_folder_that_cannot_be_written_is_refused_by_name(small_disk, is_new):
    workload, account, dice = Workload(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    storage.mkdir()
    if not is_new:
        with Exporter(storage=storage) as exporter:
            post_until_acknowledged(exporter, workload, account, events_of(range(20)), dice)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    check_one_clear_line(refusal_of(storage), storage)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    check_after_restart(storage, workload, account, dice)


def test_a_file_in_the_place_of_the_folder_is_refused_by_name(tmp_path):
    storage = tmp_path / "storage"
    storage.write_text("mine")
    for folder in (storage, storage / "below"):
        check_one_clear_line(refusal_of(folder), folder)
    assert storage.read_text() == "mine"


def test_a_missing_folder_is_made_with_its_parents(tmp_path, start):
    storage = tmp_path / "some" / "where"
    exporter = start(storage=storage)
    assert exporter.post({"agent_name": "a", "provider": "p", "model": "m"}).outcome() == (1, 0, 0)
    assert (storage / DATABASE).is_file()


@pytest.mark.concurrency
def test_nothing_is_acknowledged_once_the_database_is_gone(prepared, tmp_path):
    workload, dice = prepared.workload, random.Random(SEED)
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage) as exporter:
        post_until_acknowledged(exporter, workload, account, events_of(range(60, 70)), dice)
        (storage / DATABASE).unlink()
        for number in range(70, 75):
            with WorkloadSender(exporter.address, workload, account) as sender:
                outcome = sender.post(events_of([number]), dice)
            assert outcome in (Outcome.REFUSED, Outcome.UNANSWERED), "what no start would find is not acknowledged"
            workload.check(shown(exporter), *account.bounds())
        assert exporter.get("/-/ready").status == 503


@pytest.mark.concurrency
@pytest.mark.parametrize("is_older", [False, True], ids=["a copy", "an older copy"])
def test_nothing_is_acknowledged_while_the_database_is_another_and_all_goes_on_when_it_is_back(
        prepared, tmp_path, is_older):
    workload, dice = prepared.workload, random.Random(SEED)
    storage, copy = tmp_path / "storage", tmp_path / "copy"
    account = prepared.copy(storage)
    shutil.copy(storage / DATABASE, copy)
    with Exporter(storage=storage) as exporter:
        exporter.stop()
    if not is_older:
        shutil.copy(storage / DATABASE, copy)
    with Exporter(storage=storage) as exporter:
        post_until_acknowledged(exporter, workload, account, events_of(range(60, 70)), dice, batch=3)
        kept = storage / "kept"
        os.link(storage / DATABASE, kept)
        copy.replace(storage / DATABASE)
        for number in range(70, 75):
            with WorkloadSender(exporter.address, workload, account) as sender:
                outcome = sender.post(events_of([number]), dice)
            assert outcome is Outcome.REFUSED, "what no start would find is not acknowledged"
            workload.check_exactly(shown(exporter), account.acknowledged)
        assert exporter.get("/-/ready").status == 503
        # The one that it has open comes back.
        kept.replace(storage / DATABASE)
        post_until_acknowledged(exporter, workload, account, events_of(range(70, 80)), dice)
        assert exporter.get("/-/ready").status == 200
    check_after_restart(storage, workload, account, dice)
