"""Address spaces that an IOMMU gives to devices."""

from typing import Protocol

from rtl.spec.page_table import DC_TA, DC_TC, IOSATP, PAGE_BITS, IosatpMode

from ..core.addresses import PhysAddr
from ..core.attrs import DMA_BIT_MASK
from ..core.kernel import Kernel
from ..device.device import Device
from .flush_queue import FlushQueue
from .iova import IovaDomain
from .page_table import IoPageTable

__all__ = ["BlockedDomain", "IdentityDomain", "IommuDomain", "PagingDomain"]

_LEVELS = {IosatpMode.SV39: 3, IosatpMode.SV48: 4, IosatpMode.SV57: 5}


class Translator(Protocol):
    """What an address space asks of the driver of its IOMMU."""

    kernel: Kernel

    def clean(self, phys: PhysAddr, size: int) -> None:
        """Let the IOMMU see page tables that were just written."""

    def invalidate(self, pscid: int, start: int = 0, size: int = 0, stride: int = 0) -> int:
        """Let it forget a range of an address space, or all of it."""

    def free_domain(self, domain: "PagingDomain") -> None:
        """Take an address space apart."""


class IommuDomain:
    """An address space.

    Attributes
    ----------
    devices : list of Device
        Devices in it.
    """

    def __init__(self):
        self.devices: list[Device] = []

    def context(self) -> tuple[int, int, int]:
        """Words ``tc``, ``ta`` and ``fsc`` of a device context."""
        raise NotImplementedError


class BlockedDomain(IommuDomain):
    """Every access faults, as that of a device without context does."""

    def context(self) -> tuple[int, int, int]:
        """Not valid."""
        return 0, 0, 0


class IdentityDomain(IommuDomain):
    """DMA addresses are physical addresses."""

    def context(self) -> tuple[int, int, int]:
        """Make it valid, with a first stage of mode Bare."""
        return DC_TC.pack(v=1), 0, IOSATP.pack(mode=IosatpMode.BARE)


class PagingDomain(IommuDomain):
    """DMA addresses are translated by page tables.

    Parameters
    ----------
    iommu : Translator
        Which walks the tables.
    mode : IosatpMode
        Sv39, Sv48 or Sv57.
    pscid : int
        Tag of the domain's translations in the IOMMU's caches.

    Attributes
    ----------
    iovas : IovaDomain
        I/O virtual pages handed out.
    table : IoPageTable
        Page tables.
    aperture_end : int
        Highest DMA address. Only the lower half is used: addresses must be sign-extended.
    for_dma_api : bool
        Whether the mappings of devices in it are made by the DMA API, and not by hand.
    flush_queue : FlushQueue or None
        Ranges that wait to be invalidated; None: an unmap invalidates at once.
    """

    for_dma_api = False

    def __init__(self, iommu: Translator, mode: IosatpMode, pscid: int):
        super().__init__()
        self.iommu, self.mode, self.pscid = iommu, mode, pscid
        self.table = IoPageTable(iommu.kernel, _LEVELS[mode], iommu.clean)
        self.iovas = IovaDomain()
        options = iommu.kernel.options
        self.flush_queue = None if options.strict else FlushQueue(
            iommu.kernel, lambda: iommu.invalidate(pscid), self.iovas.free_fast,
            options.flush_cycles)
        self.aperture_end = DMA_BIT_MASK(PAGE_BITS + 9 * _LEVELS[mode] - 1)

    def context(self) -> tuple[int, int, int]:
        """Make it valid, with this table as first stage."""
        fsc = IOSATP.pack(mode=self.mode, ppn=self.table.root >> PAGE_BITS)
        return DC_TC.pack(v=1), DC_TA.pack(pscid=self.pscid), fsc

    def map(self, iova: int, phys: PhysAddr, size: int, prot: int) -> int:
        """Map ``size`` bytes, page aligned. 0, or a negative error number and nothing is mapped."""
        rc, done = self.table.map(iova, phys, size, prot)
        if self.table.detached:
            self.iommu.invalidate(self.pscid)
            self.table.release_detached()
        if rc and done:
            self.unmap(iova, done)
        return rc

    def unmap(self, iova: int, size: int) -> int:
        """Unmap ``size`` bytes, and see to it that no access uses them. Returns bytes unmapped."""
        done, stride = self.table.unmap(iova, size)
        if done:
            self.iommu.invalidate(self.pscid, iova, done, stride)
        return done

    def to_phys(self, iova: int) -> PhysAddr | None:
        """Physical address to which ``iova`` leads, or None."""
        return self.table.to_phys(iova)
