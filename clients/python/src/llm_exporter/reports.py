"""The warnings that this package writes to the agent's log.

Parts of them come from elsewhere: an exporter's answer, a header, an error, the name of a file. An exporter that is not
to be trusted must not forge lines of the log, nor fill the log or the memory. So each argument is shown on one line and
cut, and a limited number of kinds is logged as warnings and remembered.
"""

from __future__ import annotations

import collections
import logging
import traceback
from typing import Any, Optional

__all__ = ["Reports", "shown"]

_MAX_CHARACTERS = 200
_MAX_KINDS = 20
_MAX_FRAMES = 20

_logger = logging.getLogger("llm_exporter")


def shown(value: Any) -> str:
    """`value` as text for a log: on one line, without control characters, at most 200 characters long."""
    try:
        text = str(value)[: _MAX_CHARACTERS + 1]  # escaped, it is not shorter
        if not text.isprintable():
            text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    except Exception:  # an object of the agent may fail at anything
        return f"(unprintable {type(value).__name__})"
    return f"{text[: _MAX_CHARACTERS - 1]}…" if len(text) > _MAX_CHARACTERS else text


class Reports:
    """Warns once of each kind of trouble in this process; repetitions are logged at debug level.

    The first word of a kind is one of this package's; the rest may come from elsewhere. At most `_MAX_KINDS` kinds with
    the same first word are warned of and remembered.
    """

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._groups: collections.Counter[str] = collections.Counter()

    def __call__(self, kind: str, message: str, *arguments: Any, error: Optional[BaseException] = None) -> None:
        """Logs ``message % arguments``; `error` adds its text and its traceback. Never raises."""
        try:
            level = logging.WARNING if self._is_new(kind) else logging.DEBUG
            if not _logger.isEnabledFor(level):
                return
            bounded = [argument if type(argument) in (int, float) else shown(argument) for argument in arguments]
            if error is not None:
                # Not `exc_info`: it would log the text of the error, which may quote an answer, as it is.
                message += ": %s: %s\n%s"
                frames = traceback.format_tb(error.__traceback__, -_MAX_FRAMES)
                bounded += [type(error).__name__, shown(error), "".join(frames).rstrip()]
            _logger.log(level, message, *bounded)
        except Exception:  # of one of the agent's log filters; it must not end the sender's thread
            pass

    def _is_new(self, kind: str) -> bool:
        group = kind.partition(" ")[0]
        if kind in self._kinds or self._groups[group] >= _MAX_KINDS:
            return False
        self._kinds.add(kind)
        self._groups[group] += 1
        return True
