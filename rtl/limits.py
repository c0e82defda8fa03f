"""Checks of single parameters. Each raises TypeError or ValueError with the parameter's name."""

from collections.abc import Sequence

__all__ = ["flag", "integer", "one_of", "within"]


def integer(what: str, value: object) -> None:
    """Refuse what is no integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an integer, not {value!r}")


def one_of(what: str, value: int, allowed: Sequence[int]) -> None:
    """Refuse what is not among ``allowed``."""
    integer(what, value)
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def within(what: str, value: int, low: int, high: int) -> None:
    """Refuse what is not from ``low`` to ``high``."""
    integer(what, value)
    if not low <= value <= high:
        raise ValueError(f"{what} must be from {low} to {high}, not {value!r}")


def flag(what: str, value: object) -> None:
    """Refuse what is no bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{what} must be a bool, not {value!r}")
