"""Sets, one bit an element. All combinational."""

from amaranth import *

__all__ = ["chosen", "count", "first", "number", "turned"]


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


def chosen(mask: Value, values: list[Value]) -> Value:
    """Value at the one bit that is set; 0 if none is."""
    result = C(0, 1)
    for bit, value in zip(mask, values, strict=True):
        result = result | Mux(bit, Value.cast(value), 0)
    return result


def turned(mask: Value) -> Value:
    """Move every bit up by one, the highest to the lowest place."""
    return Cat(mask[-1], mask[:-1])
