"""What models of devices have in common: registers, an interrupt line, DMA."""

from kernel_api import Kernel, PhysAddr
from sim.device_end import DeviceEnd

__all__ = ["ENABLE", "STATUS", "Model"]

#: Registers that every model has: what happened (write ones to clear), and what may interrupt.
STATUS, ENABLE = 0x00, 0x04


class Model:
    """A model of a device, plugged into the machine of a kernel. See :class:`sim.devices.bay.Bay`.

    Parameters
    ----------
    kernel : Kernel
        On whose machine it is.

    Attributes
    ----------
    dev : Device
        What a driver maps buffers for.
    base : PhysAddr
        Address of its registers.
    irq : int
        Its interrupt line.
    """

    def __init__(self, kernel: Kernel):
        self.end = DeviceEnd(kernel)
        self.dev = self.end.dev
        self._regs: dict[int, int] = {}
        self.base: PhysAddr
        self.irq: int
        self.base, self.irq = kernel.machine.plug(self)

    @property
    def line(self) -> bool:
        """High while something happened that may interrupt."""
        return bool(self._regs.get(STATUS, 0) & self._regs.get(ENABLE, 0))

    def read(self, offset: int) -> int:
        """Read a register; 0 if nobody wrote it."""
        return self._regs.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == STATUS:
            value = self.read(STATUS) & ~value
        self._regs[offset] = value & 0xFFFF_FFFF

    def read64(self, offset: int) -> int:
        """Read two registers, the low half first."""
        return self.read(offset) | self.read(offset + 4) << 32

    def happened(self, bits: int) -> None:
        """Set bits of the status."""
        self._regs[STATUS] = self.read(STATUS) | bits

    def turn(self) -> None:
        """Do what there is to do."""

    def release(self) -> None:
        """Give back what it had."""
        self.end.release()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.release()
