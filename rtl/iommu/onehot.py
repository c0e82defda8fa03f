"""Small functions on sets of bits."""

from amaranth import *

__all__ = ["encode", "lowest"]


def lowest(bits: Value) -> Value:
    """Leave only the lowest set bit."""
    return (bits & -bits)[:len(bits)]


def encode(bits: Value) -> Value:
    """Give the position of the only set bit; zero if there is none."""
    return Cat(Cat(bits[k] for k in range(len(bits)) if k >> place & 1).any()
               for place in range((len(bits) - 1).bit_length()))
