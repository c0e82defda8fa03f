"""Memory that the caller keeps coherent: pages, mapped for the device, cached for the CPU.

Source: Linux ``Documentation/core-api/dma-api.rst``, part II, and 2.6 ``DMA-API.txt``, part II.
"""

from ..core.addresses import DmaAddr, VirtAddr, get_order, page_align, virt_to_phys
from ..core.attrs import DMA_BIDIRECTIONAL, DMA_MAPPING_ERROR, DMA_TO_DEVICE, check_direction
from ..core.bug import WARN, WARN_ON
from ..core.deprecated import DeprecatedAPI
from ..core.errno import EINVAL
from ..core.gfp import Gfp
from ..core.tell import tell
from ..device.device import Device
from ..device.mappings import Kind, Mapping
from ..memory.buddy import Page
from ..memory.pages import page_address, page_to_phys, virt_to_page

__all__ = ["dma_alloc_noncoherent", "dma_alloc_pages", "dma_cache_sync", "dma_free_noncoherent",
           "dma_free_pages", "dma_is_consistent"]

_REFUSED = Gfp.DMA | Gfp.DMA32 | Gfp.HIGHMEM | Gfp.COMP


def dma_alloc_pages(dev: Device, size: int, direction: int,
                    gfp: int) -> tuple[Page | None, DmaAddr]:
    """Allocate contiguous pages of zeros, and map them; syncs are the caller's.

    Returns
    -------
    tuple of Page or None, DmaAddr
        First page, and what the device is to use; None if there is no memory, or a flag says where
        it should be: the mask does (R21).
    """
    failed = None, DMA_MAPPING_ERROR
    direction = check_direction(direction)
    if WARN_ON(not dev.coherent_dma_mask, f"{dev.name}: no coherent DMA mask") or WARN(
            gfp & _REFUSED, "%s: flags %#x for DMA pages", dev.name, gfp):
        return failed
    order = get_order(size)
    page = dev.dma_ops.alloc_pages(dev, order, gfp | Gfp.ZERO)
    if page is None:
        return failed
    phys = page_to_phys(page)
    if not dev.dma_coherent:
        dev.kernel.cache.wback(phys, page_align(size))
    dma = dev.dma_ops.map_coherent(dev, phys, page_align(size))
    if dma == DMA_MAPPING_ERROR:
        dev.kernel.pages.free(page, order)
        return failed
    tell(dev.kernel, "mapped", Mapping(dev, Kind.NONCOHERENT, dma, phys, size, direction,
                                       va=page_address(page), checked=True))
    return page, dma


def dma_free_pages(dev: Device, size: int, page: Page, dma: DmaAddr, direction: int) -> None:
    """Free what :func:`dma_alloc_pages` returned."""
    tell(dev.kernel, "unmapping", dev, Mapping(dev, Kind.NONCOHERENT, dma, None, size,
                                               check_direction(direction), va=page_address(page)))
    dev.dma_ops.unmap_coherent(dev, DmaAddr.check(dma), page_align(size))
    if not dev.dma_coherent:
        dev.kernel.cache.wback_inv(page_to_phys(page), page_align(size))
    dev.kernel.pages.free(page, get_order(size))
    tell(dev.kernel, "unmapped", dev, dma)


def dma_alloc_noncoherent(dev: Device, size: int, *arguments: int) -> \
        tuple[VirtAddr | None, DmaAddr]:
    """Allocate memory of which the caller keeps CPU and device in step.

    Parameters
    ----------
    dev, size : Device, int
        For whom, and how many bytes.
    arguments
        ``direction, gfp``; in profile 2.6 only ``gfp``.

    Returns
    -------
    tuple of VirtAddr or None, DmaAddr
        Both addresses; ``(None, DMA_MAPPING_ERROR)`` if there is no memory.
    """
    gfp = arguments[-1]
    direction = DMA_BIDIRECTIONAL if _old(dev, arguments, 1) else arguments[0]
    page, dma = dma_alloc_pages(dev, size, direction, gfp)
    return (page_address(page) if page else None), dma


def dma_free_noncoherent(dev: Device, size: int, va: VirtAddr, dma: DmaAddr,
                         *direction: int) -> None:
    """Free what :func:`dma_alloc_noncoherent` returned, with ``direction`` unless in 2.6."""
    old = _old(dev, direction, 0)
    dma_free_pages(dev, size, virt_to_page(va), dma, DMA_BIDIRECTIONAL if old else direction[0])


def _old(dev: Device, arguments: tuple[int, ...], old_count: int) -> bool:
    """Whether the profile is 2.6; check the number of arguments."""
    old = dev.kernel.options.profile == "2.6"
    if len(arguments) != old_count + (not old):
        raise TypeError("Direction must be given in the modern profile, and only there")
    return old


def dma_is_consistent(dev: Device, dma: DmaAddr) -> int:
    """1 if what this handle names needs no sync calls, else 0."""
    DmaAddr.check(dma)
    return int(dev.dma_coherent)


def dma_cache_sync(dev: Device, va: VirtAddr, size: int, direction: int) -> int:
    """Keep a part of noncoherent memory in step (2.6): clean, invalidate, or both (R100).

    Returns
    -------
    int
        0; ``-EINVAL`` if the range does not begin on a line: then nothing is done.

    Raises
    ------
    DeprecatedAPI
        In the modern profile: use ``dma_sync_single_for_...``.
    """
    kernel, direction = dev.kernel, check_direction(direction)
    if kernel.options.profile != "2.6":
        raise DeprecatedAPI("dma_cache_sync was removed: use dma_sync_single_for_cpu or _device")
    if dev.dma_coherent:
        return 0
    phys = virt_to_phys(va)
    if WARN(phys % kernel.platform.line_bytes, "%s: dma_cache_sync of %#x, not on a line",
            dev.name, va):
        return -EINVAL
    operation = {DMA_TO_DEVICE: kernel.cache.wback, DMA_BIDIRECTIONAL: kernel.cache.wback_inv}
    operation.get(direction, kernel.cache.inv)(phys, size)
    return 0
