"""Streaming mappings of one range: map, unmap, sync.

A mapped buffer belongs to the device. ``dma_sync_..._for_cpu`` lends it to the CPU,
``dma_sync_..._for_device`` gives it back, unmapping ends the loan for good (R64).

Source: Linux ``Documentation/core-api/dma-api.rst``, part Id; rules R51 to R74 and R91 to R102.
"""

from .addresses import PAGE_SHIFT, DmaAddr, PhysAddr, is_vmalloc_addr, offset_in_page
from .attrs import DMA_ATTR_MMIO, DMA_MAPPING_ERROR, check_direction
from .bug import WARN, WARN_ON
from .device import Device
from .dma_ops import sync_for_cpu, sync_for_device
from .errno import ENOMEM
from .pages import Page, page_to_phys, pfn_valid, virt_to_page

__all__ = ["dma_dev_need_sync", "dma_map_page", "dma_map_page_attrs", "dma_map_phys",
           "dma_map_resource", "dma_map_single", "dma_map_single_attrs", "dma_mapping_error",
           "dma_need_sync", "dma_sync_single_for_cpu", "dma_sync_single_for_device",
           "dma_sync_single_range_for_cpu", "dma_sync_single_range_for_device", "dma_unmap_page",
           "dma_unmap_page_attrs", "dma_unmap_phys", "dma_unmap_resource", "dma_unmap_single",
           "dma_unmap_single_attrs"]


def dma_map_phys(dev: Device, phys: PhysAddr, size: int, direction: int, attrs: int = 0) -> DmaAddr:
    """Map ``size`` bytes at a physical address; all other map functions come here.

    Returns
    -------
    DmaAddr
        What the device is to use, or ``DMA_MAPPING_ERROR``: ask :func:`dma_mapping_error`.

    Raises
    ------
    KernelBug
        If ``direction`` is ``DMA_NONE`` or no direction (R57).
    """
    direction = check_direction(direction)
    PhysAddr.check(phys)
    if WARN_ON(dev.dma_mask is None, f"{dev.name}: mapping for a device without DMA mask"):
        return DMA_MAPPING_ERROR
    dma = dev.dma_ops.map_phys(dev, phys, size, direction, attrs)
    if dma != DMA_MAPPING_ERROR:
        dev.kernel.stats.maps += 1
    return dma


def dma_unmap_phys(dev: Device, dma: DmaAddr, size: int, direction: int, attrs: int = 0) -> None:
    """Undo :func:`dma_map_phys`; give the same size, direction and attributes (R61)."""
    direction = check_direction(direction)
    dev.dma_ops.unmap_phys(dev, DmaAddr.check(dma), size, direction, attrs)
    dev.kernel.stats.unmaps += 1


def dma_map_page_attrs(dev: Device, page: Page, offset: int, size: int, direction: int,
                       attrs: int) -> DmaAddr:
    """Map ``size`` bytes, ``offset`` bytes into a page. As :func:`dma_map_phys`."""
    if WARN(attrs & DMA_ATTR_MMIO, "%s: DMA_ATTR_MMIO for a page of memory", dev.name):
        return DMA_MAPPING_ERROR
    return dma_map_phys(dev, page_to_phys(page) + offset, size, direction, attrs)


def dma_unmap_page_attrs(dev: Device, dma: DmaAddr, size: int, direction: int, attrs: int) -> None:
    """Undo :func:`dma_map_page_attrs`."""
    dma_unmap_phys(dev, dma, size, direction, attrs)


def dma_map_page(dev: Device, page: Page, offset: int, size: int, direction: int) -> DmaAddr:
    """Map ``size`` bytes, ``offset`` bytes into a page. As :func:`dma_map_phys`."""
    return dma_map_page_attrs(dev, page, offset, size, direction, 0)


