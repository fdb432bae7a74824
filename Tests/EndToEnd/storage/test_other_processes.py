"""Other processes at the folder of a running exporter: readers, backups, other exporters, and removed files."""

from __future__ import annotations

import errno
import http.client
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

import interposer
from exporter import BINARY, DidNotStart, Exporter, call, eventually, run
from interposer import FOREVER, Fault, Kind
from pace import Stopwatch
from time_of_day import TimeOfDay

DATABASE = "llm-exporter.db"


def numbered(number, **fields):
    return call(id=f"n{number}", cost_usd=Decimal("0.001"), **fields)


def held_by_a_reader(storage):
    """A connection that has read, as an idle sqlite3 shell keeps one: SQLite's shared lock stays."""
    reader = sqlite3.connect(f"file:{storage / DATABASE}?mode=ro", uri=True)
    reader.execute("SELECT count(*) FROM call_series").fetchall()
    return reader


def calls_after_restart(storage):
    with Exporter(storage=storage) as exporter:
        return exporter.calls()


@pytest.mark.concurrency
@pytest.mark.parametrize("kind, error, status", [(Kind.SYNC, errno.EIO, 503), (Kind.WRITE, errno.ENOSPC, 507)])
def test_a_reader_beside_it_does_not_make_a_passing_fault_last(tmp_path, start, kind, error, status):
    storage, control = tmp_path / "data", tmp_path / "fault"
    exporter = start(storage=storage, environment=interposer.environment(storage, fault=control))
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    reader = held_by_a_reader(storage)
    Fault(kind, 1, error, lasts=1).arm(control)
    refused = exporter.post(numbered(1))
    assert refused.status == status and refused.headers["Retry-After"], refused
    control.unlink()
    assert exporter.post(numbered(1)).outcome() == (1, 0, 0)
    assert exporter.get("/-/ready").status == 200
    assert exporter.calls() == 2
    exporter.kill()
    # Nor does it keep the next one from starting.
    exporter = start(storage=storage)
    assert exporter.calls() == 2
    assert exporter.post(numbered(1)).outcome() == (0, 1, 0)
    exporter.stop()
    reader.close()
    assert calls_after_restart(storage) == 2


