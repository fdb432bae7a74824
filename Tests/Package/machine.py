"""A fresh Debian 12 with its own systemd, in namespaces of this host, to install the package in as users do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".build-deb"
SUITE = "bookworm"

#: Seconds until what should come soon must be there.
PATIENCE = 30

#: What the smallest Debian lacks and every host has. curl posts and scrapes.
INCLUDED = "systemd,systemd-sysv,dbus,curl"


def mirror() -> list[str]:
    """The mirror of this host's own apt, as an argument of debootstrap; none if only debootstrap's default is known."""
    if chosen := os.environ.get("LLM_EXPORTER_DEBIAN_MIRROR"):
        return [chosen]
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"], capture_output=True,
                            text=True, check=True).stdout
    known = [line.split()[1] for line in listed.splitlines() if line.split()[0] == SUITE]
    return known[:1]


def base() -> Path:
    """The archive of a fresh root, made once a week."""
    archive = BUILT / f"{SUITE}.tar"
    if archive.exists() and time.time() - archive.stat().st_mtime < 7 * 86400:
        return archive
    fresh = BUILT / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, fresh, *mirror()], check=True)
    shutil.copy("/etc/resolv.conf", fresh / "etc" / "resolv.conf")
    subprocess.run(["chroot", fresh, "apt-get", "update"], check=True)
    # What the package needs is kept beside it, so that a rerun asks no mirror for it.
    partial = archive.with_suffix(".partial")
    subprocess.run(["tar", "--create", "--file", partial, "--directory", fresh, "."], check=True)
    partial.rename(archive)
    shutil.rmtree(fresh)
    return archive


class Machine:
    """It runs from `with` to the end of it."""

    def __init__(self, folder: Path):
        self.root = folder / "root"
        self.group = f"llm-exporter-test-{os.getpid()}"
        self.log_file = folder / "boot.log"

    def __enter__(self) -> Machine:
        self.root.mkdir()
        subprocess.run(["tar", "--extract", "--file", base(), "--directory", self.root], check=True)
        archives = BUILT / "archives"
        archives.mkdir(exist_ok=True)
        for kept in archives.glob("*.deb"):
            shutil.copy(kept, self.root / "var/cache/apt/archives")
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen([ROOT / "Tests/Package/boot.sh", self.root, self.group],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.eventually(self.is_up, "systemd is up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for kept in (self.root / "var/cache/apt/archives").glob("*.deb"):
            shutil.copy(kept, BUILT / "archives")
        self.process.kill()
        self.process.wait()
        self.remove_groups()
        shutil.rmtree(self.root)

    def remove_groups(self) -> None:
        for hierarchy in ("systemd", "unified", "."):
            for folder, _, _ in os.walk(Path("/sys/fs/cgroup", hierarchy, self.group), topdown=False):
                self.eventually(lambda: self.remove(folder), f"{folder} is left")

    @staticmethod
    def remove(folder: str) -> bool:
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            # Its processes are ending.
            return False
        return True

    def is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}:\n{self.log_file.read_text()}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children or not (self.root / "host").exists():
            return False
        self.first = children[0]
        told = self.run("systemctl", "is-system-running", expected=None)
        # Degraded is one in which something failed that a namespace does not allow.
        return told.stdout.strip() in ("running", "degraded")

    @staticmethod
    def eventually(condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
            time.sleep(0.05)
        return answer

    def run(self, *words: str, expected: int | None = 0, network: str = "own") -> subprocess.CompletedProcess[str]:
        """Runs a command in it. Its network is the machine's `own`, or the `host`'s, by which apt reaches a mirror."""
        enter = ["nsenter", f"--target={self.first}", "--mount", "--pid", "--uts", "--ipc", "--cgroup",
                 *(["--net"] if network == "own" else [])]
        done = subprocess.run(
            [*enter, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
             "LC_ALL=C.UTF-8", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
        assert expected is None or done.returncode == expected, (
            f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def apt(self, *words: str) -> str:
        return self.run("apt-get", "--yes", "--no-install-recommends", *words, network="host").stdout

    def install(self, package: Path) -> str:
        shutil.copy(package, self.root / "srv")
        return self.apt("install", f"/srv/{package.name}")

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        text = self.run("systemctl", "show", f"--property={','.join(properties)}", unit).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def journal(self) -> list[dict[str, str]]:
        text = self.run("journalctl", "--unit=llm-exporter.service", "--output=json").stdout
        return [json.loads(line) for line in text.splitlines()]

    def get(self, path: str) -> str:
        return self.run("curl", "--silent", "--show-error", "--fail", f"http://127.0.0.1:10140{path}").stdout

    def post(self, **fields: Any) -> dict[str, Any]:
        record = {"agent_name": "agent", "provider": "openai", "model": "gpt-4o-mini", "input_tokens": 10, **fields}
        return json.loads(self.run(
            "curl", "--silent", "--show-error", "--fail", "http://127.0.0.1:10140/record",
            "--header", "Content-Type: application/json", "--data", json.dumps(record)).stdout)

    def calls(self) -> int:
        """All that it has counted, as a scrape shows it."""
        samples = [line for line in self.get("/metrics").splitlines() if line.startswith("llm_calls_total{")]
        return int(sum(Decimal(line.rsplit(" ", 1)[1]) for line in samples))
