"""Keep the CPU from lines that a device is writing."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from ..layouts import Kind, LineLayout, RequestLayout
from ..masks import turned
from .layouts import LocksLayout

__all__ = ["Gate", "Locks"]


class Locks(wiring.Component):
    """Remember the line that is being checked, and those whose write is under way.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.snoop`` writes may be under way.

    Members
    -------
    locked : ``In(1)``, line : ``In(LineLayout(params))``
        The line that is being checked.
    keep : ``In(1)``
        Its write is under way from now on; there must be room.
    release : ``In(1)``
        The oldest of those writes is done.
    locks : ``Out(LocksLayout(params))``
        All of them.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({"locked": In(1), "line": In(LineLayout(params)), "keep": In(1),
                          "release": In(1), "locks": Out(LocksLayout(params))})

    def elaborate(self, platform):
        m = Module()
        count = self.params.snoop
        newest, oldest = (Signal(count, init=1, name=name) for name in ("newest", "oldest"))
        on = Signal(count)
        lines = [Signal(LineLayout(self.params), name=f"line_{k}") for k in range(count)]
        with m.If(self.keep):
            m.d.sync += newest.eq(turned(newest))
        with m.If(self.release):
            m.d.sync += oldest.eq(turned(oldest))
        for k, line in enumerate(lines):
            with m.If(self.release & oldest[k]):
                m.d.sync += on[k].eq(0)
            with m.If(self.keep & newest[k]):
                m.d.sync += [on[k].eq(1), line.eq(self.line)]
            m.d.comb += [self.locks[k].on.eq(on[k]), self.locks[k].line.eq(line)]
        m.d.comb += [self.locks[count].on.eq(self.locked), self.locks[count].line.eq(self.line)]
        return m


class Gate(wiring.Component):
    """Hold back accesses to lines that are locked, not maintenance. Combinational.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    locks : ``In(LocksLayout(params))``
        Those lines.
    i : ``In(stream.Signature(RequestLayout(params)))``, o : ``Out(...)``
        Requests. What ``o`` offers is withdrawn when its line is locked.
    """

    def __init__(self, params: CacheParams):
        request = stream.Signature(RequestLayout(params))
        super().__init__({"locks": In(LocksLayout(params)), "i": In(request), "o": Out(request)})

    def elaborate(self, platform):
        m = Module()
        held = Cat(lock.on & (lock.line == self.i.p.line) for lock in self.locks).any() & (
            self.i.p.kind.as_value() < Kind.LINE.value)
        m.d.comb += [
            self.o.valid.eq(self.i.valid & ~held),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(self.o.ready & ~held),
        ]
        return m
