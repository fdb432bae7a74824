"""Memory of this process and of its host, in MB of 1024 x 1024 bytes; None if the system does not report it."""

from __future__ import annotations

import functools
import os
import sys
import time
from typing import Callable, Optional

__all__ = ["available_mb", "resident_mb"]

_MB = 1024.0 * 1024.0
_FRESH_SECONDS = 0.05


def _kept(read: Callable[[], Optional[float]]) -> Callable[[], Optional[float]]:
    """Reads at most twenty times a second: a reading takes 10 us, a third of what a call may cost its caller."""
    latest: tuple[int, float, Optional[float]] = (0, 0.0, None)

    @functools.wraps(read)
    def fresh() -> Optional[float]:
        nonlocal latest
        process, read_at, value = latest
        now = time.monotonic()
        # A forked child has the parent's value.
        if process != os.getpid() or now - read_at >= _FRESH_SECONDS:
            value = read()
            latest = (os.getpid(), now, value)
        return value

    return fresh


@_kept
def resident_mb() -> Optional[float]:
    """Resident memory of this process; without ``/proc``, its highest value so far."""
    try:
        # Opened each time: a descriptor kept across a fork would still report the parent.
        return int(_head("/proc/self/statm", 128).split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MB
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak / 1024.0  # bytes there, KiB elsewhere


@_kept
def available_mb() -> Optional[float]:
    """Memory available without swapping; if the kernel does not estimate it, the free pages."""
    try:
        for line in _head("/proc/meminfo", 1024).splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) / 1024.0
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _MB
    except (OSError, ValueError, AttributeError):
        return None


def _head(path: str, size: int) -> bytes:
    """The first bytes of a file.

    Not by `open`: it lets other threads run more often, and each time may wait for them; and the interpreter removes it
    before it closes the last generators, whose calls end with this.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)
