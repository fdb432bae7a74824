"""The units under a real systemd: a user's manager in namespaces of its own, so that no machine has to be booted.

The sandbox of the service needs the system's manager and is left out; test_systemd.py has systemd judge it.
"""

import http.client
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from exporter import BINARY, PATIENCE, ROOT, call, encode, eventually

pytestmark = pytest.mark.heavy

#: What remains of the service: how it is started, watched and ended.
KEPT = re.compile(
    r"\[.*\]|Description=|Type=|WatchdogSec=|EnvironmentFile=|Exec|Restart|TimeoutStopSec=|StateDirectory=")

#: Instead of 30 s.
WATCHDOG = "1s"


class UserManager:
    """A systemd that runs the units of a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **os.environ, "XDG_RUNTIME_DIR": str(folder / "run"), "XDG_CONFIG_HOME": str(folder / "config")}
        (folder / "run").mkdir(mode=0o700)
        self.units = folder / "config" / "systemd" / "user"
        self.units.mkdir(parents=True)
        # systemd refuses to run if it finds that the system was booted without it.
        script = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && { /lib/systemd/systemd --user & wait; }"
        self.log = (folder / "manager.log").open("w")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            # Its socket is there a moment before it listens.
            private = self.folder / "run" / "systemd" / "private"
            eventually(lambda: self.process.poll() is not None or (
                private.exists() and self.systemctl("show", "--property=Version").returncode == 0), "systemd answers")
            if self.process.returncode is not None:
                pytest.skip("no systemd can be run here: " + (self.folder / "manager.log").read_text().strip()[-200:])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def systemctl(self, *words: str) -> subprocess.CompletedProcess:
        # From within: it answers only to processes that it sees.
        child = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        return subprocess.run(
            ["nsenter", f"--target={child}", "--mount", "--pid", "systemctl", "--user", "--no-pager", *words],
            env=self.environment, capture_output=True, text=True, timeout=PATIENCE)

    def control(self, *words: str) -> str:
        done = self.systemctl(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.shown("ActiveState", "StatusText"))
        return done.stdout

    def shown(self, *properties: str) -> dict[str, str]:
        done = self.systemctl("show", f"--property={','.join(properties)}", "llm-exporter.service")
        return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def manager(tmp_path, port):
    """With the shipped units, on a free port."""
    with UserManager(tmp_path) as manager:
        service = "\n".join(filter(KEPT.match, (ROOT / "systemd" / "llm-exporter.service").read_text().splitlines()))
        service = service.replace("/usr/bin/llm-exporter", str(BINARY)).replace(
            "$SOCKET $ARGS", f"--web.listen-address=127.0.0.1:{port} --prices.no-builtin $SOCKET")
        (manager.units / "llm-exporter.service").write_text(
            re.sub("WatchdogSec=.*", f"WatchdogSec={WATCHDOG}", service) + "\n")
        unit = (ROOT / "systemd" / "llm-exporter.socket").read_text().replace("10140", str(port))
        (manager.units / "llm-exporter.socket").write_text(re.sub("IPAddress.*\n", "", unit))
        manager.control("daemon-reload")
        yield manager


def ask(port, method="GET", path="/-/ready", body=None):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    client.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = client.getresponse()
    return answer.status, answer.read().decode()


def test_the_service_starts_reloads_is_watched_and_stops(manager, port):
    manager.control("start", "llm-exporter.service")
    # A start that has returned is a service that takes records.
    assert ask(port, "POST", "/record", encode(call()))[0] == 200
    shown = manager.shown("ActiveState", "StatusText", "NRestarts", "MainPID")
    assert shown["ActiveState"] == "active" and shown["StatusText"] == f"Listening on 127.0.0.1:{port}"

    manager.control("reload", "llm-exporter.service")
    eventually(lambda: 'reloads_total{result="success"} 1\n' in ask(port, path="/metrics")[1], "reloaded")

    manager.control("kill", "--signal=STOP", "llm-exporter.service")
    eventually(lambda: manager.shown("NRestarts", "ActiveState") == {"NRestarts": "1", "ActiveState": "active"},
               "systemd starts again what hangs", within=3 * PATIENCE)
    assert 'llm_calls_total{agent_name="TestAgent",provider="acme",model="parrot-1",status="success"} 1\n' in ask(
        port, path="/metrics")[1]

    manager.control("stop", "llm-exporter.service")
    assert manager.shown("ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}


def test_the_socket_works_as_soon_as_it_is_enabled(manager, port):
    manager.control("enable", "--now", "llm-exporter.socket")
    assert manager.shown("ActiveState")["ActiveState"] == "inactive"
    assert ask(port, "POST", "/record", encode(call()))[0] == 200
    assert manager.shown("ActiveState")["ActiveState"] == "active"

    stop, told = threading.Event(), []

    def asking():
        while not stop.is_set():
            told.append(ask(port)[0])

    thread = threading.Thread(target=asking)
    thread.start()
    try:
        manager.control("restart", "llm-exporter.service")
        after = len(told)
        eventually(lambda: len(told) > after + 10, "scrapes go on")
    finally:
        stop.set()
        thread.join()
    assert set(told) <= {200, 503}

    # Without the socket the service listens by itself.
    manager.control("stop", "llm-exporter.socket", "llm-exporter.service")
    with pytest.raises(ConnectionRefusedError):
        ask(port)
    manager.control("start", "llm-exporter.service")
    assert ask(port)[0] == 200
