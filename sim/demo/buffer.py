"""A buffer scattered over memory, as the demo's driver program uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from kernel_api import (
    GFP_KERNEL,
    DmaAddr,
    Kernel,
    Scatterlist,
    alloc_pages,
    dma_map_sg_attrs,
    dma_unmap_sg_attrs,
    get_order,
    page_address,
    sg_dma_address,
    sg_dma_len,
    sg_init_table,
    sg_phys,
    sg_set_buf,
)
from rtl.spec.page_table import PAGE_BYTES

__all__ = ["Buffer", "Progress", "Scatter", "scatter"]

#: Called with a step's name, the bytes done and the bytes in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scatter:
    """Where the pieces of a buffer lie.

    Parameters
    ----------
    places : tuple of (block, offset, size)
        For each piece: index of the block of pages that holds it, offset of its first byte in it,
        bytes. Pieces may share a block, and be adjacent.
    blocks : tuple of int
        Bytes of each block of pages.
    """

    places: tuple[tuple[int, int, int], ...]
    blocks: tuple[int, ...]


def scatter(size: int, entries: int, random: Random) -> Scatter:
    """Cut ``size`` bytes into ``entries`` pieces of random sizes at random places.

    A piece follows the one before at once in memory, or ends at the end of a page while the next
    begins at the start of another (which the IOMMU can merge), or lies anywhere.
    """
    cuts = sorted(random.sample(range(1, size), entries - 1))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    places, blocks = [], []
    merges = False                      # the piece before ends at the end of a page
    for piece in sizes:
        if places and not merges and random.random() < 0.25:
            block, offset, before = places[-1]
            if offset + before + piece <= blocks[block]:
                places.append((block, offset + before, piece))
                continue
        offset = 0 if merges else random.randrange(PAGE_BYTES)
        if not merges and random.random() < 0.4:
            offset = -piece % PAGE_BYTES
        blocks.append(-(-(offset + piece) // PAGE_BYTES) * PAGE_BYTES)
        places.append((len(blocks) - 1, offset, piece))
        merges = (offset + piece) % PAGE_BYTES == 0
    return Scatter(tuple(places), tuple(blocks))


class Buffer:
    """A scattered buffer and its scatterlist.

    Parameters
    ----------
    kernel : Kernel
        Where to allocate.
    plan : Scatter
        Where the pieces lie.
    random : Random
        For the order in which the blocks lie in memory.

    Attributes
    ----------
    count : int
        DMA segments, while it is mapped.
    """

    def __init__(self, kernel: Kernel, plan: Scatter, random: Random):
        self._kernel = kernel
        order = list(range(len(plan.blocks)))
        random.shuffle(order)
        bases = {block: page_address(alloc_pages(GFP_KERNEL, get_order(plan.blocks[block])))
                 for block in order}
        self.pieces = [(bases[block] + offset, size) for block, offset, size in plan.places]
        self.size = sum(size for _, size in self.pieces)
        self.sgl = [Scatterlist() for _ in self.pieces]
        sg_init_table(self.sgl, len(self.sgl))
        for sg, (va, size) in zip(self.sgl, self.pieces, strict=True):
            sg_set_buf(sg, va, size)
        self.count = 0

    def write(self, data: bytes, step: str, progress: Progress) -> None:
        """Store ``data`` by the CPU."""
        done = 0
        for va, size in self.pieces:
            self._kernel.cpu.store(va, data[done:done + size])
            done += size
            progress(step, done, self.size)

    def read(self, step: str, progress: Progress) -> bytes:
        """Load everything by the CPU."""
        parts, done = [], 0
        for va, size in self.pieces:
            parts.append(self._kernel.cpu.load(va, size))
            done += size
            progress(step, done, self.size)
        return b"".join(parts)

    def in_memory(self) -> bytes:
        """Look at memory by the back door: what a device sees."""
        return b"".join(self._kernel.machine.peek(int(sg_phys(sg)), sg.length) for sg in self.sgl)

    def place(self, index: int) -> int:
        """Physical address of byte ``index``."""
        for sg in self.sgl:
            if index < sg.length:
                return int(sg_phys(sg)) + index
            index -= sg.length
        raise IndexError(f"Byte must be one of {self.size}, not {index + self.size}")

    def map(self, direction: int, attrs: int) -> None:
        """Map the list. Raises :exc:`MemoryError` if there is no room."""
        dev = self._kernel.cdma.dev
        self.count = dma_map_sg_attrs(dev, self.sgl, len(self.sgl), direction, attrs)
        if self.count == 0:
            raise MemoryError(f"{dev.name}: dma_map_sg of {self.size} bytes failed")

    def pretend_mapped(self) -> None:
        """Take physical addresses for handles, as a driver does that forgets to map."""
        self.count = len(self.sgl)
        for sg in self.sgl:
            sg.dma_address, sg.dma_length = DmaAddr(int(sg_phys(sg))), sg.length

    def unmap(self, direction: int, attrs: int) -> None:
        """Unmap the list."""
        dma_unmap_sg_attrs(self._kernel.cdma.dev, self.sgl, len(self.sgl), direction, attrs)

    def segments(self) -> list[tuple[int, int]]:
        """DMA address and bytes of each segment."""
        return [(int(sg_dma_address(sg)), sg_dma_len(sg)) for sg in self.sgl[:self.count]]
