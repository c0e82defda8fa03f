"""Cut the CPU's bursts into parts that stay within a line."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.axi import signature as axi
from rtl.params import CacheParams

from .layouts import CHUNK_BEATS, Kind, RequestLayout, channel

__all__ = ["Split"]

PAGE_BITS = 12                              # no burst crosses 4 KiB


class Split(wiring.Component):
    """Cut bursts into chunks of at most 16 beats, and chunks into parts within a line.

    The first part comes in the cycle of the burst's address, a part a cycle. The address is taken
    at once, so ``i.ready`` does not depend on ``o.ready``. Exclusive accesses become ordinary
    ones.

    Parameters
    ----------
    params : CacheParams
        Geometry.
    write : bool
        Whether the bursts are writes.

    Members
    -------
    i : ``In(stream.Signature(...))``
        Addresses, AR or AW.
    o : ``Out(stream.Signature(RequestLayout(params)))``
        Parts, in the order of the beats.

    Source
    ------
    Arm IHI 0022, sections "Burst address" and "Memory types" (a burst without an allocate bit in
    AxCACHE does not look into caches; one longer than 16 beats may always be cut).
    """

    def __init__(self, params: CacheParams, *, write: bool):
        self.params, self.write = params, write
        super().__init__({
            "i": In(channel(params, "aw" if write else "ar")),
            "o": Out(stream.Signature(RequestLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        line_mask = params.line_bytes - 1
        chunk_bits = exact_log2(CHUNK_BEATS)

        held = Signal(self.i.p.shape())         # the rest of a burst, as a burst
        wrap_held = Signal(8)                   # address bits in which the burst wraps
        beat_held = Signal(chunk_bits)          # beats of the chunk that went before
        starts_held = Signal()
        busy = Signal()

        burst = Signal(self.i.p.shape())
        wrap = Signal(8)
        beat = Signal(chunk_bits)
        starts = Signal()
        m.d.comb += self.i.ready.eq(~busy)
        with m.If(busy):
            m.d.comb += [burst.eq(held), wrap.eq(wrap_held), beat.eq(beat_held),
                         starts.eq(starts_held)]
        with m.Else():
            m.d.comb += [burst.eq(self.i.payload), starts.eq(1),
                         wrap.eq((self.i.p.len << self.i.p.size) | self._fill(self.i.p.size, 8))]

        # Beats - 1 up to the end of the chunk, the end of the line or wrap, the end of the burst.
        fixed = burst.burst == axi.Burst.FIXED
        wraps = burst.burst == axi.Burst.WRAP
        to_cut = Signal(chunk_bits)
        to_end = Signal(params.offset_bits)
        low = burst.addr[:params.offset_bits]
        m.d.comb += [
            to_cut.eq(~beat),
            to_end.eq((~low & line_mask & Mux(wraps, wrap, ~0)) >> burst.size),
        ]
        nearer = Signal(chunk_bits)
        at_end = Signal()                       # the next beat is in another line, or wraps
        with m.If(~fixed & (to_end <= to_cut)):
            m.d.comb += [nearer.eq(to_end), at_end.eq(1)]
        with m.Else():
            m.d.comb += nearer.eq(to_cut)
        part = self.o.p
        m.d.comb += [
            self.o.valid.eq(busy | self.i.valid),
            part.last.eq(burst.len <= nearer),
            part.beats.eq(Mux(part.last, burst.len, nearer)),
            part.kind.eq(Mux(burst.cache[2:].any(), Kind.ACCESS, Kind.BYPASS)),
            part.line.eq(burst.addr[params.offset_bits:]),
            part.write.eq(int(self.write)),
            part.id.eq(burst.id),
            part.offset.eq(low),
            part.size.eq(burst.size),
            part.fixed.eq(fixed),
            part.starts.eq(starts),
            part.opens.eq(beat == 0),
            part.closes.eq(part.last | (part.beats == to_cut)),
            part.chunk.eq(Mux(burst.len > to_cut, to_cut, burst.len)),
            part.burst.eq(burst.burst),
            part.cache.eq(burst.cache),
            part.prot.eq(burst.prot),
            part.qos.eq(burst.qos),
        ]

        following = Signal(PAGE_BITS)           # address after the part, within the page
        step = (nearer + 1) << burst.size
        m.d.comb += following.eq((burst.addr[:PAGE_BITS] & ~self._fill(burst.size, PAGE_BITS))
                                 + step[:PAGE_BITS])
        with m.If(self.o.valid):
            m.d.sync += [held.eq(burst), wrap_held.eq(wrap), beat_held.eq(beat),
                         starts_held.eq(starts), busy.eq(1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                busy.eq(~part.last),
                held.len.eq(burst.len - nearer - 1),
                beat_held.eq(beat + nearer + 1),
                # A burst that wraps within the line does not leave it.
                starts_held.eq(at_end & ~(wraps & ~(wrap & ~line_mask).any())),
            ]
            with m.If(~fixed):
                m.d.sync += held.addr[:PAGE_BITS].eq(following)
            with m.If(wraps):
                m.d.sync += held.addr[:8].eq((burst.addr[:8] & ~wrap) | (following[:8] & wrap))
                m.d.sync += held.addr[8:PAGE_BITS].eq(burst.addr[8:PAGE_BITS])
        return m

    def _fill(self, size: Value, width: int) -> Value:
        """Address bits within a beat of ``2**size`` bytes."""
        return Cat(size > bit for bit in range(width))
