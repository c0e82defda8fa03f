"""Software for an IOMMU that is a target of vectors: the golden model, or the RTL."""

from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode
from rtl.spec.queues import FAULT_DW0
from sim.vectors import Scenario, Step
from tests.rtl.iommu.world import BASE, COMMANDS, FAULTS, SIZE, Tables

__all__ = ["Software"]

_ENTRIES = 16


class _Memory:
    """The target's memory, as :class:`Tables` has it."""

    def __init__(self, target):
        self._target = target

    def read(self, addr, size):
        return b"".join(self._target.peek(addr + n).to_bytes(8, "little")
                        for n in range(0, size, 8))

    def write(self, addr, data):
        for n in range(0, len(data), 8):
            self._target.poke(addr + n, int.from_bytes(data[n:n + 8], "little"))


class Software:
    """Queues on, a directory, and tables to fill.

    Parameters
    ----------
    target : sim.vectors.Target
        Implementation.
    mode : DdtpMode
        Depth of the directory.
    caps : int
        Capabilities besides version, Sv39 and interrupts by wire.
    """

    def __init__(self, target, *, mode=DdtpMode.LVL1, **caps):
        fields = {"version": 0x10, "sv39": 1, "igs": 1, "pas": 44, **caps}
        self.target, self._tail, self._head = target, 0, 0
        target.reset(Scenario(
            name="software", capabilities=CAPABILITIES.pack(**fields), fctl=2, mem_base=BASE,
            mem_size=SIZE, mem=[], steps=[]))
        self.tables = Tables(_Memory(target), mode=mode)
        for base, csr, where in (("cqb", "cqcsr", COMMANDS), ("fqb", "fqcsr", FAULTS)):
            self.write(base, where >> 12 << 10 | _ENTRIES.bit_length() - 2, 8)
            self.write(csr, 3)
        self.write("ddtp", mode | self.tables.directory >> 12 << 10, 8)
        while self.read("ddtp", 8) & 0x10:
            pass

    def read(self, name, size=4):
        return self.target.read(IOMMU_REGISTERS[name].offset, size)

    def write(self, name, value, size=4):
        self.target.write(IOMMU_REGISTERS[name].offset, value, size)

    def command(self, *commands):
        """Append commands; returns the error bits once they are done, or the queue stopped."""
        for command in commands:
            for half, dword in enumerate(command):
                self.target.poke(COMMANDS + 16 * self._tail + 8 * half, dword)
            self._tail = (self._tail + 1) % _ENTRIES
        self.write("cqt", self._tail)
        for _ in range(100):
            errors = self.read("cqcsr") & 0x700
            if errors or self.read("cqh") == self._tail:
                return errors
        raise AssertionError("commands were not executed")

    def access(self, kind, iova, *, did=5, pid=None, priv=False, translated=False):
        """Physical address of an access, or the cause of its refusal, negative."""
        answer = self.target.translate(Step(
            op="translate", did=did, pid=pid, priv=priv, iova=iova, access=kind, length=4,
            type="translated" if translated else "untranslated"))
        if answer.ok:
            return answer.addr
        record = self.record()
        return -FAULT_DW0.get(record[0], "cause") if record else 0

    def record(self):
        """Dwords of the next fault record, or None."""
        for _ in range(4):
            if self.read("fqt") != self._head:
                where = FAULTS + 32 * self._head
                self._head = (self._head + 1) % _ENTRIES
                self.write("fqh", self._head)
                return [self.target.peek(where + 8 * n) for n in range(4)]
            self.target.idle()
        return None
