"""Messages between the exporter and systemd in the real protocols, and the units as systemd itself checks them."""

import errno
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import interposer
from exporter import BINARY, PATIENCE, ROOT, SANITIZER, SUPPORT, Exporter, Wire, call, encode, eventually
from interposer import FOREVER, Fault, Kind
from service_manager import Activated, NotifySocket, above_ten, handing_over, listening

STALL = SUPPORT / "stalled_sync.c"
UNITS = [ROOT / "systemd" / name for name in ("llm-exporter.service", "llm-exporter.socket")]


@pytest.fixture
def manager(tmp_path):
    with NotifySocket(str(tmp_path / "notify")) as manager:
        yield manager


def is_ping(message):
    return message.get("WATCHDOG") == "1"


# Readiness

@pytest.mark.concurrency
@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_ready_is_said_when_it_can_take_records(start, tmp_path, abstract):
    with NotifySocket(f"@llm-exporter-{os.getpid()}" if abstract else str(tmp_path / "notify")) as manager:
        exporter = start(environment=manager.environment(), storage=tmp_path / "storage", awaited=False)
        *before, ready = manager.until_ready()
        exporter.await_listening()
        assert exporter.get("/-/ready").status == 200
        assert exporter.post(call()).outcome() == (1, 0, 0)
        assert ready["STATUS"] == f"Listening on 127.0.0.1:{exporter.port}"
        assert before[0]["STATUS"] == "Reading the storage"


@pytest.mark.heavy
def test_a_start_asks_for_more_time_while_the_disk_is_slow(start, tmp_path, manager):
    stall = tmp_path / "stall"
    stall.touch()
    exporter = start(environment={**manager.environment(), **stalling(stall)}, storage=tmp_path / "storage",
                     awaited=False)
    messages = manager.until(lambda message: "EXTEND_TIMEOUT_USEC" in message)
    assert int(messages[-1]["EXTEND_TIMEOUT_USEC"]) >= 10_000_000
    assert not [message for message in messages if "READY" in message]
    stall.unlink()
    manager.until_ready()
    exporter.await_listening()


@pytest.mark.heavy
def test_it_is_not_ready_while_the_disk_is_full(start, tmp_path, manager):
    storage, fault = tmp_path / "storage", tmp_path / "fault"
    log = tmp_path / "operations"
    with Exporter(storage=storage) as before:
        before.stop()
    with Exporter(storage=storage, environment=interposer.environment(storage, log=log)) as before:
        writes = sum(operation.kind is Kind.WRITE for operation in interposer.operations(log))
        before.stop()
    # A start ends with a commit that tries the disk: the last write but one, as the batch is noted after it.
    Fault(Kind.WRITE, writes - 1, errno.ENOSPC, lasts=FOREVER).arm(fault)
    exporter = start(environment={**manager.environment(), **interposer.environment(storage, fault=fault)},
                     storage=storage)
    messages = manager.until(lambda message: message.get("STATUS", "").startswith("Not ready"))
    assert not [message for message in messages if "READY" in message]
    assert "disk" in messages[-1]["STATUS"]
    assert exporter.get("/-/ready").status == 503
    assert exporter.get("/metrics").status == 200
    fault.unlink()
    manager.until_ready()
    assert exporter.get("/-/ready").status == 200


@pytest.mark.concurrency
def test_a_reload_is_told_from_its_beginning_to_its_end(start, tmp_path, manager):
    configuration = tmp_path / "config.yaml"
    configuration.write_text("budgets: []\n")
    exporter = start("--config.file", str(configuration), environment=manager.environment())
    manager.until_ready()
    before = time.monotonic_ns() // 1000
    exporter.signal(signal.SIGHUP)
    reloading, ready = manager.until_ready()
    assert reloading["RELOADING"] == "1" and "READY" not in reloading
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert ready["READY"] == "1" and ready["STATUS"].startswith("Listening on")

    configuration.write_text("budgets: 7\n")
    exporter.signal(signal.SIGHUP)
    reloading, ready = manager.until_ready()
    assert reloading["RELOADING"] == "1"
    assert ready["STATUS"].startswith("Reload failed") and "config.yaml" in ready["STATUS"]


