"""Cyclic transfers of the native ring.

Source: docs/ring.md.
"""

from ..core.addresses import DmaAddr
from ..core.attrs import DMA_FROM_DEVICE, DMA_TO_DEVICE, Dir
from ..dmaengine.engine import DmaAsyncTxDescriptor
from ..dmaengine.transfers import DmaSlaveConfig, Piece
from ..platform.registers import Registers
from .ring_slots import MAX_ROWS

__all__ = ["Loop", "periods"]


def periods(config: DmaSlaveConfig, buf: DmaAddr, size: int, period: int, direction: Dir,
            most: int) -> list[Piece] | None:
    """Make a piece of each period of a buffer: words that go to, or come from, one address.

    None if there are more than ``most``, the buffer is not whole periods, or a period is not whole
    words.
    """
    width = {DMA_TO_DEVICE: config.dst_addr_width,
             DMA_FROM_DEVICE: config.src_addr_width}.get(direction, 0)
    if width <= 0 or period <= 0 or period % width or period // width > MAX_ROWS or (
            size <= 0 or size % period or size // period > most):
        return None
    rows = period // width
    if direction is DMA_TO_DEVICE:
        return [Piece(buf + at, DmaAddr(config.dst_addr), width, rows, width, 0)
                for at in range(0, size, period)]
    return [Piece(DmaAddr(config.src_addr), buf + at, width, rows, 0, width)
            for at in range(0, size, period)]


class Loop:
    """A cyclic descriptor under way; follows registers that count modulo their width."""

    def __init__(self, tx: DmaAsyncTxDescriptor, regs: Registers):
        self.tx, self._regs = tx, regs
        self._seen = self._moved = self._at = 0

    def ended(self) -> int:
        """Periods that ended since the last call."""
        count = self._regs.done.read("count")
        ended, self._seen = (count - self._seen) % (1 << 16), count
        return ended

    def residue(self) -> int:
        """Bytes to the end of the buffer."""
        moved = self._regs.done_bytes.read("count")
        self._at = (self._at + (moved - self._moved) % (1 << 32)) % self.tx.size
        self._moved = moved
        return self.tx.size - self._at
