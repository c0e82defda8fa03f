"""Mapping through an IOMMU: every mapping gets I/O virtual pages of its own.

Invalidation is strict: when an unmap call returns, the device no longer reaches the memory (R128).
Or it is deferred: then translations may live on in the IOMMU's caches until the queue is flushed,
and the I/O virtual addresses are held back so long (R129).

Source: Linux ``drivers/iommu/dma-iommu.c`` (behaviour), sections 4.2 and 4.3 of the DMA API study.
"""


from ..core.addresses import PAGE_SIZE, DmaAddr, PhysAddr, offset_in_page, page_align
from ..core.attrs import (
    DMA_ATTR_MMIO,
    DMA_ATTR_REQUIRE_COHERENT,
    DMA_ATTR_SKIP_CPU_SYNC,
    DMA_BIDIRECTIONAL,
    DMA_BIT_MASK,
    DMA_FROM_DEVICE,
    DMA_MAPPING_ERROR,
    DMA_TO_DEVICE,
    SIZE_MAX,
    Dir,
)
from ..core.bug import WARN, WARN_ON
from ..core.errno import EIO, ENOMEM, EOPNOTSUPP, EREMOTEIO
from ..core.kernel import Kernel
from ..device.device import Device
from ..device.masks import dma_get_mask, dma_get_max_seg_size, dma_get_seg_boundary
from ..iommu.domain import PagingDomain
from ..iommu.page_table import IOMMU_READ, IOMMU_WRITE
from ..memory.buddy import Page
from ..memory.pages import alloc_pages
from ..sg.scatterlist import Scatterlist
from .maintenance import clean_for_device, sync_for_cpu, sync_for_device
from .p2p import P2pPage
from .sg_merge import join_segments, layout_spans
from .swiotlb import dma_kmalloc_needs_bounce, is_swiotlb_buffer, swiotlb_max_mapping_size

__all__ = ["PROT", "IommuOps"]

#: What the device may do (R59).
PROT = {DMA_TO_DEVICE: IOMMU_READ, DMA_FROM_DEVICE: IOMMU_WRITE,
         DMA_BIDIRECTIONAL: IOMMU_READ | IOMMU_WRITE}
#: The longest range that is recycled without a search.
_OPTIMUM = 32 * PAGE_SIZE


