"""A network card: two rings of descriptors in memory, and a wire."""

import enum
import struct

from kernel_api import DmaAddr, Kernel

from .model import Model

__all__ = ["DESCRIPTOR", "Event", "Flag", "NetworkCard", "Reg"]

#: A descriptor: address of the buffer, its bytes, flags.
DESCRIPTOR = struct.Struct("<QII")


class Reg(enum.IntEnum):
    """Registers. A ring has ``SIZE`` descriptors; the card may use those before ``..._TAIL``."""

    STATUS = 0x00
    ENABLE = 0x04
    SIZE = 0x08
    TX_BASE = 0x10
    TX_BASE_HI = 0x14
    TX_TAIL = 0x18
    RX_BASE = 0x20
    RX_BASE_HI = 0x24
    RX_TAIL = 0x28


class Event(enum.IntFlag):
    """Bits of ``STATUS`` and ``ENABLE``."""

    SENT = 1
    RECEIVED = 2
    ERROR = 4                           # a ring or a buffer could not be reached


class Flag(enum.IntFlag):
    """Flags of a descriptor."""

    VALID = 1                           # the card may use it
    DONE = 2                            # the card has used it; of a receive, bytes are the packet's
    ERROR = 4                           # ... without success


class NetworkCard(Model):
    """The card. What comes over the wire waits until there is a buffer for it.

    Parameters
    ----------
    kernel : Kernel
        On whose machine it is.

    Attributes
    ----------
    arriving : list of bytes
        Packets on their way in.
    sent : list of bytes
        Packets that went out.
    """

    def __init__(self, kernel: Kernel):
        super().__init__(kernel)
        self.arriving: list[bytes] = []
        self.sent: list[bytes] = []
        self._heads = {Reg.TX_BASE: 0, Reg.RX_BASE: 0}

    def turn(self) -> None:
        """Send what may be sent, and receive what there is room for."""
        for dma, (addr, size, _) in self._usable(Reg.TX_BASE, Reg.TX_TAIL):
            packet = self.end.read(DmaAddr(addr), size)
            if packet != "refused":
                self.sent.append(packet)
            self._finish(dma, addr, size, Event.SENT, ok=packet != "refused")
        for dma, (addr, size, _) in self._usable(Reg.RX_BASE, Reg.RX_TAIL, len(self.arriving)):
            packet = self.arriving.pop(0)
            ok = len(packet) <= size and self.end.write(DmaAddr(addr), packet)
            self._finish(dma, addr, len(packet), Event.RECEIVED, ok=ok)

    def _usable(self, base: Reg, tail: Reg, limit: int = 1 << 32) -> list[tuple[DmaAddr, tuple]]:
        """Fetch descriptors that the driver has handed over: where they are, and what they say."""
        size, found = self.read(Reg.SIZE), []
        while self._heads[base] != self.read(tail) and len(found) < limit:
            dma = DmaAddr(self.read64(base) + self._heads[base] * DESCRIPTOR.size)
            words = self.end.read(dma, DESCRIPTOR.size)
            if words == "refused" or not DESCRIPTOR.unpack(words)[2] & Flag.VALID:
                self.happened(Event.ERROR)
                break
            found.append((dma, DESCRIPTOR.unpack(words)))
            self._heads[base] = (self._heads[base] + 1) % size
        return found

    def _finish(self, dma: DmaAddr, addr: int, size: int, event: Event, *, ok: bool) -> None:
        flags = Flag.DONE if ok else Flag.DONE | Flag.ERROR
        self.end.write(dma, DESCRIPTOR.pack(addr, size, flags))
        self.happened(event)
