"""Accesses of the CPU that are not cached: exclusive ones, and those to pages of a device."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .layouts import LineLayout, channel

__all__ = ["PAGE_BITS", "Guard", "Inside", "WindowLayout", "WindowsLayout"]

#: A window is made of pages of 4 KiB, because no burst crosses their bounds.
PAGE_BITS = 12


class WindowLayout(data.StructLayout):
    """A window: ``on``, number of its ``first`` and ``last`` page."""

    def __init__(self, params: CacheParams):
        page = params.phys_bits - PAGE_BITS
        super().__init__({"on": 1, "first": page, "last": page})


class WindowsLayout(data.ArrayLayout):
    """All windows."""

    def __init__(self, params: CacheParams):
        super().__init__(WindowLayout(params), params.guards)


class Inside(wiring.Component):
    """Whether a line is within a window. Combinational.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.guards`` windows.

    Members
    -------
    windows : ``In(WindowsLayout(params))``, line : ``In(LineLayout(params))``
        Windows; line.
    inside : ``Out(1)``
        It is.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({"windows": In(WindowsLayout(params)), "line": In(LineLayout(params)),
                          "inside": Out(1)})

    def elaborate(self, platform):
        m = Module()
        page = self.line.as_value()[PAGE_BITS - self.params.offset_bits:]
        m.d.comb += self.inside.eq(Cat(
            window.on & (window.first <= page) & (page <= window.last)
            for window in self.windows).any())
        return m


class Guard(wiring.Component):
    """Take the allocate bits from AxCACHE of some bursts. Combinational.

    Of those within a window: while a device owns a buffer, nothing of it is then brought into the
    cache, so that there is nothing to invalidate afterwards. And of exclusive ones: who holds a
    location is for memory to know, which alone sees what all its managers write.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.guards`` windows.
    name : str
        Channel, ``"ar"`` or ``"aw"``.

    Members
    -------
    windows : ``In(WindowsLayout(params))``
        Windows.
    i : ``In(channel(params, name))``, o : ``Out(channel(params, name))``
        Addresses.
    """

    def __init__(self, params: CacheParams, name: str):
        self.params = params
        super().__init__({"windows": In(WindowsLayout(params)), "i": In(channel(params, name)),
                          "o": Out(channel(params, name))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inside = inside = Inside(self.params)
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.eq(self.i.payload),
        ]
        m.d.comb += [inside.windows.eq(self.windows),
                     inside.line.eq(self.i.p.addr[self.params.offset_bits:])]
        with m.If(inside.inside | self.i.p.lock):
            m.d.comb += self.o.p.cache[2:].eq(0)
        return m