def dma_unmap_page(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Undo :func:`dma_map_page`."""
    dma_unmap_page_attrs(dev, dma, size, direction, 0)


def dma_map_single_attrs(dev: Device, ptr: int, size: int, direction: int, attrs: int) -> DmaAddr:
    """Map ``size`` bytes at a linear address (kmalloc, pages). As :func:`dma_map_phys`.

    An address outside the linear map, such as a coherent buffer's, is refused with a warning (R3).
    """
    if WARN(is_vmalloc_addr(ptr), "%s: rejecting DMA map of vmalloc memory", dev.name):
        return DMA_MAPPING_ERROR
    return dma_map_page_attrs(dev, virt_to_page(ptr), offset_in_page(ptr), size, direction, attrs)


def dma_unmap_single_attrs(dev: Device, dma: DmaAddr, size: int, direction: int,
                           attrs: int) -> None:
    """Undo :func:`dma_map_single_attrs`."""
    dma_unmap_page_attrs(dev, dma, size, direction, attrs)


def dma_map_single(dev: Device, ptr: int, size: int, direction: int) -> DmaAddr:
    """Map ``size`` bytes at a linear address. As :func:`dma_map_single_attrs`."""
    return dma_map_single_attrs(dev, ptr, size, direction, 0)


def dma_unmap_single(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Undo :func:`dma_map_single`."""
    dma_unmap_single_attrs(dev, dma, size, direction, 0)


def dma_map_resource(dev: Device, phys: PhysAddr, size: int, direction: int,
                     attrs: int) -> DmaAddr:
    """Map registers of another device; memory is refused with a warning (R71)."""
    if WARN(pfn_valid(PhysAddr.check(phys) >> PAGE_SHIFT), "%s: dma_map_resource of memory",
            dev.name):
        return DMA_MAPPING_ERROR
    return dma_map_phys(dev, phys, size, direction, attrs | DMA_ATTR_MMIO)


def dma_unmap_resource(dev: Device, dma: DmaAddr, size: int, direction: int, attrs: int) -> None:
    """Undo :func:`dma_map_resource`."""
    dma_unmap_phys(dev, dma, size, direction, attrs | DMA_ATTR_MMIO)


def dma_mapping_error(dev: Device, dma: DmaAddr) -> int:
    """``-ENOMEM`` if a map function failed, else 0. A handle of 0 is no failure (R52)."""
    return -ENOMEM if DmaAddr.check(dma) == DMA_MAPPING_ERROR else 0


def dma_need_sync(dev: Device, dma: DmaAddr) -> bool:
    """Whether sync calls for this handle do anything."""
    return not dev.dma_coherent


def dma_dev_need_sync(dev: Device) -> bool:
    """Whether sync calls for this device do anything."""
    return not dev.dma_coherent


def dma_sync_single_for_cpu(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Let the CPU read what the device wrote. The range may be a part of what was mapped."""
    direction = check_direction(direction)
    phys = dev.dma_ops.to_phys(dev, DmaAddr.check(dma))
    if phys is not None:
        sync_for_cpu(dev, phys, size, direction)


def dma_sync_single_for_device(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Let the device read what the CPU wrote. The range may be a part of what was mapped."""
    direction = check_direction(direction)
    phys = dev.dma_ops.to_phys(dev, DmaAddr.check(dma))
    if phys is not None:
        sync_for_device(dev, phys, size, direction)


def dma_sync_single_range_for_cpu(dev: Device, dma: DmaAddr, offset: int, size: int,
                                  direction: int) -> None:
    """Let the CPU read ``size`` bytes, ``offset`` bytes into the mapping."""
    dma_sync_single_for_cpu(dev, DmaAddr.check(dma) + offset, size, direction)


def dma_sync_single_range_for_device(dev: Device, dma: DmaAddr, offset: int, size: int,
                                     direction: int) -> None:
    """Let the device read ``size`` bytes, ``offset`` bytes into the mapping."""
    dma_sync_single_for_device(dev, DmaAddr.check(dma) + offset, size, direction)
