"""One counter of the performance monitor."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import struct
from rtl.params import IommuParams
from rtl.spec.hpm import IOHPMEVT, HpmEvent

from .events import event_layout

__all__ = ["CounterSignature", "EventCounter"]

_EVENT_BITS = 15


class CounterSignature(wiring.Signature):
    """Between a counter and its registers. Directions are the registers'.

    Each half of a register takes effect by itself: software may write them in any order.

    Members
    -------
    value : ``Out(32)``
        Word written.
    count_stb, select_stb : ``Out(2)``
        It is the low or the high half of the count, or of the selector.
    inhibit : ``Out(1)``
        Do not count.
    count, select : ``In(64)``
        Values to read.
    """

    def __init__(self):
        super().__init__({
            "value": Out(32), "count_stb": Out(2), "select_stb": Out(2), "inhibit": Out(1),
            "count": In(64), "select": In(64)})


class EventCounter(wiring.Component):
    """Count the events that a selector names, from the second cycle after they happen.

    All sources count in the same cycle. A selector keeps its event if an unknown one is written;
    it keeps all else. An event that knows no address space is never chosen by one.

    Parameters
    ----------
    params : IommuParams
        Parameters; ``counter_bits`` is the width of the count.
    n : int
        Sources of events.

    Members
    -------
    valid, events : ``In(n)``, ``In(event_layout(params)).array(n)``
        What has happened.
    registers : ``In(CounterSignature())``
        Registers.
    overflow : ``Out(1)``
        Strobe: the count has overflowed, and the overflow bit was 0.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections "Performance-monitoring event counters" and
    "Performance-monitoring event selectors".
    """

    def __init__(self, params: IommuParams, n: int):
        self._bits, self._n = params.counter_bits, n
        super().__init__({
            "valid": In(n), "events": In(event_layout(params)).array(n),
            "registers": In(CounterSignature()), "overflow": Out(1)})

    def elaborate(self, platform):
        m = Module()
        regs = self.registers
        select, count = Signal(struct(IOHPMEVT)), Signal(self._bits)
        m.d.comb += [regs.count.eq(count), regs.select.eq(select)]

        # Bits of an ID up to its lowest 0 do not matter with DMASK.
        number = select.did_gscid
        ignored = Mux(select.dmask, number ^ (number + 1)[:len(number)], 0)
        matches = Signal(self._n)
        for k, event in enumerate(self.events):
            m.d.sync += matches[k].eq(self.valid[k] & self._matches(event, select, number, ignored))

        total = Signal(self._bits + 1)
        m.d.comb += total.eq(count + sum(matches))
        with m.If(~regs.inhibit):
            m.d.sync += count.eq(total)
            with m.If(total[-1]):
                m.d.comb += self.overflow.eq(~select.of)
                m.d.sync += select.of.eq(1)

        value = data.View(select.shape(), Cat(regs.value, regs.value))
        with m.If(regs.count_stb[0]):
            m.d.sync += count[:32].eq(regs.value)
        with m.If(regs.count_stb[1]):
            m.d.sync += count[32:].eq(regs.value)
        with m.If(regs.select_stb[0]):
            m.d.sync += select.as_value()[_EVENT_BITS:32].eq(regs.value[_EVENT_BITS:])
            with m.If(value.event <= max(HpmEvent)):
                m.d.sync += select.event.eq(value.event)
        with m.If(regs.select_stb[1]):
            m.d.sync += select.as_value()[32:].eq(regs.value)
        return m

    @staticmethod
    def _matches(event, select, number, ignored):
        """Whether a selector chooses an event."""
        origin = event.origin
        whole = Mux(select.idt, event.gscid, origin.did)
        part = Mux(select.idt, event.pscid, origin.pid)
        return ((select.event == event.event) & (event.event != HpmEvent.NONE) &
                (~select.dv_gscv | (~select.idt | event.guest.any()) &
                 (((whole ^ number) & ~ignored)[:len(number)] == 0)) &
                (~select.pv_pscv | Mux(select.idt, event.paged, origin.process) &
                 (part == select.pid_pscid)))
