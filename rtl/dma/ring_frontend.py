"""Copies from a ring of descriptors."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.layouts import struct
from rtl.params import RingParams
from rtl.spec.ring_formats import SLOT_BYTES, WORD_1
from rtl.stream.through import ThroughQueue

from .jobs import Fault, JobLayout, ReadSignature
from .ring_decoder import RingDecoder
from .ring_fetch import RingFetch
from .rows import RowsLayout

__all__ = ["RingFrontend", "RingLabel"]


class RingLabel(data.StructLayout):
    """What a copy from the ring is known by.

    ``slot``; ``irq`` (it asks for an interrupt); where descriptors have rows, ``more`` (it is one
    of them, and not the last); where the ring can go on behind a fault, ``long`` (two slots).
    """

    def __init__(self, params: RingParams):
        super().__init__({"slot": 16, "irq": 1, **({"more": 1} if params.strided else {}),
                          **({"long": 1} if params.proceed else {})})


class RingFrontend(wiring.Component):
    """Fetch descriptors, put their slots together, and keep what they ask for.

    A descriptor that cannot be carried out becomes a copy with that fault; one that cannot be read
    also is the last one until reset. A copy shows in the cycle of its last beat; throughput is that
    of the bus.

    Parameters
    ----------
    params : RingParams
        Parameters.

    Members
    -------
    base, size_log2, tail, head, place, number, cyclic, run
        See :class:`RingFetch`.
    bus : ``Out(ReadSignature(...))``
        Bus.
    jobs : ``Out(stream.Signature(...))``
        Copies: :class:`RowsLayout` where ``strided`` is there, else :class:`JobLayout`.
    busy : ``Out(1)``
        Slots were asked for and did not come yet.
    pending : ``Out(1)``
        There is something to fetch, or a copy to execute.
    """

    def __init__(self, params: RingParams):
        self._params = params
        job = JobLayout(params.addr_width, RingLabel(params), fill=params.fill)
        super().__init__({
            "base":      In(params.addr_width),
            "size_log2": In(4),
            "tail":      In(16),
            "head":      Out(16),
            "place":     In(1),
            "number":    In(16),
            "cyclic":    In(1),
            "run":       In(1),
            "bus":       Out(ReadSignature(addr_width=params.addr_width,
                                           data_width=params.data_width)),
            "jobs":      Out(stream.Signature(RowsLayout(job) if params.strided else job)),
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
        long = Signal()
        m.d.comb += long.eq(struct(WORD_1)(slot.words[SLOT_BYTES * 4:]).long &
                            (slot.fault == Fault.NONE))
        with m.If(came):
            m.d.sync += [
                halfway.eq(~halfway & long),
                dead.eq(dead | (slot.fault != Fault.NONE)),
            ]
        with m.If(came & ~halfway):
            m.d.sync += first.eq(slot)
        with m.If(self.place):
            m.d.sync += halfway.eq(0)

        m.submodules.decoder = decoder = RingDecoder(params, label=RingLabel(params))
        m.d.comb += [
            decoder.first.eq(Mux(halfway, first.as_value(), slot.as_value())),
            decoder.second.eq(slot),
            decoder.long.eq(halfway),
            queue.i.valid.eq(came & ~dead & (halfway | ~long)),
            queue.i.payload.eq(decoder.work),
        ]

        # Room: what is kept is counted in slots as they came. Of a long one, one half goes at once.
        m.d.sync += fetch.freed.eq((self.jobs.valid & self.jobs.ready) +
                                   (came & (dead | long & ~halfway)))
        m.d.comb += [
            getattr(fetch, name).eq(getattr(self, name))
            for name in ("base", "size_log2", "tail", "place", "number", "cyclic")]
        m.d.comb += [
            fetch.run.eq(self.run & ~dead),
            self.head.eq(fetch.head),
            self.busy.eq(fetch.busy),
            self.pending.eq(fetch.busy | (queue.level != 0) | self.run & ~dead & fetch.some),
        ]
        return m
