"""Arithmetic for which there is no instruction."""

from .names import *


def mulhi(a, b):
    """Return the upper word of a product."""
    al = a & 0xffffffff
    ah = a >> 32
    bl = b & 0xffffffff
    bh = b >> 32
    middle = ah * bl + (al * bl >> 32)
    other = al * bh + (middle & 0xffffffff)
    return ah * bh + (middle >> 32) + (other >> 32)


def floor_divide(a, b):
    """Divide two's complement numbers, rounding down; ``b`` is not zero."""
    x = a
    y = b
    if slt(a, 0):
        x = -a
    if slt(b, 0):
        y = -b
    if slt(a ^ b, 0):
        return -((x + y - 1) // y)
    return x // y


def floor_modulo(a, b):
    """Return the rest of `floor_divide`, with the sign of ``b``."""
    return a - b * floor_divide(a, b)


def push(at, word):
    """Store a word, and return the address behind it."""
    u64[at] = word
    return at + 8


def divide(end, size):
    """Divide two numbers of ``size`` bytes that lie before ``end``; the divisor is not zero.

    Stores the quotient from ``end`` on, the rest behind it, and returns ``end``.
    """
    divisor = end - size
    rest = end + size
    n = 0
    while n < 2 * size:
        u64[end + n] = 0
        n += 8
    bit = 8 * size
    while bit != 0:
        bit -= 1
        word = bit >> 6 << 3
        carry = u64[divisor - size + word] >> (bit & 63) & 1
        n = 0
        while n < size:
            old = u64[rest + n]
            u64[rest + n] = old << 1 | carry
            carry = old >> 63
            n += 8
        fits = carry
        if carry == 0:
            fits = 1
            while n != 0:
                n -= 8
                if u64[rest + n] != u64[divisor + n]:
                    fits = u64[divisor + n] < u64[rest + n]
                    break
        if fits != 0:
            u64[end + word] |= 1 << (bit & 63)
            borrow = 0
            n = 0
            while n < size:
                a = u64[rest + n]
                b = u64[divisor + n]
                u64[rest + n] = a - b - borrow
                borrow = (a < b) | ((a == b) & borrow)
                n += 8
    return end
