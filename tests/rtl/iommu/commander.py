"""Software that writes registers and queues commands, and waits for them."""

from rtl.spec.iommu_regs import IOMMU_REGISTERS
from sim.axi_lite import Manager

from .world import COMMANDS


class Back:
    """``read`` and ``write`` by the back door of a memory, as :class:`Tables` has it."""

    def __init__(self, memory):
        self.read, self.write = memory.peek, memory.poke


class Commander:
    """A queue of 16 commands at ``COMMANDS``, in the memory of ``tables``."""

    def __init__(self, ctx, regs, tables):
        self.tables, self._bus, self._tail = tables, Manager(ctx, regs), 0

    async def command(self, *commands):
        """Queue commands, and wait until all were taken: the last one should be a fence."""
        for command in commands:
            for half, dword in enumerate(command):
                self.tables.store(COMMANDS + 16 * self._tail + 8 * half, dword)
            self._tail = (self._tail + 1) % 16
        await self.write("cqt", self._tail)
        for _ in range(3000):
            if await self.read("cqh") == self._tail:
                return
        raise AssertionError("the fence did not complete")

    async def read(self, name):
        return await self._bus.readl(IOMMU_REGISTERS[name].offset)

    async def write(self, name, value):
        await self._bus.writel(value, IOMMU_REGISTERS[name].offset)

    async def write64(self, name, value):
        await self._bus.writel(value >> 32, IOMMU_REGISTERS[name].offset + 4)
        await self.write(name, value & 0xFFFF_FFFF)
