"""Cut complete rows into the data of write bursts."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LanesLayout", "WriteData"]


class LanesLayout(data.StructLayout):
    """Data of a burst: ``len`` (beats - 1), ``head`` and ``tail`` (first and last lane in use)."""

    def __init__(self, *, max_beats: int, bus_bytes: int):
        super().__init__({
            "len": range(max_beats), "head": range(bus_bytes), "tail": range(bus_bytes)})


class WriteData(wiring.Component):
    """Give rows their strobes, and mark the last of each burst.

    Latency is one cycle; throughput is one beat a cycle, from burst to burst too.

    Parameters
    ----------
    max_beats : int
        Longest burst, in beats.
    bus_bytes : int
        Width of the data bus, in bytes.

    Members
    -------
    bursts : ``In(stream.Signature(LanesLayout(...)))``
        Bursts whose address is sure to be issued.
    rows : ``In(stream.Signature(8 * bus_bytes))``
        Data.
    w : ``Out(stream.Signature(...))``
        Beats: ``data``, ``strb``, ``last``.
    """

    def __init__(self, *, max_beats: int, bus_bytes: int):
        self.bus_bytes = bus_bytes
        super().__init__({
            "bursts": In(stream.Signature(LanesLayout(max_beats=max_beats, bus_bytes=bus_bytes))),
            "rows":   In(stream.Signature(8 * bus_bytes)),
            "w":      Out(stream.Signature(data.StructLayout({
                "data": 8 * bus_bytes, "strb": bus_bytes, "last": 1}))),
        })

    def elaborate(self, platform):
        m = Module()

        burst, w = self.bursts.p, self.w
        count = Signal.like(burst.len)      # beats of the burst that went out
        first, last = Signal(), Signal()
        m.d.comb += [first.eq(count == 0), last.eq(count == burst.len)]

        strobes = Signal(self.bus_bytes)
        m.d.comb += strobes.eq(
            Mux(first, ~0 << burst.head, ~0) & ~Mux(last, ~1 << burst.tail, 0))

        free = ~w.valid | w.ready
        take = Signal()
        m.d.comb += [
            take.eq(free & self.bursts.valid & self.rows.valid),
            self.rows.ready.eq(free & self.bursts.valid),
            self.bursts.ready.eq(take & last),
        ]
        with m.If(free):
            m.d.sync += w.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                w.p.data.eq(self.rows.p),
                w.p.strb.eq(strobes),
                w.p.last.eq(last),
                count.eq(Mux(last, 0, count + 1)),
            ]
        return m
