"""A register slice in a stream."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Buffer"]


class Buffer(wiring.Component):
    """Register ``valid``, payload and ``ready``, so that no path leads through.

    Latency is one cycle; throughput is one payload a cycle. Two payloads fit.

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

        # What arrives in the cycle in which the output stops has to be put aside.
        aside = Signal(self.shape)
        full = Signal()
        m.d.comb += self.i.ready.eq(~full)
        with m.If(~full):
            m.d.sync += aside.eq(self.i.payload)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += full.eq(0)
            m.d.sync += self.o.valid.eq(self.i.valid | full)
            with m.If(full):
                m.d.sync += self.o.payload.eq(aside)
            with m.Else():
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Else():
            m.d.sync += full.eq(self.i.valid | full)
        return m
