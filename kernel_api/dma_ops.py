"""What each way of mapping provides, and the cache maintenance that both need."""

from typing import TYPE_CHECKING, Protocol

from .addresses import DmaAddr, PhysAddr
from .attrs import DMA_TO_DEVICE, Dir
from .buddy import Page

if TYPE_CHECKING:
    from .device import Device
    from .scatterlist import Scatterlist

__all__ = ["DmaOps", "clean_for_device", "sync_for_cpu", "sync_for_device"]


class DmaOps(Protocol):
    """Mappings of one kind: direct, or through an IOMMU. Sizes are in bytes."""

    def map_phys(self, dev: "Device", phys: PhysAddr, size: int, direction: Dir,
                 attrs: int) -> DmaAddr:
        """Map a contiguous range. Returns ``DMA_MAPPING_ERROR`` if it cannot be."""

    def unmap_phys(self, dev: "Device", dma: DmaAddr, size: int, direction: Dir,
                   attrs: int) -> None:
        """Undo :meth:`map_phys`."""

    def map_sg(self, dev: "Device", entries: list["Scatterlist"], direction: Dir,
               attrs: int) -> int:
        """Map a list; sets its DMA fields. Returns DMA segments, or a negative error number."""

    def unmap_sg(self, dev: "Device", entries: list["Scatterlist"], direction: Dir,
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


def clean_for_device(dev: "Device", phys: PhysAddr, size: int, direction: Dir) -> None:
    """Let memory have what the CPU stored; keep the range out of the cache if that is wanted."""
    cache = dev.kernel.cache
    if not (dev.guard_buffers and direction != DMA_TO_DEVICE and cache.guard(phys, size)):
        cache.wback(phys, size)


def sync_for_device(dev: "Device", phys: PhysAddr, size: int, direction: Dir) -> None:
    """Let the device see what the CPU stored: bounce, then clean, whatever the direction (R91).

    ``phys`` is what the device uses: bounce memory, if the mapping is bounced (R70).
    """
    bounce = dev.io_tlb_mem
    if bounce and bounce.find(phys):
        bounce.sync_for_device(phys, size, direction)
    if not dev.dma_coherent:
        clean_for_device(dev, phys, size, direction)


def sync_for_cpu(dev: "Device", phys: PhysAddr, size: int, direction: Dir) -> None:
    """Let the CPU see what the device stored: invalidate, unless it only read (R92), then bounce.

    ``phys`` as for :func:`sync_for_device`.
    """
    cache = dev.kernel.cache
    if (not dev.dma_coherent and direction != DMA_TO_DEVICE
            and not (dev.guard_buffers and cache.unguard(phys, size))):
        cache.inv(phys, size)
    bounce = dev.io_tlb_mem
    if bounce and bounce.find(phys):
        cache.fence()
        bounce.sync_for_cpu(phys, size, direction)
