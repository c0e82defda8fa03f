"""Who is next at the lookup: a read, a write, or maintenance."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams
from rtl.stream.arbiter import Arbiter

from .layouts import RequestLayout
from .masks import chosen

__all__ = ["Choose"]


class Choose(wiring.Component):
    """Take reads, writes and maintenance in turn.

    Reads and writes change places only between chunks. Maintenance gets at most every second turn.
    Combinational.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    reads, writes, steps : ``In(stream.Signature(RequestLayout(params)))``
        Requests.
    o : ``Out(stream.Signature(RequestLayout(params)))``
        Requests, one at a time.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        request = stream.Signature(RequestLayout(params))
        super().__init__({"reads": In(request), "writes": In(request), "steps": In(request),
                          "o": Out(request)})

    def elaborate(self, platform):
        m = Module()
        # The arbiter only says who; the payloads need no priorities.
        m.submodules.arbiter = arbiter = Arbiter(0, 3)
        ports = self.reads, self.writes, self.steps
        m.d.comb += [
            self.o.valid.eq(arbiter.o.valid),
            self.o.payload.eq(chosen(Cat(arbiter.grant == k for k in range(3)),
                                     [port.payload for port in ports])),
            arbiter.o.ready.eq(self.o.ready),
            arbiter.i[2].valid.eq(self.steps.valid),
            self.steps.ready.eq(arbiter.i[2].ready),
        ]

        # Within a chunk, only its own stream may go on.
        open_chunk = Signal(2)
        for k, port in enumerate(ports[:2]):
            other = open_chunk[1 - k]
            m.d.comb += [
                arbiter.i[k].valid.eq(port.valid & ~other),
                port.ready.eq(arbiter.i[k].ready & ~other),
            ]
            with m.If(port.valid & port.ready):
                m.d.sync += open_chunk[k].eq(~port.p.closes)
        return m
