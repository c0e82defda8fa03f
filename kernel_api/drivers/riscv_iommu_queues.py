"""The two rings between software and the IOMMU: commands one way, fault records the other.

The rings are coherent memory. Linux: ``drivers/iommu/riscv/iommu.c`` (order of the steps).

Source: RISC-V IOMMU Architecture Specification, chapter "In-memory queue interface" and section
"Software guidelines / Reading and writing of queues".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtl.spec.faults import Cause, TransactionType
from rtl.spec.queues import (
    COMMAND_BYTES,
    FAULT_BYTES,
    FAULT_DW0,
    IODIR_DW0,
    IODIR_FUNC3,
    IOFENCE_DW0,
    IOFENCE_FUNC3,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    IOTINVAL_FUNC3,
    Opcode,
)

from ..addresses import PAGE_SHIFT, PAGE_SIZE
from ..coherent import dma_alloc_coherent, dma_free_coherent
from ..device import Device
from ..errno import EIO, ENODEV, ENOMEM, ETIMEDOUT
from ..gfp import GFP_KERNEL
from ..iopoll import poll_timeout
from ..log import dev_err
from ..registers import Registers

if TYPE_CHECKING:
    from ..addresses import VirtAddr

__all__ = ["CommandQueue", "FaultQueue", "FaultRecord", "inval_ddt", "inval_vma"]

#: How long the hardware may take to switch a queue, and to reach a fence, in cycles.
SWITCH_CYCLES = 10_000
FENCE_CYCLES = 200_000


def inval_ddt(did: int | None = None) -> tuple[int, int]:
    """Command: forget the context of a device, or of all."""
    where = {} if did is None else {"dv": 1, "did": did}
    return IODIR_DW0.pack(opcode=Opcode.IODIR, func3=IODIR_FUNC3.INVAL_DDT, **where), 0


def inval_vma(pscid: int | None = None, iova: int | None = None) -> tuple[int, int]:
    """Command: forget translations; of one address space, of one page in it, or all."""
    where = {} if pscid is None else {"pscv": 1, "pscid": pscid}
    addr = {} if iova is None else {"av": 1}
    return (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=IOTINVAL_FUNC3.VMA, **where, **addr),
            0 if iova is None else IOTINVAL_DW1.pack(addr=iova >> PAGE_SHIFT))


_FENCE = IOFENCE_DW0.pack(opcode=Opcode.IOFENCE, func3=IOFENCE_FUNC3.C, pr=1, pw=1), 0


class Queue:
    """What both rings have in common.

    Parameters
    ----------
    dev : Device
        The IOMMU, for memory and messages.
    regs : Registers
        Its registers.
    prefix : str
        ``"cq"`` or ``"fq"``.
    entry_bytes : int
        Bytes of an entry.
    """

    errors: tuple[str, ...] = ()

    def __init__(self, dev: Device, regs: Registers, prefix: str, entry_bytes: int):
        self._dev, self._prefix, self._entry_bytes = dev, prefix, entry_bytes
        self._machine, self._cpu = dev.kernel.machine, dev.kernel.cpu
        self._base, self._head, self._tail, self.csr = (
            getattr(regs, prefix + name) for name in ("b", "h", "t", "csr"))
        self._va: VirtAddr | None = None
        self.entries = 0

    def allocate(self, entries: int) -> int:
        """Give the ring memory for ``entries``, or as many as the hardware can have.

        Returns
        -------
        int
            0; ``-ENODEV`` if the hardware does not keep the base; ``-ENOMEM``.
        """
        self._base.write(log2sz_1=31)
        found = self._base.fields()
        if found["ppn"]:
            dev_err(self._dev, "%s: a ring at a fixed address is not supported", self._prefix)
            return -ENODEV
        self.entries = min(entries, 2 << found["log2sz_1"])
        size = self.entries * self._entry_bytes
        self._va, self._dma = dma_alloc_coherent(self._dev, size, GFP_KERNEL)
        if self._va is None:
            return -ENOMEM
        base = {"log2sz_1": self.entries.bit_length() - 2, "ppn": self._dma >> PAGE_SHIFT}
        self._base.write(**base)
        if self._base.fields() != base:
            dev_err(self._dev, "%s: the base does not read back", self._prefix)
            return -ENODEV
        return 0

    def release(self) -> None:
        """Switch off, and free the memory."""
        if self._va is not None:
            self.disable()
            dma_free_coherent(self._dev, self.entries * self._entry_bytes, self._va, self._dma)
            self._va = None

    def _switch(self, *, on: bool) -> int:
        clear = dict.fromkeys(self.errors, 1)
        self.csr.write(**{f"{self._prefix}en": on, f"{self._prefix[0]}ie": on}, **clear)
        poll_timeout(self._machine, lambda: not self.csr.read("busy"), SWITCH_CYCLES)
        if self.csr.read(f"{self._prefix}on") != on:
            dev_err(self._dev, "%s: does not switch %s", self._prefix, "on" if on else "off")
            return -ENODEV
        return 0

    def disable(self) -> int:
        """Switch off. 0 or ``-ENODEV``."""
        return self._switch(on=False)

    def find_errors(self) -> list[str]:
        """Error bits that are set."""
        word = self.csr.fields()
        return [name for name in self.errors if word[name]]


class CommandQueue(Queue):
    """The ring of commands: software writes at the tail."""

    errors = ("cqmf", "cmd_to", "cmd_ill", "fence_w_ip")

    def __init__(self, dev: Device, regs: Registers):
        super().__init__(dev, regs, "cq", COMMAND_BYTES)
        self._next = self._room = 0
        self._failed: list[str] = []

    def enable(self) -> int:
        """Switch on, empty. 0 or ``-ENODEV``."""
        self._next, self._room, self._failed = 0, self.entries - 1, []
        self._tail.write(index=0)
        return self._switch(on=True)

    def fail(self) -> bool:
        """Note what went wrong, and stop the ring, which would fail again. False if nothing did."""
        if not (errors := self.find_errors()):
            return False
        dev_err(self._dev, "command queue error: %s at index %d", ", ".join(errors),
                self._head.read("index"))
        self._failed += errors
        self.disable()
        return True

    def send(self, commands: list[tuple[int, int]]) -> int:
        """Write commands and ring the doorbell. 0, ``-EIO`` or ``-ETIMEDOUT``; then it restarts."""
        stats = self._dev.kernel.stats
        for low, high in commands:
            if not self._room and (rc := self._wait_for(self._has_room)):
                return rc
            self._cpu.store(self._va + self._next * COMMAND_BYTES,
                            (low | high << 64).to_bytes(COMMAND_BYTES, "little"))
            self._next = (self._next + 1) % self.entries
            self._room -= 1
            if not self._room:
                self._doorbell()
            opcode = IODIR_DW0.get(low, "opcode")
            stats.iotlb_commands += opcode == Opcode.IOTINVAL
            stats.iodir_commands += opcode == Opcode.IODIR
            stats.fences += opcode == Opcode.IOFENCE
        self._doorbell()
        return 0

    def sync(self, commands: list[tuple[int, int]]) -> int:
        """Send commands and a fence, and wait until all are done. As :meth:`send`.

        When it returns 0, no access uses what was invalidated: earlier ones were answered.
        """
        return self.send([*commands, _FENCE]) or self._wait_for(self._is_empty)

    def _doorbell(self) -> None:
        self._cpu.wmb()
        self._tail.write(index=self._next)

    def _has_room(self) -> bool:
        self._room = (self._head.read("index") - self._next - 1) % self.entries
        return bool(self._room)

    def _is_empty(self) -> bool:
        return self._head.read("index") == self._next

    def _wait_for(self, condition: Callable[[], bool]) -> int:
        if poll_timeout(self._machine, lambda: self._failed or condition(), FENCE_CYCLES):
            if not self._failed:
                return 0
            rc = -EIO
        else:
            rc = -EIO if self.fail() else -ETIMEDOUT
            if rc == -ETIMEDOUT:
                dev_err(self._dev, "command queue timeout")
                self.disable()
        self.enable()
        return rc


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


#: Entries that fill a page.
COMMANDS = PAGE_SIZE // COMMAND_BYTES
FAULTS = PAGE_SIZE // FAULT_BYTES
