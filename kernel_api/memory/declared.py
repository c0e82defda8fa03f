"""A range of memory that belongs to one device.

Source: rules R118 to R124.
"""

from ..core.addresses import PhysAddr, VirtAddr, uncached_virt
from ..platform.io import ioremap
from .carveout import Carveout

__all__ = ["DMA_MEMORY_EXCLUSIVE", "DMA_MEMORY_INCLUDES_CHILDREN", "DMA_MEMORY_IO",
           "DMA_MEMORY_MAP", "DeclaredMemory"]

#: The CPU may use the memory by pointers; by accessors only.
DMA_MEMORY_MAP, DMA_MEMORY_IO = 1, 2
#: Child devices use it, too. When it is used up, other memory must not be.
DMA_MEMORY_INCLUDES_CHILDREN, DMA_MEMORY_EXCLUSIVE = 4, 8


class DeclaredMemory(Carveout):
    """A range: ``phys`` for the CPU, ``device_addr`` for the device.

    Parameters
    ----------
    phys : PhysAddr
        First byte.
    device_addr : int
        Where the device sees it.
    size : int
        Bytes.
    flags : int
        ``DMA_MEMORY_...``.
    """

    def __init__(self, phys: PhysAddr, device_addr: int, size: int, flags: int):
        super().__init__(int(phys), size)
        self.phys, self.device_addr, self.flags = phys, int(device_addr), flags

    def cpu_address(self, offset: int) -> VirtAddr:
        """Address for the CPU: a pointer, or one for accessors only (R122)."""
        phys = self.phys + offset
        return ioremap(phys) if self.flags & DMA_MEMORY_IO else uncached_virt(phys)

    def offset_of(self, va: VirtAddr) -> int | None:
        """Where in the range a CPU address is, or None."""
        offset = int(va) - int(self.cpu_address(0))
        return offset if 0 <= offset < self.size else None
