"""The package, and the next version of it."""

import os
import subprocess
from pathlib import Path

import pytest

from machine import BUILT, ROOT, Machine


def built(*flags: str) -> Path:
    done = subprocess.run([ROOT / "scripts" / "make-deb", *flags], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def next_package():
    version = subprocess.run(["dpkg-parsechangelog", "--file", ROOT / "packaging/debian/changelog", "--show-field",
                              "Version"],
                             capture_output=True, text=True, check=True).stdout.strip()
    path = built("--version", f"{version}+next")
    yield path
    for left in BUILT.glob("llm-exporter_*+next_*"):
        left.unlink()


@pytest.fixture(scope="session")
def package(next_package):
    # Last: what it was built from stays in .build-deb/tree.
    return built()


@pytest.fixture
def machine(tmp_path):
    if os.geteuid() != 0:
        pytest.exit("a Debian root is made and booted by root only: sudo make test-package", returncode=4)
    with Machine(tmp_path) as machine:
        yield machine
