"""Register slices on the channels of a bus."""

from collections.abc import Iterable

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.stream.buffer import Buffer

from . import lite
from .signature import Signature

__all__ = ["Slice"]


class Slice(wiring.Component):
    """Register valid, payload and ready of the chosen channels; wire the others through.

    Each chosen channel gains one cycle of latency and keeps its throughput.

    Parameters
    ----------
    signature : axi.Signature or lite.Signature
        Bus.
    channels : iterable of str
        Channels to register; all by default.

    Members
    -------
    i : ``In(signature)``
        From the manager.
    o : ``Out(signature)``
        To the subordinate.

    Raises
    ------
    TypeError
        If ``signature`` is not that of a bus.
    ValueError
        If the bus has no such channel.
    """

    def __init__(self, signature: Signature | lite.Signature,
                 channels: Iterable[str] = ("aw", "w", "b", "ar", "r")):
        if not isinstance(signature, Signature | lite.Signature):
            raise TypeError(f"Signature must be one of AXI4 or AXI4-Lite, not {signature!r}")
        self.channels = frozenset(channels)
        for name in sorted(self.channels - set(signature.members)):
            raise ValueError(f"Channel must be one of {', '.join(signature.members)}, "
                             f"not {name!r}")
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        for name, member in self.i.signature.flip().members.items():
            source, sink = getattr(self.i, name), getattr(self.o, name)
            if member.flow == In:           # a response: from the subordinate
                source, sink = sink, source
            if name in self.channels:
                m.submodules[name] = buffer = Buffer(source.payload.shape())
                connect(m, flipped(source), buffer.i)
                connect(m, buffer.o, flipped(sink))
            else:
                connect(m, flipped(source), flipped(sink))
        return m
