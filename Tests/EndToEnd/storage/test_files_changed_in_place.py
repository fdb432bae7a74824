"""Files of the database that another program writes under a running exporter, while they stay in their place."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest

import interposer
from exporter import SUPPORT, DidNotStart, Exporter, call, eventually, run

DATABASE = "llm-exporter.db"
PAGE = 4096
#: Bytes before the first frame of the WAL, and before the page of each frame.
HEADER, FRAME_HEADER = 32, 24


def numbered(number):
    return call(id=f"n{number}", agent_name=f"agent-{number % 50}")


def overwrite(path, place, content):
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def write_back(storage):
    """Writes the WAL into the database, as SQLite's shell can."""
    with sqlite3.connect(storage / DATABASE) as shell:
        assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    shell.close()


def stale_copy(storage):
    """The database as it was before the last records, over the one in use."""
    with (storage / DATABASE).open("r+b") as file:
        file.write((storage.parent / "backup.db").read_bytes())
        file.truncate()


def stale_index(storage):
    overwrite(storage / f"{DATABASE}-shm", 0, (storage.parent / "index").read_bytes())


def emptied_after_writing_back(storage):
    write_back(storage)
    stale_copy(storage)


#: Each leaves less than was acknowledged.
DAMAGE = {
    "the WAL truncated": lambda storage: os.truncate(storage / f"{DATABASE}-wal", 0),
    "the WAL cut by a byte": lambda storage: os.truncate(
        storage / f"{DATABASE}-wal", (storage / f"{DATABASE}-wal").stat().st_size - 1),
    "the first frame overwritten": lambda storage: overwrite(
        storage / f"{DATABASE}-wal", HEADER + FRAME_HEADER + 100, os.urandom(200)),
    "a byte of a frame changed": lambda storage: overwrite(
        storage / f"{DATABASE}-wal", HEADER + 3 * (FRAME_HEADER + PAGE) - 1, b"\xa5"),
    "the WAL's header overwritten": lambda storage: overwrite(storage / f"{DATABASE}-wal", 0, bytes(HEADER)),
    "the WAL's salt changed": lambda storage: overwrite(storage / f"{DATABASE}-wal", 16, b"\xa5\xa5"),
    "the database truncated": lambda storage: os.truncate(storage / DATABASE, 0),
    "the database cut to a page": lambda storage: os.truncate(storage / DATABASE, PAGE),
    "an older database while the WAL is empty": emptied_after_writing_back,
    "an older index of the WAL": stale_index,
}

#: Each leaves all that was acknowledged.
HARMLESS = {
    "an older database beside a whole WAL": stale_copy,
    "the index of the WAL zeroed": lambda storage: overwrite(storage / f"{DATABASE}-shm", 0, bytes(32768)),
    "garbage behind the WAL": lambda storage: overwrite(
        storage / f"{DATABASE}-wal", (storage / f"{DATABASE}-wal").stat().st_size, os.urandom(3 * PAGE)),
    "the WAL written back": write_back,
    "times changed": lambda storage: subprocess.run(["touch", *storage.iterdir()], check=True),
    "modes changed": lambda storage: subprocess.run(["chmod", "640", *storage.iterdir()], check=True),
    "the same content written again": lambda storage: overwrite(
        storage / f"{DATABASE}-wal", 0, (storage / f"{DATABASE}-wal").read_bytes()),
}


def filled(storage):
    """An exporter with 40 records, and a copy of its database and of its WAL's index from when it had 20."""
    exporter = Exporter(storage=storage)
    for number in range(20):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
    assert run("backup", str(storage.parent / "backup.db"), "--storage.path", str(storage)).returncode == 0
    (storage.parent / "index").write_bytes((storage / f"{DATABASE}-shm").read_bytes())
    for number in range(20, 40):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
    return exporter


def end(exporter, how):
    if how == "kill":
        exporter.kill()
        return None
    exporter.signal(signal.SIGTERM)
    return exporter.wait()


def content(storage: Path):
    return {file.name: file.read_bytes() for file in storage.glob(f"{DATABASE}*") if not file.name.endswith("-shm")}


