"""Cut the CPU's bursts into parts that stay within a line."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import signature as axi
from rtl.params import CacheParams

from .layouts import CHUNK_BEATS, Kind, RequestLayout, channel

__all__ = ["Split"]

PAGE_BITS = 12                              # no burst crosses 4 KiB


class Split(wiring.Component):
    """Cut bursts into chunks of at most 16 beats, and chunks into parts within a line.

    The first part comes in the cycle of the burst's address, a part a cycle. The address is taken
    at once, so ``i.ready`` does not depend on ``o.ready``. A write-through burst is a cached read,
    or an uncached write, before which the line is written back and dropped.

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
    AxCACHE does not look into caches; one longer than 16 beats may always be cut; bit 0 tells
    write-back from write-through).
    """

    def __init__(self, params: CacheParams, *, write: bool):
        self.params, self.write = params, write
        super().__init__({
            "i": In(channel(params, "aw" if write else "ar")),
            "o": Out(stream.Signature(RequestLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        params, part = self.params, self.o.p
        offset_bits = params.offset_bits

        # The rest of a burst, as a burst; a new one is looked at as it comes.
        busy = Signal()
        held = Signal(self.i.p.shape())
        burst = Signal(self.i.p.shape())
        around_held = Signal(4)             # AxLEN of the whole burst
        around = Signal(4)
        beat_held = Signal(range(CHUNK_BEATS))
        beat = Signal(range(CHUNK_BEATS))   # beats of the chunk that went before
        starts_held = Signal()
        starts = Signal()
        cut_held = Signal(PAGE_BITS)
        cut = Signal(PAGE_BITS)             # address after the chunk, within the page
        m.d.comb += self.i.ready.eq(~busy)
        with m.If(busy):
            m.d.comb += [burst.eq(held), around.eq(around_held), beat.eq(beat_held),
                         starts.eq(starts_held)]
        with m.Else():
            m.d.comb += [burst.eq(self.i.payload), around.eq(self.i.p.len), starts.eq(1)]

        # Only memory knows who holds a location, for it sees what all its managers write.
        with m.If(burst.lock):
            m.d.comb += burst.cache[2:].eq(0)

        low, size = burst.addr[:offset_bits], Signal(RequestLayout(params)["size"].shape)
        m.d.comb += size.eq(burst.size)
        within = Cat(size > bit for bit in range(PAGE_BITS))      # address bits of a beat
        fixed = burst.burst == axi.Burst.FIXED
        wraps = burst.burst == axi.Burst.WRAP
        ring = Signal(PAGE_BITS)            # address bits that change in a burst that wraps
        turned = Signal(PAGE_BITS)          # address after the end of the line
        m.d.comb += [
            ring.eq((around << size) | within),
            turned.eq(Cat(C(0, offset_bits), burst.addr[offset_bits:PAGE_BITS] + 1)),
            cut.eq(Mux(beat == 0, (burst.addr[:PAGE_BITS] & ~within)
                       + (CHUNK_BEATS << size), cut_held)),
        ]

        # Beats - 1 up to the end of the chunk; up to the end of the line, or of what wraps.
        to_cut = Signal(range(CHUNK_BEATS))
        to_end = Signal(offset_bits)
        at_end = Signal()                   # the latter is nearer
        m.d.comb += [
            to_cut.eq(~beat),
            to_end.eq((~low >> size) & Mux(wraps, around, ~0)),
            at_end.eq(~fixed & (to_end <= to_cut)),
        ]
        m.d.comb += [
            self.o.valid.eq(busy | self.i.valid),
            part.last.eq(Mux(at_end, burst.len <= to_end, burst.len <= to_cut)),
            part.beats.eq(Mux(part.last, burst.len, Mux(at_end, to_end, to_cut))),
            part.kind.eq(Mux(burst.cache[2:].any() & (burst.cache[0] | (not self.write)),
                             Kind.ACCESS, Kind.BYPASS)),
            part.line.eq(burst.addr[offset_bits:]),
            part.write.eq(int(self.write)),
            part.offset.eq(low),
            part.fixed.eq(fixed),
            part.starts.eq(starts),
            part.opens.eq(beat == 0),
            part.closes.eq(part.last | ~at_end | (to_end == to_cut)),
            part.chunk.eq(Mux(burst.len > to_cut, to_cut, burst.len)),
            part.lock.eq(burst.lock & part.last),
        ]
        m.d.comb += [part[name].eq(burst[name])
                     for name in ("id", "size", "burst", "cache", "prot", "qos")]

        with m.If(self.o.valid):
            m.d.sync += [busy.eq(1), held.eq(burst), around_held.eq(around), beat_held.eq(beat),
                         starts_held.eq(starts), cut_held.eq(cut)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [busy.eq(~part.last), held.lock.eq(0)]
            with m.If(at_end):
                m.d.sync += [
                    held.len.eq(burst.len - to_end - 1),
                    held.addr[:PAGE_BITS].eq(turned),
                    beat_held.eq(beat + to_end + 1),
                    # A burst that wraps within a line does not leave it.
                    starts_held.eq(~wraps | (ring >> offset_bits).any()),
                ]
                with m.If(wraps):
                    m.d.sync += held.addr[:PAGE_BITS].eq(
                        (burst.addr[:PAGE_BITS] & ~ring) | (turned & ring))
            with m.Else():
                m.d.sync += [held.len.eq(burst.len - to_cut - 1), beat_held.eq(0),
                             starts_held.eq(0)]
                with m.If(~fixed):
                    m.d.sync += held.addr[:PAGE_BITS].eq(cut)
        return m
