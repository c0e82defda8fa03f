"""Registers of one in-memory queue."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.spec.page_table import PAGE_BITS
from rtl.spec.queues import MAX_LOG2_ENTRIES

__all__ = ["EngineSignature", "QueueControl"]


class EngineSignature(wiring.Signature):
    """Between the engine of a queue and its registers. Directions are the engine's.

    Members
    -------
    active : ``In(1)``
        Work may begin.
    entry : ``In(phys_bits)``
        Address of the entry at the index that hardware moves.
    empty, full : ``In(1)``
        The indices are equal; one more step of hardware's would make them so.
    idle : ``Out(1)``
        Nothing is in progress, so that the queue may turn off.
    advance : ``Out(1)``
        The entry is done: move hardware's index.
    """

    def __init__(self, phys_bits: int):
        super().__init__({
            "active": In(1), "entry": In(phys_bits), "empty": In(1), "full": In(1),
            "idle": Out(1), "advance": Out(1)})


class QueueControl(wiring.Component):
    """Base, indices and switch of a queue, with the rules for what a write to them keeps.

    - The size is clamped to ``2 ** MAX_LOG2_ENTRIES``, the page number cut to the physical address.
      While the queue is on, writes to the base are ignored.
    - The high half of the base is put aside, and takes effect with the low half.
    - Bits of an index above the size of the queue read 0.
    - Turning on zeroes hardware's index. Turning off waits for the engine; meanwhile ``busy``, and
      writes to the enable bit are ignored.

    Parameters
    ----------
    phys_bits : int
        Width of physical addresses.
    entry_bytes : int, power of two
        Size of an entry.

    Members
    -------
    base_low, base_high, index_write, csr : ``In(...)``
        ``stb`` and the fields written, as the register map names them.
    log2sz_1, ppn, software, hardware, en, ie, on, busy : ``Out(...)``
        Values to read; ``ppn`` with a high half that was written last.
    start : ``Out(1)``
        Strobe: the queue is being turned on.
    engine : ``In(EngineSignature(phys_bits))``
        The engine of the queue.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections on ``cqb`` to ``fqt``, ``cqcsr``, ``fqcsr``.
    """

    def __init__(self, *, phys_bits: int, entry_bytes: int):
        self._phys_bits, self._entry_bytes = phys_bits, entry_bytes
        super().__init__({
            "base_low": In(wiring.Signature({"stb": Out(1), "log2sz_1": Out(5), "ppn": Out(22)})),
            "base_high": In(wiring.Signature({"stb": Out(1), "ppn": Out(22)})),
            "index_write": In(wiring.Signature({"stb": Out(1), "index": Out(32)})),
            "csr": In(wiring.Signature({"stb": Out(1), "en": Out(1), "ie": Out(1)})),
            "log2sz_1": Out(5), "ppn": Out(44), "software": Out(32), "hardware": Out(32),
            "en": Out(1), "ie": Out(1), "on": Out(1), "busy": Out(1), "start": Out(1),
            "engine": In(EngineSignature(phys_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        engine = self.engine
        ppn_bits = self._phys_bits - PAGE_BITS

        # Base.
        base = WidePpn(ppn_bits)
        m.submodules.base = base
        m.d.comb += [
            base.high_stb.eq(self.base_high.stb & ~self.on), base.high.eq(self.base_high.ppn),
            base.low_stb.eq(self.base_low.stb & ~self.on), base.low.eq(self.base_low.ppn),
            base.keep.eq(1), self.ppn.eq(base.read),
        ]
        with m.If(base.low_stb):
            largest = MAX_LOG2_ENTRIES - 1
            m.d.sync += self.log2sz_1.eq(
                Mux(self.base_low.log2sz_1 > largest, largest, self.base_low.log2sz_1))

        # Indices.
        mask = Signal(MAX_LOG2_ENTRIES)
        software, hardware = Signal(MAX_LOG2_ENTRIES), Signal(MAX_LOG2_ENTRIES)
        after = Signal(MAX_LOG2_ENTRIES)
        m.d.comb += [
            mask.eq(Cat(self.log2sz_1 >= bit for bit in range(MAX_LOG2_ENTRIES))),
            self.software.eq(software & mask),
            self.hardware.eq(hardware),
            after.eq((hardware + 1) & mask),
            engine.empty.eq(self.software == hardware),
            engine.full.eq(self.software == after),
        ]
        m.d.sync += software.eq(software & mask)
        with m.If(self.index_write.stb):
            m.d.sync += software.eq(self.index_write.index & mask)
        with m.If(engine.advance):
            m.d.sync += hardware.eq(after)
        offset = hardware * self._entry_bytes
        m.d.comb += engine.entry.eq(offset | base.value << PAGE_BITS)

        # Switch.
        m.d.comb += [
            engine.active.eq(self.en & self.on),
            self.busy.eq(~self.en & self.on),
            self.start.eq(self.csr.stb & self.csr.en & ~self.en & ~self.busy),
        ]
        with m.If(self.csr.stb):
            m.d.sync += self.ie.eq(self.csr.ie)
            with m.If(~self.busy):
                m.d.sync += self.en.eq(self.csr.en)
        with m.If(self.start):
            m.d.sync += [hardware.eq(0), self.on.eq(1)]
        with m.Elif(~self.en & engine.idle):
            m.d.sync += self.on.eq(0)
        return m


class WidePpn(wiring.Component):
    """A page number of up to 44 bits in two registers: bits 21:0 take effect with 43:22 before.

    Parameters
    ----------
    bits : int
        Bits that are kept.

    Members
    -------
    high_stb, high, low_stb, low : ``In(...)``
        Writes to either half.
    keep : ``In(1)``
        With ``low_stb``: 1 to store, 0 to forget the high half that was put aside.
    value : ``Out(bits)``
        What is in effect.
    read : ``Out(44)``
        What the registers read.
    """

    def __init__(self, bits: int):
        super().__init__({
            "high_stb": In(1), "high": In(22), "low_stb": In(1), "low": In(22), "keep": In(1),
            "value": Out(bits), "read": Out(44)})

    def elaborate(self, platform):
        m = Module()
        split = len(self.low)
        aside = Signal.like(self.value[split:])
        with m.If(self.high_stb):
            m.d.sync += aside.eq(self.high)
        with m.If(self.low_stb):
            with m.If(self.keep):
                m.d.sync += self.value.eq(Cat(self.low, aside))
            with m.Else():
                m.d.sync += aside.eq(self.value[split:])
        m.d.comb += self.read.eq(Cat(self.value[:split], aside))
        return m
