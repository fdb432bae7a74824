"""The exit of the process: one handler, registered when this package is imported, for all that wait for the exit.

Python runs the last registered exit handler first, and runs none that a handler registers. So a handler of its own for
each monitor would run before those of packages that were imported earlier than the monitor was made, and never for a
monitor that an exit handler makes.
"""

from __future__ import annotations

import atexit
from typing import Callable

__all__ = ["has_begun", "register", "unregister"]

_functions: dict[Callable[[], None], None] = {}
_begun = False


def register(function: Callable[[], None]) -> None:
    """Calls `function` at the exit, the one that was registered last first."""
    _functions[function] = None


def unregister(function: Callable[[], None]) -> None:
    _functions.pop(function, None)


def has_begun() -> bool:
    """Whether the functions were called, so that one which is registered now is not."""
    return _begun


@atexit.register
def _run() -> None:
    global _begun
    _begun = True
    interrupt = None
    for function in reversed(list(_functions)):
        try:
            function()
        except BaseException as error:  # Ctrl-C: it ends one wait, and the others have not begun
            interrupt = error
    if interrupt is not None:
        raise interrupt
