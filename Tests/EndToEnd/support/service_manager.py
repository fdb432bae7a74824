"""The service manager's side of sd_notify(3) and sd_listen_fds(3)."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from exporter import PATIENCE, Exporter

#: One message: its assignments, some of which stand in every message.
Message = dict[str, str]


class NotifySocket:
    """Receives what a service tells its manager."""

    def __init__(self, name: str):
        """`name` is a path, or begins with @ and is abstract."""
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def environment(self, watchdog_seconds: float | None = None) -> dict[str, str]:
        chosen = {"NOTIFY_SOCKET": self.name}
        if watchdog_seconds:
            chosen["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))
        return chosen

    def next(self, within: float = PATIENCE) -> Message | None:
        """The next message, or nothing."""
        self.socket.settimeout(max(within, 0.001))
        try:
            text = self.socket.recv(65536).decode()
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in text.splitlines())

    def until(self, what: Callable[[Message], bool], within: float = PATIENCE) -> list[Message]:
        """All messages up to the first that is so, which is the last of them."""
        deadline, messages = time.monotonic() + within, []
        while (left := deadline - time.monotonic()) > 0:
            if message := self.next(left):
                messages.append(message)
                if what(message):
                    return messages
        raise AssertionError(f"not within {within} s; what came instead: {messages}")

    def until_ready(self) -> list[Message]:
        return self.until(lambda message: "READY" in message)

    def during(self, seconds: float) -> list[Message]:
        """All that comes in this time."""
        deadline, messages = time.monotonic() + seconds, []
        while (left := deadline - time.monotonic()) > 0:
            if message := self.next(left):
                messages.append(message)
        return messages

    def drop_what_came(self) -> None:
        while self.next(0):
            pass


def handing_over(*sockets: socket.socket, listen_pid: str = "$$", names: str = "") -> list[str]:
    """The beginning of a command line whose rest is run with these sockets from descriptor 3 on.

    They must be inheritable, and have numbers above those that they get.
    """
    moves = " ".join(f"{3 + place}<&{one.fileno()} {one.fileno()}<&-" for place, one in enumerate(sockets))
    names = f" LISTEN_FDNAMES={names}" if names else ""
    script = f'exec {moves}; LISTEN_PID={listen_pid} LISTEN_FDS={len(sockets)}{names} exec "$0" "$@"'
    return ["bash", "-c", script]


def listening(host: str = "127.0.0.1") -> socket.socket:
    """A socket as systemd opens one: blocking, on a free port, with room for those who wait."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.bind((host, 0))
    opened.listen(1024)
    return above_ten(opened)


def above_ten(opened: socket.socket) -> socket.socket:
    """The same socket, inheritable, with a descriptor that a short list of sockets does not reach."""
    moved = socket.socket(fileno=fcntl.fcntl(opened.fileno(), fcntl.F_DUPFD, 10))
    opened.close()
    os.set_inheritable(moved.fileno(), True)
    return moved


class Activated(Exporter):
    """An exporter on sockets that it was handed."""

    def __init__(self, *sockets: socket.socket, storage: Path | None = None, flags: tuple[str, ...] = ()):
        self.sockets = sockets
        super().__init__("--web.systemd-socket", *flags, listen=(), storage=storage,
                         launcher=tuple(handing_over(*sockets)), inherits=tuple(one.fileno() for one in sockets))
