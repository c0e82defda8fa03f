"""Write data of the CPU: stored first, so that no write ever waits for its data half-way."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .layouts import CHUNK_BEATS, RequestLayout, channel

__all__ = ["WriteData"]


class WriteData(wiring.Component):
    """Queue write data, and let a chunk pass only when all its beats are in the queue.

    A manager that gives its data late thus never blocks its own reads, on which the data may
    depend. Data takes one cycle through the queue; parts pass in the same cycle.

    Parameters
    ----------
    params : CacheParams
        Geometry.
    depth : int
        Beats that it holds; at least 16.

    Members
    -------
    w : ``In(channel(params, "w"))``
        Write data from the CPU.
    i : ``In(stream.Signature(RequestLayout(params)))``
        Parts of write bursts.
    o : ``Out(stream.Signature(RequestLayout(params)))``
        The same, each with its data in the queue.
    beats : ``Out(channel(params, "w"))``
        Write data for the parts that were let pass.
    full : ``Out(1)``
        Every beat that it holds has all its bytes.
    """

    def __init__(self, params: CacheParams, depth: int = CHUNK_BEATS):
        self.params, self.depth = params, depth
        part, beat = stream.Signature(RequestLayout(params)), channel(params, "w")
        super().__init__({"w": In(beat), "i": In(part), "o": Out(part), "beats": Out(beat),
                          "full": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.w.p.shape(), self.depth)
        connect(m, flipped(self.w), queue.i)
        connect(m, queue.o, flipped(self.beats))

        # A chunk ends with its burst, or else with its sixteenth beat.
        beat = Signal(range(CHUNK_BEATS))
        chunks = Signal(range(self.depth + 1))  # that are complete, and not let pass
        covered, ends = Signal(), Signal()
        with m.If(self.w.valid & self.w.ready):
            m.d.comb += ends.eq(self.w.p.last | (beat == CHUNK_BEATS - 1))
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
        m.d.comb += [
            covered.eq(~self.i.p.opens | (chunks != 0)),
            self.o.valid.eq(self.i.valid & covered),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(self.o.ready & covered),
        ]
        holed = Signal.like(chunks)             # beats in the queue without some byte
        m.d.comb += self.full.eq(holed == 0)
        m.d.sync += holed.eq(holed + (self.w.valid & self.w.ready & ~self.w.p.strb.all())
                             - (self.beats.valid & self.beats.ready & ~self.beats.p.strb.all()))
        m.d.sync += chunks.eq(chunks + ends - (self.o.valid & self.o.ready & self.i.p.opens))
        return m
