"""Check a copy, and plan its reads, its writes and its completion."""

from amaranth import *
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
    completion alone, and nothing follows it until reset. Combinational: no latency, one copy a
    cycle.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    bus_bytes : int, power of two
        Width of the data bus, in bytes.

    Members
    -------
    jobs : ``In(stream.Signature(JobLayout(addr_width)))``
        Copies.
    reads : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to read, tagged with :class:`PlaceLayout`.
    writes : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to write.
    entries : ``Out(stream.Signature(EntryLayout(addr_width)))``
        Every copy, in order.
    """

    def __init__(self, *, addr_width: int, bus_bytes: int):
        self.bus_bytes = bus_bytes
        run = {"addr_width": addr_width, "span_width": SPAN_BITS}
        super().__init__({
            "jobs":    In(stream.Signature(JobLayout(addr_width))),
            "reads":   Out(stream.Signature(RunLayout(**run, tag=PlaceLayout(bus_bytes)))),
            "writes":  Out(stream.Signature(RunLayout(**run))),
            "entries": Out(stream.Signature(EntryLayout(addr_width))),
        })

    def elaborate(self, platform):
        m = Module()

        job = self.jobs.p
        lanes = exact_log2(self.bus_bytes)
        src, dst = job.src[:lanes], job.dst[:lanes]
        src_end, dst_end = (Signal(lanes, name=name) for name in ("src_end", "dst_end"))
        place = self.reads.p.tag
        m.d.comb += [
            src_end.eq(src + job.span),
            dst_end.eq(dst + job.span),
            self.reads.p.addr.eq(job.src),
            self.reads.p.span.eq(job.span),
            place.rotate.eq(dst - src),
            place.primes.eq(dst < src),
            place.spills.eq(dst_end < src_end),
            self.writes.p.addr.eq(job.dst),
            self.writes.p.span.eq(job.span),
            self.entries.p.desc.eq(job.desc),
            self.entries.p.sg.eq(job.sg),
            self.entries.p.fault.eq(job.fault),
        ]

        faulty = Signal()
        with m.If(job.fault != Fault.NONE):
            m.d.comb += faulty.eq(1)
        with m.Elif(self._overflows(job.src, job.span) | self._overflows(job.dst, job.span)):
            m.d.comb += faulty.eq(1)
            m.d.comb += self.entries.p.fault.eq(Fault.DMA_INT)

        halted = Signal()
        valid = self.jobs.valid & ~halted
        m.d.comb += [
            self.entries.valid.eq(valid & (faulty | self.reads.ready & self.writes.ready)),
            self.reads.valid.eq(valid & ~faulty & self.writes.ready & self.entries.ready),
            self.writes.valid.eq(valid & ~faulty & self.reads.ready & self.entries.ready),
            self.jobs.ready.eq(~halted & self.entries.ready &
                               (faulty | self.reads.ready & self.writes.ready)),
        ]
        with m.If(self.entries.valid & self.entries.ready & faulty):
            m.d.sync += halted.eq(1)
        return m

    @staticmethod
    def _overflows(addr, span):
        # Only the low bits need an adder: a carry out of them overflows if all others are ones.
        low = addr[:len(span)] + span
        return low[len(span)] & addr[len(span):].all()
