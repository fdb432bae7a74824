"""A damaged database is refused by name and left as it is, or the damage changes nothing: no wrong total is shown.

`LLM_EXPORTER_DAMAGES` says how many random flips of a bit, `LLM_EXPORTER_SEED` repeats their choices, and
`LLM_EXPORTER_DAMAGE` tries one, written as a failure prints it.
"""

import os
import random
import re
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from durability import SEED, check_one_clear_line, check_storage, post_until_acknowledged, shown, side_by_side
from exporter import DidNotStart, Exporter
from workload import Account, Shown, Workload

FLIPS = int(os.environ.get("LLM_EXPORTER_DAMAGES") or 500)

DATABASE = "llm-exporter.db"
WAL = DATABASE + "-wal"
NOTE = "llm-exporter.batch"
LOCK = "lock"
PAGE = 4096
WAL_HEADER, FRAME = 32, 24 + PAGE


@dataclass
class Original:
    """A folder with a history, what it shows, and an older copy of it."""

    folder: Path
    older: Path
    workload: Workload
    account: Account
    shown: Shown


def originals(base):
    """The same history twice: ended by SIGKILL, with a WAL, and by a clean stop."""
    for name in ("killed", "stopped"):
        workload, account, dice = Workload(SEED), Account(), random.Random(SEED)
        folder, older = base / name / "storage", base / name / "older"
        for numbers in (range(70), range(70, 100), range(100, 140)):
            events = [event for number in numbers for event in workload.events(number)]
            with Exporter(storage=folder) as exporter:
                post_until_acknowledged(exporter, workload, account, events, dice, batch=4)
                now = shown(exporter)
                if numbers.start == 0 or name == "stopped":
                    exporter.stop()
            if numbers.start == 70:
                shutil.copytree(folder, older)
        workload.check_exactly(now, account.acknowledged)
        yield name, Original(folder, older, workload, account, now)


class Damage:
    """Something done to the files of a folder, by a name that says all of it."""

    def __init__(self, name):
        self.name = name
        self.original, self.what, self.file, *self.numbers = name.split()

    def __str__(self):
        return self.name

    def do(self, folder, original):
        file = folder / self.file
        numbers = [int(number) for number in self.numbers]
        match self.what:
            case "flip":
                content = bytearray(file.read_bytes())
                content[numbers[0]] ^= 1 << numbers[1]
                file.write_bytes(content)
            case "truncate":
                os.truncate(file, numbers[0])
            case "zero":
                content = bytearray(file.read_bytes())
                content[numbers[0]:numbers[0] + numbers[1]] = bytes(len(content[numbers[0]:numbers[0] + numbers[1]]))
                file.write_bytes(content)
            case "remove":
                file.unlink()
            case "older":
                shutil.copy(original.older / self.file, file)
            case "stale":
                # A write that the disk took and lost.
                older, start = (original.older / self.file).read_bytes(), numbers[0] * PAGE
                content = bytearray(file.read_bytes())
                content[start:start + PAGE] = older[start:start + PAGE]
                file.write_bytes(content)


def sizes(folder):
    return {file.name: file.stat().st_size for file in sorted(folder.iterdir()) if not file.name.endswith("-shm")}


