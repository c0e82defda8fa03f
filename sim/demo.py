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
    Machine,
    Scatterlist,
    alloc_pages,
    boot,
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


class Buffer:
    """A scattered buffer, its scatterlist, and its DMA segments while it is mapped.

    Parameters
    ----------
    kernel : Kernel
        Where to allocate.
    plan : Scatter
        Where the pieces lie.
    random : Random
        For the order in which the blocks lie in memory.
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
        self.segments: list[tuple[DmaAddr, int]] = []

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

    def map(self, dev: Device, direction: int, attrs: int) -> None:
        """Map the list and note the segments. Raises :exc:`MemoryError` if there is no room."""
        count = dma_map_sg_attrs(dev, self.sgl, len(self.sgl), direction, attrs)
        if count == 0:
            raise MemoryError(f"{dev.name}: dma_map_sg of {self.size} bytes failed")
        self.segments = [(sg_dma_address(sg), sg_dma_len(sg)) for sg in self.sgl[:count]]

    def unmap(self, dev: Device, direction: int, attrs: int) -> None:
        """Unmap the list."""
        dma_unmap_sg_attrs(dev, self.sgl, len(self.sgl), direction, attrs)

    def mistake_for_segments(self) -> None:
        """Take physical addresses for handles, as a driver does that forgets to map."""
        self.segments = [(DmaAddr(int(sg_phys(sg))), sg.length) for sg in self.sgl]


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def run(machine: Machine, data: bytes, *, entries: int, seed: int, forget: str | None = None,
        progress: Progress = lambda step, done, total: None) -> Outcome:
    """Copy ``data`` from one scattered buffer to another by DMA.

    Parameters
    ----------
    machine : Machine
        Where to run.
    data : bytes
        The file.
    entries : int, 1 to ``len(data)``
        Pieces of each buffer.
    seed : int
        Where they lie.
    forget : str or None
        A step of :data:`FORGET` to leave out.
    progress : callable
        Told of each step.

    Raises
    ------
    ValueError
        If ``forget`` is not such a step.
    MemoryError
        If a buffer cannot be mapped.
    """
    if forget not in (None, *FORGET):
        raise ValueError(f"Step to forget must be one of {', '.join(FORGET)}, not {forget!r}")
    random = Random(seed)
    plans = [scatter(len(data), entries, random) for _ in range(2)]
    with boot(machine) as kernel:
        cdma, dev = kernel.cdma, kernel.cdma.dev
        source, target = (Buffer(kernel, plan, random) for plan in plans)
        outcome = Outcome(source, target)

        # What lay there before: no byte is right by chance. The CPU has looked at the target.
        before = bytes(byte ^ 0xFF for byte in data)
        for buffer in (source, target):
            buffer.write(before, "fill buffers", progress)
        kernel.cache.flush_all()
        target.read("look at the target", progress)
        source.write(data, "store the file", progress)
        counters = _Counters(kernel)

        if forget == "map":
            source.mistake_for_segments()
            target.mistake_for_segments()
        else:
            source.map(dev, DMA_TO_DEVICE, SKIP if forget == "sync_for_device" else 0)
            target.map(dev, DMA_FROM_DEVICE, 0)
        started = machine.cycles
        error = cdma.copy(source.segments, target.segments)
        outcome.dma_cycles = machine.cycles - started
        if forget not in ("map", "unmap"):
            source.unmap(dev, DMA_TO_DEVICE, 0)
            target.unmap(dev, DMA_FROM_DEVICE, SKIP if forget == "sync_for_cpu" else 0)
        outcome.data = target.read("load the copy", progress)
        counters.into(outcome)
        return outcome
