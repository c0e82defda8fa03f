"""Descriptors of the native ring, from pieces of transfers.

Source: docs/ring.md.
"""

from collections.abc import Iterator

from rtl.spec.ring_formats import (
    COMPLETION,
    COMPLETION_BYTES,
    RING_MAX_BYTES,
    WORD_0,
    WORD_1,
    WORD_2,
    WORD_3,
    RingOp,
)

from ..core.addresses import VirtAddr
from ..dmaengine.transfers import Piece
from ..platform.cpu import Cpu

__all__ = ["MAX_ROWS", "Completions", "encode", "parts", "slots"]

MAX_ROWS = 1 << 16
_WORD, _LOW = (1 << 32) - 1, (1 << 48) - 1


class Completions:
    """The completion ring of a channel, in the order of its entries.

    Parameters
    ----------
    cpu : Cpu
        Reads it.
    va : VirtAddr
        Where it is; it has ``1 << log2`` entries, which are zero.
    log2 : int
        log2 of its size.
    """

    def __init__(self, cpu: Cpu, va: VirtAddr, log2: int):
        self._cpu, self._va, self._log2, self._seen = cpu, va, log2, 0

    def take(self) -> dict[str, int] | None:
        """Take the next entry; None if it is not there yet."""
        place = self._va + self._seen % (1 << self._log2) * COMPLETION_BYTES
        word = int.from_bytes(self._cpu.load(place, COMPLETION_BYTES), "little")
        if COMPLETION.get(word, "phase") != ~(self._seen >> self._log2) & 1:
            return None
        self._seen += 1
        return COMPLETION.unpack(word)


def slots(piece: Piece) -> int:
    """Slots of a piece: one if the compact form can hold it."""
    fits = (int(piece.src) <= _LOW if piece.pattern is None else
            piece.pattern >> 32 == piece.pattern & _WORD)
    return 1 if fits and piece.rows == 1 and piece.size <= 1 << 16 and int(piece.dst) <= _LOW else 2


def parts(piece: Piece) -> Iterator[Piece]:
    """Cut a piece into as many as one descriptor each can hold."""
    if piece.rows == 1:
        for at in range(0, piece.size, step := RING_MAX_BYTES & -8):
            yield Piece(piece.src + at, piece.dst + at, min(step, piece.size - at),
                        pattern=piece.pattern)
        return
    for row in range(0, piece.rows, MAX_ROWS):
        yield Piece(piece.src + row * piece.src_stride, piece.dst + row * piece.dst_stride,
                    piece.size, min(MAX_ROWS, piece.rows - row), piece.src_stride,
                    piece.dst_stride, piece.pattern)


def encode(piece: Piece, *, irq: bool) -> list[bytes]:
    """Slots of a piece."""
    dst, long = int(piece.dst), slots(piece) == 2
    src = int(piece.src) if piece.pattern is None else piece.pattern
    control = {"dst": dst & _LOW, "irq": irq,
               "op": RingOp.COPY if piece.pattern is None else RingOp.FILL}
    if not long:
        words = [WORD_0.pack(src=src & (_LOW if piece.pattern is None else _WORD),
                             size=piece.size % (1 << 16)), WORD_1.pack(**control)]
    else:
        words = [src, WORD_1.pack(**control, long=1, strided=piece.rows > 1),
                 WORD_2.pack(size=piece.size, dst_high=dst >> 48, rows=piece.rows - 1),
                 WORD_3.pack(src_stride=piece.src_stride & _WORD,
                             dst_stride=piece.dst_stride & _WORD)]
    return [b"".join(word.to_bytes(8, "little") for word in words[k:k + 2])
            for k in range(0, len(words), 2)]
