"""Quotient and rest, rounded down as in Python; both are zero where the divisor is."""

from . import wide

__all__ = ["divide"]


def divide(b, operator, signed, left, right, width, scratch):
    """Return the words of the quotient, or of the rest, of two numbers.

    Parameters
    ----------
    b : Builder
        Makes the words.
    operator : str
        ``"//"`` or ``"%"``.
    signed : bool
        Whether both operands are two's complement.
    left, right : list of Word
        Operands.
    width : int
        Bits of both operands, and of the result.
    scratch : int or None
        Address of room for four numbers, if they are wider than one word.
    """
    if not width:
        return []
    some = right[0]
    for word in right[1:]:
        some = b.or_(some, word)
    zero = b.eq(some, b.const(0))
    right = [b.or_(right[0], zero), *right[1:]]         # one instead of zero
    function = _narrow if scratch is None else _wide
    words = wide.mask_last(b, function(b, operator, signed, left, right, width, scratch), width)
    return [b.select(zero, b.const(0), word) for word in words]


def _narrow(b, operator, signed, left, right, width, scratch):
    (x,), (y,) = left, right
    if not signed:
        return [b.node("udiv" if operator == "//" else "urem", x, y)]
    return [b.node("call", "floor_divide" if operator == "//" else "floor_modulo",
                   b.sign_extend(x, width), b.sign_extend(y, width), bits=64)]


def _wide(b, operator, signed, left, right, width, scratch):
    """Divide by a function that works in memory; what it is given orders it behind the stores."""
    zeros = [b.const(0)] * len(left)

    def negated(words, condition):
        return [b.select(condition, x, y)
                for x, y in zip(wide.subtract(b, zeros, words), words, strict=True)]

    signs = [wide.bit_at(b, words, width - 1) if signed else b.const(0) for words in (left, right)]
    left, right = (wide.mask_last(b, negated(words, sign), width) if signed else words
                   for words, sign in zip((left, right), signs, strict=True))
    end = b.const(scratch)
    for word in (*left, *right):
        end = b.node("call", "push", end, word, bits=64)
    done = b.node("call", "divide", end, b.const(8 * len(left)), bits=64)
    quotient, rest = ([b.load(8, 8 * (first + n), 64, done) for n in range(len(left))]
                      for first in (0, len(left)))
    if not signed:
        return quotient if operator == "//" else rest
    # Round down: one off zero where the signs differ and there is a rest.
    inexact = b.const(0)
    for word in rest:
        inexact = b.or_(inexact, word)
    differ = b.xor(*signs)
    off = b.and_(differ, b.ne(inexact, b.const(0)))
    if operator == "//":
        return negated(wide.add(b, quotient, [off, *zeros[1:]]), differ)
    rest = [b.select(off, x, y) for x, y in zip(wide.subtract(b, right, rest), rest, strict=True)]
    return negated(rest, signs[1])
