"""What the front ends of all lists have in common."""

from collections.abc import Mapping

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_BYTES
from rtl.stream.through import ThroughQueue

from .jobs import DESC_BITS, LIST_CONTROLS, SPAN_BITS, Fault, ReadSignature
from .list_fetch import ListFetch

__all__ = ["Frontend"]


class Frontend(wiring.Component):
    """Make items of descriptors, which are fetched as :class:`ListFetch` says, or of registers.

    A descriptor that cannot be read, or is complete already, becomes an item with that fault, and
    is the last one until reset. One without bytes, or whose addresses are wider than
    ``addr_width``, becomes an item with :attr:`Fault.DMA_INT`. An item is offered in the cycle of
    the last beat of its descriptor; throughput is that of the bus.

    A list's own front end derives from this, and says in :meth:`_item` what an item is.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be executed; at least 1.
    item : shape-like
        Item, with ``fault``.
    registers : mapping from str to shape-like
        What an item of registers needs besides ``size``.
    size : int
        Bytes of a descriptor.

    Members
    -------
    place, mark, word, doorbell, start, cyclic, forget, tail, stop, busy
        See :class:`ListFetch`.
    simple : ``In(1)``, ``size`` : ``In(26)``, and those of ``registers``
        An item without descriptor; ``size`` in bytes. Only while not ``pending``.
    bus : ``Out(ReadSignature(...))``
        Bus.
    items : ``Out(stream.Signature(item))``
        Items.
    pending : ``Out(1)``
        There is something to fetch, or an item to execute.
    """

    def __init__(self, params: DmaParams, *, depth: int, item: ShapeLike,
                 registers: Mapping[str, ShapeLike], size: int = CDMA_BYTES):
        self._params, self._depth, self._bytes = params, depth, size
        super().__init__({
            **{name: In(width) for name, width in LIST_CONTROLS.items()},
            "tail":    Out(params.addr_width - DESC_BITS),
            "stop":    In(1),
            "busy":    Out(1),
            "simple":  In(1),
            **{name: In(shape) for name, shape in registers.items()},
            "size":    In(SPAN_BITS),
            "bus":     Out(ReadSignature(addr_width=params.addr_width,
                                         data_width=params.data_width)),
            "items":   Out(stream.Signature(item)),
            "pending": Out(1),
        })

    def _item(self, m: Module, item: data.View, fetch: ListFetch) -> Value:
        """Fill in ``item``, but for its fault. Returns whether it cannot be carried out."""
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = ListFetch(self._params, depth=self._depth, size=self._bytes)
        m.submodules.queue = queue = ThroughQueue(self.items.p.shape(), self._depth)
        connect(m, fetch.bus, flipped(self.bus))
        connect(m, queue.o, flipped(self.items))
        m.d.comb += [getattr(fetch, name).eq(getattr(self, name))
                     for name in (*LIST_CONTROLS, "stop")]
        m.d.comb += [
            fetch.level.eq(queue.level),
            queue.i.valid.eq(fetch.found | self.simple),
            self.tail.eq(fetch.tail),
            self.busy.eq(fetch.busy),
            self.pending.eq(fetch.pending | (queue.level != 0)),
        ]
        item = queue.i.p
        wrong = self._item(m, item, fetch)
        with m.If(~self.simple & (fetch.fault != Fault.NONE)):
            m.d.comb += item.fault.eq(fetch.fault)
        with m.Elif(wrong):
            m.d.comb += item.fault.eq(Fault.DMA_INT)
        return m
