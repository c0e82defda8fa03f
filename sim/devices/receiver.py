"""The card of the kernel's DMA-API-HOWTO: it receives into one buffer at a time."""

import enum

from kernel_api import DmaAddr, Kernel

from .model import Model

__all__ = ["Receiver", "Reg", "Status"]


class Reg(enum.IntEnum):
    """Registers. A write to ``LENGTH`` hands the buffer over."""

    STATUS = 0x00
    ENABLE = 0x04
    BUFFER = 0x08
    BUFFER_HI = 0x0C
    LENGTH = 0x10                       # bytes


class Status(enum.IntFlag):
    """Bits of ``STATUS`` and ``ENABLE``."""

    TRANSFERRED = 1                     # the buffer is full
    ERROR = 2                           # it could not be reached


class Receiver(Model):
    """The card.

    Parameters
    ----------
    kernel : Kernel
        On whose machine it is.
    arriving : list of bytes
        What it is going to receive.
    """

    def __init__(self, kernel: Kernel, arriving: list[bytes]):
        super().__init__(kernel)
        self.arriving = list(arriving)

    def turn(self) -> None:
        """Receive, if there is a buffer."""
        size = self.read(Reg.LENGTH)
        if size and self.arriving:
            self.write(Reg.LENGTH, 0)
            ok = self.end.write(DmaAddr(self.read64(Reg.BUFFER)), self.arriving.pop(0)[:size])
            self.happened(Status.TRANSFERRED if ok else Status.ERROR)
