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
    Kernel,
    alloc_pages,
    boot,
    dma_map_sg_attrs,
    dma_unmap_sg_attrs,
    for_each_sg,
    page_address,
    sg_dma_address,
    sg_dma_len,
    sg_init_table,
    sg_set_buf,
)
from rtl.spec.page_table import PAGE_BYTES

__all__ = ["FORGET", "Outcome", "Scatter", "run", "scatter"]

#: Steps that the program can be told to leave out.
FORGET = ("map", "sync_for_device", "sync_for_cpu", "unmap")


@dataclass
class Scatter:
    """Where the pieces of a buffer lie.

    Parameters
    ----------
    places : list of (page, offset, size)
        For each piece: index of the block of pages that holds it, offset of its first byte in it,
        bytes. Pieces may share a block, and be adjacent.
    blocks : list of int
        Bytes of each block of pages.
    """

    places: list[tuple[int, int, int]]
    blocks: list[int]


@dataclass
class Outcome:
    """What happened on one machine."""

    counts: dict[str, int | float]
    handles: list[tuple[int, int]]
    records: list[str]
    data: bytes
    late_access: str = ""
    damage: list[str] = field(default_factory=list)
    image: np.ndarray | None = None

    @property
    def sha256(self) -> str:
        """Digest of what the CPU read at the end."""
        return hashlib.sha256(self.data).hexdigest()


def scatter(size: int, entries: int, random: Random) -> Scatter:
    """Cut ``size`` bytes into ``entries`` pieces of random sizes at random places.

    A piece follows the one before at once in memory, or ends at the end of a page and the next begins
    at the start of another (which the IOMMU can merge), or lies anywhere.
    """
    cuts = sorted(random.sample(range(1, size), entries - 1))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    places, blocks = [], []
    joined = False                      # the piece before ends at the end of a page
    for index, piece in enumerate(sizes):
        if places and not joined and random.random() < 0.25:
            block, offset, before = places[-1]
            if offset + before + piece <= blocks[block]:
                places.append((block, offset + before, piece))
                continue
        join_next = index + 1 < len(sizes) and random.random() < 0.4
        offset = 0 if joined else random.randrange(PAGE_BYTES)
        if join_next and not joined:
            offset = -piece % PAGE_BYTES
        blocks.append(-(-(offset + piece) // PAGE_BYTES) * PAGE_BYTES)
        places.append((len(blocks) - 1, offset, piece))
        joined = (offset + piece) % PAGE_BYTES == 0
    return Scatter(places, blocks)
