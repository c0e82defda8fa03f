"""Scatterlists: a buffer in pieces. Each entry has a CPU side and, once mapped, a DMA side.

A Python list of :class:`Scatterlist` is the C array: wherever C takes a pointer to an entry, give
the list (its first entry is meant) or an entry.

Source: Linux ``include/linux/scatterlist.h``, ``lib/scatterlist.c`` (behaviour).
"""

from collections.abc import Iterator, Sequence

from ..core.addresses import PAGE_SIZE, DmaAddr, PhysAddr, VirtAddr, offset_in_page, phys_to_virt
from ..core.attrs import DMA_MAPPING_ERROR
from ..core.bug import BUG_ON
from ..core.current import current_kernel, kernel_or_none
from ..core.errno import EINVAL
from ..core.tell import tell
from ..memory.pages import Page, page_to_phys, virt_to_page

__all__ = ["Scatterlist", "SgTable", "Sgl", "entries_of", "for_each_sg", "sg_alloc_table",
           "sg_chain", "sg_copy_from_buffer", "sg_copy_to_buffer", "sg_dma_address", "sg_dma_len",
           "sg_free_table", "sg_init_one", "sg_init_table", "sg_is_last", "sg_last", "sg_mark_end",
           "sg_nents", "sg_nents_for_len", "sg_next", "sg_page", "sg_pcopy_from_buffer",
           "sg_pcopy_to_buffer", "sg_phys", "sg_set_buf", "sg_set_page", "sg_virt"]


class Scatterlist:
    """One entry.

    Attributes
    ----------
    page, offset, length : Page or None, int, int
        CPU side: where the piece begins, and its bytes.
    dma_address, dma_length : DmaAddr, int
        DMA side of segment ``i`` in entry ``i``, valid for the count that ``dma_map_sg`` returned.
    bus_address, swiotlb : bool
        DMA side: it is the address of another device's memory; it was bounced on its own.
    """

    __slots__ = ("bus_address", "dma_address", "dma_length", "following", "length", "offset",
                 "page", "swiotlb")

    def __init__(self):
        self.following: Scatterlist | None = None
        self.clear()

    @classmethod
    def of(cls, page: Page, length: int = PAGE_SIZE, offset: int = 0) -> "Scatterlist":
        """Make an entry that describes a page, or a part of one."""
        sg = cls()
        sg.page, sg.length, sg.offset = page, length, offset
        return sg

    def clear(self) -> None:
        """Describe nothing; keep the place in the list."""
        self.page: Page | None = None
        self.offset = self.length = 0
        self.clear_dma()

    def clear_dma(self) -> None:
        """Hold nothing on the DMA side."""
        self.dma_address, self.dma_length = DMA_MAPPING_ERROR, 0
        self.bus_address = self.swiotlb = False

    @property
    def phys(self) -> PhysAddr:
        """Physical address of the piece."""
        return page_to_phys(self.page) + self.offset

    def __repr__(self):
        return (f"Scatterlist({self.page}, {self.offset:#x}, {self.length:#x} -> "
                f"{int(self.dma_address):#x}, {self.dma_length:#x})")


Sgl = Scatterlist | Sequence[Scatterlist]


def _first(sgl: Sgl) -> Scatterlist:
    return sgl if isinstance(sgl, Scatterlist) else sgl[0]


def entries_of(sgl: Sgl, nents: int) -> list[Scatterlist]:
    """List the first ``nents`` entries. Raises :exc:`KernelBug` if the list ends before."""
    entries, sg = [], _first(sgl)
    for _ in range(nents):
        BUG_ON(sg is None, f"scatterlist ends before entry {nents}")
        entries.append(sg)
        sg = sg.following
    return entries


def sg_init_table(sgl: Sequence[Scatterlist], nents: int) -> None:
    """Empty the first ``nents`` entries of an array, link them, and mark the last as such."""
    for sg, following in zip(sgl[:nents], [*sgl[1:nents], None], strict=True):
        sg.clear()
        sg.following = following


def sg_init_one(sgl: Sgl, buf: VirtAddr, length: int) -> None:
    """Make a list of one entry for ``length`` bytes at a linear address."""
    sg = _first(sgl)
    sg_init_table([sg], 1)
    sg_set_buf(sg, buf, length)


def sg_set_page(sg: Scatterlist, page: Page, length: int, offset: int) -> None:
    """Let an entry describe ``length`` bytes, ``offset`` bytes into a page."""
    sg.page, sg.length, sg.offset = page, length, offset


def sg_set_buf(sg: Scatterlist, buf: VirtAddr, length: int) -> None:
    """Let an entry describe ``length`` bytes at a linear address."""
    sg_set_page(sg, virt_to_page(buf), length, offset_in_page(buf))


def sg_mark_end(sg: Scatterlist) -> None:
    """End the list at this entry."""
    sg.following = None


def sg_chain(prv: Sequence[Scatterlist], prv_nents: int, sgl: Sgl) -> None:
    """Go on with ``sgl`` where the last entry of ``prv`` would be: that entry is used up."""
    prv[prv_nents - 2].following = _first(sgl)


