"""Interrupt files in memory, of the golden IOMMU."""

from rtl.spec.faults import Cause
from rtl.spec.page_table import MSI_PTE_MRIF, MSI_PTE_NOTICE, PAGE_BYTES
from rtl.spec.platform import BusError

from ..memory import PoisonError, Words
from .types import Access, Fault, Features, Request

__all__ = ["InterruptFiles"]

_FILE_BYTES = 512
_IDENTITIES = 2048


class InterruptFiles:
    """Record messages of devices in interrupt files that are in ``memory``, and give notice.

    Messages are little-endian, and so are files and notices. An access that is no write of four
    bytes to a multiple of four is not supported; one to another register than the first is
    accepted, and does nothing.

    Source
    ------
    RISC-V Advanced Interrupt Architecture, "MSI PTE, MRIF mode"; RISC-V IOMMU Architecture
    Specification, "Process to translate addresses of MSIs".
    """

    def __init__(self, memory: Words, features: Features):
        self._memory, self._features = memory, features

    def record(self, request: Request, gpa: int, entry: int, notice: int) -> None:
        """Do what a write to guest address ``gpa`` asks for, by both doublewords of an MSI PTE.

        Raises
        ------
        Fault
            Causes 263, 1, 260; 264 and 271 for the file; 273 for the notice.
        """
        if entry & MSI_PTE_MRIF.reserved or notice & MSI_PTE_NOTICE.reserved:
            raise Fault(Cause.MSI_PTE_MISCONFIGURED)
        if request.access is Access.EXECUTE:
            raise Fault(Cause.EXEC_ACCESS_FAULT)
        data, at = request.data, gpa % PAGE_BYTES + request.offset
        if request.access is not Access.WRITE or data is None or len(data) != 4 or at % 4:
            raise Fault(Cause.TYPE_DISALLOWED)
        file = MSI_PTE_MRIF.get(entry, "file") * _FILE_BYTES
        where = MSI_PTE_NOTICE.get(notice, "ppn") * PAGE_BYTES
        if (file | where) >> self._features.pas:
            raise Fault(Cause.MRIF_ACCESS_FAULT)
        identity = int.from_bytes(data, "little")
        if at or identity >= _IDENTITIES:
            return
        word = file + identity // 64 * 16
        try:
            self._memory.store(word, self._memory.load(word) | 1 << identity % 64)
        except PoisonError:
            raise Fault(Cause.MRIF_CORRUPTION) from None
        except BusError:
            raise Fault(Cause.MRIF_ACCESS_FAULT) from None
        number = MSI_PTE_NOTICE.get(notice, "low") | MSI_PTE_NOTICE.get(notice, "high") << 10
        try:
            self._memory.store(where, number, 4)
        except BusError:
            raise Fault(Cause.MSI_WRITE_ACCESS_FAULT) from None
