"""Scatterlists: a buffer in pieces. Each entry has a CPU side and, once mapped, a DMA side.

A Python list of :class:`Scatterlist` is the C array: wherever C takes a pointer to an entry, give
the list (its first entry is meant) or an entry.

Source: Linux ``include/linux/scatterlist.h``, ``lib/scatterlist.c`` (behaviour).
"""

from collections.abc import Iterator, Sequence

from ..core.addresses import PAGE_SIZE, DmaAddr, PhysAddr, VirtAddr, offset_in_page, phys_to_virt
from ..core.attrs import DMA_MAPPING_ERROR
from ..core.bug import BUG_ON
from ..core.current import kernel_or_none
from ..core.errno import EINVAL
from ..core.tell import tell
from ..memory.pages import Page, page_to_phys, virt_to_page

__all__ = ["Scatterlist", "SgTable", "Sgl", "entries_of", "first_of", "for_each_sg",
           "sg_alloc_table", "sg_chain", "sg_dma_address", "sg_dma_len", "sg_free_table",
           "sg_init_one", "sg_init_table", "sg_is_chain", "sg_is_last", "sg_last", "sg_mark_end",
           "sg_nents", "sg_nents_for_len", "sg_next", "sg_page", "sg_phys", "sg_set_buf",
           "sg_set_folio", "sg_set_page", "sg_unmark_end", "sg_virt"]


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

    __slots__ = ("_beside", "_chain", "_end", "bus_address", "dma_address", "dma_length", "length",
                 "offset", "page", "swiotlb")

    def __init__(self):
        self.link(None, end=True)
        self.clear()

    def link(self, beside: "Scatterlist | None", *, end: bool) -> None:
        """Say which entry comes after this one in memory, and whether the list ends here."""
        self._beside, self._end = beside, end
        self._chain: Scatterlist | None = None

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
    def following(self) -> "Scatterlist | None":
        """Entry after this one in the list, past links to other arrays; None at its end."""
        if self._end or self._beside is None:
            return None
        return self._beside._chain or self._beside

    @property
    def phys(self) -> PhysAddr:
        """Physical address of the piece."""
        return page_to_phys(self.page) + self.offset

    def __repr__(self):
        return (f"Scatterlist({self.page}, {self.offset:#x}, {self.length:#x} -> "
                f"{int(self.dma_address):#x}, {self.dma_length:#x})")


Sgl = Scatterlist | Sequence[Scatterlist]


def first_of(sgl: Sgl) -> Scatterlist:
    """Entry that a list begins with."""
    return sgl if isinstance(sgl, Scatterlist) else sgl[0]


def entries_of(sgl: Sgl, nents: int) -> list[Scatterlist]:
    """List the first ``nents`` entries. Raises :exc:`KernelBug` if the list ends before."""
    entries, sg = [], first_of(sgl)
    for _ in range(nents):
        BUG_ON(sg is None, f"scatterlist ends before entry {nents}")
        entries.append(sg)
        sg = sg.following
    return entries


def sg_init_table(sgl: Sequence[Scatterlist], nents: int) -> None:
    """Empty the first ``nents`` entries of an array, link them, and mark the last as such."""
    for sg, beside in zip(sgl[:nents], [*sgl[1:nents], None], strict=True):
        sg.clear()
        sg.link(beside, end=beside is None)


def sg_init_one(sgl: Sgl, buf: VirtAddr, length: int) -> None:
    """Make a list of one entry for ``length`` bytes at a linear address."""
    sg = first_of(sgl)
    sg_init_table([sg], 1)
    sg_set_buf(sg, buf, length)


def sg_set_page(sg: Scatterlist, page: Page, length: int, offset: int) -> None:
    """Let an entry describe ``length`` bytes, ``offset`` bytes into a page."""
    sg.page, sg.length, sg.offset = page, length, offset


def sg_set_buf(sg: Scatterlist, buf: VirtAddr, length: int) -> None:
    """Let an entry describe ``length`` bytes at a linear address."""
    sg_set_page(sg, virt_to_page(buf), length, offset_in_page(buf))


def sg_set_folio(sg: Scatterlist, folio: Page, length: int, offset: int) -> None:
    """Let an entry describe ``length`` bytes of a folio: pages that were allocated as one."""
    sg_set_page(sg, folio, length, offset)


def sg_mark_end(sg: Scatterlist) -> None:
    """End the list at this entry."""
    sg._end = True


def sg_unmark_end(sg: Scatterlist) -> None:
    """Let the list go on behind this entry, with the next in memory."""
    sg._end = False


def sg_chain(prv: Sequence[Scatterlist], prv_nents: int, sgl: Sgl) -> None:
    """Go on with ``sgl`` where the last entry of ``prv`` would be: that entry is used up."""
    link = prv[prv_nents - 1]
    link.clear()
    link._chain, link._end = first_of(sgl), False


def sg_is_chain(sg: Scatterlist) -> bool:
    """Whether this entry is a link to another array, and describes nothing."""
    return sg._chain is not None


def sg_next(sg: Scatterlist) -> Scatterlist | None:
    """Entry after this one, or None."""
    return sg.following


def sg_is_last(sg: Scatterlist) -> bool:
    """Whether this is the last entry."""
    return sg._end


def sg_last(sgl: Sgl, nents: int) -> Scatterlist:
    """Last of ``nents`` entries."""
    return entries_of(sgl, nents)[-1]


def sg_nents(sgl: Sgl) -> int:
    """Entries in the list."""
    count, sg = 0, first_of(sgl)
    while sg is not None:
        count, sg = count + 1, sg.following
    return count


def sg_nents_for_len(sgl: Sgl, length: int) -> int:
    """Entries that hold the first ``length`` bytes; ``-EINVAL`` if the list is shorter."""
    if length == 0:
        return 0
    total, sg, count = 0, first_of(sgl), 0
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
