"""Check a copy, and plan its reads, its writes and its completion."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .burst_splitter import RunLayout
from .jobs import SPAN_BITS, EntryLayout, Fault, JobLayout

__all__ = ["PlaceLayout", "Planner"]


class PlaceLayout(data.StructLayout):
    """How the beats of a copy's reads become rows of its writes.

    ``rotate``: lanes by which every byte moves up, modulo the bus. ``primes``: the first beat does
    not complete a row, because it starts further up than the first row. ``spills``: the last beat
    completes two rows, because some of its bytes belong to one more.
    """

    def __init__(self, bus_bytes: int):
        super().__init__({"rotate": range(bus_bytes), "primes": 1, "spills": 1})


class Planner(wiring.Component):
    """Hand a copy to the read side, to the write side and to completion, all in one cycle.

    A copy that runs past the highest address gets :attr:`Fault.DMA_INT`. One with a fault goes to
    completion alone, and nothing follows it until reset. Latency is one cycle; throughput is one
    copy every two cycles.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    bus_bytes : int, power of two
        Width of the data bus, in bytes.
    page_bytes : int, power of two
        Page that bursts do not cross, in bytes.
    label : shape-like
        What an entry keeps of its copy.

    Members
    -------
    jobs : ``In(stream.Signature(JobLayout(addr_width, label)))``
        Copies.
    reads : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to read, tagged with :class:`PlaceLayout`.
    writes : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to write.
    entries : ``Out(stream.Signature(EntryLayout(label)))``
        Every copy, in order.
    """

    def __init__(self, *, addr_width: int, bus_bytes: int, page_bytes: int, label: ShapeLike):
        self.bus_bytes, self.page_bytes = bus_bytes, page_bytes
        run = {"addr_width": addr_width, "span_width": SPAN_BITS, "page_bytes": page_bytes}
        super().__init__({
            "jobs":    In(stream.Signature(JobLayout(addr_width, label))),
            "reads":   Out(stream.Signature(RunLayout(**run, tag=PlaceLayout(bus_bytes)))),
            "writes":  Out(stream.Signature(RunLayout(**run))),
            "entries": Out(stream.Signature(EntryLayout(label))),
        })

    def elaborate(self, platform):
        m = Module()

        job = self.jobs.p
        lanes, page_bits = exact_log2(self.bus_bytes), exact_log2(self.page_bytes)
        place = Signal(self.reads.p.tag.shape())
        src_reach, dst_reach = (Signal.like(self.reads.p.reach, name=name)
                                for name in ("src_reach", "dst_reach"))

        # What has to be worked out takes a cycle, in which the copy waits at the input.
        known = Signal()
        bad, carries = Signal(), Signal(2)
        src_end, dst_end = (Signal(lanes, name=name) for name in ("src_end", "dst_end"))
        m.d.comb += [src_end.eq(job.src + job.span), dst_end.eq(job.dst + job.span)]
        m.d.sync += [
            known.eq(self.jobs.valid & ~self.jobs.ready),
            src_reach.eq(job.src[:page_bits] + job.span),
            dst_reach.eq(job.dst[:page_bits] + job.span),
            place.rotate.eq(job.dst - job.src),
            place.primes.eq(job.dst[:lanes] < job.src[:lanes]),
            place.spills.eq(dst_end < src_end),
            bad.eq(job.fault != Fault.NONE),
            # If all other bits are ones, then a carry out of the low bits is an overflow.
            carries.eq(Cat((addr[:SPAN_BITS] + job.span)[-1] & addr[SPAN_BITS:].all()
                           for addr in (job.src, job.dst))),
        ]
        m.d.comb += [
            self.reads.p.addr.eq(job.src),
            self.reads.p.reach.eq(src_reach),
            self.reads.p.tag.eq(place),
            self.writes.p.addr.eq(job.dst),
            self.writes.p.reach.eq(dst_reach),
            self.entries.p.label.eq(job.label),
            self.entries.p.fault.eq(job.fault),
        ]
        with m.If(carries.any() & ~bad):
            m.d.comb += self.entries.p.fault.eq(Fault.DMA_INT)

        halted = Signal()
        faulty = bad | carries.any()
        valid = known & ~halted
        room = self.reads.ready & self.writes.ready
        m.d.comb += [
            self.entries.valid.eq(valid & (faulty | room)),
            self.reads.valid.eq(valid & ~faulty & self.writes.ready & self.entries.ready),
            self.writes.valid.eq(valid & ~faulty & self.reads.ready & self.entries.ready),
            self.jobs.ready.eq(valid & (faulty | room) & self.entries.ready),
        ]
        with m.If(self.jobs.ready & faulty):
            m.d.sync += halted.eq(1)
        return m
