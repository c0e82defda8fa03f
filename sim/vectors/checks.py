"""Checks of JSON values, each told by its place: file, line and field."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

__all__ = ["VectorError", "fail", "flag", "list_of", "number", "object_of", "one_of", "or_null",
           "text"]

Check = Callable[[Any, str], Any]
_HEXADECIMAL = re.compile(r"(0[xX])?[0-9a-fA-F]+", re.ASCII)
_SHOWN = 60                             # characters of a wrong value that are shown


class VectorError(ValueError):
    """A vector file is malformed."""


def fail(place: str, allowed: str, value: object) -> NoReturn:
    """Raise a :exc:`VectorError` about the value at ``place``."""
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}..."
    raise VectorError(f"{place}: must be {allowed}, not {shown}")


def number(bits: int, *, unit: int = 1) -> Check:
    """Allow multiples of ``unit`` below ``2**bits``: numbers, or hexadecimal strings."""
    many = f" of {bits} bits" + f", a multiple of {unit}" * (unit > 1)

    def checked(value: Any, place: str) -> int:
        found = value
        if isinstance(value, str) and _HEXADECIMAL.fullmatch(value):
            found = int(value, 16)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            fail(place, "a number or hexadecimal string", value)
        if found >> bits or found % unit:
            fail(place, f"a number{many}", value)
        return found
    return checked


def text(value: Any, place: str) -> str:
    """Allow text."""
    return value if isinstance(value, str) else fail(place, "a string", value)


def flag(value: Any, place: str) -> bool:
    """Allow true and false, or 1 and 0."""
    return bool(value) if value in (True, False) else fail(place, "true or false", value)


def or_null(check: Check) -> Check:
    """Allow null, and what ``check`` allows."""
    return lambda value, place: None if value is None else check(value, place)


def one_of(*allowed: Any) -> Check:
    """Allow some values."""
    def checked(value: Any, place: str) -> Any:
        if isinstance(value, bool) or value not in allowed:
            fail(place, "one of " + ", ".join(map(repr, allowed)), value)
        return value
    return checked


def list_of(check: Check, length: int | None = None) -> Check:
    """Allow lists, of any length by default."""
    def checked(value: Any, place: str) -> list:
        if not isinstance(value, list) or length not in (None, len(value)):
            fail(place, "a list" if length is None else f"a list of {length}", value)
        return [check(item, f"{place}[{index}]") for index, item in enumerate(value)]
    return checked


def object_of(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Allow objects with all of ``required``, any of ``optional``, and nothing else."""
    checks = {**required, **(optional or {})}

    def checked(value: Any, place: str) -> dict:
        if not isinstance(value, dict):
            fail(place, "an object", value)
        for name in required:
            if name not in value:
                fail(f"{place}.{name}", "there", None)
        for name in value:
            if name not in checks:
                fail(f"{place}.{name}", "absent: there is no such field", value[name])
        return {name: checks[name](item, f"{place}.{name}") for name, item in value.items()}
    return checked
