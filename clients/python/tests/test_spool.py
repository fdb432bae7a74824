"""The files of the spool: which process keeps them, for how long, and what a crash leaves."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from llm_exporter import LLMCallMetrics, Statistics
from llm_exporter.sending.backlog import Batch
from llm_exporter.sending.spool import Spool
from peers import ScriptedServer, accept, eventually

URL = "http://exporter"


class Reports(list[str]):
    def __call__(self, kind: str, *_: Any, **__: Any) -> None:
        self.append(kind)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def new_spool(tmp_path: Path, reports: Reports) -> Any:
    return lambda url=URL, max_bytes=1 << 20: Spool(str(tmp_path / "spool"), url, max_bytes, reports)


def batch(n: int, lines: int = 1) -> Batch:
    return Batch("A", b'{"id":"%d"}\n' % n * lines, lines, time.time())


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool").iterdir())


def drained(spool: Spool) -> list[bytes]:
    bodies = []
    while (head := spool.head()) is not None:
        bodies.append(head.body)
        spool.pop()
    return bodies


def die(spool: Spool) -> None:
    """Leaves a spool as the death of its process does: without locks, with its files."""
    for segment in spool._segments:
        os.close(segment.descriptor)
    spool._segments.clear()


def test_first_in_first_out_and_nothing_left_behind(new_spool: Any, tmp_path: Path) -> None:
    spool = new_spool()
    for n in range(3):
        assert spool.append(batch(n))
    assert (spool.stored, spool.records) == (3, 0)
    assert drained(spool) == [batch(n).body for n in range(3)]
    assert spool.stored == 0
    assert [file.stat().st_size for file in files(tmp_path)] == [0]
    spool.append(batch(9))
    assert drained(spool) == [batch(9).body]
    spool.close()
    assert files(tmp_path) == []


def test_folder_and_files_are_the_users_own(new_spool: Any, tmp_path: Path) -> None:
    new_spool().append(batch(1))
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert files(tmp_path)[0].stat().st_mode & 0o777 == 0o600


def test_the_file_of_a_living_process_is_its_own(new_spool: Any) -> None:
    living, other = new_spool(), new_spool()
    living.append(batch(1))
    assert other.maintain() == 0 and other.head() is None


def test_what_a_dead_process_left_is_adopted_once(new_spool: Any, tmp_path: Path) -> None:
    dead, heir, late = new_spool(), new_spool(), new_spool()
    for n in range(3):
        dead.append(batch(n))
    dead.head(), dead.pop()
    die(dead)
    heir.append(batch(9))
    assert heir.maintain() == 3  # what the dead one had delivered is not marked: its ids tell
    assert late.maintain() == 0
    assert heir.head().adopted
    assert drained(heir) == [batch(n).body for n in (0, 1, 2, 9)]
    heir.close()
    assert files(tmp_path) == []


def test_another_exporters_records_are_not_adopted(new_spool: Any) -> None:
    dead = new_spool("http://other")
    dead.append(batch(1))
    die(dead)
    assert new_spool().maintain() == 0


@pytest.mark.parametrize("damage", ["torn", "flipped", "garbage", "nonsense"])
def test_damage_ends_a_file_and_harms_nothing_else(
    new_spool: Any, tmp_path: Path, reports: Reports, damage: str
) -> None:
    dead, heir = new_spool(), new_spool()
    dead.append(batch(1)), dead.append(batch(2))
    die(dead)
    (path,) = files(tmp_path)
    content = path.read_bytes()
    first = content[: content.rindex(b'{"agent"')]
    path.write_bytes(
        {
            "torn": content[:-1],
            "flipped": content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
            "garbage": first + b"\0" * 100,
            "nonsense": first + b'{"agent":1}\n',
        }[damage]
    )
    assert heir.maintain() == 1
    assert drained(heir) == [batch(1).body]
    assert reports == ["damage"] and heir.stored == 0
    heir.close()
    assert files(tmp_path) == []


def test_segments_roll_and_are_deleted(new_spool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_exporter.sending.spool._SEGMENT_BYTES", 500)
    spool = new_spool()
    bodies = [batch(n, 10).body for n in range(10)]
    for n in range(10):
        spool.append(batch(n, 10))
    assert len(files(tmp_path)) > 3
    assert drained(spool) == bodies
    assert len(files(tmp_path)) == 1


def test_a_full_spool_refuses(new_spool: Any) -> None:
    spool = new_spool(max_bytes=1000)
    taken = sum(spool.append(batch(n, 10)) for n in range(20))
    assert 0 < taken < 10
    assert len(drained(spool)) == taken
    assert spool.append(batch(1))


def test_where_the_disk_refuses_memory_takes_over(tmp_path: Path, reports: Reports) -> None:
    (tmp_path / "file").write_text("no folder")
    spool = Spool(str(tmp_path / "file" / "spool"), URL, 1 << 20, reports)
    assert spool.append(batch(1)) and spool.append(batch(2))
    assert (spool.records, spool.stored, reports) == (2, 0, ["spool", "spool"])
    assert drained(spool) == [batch(1).body, batch(2).body]


def test_halves_keep_everything(new_spool: Any) -> None:
    spool = new_spool()
    spool.append(batch(1, 5)), spool.append(batch(2))
    spool.head(), spool.split()
    assert spool.stored == 6
    assert b"".join(sorted(drained(spool))) == batch(1, 5).body + batch(2).body


def test_a_record_is_on_disk_before_it_is_sent(server: ScriptedServer, new_monitor: Any, tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(request: Any) -> Any:
        seen.extend(file.read_bytes().endswith(request.body) for file in files(tmp_path))
        return accept(request)

    server.script = [look]
    monitor = new_monitor(server.url, spool_dir=str(tmp_path / "spool"))
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    assert monitor.flush()
    assert seen == [True]


def test_an_outage_empties_memory_onto_disk(closed_url: str, new_monitor: Any, tmp_path: Path) -> None:
    monitor = new_monitor(closed_url, spool_dir=str(tmp_path / "spool"), max_queue_records=100, exit_timeout=20.0)
    for _ in range(20):
        for _ in range(50):
            monitor.record_metric(LLMCallMetrics("A", "p", "m"))
        eventually(lambda: monitor.statistics().queued == monitor._sender._ledger.stored)
    counted = monitor.statistics()
    assert (counted.queued, counted.dropped) == (1000, 0)
    began = time.monotonic()
    monitor._sender._at_exit()  # all is on disk: there is nothing to wait for
    assert time.monotonic() - began < 10
    assert monitor.statistics().queued == 1000 and monitor.statistics().dropped == 0


def test_the_next_process_delivers_but_starts_of_the_dead_are_not_active(
    closed_url: str, server: ScriptedServer, new_monitor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = type("", (), {"hexdigest": lambda _: "same"})()
    monkeypatch.setattr("llm_exporter.sending.spool.hashlib.sha256", lambda _: digest)
    first = new_monitor(closed_url, spool_dir=str(tmp_path / "spool"))
    with first.monitor_llm_call("A", "p", "m"):
        pass
    _unfinished = first.monitor_llm_call("A", "p", "m").__enter__()
    first.close(0.2)
    assert first.statistics().queued == 3
    second = new_monitor(server.url, spool_dir=str(tmp_path / "spool"))
    second.record_metric(LLMCallMetrics("B", "p", "m"))
    assert second.flush()
    eventually(lambda: second.statistics().queued == 0)
    assert [(r["agent_name"], r.get("event", "end")) for r in server.records] in (
        [("A", "end"), ("B", "end")],
        [("B", "end"), ("A", "end")],
    )
    assert second.statistics() == Statistics(recorded=1, adopted=1, sent=2)


def test_413_with_a_spool(server: ScriptedServer, new_monitor: Any, tmp_path: Path) -> None:
    server.script = [lambda request: accept(request) if len(request.records) == 1 else (413, {}, b"{}")] * 40
    monitor = new_monitor(server.url, spool_dir=str(tmp_path / "spool"), linger=0.2)
    for n in range(7):
        monitor.record_metric(LLMCallMetrics("A", "p", "m", id=str(n)))
    assert monitor.flush()
    assert monitor.statistics() == Statistics(recorded=7, sent=7)
