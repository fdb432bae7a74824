"""The n-th operation on storage fails, for every n: no false acknowledgement, no changed total, no help needed after.

Faults come from interposer.py; then real ones: a full disk, a folder that cannot be written, a database that vanishes.
By default every n is tried with one of the ways to fail, in turn; `LLM_EXPORTER_ALL_FAULTS=1` tries every n with all.
`LLM_EXPORTER_FAULT` tries one, in the words in which a failure names it.
"""

import errno
import fcntl
import http.client
import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import interposer
from exporter import BINARY, NDJSON, DidNotStart, Exporter, call, eventually, run
from interposer import FOREVER, Fault, Kind
from ledger import Account, Ledger
from sender import Outcome, Sender
from trials import (SEED, hold_after_restart, hold_to_be_sound, hold_to_one_clear_line, post_until_acknowledged, shown,
                    side_by_side)

#: More than there are processors: most of the time a case waits for the exporter to try again.
WORKERS = 4

ALL = bool(os.environ.get("LLM_EXPORTER_ALL_FAULTS"))

DATABASE = "llm-exporter.db"

#: When faults are counted: from the start on a new folder, from the start on one that a crash left, from when it is
#: ready, or from when it is told to stop.
STAGES = ("new", "again", "running", "stopping")

#: How many operations there are in each stage at the least: else faults are armed, and nothing meets them.
SURE_OPERATIONS = {
    "new": {Kind.OPEN: 10, Kind.WRITE: 40, Kind.RESIZE: 1, Kind.SYNC: 8, Kind.RENAME: 1, Kind.UNLINK: 1, Kind.ANY: 60},
    "again": {Kind.OPEN: 8, Kind.WRITE: 30, Kind.RESIZE: 1, Kind.SYNC: 5, Kind.UNLINK: 1, Kind.ANY: 50},
    "running": {Kind.WRITE: 20, Kind.SYNC: 5, Kind.ANY: 25},
    "stopping": {Kind.WRITE: 3, Kind.SYNC: 1, Kind.UNLINK: 1, Kind.ANY: 5},
}


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
    ledger: Ledger
    account: Account

    def copy(self, folder):
        shutil.copytree(self.folder, folder)
        account = Account()
        account.acknowledge(self.account.acknowledged)
        return account


