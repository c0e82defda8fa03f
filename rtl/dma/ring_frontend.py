"""Copies from a ring of descriptors."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.layouts import struct
from rtl.params import RingParams
from rtl.spec.ring_formats import SLOT_BYTES, WORD_0, WORD_1, WORD_2, RingOp
from rtl.stream.through import ThroughQueue

from .jobs import SPAN_BITS, Fault, JobLayout, ReadSignature
from .ring_fetch import RingFetch

__all__ = ["RingFrontend", "RingLabel"]


class RingLabel(data.StructLayout):
    """What a copy from the ring is known by: ``slot``, and whether it asks for an interrupt."""

    def __init__(self):
        super().__init__({"slot": 16, "irq": 1})


class RingFrontend(wiring.Component):
    """Put the slots of descriptors together, and say what they ask for.

    A descriptor that cannot be carried out becomes a copy with that fault; one that cannot be read
    also is the last one until reset. A copy shows in the cycle of its last beat; throughput is that
    of the bus.

    Parameters
    ----------
    params : RingParams
        Parameters.

    Members
    -------
    base, size_log2, tail, head, place, number, run
        See :class:`RingFetch`.
    bus : ``Out(ReadSignature(...))``
        Bus.
    jobs : ``Out(stream.Signature(JobLayout(...)))``
        Copies.
    busy : ``Out(1)``
        Slots were asked for and did not come yet.
    pending : ``Out(1)``
        There is something to fetch, or a copy to execute.
    """

    def __init__(self, params: RingParams):
        self._params = params
        super().__init__({
            "base":      In(params.addr_width),
            "size_log2": In(4),
            "tail":      In(16),
            "head":      Out(16),
            "place":     In(1),
            "number":    In(16),
            "run":       In(1),
            "bus":       Out(ReadSignature(addr_width=params.addr_width,
                                           data_width=params.data_width)),
            "jobs":      Out(stream.Signature(JobLayout(params.addr_width, RingLabel()))),
            "busy":      Out(1),
            "pending":   Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.fetch = fetch = RingFetch(
            addr_width=params.addr_width, data_width=params.data_width, depth=params.depth)
        m.submodules.queue = queue = ThroughQueue(self.jobs.p.shape(), params.depth)
        connect(m, fetch.bus, flipped(self.bus))
        connect(m, queue.o, flipped(self.jobs))

        # A long descriptor waits for its second slot.
        slot, came = fetch.slots.p, fetch.slots.valid
        first = Signal.like(slot)
        halfway = Signal()
        dead = Signal()                     # what comes after a slot that could not be read
        low, high = (slot.words[:SLOT_BYTES * 4], slot.words[SLOT_BYTES * 4:])
        now = struct(WORD_1)(high)
        long = Signal()
        m.d.comb += long.eq(now.long & (slot.fault == Fault.NONE))
        with m.If(came):
            m.d.sync += [
                halfway.eq(~halfway & long),
                dead.eq(dead | (slot.fault != Fault.NONE)),
            ]
        with m.If(came & ~halfway):
            m.d.sync += first.eq(slot)
        with m.If(self.place):
            m.d.sync += halfway.eq(0)

        job, word_2 = queue.i.p, struct(WORD_2)(low)
        start, word_1 = Signal.like(slot), Signal.like(now)
        m.d.comb += [
            start.eq(Mux(halfway, first.as_value(), slot.as_value())),
            word_1.eq(start.words[SLOT_BYTES * 4:]),
        ]
        short = struct(WORD_0)(start.words[:SLOT_BYTES * 4])
        src, dst, size = Signal(64), Signal(64), Signal(32)
        with m.If(halfway):
            m.d.comb += [
                src.eq(start.words[:SLOT_BYTES * 4]),
                dst.eq(Cat(word_1.dst, word_2.dst_high)),
                size.eq(word_2.size),
            ]
        with m.Else():
            m.d.comb += [
                src.eq(short.src),
                dst.eq(word_1.dst),
                size.eq(Cat(short.size, short.size == 0)),
            ]
        m.d.comb += [
            queue.i.valid.eq(came & ~dead & (halfway | ~long)),
            job.src.eq(src),
            job.dst.eq(dst),
            job.span.eq(size - 1),
            job.label.slot.eq(start.number),
            job.label.irq.eq(word_1.irq),
        ]
        beyond = (src[params.addr_width:] | dst[params.addr_width:] | size[SPAN_BITS:]).any()
        with m.If(slot.fault != Fault.NONE):
            m.d.comb += job.fault.eq(slot.fault)
        with m.Elif((size == 0) | beyond | (word_1.op != RingOp.COPY) | word_1.strided):
            m.d.comb += job.fault.eq(Fault.DMA_INT)

        # Room: what is kept is counted in slots as they came. Of a long one, one half goes at once.
        m.d.comb += [
            getattr(fetch, name).eq(getattr(self, name))
            for name in ("base", "size_log2", "tail", "place", "number")]
        m.d.comb += [
            fetch.run.eq(self.run & ~dead),
            fetch.freed.eq((self.jobs.valid & self.jobs.ready) + (came & (dead | long & ~halfway))),
            self.head.eq(fetch.head),
            self.busy.eq(fetch.busy),
            self.pending.eq(fetch.busy | (queue.level != 0) | self.run & ~dead &
                            (self.tail != self.head)),
        ]
        return m
