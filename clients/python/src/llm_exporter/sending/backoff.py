"""When to try again after attempts that failed."""

from __future__ import annotations

import random
import time
from typing import Optional

__all__ = ["Backoff"]

_FIRST_SECONDS = 0.25
_MAX_SECONDS = 30.0
_MAX_RETRY_AFTER_SECONDS = 300.0

# Not the module's functions: if an agent seeds them, all its workers would have the same jitter, and our draws would
# change the agent's.
_uniform = random.SystemRandom().uniform


class Backoff:
    """The failures since the last success, and the time of the next attempt. Used by the holder of the role."""

    def __init__(self) -> None:
        self.reached = False
        """Whether an exporter has ever taken a batch."""
        self.until = 0.0
        """When the next attempt is due, by the monotonic clock."""
        self.told_to_wait = False
        """Whether the exporter said when: then nothing makes the attempt come earlier."""
        self._failures = 0

    @property
    def seconds(self) -> float:
        """Until the next attempt."""
        return max(0.0, self.until - time.monotonic())

    def failed(self, retry_after: Optional[float]) -> None:
        """- `retry_after`: seconds, if the exporter said how long to wait."""
        self._failures += 1
        self.told_to_wait = retry_after is not None
        if retry_after is not None:
            # With jitter, so that senders do not all come at the same instant.
            delay = min(retry_after, _MAX_RETRY_AFTER_SECONDS) + _uniform(0.0, _FIRST_SECONDS)
        else:
            # Full jitter: senders that failed together do not retry together.
            delay = _uniform(0.0, min(_MAX_SECONDS, _FIRST_SECONDS * 2.0 ** min(self._failures, 10)))
        self.until = time.monotonic() + delay

    def succeeded(self) -> bool:
        """Returns whether attempts had failed before."""
        recovered = self._failures > 0
        self._failures, self.told_to_wait, self.reached = 0, False, True
        return recovered

    def hurry(self) -> None:
        """A caller waits, so the next attempt is due now."""
        if not self.told_to_wait:
            self.until = 0.0
