"""The main job as a driver program: a file scattered over memory, copied by DMA.

Written against :mod:`kernel_api` alone, so that it runs on any machine.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np

from kernel_api import (
    DMA_ATTR_SKIP_CPU_SYNC,
    DMA_FROM_DEVICE,
    DMA_TO_DEVICE,
    GFP_KERNEL,
    DmaAddr,
    Kernel,
    alloc_pages,
    boot,
    dma_map_sg_attrs,
    dma_unmap_sg_attrs,
    for_each_sg,
    get_order,
    page_address,
    sg_dma_address,
    sg_dma_len,
    sg_init_table,
    sg_phys,
    sg_set_buf,
)
from rtl.spec.page_table import PAGE_BYTES

__all__ = ["FORGET", "Outcome", "Scatter", "run", "scatter"]

#: Steps that the program can be told to leave out.
FORGET = ("map", "sync_for_device", "sync_for_cpu", "unmap")

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


@dataclass
class Outcome:
    """What happened on one machine.

    Parameters
    ----------
    figures : dict
        Counts, by name.
    handles : list of (address, bytes)
        DMA segments of the source, then of the destination.
    records : list of str
        Fault records, decoded.
    data : bytes
        What the CPU read at the end.
    damage : list of str
        What went wrong, if anything did.
    image : ndarray or None
        All of memory after the cache was written back.
    """

    figures: dict[str, int]
    handles: list[tuple[int, int]]
    records: list[str]
    data: bytes
    damage: list[str] = field(default_factory=list)
    image: np.ndarray | None = None

    @property
    def sha256(self) -> str:
        """Digest of :attr:`data`."""
        return hashlib.sha256(self.data).hexdigest()


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


class _Buffer:
    """A scattered buffer and its scatterlist."""

    def __init__(self, plan: Scatter, random: Random):
        order = list(range(len(plan.blocks)))
        random.shuffle(order)           # blocks lie in memory in another order than in the list
        bases = {block: page_address(alloc_pages(GFP_KERNEL, get_order(plan.blocks[block])))
                 for block in order}
        self.pieces = [(bases[block] + offset, size) for block, offset, size in plan.places]
        self.list = sg_init_table(len(self.pieces))
        for sg, (va, size) in zip(self.list, self.pieces, strict=True):
            sg_set_buf(sg, va, size)

    def write(self, kernel: Kernel, data: bytes, step: str, progress: Progress) -> None:
        """Store ``data`` by the CPU, through the cache."""
        done = 0
        for va, size in self.pieces:
            kernel.cpu.store(va, data[done:done + size])
            done += size
            progress(step, done, len(data))

    def read(self, kernel: Kernel, step: str, progress: Progress) -> bytes:
        """Load everything by the CPU, through the cache."""
        parts, total = [], sum(size for _, size in self.pieces)
        for va, size in self.pieces:
            parts.append(kernel.cpu.load(va, size))
            progress(step, sum(map(len, parts)), total)
        return b"".join(parts)
