"""Memory that a manager sees at another address."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .signature import Signature

__all__ = ["Offset"]


class Offset(wiring.Component):
    """Add a constant to the addresses of a manager; everything else is wired through.

    Addresses wrap at the width of the bus. The adder is combinational.

    Parameters
    ----------
    signature : axi.Signature
        Bus.
    amount : int
        What is added, in bytes; a multiple of 4 KiB, so that no burst crosses one.

    Members
    -------
    i : ``In(signature)``
        From the manager.
    o : ``Out(signature)``
        To the subordinate.

    Raises
    ------
    ValueError
        If ``amount`` is not a multiple of 4 KiB.
    """

    def __init__(self, signature: Signature, amount: int):
        if amount % 4096:
            raise ValueError(f"Offset of addresses must be a multiple of 4096, not {amount:#x}")
        self.amount = amount
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        for name in ("w", "b", "r"):
            sink, source = getattr(self.o, name), getattr(self.i, name)
            if name == "w":
                connect(m, flipped(source), flipped(sink))
            else:
                connect(m, flipped(sink), flipped(source))
        for name in ("aw", "ar"):
            source, sink = getattr(self.i, name), getattr(self.o, name)
            m.d.comb += [
                sink.payload.eq(source.payload),
                sink.p.addr.eq(source.p.addr + self.amount),
                sink.valid.eq(source.valid),
                source.ready.eq(sink.ready),
            ]
        return m
