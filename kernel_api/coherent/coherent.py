"""Coherent buffers: CPU and device see each other's stores without any sync call.

Where DMA does not see the cache, the CPU reaches the buffer through the uncached alias.

Source: Linux ``Documentation/core-api/dma-api.rst``, part Ia; rules R24 to R37.
"""

from ..core.addresses import PAGE_SIZE, DmaAddr, VirtAddr, page_align
from ..core.attrs import (
    DMA_ATTR_NO_KERNEL_MAPPING,
    DMA_ATTR_NO_WARN,
    DMA_ATTR_WRITE_COMBINE,
    DMA_MAPPING_ERROR,
)
from ..core.bug import WARN, WARN_ON
from ..core.dma_attrs import DmaAttrs, attr_mask
from ..core.gfp import GFP_ATOMIC, Gfp
from ..core.tell import tell
from ..device.device import Device
from ..device.mappings import Kind, Mapping
from .coherent_memory import alloc_memory, cpu_view, free_memory
from .declared import alloc_declared, free_declared

__all__ = ["dma_alloc_attrs", "dma_alloc_coherent", "dma_alloc_wc", "dma_alloc_writecombine",
           "dma_free_attrs", "dma_free_coherent", "dma_free_wc", "dma_free_writecombine",
           "dma_zalloc_coherent", "pci_alloc_consistent", "pci_free_consistent",
           "pci_zalloc_consistent"]


def dma_alloc_attrs(dev: Device, size: int, gfp: int,
                    attrs: DmaAttrs | int | None) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate ``size`` bytes of zeros that CPU and device can use at once.

    Both addresses are aligned to the smallest ``PAGE_SIZE << order`` that holds ``size`` (R26). In
    profile 2.6 the contents are what they are.

    Returns
    -------
    tuple of VirtAddr or None, DmaAddr
        Address for the CPU and for the device; ``(None, DMA_MAPPING_ERROR)`` if there is no memory,
        no DMA address, or flags are not allowed.
    """
    failed, attrs, kernel = (None, DMA_MAPPING_ERROR), attr_mask(attrs), dev.kernel
    WARN_ON(not dev.coherent_dma_mask, f"{dev.name}: no coherent DMA mask")
    if WARN(gfp & Gfp.COMP, "%s: __GFP_COMP for a coherent buffer", dev.name) or size <= 0:
        return failed
    zero = gfp & Gfp.ZERO or kernel.options.profile == "modern"
    gfp &= ~(Gfp.DMA | Gfp.DMA32 | Gfp.HIGHMEM | Gfp.ZERO)
    if attrs & DMA_ATTR_NO_WARN:
        gfp |= Gfp.NOWARN
    answered, va, dma = alloc_declared(dev, size)
    if not answered:
        memory = alloc_memory(dev, page_align(size), gfp, attrs)
        if memory is None:
            return failed
        dma = memory.dma
        va = cpu_view(dev, memory)
        if zero:
            with kernel.unwatched():
                kernel.cpu.store(va, bytes(page_align(size)))
        if attrs & DMA_ATTR_NO_KERNEL_MAPPING:
            for page in range(page_align(size) // PAGE_SIZE):
                kernel.cpu.cookies[va // PAGE_SIZE + page] = "cookie of a buffer without mapping"
    if va is None:
        return failed
    kernel.stats.coherent_allocs += 1
    if kernel.checkers:
        phys = None if answered else kernel.cpu.behind(va)
        tell(kernel, "mapped", Mapping(dev, Kind.COHERENT, dma, phys, size, attrs=attrs, va=va,
                                       checked=True))
    return va, dma


def dma_free_attrs(dev: Device, size: int, va: VirtAddr | None, dma: DmaAddr,
                   attrs: DmaAttrs | int | None) -> None:
    """Free what :func:`dma_alloc_attrs` returned; ``va`` None is ignored. May sleep (R31)."""
    kernel = dev.kernel
    if WARN_ON(kernel.irq.in_atomic, f"{dev.name}: coherent buffer freed with interrupts off"):
        tell(kernel, "cannot_sleep", "dma_free_coherent")
    if va is None:
        return
    tell(kernel, "unmapping", dev, Mapping(dev, Kind.COHERENT, DmaAddr.check(dma), None, size,
                                           attrs=attr_mask(attrs), va=va))
    kernel.stats.coherent_frees += 1
    for page in range(page_align(size) // PAGE_SIZE):
        kernel.cpu.cookies.pop(va // PAGE_SIZE + page, None)
    if not free_declared(dev, size, va):
        free_memory(dev, page_align(size), va, dma)
    tell(kernel, "unmapped", dev, dma)


def dma_alloc_coherent(dev: Device, size: int, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate ``size`` bytes of coherent memory. As :func:`dma_alloc_attrs`."""
    return dma_alloc_attrs(dev, size, gfp, DMA_ATTR_NO_WARN if gfp & Gfp.NOWARN else 0)


def dma_free_coherent(dev: Device, size: int, va: VirtAddr | None, dma: DmaAddr) -> None:
    """Free what :func:`dma_alloc_coherent` returned. As :func:`dma_free_attrs`."""
    dma_free_attrs(dev, size, va, dma, 0)


def dma_zalloc_coherent(dev: Device, size: int, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate zeros, in either profile."""
    return dma_alloc_coherent(dev, size, gfp | Gfp.ZERO)


def dma_alloc_wc(dev: Device, size: int, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate memory in which stores may be merged."""
    return dma_alloc_attrs(dev, size, gfp, DMA_ATTR_WRITE_COMBINE
                           | (DMA_ATTR_NO_WARN if gfp & Gfp.NOWARN else 0))


def dma_free_wc(dev: Device, size: int, va: VirtAddr | None, dma: DmaAddr) -> None:
    """Free what :func:`dma_alloc_wc` returned."""
    dma_free_attrs(dev, size, va, dma, DMA_ATTR_WRITE_COMBINE)


dma_alloc_writecombine, dma_free_writecombine = dma_alloc_wc, dma_free_wc


def pci_alloc_consistent(pdev: Device, size: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate coherent memory in any context: always atomic (R30)."""
    return dma_alloc_coherent(pdev, size, GFP_ATOMIC)


def pci_zalloc_consistent(pdev: Device, size: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate zeros in any context."""
    return dma_zalloc_coherent(pdev, size, GFP_ATOMIC)


pci_free_consistent = dma_free_coherent
