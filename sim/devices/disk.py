"""A disk: it takes one command at a time from memory, and gathers and scatters by segments."""

import enum
import struct
from typing import BinaryIO

from kernel_api import DmaAddr, Kernel

from .model import Model

__all__ = ["COMMAND", "SECTOR", "SEGMENT", "Disk", "Operation", "Reg"]

SECTOR = 512
#: A command: operation, first sector, segments; 1 if it failed. Its segments follow.
COMMAND = struct.Struct("<IIII")
#: A segment: address and bytes.
SEGMENT = struct.Struct("<QI")


class Operation(enum.IntEnum):
    """What a command does."""

    READ = 0                            # from the disk to memory
    WRITE = 1


class Reg(enum.IntEnum):
    """Registers."""

    STATUS = 0x00                       # 1: a command is done
    ENABLE = 0x04
    COMMAND = 0x08                      # address of the command
    COMMAND_HI = 0x0C
    GO = 0x10                           # begin
    SECTOR = 0x14                       # without DMA: where the next word of data is read
    DATA = 0x18                         # ... or written


class Disk(Model):
    """The disk.

    Parameters
    ----------
    kernel : Kernel
        On whose machine it is.
    image : BinaryIO
        What is on it.
    address_bits : int
        Address lines: it drives no more of an address.
    """

    def __init__(self, kernel: Kernel, image: BinaryIO, *, address_bits: int = 64):
        super().__init__(kernel)
        self._image, self._mask = image, (1 << address_bits) - 1

    def read(self, offset: int) -> int:
        """Read a register, or a word of data."""
        if offset == Reg.DATA:
            return int.from_bytes(self._image.read(4), "little")
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register, or a word of data."""
        super().write(offset, value)
        if offset == Reg.SECTOR:
            self._image.seek(value * SECTOR)
        elif offset == Reg.DATA:
            self._image.write(value.to_bytes(4, "little"))

    def turn(self) -> None:
        """Do the command, if there is one."""
        if not super().read(Reg.GO):
            return
        super().write(Reg.GO, 0)
        dma = DmaAddr(self.read64(Reg.COMMAND) & self._mask)
        words = self.end.read(dma, COMMAND.size)
        if words != "refused":
            operation, sector, count, _ = COMMAND.unpack(words)
            ok = self._transfer(dma + COMMAND.size, operation, sector, count)
            self.end.write(dma, COMMAND.pack(operation, sector, count, not ok))
        self.happened(1)

    def _transfer(self, dma: DmaAddr, operation: int, sector: int, count: int) -> bool:
        """Gather or scatter. False if something could not be reached."""
        segments = self.end.read(dma, count * SEGMENT.size)
        if segments == "refused":
            return False
        self._image.seek(sector * SECTOR)
        for addr, size in SEGMENT.iter_unpack(segments):
            at = DmaAddr(addr & self._mask)
            if operation == Operation.WRITE:
                data = self.end.read(at, size)
                if data == "refused":
                    return False
                self._image.write(data)
            elif not self.end.write(at, self._image.read(size)):
                return False
        return True
