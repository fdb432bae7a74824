"""The pace of this machine: limits on time are chosen for the usual machine and stretched on a slower or busier one."""

from __future__ import annotations

import time

#: Seconds that `_work` takes on the usual machine.
_USUAL_SECONDS = 0.03


def _work() -> int:
    total = 0
    for number in range(500_000):
        total += number & 7
    return total


def slowness() -> float:
    """How many times as long as on the usual machine a fixed piece of work takes at the moment; at least 1."""
    began = time.perf_counter()
    _work()
    return max(1.0, (time.perf_counter() - began) / _USUAL_SECONDS)


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def assert_within(self, limit: float, why: str = "") -> None:
        """Fails if more time has passed than `limit` seconds of the usual machine."""
        took = self.seconds
        # Measured only if needed: most runs are well within the limit.
        factor = 1.0 if took < limit else slowness()
        assert took < limit * factor, f"took {took:.2f} s; at most {limit} s, times {factor:.1f} here. {why}".rstrip()
