"""The device directory: a tree that leads from a device ID to its context.

Source: RISC-V IOMMU Architecture Specification, section "Device-Directory-Table (DDT)" (base
format of 32 bytes).
"""

from rtl.spec.page_table import DC_BYTES, DC_TC, DDI_BITS_BASE, DDTE, PAGE_BITS

from ..coherent.coherent import dma_free_coherent, dma_zalloc_coherent
from ..core.addresses import PAGE_SIZE, DmaAddr, VirtAddr
from ..core.gfp import GFP_KERNEL
from ..device.device import Device

__all__ = ["DeviceDirectory"]

_DDTE_BYTES = 8


class DeviceDirectory:
    """Directory pages, in coherent memory.

    Parameters
    ----------
    dev : Device
        The IOMMU, for memory.

    Attributes
    ----------
    levels : int
        1, 2 or 3, once the hardware accepted it.
    root : DmaAddr
        Address of the root page.

    Raises
    ------
    MemoryError
        If there is no page for the root.
    """

    def __init__(self, dev: Device):
        self._dev, self._cpu = dev, dev.kernel.cpu
        self._pages: dict[DmaAddr, VirtAddr] = {}
        self.levels = 0
        root = self._new_page()
        if root is None:
            raise MemoryError("Device directory must have a root page, and there is no memory")
        self.root = root

    def _new_page(self) -> DmaAddr | None:
        va, dma = dma_zalloc_coherent(self._dev, PAGE_SIZE, GFP_KERNEL)
        if va is None:
            return None
        self._pages[dma] = va
        return dma

    def holds(self, did: int) -> bool:
        """Whether a directory of so many levels has a place for this device ID."""
        return did >> sum(DDI_BITS_BASE[:self.levels]) == 0

    def entry(self, did: int) -> VirtAddr | None:
        """Address of a device's context; missing directory pages are made. None without memory."""
        page = self.root
        for level in range(self.levels - 1, 0, -1):
            index = did >> sum(DDI_BITS_BASE[:level]) & (1 << DDI_BITS_BASE[level]) - 1
            slot = self._pages[page] + index * _DDTE_BYTES
            entry = self._cpu.load_le(slot, _DDTE_BYTES)
            if entry & DDTE.mask("v"):
                page = DmaAddr(DDTE.get(entry, "ppn") << PAGE_BITS)
                continue
            page = self._new_page()
            if page is None:
                return None
            self._cpu.wmb()
            self._cpu.store_le(slot, DDTE.pack(v=1, ppn=page >> PAGE_BITS), _DDTE_BYTES)
        return self._pages[page] + (did & (1 << DDI_BITS_BASE[0]) - 1) * DC_BYTES

    def is_valid(self, entry: VirtAddr) -> bool:
        """Whether a context is in use."""
        return bool(self._cpu.load_le(entry, 8) & DC_TC.mask("v"))

    def clear(self, entry: VirtAddr) -> None:
        """Make a context invalid."""
        self._cpu.store_le(entry, 0, 8)
        self._cpu.wmb()

    def fill(self, entry: VirtAddr, tc: int, ta: int, fsc: int) -> None:
        """Write a context, its first word last: that makes it valid."""
        self._cpu.store_le(entry + 8, ta << 64 | fsc << 128, 24)
        self._cpu.wmb()
        self._cpu.store_le(entry, tc, 8)
        self._cpu.wmb()

    def release(self) -> None:
        """Free all pages. The hardware must not use them any more."""
        for dma, va in self._pages.items():
            dma_free_coherent(self._dev, PAGE_SIZE, va, dma)
        self._pages = {}
