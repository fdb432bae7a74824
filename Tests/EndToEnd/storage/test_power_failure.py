"""The power fails at any moment: what the disk then holds is a state in which all that was acknowledged is counted.

An exporter runs over a recording of its file operations (interposer.py) while a client notes when each answer came.
Then, for many moments, the folder is made as a disk may hold it that keeps only what was synced, and any part of the
rest (simulated_disk.py). On each an exporter must start, count all that had been acknowledged and nothing that had not
been sent, and take everything sent again to the exact totals.

`LLM_EXPORTER_CUTS` says how many cuts, `LLM_EXPORTER_SEED` repeats their choices. A failure names the recording, which
`LLM_EXPORTER_RECORDING` and `LLM_EXPORTER_CUT` cut again at the same moment, in the same way.
"""

import errno
import os
import pickle
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import interposer
from durability import SEED, check_after_restart, check_sound, shown, side_by_side
from exporter import Exporter, eventually
from interposer import FOREVER, Fault, Kind
from simulated_disk import Disk, write_folder
from workload import Account, Event, Workload
from workload_sender import Outcome, WorkloadSender

CUTS = int(os.environ.get("LLM_EXPORTER_CUTS") or 240)
WINDOW_SECONDS = 2
POSTS = 320

DATABASE = "llm-exporter.db"
SHARED_MEMORY = DATABASE + "-shm"


@dataclass(frozen=True)
class Post:
    """One request and its answer. Times are those of `time.monotonic_ns()`."""

    began: int
    ended: int
    outcome: Outcome
    events: list[Event]


@dataclass
class Recording:
    """What a run did to its folder, process by process, and what its client was told."""

    seed: int
    folder: Path
    logs: list[Path]
    posts: list[Post]
    #: When the power did not fail at all.
    left: dict[str, bytes]

    @property
    def events(self):
        return {event for post in self.posts for event in post.events}

    def bounds(self, cut):
        """The account of the client at a cut, and the events whose ids cannot have been forgotten by then."""
        account = Account()
        first_sent: dict[Event, int] = {}
        for post in self.posts:
            if post.began > cut.not_after:
                continue
            _, fresh = account.sending(post.events)
            if post.ended < cut.before:
                if post.outcome is Outcome.ACKNOWLEDGED:
                    account.acknowledge(post.events)
                elif post.outcome is Outcome.REFUSED:
                    account.refuse(fresh)
            for event in post.events:
                first_sent.setdefault(event, post.began)
        since = cut.before - (WINDOW_SECONDS - 0.2) * 1e9
        return account, {event for event, began in first_sent.items() if began > since}


@dataclass(frozen=True)
class Cut:
    """The power fails after an operation was done and before the next began."""

    index: int
    not_after: int
    before: int
    files: dict[str, bytes]

    def __str__(self):
        return f"cut {self.index}, of {({name: len(content) for name, content in self.files.items()})} bytes"


