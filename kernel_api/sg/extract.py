"""Making entries of what a caller gave in pieces: ``struct iov_iter``.

Source: Linux ``lib/scatterlist.c``, ``include/linux/uio.h`` (names, arguments, behaviour).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.addresses import PAGE_SIZE, VirtAddr, is_vmalloc_addr, offset_in_page
from ..memory.pages import Page, virt_to_page
from ..memory.vmalloc import vmalloc_to_page
from .scatterlist import SgTable, sg_set_page

__all__ = ["BioVec", "IovIter", "extract_iter_to_sg", "iov_iter_bvec", "iov_iter_kvec"]


@dataclass
class BioVec:
    """A piece of memory: ``struct bio_vec``.

    Parameters
    ----------
    bv_page : Page
        Page in which it begins.
    bv_len, bv_offset : int
        Bytes, and where in the page the first is.
    """

    bv_page: Page
    bv_len: int
    bv_offset: int = 0


@dataclass
class IovIter:
    """Pieces, and how many bytes of them are left: ``struct iov_iter``.

    Parameters
    ----------
    pieces : list of BioVec
        What is left.
    """

    pieces: list[BioVec]

    @property
    def count(self) -> int:
        """Bytes that are left."""
        return sum(piece.bv_len for piece in self.pieces)

    def take(self, size: int) -> BioVec:
        """Take up to ``size`` bytes: no more than the first piece has."""
        piece = self.pieces[0]
        taken = BioVec(piece.bv_page, min(size, piece.bv_len), piece.bv_offset)
        piece.bv_offset, piece.bv_len = piece.bv_offset + taken.bv_len, piece.bv_len - taken.bv_len
        if not piece.bv_len:
            del self.pieces[0]
        return taken


def iov_iter_bvec(bvecs: Sequence[BioVec]) -> IovIter:
    """Walk pieces that are given by pages."""
    return IovIter([BioVec(bv.bv_page, bv.bv_len, bv.bv_offset) for bv in bvecs if bv.bv_len])


def _pages(va: VirtAddr, size: int) -> Iterator[BioVec]:
    while size:
        page = vmalloc_to_page(va) if is_vmalloc_addr(va) else virt_to_page(va)
        count = min(size, PAGE_SIZE - offset_in_page(va))
        yield BioVec(page, count, offset_in_page(va))
        va, size = va + count, size - count


def iov_iter_kvec(kvecs: Sequence[tuple[VirtAddr, int]]) -> IovIter:
    """Walk pieces that are given by address and bytes, linear or of vmalloc: page by page."""
    return IovIter([piece for va, size in kvecs for piece in _pages(va, size)])


def extract_iter_to_sg(iter_: IovIter, maxsize: int, sgtable: SgTable, sg_max: int,
                       extraction_flags: int) -> int:
    """Append up to ``maxsize`` bytes of the pieces to a table, in up to ``sg_max`` entries.

    The table has room: as many entries as :func:`sg_alloc_table` made, of which ``nents`` are in
    use; the caller marks the end.

    Returns
    -------
    int
        Bytes; the pieces go on behind them.
    """
    done = 0
    while maxsize > done and sg_max > 0 and iter_.pieces and sgtable.nents < len(sgtable.sgl):
        piece = iter_.take(maxsize - done)
        sg_set_page(sgtable.sgl[sgtable.nents], piece.bv_page, piece.bv_len, piece.bv_offset)
        sgtable.nents += 1
        sg_max -= 1
        done += piece.bv_len
    return done
