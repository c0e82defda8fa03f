"""The performance monitor."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams

from .event_counter import CounterSignature, EventCounter
from .events import EventSignature, event_layout

__all__ = ["Monitor", "MonitorSignature"]

_CYCLE_BITS, _OVERFLOW = 63, 31         # of the count; place of OF in its high half


class MonitorSignature(wiring.Signature):
    """Between the monitor and its registers. Directions are the registers'.

    Members
    -------
    value, cycles_stb : ``Out(32)``, ``Out(2)``
        Word written, and to which half of the cycles.
    cycles : ``In(64)``
        Cycles, with the overflow bit.
    inhibit : ``Out(1)``
        Do not count cycles.
    overflow : ``In(1)``
        Strobe: an overflow bit was set by an overflow.
    """

    def __init__(self):
        super().__init__({
            "value": Out(32), "cycles_stb": Out(2), "cycles": In(64), "inhibit": Out(1),
            "overflow": In(1)})


class Monitor(wiring.Component):
    """Count cycles and events.

    Parameters
    ----------
    params : IommuParams
        Parameters: ``counters`` of events, of ``counter_bits`` each.
    n : int
        Sources of events.

    Members
    -------
    sources : ``In(EventSignature(params)).array(n)``
        What happens.
    registers, counters : ``In(MonitorSignature())``, ``In(CounterSignature()).array(...)``
        Registers.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections on ``iocountovf`` to ``iohpmevt``.
    """

    def __init__(self, params: IommuParams, n: int):
        self._params, self._n = params, n
        super().__init__({"sources": In(EventSignature(params)).array(n),
                          "registers": In(MonitorSignature()),
                          "counters": In(CounterSignature()).array(params.counters)})

    def elaborate(self, platform):
        m = Module()
        regs = self.registers
        # What happens comes late in a cycle, and goes to many comparators.
        valid = Signal(self._n)
        events = [Signal(event_layout(self._params), name=f"event_{k}") for k in range(self._n)]
        for k, (event, source) in enumerate(zip(events, self.sources, strict=True)):
            m.d.sync += [valid[k].eq(source.valid), event.eq(source.p)]

        overflows = [self._cycles(m, min(self._params.counter_bits, _CYCLE_BITS))]
        for number, port in enumerate(self.counters, start=1):
            m.submodules[f"counter_{number}"] = counter = EventCounter(self._params, self._n)
            connect(m, flipped(port), counter.registers)
            m.d.comb += counter.valid.eq(valid)
            m.d.comb += [own.eq(event) for own, event in zip(counter.events, events, strict=True)]
            overflows.append(counter.overflow)
        m.d.comb += regs.overflow.eq(Cat(overflows).any())
        return m

    def _cycles(self, m, bits):
        """Count cycles. Returns the strobe of an overflow."""
        regs = self.registers
        count, over, total = Signal(bits), Signal(), Signal(bits + 1)
        m.d.comb += [regs.cycles.eq(count), regs.cycles[-1].eq(over), total.eq(count + 1)]
        with m.If(~regs.inhibit):
            m.d.sync += count.eq(total)
            with m.If(total[-1]):
                m.d.sync += over.eq(1)
        with m.If(regs.cycles_stb[0]):
            m.d.sync += count[:32].eq(regs.value)
        with m.If(regs.cycles_stb[1]):
            m.d.sync += [count[32:].eq(regs.value), over.eq(regs.value[_OVERFLOW])]
        return total[-1] & ~over & ~regs.inhibit
