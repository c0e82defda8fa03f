"""Bring in the lines that a sequential reader will need next."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .guard import PAGE_BITS, Inside, WindowsLayout
from .layouts import Kind, LineLayout, RequestLayout

__all__ = ["Prefetch"]


class Prefetch(wiring.Component):
    """Follow one stream of reads, and ask for the lines ahead of it.

    When a line is read just after the one before it, the next ``params.prefetch`` lines are asked
    for, each once, as long as they are in the same page of 4 KiB and in no guard window. Any other
    read begins a new stream. A line is offered in the cycle after the read at the earliest, and
    then one a cycle; what is offered is withdrawn if a window comes to cover it.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    read : ``In(1)``, line : ``In(LineLayout(params))``
        The CPU reads in this line.
    windows : ``In(WindowsLayout(params))``
        Guard windows.
    steps : ``Out(stream.Signature(RequestLayout(params)))``
        Silent accesses.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "read": In(1), "line": In(LineLayout(params)), "windows": In(WindowsLayout(params)),
            "steps": Out(stream.Signature(RequestLayout(params))),
        })

    def elaborate(self, platform):
        m = Module()
        params, step = self.params, self.steps.p
        in_page = PAGE_BITS - params.offset_bits    # bits of a line number within its page
        number = self.line.as_value()
        page, at = number[in_page:], Cat(number[:in_page], C(0, 1))

        stream_page = Signal(params.line_bits - in_page)
        last = Signal(in_page + 1, init=(1 << in_page + 1) - 2)     # line that was read, in it
        ahead = Signal(in_page + 2)         # first line that was not asked for
        end = Signal(in_page + 2)           # ask for those below
        m.submodules.inside = inside = Inside(params)
        m.d.comb += [
            inside.windows.eq(self.windows),
            inside.line.eq(Cat(ahead[:in_page], stream_page)),
            self.steps.valid.eq((ahead < end) & ~inside.inside),
            step.kind.eq(Kind.ACCESS),
            step.line.eq(inside.line),
            step.last.eq(1),
            step.silent.eq(1),
            step.stream.eq(1),
        ]
        with m.If((ahead < end) & (self.steps.ready | inside.inside)):
            m.d.sync += ahead.eq(ahead + 1)
        with m.If(self.read):
            m.d.sync += [stream_page.eq(page), last.eq(at)]
            with m.If((page != stream_page) | ((at != last) & (at != last + 1))):
                m.d.sync += [ahead.eq(0), end.eq(0)]
            with m.Elif(at != last):
                m.d.sync += end.eq(Mux(at + params.prefetch + 1 > (1 << in_page), 1 << in_page,
                                       at + params.prefetch + 1))
                with m.If(ahead <= at):
                    m.d.sync += ahead.eq(at + 1)
        return m
