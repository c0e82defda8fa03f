"""Pages that belong to a device: the CPU's accesses there are not cached."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .layouts import Kind, LineLayout, RequestLayout

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
    """Do not cache accesses of the CPU within a window.

    While a device owns a buffer, nothing of it is then brought into the cache, so that there is
    nothing to invalidate afterwards. A chunk is within one page; what its first part found counts
    for all of it, even if a window is changed meanwhile. Combinational.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.guards`` windows.

    Members
    -------
    windows : ``In(WindowsLayout(params))``
        Windows.
    i : ``In(RequestLayout(params))``, o : ``Out(RequestLayout(params))``
        Request; the same, perhaps uncacheable, without the allocate bits of AxCACHE.
    go : ``In(1)``
        The next one comes.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        request = RequestLayout(params)
        super().__init__({"windows": In(WindowsLayout(params)), "i": In(request),
                          "o": Out(request), "go": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inside = inside = Inside(self.params)
        held, guarded = Signal(), Signal()
        m.d.comb += [
            inside.windows.eq(self.windows),
            inside.line.eq(self.i.line),
            guarded.eq(Mux(self.i.opens, inside.inside, held)),
            self.o.eq(self.i),
        ]
        with m.If((self.i.kind == Kind.ACCESS) & ~self.i.silent.any()):
            with m.If(self.go):
                m.d.sync += held.eq(guarded)
            with m.If(guarded):
                m.d.comb += [self.o.kind.eq(Kind.BYPASS), self.o.cache[2:].eq(0)]
        return m