#: What is posted while operations fail, as ranges of numbers: small batches, an id for each of their events.
SERIES = [range(1000, 1001), range(1001, 1004), range(1004, 1005), range(1005, 1011), range(1011, 1012)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "storage"
    ledger, account, dice = Ledger(SEED), Account(), random.Random(SEED)
    for numbers in (range(0, 40), range(40, 60)):
        with Exporter(storage=folder) as exporter:
            post_until_acknowledged(exporter, ledger, account, events_of(numbers), dice, batch=4)
            if numbers.start == 0:
                exporter.stop()
    return Prepared(folder, ledger, account)


@pytest.fixture(scope="module")
def tally(figures):
    """Counts of all cases together."""
    counts, began = Counter(), time.monotonic()
    yield counts
    figures(f"storage faults: seed {SEED}, {counts['operations']} operations by stage and kind, "
            f"{counts['cases']} cases, {counts['met']} faults met, {time.monotonic() - began:.0f} s")


def events_of(numbers):
    return [event for number in numbers for event in Ledger.events(number)]


class Attempt:
    """One case, from a fresh folder to the last restart."""

    def __init__(self, case, base, prepared):
        self.case, self.base, self.folder = case, base, base / "storage"
        self.control = base / "fault"
        self.ledger, self.dice = prepared.ledger, random.Random(f"{SEED}/{case}")
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
            self.hold_refusal_to_start(refusal)
        else:
            with exporter:
                self.drive(exporter)
        met = bool(interposer.hits(self.control))
        self.control.unlink(missing_ok=True)
        events = events_of(itertools.chain(*SERIES))
        hold_after_restart(self.folder, self.ledger, self.account, self.dice,
                           self.account.acknowledged | set(events))
        shutil.rmtree(self.base)
        return met

    def hold_refusal_to_start(self, refusal):
        assert interposer.hits(self.control), f"it did not start, without a fault: {refusal}"
        if self.case.fault.kills:
            assert refusal.code == -signal.SIGKILL, refusal
        else:
            hold_to_one_clear_line(refusal, self.folder)

    def drive(self, exporter):
        """Posts the series while operations fail, then without faults, unless one of them ends the exporter."""
        if self.case.stage == "running":
            self.case.fault.arm(self.control)
        with Sender(exporter.address, self.ledger, self.account) as sender:
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
        try:
            eventually(lambda: exporter.get("/-/ready").status == 200, "ready, after the fault")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{interposer.hits(self.control)}\n{exporter.log}") from None
        events = events_of(itertools.chain(*SERIES))
        post_until_acknowledged(exporter, self.ledger, self.account, events, self.dice, batch=7)
        self.ledger.hold_exactly(shown(exporter), self.account.acknowledged)

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
                self.hold_refusal(sender.reply)
            try:
                self.ledger.hold(shown(exporter), *self.account.bounds())
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

    def hold_refusal(self, reply):
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
    tally.update(cases=tried, met=len(met), operations=max(met, default=0))
    assert one or max(met, default=0) >= SURE_OPERATIONS[stage].get(kind, 0), f"only {sorted(set(met))} were met: does the interposer see these operations?"


# Real ones

def mount(folder, options):
    """Mounts a small file system, which only root may."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting a tmpfs needs root: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    mount(folder, "size=1m")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder, spare_bytes=0):
    """Leaves no more than `spare_bytes` on a file system."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        file.truncate(max(0, file.tell() - spare_bytes))
    return filler


def refusal_of(storage):
    """Why a start is refused."""
    with pytest.raises(DidNotStart) as refusal, Exporter(storage=storage):
        pass
    return refusal.value


@pytest.mark.parametrize("spare_pages", [0, 1, 2, 3, 5, 8, 13, 21])
def test_a_full_disk_is_507_and_records_are_taken_again_once_there_is_room(small_disk, start, spare_pages):
    ledger, account, dice = Ledger(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    exporter = start(storage=storage)
    post_until_acknowledged(exporter, ledger, account, events_of(range(20)), dice, batch=5)
    filler = fill(small_disk, spare_pages * 4096)
    with Sender(exporter.address, ledger, account) as sender:
        for number in range(20, 400):
            outcome = sender.post(events_of([number]), dice)
            assert outcome in (Outcome.ACKNOWLEDGED, Outcome.REFUSED), f"seed {SEED}, record {number}: {outcome}"
            ledger.hold_exactly(shown(exporter), account.acknowledged)
            if outcome is Outcome.REFUSED:
                break
    assert outcome is Outcome.REFUSED, "the disk is full"
    assert sender.reply.status == 507, sender.reply

    filler.unlink()
    events = events_of(range(400))
    post_until_acknowledged(exporter, ledger, account, events, dice)
    assert exporter.get("/-/ready").status == 200
    ledger.hold_exactly(shown(exporter), events)
    exporter.kill()
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("is_new", [True, False], ids=["a new database", "a database"])
def test_a_start_on_a_full_disk_loses_nothing(small_disk, is_new):
    ledger, account, dice = Ledger(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    storage.mkdir()
    if not is_new:
        with Exporter(storage=storage) as exporter:
            post_until_acknowledged(exporter, ledger, account, events_of(range(60)), dice, batch=5)
    filler = fill(small_disk)
    try:
        # What a WAL takes may be room enough for a start.
        with Exporter(storage=storage) as exporter:
            assert not is_new
            ledger.hold_exactly(shown(exporter), account.acknowledged)
    except DidNotStart as refusal:
        hold_to_one_clear_line(refusal, storage)
    filler.unlink()
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("is_new", [True, False], ids=["a new database", "a database"])
def test_a_folder_that_cannot_be_written_is_refused_by_name(small_disk, is_new):
    ledger, account, dice = Ledger(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    storage.mkdir()
    if not is_new:
        with Exporter(storage=storage) as exporter:
            post_until_acknowledged(exporter, ledger, account, events_of(range(20)), dice)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    hold_to_one_clear_line(refusal_of(storage), storage)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    hold_after_restart(storage, ledger, account, dice)


def test_a_file_in_the_place_of_the_folder_is_refused_by_name(tmp_path):
    storage = tmp_path / "storage"
    storage.write_text("mine")
    for folder in (storage, storage / "below"):
        hold_to_one_clear_line(refusal_of(folder), folder)
    assert storage.read_text() == "mine"


def test_a_missing_folder_is_made_with_its_parents(tmp_path, start):
    storage = tmp_path / "some" / "where"
    exporter = start(storage=storage)
    assert exporter.post({"agent_name": "a", "provider": "p", "model": "m"}).outcome() == (1, 0, 0)
    assert (storage / DATABASE).is_file()


@pytest.fixture
def reader():
    """Opens a database as the sqlite3 shell does: it has read once, and holds SQLite's shared lock from then on."""
    opened = []

    def reading(storage, transaction=False):
        connection = sqlite3.connect(f"file:{storage / DATABASE}?mode=ro", uri=True, isolation_level=None)
        opened.append(connection)
        if transaction:
            connection.execute("BEGIN")
        connection.execute("SELECT batch FROM head").fetchall()
        return connection

    yield reading
    for connection in opened:
        connection.close()


def post_one(exporter, ledger, account, number, dice):
    with Sender(exporter.address, ledger, account) as sender:
        return sender.post(events_of([number]), dice), sender.reply


@pytest.mark.parametrize("kind, error", [(Kind.SYNC, errno.EIO), (Kind.WRITE, errno.ENOSPC), (Kind.WRITE, errno.EIO)],
                         ids=lambda value: getattr(value, "name", errno.errorcode.get(value)))
@pytest.mark.parametrize("transaction", [False, True], ids=["idle", "reading"])
def test_a_fault_that_passes_beside_a_reader_passes(prepared, tmp_path, reader, kind, error, transaction):
    ledger, dice, control = prepared.ledger, random.Random(SEED), tmp_path / "fault"
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage, environment=interposer.environment(storage, fault=control)) as exporter:
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 65)), dice)
        reader(storage, transaction)
        Fault(kind, 1, error).arm(control)
        outcome, reply = post_one(exporter, ledger, account, 65, dice)
        assert interposer.hits(control)
        assert outcome is Outcome.REFUSED and reply.status == (507 if error == errno.ENOSPC else 503), (outcome, reply)
        control.unlink()
        assert post_one(exporter, ledger, account, 66, dice)[0] is Outcome.ACKNOWLEDGED, exporter.log
        eventually(lambda: exporter.get("/-/ready").status == 200, "ready")
        ledger.hold_exactly(shown(exporter), account.acknowledged)
        exporter.kill()
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("ends", ["stopped", "killed"])
def test_a_reader_does_not_keep_an_exporter_from_starting_again(prepared, tmp_path, reader, ends):
    ledger, dice = prepared.ledger, random.Random(SEED)
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage) as exporter:
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 65)), dice)
        reader(storage)
        exporter.stop() if ends == "stopped" else exporter.kill()
    with Exporter(storage=storage) as exporter:
        ledger.hold_exactly(shown(exporter), account.acknowledged)
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 70)), dice)
        exporter.kill()
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("then", ["the reader goes", "the reader stays"])
def test_what_a_failed_sync_left_behind_beside_a_reader_is_no_acknowledged_record(prepared, tmp_path, reader, then):
    """The exporter is killed directly after the sync that failed: the files hold a commit that the reader's index hides."""
    ledger, dice, control = prepared.ledger, random.Random(SEED), tmp_path / "fault"
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage, environment=interposer.environment(storage, fault=control)) as exporter:
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 65)), dice)
        connection = reader(storage)
        Fault(Kind.SYNC, 1, errno.EIO, kills=True).arm(control)
        assert post_one(exporter, ledger, account, 65, dice)[0] is Outcome.UNANSWERED
    if then == "the reader goes":
        connection.close()
    with Exporter(storage=storage) as exporter:
        ledger.hold(shown(exporter), *account.bounds())
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 70)), dice)
        ledger.hold_exactly(shown(exporter), account.acknowledged)
        exporter.kill()
    hold_after_restart(storage, ledger, account, dice)


