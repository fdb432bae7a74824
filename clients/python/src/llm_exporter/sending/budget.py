"""Time that may be spent in parts."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Optional

__all__ = ["Budget"]


class Budget:
    """So many seconds in total; what runs within ``with budget`` spends them. One thread at a time may enter it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entered_at = 0.0

    @property
    def left(self) -> float:
        """Seconds that were left when it was last entered or left."""
        return self._seconds

    def __enter__(self) -> Budget:
        self._entered_at = time.monotonic()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._seconds = max(0.0, self._seconds - (time.monotonic() - self._entered_at))
