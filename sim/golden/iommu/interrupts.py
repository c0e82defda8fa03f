"""Pending interrupts, wires and messages."""

from rtl.spec.platform import BusError

from ..memory import Words
from .faults import FaultQueue
from .registers import CQCSR, FQCSR, Registers

__all__ = ["COMMAND", "FAULT", "MONITOR", "Interrupts"]

COMMAND, FAULT, MONITOR = 0, 1, 2       # bits of ipsr
_COMMAND_SOURCES = sum(CQCSR.mask(name) for name in ("cqmf", "cmd_to", "cmd_ill", "fence_w_ip"))
_FAULT_SOURCES = FQCSR.mask("fqmf") | FQCSR.mask("fqof")


class Interrupts:
    """Set bits of ipsr, and signal them.

    Source
    ------
    RISC-V IOMMU Architecture Specification, "Interrupt pending status register", "MSI
    configuration table".
    """

    def __init__(self, memory: Words, registers: Registers, faults: FaultQueue):
        self._memory, self._registers, self._faults = memory, registers, faults
        self._held: set[int] = set()    # vectors whose message waits for their mask

    @property
    def wires(self) -> int:
        """Level of each vector's wire."""
        levels = 0
        if self._registers.wired:
            for source in (COMMAND, FAULT, MONITOR):
                if self._registers.ipsr >> source & 1:
                    levels |= 1 << self._vector(source)
        return levels

    def update(self) -> None:
        """Set the bits whose source stands."""
        regs = self._registers
        if CQCSR.get(regs.cqcsr, "cie") and regs.cqcsr & _COMMAND_SOURCES:
            self._set(COMMAND)
        if FQCSR.get(regs.fqcsr, "fie") and regs.fqcsr & _FAULT_SOURCES:
            self._set(FAULT)

    def recorded(self) -> None:
        """Take note of a record in the fault queue."""
        if FQCSR.get(self._registers.fqcsr, "fie"):
            self._set(FAULT)

    def overflowed(self) -> None:
        """Take note of a counter's overflow."""
        self._set(MONITOR)

    def unmask(self) -> None:
        """Send the messages that waited, if they may go now."""
        for vector in sorted(self._held):
            if not self._registers.messages[vector][2]:
                self._held.discard(vector)
                self._send(vector)

    def _vector(self, source: int) -> int:
        return self._registers.icvec >> 4 * source & 0xF

    def _set(self, source: int) -> None:
        regs = self._registers
        if regs.ipsr >> source & 1:
            return
        regs.ipsr |= 1 << source
        if not regs.wired:
            vector = self._vector(source)
            if regs.messages[vector][2]:
                self._held.add(vector)
            else:
                self._send(vector)

    def _send(self, vector: int) -> None:
        addr, data, _ = self._registers.messages[vector]
        try:
            self._memory.store(addr, data, 4, big=self._registers.big)
        except BusError:
            self._faults.message_failed(addr)
