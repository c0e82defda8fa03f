"""Fault records of the IOMMU.

Source: RISC-V IOMMU Architecture Specification, chapter "In-memory queue interface" and section
"Software guidelines / Reading and writing of queues".
"""

from dataclasses import dataclass

from rtl.spec.faults import Cause, TransactionType
from rtl.spec.queues import FAULT_BYTES, FAULT_DW0

from ..core.addresses import PAGE_SIZE
from ..device.device import Device
from ..platform.registers import Registers
from .riscv_iommu_ring import Queue

__all__ = ["FAULTS", "FaultQueue", "FaultRecord"]

#: Entries of the ring: a page of them.
FAULTS = PAGE_SIZE // FAULT_BYTES


@dataclass(frozen=True)
class FaultRecord:
    """One record of the fault queue.

    Parameters
    ----------
    cause : Cause or int
        Why, by the name of the specification; a number if it has none.
    ttyp : TransactionType or int
        What kind of access.
    device_id : int
        Who.
    process_id : int or None
        In which of its processes, if it said so.
    privileged : bool
        Whether it asked for supervisor rights.
    iova : int
        The DMA address.
    iotval2 : int
        For second-stage faults: the guest physical address.
    """

    cause: Cause | int
    ttyp: TransactionType | int
    device_id: int
    process_id: int | None
    privileged: bool
    iova: int
    iotval2: int

    @classmethod
    def decode(cls, data: bytes) -> "FaultRecord":
        """Take the :data:`FAULT_BYTES` bytes of a record apart."""
        word, _, iova, iotval2 = (int.from_bytes(data[at:at + 8], "little")
                                  for at in range(0, FAULT_BYTES, 8))
        part = FAULT_DW0.unpack(word)
        return cls(_named(Cause, part["cause"]), _named(TransactionType, part["ttyp"]), part["did"],
                   part["pid"] if part["pv"] else None, bool(part["priv"]), iova, iotval2)

    def __str__(self):
        cause = getattr(self.cause, "name", "unknown")
        ttyp = getattr(self.ttyp, "name", self.ttyp)
        return (f"fault {cause} ({int(self.cause)}): device {self.device_id:#x}, {ttyp} "
                f"at {self.iova:#x}")


def _named(kind: type[Cause] | type[TransactionType], value: int) -> int:
    return kind(value) if value in {item.value for item in kind} else value


class FaultQueue(Queue):
    """The ring of fault records: software reads at the head."""

    errors = ("fqmf", "fqof")

    def __init__(self, dev: Device, regs: Registers):
        super().__init__(dev, regs, "fq", FAULT_BYTES)
        self._next = 0

    def enable(self) -> int:
        """Switch on, empty. 0 or ``-ENODEV``."""
        self._next = 0
        self._head.write(index=0)
        return self._switch(on=True)

    def drain(self) -> list[FaultRecord]:
        """Take all records out."""
        records, tail = [], self._tail.read("index")
        while self._next != tail:
            data = self._cpu.load(self._va + self._next * FAULT_BYTES, FAULT_BYTES)
            records.append(FaultRecord.decode(data))
            self._next = (self._next + 1) % self.entries
        if records:
            self._head.write(index=self._next)
        return records
