"""Check a copy, and plan its reads, its writes and its completion."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .burst_splitter import RunLayout
from .jobs import SPAN_BITS, EntryLayout, Fault, JobLayout

__all__ = ["FillLayout", "PlaceLayout", "Planner"]

#: Top bits of an address that are all ones where a copy takes a cycle more.
HIGH_BITS = 8


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
    completion. Latency is one cycle, and one more with a fault or where an address may be near the
    highest one; throughput is one copy a cycle. ``jobs.ready`` comes from those of the outputs.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    bus_bytes : int, power of two
        Width of the data bus, in bytes.
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

    def __init__(self, *, addr_width: int, bus_bytes: int, label: ShapeLike, fill: bool = False):
        self.bus_bytes, self.fill = bus_bytes, fill
        self._addr_width = addr_width
        run = {"addr_width": addr_width, "span_width": SPAN_BITS}
        super().__init__({
            "jobs":    In(stream.Signature(JobLayout(addr_width, label, fill=fill))),
            "reads":   Out(stream.Signature(RunLayout(**run, tag=PlaceLayout(bus_bytes)))),
            "writes":  Out(stream.Signature(RunLayout(**run, tag=FillLayout() if fill else 0))),
            "entries": Out(stream.Signature(EntryLayout(label))),
            "pending": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        job, lanes = self.jobs.p, exact_log2(self.bus_bytes)
        read, write, entry = self.reads.p, self.writes.p, self.entries.p
        src, dst = Signal(len(job.src)), Signal(self._addr_width)
        span, is_fill = Signal(SPAN_BITS), Signal()

        # A copy is kept until all three have taken it. What may have a fault is looked at before.
        empty, sure, unsure, faulty = Signal(init=1), Signal(), Signal(), Signal()
        with m.If(self.jobs.ready):
            high = self._high(job.dst) | self._high(job.src) & ~(job.fill if self.fill else 0)
            doubt = high | job.doubt
            m.d.sync += [
                empty.eq(~self.jobs.valid),
                sure.eq(self.jobs.valid & ~doubt),
                unsure.eq(self.jobs.valid & doubt),
                src.eq(job.src),
                dst.eq(job.dst),
                span.eq(job.span),
                entry.label.eq(job.label),
                entry.fault.eq(job.fault),
            ]
            if self.fill:
                m.d.sync += is_fill.eq(job.fill)
        with m.If(unsure):
            beyond = self._overflows(dst, span) | self._overflows(src, span) & ~is_fill
            wrong = beyond | (entry.fault != Fault.NONE)
            m.d.sync += [unsure.eq(0), sure.eq(~wrong), faulty.eq(wrong)]
            with m.If(entry.fault == Fault.NONE):
                m.d.sync += entry.fault.eq(Mux(beyond, Fault.DMA_INT, Fault.NONE))
        with m.If(faulty & self.entries.ready):
            m.d.sync += faulty.eq(0)        # and nothing else ever is

        src_end, dst_end = (Signal(lanes, name=name) for name in ("src_end", "dst_end"))
        m.d.comb += [
            src_end.eq(src + span),
            dst_end.eq(dst + span),
            read.addr.eq(src),
            read.span.eq(span),
            read.tag.rotate.eq(dst - src),
            read.tag.primes.eq(dst[:lanes] < src[:lanes]),
            read.tag.spills.eq(dst_end < src_end),
            write.addr.eq(dst),
            write.span.eq(span),
        ]
        if self.fill:
            m.d.comb += [write.tag.fill.eq(is_fill), write.tag.pattern.eq(_turned(src, dst[:3]))]

        read_room = self.reads.ready | is_fill
        m.d.comb += [
            self.entries.valid.eq(faulty | sure & self.writes.ready & read_room),
            self.reads.valid.eq(sure & ~is_fill & self.writes.ready & self.entries.ready),
            self.writes.valid.eq(sure & read_room & self.entries.ready),
            self.jobs.ready.eq(empty | self.writes.valid & self.writes.ready),
            self.pending.eq(sure | unsure | faulty),
        ]
        return m

    def _high(self, addr):
        """Whether a copy from here might overflow; so few bits tell in time."""
        return addr[max(SPAN_BITS, self._addr_width - HIGH_BITS):self._addr_width].all()

    def _overflows(self, addr, span):
        """If all other bits are ones, then a carry out of the low bits is an overflow."""
        return (addr[:SPAN_BITS] + span)[-1] & addr[SPAN_BITS:self._addr_width].all()


def _turned(word, count):
    """Turn a word up by ``count`` bytes."""
    for k in range(len(count)):
        word = Mux(count[k], word.rotate_left(8 << k), word)
    return word
