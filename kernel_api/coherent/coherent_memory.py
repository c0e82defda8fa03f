"""Where coherent memory comes from, and how the CPU sees it."""

from dataclasses import dataclass

from ..core.addresses import (
    PAGE_SHIFT,
    PAGE_SIZE,
    DmaAddr,
    PhysAddr,
    VirtAddr,
    get_order,
    phys_to_virt,
    uncached_virt,
)
from ..core.attrs import DMA_ATTR_FORCE_CONTIGUOUS, DMA_MAPPING_ERROR
from ..core.bug import WARN
from ..core.gfp import Gfp
from ..device.device import Device
from ..device.direct_ranges import phys_to_dma, reaches
from ..memory.pages import Page, page_to_phys, phys_to_page
from ..memory.vmalloc import vmap, vunmap

__all__ = ["CoherentMemory", "alloc_memory", "cpu_view", "free_memory"]


@dataclass(frozen=True)
class CoherentMemory:
    """Memory of a buffer.

    Parameters
    ----------
    phys, size : PhysAddr, int
        Range; of the first page only, if ``pages`` are scattered.
    dma : DmaAddr
        Where the device sees it.
    pages : list of Page or None
        Pages that are not contiguous.
    """

    phys: PhysAddr
    size: int
    dma: DmaAddr
    pages: list[Page] | None = None


def alloc_memory(dev: Device, size: int, gfp: int, attrs: int) -> CoherentMemory | None:
    """Take ``size`` bytes from the restricted pool, the atomic pool, or the page allocator."""
    kernel, ops = dev.kernel, dev.dma_ops
    blocking = bool(gfp & Gfp.RECLAIM)
    translated = ops is kernel.iommu_ops
    if dev.io_tlb_mem and dev.io_tlb_mem.for_alloc and not translated:
        return _mapped(dev, dev.io_tlb_mem.alloc(dev, size), size)
    if not dev.dma_coherent and not blocking and kernel.atomic_pool.size:
        phys = kernel.atomic_pool.alloc(size)
        WARN(phys is None and not gfp & Gfp.NOWARN,
             "Failed to get suitable pool for %s: %d bytes", dev.name, size)
        return _mapped(dev, phys, size)
    kernel.atomic_pool.refill()
    if blocking and translated and kernel.options.scattered_coherent \
            and not attrs & DMA_ATTR_FORCE_CONTIGUOUS:
        return _scattered(dev, size, gfp)
    if blocking and size > PAGE_SIZE:
        memory = _mapped(dev, kernel.contiguous.alloc(size), size)
        if memory:
            return memory
    page = ops.alloc_pages(dev, get_order(size), gfp)
    return _mapped(dev, page_to_phys(page), size) if page else None


def _mapped(dev: Device, phys: PhysAddr | None, size: int) -> CoherentMemory | None:
    """Map memory for the device; give it back if that fails."""
    if phys is None:
        return None
    direct = dev.dma_ops is not dev.kernel.iommu_ops
    if direct and not reaches(dev, dev.coherent_dma_mask, phys_to_dma(dev, phys), size):
        give_back(dev, phys, size)
        return None
    dma = dev.dma_ops.map_coherent(dev, phys, size)
    if dma == DMA_MAPPING_ERROR:
        give_back(dev, phys, size)
        return None
    return CoherentMemory(phys, size, dma)


def _scattered(dev: Device, size: int, gfp: int) -> CoherentMemory | None:
    """Take single pages, far from each other for everybody to see, and map them in a row."""
    kernel, pages = dev.kernel, []
    spare = []
    for _ in range(size >> PAGE_SHIFT):
        page, other = (dev.dma_ops.alloc_pages(dev, 0, gfp | Gfp.NOWARN) for _ in range(2))
        pages += [page] if page else []
        spare += [other] if other else []
    for page in spare:
        kernel.pages.free(page, 0)
    dma = DMA_MAPPING_ERROR
    if len(pages) == size >> PAGE_SHIFT:
        dma = dev.dma_ops.map_pages(dev, pages)
    if dma == DMA_MAPPING_ERROR:
        for page in pages:
            kernel.pages.free(page, 0)
        return None
    return CoherentMemory(page_to_phys(pages[0]), size, dma, pages)


def cpu_view(dev: Device, memory: CoherentMemory) -> VirtAddr:
    """Address for the CPU: of the linear map, or one that goes past the cache (R33)."""
    if memory.pages:
        if not dev.dma_coherent:
            for page in memory.pages:
                dev.kernel.cache.wback_inv(page_to_phys(page), PAGE_SIZE)
        return vmap(memory.pages, cached=dev.dma_coherent)
    if dev.dma_coherent:
        return phys_to_virt(memory.phys)
    dev.kernel.cache.wback_inv(memory.phys, memory.size)
    return uncached_virt(memory.phys)


def give_back(dev: Device, phys: PhysAddr, size: int) -> None:
    """Free memory that is not mapped any more, to where it came from."""
    kernel, bounce = dev.kernel, dev.io_tlb_mem
    if bounce and bounce.find(phys):
        bounce.unmap(phys)
    elif not kernel.atomic_pool.free(phys, size) and not kernel.contiguous.free(phys, size):
        kernel.pages.free(phys_to_page(phys), get_order(size))


def free_memory(dev: Device, size: int, va: VirtAddr, dma: DmaAddr) -> None:
    """Unmap a buffer, and free its memory."""
    kernel = dev.kernel
    scattered = va // PAGE_SIZE in kernel.cpu.vmap
    phys, _ = kernel.cpu.translate(va)
    dev.dma_ops.unmap_coherent(dev, DmaAddr.check(dma), size)
    if scattered:
        for page in vunmap(va):
            kernel.pages.free(page, 0)
    else:
        give_back(dev, phys, size)
