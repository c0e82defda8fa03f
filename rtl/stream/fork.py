"""One stream into many, and many into one."""

from collections.abc import Mapping

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fork", "Join"]


class Fork(wiring.Component):
    """Give every payload of one stream to each of ``n`` streams.

    An output may take its copy before the others do; the input is ready when the last one takes it.
    Combinational: no latency, one payload a cycle.

    Parameters
    ----------
    shape : shape-like
        Payload.
    n : int
        Number of outputs; at least 1.

    Members
    -------
    i : ``In(stream.Signature(shape))``
        Input.
    o : ``Out(stream.Signature(shape)).array(n)``
        Outputs.

    Raises
    ------
    TypeError
        If ``n`` is not an integer.
    ValueError
        If ``n`` is less than 1.
    """

    def __init__(self, shape: ShapeLike, n: int):
        if not isinstance(n, int):
            raise TypeError(f"Number of outputs must be an integer, not {n!r}")
        if n < 1:
            raise ValueError(f"Number of outputs must be at least 1, not {n!r}")
        self.shape, self.n = shape, n
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)).array(n),
        })

    def elaborate(self, platform):
        m = Module()
        served = Signal(self.n)             # outputs that have their copy
        now = Signal(self.n)                # those that have it when this cycle ends
        for k, output in enumerate(self.o):
            m.d.comb += [
                output.payload.eq(self.i.payload),
                output.valid.eq(self.i.valid & ~served[k]),
                now[k].eq(served[k] | output.ready),
            ]
        m.d.comb += self.i.ready.eq(now.all())
        with m.If(self.i.valid):
            m.d.sync += served.eq(Mux(self.i.ready, 0, now))
        return m


class Join(wiring.Component):
    """Put one payload of each of several streams side by side.

    Combinational: no latency, one payload a cycle.

    Parameters
    ----------
    shapes : mapping from str to shape-like
        Name and payload of each input; not empty.

    Members
    -------
    i : ``In(wiring.Signature({name: Out(stream.Signature(shape)), ...}))``
        Inputs, by name.
    o : ``Out(stream.Signature(data.StructLayout(shapes)))``
        Output.

    Raises
    ------
    ValueError
        If there is no input.
    """

    def __init__(self, shapes: Mapping[str, ShapeLike]):
        if not shapes:
            raise ValueError("Join must have at least one input, not none")
        self.layout = data.StructLayout(dict(shapes))
        super().__init__({
            "i": In(wiring.Signature({
                name: Out(stream.Signature(shape)) for name, shape in shapes.items()})),
            "o": Out(stream.Signature(self.layout)),
        })

    def elaborate(self, platform):
        m = Module()
        inputs = {name: getattr(self.i, name) for name in self.layout.members}
        m.d.comb += self.o.valid.eq(Cat(port.valid for port in inputs.values()).all())
        for name, port in inputs.items():
            m.d.comb += [
                self.o.p[name].eq(port.payload),
                port.ready.eq(self.o.valid & self.o.ready),
            ]
        return m
