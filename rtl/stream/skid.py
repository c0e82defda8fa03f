"""A stream whose ready comes from a register."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skid"]


class Skid(wiring.Component):
    """Register ``ready`` only: what arrives while the output waits is put aside.

    Without waiting ``valid`` and payload pass in the same cycle; throughput is one payload a cycle.
    For a path that needs no cycle more but must not see a long ``ready``; the full slice is
    :class:`~rtl.stream.buffer.Buffer`.

    Parameters
    ----------
    shape : shape-like
        Payload.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Input.
    o : ``Out(stream.Signature(shape))``
        Output.
    """

    def __init__(self, shape: ShapeLike):
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        aside = Signal(self.shape)
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(self.i.valid | full),
            self.o.payload.eq(Mux(full, aside, self.i.payload)),
        ]
        with m.If(~full):
            m.d.sync += aside.eq(self.i.payload)
        m.d.sync += full.eq(self.o.valid & ~self.o.ready)
        return m
