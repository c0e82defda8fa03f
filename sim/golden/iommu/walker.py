"""Page-table walks of both stages."""

from collections.abc import Callable
from dataclasses import dataclass

from rtl.spec.faults import Cause
from rtl.spec.hpm import HpmEvent
from rtl.spec.page_table import PAGE_BITS, PAGE_BYTES, PTE, IosatpMode
from rtl.spec.platform import BusError

from ..memory import PoisonError, Words
from .types import ACCESS_FAULT, GUEST_PAGE_FAULT, PAGE_FAULT, Access, Fault, Features, Request

__all__ = ["BARE", "Leaf", "Stage1", "Stage2", "Walker"]

BARE = 0
_NAPOT_BITS = 16                        # log2 of bytes of the only NAPOT size, 64 KiB
_A, _D = PTE.mask("a"), PTE.mask("d")
#: Bits that only a leaf may have.
_LEAF_ONLY = PTE.mask("u") | _A | _D | PTE.mask("pbmt") | PTE.mask("n")


@dataclass(frozen=True)
class Stage1:
    """First stage: ``mode`` of iosatp, page number of the root, and what governs its use."""

    mode: int = BARE
    root: int = 0
    pscid: int | None = None
    sum: bool = False
    update: bool = False                # SADE
    big: bool = False                   # SBE
    sxl: bool = False


@dataclass(frozen=True)
class Stage2:
    """Second stage: ``mode`` of iohgatp, page number of the root, and what governs its use."""

    mode: int = BARE
    root: int = 0
    gscid: int | None = None
    update: bool = False                # GADE
    big: bool = False                   # fctl.be
    gxl: bool = False
    sxl: bool = False                   # the first stage, or a device without one, has 32 bits


@dataclass(frozen=True)
class _Format:
    """Tables of one mode: how many levels, bits of an index, bytes of an entry."""

    levels: int
    index_bits: int = 9
    bytes: int = 8

    @property
    def width(self) -> int:
        """Bits of an address, without those that only the root of a second stage looks at."""
        return PAGE_BITS + self.index_bits * self.levels


_SV32 = _Format(2, 10, 4)
_FORMATS = {IosatpMode.SV39: _Format(3), IosatpMode.SV48: _Format(4), IosatpMode.SV57: _Format(5)}


@dataclass(frozen=True)
class Leaf:
    """What one stage found.

    Parameters
    ----------
    pte : int
        The entry, with A and D as they are after any update.
    bits : int
        log2 of the bytes that it maps.
    addr : int
        The address that it gives.
    """

    pte: int
    bits: int
    addr: int

    def has(self, field: str) -> bool:
        """Whether a field of the entry is not zero."""
        return bool(PTE.get(self.pte, field))

    @property
    def pbmt(self) -> int:
        """Memory type."""
        return PTE.get(self.pte, "pbmt")