class Recorder:
    """Runs an exporter under the interposer, and posts to it from one connection."""

    def __init__(self, base, seed):
        self.base, self.folder, self.fault = base, base / "storage", base / "fault"
        self.dice, self.workload, self.account = random.Random(seed), Workload(seed), Account()
        self.logs, self.posts, self.next_number = [], [], 0
        self.exporter: Any = None
        self.fault_kills = False

    def start(self):
        self.fault_kills = False
        self.logs.append(self.base / f"operations-{len(self.logs)}")
        self.exporter = Exporter("--dedup.window", f"{WINDOW_SECONDS}s", storage=self.folder, environment=(
            interposer.environment(self.folder, fault=self.fault, log=self.logs[-1])))
        self.sender = WorkloadSender(self.exporter.address, self.workload, self.account)

    def post(self):
        """Posts some new events once, or until they are acknowledged when they are not at first."""
        count = self.dice.choice([1, 1, 1, 2, 3, 8])
        numbers = range(self.next_number, self.next_number + count)
        self.next_number += count
        events = [event for number in numbers for event in Workload.events(number)]

        def posting():
            began = time.monotonic_ns()
            outcome = self.sender.post(events, self.dice)
            self.posts.append(Post(began, time.monotonic_ns(), outcome, events))
            if outcome is not Outcome.ACKNOWLEDGED:
                # Faults end with the first failure that the client sees.
                self.fault.unlink(missing_ok=True)
                if self.has_been_killed():
                    self.start()
            return outcome is Outcome.ACKNOWLEDGED

        eventually(posting, "acknowledged")

    def has_been_killed(self):
        """Whether the last fault was one that kills."""
        return self.fault_kills and self.exporter.wait() == -signal.SIGKILL

    def arm(self, kills):
        """A sync of the next batch fails, or one of its writes, now and then until the client is told; or, where it
        `kills`, the exporter is killed before the sync, or once it has failed."""
        kind = Kind.SYNC if kills else self.dice.choice([Kind.SYNC, Kind.SYNC, Kind.WRITE])
        nth = 1 if kind is Kind.SYNC else self.dice.randint(1, 12)
        error = self.dice.choice([errno.EIO, 0] if kills else [errno.EIO, errno.ENOSPC])
        lasts = FOREVER if self.dice.random() < 0.3 else 1
        self.fault_kills = kills
        Fault(kind, nth, error, lasts=lasts, kills=kills).arm(self.fault)

    def record(self, posts, fault_every=None, kills=False):
        """Posts over two and a half windows, with a clean stop and a crash on the way, and maybe with faults."""
        self.base.mkdir()
        self.start()
        for n in range(posts):
            if fault_every and n % fault_every == 0:
                self.arm(kills)
            self.post()
            time.sleep(self.dice.expovariate(posts / (2.5 * WINDOW_SECONDS)))
            if n in (posts // 3, 2 * posts // 3):
                self.fault.unlink(missing_ok=True)
                if n == posts // 3:
                    self.exporter.stop()
                else:
                    # Nothing is under way, so that the record of operations is whole.
                    time.sleep(0.2)
                    self.exporter.kill()
                self.start()
        self.fault.unlink(missing_ok=True)
        remembered = int(self.exporter.scrape().value("llm_exporter_remembered_ids"))
        self.workload.check_exactly(shown(self.exporter), self.account.acknowledged)
        time.sleep(0.2)
        self.exporter.kill()
        left = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        recording = Recording(self.workload.seed, self.folder, self.logs, self.posts, left)
        ids = len(recording.events)
        assert remembered < ids, f"old ids were deleted on the way: {remembered} of {ids} are left"
        (self.base / "recording.pickle").write_bytes(pickle.dumps(recording))
        return recording


def marked(recording):
    """Indices of operations at which a cut is most telling: next to syncs and to changes of names and sizes."""
    all_operations = [operation for log in recording.logs for operation in interposer.operations(log)]
    telling = [index for index, operation in enumerate(all_operations)
               if operation.kind is not Kind.WRITE and (operation.kind is not Kind.OPEN or operation.created)]
    near = {near for index in telling for near in (index - 1, index) if near >= 0}
    return len(all_operations), near


def chosen(recording, count):
    """Indices of the operations to cut after."""
    total, near = marked(recording)
    dice = random.Random(f"{SEED}/cuts")
    creation = [index for index in sorted(near) if index < 150]
    indices = set(dice.sample(creation, min(len(creation), count // 5)))
    indices.update(dice.sample(sorted(near), min(len(near), count * 3 // 5)))
    while len(indices) < min(count, total):
        indices.add(dice.randrange(total))
    return indices


def cuts(recording, indices):
    """The chosen cuts, each with one of the many folders that may be left by it."""
    disk = Disk(recording.folder)
    pending = None
    index = 0
    for log in recording.logs:
        disk.begin_process()
        for operation in interposer.operations(log):
            if pending:
                yield Cut(*pending[:2], operation.began, pending[2])
                pending = None
            disk.apply(operation)
            if index in indices:
                dice = random.Random(f"{SEED}/cut/{index}")
                files = disk.after_cut(dice)
                # Shared memory does not outlive its machine; what lies in its file may be anything, or nothing.
                files.pop(SHARED_MEMORY, None)
                if dice.random() < 0.3:
                    files[SHARED_MEMORY] = dice.randbytes(32768)
                pending = (index, operation.ended, files)
            index += 1
    if pending:
        yield Cut(*pending[:2], time.monotonic_ns(), pending[2])
    as_cached = {name: content for name, content in disk.as_cached().items() if name != SHARED_MEMORY}
    left = {name: content for name, content in recording.left.items() if name != SHARED_MEMORY}
    assert as_cached == left, "the recorded operations, all of them, make what was left in the folder"


def attempt(recording, base, cut):
    workload = Workload(recording.seed)
    account, remembered = recording.bounds(cut)
    dice = random.Random(f"{SEED}/attempt/{cut.index}")
    folder = base / f"cut-{cut.index}"
    write_folder(folder, cut.files.items())
    if DATABASE in cut.files and dice.random() < 0.5:
        check_sound(folder)
    # What was acknowledged before the window is no longer known as a duplicate.
    again = recording.events - (account.acknowledged - remembered)
    try:
        check_after_restart(folder, workload, account, dice, again)
    except Exception:
        write_folder(base / f"cut-{cut.index}-as-it-was", cut.files.items())
        raise
    shutil.rmtree(folder)


def try_cuts(recording, base, count):
    def again(cut):
        return (f"LLM_EXPORTER_SEED={SEED} LLM_EXPORTER_RECORDING={recording.folder.parent} "
                f"LLM_EXPORTER_CUT={cut.index} pytest {__file__}; the folder as it was after the cut: "
                f"{base}/cut-{cut.index}-as-it-was")

    one = os.environ.get("LLM_EXPORTER_CUT")
    indices = {int(one)} if one else chosen(recording, count)
    return side_by_side(cuts(recording, indices), lambda cut: attempt(recording, base, cut), again)


def recorded(base, **options):
    """A recording made now, or the one that is to be cut again."""
    earlier = os.environ.get("LLM_EXPORTER_RECORDING")
    if earlier:
        return pickle.loads((Path(earlier) / "recording.pickle").read_bytes())
    recorder = Recorder(base / "recording", SEED)
    try:
        return recorder.record(**options)
    finally:
        if recorder.exporter:
            recorder.exporter.kill()


def checkpoints(recording):
    """Writes into the database itself while it was in use: contents of the WAL moved there."""
    count = 0
    for log in recording.logs:
        paths = {}
        for operation in interposer.operations(log):
            if operation.kind is Kind.OPEN:
                paths[operation.handle] = operation.path
            count += operation.kind is Kind.WRITE and paths[operation.handle].endswith(DATABASE)
    return count


@pytest.mark.heavy
@pytest.mark.timeout(120 + CUTS)
@pytest.mark.parametrize("share, options", [
    pytest.param(0.4, dict(posts=POSTS), id="while all goes well"),
    pytest.param(0.3, dict(posts=POSTS // 2, fault_every=8), id="after failing syncs and writes"),
    # The next process finds the batch in the cache of the kernel, where a sync of its own may leave it.
    pytest.param(0.3, dict(posts=POSTS // 2, fault_every=16, kills=True), id="after crashes at a sync"),
])
def test_after_a_power_cut_all_that_was_acknowledged_is_counted(tmp_path, figures, share, options, request):
    recording = recorded(tmp_path, **options)
    assert checkpoints(recording) > 0, "the run is long enough for a checkpoint"
    began = time.monotonic()
    tried = try_cuts(recording, tmp_path, round(CUTS * share))
    answers = [post.outcome for post in recording.posts]
    figures(f"power cuts {request.node.callspec.id}: seed {SEED}, {tried} cuts of {marked(recording)[0]} operations, "
            f"{answers.count(Outcome.ACKNOWLEDGED)} posts acknowledged, {answers.count(Outcome.REFUSED)} refused, "
            f"{answers.count(Outcome.UNANSWERED)} without an answer, {time.monotonic() - began:.0f} s")
