"""Small functions on sets of bits."""

from collections.abc import Iterable

from amaranth import *

__all__ = ["lowest", "merge"]


def lowest(bits: Value) -> Value:
    """The lowest set bit alone; zero if there is none."""
    return (bits & -bits)[:len(bits)]


def merge(chosen: Value, rows: Iterable) -> Value:
    """OR of the rows whose bit in ``chosen`` is set."""
    merged = Const(0)
    for bit, row in zip(chosen, rows, strict=True):
        row = Value.cast(row)
        merged = merged | row & bit.replicate(len(row))
    return merged