class Walker:
    """Walk page tables in ``memory``, without any cache. Calls ``seen`` for each walk.

    Source
    ------
    RISC-V Privileged Architecture, "Virtual Address Translation Process", "Guest Physical Address
    Translation", chapters Svnapot, Svpbmt, Svadu; RISC-V IOMMU Architecture Specification, "Process
    to translate an IOVA".
    """

    def __init__(self, memory: Words, features: Features,
                 seen: Callable[[HpmEvent], None] = lambda event: None):
        self._memory, self._features, self._seen = memory, features, seen
        self._reserved = PTE.reserved
        if not features.svrsw60t59b:
            self._reserved |= PTE.mask("rsw60t59b")
        if not features.svpbmt:
            self._reserved |= PTE.mask("pbmt")

    def first(self, stage: Stage1, vm: Stage2, request: Request) -> Leaf:
        """Translate ``request.iova`` to a guest physical address.

        Raises
        ------
        Fault
            Page fault, access fault, or guest-page fault of an access to the page table.
        """
        iova, access = request.iova, request.access
        format_ = _SV32 if stage.sxl else _FORMATS[stage.mode]
        width = format_.width
        fault = Fault(PAGE_FAULT[access])
        if iova >> width if stage.sxl else iova >> width - 1 not in (0, (1 << 65 - width) - 1):
            raise fault
        self._seen(HpmEvent.FIRST_STAGE_WALK)

        def locate(addr: int, implicit: str = "read") -> int:
            return self.implicit(vm, addr, access, implicit)

        leaf, where = self._walk(format_, stage.root, iova & (1 << width) - 1, locate, access,
                                 fault, stage.big)
        self.check_first(leaf, stage, request)
        wanted = _A | (_D if access is Access.WRITE else 0)
        if wanted & ~leaf.pte:
            if not stage.update:
                raise fault
            leaf = self._update(leaf, lambda: locate(where, "write"), wanted, access, stage.big,
                                format_.bytes)
        return leaf

    def second(self, stage: Stage2, gpa: int, access: Access, *, wants: Access | None = None,
               flags: int = 0) -> Leaf:
        """Translate a guest physical address.

        Parameters
        ----------
        stage : Stage2
            Second stage; not Bare.
        gpa : int
            Address.
        access : Access
            What the device wants, which names the cause of a fault.
        wants : Access or None
            What is to be done at ``gpa``, if that is another thing.
        flags : int
            Bits 1:0 of iotval2.

        Raises
        ------
        Fault
            Guest-page fault or access fault.
        """
        format_ = _SV32 if stage.gxl else _FORMATS[stage.mode]
        fault = Fault(GUEST_PAGE_FAULT[access], gpa & ~3 | flags)
        wants = wants or access
        if gpa >> (_SV32 if stage.sxl else format_).width + 2:
            raise fault
        self._seen(HpmEvent.SECOND_STAGE_WALK)
        leaf, where = self._walk(format_, stage.root, gpa, lambda addr: addr, access, fault,
                                 stage.big)
        self.check_second(leaf, wants, fault)
        marks = _A | (_D if wants is Access.WRITE else 0)
        if marks & ~leaf.pte:
            if not stage.update:
                raise fault
            leaf = self._update(leaf, lambda: where, marks, access, stage.big, format_.bytes)
        return leaf

    def implicit(self, vm: Stage2, gpa: int, access: Access, kind: str = "read") -> int:
        """Physical address of a table that software keeps at ``gpa``.

        Raises
        ------
        Fault
            As :meth:`second`; iotval2 tells that the access was implicit.
        """
        if vm.mode == BARE:
            return gpa
        wants, flags = (Access.WRITE, 3) if kind == "write" else (Access.READ, 1)
        return self.second(vm, gpa, access, wants=wants, flags=flags).addr

    @staticmethod
    def check_first(leaf: Leaf, stage: Stage1, request: Request) -> None:
        """Permissions of a first-stage leaf. Raises :exc:`Fault`."""
        execute = request.access is Access.EXECUTE
        if request.supervisor:
            allowed = not leaf.has("u") or (stage.sum and not execute)
        else:
            allowed = leaf.has("u")
        if not allowed or not leaf.has(request.access.value):
            raise Fault(PAGE_FAULT[request.access])

    @staticmethod
    def check_second(leaf: Leaf, wants: Access, fault: Fault) -> None:
        """Permissions of a second-stage leaf. Raises ``fault``."""
        if not leaf.has("u") or not leaf.has(wants.value):
            raise fault

    def _walk(self, format_: _Format, root: int, addr: int, locate: Callable[[int], int],
              access: Access, fault: Fault, big: bool) -> tuple[Leaf, int]:
        """Leaf for ``addr``, and where it lies, in the address space of the table."""
        table = root * PAGE_BYTES
        for level in reversed(range(format_.levels)):
            index = addr >> PAGE_BITS + format_.index_bits * level
            if level < format_.levels - 1:      # the root of a second stage has more entries
                index &= (1 << format_.index_bits) - 1
            where = table + index * format_.bytes
            pte = self._load(locate(where), access, big, format_.bytes)
            r, w, x = (PTE.get(pte, name) for name in "rwx")
            if not PTE.get(pte, "v") or (w and not r) or pte & self._reserved:
                raise fault
            if r or x:
                size = PAGE_BITS + format_.index_bits * level
                return self._leaf(pte, level, size, addr, fault), where
            if pte & _LEAF_ONLY:
                raise fault
            table = PTE.get(pte, "ppn") * PAGE_BYTES
        raise fault

    def _leaf(self, pte: int, level: int, bits: int, addr: int, fault: Fault) -> Leaf:
        ppn = PTE.get(pte, "ppn")
        if PTE.get(pte, "pbmt") == 3:
            raise fault
        if PTE.get(pte, "n"):
            if level or ppn & 0xF != 0x8:
                raise fault
            bits, ppn = _NAPOT_BITS, ppn & ~0xF
        if ppn & (1 << bits - PAGE_BITS) - 1:
            raise fault                 # a superpage must be aligned to its size
        return Leaf(pte, bits, ppn * PAGE_BYTES | addr & (1 << bits) - 1)

    def _update(self, leaf: Leaf, locate: Callable[[], int], marks: int, access: Access,
                big: bool, size: int) -> Leaf:
        """Set A, and D for a write, in memory: one atomic read and write."""
        where = locate()
        pte = self._load(where, access, big, size) | marks
        try:
            self._memory.store(where, pte, size, big=big)
        except BusError:
            raise Fault(ACCESS_FAULT[access]) from None
        return Leaf(pte, leaf.bits, leaf.addr)

    def _load(self, addr: int, access: Access, big: bool, size: int) -> int:
        try:
            return self._memory.load(addr, size, big=big)
        except PoisonError:
            raise Fault(Cause.PAGE_TABLE_CORRUPTION) from None
        except BusError:
            raise Fault(ACCESS_FAULT[access]) from None
