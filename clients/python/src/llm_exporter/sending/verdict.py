"""The meaning of an exporter's answer for the batch that was sent."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Union

from ..reports import shown
from .transport import Answer

__all__ = ["Complaint", "Later", "Settled", "TooLong", "Verdict", "judge"]

# By these statuses the record is at fault: the same bytes would get the same answer. 401, 403, 404, 405 and 407 are
# missing: an operator can correct their cause on the server, and then the same bytes are accepted.
_HOPELESS = frozenset({400, 402, 406, 409, 410, 411, 413, 414, 415, 422, 431})


class Complaint(NamedTuple):
    """The exporter's reason for the first record that it rejected."""

    field: str
    code: str
    message: str

    @property
    def kind(self) -> str:
        return f"rejected {shown(self.field)} {shown(self.code)}"


class Settled(NamedTuple):
    """The end of each record is known."""

    sent: int
    duplicates: int
    rejected: int
    complaint: Optional[Complaint]
    """Only if some were rejected."""


class TooLong(NamedTuple):
    """The batch may be taken in parts."""


class Later(NamedTuple):
    """The reason why a batch has to be sent again: a kind of report, its format and its arguments."""

    kind: str
    reason: str
    arguments: tuple[Any, ...]
    retry_after: Optional[float] = None
    """Seconds, if the exporter said how long to wait."""


Verdict = Union[Settled, TooLong, Later]


def judge(answer: Answer, records: int, address: str) -> Verdict:
    """- `records`: those of the batch. `address`: the exporter's, for reports."""
    if answer.status == 200:
        reply = answer.json()
        taken = _taken(reply, records)
        if taken is None:
            return Later("stranger", "what answers at %s is no exporter", (address,))
        accepted, duplicates, rejected = taken
        return Settled(accepted, duplicates, rejected, _complaint(reply) if rejected else None)
    if answer.status == 413 and records > 1:
        return TooLong()
    if answer.status in _HOPELESS:
        return Settled(0, 0, records, _complaint(answer.json() or {"detail": f"HTTP {answer.status}"}))
    reason, arguments = "the exporter at %s answers %d", [address, answer.status]
    if answer.status in (401, 403):
        reason += ": look at the user name and password, or the token"
    elif answer.location:
        reason += " and points to %s: give that as the URL"
        arguments.append(answer.location)
    elif answer.status in (404, 405):
        reason += ": is that the exporter's URL?"
    return Later(f"status {answer.status}", reason, tuple(arguments), answer.retry_after)


def _taken(reply: Any, records: int) -> Optional[tuple[int, int, int]]:
    """How many were accepted, duplicates and rejected; None if that is no exporter's answer to so many records."""
    if not isinstance(reply, dict):
        return None
    counts: list[Any] = [reply.get(name) for name in ("accepted", "duplicates", "rejected")]
    if any(type(count) is not int or count < 0 for count in counts) or sum(counts) != records:
        return None
    accepted, duplicates, rejected = counts
    return accepted, duplicates, rejected


def _complaint(reply: Any) -> Complaint:
    said = reply if isinstance(reply, dict) else {}
    errors = said.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return Complaint(
        _text(first.get("field")) or "-",
        _text(first.get("code")) or "-",
        _text(first.get("message")) or _text(said.get("detail")) or "no reason given",
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
