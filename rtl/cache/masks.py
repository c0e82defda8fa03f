"""Sets of ways, one bit a way. All combinational."""

from amaranth import *

__all__ = ["count", "first", "number"]


def first(mask: Value) -> Value:
    """Keep only the lowest bit that is set."""
    return Cat(bit & ~mask[:index].any() for index, bit in enumerate(mask))


def number(mask: Value) -> Value:
    """Encode the one bit that is set; 0 if none is."""
    return Cat(Cat(bit for index, bit in enumerate(mask) if index >> k & 1).any()
               for k in range((len(mask) - 1).bit_length()))


def count(mask: Value) -> Value:
    """Count the bits that are set."""
    return sum(mask[1:], start=mask[0])
