"""From a device's request to a physical address or a fault."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from rtl.spec.bits import BitLayout
from rtl.spec.faults import DTF_KEEPS, Cause
from rtl.spec.hpm import HpmEvent
from rtl.spec.page_table import IOSATP, MSI_PTE_FILE, PAGE_BITS, PAGE_BYTES, DdtpMode
from rtl.spec.platform import BusError

from ..memory import PoisonError
from .cache import ContextCache, Entry, TranslationCache
from .context import DeviceContext, Directory
from .interrupt_file import InterruptFiles
from .monitor import Monitor, Who
from .port import Port
from .registers import Counters
from .types import (
    ACCESS_FAULT,
    Access,
    Fault,
    Features,
    Request,
    Result,
)
from .walker import BARE, Stage1, Stage2, Walker

__all__ = ["Translator"]

_MSI_PTE = BitLayout("msi_pte", 64, {"v": (0, 1), "m": (1, 2), "ppn": (10, 44), "c": (63, 1)})
_MSI_PTE_BYTES = 16
_MSI_BASIC = 3
_Context = TypeVar("_Context")


class Translator:
    """The process to translate an IOVA.

    A translation that succeeds is kept for the smaller page of both stages, with the permissions
    of each. A hit that they do not permit is no hit: the access walks again, which finds the cause
    of the fault, or sets D, or that software has changed the entry since.

    Parameters
    ----------
    memory : Port
        Where directories and tables are.
    features : Features
        What the IOMMU has.
    counters : Counters
        Counts hits and misses, one for each request with a page table, and walks of the first
        stage, also those that end at once because the address is not canonical.
    monitor : Monitor or None
        Performance monitor.
    cache : bool
        Whether to keep contexts and translations until they are invalidated.
    qos_bits : tuple of int
        Width of RCID and MCID.

    Source
    ------
    RISC-V IOMMU Architecture Specification, "Process to translate an IOVA", "Process to translate
    addresses of MSIs".
    """

    def __init__(self, memory: Port, features: Features, counters: Counters,
                 monitor: Monitor | None = None, *, cache: bool = True,
                 qos_bits: tuple[int, int] = (12, 12)):
        self._memory, self._features, self._counters = memory, features, counters
        self._monitor = monitor or Monitor()
        self._walker = Walker(memory, features, self._monitor.seen)
        self.directory = Directory(memory, features, self._walker, qos_bits)
        self._files = InterruptFiles(memory, features)
        self.contexts = ContextCache(cache)
        self.translations = TranslationCache(cache)

    def translate(self, request: Request, mode: int, root: int, *, big: bool = False,
                  gxl: bool = False) -> Result:
        """Answer ``request``, with ``ddtp.iommu_mode``, page number of the root, and ``fctl``.

        Raises
        ------
        Fault
            If the access must not go on; ``silent`` if DC.tc.DTF suppresses its record.
        """
        self._monitor.who = Who(request.device_id, request.process_id)
        self._monitor.seen(HpmEvent.TRANSLATED_REQUEST if request.translated else
                           HpmEvent.UNTRANSLATED_REQUEST)
        quiet = False                   # DTF of the device context, once there is one
        try:
            if mode == DdtpMode.OFF:
                raise Fault(Cause.ALL_INBOUND_DISALLOWED)
            if mode == DdtpMode.BARE:
                if request.translated:
                    raise Fault(Cause.TYPE_DISALLOWED)
                return Result(addr=self._physical(request.iova, request), qos=self._memory.qos)
            if not self.directory.fits(request.device_id, mode):
                raise Fault(Cause.TYPE_DISALLOWED)
            dc = self.contexts.device(request.device_id, lambda: self._counted(
                HpmEvent.DEVICE_WALK, lambda: self.directory.device(
                    request.device_id, mode, root, big=big, gxl=gxl)))
            quiet = dc.has("dtf")
            with self._memory.tagged(dc.qos):
                result = self._locate(request, dc)
                return result if result.message else replace(result, qos=dc.qos)
        except Fault as fault:
            fault.silent = quiet and fault.cause not in DTF_KEEPS
            raise

    def _locate(self, request: Request, dc: DeviceContext) -> Result:
        """Find both stages, by process if there is one, and translate."""
        process_id = request.process_id
        if request.translated:          # no ATS here: EN_ATS is always 0
            raise Fault(Cause.TYPE_DISALLOWED)
        if process_id is not None and not (
                dc.has("pdtv") and self.directory.process_fits(dc, process_id)):
            raise Fault(Cause.TYPE_DISALLOWED)
        if not dc.has("pdtv"):
            stage1 = dc.stage1(dc.fsc, dc.ta >> 12 & 0xFFFFF)
            return self._translate(request, dc, stage1)
        if process_id is None and dc.has("dpe"):
            process_id = 0
        self._monitor.who = Who(request.device_id, process_id, dc.stage2.gscid)
        if process_id is None or IOSATP.get(dc.fsc, "mode") == BARE:
            return self._translate(request, dc, Stage1())
        pc = self.contexts.process(request.device_id, process_id, lambda: self._counted(
            HpmEvent.PROCESS_WALK, self.directory.process, dc, process_id, request))
        if request.supervisor and not pc.get("ens"):
            raise Fault(Cause.TYPE_DISALLOWED)
        stage1 = dc.stage1(pc.fsc, pc.get("pscid"), bool(pc.get("sum")))
        return self._translate(request, dc, stage1)

    def _counted(self, event: HpmEvent, find: Callable[..., _Context], *args: object) -> _Context:
        self._monitor.seen(event)
        return find(*args)

    def _translate(self, request: Request, dc: DeviceContext, stage1: Stage1) -> Result:
        stage2 = dc.stage2
        if stage1.mode == BARE and stage2.mode == BARE and dc.msi is None:
            return Result(addr=self._physical(request.iova, request))
        entry = self.translations.lookup(stage2.gscid, stage1.pscid, request.iova, dc.msi)
        if entry and self._usable(entry, request, stage1):
            self._counters.tlb_hits += 1
        else:
            self._counters.tlb_misses += 1
            self._monitor.who = replace(
                self._monitor.who, gscid=stage2.gscid, pscid=stage1.pscid)
            self._monitor.seen(HpmEvent.TLB_MISS)
            entry = self._walk(request, dc, stage1, stage2)
            if entry is None:
                return Result(message=True)
            self.translations.insert(entry)
        pbmt = next((leaf.pbmt for leaf in (entry.first, entry.second) if leaf and leaf.pbmt), 0)
        return Result(addr=entry.at(request.iova), pbmt=pbmt)

    def _walk(self, request: Request, dc: DeviceContext, stage1: Stage1,
              stage2: Stage2) -> Entry | None:
        """Translate, or carry out a message to an interrupt file, which has no translation."""
        gpa, first, second = request.iova, None, None
        if stage1.mode != BARE:
            self._counters.walks += 1
            first = self._walker.first(stage1, stage2, request)
            gpa = addr = first.addr
        if dc.msi and _is_msi(gpa, dc.msi):
            addr = self._msi(gpa, dc.msi, request, stage2.big)
            if addr is None:
                return None
        elif stage2.mode != BARE:
            second = self._walker.second(stage2, gpa, request.access)
            addr = second.addr
        return Entry(request.iova, gpa, self._physical(addr, request), first, second,
                     stage2.gscid, stage1.pscid, dc.msi)

    def _usable(self, entry: Entry, request: Request, stage1: Stage1) -> bool:
        """Whether a hit permits the access. Else a walk finds the cause, or sets D."""
        try:
            if entry.first:
                self._walker.check_first(entry.first, stage1, request)
            if entry.second:
                self._walker.check_second(entry.second, request.access, Fault(Cause.NONE))
        except Fault:
            return False
        if request.access is Access.WRITE:
            return all(leaf.has("d") for leaf in (entry.first, entry.second) if leaf)
        return not (entry.is_msi and request.access is Access.EXECUTE)

    def _msi(self, gpa: int, msi: tuple[int, int, int], request: Request,
             big: bool) -> int | None:
        """Physical address behind a virtual interrupt file; None if that is in memory."""
        table, mask, _ = msi
        try:
            pte, notice = self._memory.load_many(
                table * PAGE_BYTES | _extract(gpa >> PAGE_BITS, mask) * _MSI_PTE_BYTES, 2, big=big)
        except PoisonError:
            raise Fault(Cause.MSI_PT_CORRUPTION) from None
        except BusError:
            raise Fault(Cause.MSI_PTE_LOAD_FAULT) from None
        if not _MSI_PTE.get(pte, "v"):
            raise Fault(Cause.MSI_PTE_INVALID)
        if (self._features.msi_mrif and _MSI_PTE.get(pte, "m") == MSI_PTE_FILE and
                not _MSI_PTE.get(pte, "c")):
            self._files.record(request, gpa, pte, notice)
            return None
        if (_MSI_PTE.get(pte, "m") != _MSI_BASIC or pte & _MSI_PTE.reserved or
                _MSI_PTE.get(pte, "c")):
            raise Fault(Cause.MSI_PTE_MISCONFIGURED)
        if request.access is Access.EXECUTE:
            raise Fault(Cause.EXEC_ACCESS_FAULT)
        return _MSI_PTE.get(pte, "ppn") * PAGE_BYTES | gpa & PAGE_BYTES - 1

    def _physical(self, addr: int, request: Request) -> int:
        """Refuse what is wider than ``capabilities.pas``."""
        if addr >> self._features.pas:
            raise Fault(ACCESS_FAULT[request.access])
        return addr


def _is_msi(gpa: int, msi: tuple[int, int, int]) -> bool:
    _, mask, pattern = msi
    return not ((gpa >> PAGE_BITS) ^ pattern) & ~mask


def _extract(value: int, mask: int) -> int:
    """Bits of ``value`` where ``mask`` has ones, packed towards bit 0."""
    packed = place = 0
    while mask:
        lowest = mask & -mask
        packed |= bool(value & lowest) << place
        place, mask = place + 1, mask & ~lowest
    return packed
