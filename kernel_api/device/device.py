"""Devices that do DMA: ``struct device``, as far as DMA goes; and what higher layers give them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.addresses import DmaAddr, PhysAddr
from ..core.attrs import DMA_BIT_MASK, Dir
from ..core.current import current_kernel
from ..core.errno import EINVAL
from ..core.kernel import Kernel
from ..core.tell import tell
from ..memory.buddy import Page
from ..memory.declared import DeclaredMemory
from ..sg.scatterlist import Scatterlist

__all__ = ["AddressSpace", "BounceMemory", "DevRes", "Device", "DmaOps", "DmaParms",
           "dev_is_dma_coherent", "dev_name", "device_register", "device_unregister"]


@dataclass
class DmaParms:
    """What the device's scatter-gather unit can take.

    Parameters
    ----------
    max_segment_size : int
        Longest segment, in bytes.
    segment_boundary_mask : int
        A segment lies within one block of ``mask + 1`` bytes.
    min_align_mask : int
        Low bits of addresses that mapping must keep.
    """

    max_segment_size: int = 65536
    segment_boundary_mask: int = DMA_BIT_MASK(64)
    min_align_mask: int = 0


@dataclass(frozen=True)
class DevRes:
    """Something to free.

    Parameters
    ----------
    key : object
        What it is known by.
    release : callable
        Frees it.
    """

    key: object
    release: Callable[[], None]


class DmaOps(Protocol):
    """Mappings of one kind: direct, or through an IOMMU. Sizes are in bytes."""

    def map_phys(self, dev: "Device", phys: PhysAddr, size: int, direction: Dir,
                 attrs: int) -> DmaAddr:
        """Map a contiguous range. Returns ``DMA_MAPPING_ERROR`` if it cannot be."""

    def unmap_phys(self, dev: "Device", dma: DmaAddr, size: int, direction: Dir,
                   attrs: int) -> None:
        """Undo :meth:`map_phys`."""

    def map_sg(self, dev: "Device", entries: list[Scatterlist], direction: Dir,
               attrs: int) -> int:
        """Map a list; sets its DMA fields. Returns DMA segments, or a negative error number."""

    def unmap_sg(self, dev: "Device", entries: list[Scatterlist], direction: Dir,
                 attrs: int) -> None:
        """Undo :meth:`map_sg`."""

    def to_phys(self, dev: "Device", dma: DmaAddr) -> PhysAddr | None:
        """Where a DMA address leads, or None if nowhere."""

    def alloc_pages(self, dev: "Device", order: int, gfp: int) -> Page | None:
        """Allocate pages that a coherent buffer of the device can use."""

    def map_coherent(self, dev: "Device", phys: PhysAddr, size: int) -> DmaAddr:
        """Map a coherent buffer, for both directions. ``DMA_MAPPING_ERROR`` if it cannot be."""

    def unmap_coherent(self, dev: "Device", dma: DmaAddr, size: int) -> None:
        """Undo :meth:`map_coherent`."""

    def supported(self, dev: "Device", mask: int) -> bool:
        """Whether a device with this mask can be served."""

    def required_mask(self, dev: "Device") -> int:
        """Smallest mask of all ones that reaches everything."""

    def max_mapping_size(self, dev: "Device") -> int:
        """Longest mapping."""

    def opt_mapping_size(self, dev: "Device") -> int:
        """Longest mapping that costs no more than shorter ones."""

    def merge_boundary(self, dev: "Device") -> int:
        """Granule less 1 if scattered pages can be joined, else 0."""


class BounceMemory(Protocol):
    """Memory that stands in for what a device cannot reach."""

    force: bool
    for_alloc: bool

    def find(self, phys: PhysAddr) -> object | None:
        """Find the mapping to which an address belongs."""

    def map(self, dev: "Device", phys: PhysAddr, size: int, attrs: int,
            alloc_mask: int = 0) -> PhysAddr | None:
        """Copy a range there. Returns where, or None if there is no room."""

    def unmap(self, addr: PhysAddr) -> None:
        """Give the room back."""

    def sync_for_device(self, addr: PhysAddr, size: int, direction: Dir) -> None:
        """Copy there, unless the device only writes."""

    def sync_for_cpu(self, addr: PhysAddr, size: int, direction: Dir) -> None:
        """Copy back, unless the device only reads."""

    def alloc(self, dev: "Device", size: int) -> PhysAddr | None:
        """Take memory for a coherent buffer, or None."""


class AddressSpace(Protocol):
    """What an IOMMU gives a device."""

    devices: "list[Device]"
    for_dma_api: bool


class Device:
    """A device of the current kernel. It is known to the IOMMU after :func:`device_register`.

    Parameters
    ----------
    name : str
        For messages.
    device_id : int
        Identity with which its accesses reach the IOMMU.
    dma_mask, coherent_dma_mask : int or None
        Addresses that it can reach; 32 bits each, as bus code sets them up (R9). None: no DMA.
    dma_coherent : bool or None
        Whether it sees the CPU's cache; as the platform says by default.
    bus_dma_limit : int
        Highest address that the bus before it can carry; 0 if there is no such limit.
    is_pci : bool
        Whether it is on PCI: then addresses below 4 GiB are tried first although the mask is wider.
    untrusted : bool
        Whether it must not see a byte beside its buffers: parts of pages are bounced, and unmaps
        are strict.
    parent : Device or None
        Whose declared memory it may share.

    Attributes
    ----------
    dma_parms : DmaParms or None
        Limits of its scatter-gather unit.
    dma_ops : DmaOps
        How its mappings are made: directly, or through the IOMMU.
    iommu_domain : AddressSpace or None
        Address space that the IOMMU gives it.
    try_32bit_first : bool
        Whether short addresses are still tried first; they are not once they ran out.
    io_tlb_mem : BounceMemory or None
        Bounce memory: the kernel's, or its own.
    dma_skip_sync : bool
        Whether syncs do nothing: it sees the cache, and nothing of it was bounced yet (R74).
    guard_buffers : bool
        Whether buffers that it writes are kept out of the cache while it owns them, as far as the
        cache has guard windows, instead of being invalidated afterwards. Off.
    dma_range_map : list of (PhysAddr, int, int)
        Ranges that it sees elsewhere: physical address, bus address, bytes. Empty: all memory, less
        the offset of the platform.
    dma_mem : DeclaredMemory or None
        Memory that was declared for it.
    devres : list of DevRes
        What is freed when it goes away.
    """

    def __init__(self, name: str, device_id: int = 0, *,
                 dma_mask: int | None = DMA_BIT_MASK(32),
                 coherent_dma_mask: int = DMA_BIT_MASK(32), dma_coherent: bool | None = None,
                 bus_dma_limit: int = 0, is_pci: bool = False, untrusted: bool = False,
                 parent: "Device | None" = None):
        if not 0 <= device_id < 1 << 24:
            raise ValueError(f"Device ID must fit in 24 bits, not {device_id!r}")
        self.kernel: Kernel = current_kernel()
        self.name, self.device_id = name, device_id
        self.dma_mask, self.coherent_dma_mask = dma_mask, coherent_dma_mask
        self.dma_parms: DmaParms | None = DmaParms()
        self.dma_coherent = self.kernel.platform.coherent if dma_coherent is None else dma_coherent
        self.bus_dma_limit = bus_dma_limit
        self.try_32bit_first = is_pci and not self.kernel.options.forcedac
        self.untrusted, self.parent, self.is_pci = untrusted, parent, is_pci
        self.io_tlb_mem: BounceMemory | None = self.kernel.swiotlb
        self.dma_skip_sync = self.dma_coherent
        self.guard_buffers = False
        self.dma_range_map: list[tuple[PhysAddr, int, int]] = []
        self.dma_mem: DeclaredMemory | None = None
        self.devres: list[DevRes] = []
        self.dma_ops: DmaOps = self.kernel.direct_ops
        self.iommu_domain: AddressSpace | None = None

    @property
    def min_align_mask(self) -> int:
        """Low bits of addresses that mapping must keep."""
        return self.dma_parms.min_align_mask if self.dma_parms else 0

    @property
    def dma_offset(self) -> int:
        """Physical address less bus address, where one number says it."""
        return 0 if self.dma_range_map else self.kernel.platform.dma_offset

    @property
    def dma(self) -> Any:
        """The API with context managers and exceptions: a ``pythonic.device.DeviceDma``."""
        return self.kernel.pythonic(self)

    def __repr__(self):
        return f"Device({self.name!r}, {self.device_id:#x})"


def dev_name(dev: Device) -> str:
    """Name of a device."""
    return dev.name


def dev_is_dma_coherent(dev: Device) -> bool:
    """Whether the device sees the CPU's cache."""
    return dev.dma_coherent


def device_register(dev: Device) -> int:
    """Make a device known, and give it an address space of its own in the IOMMU.

    Returns
    -------
    int
        0; ``-EINVAL`` if it is registered or another device has its ID; the error of the IOMMU.
    """
    kernel = dev.kernel
    if any(other.device_id == dev.device_id for other in kernel.devices):
        return -EINVAL
    rc = kernel.iommu.probe_device(dev) if kernel.iommu else 0
    if rc == 0:
        kernel.devices.append(dev)
    return rc


def device_unregister(dev: Device) -> None:
    """Forget a device; the IOMMU refuses its accesses from now on."""
    kernel = dev.kernel
    for item in reversed(dev.devres):
        item.release()
    dev.devres.clear()
    tell(kernel, "unbind", dev)
    if dev in kernel.devices:
        kernel.devices.remove(dev)
        if kernel.iommu:
            kernel.iommu.release_device(dev)
