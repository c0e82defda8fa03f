"""The golden IOMMU."""

from rtl.spec.page_table import PAGE_BYTES

from ..memory import Words
from .commands import CommandQueue
from .faults import FaultQueue
from .interrupts import Interrupts
from .monitor import Monitor
from .port import Port
from .registers import TR_REQ_CTL, Registers
from .translator import Translator
from .types import Access, Fault, Features, Request, Result

__all__ = ["Iommu"]


class Iommu:
    """A RISC-V IOMMU, from the specification.

    Register writes take effect at once: commands are executed, and translations requested through
    the debug registers are made, before :meth:`write` returns.

    Parameters
    ----------
    memory : Words
        Where directories, tables and queues are, and where messages go.
    capabilities : int
        Value of the register, which decides what there is. ATS cannot be had.
    cache : bool
        Whether to keep contexts and translations until software invalidates them.
    vectors : int, power of two, at most 16
        Interrupt vectors.
    max_log2sz : int, at most 32
        log2 of the entries of the longest queue.
    counters, counter_bits : int
        Counters of events, and their width, if there is a performance monitor.
    rcid_bits, mcid_bits : int
        Width of quality-of-service identifiers, if there are.

    Raises
    ------
    ValueError
        If ``capabilities`` or ``vectors`` asks for what there is not.
    """

    def __init__(self, memory: Words, capabilities: int, *, cache: bool = True, vectors: int = 4,
                 max_log2sz: int = 16, counters: int = 8, counter_bits: int = 48,
                 rcid_bits: int = 12, mcid_bits: int = 12):
        if vectors not in (1, 2, 4, 8, 16):
            raise ValueError(f"Vectors must be a power of two up to 16, not {vectors!r}")
        #: The way to memory.
        self.port = Port(memory)
        self._cache, self._qos_bits = cache, (rcid_bits, mcid_bits)
        self._vectors, self._max_log2sz = vectors, max_log2sz
        self.features = Features(capabilities)
        self._counters, self._counter_bits = counters * self.features.hpm, counter_bits
        self.reset()

    def reset(self) -> None:
        """Back to the state after power-on."""
        self._monitor = Monitor(self._counters, self._counter_bits,
                                lambda: self._interrupts.overflowed())
        self.registers = Registers(self.features, vectors=self._vectors, monitor=self._monitor,
                                   max_log2sz=self._max_log2sz, changed=self._changed,
                                   qos_bits=self._qos_bits)
        self.port.qos = self.registers.qos
        self._translator = Translator(self.port, self.features, self.registers.counters,
                                      self._monitor, cache=self._cache, qos_bits=self._qos_bits)
        self._faults = FaultQueue(self.port, self.registers,
                                  recorded=lambda: self._interrupts.recorded(),
                                  failed=lambda: self._interrupts.update())
        self._interrupts = Interrupts(self.port, self.registers, self._faults)
        self._commands = CommandQueue(self.port, self.registers, self.features,
                                      self._translator, changed=self._interrupts.update)

    def advance(self, cycles: int) -> None:
        """Let cycles pass, which the performance monitor counts."""
        self._monitor.advance(cycles)

    @property
    def wires(self) -> int:
        """Level of each vector's wire."""
        return self._interrupts.wires

    def read(self, offset: int, size: int = 4) -> int:
        """Read a register of 4 or 8 bytes."""
        return sum(self.registers.read(offset + half) << 8 * half for half in range(0, size, 4))

    def write(self, offset: int, value: int, size: int = 4) -> None:
        """Write a register of 4 or 8 bytes, high half first."""
        for half in reversed(range(0, size, 4)):
            self.registers.write(offset + half, value >> 8 * half & 0xFFFF_FFFF)

    def translate(self, request: Request) -> Result:
        """Answer a device's access, and record its fault if it has one."""
        try:
            return self._translator.translate(request, self.registers.mode, self.registers.root,
                                              big=self.registers.big, gxl=self.registers.gxl)
        except Fault as fault:
            reported = not fault.silent and self._faults.request_failed(request, fault)
            return Result(cause=fault.cause, reported=reported)

    def _changed(self, name: str, value: int) -> None:
        """Do what a write to a register asks for."""
        match name:
            case "cqt":
                self._commands.run()
            case "cqcsr":
                self._commands.run()
                self._interrupts.update()
            case "fqcsr" | "ipsr":
                self._interrupts.update()
            case "messages":
                self._interrupts.unmask()
            case "iommu_qosid":
                self.port.qos = self.registers.qos
            case "tr_req_ctl" if value & 1:
                self._request()

    def _request(self) -> None:
        """Translate what the debug registers ask for."""
        regs = self.registers
        field = TR_REQ_CTL.unpack(regs.tr_req_ctl)
        access = (Access.EXECUTE if field["exe"] else
                  Access.READ if field["nw"] else Access.WRITE)
        result = self.translate(Request(
            field["did"], regs.tr_req_iova, access, field["pid"] if field["pv"] else None,
            bool(field["priv"])))
        regs.tr_response = 1 if not result.ok else (
            result.addr // PAGE_BYTES << 10 | result.pbmt << 7)
