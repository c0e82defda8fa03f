"""Arithmetic on values wider than one word: lists of words, least significant first."""

from .words import MASK64

__all__ = ["add", "bit_at", "less", "mask_last", "multiply", "shift_left", "shift_right",
           "subtract"]


def mask_last(b, words, width):
    """Clear the bits of the last word that lie beyond ``width``."""
    rest = width - 64 * (len(words) - 1)
    return words if rest >= 64 or not words else [*words[:-1], b.mask(words[-1], rest)]


def bit_at(b, words, bit):
    """Return one bit."""
    return b.and_(b.shr(words[bit // 64], bit % 64), b.const(1))


def add(b, left, right):
    """Add; the carry out of the last word is dropped."""
    out, carry = [], None
    for x, y in zip(left, right, strict=True):
        total = b.add(x, y)
        over = b.ult(total, x)
        if carry is not None:
            more = b.add(total, carry)
            over = b.or_(over, b.ult(more, total))
            total = more
        out.append(total)
        carry = over
    return out


def subtract(b, left, right):
    """Subtract; the borrow out of the last word is dropped."""
    out, borrow = [], None
    for x, y in zip(left, right, strict=True):
        rest = b.sub(x, y)
        under = b.ult(x, y)
        if borrow is not None:
            less_ = b.sub(rest, borrow)
            under = b.or_(under, b.ult(rest, borrow))
            rest = less_
        out.append(rest)
        borrow = under
    return out


def multiply(b, left, right, count):
    """Multiply, keeping ``count`` words."""
    total = [b.const(0)] * count
    for i, x in enumerate(left):
        for j, y in enumerate(right[:count - i]):
            part = [b.const(0)] * count
            part[i + j] = b.mul(x, y)
            if i + j + 1 < count:
                part[i + j + 1] = b.node("call", "mulhi", x, y, bits=64)
            total = add(b, total, part)
    return total


def less(b, left, right, width, *, signed, strict):
    """Compare two values of ``width`` bits: ``left < right``, or ``<=`` unless ``strict``."""
    if width <= 64:
        if signed:
            return (b.slt if strict else b.sle)(b.sign_extend(left[0], width),
                                                b.sign_extend(right[0], width))
        return (b.ult if strict else b.ule)(left[0], right[0])
    if signed:                          # with the sign bits flipped the order is the unsigned one
        flip = b.const(1 << (width - 1) % 64)
        left = [*left[:-1], b.xor(left[-1], flip)]
        right = [*right[:-1], b.xor(right[-1], flip)]
    result = b.const(0 if strict else 1)
    for x, y in zip(left, right, strict=True):
        result = b.or_(b.ult(x, y), b.and_(b.eq(x, y), result))
    return result


def _split_amount(b, amount):
    """Return whole words, bits within the word, whether there are any, and 64 minus them."""
    bits = b.and_(amount, b.const(63))
    return (b.shr(amount, 6), bits, b.ne(bits, b.const(0)),
            b.and_(b.sub(b.const(64), bits), b.const(63)))


def shift_right(b, words, amount, fill, width):
    """Shift right by a variable amount, bringing in ``fill``; ``width`` bits result.

    The last word must be extended to 64 bits with the bits of ``fill``.
    """
    count = -(-width // 64)
    if len(words) == 1 and count == 1:
        shift = b.shr if b.is_const(fill, 0) else b.sar
        shifted = shift(words[0], b.and_(amount, b.const(63)))
        return [b.select(b.ult(amount, b.const(64)), shifted, fill)]
    whole, bits, some, rest = _split_amount(b, amount)
    out = []
    for target in range(count):
        result = fill
        for source in range(len(words) - 1, target - 1, -1):
            low = words[source]
            high = words[source + 1] if source + 1 < len(words) else fill
            moved = b.select(some, b.or_(b.shr(low, bits), b.shl(high, rest)), low)
            result = b.select(b.eq(whole, b.const(source - target)), moved, result)
        out.append(result)
    return out


def shift_left(b, words, amount, width):
    """Shift left by a variable amount; ``width`` bits result, not yet masked."""
    count = -(-width // 64)
    zero = b.const(0)
    if count == 1:
        shifted = b.shl(words[0], b.and_(amount, b.const(63)))
        return [b.select(b.ult(amount, b.const(64)), shifted, zero)]
    whole, bits, some, rest = _split_amount(b, amount)
    at = {i: word for i, word in enumerate(words)}
    out = []
    for target in range(count):
        result = zero
        for source in range(target + 1):
            low, high = at.get(source - 1, zero), at.get(source, zero)
            moved = b.select(some, b.or_(b.shl(high, bits), b.shr(low, rest)), high)
            result = b.select(b.eq(whole, b.const(target - source)), moved, result)
        out.append(result)
    return out


def saturate(b, words):
    """Return one word for a shift amount; more than 64 bits of it become the largest word."""
    if len(words) <= 1:
        return words[0] if words else b.const(0)
    high = words[1]
    for word in words[2:]:
        high = b.or_(high, word)
    return b.select(b.ne(high, b.const(0)), b.const(MASK64), words[0])
