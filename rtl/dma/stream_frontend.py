"""Buffers from a list of descriptors in memory, or from registers."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.layouts import struct
from rtl.params import StreamParams
from rtl.spec.descriptor import AXI_DMA_CONTROL, AxiDmaWord
from rtl.stream.through import ThroughQueue

from .jobs import DESC_BITS, SPAN_BITS, Fault, ReadSignature
from .list_fetch import LIST_CONTROLS, ListFetch
from .stream_jobs import BufferLayout

__all__ = ["StreamFrontend"]


class StreamFrontend(wiring.Component):
    """Make buffers of descriptors, which are fetched as :class:`ListFetch` says.

    A descriptor that cannot be read, or is complete already, becomes a buffer with that fault, and
    is the last one until reset. One without bytes, or whose address is wider than ``addr_width``,
    becomes a buffer with :attr:`Fault.DMA_INT`. A buffer is offered in the cycle of the last beat
    of its descriptor; throughput is that of the bus.

    Parameters
    ----------
    params : StreamParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be used; at least 1.

    Members
    -------
    place, mark, word, doorbell, start, cyclic, forget, tail, stop, busy
        See :class:`ListFetch`.
    simple : ``In(1)``, ``addr`` : ``In(64)``, ``size`` : ``In(26)``
        A buffer without descriptor, which is a whole packet; ``size`` in bytes. Only while not
        ``pending``.
    bus : ``Out(ReadSignature(...))``
        Bus.
    buffers : ``Out(stream.Signature(BufferLayout(...)))``
        Buffers.
    pending : ``Out(1)``
        There is something to fetch, or a buffer to use.
    """

    def __init__(self, params: StreamParams, *, depth: int):
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
            "addr":     In(64),
            "size":     In(SPAN_BITS),
            "bus":      Out(ReadSignature(addr_width=params.addr_width,
                                          data_width=params.data_width)),
            "buffers":  Out(stream.Signature(BufferLayout(params.addr_width))),
            "pending":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.fetch = fetch = ListFetch(params, depth=self._depth)
        m.submodules.queue = queue = ThroughQueue(self.buffers.p.shape(), self._depth)
        connect(m, fetch.bus, flipped(self.bus))
        connect(m, queue.o, flipped(self.buffers))
        m.d.comb += [getattr(fetch, name).eq(getattr(self, name))
                     for name in (*LIST_CONTROLS, "stop")]
        m.d.comb += [
            fetch.level.eq(queue.level),
            self.tail.eq(fetch.tail),
            self.busy.eq(fetch.busy),
            self.pending.eq(fetch.pending | (queue.level != 0)),
        ]

        buffer, listed = queue.i.p, ~self.simple
        control = struct(AXI_DMA_CONTROL)(fetch.words[AxiDmaWord.CONTROL * 8:][:32])
        addr, size = Signal(64), Signal(SPAN_BITS)
        m.d.comb += [
            addr.eq(Mux(listed, fetch.words[AxiDmaWord.BUFFER * 8:][:64], self.addr)),
            size.eq(Mux(listed, control.length, self.size)),
            queue.i.valid.eq(fetch.found | self.simple),
            buffer.addr.eq(addr),
            buffer.span.eq(size - 1),
            buffer.eof.eq(control.eof | ~listed),
            buffer.sof.eq(control.sof | ~listed),
            buffer.desc.eq(fetch.desc),
            buffer.sg.eq(listed),
        ]
        with m.If(listed & (fetch.fault != Fault.NONE)):
            m.d.comb += buffer.fault.eq(fetch.fault)
        with m.Elif((size == 0) | addr[params.addr_width:].any()):
            m.d.comb += buffer.fault.eq(Fault.DMA_INT)
        return m