@pytest.mark.concurrency
def test_stopping_is_told_before_the_end(start, manager):
    exporter = start(environment=manager.environment())
    manager.until_ready()
    exporter.stop()
    assert [message["STOPPING"] for message in manager.during(0.1) if "STOPPING" in message] == ["1"]


# Watchdog

#: Twice what three pings take, so that a slow machine is not taken for a hang.
WATCHDOG = 3 if SANITIZER else 0.6


def stalling(file):
    return {"LD_PRELOAD": str(interposer.compiled(STALL)), "STALL_FILE": str(file)}


@pytest.mark.alone
@pytest.mark.concurrency
def test_pings_come_within_half_of_the_interval_also_under_load(start, tmp_path, manager):
    exporter = start(environment=manager.environment(WATCHDOG), storage=tmp_path / "storage")
    manager.until_ready()
    stop = threading.Event()

    def post():
        client = http.client.HTTPConnection(*exporter.address)
        while not stop.is_set():
            client.request("POST", "/record", encode([call()] * 50), {"Content-Type": "application/json"})
            assert client.getresponse().read()

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            manager.until(is_ping, within=WATCHDOG)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert exporter.calls() > 1000


def test_no_pings_without_a_watchdog_or_for_another_process(start, manager):
    for environment in (manager.environment(), {**manager.environment(WATCHDOG), "WATCHDOG_PID": "1"}):
        start(environment=environment)
        manager.until_ready()
        assert not [message for message in manager.during(WATCHDOG) if is_ping(message)]


@pytest.mark.concurrency
def test_a_stopped_process_sends_none(start, manager):
    exporter = start(environment=manager.environment(WATCHDOG))
    manager.until(is_ping)
    exporter.signal(signal.SIGSTOP)
    manager.drop_what_came()
    assert not manager.during(WATCHDOG)
    exporter.signal(signal.SIGCONT)
    manager.until(is_ping)


@pytest.mark.heavy
def test_a_slow_disk_is_waited_for_and_one_that_hangs_is_not(start, tmp_path, manager):
    stall = tmp_path / "stall"
    exporter = start(environment={**manager.environment(WATCHDOG), **stalling(stall)}, storage=tmp_path / "storage")
    manager.until_ready()
    stall.touch()
    poster = threading.Thread(target=lambda: exporter.post(call()))
    began = time.monotonic()
    poster.start()
    try:
        while time.monotonic() - began < 3 * WATCHDOG:
            manager.until(is_ping, within=WATCHDOG)
        # Four intervals for the disk; a ping that was due by then may have waited.
        manager.during(began + 4 * WATCHDOG + 0.3 - time.monotonic())
        assert not [message for message in manager.during(1.5 * WATCHDOG) if is_ping(message)]
    finally:
        stall.unlink()
        poster.join()
    manager.until(is_ping)
    assert exporter.calls() == 1


# Sockets

@pytest.mark.concurrency
def test_who_came_before_the_start_is_answered():
    with listening() as four, listening("::1") as six:
        early = [Wire(one.getsockname()[:2]) for one in (four, six)]
        for wire in early:
            wire.send("GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")
        with Activated(four, six) as exporter:
            for wire in early:
                with wire:
                    assert wire.reply("GET").status == 200
            assert exporter.ports == [four.getsockname()[1], six.getsockname()[1]]
            assert f'msg="Listening on" address=[::1]:{exporter.ports[1]}' in exporter.log
            exporter.stop()


