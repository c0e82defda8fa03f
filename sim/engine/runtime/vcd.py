"""Waveforms: `loop` finds the variables that changed here, and writes their lines.

A variable is 12 words: ``number of the last look, kind, width, pieces, address of the pieces,
words, address of its values (last, new, constant part), identifier, its length, strings, first
value of the raw line``. Kinds are 0 (bits), 1 (text by value: address and length) and 2 (raw:
Python replaces the line). A piece is 5 words: ``address, size, first bit, mask, shift``.
"""

from .names import *


def text(address, length):
    """Append bytes to the waveform, and up to seven more that the next ones overwrite."""
    to = u64[VCD_BUFFER] + u64[VCD_LENGTH]
    n = 0
    while n < length:
        u64[to + n] = u64[address + n]
        n += 8
    u64[VCD_LENGTH] += length


def stamp(time):
    """Append a time stamp, unless it was the last one."""
    if u64[VCD_TIME] == time + 1:
        return
    u64[VCD_TIME] = time + 1
    to = u64[VCD_BUFFER] + u64[VCD_LENGTH]
    u8[to] = 35
    digits = 1
    rest = time // 10
    while rest != 0:
        digits += 1
        rest = rest // 10
    rest = time
    n = digits
    while n > 0:
        u8[to + n] = 48 + rest % 10
        rest = rest // 10
        n -= 1
    u8[to + digits + 1] = 10
    u64[VCD_LENGTH] += digits + 2


def binary(values, width):
    """Append a number in binary, without leading zeros, eight digits at a time."""
    word = values + (width - 1 >> 6 << 3)
    while word > values and u64[word] == 0:
        word -= 8
    bits = u64[word]
    digits = 64 - clz(bits | 1)
    start = u64[VCD_BUFFER] + u64[VCD_LENGTH]
    to = start + (digits & 7)
    digits = digits >> 3 << 3
    if to != start:
        # The lowest digits of the entry, shifted so that the leading ones fall off.
        entry = u64[DIGITS + 8 * (bits >> digits & 0xff)]
        u64[start] = entry >> (64 - 8 * (to - start))
    while 1:
        while digits != 0:
            digits -= 8
            u64[to] = u64[DIGITS + 8 * (bits >> digits & 0xff)]
            to += 8
        if word == values:
            break
        word -= 8
        bits = u64[word]
        digits = 64
    u64[VCD_LENGTH] += to - start


def gather(variable, new):
    """Compute the value of a variable that has more than one piece or word."""
    n = 0
    words = 8 * u64[variable + 40]
    while n < words:
        u64[new + n] = u64[new + words + n]
        n += 8
    piece = u64[variable + 32]
    last = piece + 40 * u64[variable + 24]
    while piece < last:
        bits = load(u64[piece], u64[piece + 8]) >> u64[piece + 16] & u64[piece + 24]
        shift = u64[piece + 32] & 63
        to = new + 8 * (u64[piece + 32] >> 6)
        u64[to] |= bits << shift
        over = bits >> (63 - shift) >> 1
        if over != 0:
            u64[to + 8] |= over
        piece += 40


def line(variable, new, time):
    """Append the line of a variable."""
    stamp(time)
    to = u64[VCD_BUFFER] + u64[VCD_LENGTH]
    kind = u64[variable + 8]
    if kind == 1:
        u8[to] = 115
        u64[VCD_LENGTH] += 1
        entry = u64[variable + 72] + 16 * u64[new]
        text(u64[entry], u64[entry + 8])
    else:
        if u64[variable + 16] == 1 and kind == 0:
            u8[to] = 48 + u64[new]
            u64[VCD_LENGTH] += 1
            text(u64[variable + 56] + 1, u64[variable + 64] - 1)
            return
        u8[to] = 98 if kind == 0 else 114
        u64[VCD_LENGTH] += 1
        binary(new, u64[variable + 16])
    text(u64[variable + 56], u64[variable + 64])


def look(variable, time, force):
    """Compare a variable with what was written last."""
    if u64[variable] == u64[VCD_STEP]:
        return
    u64[variable] = u64[VCD_STEP]
    words = 8 * u64[variable + 40]
    values = u64[variable + 48]
    if words == 8 and u64[variable + 24] == 1:
        piece = u64[variable + 32]
        bits = load(u64[piece], u64[piece + 8]) >> u64[piece + 16] & u64[piece + 24]
        bits = bits << u64[piece + 32] | u64[values + 16]
        if bits != u64[values] or force != 0:
            u64[values] = bits
            line(variable, values, time)
        return
    new = values + words
    gather(variable, new)
    n = 0
    changed = force
    while n < words:
        changed |= u64[values + n] ^ u64[new + n]
        u64[values + n] = u64[new + n]
        n += 8
    if changed != 0:
        line(variable, values, time)


def sample(time):
    """Write what the functions that ran since the last sample may have changed."""
    u64[VCD_STEP] += 1
    word = 0
    while word < 8 * RAN_WORDS:
        ran = u64[RAN + word]
        u64[RAN + word] = 0
        while ran != 0:
            carrier = 8 * word + ctz(ran)
            ran &= ran - 1
            entry = u32[u64[VCD_FIRST] + 4 * carrier]
            last = u32[u64[VCD_FIRST] + 4 * carrier + 4]
            while entry < last:
                look(u32[u64[VCD_LIST] + 4 * entry], time, 0)
                entry += 1
        word += 8


def dump(first, count, time):
    """Write all variables."""
    u64[VCD_STEP] += 1
    n = 0
    while n < count:
        look(first + 96 * n, time, 1)
        n += 1
