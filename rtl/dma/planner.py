"""Check a copy, and plan its reads, its writes and its completion."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .burst_splitter import RunLayout
from .jobs import SPAN_BITS, EntryLayout, Fault, JobLayout

__all__ = ["FillLayout", "PlaceLayout", "Planner"]


class PlaceLayout(data.StructLayout):
    """How the beats of a copy's reads become rows of its writes.

    ``rotate``: lanes by which every byte moves up, modulo the bus. ``primes``: the first beat does
    not complete a row, because it starts further up than the first row. ``spills``: the last beat
    completes two rows, because some of its bytes belong to one more.

    Where copies may share a row (``joins``): ``head`` (lane of the copy's first byte: those below
    it are not touched), ``open`` (the last row is not complete, and the next copy goes on in it).
    """

    def __init__(self, bus_bytes: int, *, joins: bool = False):
        super().__init__({"rotate": range(bus_bytes), "primes": 1, "spills": 1,
                          **({"head": range(bus_bytes), "open": 1} if joins else {})})


class FillLayout(data.StructLayout):
    """What a run of writes writes: rows that were read, or with ``fill`` the ``pattern``.

    ``pattern`` is turned so that each of its bytes stands in the lane, modulo eight, in which it is
    written.
    """

    def __init__(self):
        super().__init__({"fill": 1, "pattern": 64})


class Planner(wiring.Component):
    """Hand a copy to the read side, to the write side and to completion, all in one cycle.

    A copy that runs past the highest address gets :attr:`Fault.DMA_INT`. One with a fault goes to
    completion alone, and nothing follows it until reset. A fill goes to the write side and to
    completion. Latency is one cycle; throughput is one copy a cycle. ``jobs.ready`` comes from
    those of the outputs.

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
    fill : bool
        Whether there are fills.

    Members
    -------
    jobs : ``In(stream.Signature(JobLayout(addr_width, label, fill=fill)))``
        Copies.
    reads : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to read, tagged with :class:`PlaceLayout`.
    writes : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to write; with ``fill`` tagged with :class:`FillLayout`.
    entries : ``Out(stream.Signature(EntryLayout(label)))``
        Every copy, in order.
    pending : ``Out(1)``
        A copy was taken and not yet handed over.
    """

    def __init__(self, *, addr_width: int, bus_bytes: int, page_bytes: int, label: ShapeLike,
                 fill: bool = False):
        self.bus_bytes, self.page_bytes, self.fill = bus_bytes, page_bytes, fill
        self._addr_width = addr_width
        run = {"addr_width": addr_width, "span_width": SPAN_BITS, "page_bytes": page_bytes}
        super().__init__({
            "jobs":    In(stream.Signature(JobLayout(addr_width, label, fill=fill))),
            "reads":   Out(stream.Signature(RunLayout(**run, tag=PlaceLayout(bus_bytes)))),
            "writes":  Out(stream.Signature(RunLayout(**run, tag=FillLayout() if fill else 0))),
            "entries": Out(stream.Signature(EntryLayout(label))),
            "pending": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        job = self.jobs.p
        lanes, page_bits = exact_log2(self.bus_bytes), exact_log2(self.page_bytes)
        read, write, entry = self.reads.p, self.writes.p, self.entries.p
        src = Signal(self._addr_width)
        src_end, dst_end = (Signal(lanes, name=name) for name in ("src_end", "dst_end"))
        m.d.comb += [
            src.eq(job.src),
            src_end.eq(src + job.span),
            dst_end.eq(job.dst + job.span),
        ]
        is_fill = Signal()

        # What was worked out is kept until all three have taken it.
        held, halted = Signal(), Signal()
        fault, carries = Signal(Fault), Signal(2)
        with m.If(self.jobs.ready):
            m.d.sync += [
                held.eq(self.jobs.valid),
                read.addr.eq(src),
                read.reach.eq(src[:page_bits] + job.span),
                read.tag.rotate.eq(job.dst - src),
                read.tag.primes.eq(job.dst[:lanes] < src[:lanes]),
                read.tag.spills.eq(dst_end < src_end),
                write.addr.eq(job.dst),
                write.reach.eq(job.dst[:page_bits] + job.span),
                entry.label.eq(job.label),
                # If all other bits are ones, then a carry out of the low bits is an overflow.
                carries.eq(Cat((addr[:SPAN_BITS] + job.span)[-1] & addr[SPAN_BITS:].all()
                               for addr in (src, job.dst))),
                fault.eq(job.fault),
            ]
        m.d.comb += entry.fault.eq(fault)
        with m.If((fault == Fault.NONE) & (carries[1] | carries[0] & ~is_fill)):
            m.d.comb += entry.fault.eq(Fault.DMA_INT)
        if self.fill:
            m.d.comb += is_fill.eq(write.tag.fill)
            with m.If(self.jobs.ready):
                m.d.sync += [
                    write.tag.fill.eq(job.fill),
                    write.tag.pattern.eq(_turned(job.src, job.dst[:3])),
                ]

        valid, faulty = held & ~halted, entry.fault != Fault.NONE
        room = self.writes.ready & (self.reads.ready | is_fill)
        taken = valid & (faulty | room) & self.entries.ready
        m.d.comb += [
            self.entries.valid.eq(valid & (faulty | room)),
            self.reads.valid.eq(valid & ~faulty & ~is_fill & self.writes.ready &
                                self.entries.ready),
            self.writes.valid.eq(valid & ~faulty & (self.reads.ready | is_fill) &
                                 self.entries.ready),
            self.jobs.ready.eq(~halted & (~held | taken & ~faulty)),
            self.pending.eq(valid),
        ]
        with m.If(taken & faulty):
            m.d.sync += halted.eq(1)
        return m


def _turned(word, count):
    """Turn a word up by ``count`` bytes."""
    for k in range(len(count)):
        word = Mux(count[k], word.rotate_left(8 << k), word)
    return word
