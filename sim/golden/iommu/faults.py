"""The fault queue."""

from collections.abc import Callable

from rtl.spec.faults import Cause, TransactionType
from rtl.spec.page_table import PAGE_BYTES
from rtl.spec.platform import BusError
from rtl.spec.queues import FAULT_BYTES, FAULT_DW0

from ..memory import Words
from .registers import FQCSR, QUEUE_BASE, Registers
from .types import Fault, Request

__all__ = ["FaultQueue"]


class FaultQueue:
    """Write records for software.

    Parameters
    ----------
    memory : Words
        Where the queue is.
    registers : Registers
        Its registers.
    recorded, failed : callable
        Called after a record was written, and when one was lost.

    Source
    ------
    RISC-V IOMMU Architecture Specification, "Fault/Event-Queue", "Fault queue CSR".
    """

    def __init__(self, memory: Words, registers: Registers, recorded: Callable[[], None],
                 failed: Callable[[], None]):
        self._memory, self._registers = memory, registers
        self._recorded, self._failed = recorded, failed

    def request_failed(self, request: Request, fault: Fault) -> bool:
        """Record the fault of a device's access. Returns whether the record was written."""
        valid = request.process_id is not None
        return self._write(FAULT_DW0.pack(
            cause=fault.cause, ttyp=request.ttyp, did=request.device_id, pv=int(valid),
            pid=request.process_id or 0, priv=int(request.supervisor)), request.iova,
            fault.iotval2)

    def message_failed(self, addr: int) -> None:
        """Record that an interrupt message to ``addr`` was refused."""
        self._write(FAULT_DW0.pack(cause=Cause.MSI_WRITE_ACCESS_FAULT, ttyp=TransactionType.NONE),
                    addr, 0)

    def _write(self, dw0: int, iotval: int, iotval2: int) -> bool:
        regs = self._registers
        if not FQCSR.get(regs.fqcsr, "fqon") or regs.fqcsr & (
                FQCSR.mask("fqmf") | FQCSR.mask("fqof")):
            return False
        after = (regs.fqt + 1) % regs.entries(regs.fqb)
        if after == regs.fqh:
            regs.fqcsr |= FQCSR.mask("fqof")
            self._failed()
            return False
        order = "big" if regs.big else "little"
        record = b"".join(dword.to_bytes(8, order) for dword in (dw0, 0, iotval, iotval2))
        where = QUEUE_BASE.get(regs.fqb, "ppn") * PAGE_BYTES + regs.fqt * FAULT_BYTES
        try:
            self._memory.write(where, record)
        except BusError:
            regs.fqcsr |= FQCSR.mask("fqmf")
            self._failed()
            return False
        regs.fqt = after
        self._recorded()
        return True