@pytest.mark.concurrency
def test_another_writer_costs_refusals_for_as_long_as_it_writes(tmp_path, start):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    other = sqlite3.connect(storage / DATABASE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = exporter.post(numbered(1))
    assert refused.status == 503 and "another program uses it" in refused.problem(503)["detail"]
    other.execute("ROLLBACK")
    # Still connected.
    assert exporter.post(numbered(1)).outcome() == (1, 0, 0)
    other.close()
    assert exporter.calls() == 2


@pytest.mark.heavy
def test_a_disk_that_somebody_else_fills_is_507_as_long_as_it_is_full(small_disk, start):
    storage = small_disk / "storage"
    exporter = start(storage=storage)
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    stop = threading.Event()

    def filling():
        """Takes each byte that is free, again and again."""
        place = 0
        while not stop.is_set():
            try:
                with (small_disk / f"filler{place}").open("wb", buffering=0) as file:
                    while file.write(bytes(512)):
                        pass
            except OSError:
                place += 1
                time.sleep(0.0005)

    filler = threading.Thread(target=filling)
    filler.start()
    try:
        answers = [exporter.post(numbered(number, agent_name=f"agent-{number}")).status for number in range(1, 400)]
    finally:
        stop.set()
        filler.join()
    refused = [status for status in answers if status != 200]
    assert len(refused) > 100 and set(refused) == {507}, {status: answers.count(status) for status in set(answers)}
    for file in small_disk.glob("filler*"):
        file.unlink()
    expected = 1 + answers.count(200)
    assert exporter.calls() == expected
    assert exporter.post(numbered(1000)).outcome() == (1, 0, 0)
    exporter.kill()
    assert calls_after_restart(storage) == expected + 1


@pytest.mark.concurrency
def test_an_exporter_whose_folder_was_moved_leaves_the_next_ones_alone(tmp_path, start):
    storage = tmp_path / "data"
    old = start(storage=storage)
    assert old.post(numbered(0)).outcome() == (1, 0, 0)
    storage.rename(tmp_path / "moved")
    new = start(storage=storage)
    for number in range(1, 200):
        assert new.post(numbered(number)).outcome() == (1, 0, 0)
        if number % 10 == 0:
            refused = old.post(numbered(1000 + number))
            assert refused.status == 503 and refused.headers["Retry-After"], refused
    assert old.get("/-/ready").status == 503
    assert (old.calls(), new.calls()) == (1, 199)
    # It ends without a clean close, and says so.
    old.signal(signal.SIGTERM)
    assert old.wait() == 1
    new.kill()
    assert run("check-storage", "--storage.path", str(storage)).returncode == 0
    assert calls_after_restart(storage) == 199
    assert calls_after_restart(tmp_path / "moved") == 1


@pytest.mark.concurrency
def test_a_folder_that_comes_back_is_used_again(tmp_path, start):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    storage.rename(tmp_path / "moved")
    assert exporter.post(numbered(1)).status == 503
    (tmp_path / "moved").rename(storage)
    eventually(lambda: exporter.get("/-/ready").status == 200, "it is ready again")
    assert exporter.post(numbered(1)).outcome() == (1, 0, 0)
    exporter.stop()
    assert calls_after_restart(storage) == 2


@pytest.mark.concurrency
@pytest.mark.parametrize("name", ["llm-exporter.db-wal", "llm-exporter.db-shm", "lock"])
def test_a_file_that_was_taken_for_rubbish_costs_nothing(tmp_path, start, name):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    for number in range(20):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
    (storage / name).unlink()
    for number in range(20, 40):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
    assert run("check-storage", "--storage.path", str(storage)).returncode == 0
    with pytest.raises(DidNotStart):
        Exporter(storage=storage)
    exporter.kill()
    assert calls_after_restart(storage) == 40


@pytest.mark.alone
@pytest.mark.concurrency
def test_a_start_waits_for_a_backup_and_not_for_an_exporter(tmp_path):
    storage = tmp_path / "data"
    with Exporter(storage=storage) as exporter:
        exporter.post(numbered(0)).outcome()
        exporter.stop()
    # As `backup` and `check-storage` hold it.
    backup = subprocess.Popen(["flock", "--shared", storage / "lock", "sleep", "1.5"])
    try:
        time.sleep(0.3)
        with Exporter(storage=storage) as exporter:
            assert exporter.start_seconds > 0.5
            assert exporter.calls() == 1
            watch = Stopwatch()
            with pytest.raises(DidNotStart) as refusal:
                Exporter(storage=storage)
            watch.assert_within(1)
            assert refusal.value.code == 1 and str(exporter.pid) in refusal.value.log
    finally:
        backup.wait()


@pytest.mark.concurrency
def test_a_database_that_cannot_be_read_is_not_called_damaged(tmp_path):
    storage = tmp_path / "data"
    with Exporter(storage=storage) as exporter:
        exporter.post(numbered(0)).outcome()
        exporter.stop()
    control = tmp_path / "fault"
    environment = interposer.environment(storage, fault=control)
    met = 0
    for nth in range(1, 12):
        Fault(Kind.OPEN, nth, errno.EACCES, lasts=FOREVER).arm(control)
        try:
            with Exporter(storage=storage, environment=environment):
                break
        except DidNotStart as raised:
            refusal = raised
        met += 1
        assert refusal.code == 1 and "damaged" not in refusal.log, refusal
        assert "Permission denied" in refusal.log or "must be able to write" in refusal.log, refusal
    assert met >= 3
    assert calls_after_restart(storage) == 1


def left_by_a_crash(storage, count=3):
    """Records in the log alone, as the one that took them was killed."""
    with Exporter(storage=storage) as exporter:
        for number in range(count):
            assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
        exporter.kill()
    assert (storage / f"{DATABASE}-wal").stat().st_size > 0
    return count


@pytest.mark.parametrize("how", ["another user", "a read-only mount"])
def test_who_may_only_read_checks_and_copies_what_a_crash_left(how):
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("becoming another user and mounting need root, and setpriv")
    # Not in pytest's own folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        storage, copies = folder / "data", folder / "copies"
        left_by_a_crash(storage)
        shutil.copy(BINARY, folder)
        copies.mkdir()
        for path in (folder, storage):
            path.chmod(0o755)
        copies.chmod(0o777)
        for path in storage.iterdir():
            path.chmod(0o644)
        names = sorted(storage.iterdir())
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if how == "another user" else []
        if not user:
            subprocess.run(["mount", "--bind", storage, storage], check=True)
        try:
            if not user:
                subprocess.run(["mount", "-o", "remount,bind,ro", storage], check=True)
            for arguments in (["check-storage"], ["backup", copies / DATABASE]):
                done = subprocess.run([*user, folder / BINARY.name, *arguments, "--storage.path", storage],
                                      capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, done
        finally:
            if not user:
                subprocess.run(["umount", storage], check=True)
        assert sorted(storage.iterdir()) == names
        (copies / DATABASE).chmod(0o600)
        assert calls_after_restart(copies) == 3
        assert calls_after_restart(storage) == 3


@pytest.mark.concurrency
@pytest.mark.parametrize("stays", [False, True], ids=["the reader goes", "the reader stays"])
def test_a_commit_whose_sync_failed_and_that_a_reader_hides_is_counted_once_when_retried(tmp_path, start, stays):
    storage, control = tmp_path / "data", tmp_path / "fault"
    with Exporter(storage=storage, environment=interposer.environment(storage, fault=control)) as exporter:
        assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
        reader = held_by_a_reader(storage)
        Fault(Kind.SYNC, 1, errno.EIO, kills=True).arm(control)
        with pytest.raises((OSError, http.client.HTTPException)):
            exporter.post(numbered(1))
        assert exporter.wait() == -signal.SIGKILL
    if not stays:
        reader.close()
    exporter = start(storage=storage)
    assert exporter.calls() in (1, 2)
    exporter.post([numbered(0), numbered(1)]).outcome()
    assert exporter.calls() == 2
    exporter.kill()
    reader.close()
    assert calls_after_restart(storage) == 2


@pytest.mark.concurrency
def test_a_log_that_was_put_back_over_another_takes_no_acknowledged_record_with_it(tmp_path, start):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    log, away = storage / f"{DATABASE}-wal", tmp_path / "away"
    log.rename(away)
    # A new log is begun.
    assert exporter.post(numbered(1)).outcome() == (1, 0, 0)
    away.rename(log)
    refused = exporter.post(numbered(2))
    assert f"remove {log}" in refused.problem(503)["detail"], refused
    exporter.signal(signal.SIGTERM)
    assert exporter.wait() == 1
    assert f"remove {log}" in exporter.log.splitlines()[-1], exporter.log
    # What lies there is no longer the state, and is not taken for it.
    with pytest.raises(DidNotStart) as refusal:
        Exporter(storage=storage)
    assert str(log) in refusal.value.log, refusal.value
    log.unlink()
    exporter = start(storage=storage)
    assert exporter.calls() == 2
    assert exporter.post([numbered(0), numbered(1)]).outcome() == (0, 2, 0)


@pytest.mark.concurrency
def test_a_stop_that_cannot_settle_is_exit_code_1(tmp_path, start):
    storage, control = tmp_path / "data", tmp_path / "fault"
    exporter = start(storage=storage, environment=interposer.environment(storage, fault=control))
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    Fault(Kind.SYNC, 1, errno.EIO, lasts=FOREVER).arm(control)
    with pytest.raises((OSError, http.client.HTTPException)):
        # Nobody can tell what became of it.
        exporter.post(numbered(1))
    exporter.signal(signal.SIGTERM)
    assert exporter.wait() == 1, exporter.log
    assert calls_after_restart(storage) in (1, 2)


@pytest.mark.concurrency
def test_a_clock_that_was_behind_forgets_no_id_and_ends_no_call(tmp_path, start):
    storage, clock = tmp_path / "data", TimeOfDay(tmp_path / "clock")
    clock.set_ahead(-2 * 86_400)
    exporter = start(storage=storage, environment=clock.environment)
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    # Set right while it runs, as NTP does it some time after a boot.
    clock.set_ahead(0)
    assert exporter.post([numbered(1), {"agent_name": "TestAgent", "id": "open", "event": "start"}]).outcome() == (2, 0,
                                                                                                                   0)
    exporter.kill()
    exporter = start(storage=storage, environment=clock.environment)
    assert exporter.post(numbered(1)).outcome() == (0, 1, 0)
    shown = exporter.scrape()
    assert shown.value("llm_active_calls", agent_name="TestAgent") == "1"
    assert shown.value("llm_active_calls_expired_total", agent_name="TestAgent") == "0"


@pytest.mark.concurrency
@pytest.mark.parametrize("ahead", [-2 * 86_400, 2 * 86_400])
def test_a_clock_that_is_set_while_it_runs_changes_nothing(tmp_path, start, ahead):
    clock = TimeOfDay(tmp_path / "clock")
    exporter = start(storage=tmp_path / "data", environment=clock.environment)
    assert exporter.post([numbered(0), {"agent_name": "TestAgent", "id": "open", "event": "start"}]).outcome() == (2, 0,
                                                                                                                   0)
    clock.set_ahead(ahead)
    assert exporter.post(numbered(0)).outcome() == (0, 1, 0)
    assert exporter.scrape().value("llm_active_calls", agent_name="TestAgent") == "1"
    # Not stopped: libdispatch waits by the kernel's time of day, which is another.
    exporter.kill()


@pytest.mark.heavy
def test_a_reader_that_keeps_the_log_from_being_written_back_is_told_of(tmp_path, start):
    storage = tmp_path / "data"
    exporter = start("--limits.max-series", "100000", storage=storage)
    exporter.post(numbered(0)).outcome()
    reader = sqlite3.connect(f"file:{storage / DATABASE}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM call_series").fetchall()
    # Of many series each post changes a few in every page, so that few posts fill the log.
    agents = [f"agent-{number}" for number in range(14_000)]
    assert exporter.post_lines([call(agent_name=agent) for agent in agents]).outcome() == (14_000, 0, 0)
    for number in itertools.count():
        if (storage / f"{DATABASE}-wal").stat().st_size > 70 << 20:
            break
        records = [call(agent_name=agent, id=f"{number}-{agent}") for agent in agents[number % 30::30]]
        assert exporter.post_lines(records).outcome() == (len(records), 0, 0)
    assert int(exporter.scrape().value("llm_exporter_checkpoint_failures_total")) >= 1
    assert sum("end its transaction" in line for line in exporter.log_lines) == 1, exporter.log
    reader.close()
    exporter.post(call(id="last")).outcome()
    exporter.stop()
    assert not (storage / f"{DATABASE}-wal").exists()
    shutil.rmtree(storage)
