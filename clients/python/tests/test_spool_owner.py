"""Spool files are sent with the agent's credentials: folders and files that others could write are not used."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from llm_exporter import LLMCallMetrics, Statistics
from peers import ScriptedServer

FORGED = b'{"agent_name":"victim","provider":"p","model":"m","cost_usd":1000000,"id":"forged"}\n'


def name_of(url: str, suffix: str = "x") -> str:
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-1-{suffix}.spool"


def content() -> bytes:
    said = {"agent": "victim", "time": time.time(), "records": 1, "bytes": len(FORGED), "crc32": zlib.crc32(FORGED)}
    return json.dumps(said).encode() + b"\n" + FORGED


def planted(path: Path, mode: int = 0o600) -> Path:
    path.write_bytes(content())
    path.chmod(mode)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir(0o700)
    return folder


@pytest.fixture
def sent_beside(server: ScriptedServer, new_monitor: Any) -> Callable[[Path], tuple[list[str], Any]]:
    """Records one call with a spool in that folder; the ids that arrived but its own, and the monitor."""

    def send(folder: Path) -> tuple[list[str], Any]:
        monitor = new_monitor(server.url, spool_dir=str(folder), token="secret")
        monitor.record_metric(LLMCallMetrics("A", "p", "m", id="own"))
        assert monitor.flush()
        ids = [r["id"] for r in server.records]
        assert ids.count("own") == 1
        return [i for i in ids if i != "own"], monitor

    return send


def another_user(monkeypatch: pytest.MonkeyPatch) -> int:
    """Files of this process belong to another user than the one that it seems to run as."""
    user = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: user)
    return user


def test_a_file_of_this_user_is_sent(server: ScriptedServer, folder: Path, sent_beside: Any, warnings_of: Any) -> None:
    """The counterpart of what follows."""
    planted(folder / name_of(server.url))
    sent, monitor = sent_beside(folder)
    assert sent == ["forged"] and warnings_of() == []
    assert monitor.statistics().adopted == 1


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702, 0o720])
def test_a_folder_that_others_may_write_is_not_used(
    server: ScriptedServer, folder: Path, sent_beside: Any, warnings_of: Any, mode: int
) -> None:
    path = planted(folder / name_of(server.url))
    folder.chmod(mode)
    sent, monitor = sent_beside(folder)
    assert sent == [] and list(folder.iterdir()) == [path] and path.read_bytes().endswith(FORGED)
    assert monitor.statistics() == Statistics(recorded=1, sent=1)
    (warning,) = warnings_of()
    assert f"chmod 700 {folder}" in warning and f"{mode:03o}" in warning and "in memory" in warning


def test_a_folder_of_another_user_is_not_used(
    server: ScriptedServer, folder: Path, sent_beside: Any, warnings_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = planted(folder / name_of(server.url))
    user = another_user(monkeypatch)
    assert sent_beside(folder)[0] == [] and list(folder.iterdir()) == [path]
    (warning,) = warnings_of()
    assert f"belongs to user {user - 1}" in warning and f"chown {user} and chmod 700 {folder}" in warning


def test_a_link_to_a_folder_is_judged_by_where_it_leads(
    server: ScriptedServer, folder: Path, tmp_path: Path, sent_beside: Any, warnings_of: Any
) -> None:
    path = planted(folder / name_of(server.url))
    (tmp_path / "link").symlink_to(folder)
    folder.chmod(0o777)
    assert sent_beside(tmp_path / "link")[0] == [] and list(folder.iterdir()) == [path]
    assert len(warnings_of()) == 1


def test_a_folder_that_is_mended_is_used_from_then_on(
    folder: Path, sent_beside: Any, closed_url: str, new_monitor: Any
) -> None:
    folder.chmod(0o777)
    monitor = new_monitor(closed_url, spool_dir=str(folder))
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    monitor.flush(0.2)
    assert list(folder.iterdir()) == []
    folder.chmod(0o700)
    monitor.record_metric(LLMCallMetrics("A", "p", "m"))
    monitor.flush(0.2)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_may_write_is_neither_sent_nor_deleted(
    server: ScriptedServer, folder: Path, sent_beside: Any, warnings_of: Any, mode: int
) -> None:
    path = planted(folder / name_of(server.url), mode)
    own = planted(folder / name_of(server.url, "own"))
    assert sent_beside(folder)[0] == ["forged"]  # the other file's
    assert path.read_bytes().endswith(FORGED) and not own.exists()
    (warning,) = warnings_of()
    assert f"chmod 600 {path}" in warning


def test_a_file_of_another_user_is_neither_sent_nor_deleted(
    server: ScriptedServer, folder: Path, sent_beside: Any, warnings_of: Any
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = planted(folder / name_of(server.url))
    os.chown(path, 2002, 2002)
    assert sent_beside(folder)[0] == [] and path.read_bytes().endswith(FORGED)
    (warning,) = warnings_of()
    assert str(path) in warning and "belongs to user 2002" in warning


def links(path: Path, beside: Path) -> None:
    path.symlink_to(planted(beside))


def hard_links(path: Path, beside: Path) -> None:
    os.link(planted(beside), path)


def pipes(path: Path, beside: Path) -> None:
    os.mkfifo(path, 0o600)


def folders(path: Path, beside: Path) -> None:
    path.mkdir(0o700)


@pytest.mark.parametrize("make", [links, hard_links, pipes, folders])
def test_what_is_no_file_of_its_own_is_neither_sent_nor_deleted(
    server: ScriptedServer, folder: Path, tmp_path: Path, sent_beside: Any, warnings_of: Any, make: Any
) -> None:
    path = folder / name_of(server.url)
    make(path, tmp_path / "beside")
    began = time.monotonic()
    assert sent_beside(folder)[0] == []
    assert time.monotonic() - began < 5
    assert os.path.lexists(path)
    assert len(warnings_of()) == 1 and str(path) in warnings_of()[0]


def test_warnings_of_files_are_bounded_and_harmless(
    server: ScriptedServer, folder: Path, sent_beside: Any, warnings_of: Any
) -> None:
    for n in range(50):
        planted(folder / name_of(server.url, f"{n}\n\x1b[2J" + "x" * 150), 0o666)
    assert sent_beside(folder)[0] == []
    (warning,) = warnings_of()
    assert warning.isprintable() and len(warning) < 600


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Which, unlike pytest's, other users can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_another_users_file_in_a_world_writable_folder(
    server: ScriptedServer, run_script: Any, shared_folder: Path
) -> None:
    """The attack itself: user 1001 runs an agent, user 2002 plants a file."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    folder = shared_folder
    path = planted(folder / name_of(server.url), 0o666)
    os.chown(path, 2002, 2002)
    ran = run_script(
        """
import llm_exporter, os, sys
monitor = llm_exporter.LLMMonitor(sys.argv[1], spool_dir=sys.argv[2], token="TOKEN-OF-1001")
os.setgid(1001), os.setuid(1001)
monitor.record_metric(llm_exporter.LLMCallMetrics("me", "p", "m", id="own"))
assert monitor.flush(10)
""",
        server.url,
        str(folder),
    )
    assert ran.returncode == 0, ran.stderr
    assert [r["id"] for r in server.records] == ["own"] and list(folder.iterdir()) == [path]
    assert "belongs to user 0" in ran.stderr and "remedy: chown 1001 and chmod 700" in ran.stderr