def test_a_foreign_transaction_refuses_what_comes_meanwhile_and_no_more(prepared, tmp_path):
    ledger, dice = prepared.ledger, random.Random(SEED)
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage) as exporter:
        foreign = sqlite3.connect(storage / DATABASE, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        outcome, reply = post_one(exporter, ledger, account, 60, dice)
        assert outcome is Outcome.REFUSED and reply.status == 503, (outcome, reply)
        foreign.execute("ROLLBACK")
        assert post_one(exporter, ledger, account, 61, dice)[0] is Outcome.ACKNOWLEDGED, exporter.log
        foreign.close()
        exporter.stop()
    hold_after_restart(storage, ledger, account, dice)


def test_a_disk_that_somebody_else_fills_is_507_for_as_long_as_it_is_full(small_disk, reader):
    ledger, account, dice = Ledger(SEED), Account(), random.Random(SEED)
    storage = small_disk / "storage"
    with Exporter(storage=storage) as exporter:
        post_until_acknowledged(exporter, ledger, account, events_of(range(20)), dice, batch=5)
        reader(storage)
        is_over = threading.Event()

        def compete():
            with (small_disk / "filler").open("ab", buffering=0) as file:
                while not is_over.is_set():
                    try:
                        file.write(bytes(4096))
                    except OSError as error:
                        assert error.errno == errno.ENOSPC, error

        competitor = threading.Thread(target=compete)
        competitor.start()
        try:
            refused = 0
            for number in range(20, 120):
                outcome, reply = post_one(exporter, ledger, account, number, dice)
                assert outcome in (Outcome.ACKNOWLEDGED, Outcome.REFUSED), f"seed {SEED}, record {number}: {outcome}"
                if outcome is Outcome.REFUSED:
                    refused += 1
                    assert reply.status == 507, reply
                ledger.hold_exactly(shown(exporter), account.acknowledged)
            assert refused > 50, "the disk is full"
        finally:
            is_over.set()
            competitor.join()
        (small_disk / "filler").unlink()
        post_until_acknowledged(exporter, ledger, account, events_of(range(120)), dice)
        assert exporter.get("/-/ready").status == 200
        exporter.kill()
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("how", ["moved away", "removed"])
def test_two_exporters_never_use_one_folder_whatever_becomes_of_it(tmp_path, how):
    storage, dice = tmp_path / "storage", random.Random(SEED)
    first_ledger, second_ledger = Ledger(SEED), Ledger(SEED + 1)
    first_account, second_account = Account(), Account()
    with Exporter(storage=storage) as first:
        post_until_acknowledged(first, first_ledger, first_account, events_of(range(10)), dice)
        storage.rename(tmp_path / "away") if how == "moved away" else shutil.rmtree(storage)
        with Exporter(storage=storage) as second:
            for number in range(0, 200, 5):
                post_until_acknowledged(second, second_ledger, second_account, events_of(range(number, number + 5)), dice)
                outcome, reply = post_one(first, first_ledger, first_account, 1000 + number, dice)
                assert outcome is Outcome.REFUSED and reply.status == 503, (outcome, reply)
                first_ledger.hold_exactly(shown(first), first_account.acknowledged)
                hold_to_be_sound(storage)
            assert first.get("/-/ready").status == 503
            first.signal(signal.SIGTERM)
            assert first.wait() == 1, "what it has is not in the folder that it was given"
            second.kill()
    hold_after_restart(storage, second_ledger, second_account, dice)
    if how == "moved away":
        hold_after_restart(tmp_path / "away", first_ledger, first_account, dice)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
@pytest.mark.parametrize("ends", ["stopped", "killed"])
def test_removing_the_wal_under_a_running_exporter_loses_nothing(prepared, tmp_path, suffix, ends):
    ledger, dice = prepared.ledger, random.Random(SEED)
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage) as exporter:
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 70)), dice, batch=3)
        (storage / (DATABASE + suffix)).unlink()
        post_until_acknowledged(exporter, ledger, account, events_of(range(70, 75)), dice, batch=2)
        ledger.hold_exactly(shown(exporter), account.acknowledged)
        hold_to_be_sound(storage)
        if ends == "stopped":
            (storage / (DATABASE + suffix)).unlink()
            exporter.stop()
        else:
            exporter.kill()
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("how", ["removed", "replaced by a copy", "replaced by an older copy"])
def test_nothing_is_acknowledged_while_the_database_is_not_there_and_all_is_well_once_it_is_back(prepared, tmp_path, how):
    ledger, dice = prepared.ledger, random.Random(SEED)
    storage, copy = tmp_path / "storage", tmp_path / "copy"
    account = prepared.copy(storage)
    with Exporter(storage=storage) as exporter:
        shutil.copy(storage / DATABASE, copy)
        post_until_acknowledged(exporter, ledger, account, events_of(range(60, 70)), dice, batch=3)
        if how == "replaced by a copy":
            run("backup", str(copy) + ".db", "--storage.path", str(storage))
            os.replace(str(copy) + ".db", copy)
        (storage / DATABASE).rename(tmp_path / "original")
        if how != "removed":
            os.replace(copy, storage / DATABASE)
        for number in range(70, 75):
            outcome, reply = post_one(exporter, ledger, account, number, dice)
            assert outcome is Outcome.REFUSED and reply.status == 503, (outcome, reply)
            ledger.hold_exactly(shown(exporter), account.acknowledged)
        assert exporter.get("/-/ready").status == 503
        left = tmp_path / "left"
        shutil.copytree(storage, left)
        os.replace(tmp_path / "original", storage / DATABASE)
        eventually(lambda: exporter.get("/-/ready").status == 200, "ready, with the database back")
        post_until_acknowledged(exporter, ledger, account, events_of(range(70, 80)), dice)
        ledger.hold_exactly(shown(exporter), account.acknowledged)
        exporter.stop()
    hold_after_restart(storage, ledger, account, dice)
    # And a start on what was there meanwhile: refused, or nothing is missing, as the WAL may hold all that a copy lacks.
    try:
        with Exporter(storage=left) as exporter:
            assert how != "removed"
            ledger.hold_exactly(shown(exporter), account.acknowledged - set(events_of(range(70, 80))))
    except DidNotStart as refusal:
        hold_to_one_clear_line(refusal, left)