def damages(name, original, dice):
    """What is done to copies of an original, one at a time."""
    size = sizes(original.folder)
    assert {DATABASE, NOTE, LOCK} <= size.keys() and (name == "stopped" or size[WAL] > 20 * FRAME), size

    for _ in range(FLIPS // 2):
        file = dice.choice([DATABASE, WAL] if size.get(WAL) else [DATABASE])
        yield f"flip {file} {dice.randrange(size[file])} {dice.randrange(8)}"
    # Where one bit may matter most: the header of the database, those of its pages, the cells at their ends.
    targets = [(DATABASE, offset) for offset in dice.sample(range(100), 20)]
    for page in range(size[DATABASE] // PAGE):
        targets.append((DATABASE, page * PAGE + dice.randrange(12) + (100 if page == 0 else 0)))
        targets.append((DATABASE, (page + 1) * PAGE - 1 - dice.randrange(200)))
    if size.get(WAL):
        frames = (size[WAL] - WAL_HEADER) // FRAME
        targets += [(WAL, offset) for offset in dice.sample(range(WAL_HEADER), 10)]
        targets += [(WAL, WAL_HEADER + frame * FRAME + dice.randrange(24)) for frame in dice.sample(range(frames), 15)]
        targets += [(WAL, WAL_HEADER + frame * FRAME + dice.randrange(24)) for frame in range(frames - 3, frames)]
    # The names of columns that are empty in all rows, or nearly.
    names = rb"(\w+_exemplars|sender|memory_available_mb) [A-Z]"
    for column in re.finditer(names, (original.folder / DATABASE).read_bytes()):
        targets.append((DATABASE, dice.randrange(*column.span(1))))
    targets += [(NOTE, offset) for offset in range(size[NOTE])]
    targets += [(LOCK, offset) for offset in range(min(size[LOCK], 4))]
    for file, offset in targets:
        yield f"flip {file} {offset} {dice.randrange(8)}"

    for file in (DATABASE, WAL):
        if size.get(file):
            step = PAGE if file == DATABASE else FRAME
            ends = [0, 1, 100, size[file] - 1]
            ends += [end + by for end in dice.sample(range(step, size[file], step), 4) for by in (-1, 0, 1)]
            ends += [dice.randrange(size[file]) for _ in range(6)]
            ends += [size[file] - step]
            yield from (f"truncate {file} {end}" for end in sorted(set(ends)) if 0 <= end < size[file])
            yield from (f"zero {file} {offset} {length}" for offset, length in
                        ((0, 512), (0, PAGE), (size[file] - PAGE, PAGE), (size[file] // 2 // 512 * 512, 512)))
    yield from (f"truncate {NOTE} {end}" for end in range(size[NOTE]))
    yield from (f"remove {file}" for file in size)
    older = sizes(original.older)
    yield from (f"older {file}" for file in (DATABASE, WAL) if file in older and file in size)
    yield from (f"stale {DATABASE} {page}" for page in range(min(size[DATABASE], older[DATABASE]) // PAGE))


def content(folder):
    """What is kept in a folder: not the lock, which names its holder, nor shared memory, which each reader rebuilds."""
    return {file.name: file.read_bytes() for file in folder.iterdir()
            if file.name != LOCK and not file.name.endswith("-shm")}


def attempt(damage, original, folder):
    """Returns whether the damage was noticed by a start, only by check-storage, or did no harm."""
    shutil.copytree(original.folder, folder)
    damage.do(folder, original)
    before = content(folder)
    checked = folder.with_name(f"{folder.name},checked")
    shutil.copytree(folder, checked)
    code, said = check_storage(checked)
    assert code in (0, 1), f"check-storage: exit code {code}: {said}"
    try:
        check_start(folder, original)
    except DidNotStart as refusal:
        check_one_clear_line(refusal, folder)
        check_unchanged(folder, before, "a start that refuses")
        refused = f"a start refuses, check-storage does not: {refusal}\n{said}"
        assert code == 1, refused
        outcome = "refused"
    else:
        outcome = "harmless" if code == 0 else "harmless, though check-storage finds fault"
    check_unchanged(checked, before, f"check-storage (exit code {code})")
    shutil.rmtree(folder)
    shutil.rmtree(checked)
    return outcome


def check_start(folder, original):
    """An exporter that does start shows exactly what was there, and knows all that it had taken."""
    with Exporter(storage=folder) as exporter:
        found = shown(exporter)
        assert (found.counters, found.gauges) == (original.shown.counters, original.shown.gauges), (
            "it starts, and shows something else: " + difference(original.shown, found))
        events = original.account.acknowledged
        again = post_until_acknowledged(exporter, original.workload, original.account, events, random.Random(SEED))
        assert again == len(events)
        original.workload.check_exactly(shown(exporter), events)


def check_unchanged(folder, before, who):
    after = content(folder)
    changed = {name: (len(before.get(name, b"")), len(after.get(name, b"")))
               for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert not changed, f"{who} changes files, from and to bytes: {changed}"


def difference(was, now):
    was, now = {**was.counters, **was.gauges}, {**now.counters, **now.gauges}
    return "; ".join(f"{key}: {was.get(key)} became {now.get(key)}"
                     for key in list(was.keys() | now.keys()) if was.get(key) != now.get(key))[:1000]


@pytest.mark.heavy
@pytest.mark.timeout(120 + FLIPS)
def test_damage_is_refused_or_harmless(tmp_path, figures):
    made, lock, began = dict(originals(tmp_path)), threading.Lock(), time.monotonic()
    outcomes: Counter[str] = Counter()
    one = os.environ.get("LLM_EXPORTER_DAMAGE")
    dice = random.Random(f"{SEED}/damages")
    names = [one] if one else [f"{name} {damage}" for name, original in made.items()
                               for damage in damages(name, original, dice)]

    def attempting(damage):
        outcome = attempt(damage, made[damage.original], tmp_path / str(damage).replace(" ", ","))
        with lock:
            outcomes[outcome] += 1

    tried = side_by_side([Damage(name) for name in names], attempting, lambda damage: (
        f"LLM_EXPORTER_SEED={SEED} LLM_EXPORTER_DAMAGE='{damage}' pytest {__file__}; the folder: "
        f"{tmp_path}/{str(damage).replace(' ', ',')}"))
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    figures(f"damage: seed {SEED}, {tried} cases: {told}; {time.monotonic() - began:.0f} s")
