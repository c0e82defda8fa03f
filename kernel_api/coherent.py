"""Coherent buffers: CPU and device see each other's stores without any sync call.

Where DMA does not see the cache, the CPU reaches the buffer through the uncached alias.

Source: Linux ``Documentation/core-api/dma-api.rst``, part Ia; rules R24 to R37.
"""

from .addresses import DmaAddr, VirtAddr, get_order, page_align, phys_to_virt, uncached_virt
from .attrs import DMA_ATTR_NO_WARN, DMA_MAPPING_ERROR
from .bug import WARN, WARN_ON
from .cpu import Cpu
from .device import Device
from .gfp import Gfp
from .pages import page_to_phys, phys_to_page

__all__ = ["dma_alloc_attrs", "dma_alloc_coherent", "dma_free_attrs", "dma_free_coherent"]


def dma_alloc_attrs(dev: Device, size: int, gfp: int,
                    attrs: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate ``size`` bytes of zeros that CPU and device can use at once.

    Both addresses are aligned to the smallest ``PAGE_SIZE << order`` that holds ``size`` (R26).

    Returns
    -------
    tuple of VirtAddr or None, DmaAddr
        Address for the CPU and for the device; ``(None, DMA_MAPPING_ERROR)`` if there is no memory,
        no DMA address, or flags are not allowed.
    """
    failed = None, DMA_MAPPING_ERROR
    kernel, ops = dev.kernel, dev.dma_ops
    WARN_ON(not dev.coherent_dma_mask, f"{dev.name}: no coherent DMA mask")
    if WARN(gfp & Gfp.COMP, "%s: __GFP_COMP for a coherent buffer", dev.name) or size <= 0:
        return failed
    gfp &= ~(Gfp.DMA | Gfp.DMA32 | Gfp.HIGHMEM | Gfp.ZERO)
    if attrs & DMA_ATTR_NO_WARN:
        gfp |= Gfp.NOWARN
    size, order = page_align(size), get_order(size)
    page = ops.alloc_pages(dev, order, gfp)
    if page is None:
        return failed
    phys = page_to_phys(page)
    dma = ops.map_coherent(dev, phys, size)
    if dma == DMA_MAPPING_ERROR:
        kernel.pages.free(page, order)
        return failed
    if dev.dma_coherent:
        va = phys_to_virt(phys)
    else:
        kernel.cache.wback_inv(phys, size)      # no dirty line may be written back later (R33)
        va = uncached_virt(phys)
    kernel.cpu.store(va, bytes(size))
    kernel.stats.coherent_allocs += 1
    return va, dma


def dma_free_attrs(dev: Device, size: int, va: VirtAddr | None, dma: DmaAddr, attrs: int) -> None:
    """Free what :func:`dma_alloc_attrs` returned; ``va`` None is ignored. May sleep (R31)."""
    WARN_ON(dev.kernel.irq.in_atomic, f"{dev.name}: coherent buffer freed with interrupts off")
    if va is None:
        return
    phys, _ = Cpu.translate(va)
    dev.dma_ops.unmap_coherent(dev, DmaAddr.check(dma), page_align(size))
    dev.kernel.pages.free(phys_to_page(phys), get_order(size))
    dev.kernel.stats.coherent_frees += 1


def dma_alloc_coherent(dev: Device, size: int, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate ``size`` bytes of coherent memory. As :func:`dma_alloc_attrs`."""
    return dma_alloc_attrs(dev, size, gfp, 0)


def dma_free_coherent(dev: Device, size: int, va: VirtAddr | None, dma: DmaAddr) -> None:
    """Free what :func:`dma_alloc_coherent` returned. As :func:`dma_free_attrs`."""
    dma_free_attrs(dev, size, va, dma, 0)