def test_a_stop_that_leaves_something_undone_is_not_exit_code_0(prepared, tmp_path):
    ledger, dice, control = prepared.ledger, random.Random(SEED), tmp_path / "fault"
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with Exporter(storage=storage, environment=interposer.environment(storage, fault=control)) as exporter:
        Fault(Kind.SYNC, 1, errno.EIO, lasts=FOREVER).arm(control)
        assert post_one(exporter, ledger, account, 60, dice)[0] is Outcome.UNANSWERED
        exporter.signal(signal.SIGTERM)
        assert exporter.wait() == 1, exporter.log
        assert "not settled" in exporter.log
    hold_after_restart(storage, ledger, account, dice)


@pytest.mark.parametrize("hours", [-48, 48], ids=["behind", "ahead"])
def test_ids_and_starts_outlast_a_clock_that_was_wrong_when_the_exporter_started(tmp_path, start, hours):
    clock, storage = tmp_path / "clock", tmp_path / "storage"
    started = {"agent_name": "a", "id": "open", "event": "start"}
    clock.write_text(str(hours * 3600))
    exporter = start(storage=storage, environment=interposer.environment(storage, clock=clock))
    clock.write_text("0")
    # From here on the clock is right; the program has it from its start still.
    assert exporter.post([call(id="x"), started]).outcome() == (2, 0, 0)
    exporter.stop()
    exporter = start(storage=storage)
    assert exporter.get("/metrics").body.count(b'llm_active_calls{agent_name="a"} 1\n') == 1
    assert exporter.post([call(id="x"), started]).outcome() == (0, 2, 0)


