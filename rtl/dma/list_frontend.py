"""Copies from a list of descriptors in memory, or from registers."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_CONTROL, CdmaWord
from rtl.stream.through import ThroughQueue

from .jobs import DESC_BITS, SPAN_BITS, Fault, JobLayout, ListLabel, ReadSignature
from .list_fetch import LIST_CONTROLS, ListFetch

__all__ = ["ListFrontend"]


class ListFrontend(wiring.Component):
    """Make copies of descriptors, which are fetched as :class:`ListFetch` says.

    A descriptor that cannot be read, or is complete already, becomes a copy with that fault, and is
    the last one until reset. One without bytes, or whose addresses are wider than ``addr_width``,
    becomes a copy with :attr:`Fault.DMA_INT`. A copy is offered in the cycle of the last beat of
    its descriptor; throughput is that of the bus.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be executed; at least 1.

    Members
    -------
    place, mark, word, doorbell, start, cyclic, forget, tail, stop, busy
        See :class:`ListFetch`.
    simple : ``In(1)``, ``src``, ``dst`` : ``In(64)``, ``size`` : ``In(26)``
        A copy without descriptor; ``size`` in bytes. Only while not ``pending``.
    bus : ``Out(ReadSignature(...))``
        Bus.
    jobs : ``Out(stream.Signature(JobLayout(...)))``
        Copies.
    pending : ``Out(1)``
        There is something to fetch, or a copy to execute.
    """

    def __init__(self, params: DmaParams, *, depth: int):
        self._params, self._depth = params, depth
        super().__init__({
            "place":    In(2),
            "mark":     In(2),
            "word":     In(32),
            "doorbell": In(1),
            "start":    In(1),
            "cyclic":   In(1),
            "forget":   In(1),
            "tail":     Out(params.addr_width - DESC_BITS),
            "stop":     In(1),
            "busy":     Out(1),
            "simple":   In(1),
            "src":      In(64),
            "dst":      In(64),
            "size":     In(SPAN_BITS),
            "bus":      Out(ReadSignature(addr_width=params.addr_width,
                                          data_width=params.data_width)),
            "jobs":     Out(stream.Signature(JobLayout(
                params.addr_width, ListLabel(params.addr_width)))),
            "pending":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.fetch = fetch = ListFetch(params, depth=self._depth)
        m.submodules.queue = queue = ThroughQueue(self.jobs.p.shape(), self._depth)
        connect(m, fetch.bus, flipped(self.bus))
        connect(m, queue.o, flipped(self.jobs))
        m.d.comb += [getattr(fetch, name).eq(getattr(self, name))
                     for name in (*LIST_CONTROLS, "stop")]
        m.d.comb += [
            fetch.level.eq(queue.level),
            self.tail.eq(fetch.tail),
            self.busy.eq(fetch.busy),
            self.pending.eq(fetch.pending | (queue.level != 0)),
        ]

        def choose(register, word, bits=slice(None)):
            return Mux(self.simple, register, fetch.words[word * 8:][bits])

        src = choose(self.src, CdmaWord.SA, slice(64))
        dst = choose(self.dst, CdmaWord.DA, slice(64))
        lsb, width = CDMA_CONTROL.fields["btt"]
        size = choose(self.size, CdmaWord.CONTROL, slice(lsb, lsb + width))
        job = queue.i.p
        m.d.comb += [
            queue.i.valid.eq(fetch.found | self.simple),
            job.src.eq(src),
            job.dst.eq(dst),
            job.span.eq(size - 1),
            job.label.desc.eq(fetch.desc),
            job.label.sg.eq(~self.simple),
        ]
        beyond = (src[params.addr_width:] | dst[params.addr_width:]).any()
        with m.If(~self.simple & (fetch.fault != Fault.NONE)):
            m.d.comb += job.fault.eq(fetch.fault)
        with m.Elif((size == 0) | beyond):
            m.d.comb += job.fault.eq(Fault.DMA_INT)
        return m
