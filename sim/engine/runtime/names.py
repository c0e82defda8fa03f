"""Names that the other files use, for linters; `compile.kernel` gives them their meaning."""

from .control import Control, Stop

__all__ = ["call", "clz", "ctz", "peek", "sar", "sle", "slt", "u8", "u16", "u32", "u64"]

#: Memory, by byte address, in units of 1, 2, 4 and 8 bytes.
u8 = u16 = u32 = u64 = {}


def call(number):
    """Call a function of the function table."""


def clz(word):
    """Count the zeros above the highest one; the word is not zero."""


def ctz(word):
    """Count the zeros below the lowest one."""


def peek(address, size):
    """Read ``size`` bytes; both are known when compiling."""


def sar(word, count):
    """Shift right, keeping the sign."""


def slt(a, b):
    """Compare as signed numbers: less."""


def sle(a, b):
    """Compare as signed numbers: less or equal."""


#: Addresses of the control words, and the reasons to stop.
constants = {word.name: 8 * word for word in Control} | {stop.name: int(stop) for stop in Stop}
