"""Streaming mappings of one range: map and unmap.

A mapped buffer belongs to the device. ``dma_sync_..._for_cpu`` lends it to the CPU,
``dma_sync_..._for_device`` gives it back, unmapping ends the loan for good (R64).

Source: Linux ``Documentation/core-api/dma-api.rst``, part Id; rules R51 to R74.
"""

from ..core.addresses import PAGE_SHIFT, DmaAddr, PhysAddr, is_vmalloc_addr, offset_in_page
from ..core.attrs import DMA_ATTR_MMIO, DMA_MAPPING_ERROR, check_direction
from ..core.bug import WARN, WARN_ON
from ..core.current import current_kernel
from ..core.dma_attrs import DmaAttrs, attr_mask
from ..core.errno import ENOMEM
from ..core.tell import tell
from ..device.device import Device
from ..device.mappings import Kind, Mapping
from ..memory.pages import Page, page_to_phys, pfn_valid, virt_to_page
from ..ops.swiotlb import is_swiotlb_buffer

__all__ = ["dma_map_page", "dma_map_page_attrs", "dma_map_phys", "dma_map_resource",
           "dma_map_single", "dma_map_single_attrs", "dma_mapping_error", "dma_unmap_page",
           "dma_unmap_page_attrs", "dma_unmap_phys", "dma_unmap_resource", "dma_unmap_single",
           "dma_unmap_single_attrs"]


def dma_map_phys(dev: Device, phys: PhysAddr, size: int, direction: int,
                 attrs: DmaAttrs | int | None = 0) -> DmaAddr:
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
    direction, attrs = check_direction(direction), attr_mask(attrs)
    PhysAddr.check(phys)
    if WARN_ON(dev.dma_mask is None, f"{dev.name}: mapping for a device without DMA mask"):
        return DMA_MAPPING_ERROR
    dma = dev.dma_ops.map_phys(dev, phys, size, direction, attrs)
    if dma == DMA_MAPPING_ERROR:
        tell(dev.kernel, "failed", dev, "map")
        return dma
    dev.kernel.stats.maps += 1
    if dev.kernel.checkers:
        used = dev.dma_ops.to_phys(dev, dma)
        bounced = used if used is not None and is_swiotlb_buffer(dev, used) else None
        tell(dev.kernel, "mapped", Mapping(dev, Kind.PHYS, dma, phys, size, direction, attrs,
                                           bounced=bounced))
    return dma


def dma_unmap_phys(dev: Device, dma: DmaAddr, size: int, direction: int,
                   attrs: DmaAttrs | int | None = 0) -> None:
    """Undo :func:`dma_map_phys`; give the same size, direction and attributes (R61)."""
    direction, attrs = check_direction(direction), attr_mask(attrs)
    tell(dev.kernel, "unmapping", dev,
         Mapping(dev, Kind.PHYS, DmaAddr.check(dma), None, size, direction, attrs))
    dev.dma_ops.unmap_phys(dev, DmaAddr.check(dma), size, direction, attrs)
    dev.kernel.stats.unmaps += 1
    tell(dev.kernel, "unmapped", dev, dma)


def dma_map_page_attrs(dev: Device, page: Page, offset: int, size: int, direction: int,
                       attrs: DmaAttrs | int | None) -> DmaAddr:
    """Map ``size`` bytes, ``offset`` bytes into a page. As :func:`dma_map_phys`."""
    if WARN(attr_mask(attrs) & DMA_ATTR_MMIO, "%s: DMA_ATTR_MMIO for a page of memory", dev.name):
        return DMA_MAPPING_ERROR
    tell(dev.kernel, "before_map_page", dev, page, size)
    return dma_map_phys(dev, page_to_phys(page) + offset, size, direction, attrs)


def dma_unmap_page_attrs(dev: Device, dma: DmaAddr, size: int, direction: int,
                         attrs: DmaAttrs | int | None) -> None:
    """Undo :func:`dma_map_page_attrs`."""
    dma_unmap_phys(dev, dma, size, direction, attrs)


def dma_map_page(dev: Device, page: Page, offset: int, size: int, direction: int) -> DmaAddr:
    """Map ``size`` bytes, ``offset`` bytes into a page. As :func:`dma_map_phys`."""
    return dma_map_page_attrs(dev, page, offset, size, direction, 0)


def dma_unmap_page(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Undo :func:`dma_map_page`."""
    dma_unmap_page_attrs(dev, dma, size, direction, 0)


def dma_map_single_attrs(dev: Device, ptr: int, size: int, direction: int,
                         attrs: DmaAttrs | int | None) -> DmaAddr:
    """Map ``size`` bytes at a linear address (kmalloc, pages). As :func:`dma_map_phys`.

    An address outside the linear map, such as a coherent buffer's, is refused with a warning (R3).
    """
    tell(dev.kernel, "before_map_single", dev, ptr, size)
    if WARN(is_vmalloc_addr(ptr), "%s: rejecting DMA map of vmalloc memory", dev.name):
        tell(dev.kernel, "failed", dev, "map")
        return DMA_MAPPING_ERROR
    return dma_map_page_attrs(dev, virt_to_page(ptr), offset_in_page(ptr), size, direction, attrs)


def dma_unmap_single_attrs(dev: Device, dma: DmaAddr, size: int, direction: int,
                           attrs: DmaAttrs | int | None) -> None:
    """Undo :func:`dma_map_single_attrs`."""
    dma_unmap_page_attrs(dev, dma, size, direction, attrs)


def dma_map_single(dev: Device, ptr: int, size: int, direction: int) -> DmaAddr:
    """Map ``size`` bytes at a linear address. As :func:`dma_map_single_attrs`."""
    return dma_map_single_attrs(dev, ptr, size, direction, 0)


def dma_unmap_single(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Undo :func:`dma_map_single`."""
    dma_unmap_single_attrs(dev, dma, size, direction, 0)


def dma_map_resource(dev: Device, phys: PhysAddr, size: int, direction: int,
                     attrs: DmaAttrs | int | None) -> DmaAddr:
    """Map registers of another device; memory is refused with a warning (R71)."""
    if WARN(pfn_valid(PhysAddr.check(phys) >> PAGE_SHIFT), "%s: dma_map_resource of memory",
            dev.name):
        return DMA_MAPPING_ERROR
    return dma_map_phys(dev, phys, size, direction, attr_mask(attrs) | DMA_ATTR_MMIO)


def dma_unmap_resource(dev: Device, dma: DmaAddr, size: int, direction: int,
                       attrs: DmaAttrs | int | None) -> None:
    """Undo :func:`dma_map_resource`."""
    dma_unmap_phys(dev, dma, size, direction, attr_mask(attrs) | DMA_ATTR_MMIO)


def dma_mapping_error(dev: Device | DmaAddr, dma: DmaAddr | None = None) -> int:
    """``-ENOMEM`` if a map function failed, else 0. A handle of 0 is no failure (R52).

    In the 2.6 profile it may be called with the handle alone, as before July 2008.

    Raises
    ------
    TypeError
        If there is no device, in the modern profile.
    """
    if dma is None and current_kernel().options.profile == "2.6":
        dev, dma = None, dev
    if dma is None:
        raise TypeError("Arguments of dma_mapping_error must be a device and a handle")
    tell(dev.kernel if dev else current_kernel(), "mapping_error", dev, DmaAddr.check(dma))
    return -ENOMEM if dma == DMA_MAPPING_ERROR else 0
