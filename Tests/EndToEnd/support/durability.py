"""What the durability tests share: a seed, many cases side by side, and checks of an exporter's folder."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from exporter import DidNotStart, Exporter, eventually, run
from protobuf_exposition import ACCEPT, COUNTER, Labels, created, families, labels, native_counts
from workload import HISTOGRAMS, Account, Event, Key, Shown, Workload
from workload_sender import Outcome, WorkloadSender

#: Every choice that these tests make follows from it; only the moments of processes do not.
SEED = int(os.environ.get("LLM_EXPORTER_SEED") or random.SystemRandom().randrange(1_000_000))


def side_by_side(cases: Iterable[Any], attempt: Callable[[Any], None], again: Callable[[Any], str],
                 workers: int = 2) -> int:
    """Attempts all cases, some at a time, and returns how many there were.

    `cases` is asked for one case ahead, no more. Fails after the first few failures, with `again(case)` to say how to
    repeat each one.
    """
    failures: list[str] = []
    free = threading.Semaphore(workers)

    def attempting(case: Any) -> None:
        try:
            attempt(case)
        except Exception as error:
            failures.append(f"{case}\n{type(error).__name__}: {error}\nAgain: {again(case)}")
        finally:
            free.release()

    attempted: list[Future[None]] = []
    with ThreadPoolExecutor(workers) as pool:
        for case in cases:
            free.acquire()
            if len(failures) >= 5:
                break
            attempted.append(pool.submit(attempting, case))
    assert not failures, f"{len(failures)} of {len(attempted)} cases failed:\n\n" + "\n\n".join(failures)
    return len(attempted)


def shown(exporter: Exporter) -> Shown:
    """A scrape, which is answered whatever happens to the storage."""
    reply = exporter.get("/metrics")
    assert reply.status == 200, reply
    return Shown(reply.body)


def check_native_histograms(exporter: Exporter, workload: Workload, events: Collection[Event],
                            is_of_others: Callable[[Key], bool] = lambda _: False) -> None:
    """Holds the native buckets, but for those of other senders, to these events, each once."""
    found = families(exporter.get("/metrics", Accept=ACCEPT).body)
    shown = {key: native_counts(metric.histogram) for _, name, _ in HISTOGRAMS for metric in found[name].metric
             if not is_of_others(key := Key(name, frozenset(labels(metric))))}
    assert shown == workload.native_counts(event.number for event in events if event.kind == "call")


def created_times(exporter: Exporter) -> dict[tuple[str, Labels], float]:
    """When each series of calls began that has such a time."""
    return {(name, labels(metric)): time
            for name, family in families(exporter.get("/metrics", Accept=ACCEPT).body).items()
            if name.startswith("llm_") and not name.startswith("llm_exporter_") for metric in family.metric
            if (time := created(metric.counter if family.type == COUNTER else metric.histogram)) is not None}


def check_one_clear_line(refusal: DidNotStart, path: Path) -> None:
    """A start that fails is exit code 1 and one line, after those of a start, that names the file or its folder."""
    assert refusal.code == 1, refusal
    said = [line for line in refusal.log.splitlines() if "level=info" not in line]
    assert len(said) == 1 and str(path) in said[0], refusal


def check_storage(folder: Path) -> tuple[int, str]:
    """The exit code of `llm-exporter check-storage`, and all that it says."""
    done = run("check-storage", "--storage.path", str(folder))
    return done.returncode, done.stdout + done.stderr


def check_sound(folder: Path) -> None:
    code, said = check_storage(folder)
    assert code == 0, f"check-storage finds fault: exit code {code}: {said}"


def post_until_acknowledged(exporter: Exporter, workload: Workload, account: Account, events: Collection[Event],
                            dice: random.Random, batch: int = 200) -> int:
    """Posts events, again and again if they are refused, and returns how many were duplicates."""
    remaining = sorted(events)
    dice.shuffle(remaining)
    with WorkloadSender(exporter.address, workload, account) as sender:
        for start in range(0, len(remaining), batch):
            part = remaining[start:start + batch]
            eventually(lambda: sender.post(part, dice) is Outcome.ACKNOWLEDGED, "acknowledged")
        return sender.duplicates


def check_after_restart(folder: Path, workload: Workload, account: Account, dice: random.Random,
                       events: Collection[Event] | None = None) -> None:
    """Starts on a folder that a process left, and checks it against the account: as found, and after posting all again.

    `events` are those to be posted: by default what was ever sent.
    """
    at_least, at_most = account.bounds()
    everything = at_most if events is None else set(events)
    with Exporter(storage=folder) as exporter:
        found = workload.check(shown(exporter), at_least, at_most)
        after = Account()
        after.acknowledge(at_least | {Event("call", number) for number in found})
        after.uncertain |= {event for event in at_most - at_least if event.kind != "call"}
        post_until_acknowledged(exporter, workload, after, everything, dice)
        workload.check_exactly(shown(exporter), everything | at_least)
        check_native_histograms(exporter, workload, everything | at_least)
        if dice.random() < 0.5:
            exporter.stop()
    check_sound(folder)


def fill(folder: Path, spare_bytes: int = 0) -> Path:
    """Fills a file system up to `spare_bytes`, and returns the file that fills it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, file.tell() - spare_bytes))
    return filler