def test_systemd_s_own_tool_starts_it_with_the_first_connection(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        ["systemd-socket-activate", f"--listen=127.0.0.1:{address[1]}", BINARY, "--web.systemd-socket",
         "--storage.memory"],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: "Listening on" in Path(log.name).read_text(), "systemd-socket-activate listens")
        with Wire(address) as wire:
            wire.send("GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.reply("GET").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        log.close()


@pytest.mark.concurrency
def test_restarts_on_the_same_socket_lose_no_connection(tmp_path):
    with listening() as shared:
        address, stop = shared.getsockname(), threading.Event()
        told: list[int] = []
        lost: list[str] = []

        def ask(number):
            while not stop.is_set():
                try:
                    client = http.client.HTTPConnection(address[0], address[1], timeout=PATIENCE)
                    body = encode(call(id=f"{number}-{len(told)}"))
                    client.request("POST", "/record", body, {"Content-Type": "application/json", "Connection": "close"})
                    told.append(client.getresponse().status)
                    client.close()
                except (OSError, http.client.HTTPException) as error:
                    lost.append(repr(error))

        exporter = Activated(shared, storage=tmp_path / "storage")
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                seen = len(told)
                eventually(lambda: len(told) > seen + 50, "posts are answered")
                exporter.stop()
                exporter = Activated(shared, storage=tmp_path / "storage")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not lost
        assert set(told) <= {200, 503} and exporter.calls() == told.count(200)
        exporter.stop()


def udp():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    return above_ten(one)


def unix():
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(f"\0llm-exporter-test-{os.getpid()}")
    one.listen()
    return above_ten(one)


def connection():
    with listening() as server:
        socket.create_connection(server.getsockname())
        return above_ten(server.accept()[0])


@pytest.mark.parametrize("other", [udp, unix, connection], ids=lambda make: make.__name__)
def test_a_socket_of_another_kind_is_exit_code_2_and_named(other):
    with listening() as good, other() as bad:
        done = subprocess.run(
            [*handing_over(good, bad, names="web:odd"), BINARY, "--web.systemd-socket", "--storage.memory"],
            pass_fds=[good.fileno(), bad.fileno()], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2, done
    [line] = done.stderr.splitlines()
    assert "--web.systemd-socket" in line and "socket 2" in line and "odd" in line and "ListenStream=" in line


@pytest.mark.parametrize("listen_pid", [None, "1"], ids=["none", "for another process"])
def test_without_sockets_it_is_exit_code_2_and_the_remedy(listen_pid):
    with listening() as one:
        launcher = handing_over(one, listen_pid=listen_pid) if listen_pid else []
        done = subprocess.run([*launcher, BINARY, "--web.systemd-socket", "--storage.memory"],
                              pass_fds=[one.fileno()], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2, done
    [line] = done.stderr.splitlines()
    assert "--web.systemd-socket" in line and "llm-exporter.socket" in line


@pytest.mark.concurrency
def test_the_sockets_stand_in_place_of_addresses():
    with listening() as one, listening() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with Activated(one, flags=("--web.listen-address", address)) as exporter:
            assert exporter.ports == [one.getsockname()[1]]
            assert [line for line in exporter.log_lines if "level=warn" in line and "--web.listen-address" in line]
            exporter.stop()


# Log

@pytest.mark.parametrize("log_format", ["logfmt", "json"])
def test_the_journal_is_told_priorities_and_no_time(tmp_path, log_format):
    with (tmp_path / "log").open("w+") as log:
        status = os.fstat(log.fileno())
        process = subprocess.Popen(
            [BINARY, "--storage.memory", "--web.listen-address", "0.0.0.0:0", "--log.format", log_format],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        try:
            lines = eventually(lambda: "Listening on" in (text := Path(log.name).read_text()) and text.splitlines(),
                               "listening")
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0
    levels = set()
    for line in lines:
        found = re.fullmatch(r"<(\d)>(.*)", line)
        assert found, line
        priority, text = found.groups()
        if log_format == "json":
            entry = json.loads(text)
            assert "ts" not in entry
            levels.add((entry["level"], priority))
        else:
            assert text.startswith("level=")
            levels.add((text.split()[0].removeprefix("level="), priority))
    assert levels == {("info", "6"), ("warn", "4")}


def test_the_last_line_of_a_failed_start_is_an_error_of_the_journal(tmp_path):
    with (tmp_path / "log").open("w+") as log:
        status = os.fstat(log.fileno())
        journal = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        subprocess.run([BINARY, "--no-such-flag"], stdin=subprocess.DEVNULL, stderr=log, env=journal, timeout=PATIENCE)
    assert Path(log.name).read_text().startswith("<3>llm-exporter: ")


def test_what_is_not_the_journal_gets_the_time(start):
    # As of a service whose output was led elsewhere.
    exporter = start(environment={"JOURNAL_STREAM": "1:1"})
    assert all(line.startswith("ts=") for line in exporter.log_lines)


# Units

def test_systemd_finds_no_fault_in_the_units(tmp_path):
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/llm-exporter", str(BINARY)))
    done = subprocess.run(["systemd-analyze", "verify", *(tmp_path / unit.name for unit in UNITS)],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_service_is_shut_in():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", UNITS[0]],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(r"Overall exposure level for llm-exporter.service: [01]\.\d", done.stdout)
