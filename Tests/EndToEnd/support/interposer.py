"""Faults and records of what a program does to its files, by a library (interposer.c) loaded before its own."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("interposer.c")


class Kind(IntFlag):
    """Operations, by the calls that do them."""

    OPEN = 1      # open, openat
    WRITE = 2     # write, pwrite, writev, pwritev
    RESIZE = 4    # ftruncate, truncate, fallocate
    SYNC = 8      # fsync, fdatasync
    RENAME = 16
    UNLINK = 32
    ANY = 63


#: A fault that lasts until it is taken away.
FOREVER = 2**31 - 1


@functools.cache
def compiled(source: Path) -> Path:
    """A library, compiled once for all tests of a run."""
    if not shutil.which("gcc"):
        pytest.skip(f"gcc is not there to compile {source.name}")
    built = Path(tempfile.mkdtemp(prefix="interposer-")) / f"{source.stem}.so"
    subprocess.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", built, source],
                   check=True)
    return built


def environment(folder: Path, *, fault: Path | None = None, log: Path | None = None) -> dict[str, str]:
    """What a program must be started with so that its operations on `folder` fail as the file `fault` says, or are
    recorded in `log`."""
    chosen = {"LD_PRELOAD": str(compiled(SOURCE)), "INTERPOSER_FOLDER": str(folder.resolve())}
    if fault:
        chosen["INTERPOSER_FAULT"] = str(fault)
    if log:
        chosen["INTERPOSER_LOG"] = str(log)
    return chosen


@dataclass(frozen=True)
class Fault:
    """The n-th operation of a kind fails, and maybe some after it."""

    kind: Kind
    nth: int
    errno: int
    #: A write first writes half; those after it fail, unless `errno` is 0.
    short: bool = False
    #: How many operations fail.
    lasts: int = 1
    #: SIGKILL follows directly on the first; where `errno` is 0, it comes right before the n-th operation.
    kills: bool = False

    def __str__(self) -> str:
        assert self.kind.name is not None, "a fault is of one kind"
        parts = [self.kind.name.lower(), str(self.nth), errno.errorcode.get(self.errno, "none"), f"x{self.lasts}"]
        return "-".join([*parts, *(name for name in ("short", "kills") if getattr(self, name))])

    @classmethod
    def named(cls, name: str) -> Fault:
        """The fault that says so of itself."""
        kind, nth, error, lasts, *marks = name.split("-")
        return cls(Kind[kind.upper()], int(nth), getattr(errno, error, 0), lasts=int(lasts[1:]),
                   **dict.fromkeys(marks, True))

    def arm(self, file: Path) -> None:
        """Counts from now on; at once, also when a fault stands there already."""
        new = file.with_suffix(".new")
        new.write_text(f"{self.kind:d} {self.nth} {self.errno} {self.short:d} {self.lasts} {self.kills:d}\n")
        new.replace(file)


def hits(file: Path) -> list[str]:
    """The n-th operation, if it was reached, and those that failed."""
    report = Path(f"{file}.hits")
    return report.read_text().splitlines() if report.exists() else []


@dataclass(frozen=True)
class Operation:
    """One operation that was done, or a sync that failed."""

    kind: Kind
    began: int
    ended: int
    #: Numbers what an OPEN gave, for later operations on it; 0 for those by path.
    handle: int
    path: str
    #: Where a RENAME led.
    to: str
    #: Of an OPEN.
    created: bool
    truncated: bool
    directory: bool
    #: Of a WRITE; the new size of a RESIZE.
    offset: int
    content: bytes
    #: Of a SYNC that failed, else 0.
    error: int


HEADER = struct.Struct("=IIiiqQQIIII")


def operations(log: Path) -> Iterator[Operation]:
    """The recorded operations of one process in their order. Times are those of `time.monotonic_ns()`."""
    with log.open("rb") as file:
        while header := file.read(HEADER.size):
            kind, flags, handle, error, offset, began, ended, *lengths, _ = HEADER.unpack(header)
            path, to, content = (file.read(length) for length in lengths)
            yield Operation(Kind(kind), began, ended, handle, os.fsdecode(path), os.fsdecode(to), bool(flags & 1),
                            bool(flags & 2), bool(flags & 4), offset, content, error)
