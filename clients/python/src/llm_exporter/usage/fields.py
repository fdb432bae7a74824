"""Looks into objects of unknown classes, which are dictionaries as often as objects.

A field reads as None if it does not exist, has an unexpected type, or raises when it is read. Types are checked with
`type`: a mock has every field, and `isinstance` asks the object, which may lie or raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

__all__ = [
    "MOCKS",
    "PLAIN",
    "Same",
    "count",
    "field",
    "first_field",
    "is_filled",
    "items",
    "lacks_all",
    "members",
    "package",
    "text",
]

PLAIN = frozenset({type(None), str, bytes, bytearray, int, float, bool, complex})
"""Types whose objects have no fields."""

MOCKS = ("unittest", "mock")
"""Packages of mocks, which have every field."""


class Same:
    """Any object as a key, compared by identity; it keeps the object, so that no other gets its identity."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Same and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def field(holder: Any, name: str) -> Any:
    if type(holder) is dict:  # most are
        return holder.get(name)
    if holder is None:
        return None
    try:
        return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    except Exception:
        return None


def members(holder: Any) -> Any:
    """A faster stand-in for `holder` when many names are tried: the dictionary of a pydantic object, else `holder`.

    A pydantic object takes two microseconds to report that it lacks a name.
    """
    if type(holder) is dict:
        return holder
    try:
        if hasattr(type(holder), "__pydantic_fields__"):
            extra = holder.__pydantic_extra__
            return {**holder.__dict__, **extra} if extra else holder.__dict__
    except Exception:
        pass
    return holder


def lacks_all(holder: Any, names: frozenset[str]) -> bool:
    """Whether a dictionary has none of these names; False for other objects. One look in place of many."""
    return type(holder) is dict and names.isdisjoint(holder)


def first_field(holder: Any, *names: str) -> Any:
    """The first field that is not None."""
    is_dictionary = type(holder) is dict
    for name in names:
        if (value := holder.get(name) if is_dictionary else field(holder, name)) is not None:
            return value
    return None


def count(holder: Any, *names: str) -> Optional[int]:
    """The first of these fields that is a whole number of 0 or more."""
    if holder is None:
        return None
    is_dictionary = type(holder) is dict
    for name in names:
        value = holder.get(name) if is_dictionary else field(holder, name)
        if value is None:
            continue
        kind = type(value)
        if kind is float and value.is_integer():  # Cohere's package declares counts as float
            value = int(value)
        elif kind is not int:
            if kind is bool or not issubclass(kind, int):
                continue
            value = int.__int__(value)
        if value >= 0:
            return int(value)
    return None


def text(holder: Any, *names: str) -> Optional[str]:
    """The first of these fields that is a string and not empty."""
    if holder is None:
        return None
    is_dictionary = type(holder) is dict
    for name in names:
        value = holder.get(name) if is_dictionary else field(holder, name)
        if type(value) is str:
            if value:
                return value
        elif value is not None and issubclass(type(value), str) and value:  # an enumeration
            return str.__str__(value)
    return None


def items(holder: Any, *names: str) -> Sequence[Any]:
    """The first of these fields that is a list or a tuple; else an empty one."""
    for name in names:
        value = field(holder, name)
        if value is not None and issubclass(type(value), (list, tuple)):
            return value  # type: ignore[no-any-return]
    return ()


def package(value: object) -> str:
    """The package that the class of `value` comes from: ``openai``."""
    module = type(value).__module__
    return module.partition(".")[0] if type(module) is str else ""


def is_filled(value: object) -> bool:
    """Whether a field says something: a string or a list with something in it, a number above 0, an object."""
    kind = type(value)
    if issubclass(kind, (str, bytes, list, tuple)):
        return len(value) > 0  # type: ignore[arg-type]
    if issubclass(kind, int):  # an enumeration
        return value is not False and int.__int__(value) > 0  # type: ignore[arg-type]
    return value is not None