@pytest.mark.parametrize("how", ["kill", "term"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_no_record_is_acknowledged_once_the_files_have_less_than_was_acknowledged(tmp_path, damage, how):
    storage = tmp_path / "data"
    with filled(storage) as exporter:
        DAMAGE[damage](storage)
        before = content(storage)
        for number in range(40, 45):
            refused = exporter.post(numbered(number))
            detail = refused.problem(503)["detail"]
            assert "was changed by another program" in detail and "restore a backup" in detail, refused
            assert refused.headers["Retry-After"], refused
        # A repetition needs no commit.
        assert exporter.post(numbered(3)).outcome() == (0, 1, 0)
        ready = exporter.get("/-/ready")
        assert ready.status == 503 and DATABASE in ready.problem(503)["detail"], ready
        assert exporter.calls() == 40
        code = end(exporter, how)
        # Evidence stays, and a stop is no clean one.
        assert content(storage) == before
        if how == "term":
            assert code == 1 and "was changed by another program" in exporter.log.splitlines()[-1], exporter.log
    if damage == "an older index of the WAL":
        # A start makes it again from the WAL.
        with Exporter(storage=storage) as again:
            assert again.calls() == 40
            again.stop()
    else:
        with pytest.raises(DidNotStart) as refusal:
            Exporter(storage=storage)
        assert refusal.value.code == 1 and "damaged" in refusal.value.log, refusal.value


@pytest.mark.parametrize("how", ["kill", "term"])
@pytest.mark.parametrize("change", HARMLESS)
def test_a_change_that_takes_nothing_away_refuses_nothing(tmp_path, change, how):
    storage = tmp_path / "data"
    with filled(storage) as exporter:
        HARMLESS[change](storage)
        for number in range(40, 60):
            assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
        assert exporter.get("/-/ready").status == 200
        assert run("check-storage", "--storage.path", str(storage)).returncode == 0
        assert end(exporter, how) in (None, 0)
    with Exporter(storage=storage) as again:
        assert again.calls() == 60
        again.stop()


def test_content_that_is_written_back_is_used_again(tmp_path, start):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    for number in range(20):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
    wal = storage / f"{DATABASE}-wal"
    whole = wal.read_bytes()
    os.truncate(wal, 1000)
    assert exporter.post(numbered(20)).status == 503
    overwrite(wal, 0, whole)
    eventually(lambda: exporter.get("/-/ready").status == 200, "it is ready again")
    assert exporter.post(numbered(20)).outcome() == (1, 0, 0)
    exporter.kill()
    with Exporter(storage=storage) as again:
        assert again.calls() == 21
        again.stop()


def first_frame(storage):
    """Overwrites it as if that came between two writes of a commit: the time of the file does not show it."""
    wal = storage / f"{DATABASE}-wal"
    times = wal.stat()
    overwrite(wal, HEADER + FRAME_HEADER + 100, os.urandom(200))
    os.utime(wal, ns=(times.st_atime_ns, times.st_mtime_ns))


def index_behind_its_headers(storage):
    overwrite(storage / f"{DATABASE}-shm", 136, bytes(32768 - 136))


@pytest.mark.parametrize("damage", [first_frame, index_behind_its_headers])
def test_damage_that_no_time_shows_is_found_before_the_wal_is_written_back(tmp_path, start, damage):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    assert exporter.post(numbered(0)).outcome() == (1, 0, 0)
    database = (storage / DATABASE).read_bytes()
    damage(storage)
    refused = next(number for number in range(1, 3000) if exporter.post(numbered(number)).status == 503)
    assert (storage / DATABASE).read_bytes() == database
    assert exporter.get("/-/ready").status == 503
    assert exporter.calls() == refused
    exporter.signal(signal.SIGTERM)
    assert exporter.wait() == 1
    assert (storage / DATABASE).read_bytes() == database


def truncated(storage):
    os.truncate(storage / f"{DATABASE}-wal", 0)


def copied_over(storage):
    (storage / f"{DATABASE}-wal").write_bytes(os.urandom(200 * PAGE))


@pytest.mark.parametrize("damage", [truncated, copied_over])
def test_a_wal_that_is_lost_while_a_commit_is_synced_is_noticed_at_the_next(tmp_path, start, damage):
    storage, stall = tmp_path / "data", tmp_path / "stall"
    exporter = start(storage=storage, environment={
        "LD_PRELOAD": str(interposer.compiled(SUPPORT / "stalled_sync.c")), "STALL_FILE": str(stall)})
    for number in range(20):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
    wal = storage / f"{DATABASE}-wal"
    before = wal.stat().st_size
    stall.touch()
    answers = []
    post = threading.Thread(target=lambda: answers.append(exporter.post(numbered(20)).status))
    post.start()
    eventually(lambda: wal.stat().st_size > before, "the frames are written")
    damage(storage)
    stall.unlink()
    post.join()
    # It was on its way.
    assert answers == [200]
    for number in range(21, 25):
        assert exporter.post(numbered(number)).status == 503
    assert exporter.get("/-/ready").status == 503
    exporter.kill()


def test_backups_and_readers_beside_it_are_no_changes(tmp_path, start):
    storage = tmp_path / "data"
    exporter = start(storage=storage)
    reader = None
    for number in range(200):
        assert exporter.post(numbered(number)).outcome() == (1, 0, 0)
        if number % 40 == 0:
            assert run("backup", str(tmp_path / f"{number}.db"), "--storage.path", str(storage)).returncode == 0
            assert run("check-storage", "--storage.path", str(storage)).returncode == 0
            if reader:
                reader.close()
            reader = sqlite3.connect(storage / DATABASE)
            reader.execute("SELECT count(*) FROM call_series").fetchall()
    if shutil.which("cp"):
        # A backup by hard links changes the time of the inode.
        subprocess.run(["cp", "-al", storage, tmp_path / "links"], check=True)
    assert exporter.post(numbered(200)).outcome() == (1, 0, 0)
    assert "changed by another" not in exporter.log
    if reader:
        reader.close()
