"""Words that Python and the compiled code share, at fixed places of the model's memory."""

from enum import IntEnum

__all__ = ["CLOCK_WORDS", "CONTROL_BYTES", "EVENT_BYTES", "MAX_CLOCKS", "MAX_WATCHES", "NEVER",
           "QUEUE_LENGTH", "STACK_WORDS", "WATCH_WORDS", "Control", "Stop"]

CONTROL_BYTES = 512
CLOCK_WORDS = 5         # next edge, half period, address, size, root
MAX_CLOCKS = 60
WATCH_WORDS = 12        # see watches.py
MAX_WATCHES = 4096
STACK_WORDS = 64
QUEUE_LENGTH = 1 << 15
EVENT_BYTES = 1 << 17
NEVER = 1 << 62         # a time that does not come


class Control(IntEnum):
    """Numbers of 64-bit words; the address is 8 times that."""

    NOW = 1             # time, in femtoseconds
    PENDING = 2         # roots in the queue of changes made by Python
    CLOCKS = 3          # clocks in the clock table
    WATCHES = 4         # entries of the watch table that are in use
    HITS = 5            # entries of the hit list
    FORCE = 7           # stop early at every clock event
    EVENTS = 8          # bytes in the event buffer
    LOST = 9            # events that did not fit
    VCD = 10            # 1 while a waveform is written
    VCD_TIME = 11       # last time stamp written, plus one
    VCD_LENGTH = 12     # bytes of it that wait to be fetched
    VCD_ROOM = 13       # stop the run when more bytes than this wait
    VCD_VARIABLES = 14  # addresses of the tables of vcd.py
    VCD_PIECES = 15
    VCD_FIRST = 16
    VCD_LIST = 17
    VCD_BUFFER = 18
    VCD_STEP = 19       # number of the sample


class Stop(IntEnum):
    """Bits of what `run` returns: why it stopped before the time limit."""

    HIT = 1             # a watch was hit
    EVENT = 2           # something was printed, asserted or covered
    FULL = 4            # the waveform buffer wants to be fetched
    UNSTABLE = 8        # clocks derived from each other do not settle
    EARLY = 16          # the clocks are toggled, but the design is not stepped yet
