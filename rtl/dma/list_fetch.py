"""Descriptors of a list, as they come from memory."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_BYTES, CdmaWord

from .descriptor_reader import DescriptorReader
from .jobs import DESC_BITS, LIST_CONTROLS, Fault, ReadSignature
from .list_walker import ListWalker

__all__ = ["ListFetch"]


class ListFetch(wiring.Component):
    """Fetch descriptors in order, ahead of their execution, as :class:`ListWalker` says.

    One that cannot be read, or is complete already, comes with that fault, and is the last one
    until reset. A descriptor is ``found`` in the cycle of its last beat; throughput is that of the
    bus.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be executed; at least 1.
    size : int
        Bytes of a descriptor.

    Members
    -------
    place, mark, word, doorbell, start, cyclic, forget, tail, stop, busy, level, pending
        See :class:`ListWalker`.
    bus : ``Out(ReadSignature(...))``
        Bus.
    found : ``Out(1)``
        High for one cycle: there is a descriptor.
    words : ``Out(8 * size)``, ``desc`` : ``Out(addr_width - 6)``
        What it says, and where it is (over 64).
    fault : ``Out(Fault)``
        What is wrong with it.
    """

    def __init__(self, params: DmaParams, *, depth: int, size: int = CDMA_BYTES):
        self._params, self._depth, self._size = params, depth, size
        super().__init__({
            **{name: In(width) for name, width in LIST_CONTROLS.items()},
            "tail":     Out(params.addr_width - DESC_BITS),
            "stop":     In(1),
            "busy":     Out(1),
            "level":    In(range(depth + 1)),
            "pending":  Out(1),
            "bus":      Out(ReadSignature(addr_width=params.addr_width,
                                          data_width=params.data_width)),
            "found":    Out(1),
            "words":    Out(8 * size),
            "desc":     Out(params.addr_width - DESC_BITS),
            "fault":    Out(Fault),
        })

    def elaborate(self, platform):
        m = Module()
        params, ar = self._params, self.bus.ar
        m.submodules.walker = walker = ListWalker(addr_width=params.addr_width, depth=self._depth)
        m.submodules.reader = reader = DescriptorReader(
            data_width=params.data_width, size=self._size)
        connect(m, flipped(self.bus.r), reader.r)
        m.d.comb += [getattr(walker, name).eq(getattr(self, name))
                     for name in (*LIST_CONTROLS, "stop", "level")]
        m.d.comb += [
            ar.valid.eq(walker.ar.valid),
            ar.p.addr.eq(walker.ar.payload << DESC_BITS),
            ar.p.len.eq(reader.beats - 1),
            walker.ar.ready.eq(ar.ready),
            reader.again.eq(walker.endless),
            walker.came.eq(reader.came),
            walker.faulty.eq(reader.fault != Fault.NONE),
            walker.link.eq(reader.words[CdmaWord.NXTDESC * 8:][DESC_BITS:64]),
            self.tail.eq(walker.tail),
            self.busy.eq(walker.busy),
            self.pending.eq(walker.pending),
            self.found.eq(walker.arrives | walker.lost),
            self.words.eq(reader.words),
            self.desc.eq(walker.current),
            self.fault.eq(reader.fault),
        ]
        with m.If(walker.lost):
            m.d.comb += self.fault.eq(Fault.SG_DEC)
        return m
