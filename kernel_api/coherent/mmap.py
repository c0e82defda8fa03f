"""Coherent memory for user space, and as a scatterlist; buffers that go with their device.

Source: Linux ``Documentation/core-api/dma-api.rst``; ``kernel/dma/mapping.c`` (behaviour).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, DmaAddr, PhysAddr, VirtAddr, page_align
from ..core.bug import WARN
from ..core.dma_attrs import DmaAttrs
from ..core.errno import ENXIO
from ..core.gfp import GFP_KERNEL
from ..device.device import Device
from ..device.devres import devm_add, devm_forget
from ..memory.pages import Page, phys_to_page
from ..platform.context import might_sleep
from ..sg.scatterlist import SgTable, sg_alloc_table, sg_set_page
from .coherent import dma_alloc_attrs, dma_free_attrs

__all__ = ["VmArea", "dma_can_mmap", "dma_get_sgtable", "dma_get_sgtable_attrs", "dma_mmap_attrs",
           "dma_mmap_coherent", "dma_mmap_pages", "dma_mmap_wc", "dma_mmap_writecombine",
           "dmam_alloc_attrs", "dmam_alloc_coherent",
           "dmam_free_coherent"]


@dataclass
class VmArea:
    """A range of a process's addresses: ``struct vm_area_struct``.

    Parameters
    ----------
    pages : int
        Its length.
    pgoff : int
        Where in the buffer it begins, in pages.
    frames : list of int
        Page frame numbers, once it is mapped.
    """

    pages: int
    pgoff: int = 0
    frames: list[int] = field(default_factory=list)

    def map(self, frames: Sequence[int]) -> int:
        """Map its part of a buffer's page frames. 0; ``-ENXIO`` if it reaches beyond them."""
        if self.pgoff >= len(frames) or self.pages > len(frames) - self.pgoff:
            return -ENXIO
        self.frames = list(frames[self.pgoff:self.pgoff + self.pages])
        return 0


def _behind(dev: Device, va: VirtAddr, size: int) -> list[PhysAddr]:
    return [dev.kernel.cpu.behind(va + at) for at in range(0, page_align(size), PAGE_SIZE)]


def dma_can_mmap(dev: Device) -> bool:
    """Whether coherent memory can be given to user space: always."""
    return True


def dma_mmap_attrs(dev: Device, vma: VmArea, va: VirtAddr, dma: DmaAddr, size: int,
                   attrs: DmaAttrs | int | None) -> int:
    """Map a coherent buffer, or a part of it. 0; ``-ENXIO`` if it is not that long (R38)."""
    might_sleep("dma_mmap_attrs")
    return vma.map([int(page) >> PAGE_SHIFT for page in _behind(dev, va, size)])


def dma_mmap_pages(dev: Device, vma: VmArea, size: int, page: Page) -> int:
    """Map pages of :func:`dma_alloc_pages`. 0; ``-ENXIO`` if they are not as many."""
    might_sleep("dma_mmap_pages")
    return vma.map([page.pfn + index for index in range(page_align(size) // PAGE_SIZE)])


def dma_mmap_coherent(dev: Device, vma: VmArea, va: VirtAddr, dma: DmaAddr, size: int) -> int:
    """Map a coherent buffer. As :func:`dma_mmap_attrs`."""
    return dma_mmap_attrs(dev, vma, va, dma, size, 0)


dma_mmap_wc = dma_mmap_writecombine = dma_mmap_coherent


def dma_get_sgtable_attrs(dev: Device, va: VirtAddr, dma: DmaAddr, size: int,
                          attrs: DmaAttrs | int | None) -> tuple[int, SgTable]:
    """Describe the pages of a coherent buffer. Returns 0 or an error number, and the table."""
    might_sleep("dma_get_sgtable_attrs")
    table, runs = SgTable(), []
    for phys in _behind(dev, va, size):
        if runs and runs[-1][0] + runs[-1][1] == phys:
            runs[-1][1] += PAGE_SIZE
        else:
            runs.append([phys, PAGE_SIZE])
    rc = sg_alloc_table(table, len(runs), GFP_KERNEL)
    for sg, (phys, length) in zip(table.sgl, runs, strict=True):
        sg_set_page(sg, phys_to_page(phys), length, 0)
    return rc, table


def dma_get_sgtable(dev: Device, va: VirtAddr, dma: DmaAddr, size: int) -> tuple[int, SgTable]:
    """Describe the pages of a coherent buffer. As :func:`dma_get_sgtable_attrs`."""
    return dma_get_sgtable_attrs(dev, va, dma, size, 0)


def dmam_alloc_attrs(dev: Device, size: int, gfp: int,
                     attrs: DmaAttrs | int | None) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate coherent memory that goes with its device (R39)."""
    might_sleep("dmam_alloc_attrs")
    va, dma = dma_alloc_attrs(dev, size, gfp, attrs)
    if va is not None:
        devm_add(dev, (int(va), size), lambda: dma_free_attrs(dev, size, va, dma, attrs))
    return va, dma


def dmam_alloc_coherent(dev: Device, size: int, gfp: int) -> tuple[VirtAddr | None, DmaAddr]:
    """Allocate coherent memory that goes with its device. As :func:`dmam_alloc_attrs`."""
    return dmam_alloc_attrs(dev, size, gfp, 0)


def dmam_free_coherent(dev: Device, size: int, va: VirtAddr, dma: DmaAddr) -> None:
    """Free managed memory before its device goes; a warning if it is not managed."""
    if not WARN(not devm_forget(dev, (int(va), size)), "%s: not a managed buffer", dev.name):
        dma_free_attrs(dev, size, va, dma, 0)