def sg_next(sg: Scatterlist) -> Scatterlist | None:
    """Entry after this one, or None."""
    return sg.following


def sg_is_last(sg: Scatterlist) -> bool:
    """Whether this is the last entry."""
    return sg.following is None


def sg_last(sgl: Sgl, nents: int) -> Scatterlist:
    """Last of ``nents`` entries."""
    return entries_of(sgl, nents)[-1]


def sg_nents(sgl: Sgl) -> int:
    """Entries in the list."""
    count, sg = 0, _first(sgl)
    while sg is not None:
        count, sg = count + 1, sg.following
    return count


def sg_nents_for_len(sgl: Sgl, length: int) -> int:
    """Entries that hold the first ``length`` bytes; ``-EINVAL`` if the list is shorter."""
    if length == 0:
        return 0
    total, sg, count = 0, _first(sgl), 0
    while sg is not None:
        total, count = total + sg.length, count + 1
        if total >= length:
            return count
        sg = sg.following
    return -EINVAL


def for_each_sg(sgl: Sgl, nents: int) -> Iterator[tuple[Scatterlist, int]]:
    """Walk the first ``nents`` entries, with their index: the body sees ``sg, i``."""
    return ((sg, i) for i, sg in enumerate(entries_of(sgl, nents)))


def sg_page(sg: Scatterlist) -> Page | None:
    """Page in which the piece begins."""
    return sg.page


def sg_phys(sg: Scatterlist) -> PhysAddr:
    """Physical address of the piece."""
    return sg.phys


def sg_virt(sg: Scatterlist) -> VirtAddr:
    """Linear address of the piece."""
    return phys_to_virt(sg.phys)


def sg_dma_address(sg: Scatterlist) -> DmaAddr:
    """DMA address of the segment that this entry holds after ``dma_map_sg``."""
    kernel = kernel_or_none()
    if kernel and sg.page and not sg.dma_length:
        tell(kernel, "sg_unused", sg)
    return sg.dma_address


def sg_dma_len(sg: Scatterlist) -> int:
    """Bytes of the segment that this entry holds after ``dma_map_sg``; 0 beyond the count.

    On a platform without a DMA length of its own, the length of the entry.
    """
    kernel = kernel_or_none()
    own = kernel is None or kernel.options.need_sg_dma_length
    return sg.dma_length if own else sg.length


class SgTable:
    """A list with its two lengths: ``struct sg_table``.

    Attributes
    ----------
    sgl : list of Scatterlist
        Entries.
    nents, orig_nents : int
        DMA segments; entries on the CPU side.
    """

    def __init__(self):
        self.sgl: list[Scatterlist] = []
        self.nents = self.orig_nents = 0


def sg_alloc_table(table: SgTable, nents: int, gfp: int) -> int:
    """Give a table ``nents`` empty entries. 0, or ``-EINVAL`` for none."""
    if nents == 0:
        return -EINVAL
    table.sgl = [Scatterlist() for _ in range(nents)]
    sg_init_table(table.sgl, nents)
    table.nents = table.orig_nents = nents
    return 0


def sg_free_table(table: SgTable) -> None:
    """Leave a table without entries."""
    table.sgl, table.nents, table.orig_nents = [], 0, 0


def _pieces(sgl: Sgl, nents: int, length: int, skip: int) -> Iterator[tuple[VirtAddr, int]]:
    """Linear addresses and lengths of ``length`` bytes from byte ``skip`` on."""
    for sg in entries_of(sgl, nents):
        start = min(skip, sg.length)
        size = min(sg.length - start, length)
        if size:
            yield sg_virt(sg) + start, size
        skip, length = skip - start, length - size


def sg_pcopy_from_buffer(sgl: Sgl, nents: int, buf: bytes, length: int, skip: int) -> int:
    """Store ``length`` bytes of ``buf`` into the list from byte ``skip`` on. Returns how many."""
    done = 0
    for va, size in _pieces(sgl, nents, min(length, len(buf)), skip):
        current_kernel().cpu.store(va, buf[done:done + size])
        done += size
    return done


def sg_pcopy_to_buffer(sgl: Sgl, nents: int, length: int, skip: int) -> tuple[int, bytes]:
    """Load ``length`` bytes of the list from byte ``skip`` on. Returns how many, and the bytes."""
    data = b"".join(current_kernel().cpu.load(va, size)
                    for va, size in _pieces(sgl, nents, length, skip))
    return len(data), data


def sg_copy_from_buffer(sgl: Sgl, nents: int, buf: bytes, length: int) -> int:
    """Store the first ``length`` bytes of ``buf`` into the list. Returns bytes stored."""
    return sg_pcopy_from_buffer(sgl, nents, buf, length, 0)


def sg_copy_to_buffer(sgl: Sgl, nents: int, length: int) -> tuple[int, bytes]:
    """Load the first ``length`` bytes of the list. Returns how many, and the bytes."""
    return sg_pcopy_to_buffer(sgl, nents, length, 0)
