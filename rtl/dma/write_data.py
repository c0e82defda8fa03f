"""Cut complete rows into the data of write bursts."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.stream.queue import Queue

from .planner import FillLayout

__all__ = ["LanesLayout", "WriteData"]


class LanesLayout(data.StructLayout):
    """Data of a burst: ``len`` (beats - 1), ``head`` and ``tail`` (first and last lane in use).

    Where there are fills: ``fill`` and ``pattern``, as in :class:`~.planner.FillLayout`, and
    ``odd`` (the burst begins in the upper half of a pattern).
    """

    def __init__(self, *, max_beats: int, bus_bytes: int, fill: bool = False):
        super().__init__({
            "len": range(max_beats), "head": range(bus_bytes), "tail": range(bus_bytes),
            **({**FillLayout().members, "odd": 1} if fill else {})})


class WriteData(wiring.Component):
    """Give rows their strobes, and mark the last of each burst. Fills take no rows.

    Latency is one cycle; throughput is one beat a cycle, from burst to burst too.

    Parameters
    ----------
    max_beats : int
        Longest burst, in beats.
    bus_bytes : int
        Width of the data bus, in bytes.
    fill : bool
        Whether there are fills.
    depth : int
        Beats that wait for the bus, at most; at least 2.

    Members
    -------
    bursts : ``In(stream.Signature(LanesLayout(...)))``
        Bursts whose address is sure to be issued.
    rows : ``In(stream.Signature(8 * bus_bytes))``
        Data.
    w : ``Out(stream.Signature(...))``
        Beats: ``data``, ``strb``, ``last``.
    """

    def __init__(self, *, max_beats: int, bus_bytes: int, fill: bool = False, depth: int = 4):
        self.bus_bytes, self._fill, self._depth = bus_bytes, fill, depth
        super().__init__({
            "bursts": In(stream.Signature(LanesLayout(
                max_beats=max_beats, bus_bytes=bus_bytes, fill=fill))),
            "rows":   In(stream.Signature(8 * bus_bytes)),
            "w":      Out(stream.Signature(data.StructLayout({
                "data": 8 * bus_bytes, "strb": bus_bytes, "last": 1}))),
        })

    def elaborate(self, platform):
        m = Module()

        # In a queue, so that no path leads from the bus back to the store.
        m.submodules.beats = beats = Queue(self.w.p.shape(), self._depth)
        connect(m, beats.o, flipped(self.w))

        burst, w = self.bursts.p, beats.i
        count = Signal.like(burst.len)      # beats of the burst that went out
        first, last = Signal(), Signal()
        m.d.comb += [first.eq(count == 0), last.eq(count == burst.len)]

        strobes = Signal(self.bus_bytes)
        m.d.comb += strobes.eq(
            Mux(first, ~0 << burst.head, ~0) & ~Mux(last, ~1 << burst.tail, 0))

        word, is_fill = Signal.like(w.p.data), Signal()
        m.d.comb += word.eq(self.rows.p)
        if self._fill:
            m.d.comb += is_fill.eq(burst.fill)
            halves = max(8 // self.bus_bytes, 1)
            pattern = burst.pattern.replicate(max(self.bus_bytes // 8, 1))
            with m.If(is_fill):
                m.d.comb += word.eq(pattern.word_select(
                    (count[0] ^ burst.odd) & (halves > 1), len(word)))

        m.d.comb += [
            w.valid.eq(self.bursts.valid & (self.rows.valid | is_fill)),
            w.p.data.eq(word),
            w.p.strb.eq(strobes),
            w.p.last.eq(last),
            self.rows.ready.eq(w.ready & self.bursts.valid & ~is_fill),
            self.bursts.ready.eq(w.ready & (self.rows.valid | is_fill) & last),
        ]
        with m.If(w.valid & w.ready):
            m.d.sync += count.eq(Mux(last, 0, count + 1))
        return m
