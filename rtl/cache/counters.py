"""Counters of events, in a small RAM."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ROWS", "Counters"]

#: Counters that there can be: what one LUT RAM holds.
ROWS = 16


class Counters(wiring.Component):
    """Count modulo 2**32, with one adder for all.

    Each counter gets its turn every 16 cycles; what happened meanwhile waits beside the RAM, and is
    added then. All are 0 from the 16th cycle after reset on.

    Parameters
    ----------
    most : dict
        For each row that is a counter, the most that is added to it in a cycle.

    Members
    -------
    steps : ``In(StructLayout)``
        What to add now: a field ``row_<number>`` for each counter.
    row : ``In(range(16))``, value : ``Out(32)``
        A row, and what it has counted up to the cycle before. Combinational.
    """

    def __init__(self, most: dict[int, int]):
        self._most = most
        super().__init__({
            "steps": In(data.StructLayout({
                f"row_{row}": range(step + 1) for row, step in most.items()})),
            "row": In(range(ROWS)), "value": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(shape=32, depth=ROWS, init=[])
        write = store.write_port()
        old, shown = store.read_port(domain="comb"), store.read_port(domain="comb")
        swept = Signal()                    # all rows have a value
        turn = Signal(range(ROWS))
        step = Signal(range(ROWS * max(self._most.values()) + 1))   # to add now; to add to `row`
        rest = Signal.like(step)
        for row, most in self._most.items():
            waits = Signal(range(ROWS * most + 1), name=f"waits_{row}")
            m.d.sync += waits.eq(Mux(turn == row, 0, waits) + self.steps[f"row_{row}"])
            with m.If(turn == row):
                m.d.comb += step.eq(waits)
            with m.If(self.row == row):
                m.d.comb += rest.eq(waits)
        m.d.comb += [
            old.addr.eq(turn),
            write.addr.eq(turn),
            write.en.eq(1),
            write.data.eq(Mux(swept, old.data, 0) + step),
            shown.addr.eq(self.row),
            self.value.eq(shown.data + rest),
        ]
        m.d.sync += turn.eq(turn + 1)
        with m.If(turn == ROWS - 1):
            m.d.sync += swept.eq(1)
        return m
