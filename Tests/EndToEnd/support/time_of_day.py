"""A program's time of day, set by a library (time_of_day.c) loaded before its own."""

from __future__ import annotations

import calendar
import struct
import time
from pathlib import Path

from interposer import compiled

SOURCE = Path(__file__).with_name("time_of_day.c")


class TimeOfDay:
    """What programs that are started with `environment` take for the time of day."""

    def __init__(self, file: Path):
        self.file = file
        self.set_ahead(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(compiled(SOURCE)), "CLOCK_AHEAD_FILE": str(self.file)}

    def set_ahead(self, seconds: float) -> None:
        # In place: running programs have the file mapped.
        with self.file.open("r+b" if self.file.exists() else "w+b") as file:
            file.write(struct.pack("=q", int(seconds)))

    def set(self, utc: str) -> None:
        """To `2028-02-29T23:59:50`; it goes on from there."""
        self.set_ahead(calendar.timegm(time.strptime(utc, "%Y-%m-%dT%H:%M:%S")) - time.time())