def test_a_start_waits_for_a_backup_or_a_check(prepared, tmp_path):
    storage = tmp_path / "storage"
    account = prepared.copy(storage)
    with (storage / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with Exporter(storage=storage, awaited=False) as exporter:
            time.sleep(1)
            assert exporter.process.poll() is None and not exporter.ports, exporter.log
            fcntl.flock(lock, fcntl.LOCK_UN)
            exporter.await_listening()
            prepared.ledger.hold_exactly(shown(exporter), account.acknowledged)
            # An exporter, on the other hand, is not waited for.
            before = time.monotonic()
            hold_to_one_clear_line(refusal_of(storage), storage)
            assert time.monotonic() - before < 3


@pytest.fixture
def open_folder():
    """A folder that everybody may reach, with the program in it."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("becoming another user needs root, and setpriv")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shutil.copy(BINARY, folder)
        yield Path(folder)


@pytest.fixture
def as_nobody(open_folder):
    """Runs the program as a user who owns nothing."""
    return lambda *arguments: subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", open_folder / BINARY.name, *arguments],
        capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", ["serve", "check-storage"])
def test_a_database_that_may_not_be_read_is_not_called_damaged(prepared, open_folder, as_nobody, command):
    storage = open_folder / "storage"
    prepared.copy(storage)
    for path in [storage, *storage.iterdir()]:
        os.chown(path, 65534, 65534)
    os.chown(storage / DATABASE, 0, 0)
    os.chmod(storage / DATABASE, 0o600)
    flags = ["--web.listen-address", "127.0.0.1:0"] if command == "serve" else []
    done = as_nobody(command, "--storage.path", storage, *flags)
    assert done.returncode == 1, done
    said = done.stderr.strip().splitlines()[-1]
    assert str(storage / DATABASE) in said and "Permission denied" in said and "able to read" in said, said
    assert "damaged" not in said and "anew" not in said, said


@pytest.mark.parametrize("how", ["by another user", "mounted read-only"])
def test_what_a_crash_left_can_be_checked_and_copied_by_who_may_only_read(prepared, open_folder, as_nobody, how):
    storage, copy = open_folder / "storage", open_folder / "copies" / "copy.db"
    copy.parent.mkdir()
    os.chmod(copy.parent, 0o777)
    account = prepared.copy(storage)
    assert (storage / f"{DATABASE}-wal").stat().st_size > 0
    for path in storage.iterdir():
        os.chmod(path, 0o644)
    os.chmod(storage, 0o755)
    names = sorted(os.listdir(storage))
    run_it = as_nobody
    if how == "mounted read-only":
        subprocess.run(["mount", "--bind", storage, storage], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", storage], check=True)
        run_it = run
    try:
        for arguments in (["check-storage"], ["backup", str(copy)]):
            done = run_it(*arguments, "--storage.path", str(storage))
            assert done.returncode == 0, done
    finally:
        if how == "mounted read-only":
            subprocess.run(["umount", storage], check=True)
    assert sorted(os.listdir(storage)) == names
    restored = open_folder / "restored"
    restored.mkdir()
    shutil.copy(copy, restored / DATABASE)
    hold_after_restart(restored, prepared.ledger, account, random.Random(SEED))


def test_a_reader_that_keeps_the_wal_from_being_written_back_is_told_of(tmp_path, start, reader):
    storage = tmp_path / "storage"
    exporter = start("--limits.max-series", "100000", storage=storage)
    exporter.post(call()).outcome()
    reader(storage, transaction=True)
    # Each id takes 24 bytes: a batch of these writes about 4 MB.
    for batch in range(24):
        lines = "".join('{"agent_name":"a","provider":"p","model":"m","id":"%d-%d"}\n' % (batch, number)
                        for number in range(150_000))
        assert exporter.post(lines, NDJSON).outcome() == (150_000, 0, 0)
    assert (storage / f"{DATABASE}-wal").stat().st_size > 64 << 20
    counted = [line for line in exporter.get("/metrics").body.splitlines()
               if line.startswith(b"llm_exporter_checkpoint_failures_total ")]
    assert int(counted[0].split()[1]) > 0, counted
    warned = [line for line in exporter.log_lines if "level=warn " in line and "-wal" in line]
    assert len(warned) == 1 and "a program that reads the database" in warned[0], exporter.log
