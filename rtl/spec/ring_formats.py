"""Descriptors and completions of the native ring front end.

A descriptor takes one slot of 16 bytes (compact) or, with ``long``, two. Words are little-endian.
Word 1 is the same in both, so that the first slot tells which one it is.

=====  ===========================================  =========================================
word   compact                                      long
=====  ===========================================  =========================================
0      source 47:0, bytes in 63:48 (0 is 65536)     source 63:0; of a fill, the pattern
1      destination 47:0, control in 63:48           destination 47:0, control in 63:48
2                                                   bytes 31:0, destination 63:48, rows - 1
3                                                   strides of source and destination
=====  ===========================================  =========================================

A fill repeats the 8 bytes of its pattern from the first byte of the destination, or of a row, on;
a compact one repeats the low 4 bytes of word 0. With ``strided``, which only a long one can have,
``bytes`` is that of a row; a stride is the distance of two rows in bytes, signed. A stride of 0 is
a fixed address. Addresses of rows are modulo the address space, but no row may cross its end.

Source: this project; docs/ring.md.
"""

import enum

from .bits import BitLayout

__all__ = [
    "COMPLETION",
    "COMPLETION_BYTES",
    "RING_ALIGN",
    "RING_MAX_BYTES",
    "SLOT_BYTES",
    "WORD_0",
    "WORD_1",
    "WORD_2",
    "WORD_3",
    "RingFault",
    "RingOp",
]

SLOT_BYTES = 16
COMPLETION_BYTES = 8
RING_ALIGN = 4096
#: Bytes of one descriptor, or of one row of it.
RING_MAX_BYTES = (1 << 26) - 1


class RingOp(enum.IntEnum):
    """What a descriptor asks for."""

    COPY = 0
    FILL = 1


class RingFault(enum.IntEnum):
    """How a descriptor ended."""

    NONE = 0
    #: No bytes, past the end of addresses, or an operation that this build has not.
    INVALID = 1
    #: Error responses to data accesses.
    DATA_SLV = 2
    DATA_DEC = 3
    #: Error responses to accesses of a ring.
    RING_SLV = 6
    RING_DEC = 7


WORD_0 = BitLayout("ring_word_0", 64, {"src": (0, 48), "size": (48, 16)})
WORD_1 = BitLayout("ring_word_1", 64, {
    "dst": (0, 48), "op": (48, 4), "long": (52, 1), "irq": (53, 1), "strided": (54, 1)})
WORD_2 = BitLayout("ring_word_2", 64, {"size": (0, 32), "dst_high": (32, 16), "rows": (48, 16)})
WORD_3 = BitLayout("ring_word_3", 64, {"src_stride": (0, 32), "dst_stride": (32, 32)})
#: ``slot``: of the descriptor (its first). ``write``: the access that failed was one. ``refused``:
#: the IOMMU refused it, with SLVERR. ``phase``: 1 in the first pass through the ring, 0 in the
#: second, and so on. ``bytes``: ``done_bytes`` when it ended.
COMPLETION = BitLayout("ring_completion", 64, {
    "slot": (0, 16), "fault": (16, 3), "write": (19, 1), "refused": (20, 1), "phase": (31, 1),
    "bytes": (32, 32)})
