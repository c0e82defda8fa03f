"""I/O page tables in memory, as the IOMMU walks them.

Tables lie in cached memory. Where the walker does not see the cache, what was written is cleaned
from it, a new table before the entry that leads to it.

Source: RISC-V Privileged Architecture, chapters "Sv39" and "Svnapot"; RISC-V IOMMU Architecture
Specification, section "Process to translate an IOVA" (U must be set; A and D are not updated by
this hardware).
"""

from collections.abc import Callable

from rtl.spec.page_table import PAGE_BITS, PTE, PTE_BYTES, VPN_BITS, level_bytes

from ..core.addresses import PAGE_SIZE, PhysAddr, phys_to_virt
from ..core.errno import EEXIST, ENOMEM
from ..core.gfp import GFP_ATOMIC, Gfp
from ..core.kernel import Kernel
from ..memory.pages import alloc_pages, page_to_phys, phys_to_page

__all__ = ["IOMMU_READ", "IOMMU_WRITE", "IoPageTable"]

IOMMU_READ = 1
IOMMU_WRITE = 2

_ENTRIES = 1 << VPN_BITS
#: Sixteen equal entries of the lowest level are one page, which every RISC-V IOMMU has.
_NAPOT_BYTES, _NAPOT_PPN = 16 * PAGE_SIZE, 0b1000


