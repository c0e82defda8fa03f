"""What maintenance does to the lines of a set."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode

from .layouts import Kind, RequestLayout, RowLayout

__all__ = ["Plan"]


class Plan(wiring.Component):
    """Plan what maintenance, or an uncacheable access, does to some lines. Combinational.

    A clean line is dropped at once. A dirty one is written back, and dropped when that has been
    acknowledged. A line whose write-back is pending is not touched. It is waited for, unless it is
    clean and maintenance launched its write-back: then counting acknowledgements is enough.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    request : ``In(RequestLayout(params))``
        Which maintenance.
    row : ``In(RowLayout(params))``, ways : ``In(ways)``
        State of the set, and ways that are concerned if they hold a line.
    launch, drop, wait : ``Out(ways)``
        Lines to write back; lines to drop now; lines to wait for.
    """

    def __init__(self, params: CacheParams):
        ways = params.ways
        super().__init__({
            "request": In(RequestLayout(params)), "row": In(RowLayout(params)), "ways": In(ways),
            "launch": Out(ways), "drop": Out(ways), "wait": Out(ways),
        })

    def elaborate(self, platform):
        m = Module()
        row = self.row
        purges = self.request.kind == Kind.BYPASS
        writes = purges | (self.request.mode != CacheMode.MAKE_INVALIDATE)
        drops = purges | (self.request.mode != CacheMode.CLEAN_SHARED)
        lines = Signal.like(self.ways)
        m.d.comb += lines.eq(self.ways & row.valid)
        with m.If(writes):
            m.d.comb += [
                self.launch.eq(lines & row.dirty & ~row.pending),
                self.wait.eq(lines & row.pending & (row.dirty | purges.replicate(len(lines)))),
            ]
            with m.If(drops):
                m.d.comb += self.drop.eq(lines & ~row.pending & ~row.dirty)
        with m.Else():
            m.d.comb += [self.drop.eq(lines & ~row.pending), self.wait.eq(lines & row.pending)]
        return m
