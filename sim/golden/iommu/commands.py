"""The command queue."""

from collections.abc import Callable

from rtl.spec.bits import BitLayout
from rtl.spec.page_table import PAGE_BYTES, DdtpMode
from rtl.spec.platform import BusError
from rtl.spec.queues import (
    COMMAND_BYTES,
    IODIR_DW0,
    IODIR_FUNC3,
    IOFENCE_DW0,
    IOFENCE_DW1,
    IOFENCE_FUNC3,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    IOTINVAL_FUNC3,
    Opcode,
)

from ..memory import Words
from .cache import Range
from .registers import CQCSR, QUEUE_BASE, Registers
from .translator import Translator
from .types import Features

__all__ = ["CommandQueue"]

_STOPPED = CQCSR.mask("cqmf") | CQCSR.mask("cmd_to") | CQCSR.mask("cmd_ill")
_PAGES = (1 << 52) - 1                  # ADDR of IOTINVAL, in pages


class _Illegal(Exception):
    pass


class CommandQueue:
    """Fetch and execute commands, in order and at once.

    Parameters
    ----------
    memory : Words
        Where the queue is.
    registers : Registers
        Its registers.
    features : Features
        What the IOMMU has.
    translator : Translator
        Whose caches the commands invalidate.
    changed : callable
        Called when a bit that may interrupt was set.

    Source
    ------
    RISC-V IOMMU Architecture Specification, "Command-Queue", "Command-queue CSR", "Non-leaf PTE
    Invalidation Extension", "Address Range Invalidation Extension".
    """

    def __init__(self, memory: Words, registers: Registers, features: Features,
                 translator: Translator, changed: Callable[[], None]):
        self._memory, self._registers, self._features = memory, registers, features
        self._translator, self._changed = translator, changed

    def run(self) -> None:
        """Execute until the queue is empty, off or stopped by an error."""
        regs = self._registers
        while (CQCSR.get(regs.cqcsr, "cqon") and not regs.cqcsr & _STOPPED and
               regs.cqh != regs.cqt):
            where = QUEUE_BASE.get(regs.cqb, "ppn") * PAGE_BYTES + regs.cqh * COMMAND_BYTES
            try:
                self._execute(*self._memory.load_many(where, COMMAND_BYTES // 8, big=regs.big))
            except BusError:            # of the fetch, or of a fence's store
                self._stop("cqmf")
            except _Illegal:
                self._stop("cmd_ill")
            else:
                regs.cqh = (regs.cqh + 1) % regs.entries(regs.cqb)

    def _stop(self, error: str) -> None:
        self._registers.cqcsr |= CQCSR.mask(error)
        self._changed()

    def _execute(self, dw0: int, dw1: int) -> None:
        opcode, func3 = IODIR_DW0.get(dw0, "opcode"), IODIR_DW0.get(dw0, "func3")
        match opcode, func3:
            case Opcode.IOTINVAL, IOTINVAL_FUNC3.VMA | IOTINVAL_FUNC3.GVMA:
                self._iotinval(dw0, dw1, func3 == IOTINVAL_FUNC3.VMA)
            case Opcode.IOFENCE, IOFENCE_FUNC3.C:
                self._iofence(dw0, dw1)
            case Opcode.IODIR, IODIR_FUNC3.INVAL_DDT | IODIR_FUNC3.INVAL_PDT:
                self._iodir(dw0, dw1, func3 == IODIR_FUNC3.INVAL_PDT)
            case _:
                raise _Illegal

    def _iotinval(self, dw0: int, dw1: int, vma: bool) -> None:
        field = IOTINVAL_DW0.unpack(dw0)
        _refuse(IOTINVAL_DW0, dw0, *([] if self._features.nl else ["nl"]))
        _refuse(IOTINVAL_DW1, dw1, *([] if self._features.s else ["s"]))
        gscid = field["gscid"] if field["gv"] else None
        where = _range(dw1) if field["av"] else None
        cache = self._translator.translations
        if vma:
            cache.invalidate_first(gscid, field["pscid"] if field["pscv"] else None, where)
        elif field["pscv"]:
            raise _Illegal
        else:
            cache.invalidate_second(gscid, where if field["gv"] else None)

    def _iofence(self, dw0: int, dw1: int) -> None:
        field = IOFENCE_DW0.unpack(dw0)
        _refuse(IOFENCE_DW0, dw0, *([] if self._registers.wired else ["wsi"]))
        _refuse(IOFENCE_DW1, dw1)
        if field["av"]:
            self._memory.store(IOFENCE_DW1.get(dw1, "addr") * 4, field["data"], 4,
                               big=self._registers.big)
        if field["wsi"]:
            self._registers.cqcsr |= CQCSR.mask("fence_w_ip")
            self._changed()

    def _iodir(self, dw0: int, dw1: int, process: bool) -> None:
        field, mode = IODIR_DW0.unpack(dw0), self._registers.mode
        _refuse(IODIR_DW0, dw0, *([] if process else ["pid"]))
        directory, contexts = self._translator.directory, self._translator.contexts
        too_wide = field["dv"] and mode > DdtpMode.BARE and not directory.fits(field["did"], mode)
        if dw1 or too_wide or (process and (not field["dv"] or field["pid"] >> self._pid_bits())):
            raise _Illegal
        if process:
            contexts.invalidate_process(field["did"], field["pid"])
        elif field["dv"]:
            contexts.invalidate_device(field["did"])
        else:
            contexts.clear()

    def _pid_bits(self) -> int:
        have = self._features
        return 20 if have.pd20 else 17 if have.pd17 else 8 if have.pd8 else 0


def _refuse(layout: BitLayout, dword: int, *fields: str) -> None:
    """Reserved bits, and the named fields, must be zero."""
    if dword & (layout.reserved | sum(layout.mask(field) for field in fields)):
        raise _Illegal


def _range(dw1: int) -> Range:
    """First and last byte of ADDR, which holds a power of two of pages if S is set."""
    page, pages = IOTINVAL_DW1.get(dw1, "addr"), 1
    if IOTINVAL_DW1.get(dw1, "s"):
        ones = ~page & page + 1         # the lowest zero bit
        page, pages = page & ~(2 * ones - 1) & _PAGES, 2 * ones
    return page * PAGE_BYTES, (page + pages) * PAGE_BYTES - 1