class IommuOps:
    """See :class:`kernel_api.device.device.DmaOps`."""

    def __init__(self, kernel: Kernel):
        self._kernel = kernel

    @staticmethod
    def _domain(dev: Device) -> PagingDomain:
        return dev.iommu_domain

    # I/O virtual addresses

    def alloc_iova(self, dev: Device, size: int, mask: int) -> int | None:
        """Address of ``size`` free bytes within ``mask``, or None."""
        domain = self._domain(dev)
        if domain.flush_queue is not None:
            domain.flush_queue.expire()
        limit = min(mask, dev.bus_dma_limit or mask, domain.aperture_end)
        pages, low = size // PAGE_SIZE, DMA_BIT_MASK(32)
        pfn, recycled = None, False
        if dev.try_32bit_first and limit > low:
            pfn, recycled = domain.iovas.alloc_fast(pages, low // PAGE_SIZE, flush=False)
            dev.try_32bit_first = pfn is not None
        if pfn is None:
            pfn, recycled = domain.iovas.alloc_fast(pages, limit // PAGE_SIZE, flush=True)
        if pfn is None and domain.flush_queue is not None:
            domain.flush_queue.flush()
            pfn, recycled = domain.iovas.alloc_fast(pages, limit // PAGE_SIZE, flush=True)
        if pfn is None:
            return None
        self._kernel.stats.iova_allocs += 1
        self._kernel.stats.iova_cached += recycled
        return pfn * PAGE_SIZE

    def free_iova(self, dev: Device, iova: int, size: int) -> None:
        """Give I/O virtual addresses back."""
        self._domain(dev).iovas.free_fast(iova // PAGE_SIZE, size // PAGE_SIZE)

    def _map(self, dev: Device, phys: PhysAddr, size: int, prot: int, mask: int) -> DmaAddr:
        offset = offset_in_page(phys)
        size = page_align(size + offset)
        iova = self.alloc_iova(dev, size, mask)
        if iova is None:
            return DMA_MAPPING_ERROR
        if self._domain(dev).map(iova, phys - offset, size, prot):
            self.free_iova(dev, iova, size)
            return DMA_MAPPING_ERROR
        return DmaAddr(iova + offset)

    def _unmap(self, dev: Device, dma: DmaAddr, size: int) -> None:
        """Clear, invalidate, and only then let the addresses be used again."""
        offset = offset_in_page(dma)
        iova, size = int(dma) - offset, page_align(size + offset)
        domain = self._domain(dev)
        queue = None if dev.untrusted else domain.flush_queue
        deferred = queue is not None
        done = domain.table.unmap(iova, size)[0] if deferred else domain.unmap(iova, size)
        WARN(done != size, "%s: unmap of %d bytes at %#x removed %d", dev.name, size, iova, done)
        if deferred:
            queue.add(iova // PAGE_SIZE, size // PAGE_SIZE)
        else:
            self.free_iova(dev, iova, size)

    # One range

    def map_phys(self, dev: Device, phys: PhysAddr, size: int, direction: Dir,
                 attrs: int) -> DmaAddr:
        """Bounce what must be, clean the range from the cache, and map the pages that hold it."""
        if attrs & DMA_ATTR_REQUIRE_COHERENT and not dev.dma_coherent:
            return DMA_MAPPING_ERROR
        if dev.min_align_mask > PAGE_SIZE - 1:
            return DMA_MAPPING_ERROR
        bounced = not attrs & DMA_ATTR_MMIO and self.must_bounce(dev, phys, size, direction)
        if bounced:
            phys = self._bounce(dev, phys, size, attrs)
            if phys is None:
                return DMA_MAPPING_ERROR
        if not attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO) and not dev.dma_coherent:
            clean_for_device(dev, phys, size, direction)
        dma = self._map(dev, phys, size, PROT[direction], dma_get_mask(dev))
        if bounced and dma == DMA_MAPPING_ERROR:
            dev.io_tlb_mem.unmap(phys)
        return dma

    @staticmethod
    def must_bounce(dev: Device, phys: PhysAddr, size: int, direction: Dir) -> bool:
        """Whether bytes beside the range must not be exposed, or must not share its lines."""
        if not (int(phys) | size) % PAGE_SIZE:
            return False
        return dev.untrusted or (dev.io_tlb_mem is not None
                                 and dma_kmalloc_needs_bounce(dev, size, direction))

    @staticmethod
    def _bounce(dev: Device, phys: PhysAddr, size: int, attrs: int) -> PhysAddr | None:
        if WARN(dev.io_tlb_mem is None, "%s: untrusted, and there is no bounce memory", dev.name):
            return None
        if attrs & DMA_ATTR_REQUIRE_COHERENT:
            return None
        dev.dma_skip_sync = False
        return dev.io_tlb_mem.map(dev, phys, size, attrs, PAGE_SIZE - 1)

    def unmap_phys(self, dev: Device, dma: DmaAddr, size: int, direction: Dir,
                   attrs: int) -> None:
        """Invalidate the range if the device may have written it, and unmap its pages."""
        phys = self.to_phys(dev, dma)
        if WARN(phys is None, "%s: unmap of %#x, which is not mapped", dev.name, dma):
            return
        if not attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO):
            sync_for_cpu(dev, phys, size, direction)
        self._unmap(dev, dma, size)
        if is_swiotlb_buffer(dev, phys):
            dev.io_tlb_mem.unmap(phys)

    def to_phys(self, dev: Device, dma: DmaAddr) -> PhysAddr | None:
        """Ask the page tables."""
        return self._domain(dev).to_phys(int(dma))

    # Lists

    def map_sg(self, dev: Device, entries: list[Scatterlist], direction: Dir,
               attrs: int) -> int:
        """Map a list as one range of I/O virtual pages, and join what is contiguous there."""
        if attrs & DMA_ATTR_REQUIRE_COHERENT and not dev.dma_coherent:
            return -EOPNOTSUPP
        if any(isinstance(sg.page, P2pPage) for sg in entries):
            return -EREMOTEIO if not dev.is_pci else self._map_each(dev, entries, direction, attrs)
        if any(self.must_bounce(dev, sg.phys, sg.length, direction) for sg in entries):
            return self._map_each(dev, entries, direction, attrs)
        if not attrs & DMA_ATTR_SKIP_CPU_SYNC:
            with dev.kernel.cache.batch():
                for sg in entries:
                    sync_for_device(dev, sg.phys, sg.length, direction)
        boundary = dma_get_seg_boundary(dev)
        pieces = [(offset_in_page(sg.offset), sg.length) for sg in entries]
        spans = layout_spans(pieces, PAGE_SIZE, boundary)
        iova = self.alloc_iova(dev, sum(spans), dma_get_mask(dev))
        if iova is None:
            return self._fail(entries)
        if rc := self._map_entries(dev, iova, entries, spans, PROT[direction]):
            self.free_iova(dev, iova, sum(spans))
            return self._fail(entries, rc)
        segments = join_segments(iova, pieces, spans, boundary, dma_get_max_seg_size(dev))
        for index, sg in enumerate(entries):
            addr, length = segments[index] if index < len(segments) else (DMA_MAPPING_ERROR, 0)
            sg.dma_address, sg.dma_length = DmaAddr(int(addr)), length
        return len(segments)

    def _map_each(self, dev: Device, entries: list[Scatterlist], direction: Dir,
                  attrs: int) -> int:
        """Map entries apart: some are bounced, or are another device's memory."""
        for index, sg in enumerate(entries):
            if isinstance(sg.page, P2pPage):
                sg.bus_address = True
                sg.dma_address = sg.page.bus_address(dev, sg.offset)
            else:
                sg.swiotlb = True
                sg.dma_address = self.map_phys(dev, sg.phys, sg.length, direction, attrs)
            if sg.dma_address == DMA_MAPPING_ERROR:
                rc = -EREMOTEIO if sg.bus_address else -EIO
                self._unmap_each(dev, entries[:index], direction, attrs | DMA_ATTR_SKIP_CPU_SYNC)
                return self._fail(entries, rc)
            sg.dma_length = sg.length
        return len(entries)

    def _unmap_each(self, dev: Device, entries: list[Scatterlist], direction: Dir,
                    attrs: int) -> None:
        for sg in entries:
            if sg.swiotlb:
                self.unmap_phys(dev, sg.dma_address, sg.dma_length, direction, attrs)
            sg.swiotlb = sg.bus_address = False

    def _map_entries(self, dev: Device, iova: int, entries: list[Scatterlist],
                     spans: list[int], prot: int) -> int:
        """Map each entry's pages; pages that follow each other in memory, too, go in one step."""
        runs: list[list] = []
        for sg, span in zip(entries, spans, strict=True):
            start = sg.phys - offset_in_page(sg.phys)
            if runs and start == runs[-1][1] + runs[-1][2]:
                runs[-1][2] += span
            else:
                runs.append([iova, start, span])
            iova += span
        domain = self._domain(dev)
        for index, (at, phys, size) in enumerate(runs):
            if rc := domain.map(at, phys, size, prot):
                done = sum(size for _, _, size in runs[:index])
                if done:
                    domain.unmap(runs[0][0], done)
                return rc
        return 0

    @staticmethod
    def _fail(entries: list[Scatterlist], rc: int = -ENOMEM) -> int:
        for sg in entries:
            sg.clear_dma()
        return rc

    def unmap_sg(self, dev: Device, entries: list[Scatterlist], direction: Dir,
                 attrs: int) -> None:
        """Unmap from the first segment to the last that the entries hold (R109)."""
        if any(sg.swiotlb or sg.bus_address for sg in entries):
            self._unmap_each(dev, entries, direction, attrs)
            return
        if not attrs & DMA_ATTR_SKIP_CPU_SYNC:
            with dev.kernel.cache.batch():
                for sg in entries:
                    sync_for_cpu(dev, sg.phys, sg.length, direction)
        used = [sg for sg in entries if sg.dma_length]
        if WARN_ON(not used, f"{dev.name}: unmap of a list that is not mapped"):
            return
        start = used[0].dma_address
        self._unmap(dev, start, used[-1].dma_address + used[-1].dma_length - start)

    # Coherent buffers, and what the device needs

    def alloc_pages(self, dev: Device, order: int, gfp: int) -> Page | None:
        """Take any pages: translation puts them within reach."""
        return alloc_pages(gfp, order)

    def map_coherent(self, dev: Device, phys: PhysAddr, size: int) -> DmaAddr:
        """Map for reading and writing, within the coherent mask."""
        return self._map(dev, phys, size, IOMMU_READ | IOMMU_WRITE, dev.coherent_dma_mask)

    def map_pages(self, dev: Device, pages: list[Page],
                  direction: Dir = DMA_BIDIRECTIONAL) -> DmaAddr:
        """Map single pages in a row, within the coherent mask."""
        size = len(pages) * PAGE_SIZE
        iova = self.alloc_iova(dev, size, dev.coherent_dma_mask)
        if iova is None:
            return DMA_MAPPING_ERROR
        entries = [Scatterlist.of(page) for page in pages]
        spans = [PAGE_SIZE] * len(pages)
        if self._map_entries(dev, iova, entries, spans, PROT[direction]):
            self.free_iova(dev, iova, size)
            return DMA_MAPPING_ERROR
        return DmaAddr(iova)

    def unmap_coherent(self, dev: Device, dma: DmaAddr, size: int) -> None:
        """Unmap."""
        self._unmap(dev, dma, size)

    def supported(self, dev: Device, mask: int) -> bool:
        """Any mask: translation puts memory within reach (R16)."""
        return True

    def required_mask(self, dev: Device) -> int:
        """32 bits (R18)."""
        return DMA_BIT_MASK(32)

    def max_mapping_size(self, dev: Device) -> int:
        """Give the longest range that can be bounced, for an untrusted device (R22)."""
        if dev.untrusted and dev.io_tlb_mem:
            return swiotlb_max_mapping_size(dev)
        return SIZE_MAX

    def opt_mapping_size(self, dev: Device) -> int:
        """Give the longest range whose addresses are recycled: 128 KiB (R22)."""
        return _OPTIMUM

    def merge_boundary(self, dev: Device) -> int:
        """Page size less 1 (R23)."""
        return PAGE_SIZE - 1
