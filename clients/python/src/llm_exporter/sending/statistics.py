"""The counts of what became of the records of a process."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(frozen=True)
class Statistics:
    """Counts of what happened to the records of this process, starts of calls included.

    ``recorded + adopted == queued + sent + duplicates + rejected + dropped + expired``
    """

    recorded: int = 0
    """Taken from the agent."""
    adopted: int = 0
    """Found in the spool, from processes that died."""
    queued: int = 0
    """Not answered yet, in memory or in the spool."""
    sent: int = 0
    """Accepted by the exporter."""
    duplicates: int = 0
    """Accepted earlier: the answer was lost, or another process had sent them."""
    rejected: int = 0
    """Refused by the exporter; sending them again would not help."""
    dropped: int = 0
    """Lost: the queue was full, or the process ended without a spool."""
    expired: int = 0
    """Waited so long that sending them could count them twice."""
    retried: int = 0
    """Failed attempts to send a batch that were or will be repeated."""
    mended: int = 0
    """Values outside their bounds that were corrected or left out; their records still count."""