class IoPageTable:
    """A radix tree that maps I/O virtual pages to physical ones.

    Mapping uses the largest pages that the alignment of both addresses allows. Tables stay when
    they become empty, until a larger page takes their place or :meth:`release`.

    Parameters
    ----------
    kernel : Kernel
        Whose memory holds the tables.
    levels : int
        3 for Sv39, 4 for Sv48, 5 for Sv57.
    clean : callable
        ``clean(phys, size)`` makes a range visible to the walker.

    Raises
    ------
    MemoryError
        If there is no page for the root.
    """

    def __init__(self, kernel: Kernel, levels: int, clean: Callable[[PhysAddr, int], None]):
        self._kernel, self.levels, self._clean = kernel, levels, clean
        root = self._new_table()
        if root is None:
            raise MemoryError("Page table must have a root page, and there is no memory")
        self.root = root
        self._pages = sorted([*map(level_bytes, range(levels)), _NAPOT_BYTES], reverse=True)
        #: Tables that larger pages replaced, with their level: free them once nobody walks them.
        self.detached: list[tuple[PhysAddr, int]] = []

    # Entries

    def _slot(self, table: PhysAddr, iova: int, level: int) -> PhysAddr:
        index = iova >> PAGE_BITS + VPN_BITS * level & _ENTRIES - 1
        return table + index * PTE_BYTES

    def _read(self, slot: PhysAddr, count: int = 1) -> list[int]:
        data = self._kernel.cpu.load(phys_to_virt(slot), count * PTE_BYTES)
        return [int.from_bytes(data[at:at + PTE_BYTES], "little")
                for at in range(0, len(data), PTE_BYTES)]

    def _write(self, slot: PhysAddr, entries: list[int]) -> None:
        data = b"".join(entry.to_bytes(PTE_BYTES, "little") for entry in entries)
        self._kernel.cpu.store(phys_to_virt(slot), data)
        self._clean(slot, len(data))
        self._kernel.stats.pte_writes += len(entries)

    def _new_table(self) -> PhysAddr | None:
        page = alloc_pages(GFP_ATOMIC | Gfp.ZERO | Gfp.NOWARN, 0)
        if page is None:
            return None
        self._clean(page_to_phys(page), PAGE_SIZE)
        self._kernel.stats.table_pages += 1
        return page_to_phys(page)

    def _table(self, iova: int, level: int) -> PhysAddr | int:
        """Table of ``level`` for ``iova``, made if it is missing; or a negative error number."""
        table = self.root
        for upper in range(self.levels - 1, level, -1):
            slot = self._slot(table, iova, upper)
            (entry,) = self._read(slot)
            if not entry & PTE.mask("v"):
                new = self._new_table()
                if new is None:
                    return -ENOMEM
                self._write(slot, [PTE.pack(v=1, ppn=new >> PAGE_BITS)])
                table = new
            elif _is_leaf(entry):
                return -EEXIST
            else:
                table = _target(entry)
        return table

    def _leaf(self, iova: int) -> tuple[PhysAddr, int, int] | None:
        """Where the leaf for ``iova`` is, its level and its value; None if nothing is mapped."""
        table = self.root
        for level in range(self.levels - 1, -1, -1):
            slot = self._slot(table, iova, level)
            (entry,) = self._read(slot)
            if not entry & PTE.mask("v"):
                break
            if _is_leaf(entry):
                return slot, level, entry
            table = _target(entry)
        return None

    # Mappings

    def map(self, iova: int, phys: PhysAddr, size: int, prot: int) -> tuple[int, int]:
        """Map ``size`` bytes, a multiple of the page size, from ``iova`` to ``phys``.

        Parameters
        ----------
        iova, phys, size : int
            In bytes, multiples of the page size.
        prot : int
            ``IOMMU_READ``, ``IOMMU_WRITE`` or both. Writable pages are readable, too: RISC-V has no
            others.

        Returns
        -------
        tuple of int, int
            0 or a negative error number (``-EEXIST``, ``-ENOMEM``), and the bytes mapped so far,
            which the caller removes after an error.
        """
        base = PTE.pack(v=1, r=1, w=bool(prot & IOMMU_WRITE), u=1, a=1, d=1)
        done = 0
        while done < size:
            at, target = iova + done, int(phys) + done
            page, pages = self._largest(at, target, size - done)
            level = self._level(page)
            table = self._table(at, level)
            if table < 0:
                return table, done
            slot, each = self._slot(table, at, level), page // level_bytes(level)
            room = _ENTRIES - (slot - table) // PTE_BYTES
            entries = [entry for index in range(min(pages, room // each))
                       for entry in [_leaf_entry(base, target + index * page, page)] * each]
            old = self._read(slot, len(entries))
            if any(map(_is_leaf, old)):
                return -EEXIST, done
            self.detached += [(_target(entry), level - 1) for entry in old if entry & PTE.mask("v")]
            self._write(slot, entries)
            done += len(entries) // each * page
        return 0, done

    def _level(self, page: int) -> int:
        """Level whose entries lead to pages of ``page`` bytes."""
        return next(item for item in range(self.levels - 1, -1, -1) if level_bytes(item) <= page)

    def _largest(self, at: int, target: int, size: int) -> tuple[int, int]:
        """Bytes of the largest page for what follows, and how many such pages come in a row."""
        page = next(item for item in self._pages if item <= size and not (at | target) % item)
        if page == PAGE_SIZE and not (at ^ target) % _NAPOT_BYTES:
            before = -at % _NAPOT_BYTES
            if before + _NAPOT_BYTES <= size:       # small ones, up to where a large one begins
                size = before
        return page, size // page

    def unmap(self, iova: int, size: int) -> tuple[int, int]:
        """Clear the entries of ``size`` bytes from ``iova`` on, up to the first hole.

        A large page that begins in the range goes as a whole; one that began before it stays.

        Returns
        -------
        tuple of int, int
            Bytes unmapped, and the smallest size among their entries (0 if there was none): of a
            page that is sixteen entries, each may be cached.
        """
        done, smallest = 0, 0
        while done < size and (leaf := self._leaf(iova + done)):
            slot, level, first = leaf
            page = _page_bytes(first, level)
            if (iova + done) % page:
                break
            each = page // level_bytes(level)
            index = (iova + done >> PAGE_BITS + VPN_BITS * level) & _ENTRIES - 1
            wanted = each * max(1, min((size - done) // page, (_ENTRIES - index) // each))
            entries = self._read(slot, wanted)
            count = next((i for i, entry in enumerate(entries)
                          if not _is_leaf(entry) or _page_bytes(entry, level) != page), wanted)
            self._write(slot, [0] * count)
            done += count // each * page
            smallest = min(smallest or page, level_bytes(level))
        return done, smallest

    def to_phys(self, iova: int) -> PhysAddr | None:
        """Physical address to which ``iova`` leads, or None."""
        leaf = self._leaf(iova)
        if leaf is None:
            return None
        _, level, entry = leaf
        page = _page_bytes(entry, level)
        return PhysAddr(int(_target(entry)) // page * page + iova % page)

    # Memory

    def release_detached(self) -> None:
        """Free the tables that larger pages replaced; nobody may walk them any more."""
        for table, level in self.detached:
            self._release_below(table, level)
        self.detached = []

    def release(self) -> None:
        """Free all tables. The hardware must not use them any more."""
        self.release_detached()
        self._release_below(self.root, self.levels - 1)

    def _release_below(self, table: PhysAddr, level: int) -> None:
        for entry in self._read(table, _ENTRIES) if level else ():
            if entry & PTE.mask("v") and not _is_leaf(entry):
                self._release_below(_target(entry), level - 1)
        self._free(table)

    def _free(self, table: PhysAddr) -> None:
        self._kernel.pages.free(phys_to_page(table), 0)


def _is_leaf(entry: int) -> bool:
    return bool(entry & PTE.mask("v") and entry & (PTE.mask("r") | PTE.mask("w") | PTE.mask("x")))


def _leaf_entry(base: int, target: int, page: int) -> int:
    ppn = target >> PAGE_BITS
    return PTE.pack(base, ppn=ppn | _NAPOT_PPN, n=1) if page == _NAPOT_BYTES else PTE.pack(
        base, ppn=ppn)


def _page_bytes(leaf: int, level: int) -> int:
    return _NAPOT_BYTES if leaf & PTE.mask("n") else level_bytes(level)


def _target(entry: int) -> PhysAddr:
    return PhysAddr(PTE.get(entry, "ppn") << PAGE_BITS)
