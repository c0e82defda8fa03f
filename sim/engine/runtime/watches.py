"""Watches: waits for a clock edge that `loop` carries out without Python.

A watch, 12 words, is ``armed, clock, level, reset program, condition program, repeats, samples,
their programs, their results, hit (1; 2: missed), reset value, before`` (wake before the step).
``armed`` is 1 for one hit, and 3 for a repeated wait, which a hit makes 2: nobody awaits it. A
program is a list of instructions for a stack machine, see `programs`.
"""

from .names import *


def program(at):
    """Run a program of the stack machine."""
    if u64[at] == 1 and u64[at + 40] == 0:
        return load(u64[at + 8], u64[at + 16]) >> u64[at + 24] & u64[at + 32]
    top = STACK
    while 1:
        code = u64[at]
        match code:
            case 0:
                return u64[STACK + 8]
            case 1:
                top += 8
                u64[top] = load(u64[at + 8], u64[at + 16]) >> u64[at + 24] & u64[at + 32]
                at += 40
            case 2:
                top += 8
                u64[top] = u64[at + 8]
                at += 16
            case 3:
                top -= 8
                u64[top] &= u64[top + 8]
                at += 8
            case 4:
                top -= 8
                u64[top] |= u64[top + 8]
                at += 8
            case 5:
                top -= 8
                u64[top] ^= u64[top + 8]
                at += 8
            case 6:
                u64[top] = ~u64[top] & u64[at + 8]
                at += 16
            case 7:
                top -= 8
                u64[top] += u64[top + 8]
                at += 8
            case 8:
                top -= 8
                u64[top] -= u64[top + 8]
                at += 8
            case 9:
                top -= 8
                u64[top] = u64[top] == u64[top + 8]
                at += 8
            case 10:
                top -= 8
                u64[top] = u64[top] != u64[top + 8]
                at += 8
            case 11:
                top -= 8
                u64[top] = u64[top] < u64[top + 8]
                at += 8
            case 12:
                top -= 8
                u64[top] = u64[top] <= u64[top + 8]
                at += 8
            case 13:
                top -= 8
                u64[top] = slt(u64[top], u64[top + 8])
                at += 8
            case 14:
                top -= 8
                u64[top] = sle(u64[top], u64[top + 8])
                at += 8
            case 15:
                u64[top] = u64[top] << u64[at + 8]
                at += 16
            case 16:
                u64[top] = u64[top] >> u64[at + 8] & u64[at + 16]
                at += 24
            case 17:
                u64[top] = u64[top] != 0
                at += 8
            case 18:
                u64[top] = sar(u64[top] << (64 - u64[at + 8]), 64 - u64[at + 8])
                at += 16
            case _:
                return 0
    return 0


def check(watch):
    """Look at a watch whose clock has its edge. Return 1 when it is hit."""
    held = 0
    if u64[watch + 24] != 0:
        held = program(u64[watch + 24])
    if held == 0:
        if u64[watch + 40] > 1:
            u64[watch + 40] -= 1
            return 0
        if u64[watch + 32] != 0 and program(u64[watch + 32]) == 0:
            return 0
    u64[watch + 72] = 1
    u64[watch + 80] = held
    n = 0
    while n < 8 * u64[watch + 48]:
        u64[u64[watch + 64] + n] = program(u64[u64[watch + 56] + n])
        n += 8
    return 1
