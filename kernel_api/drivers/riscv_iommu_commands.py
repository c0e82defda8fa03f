"""Commands to the IOMMU: invalidations, and the fence that tells that they are done.

Source: RISC-V IOMMU Architecture Specification, chapter "In-memory queue interface" and section
"Software guidelines / Reading and writing of queues".
"""

from collections.abc import Callable, Iterator

from rtl.spec.queues import (
    COMMAND_BYTES,
    IODIR_DW0,
    IODIR_FUNC3,
    IOFENCE_DW0,
    IOFENCE_FUNC3,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    IOTINVAL_FUNC3,
    Opcode,
)

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE
from ..core.errno import EIO, ETIMEDOUT
from ..device.device import Device
from ..device.messages import dev_err
from ..platform.iopoll import poll_timeout
from ..platform.registers import Registers
from .riscv_iommu_ring import Queue

__all__ = ["COMMANDS", "CommandQueue", "inval_ddt", "inval_vma", "powers_of_two"]

#: Entries of the ring: a page of them.
COMMANDS = PAGE_SIZE // COMMAND_BYTES
#: How long the hardware may take to reach a fence, in cycles.
FENCE_CYCLES = 200_000


def inval_ddt(did: int | None = None) -> tuple[int, int]:
    """Command: forget the context of a device, or of all."""
    where = {} if did is None else {"dv": 1, "did": did}
    return IODIR_DW0.pack(opcode=Opcode.IODIR, func3=IODIR_FUNC3.INVAL_DDT, **where), 0


def inval_vma(pscid: int | None = None, iova: int | None = None,
              size: int = PAGE_SIZE) -> tuple[int, int]:
    """Command: forget translations of one address space, of a range in it, or all.

    Parameters
    ----------
    pscid : int or None
        The address space; None: all.
    iova, size : int or None, int
        Range in bytes; None: all of it. One of more than a page is a power of two and aligned, and
        needs capability S.
    """
    where = {} if pscid is None else {"pscv": 1, "pscid": pscid}
    if iova is None:
        operand = 0
    else:
        where["av"] = 1
        # The lowest 0 of the page number tells the size: below it are ones.
        ones = (size >> PAGE_SHIFT + 1) - 1 if size > PAGE_SIZE else 0
        operand = IOTINVAL_DW1.pack(s=size > PAGE_SIZE, addr=iova >> PAGE_SHIFT | ones)
    return (IOTINVAL_DW0.pack(opcode=Opcode.IOTINVAL, func3=IOTINVAL_FUNC3.VMA, **where),
            operand)


def powers_of_two(start: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut a range into aligned powers of two, from its start on: their starts and sizes."""
    end = start + size
    while start < end:
        aligned = start & -start if start else 1 << (end - start).bit_length()
        piece = min(aligned, 1 << (end - start).bit_length() - 1)
        yield start, piece
        start += piece


_FENCE = IOFENCE_DW0.pack(opcode=Opcode.IOFENCE, func3=IOFENCE_FUNC3.C, pr=1, pw=1), 0


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
