"""Make memory fit for an access of a device."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode
from rtl.stream.arbiter import Arbiter

from ..layouts import Kind, LineLayout, PresenceSignature, RequestLayout
from .layouts import CheckedLayout, part

__all__ = ["Check"]


class Check(wiring.Component):
    """Look for the line of each part, and have it cleaned or dropped if the cache holds it.

    Before a read, a dirty line is written back. Before a write the line is dropped, and written
    back first if it is dirty, unless the part covers it wholly. Meanwhile the CPU's accesses to the
    line are kept out of the lookup. What was in the lookup before is waited for, so nothing changes
    between the last look and the decision.

    A part whose line is absent, or clean before a read, passes two cycles after it was taken, one
    every three cycles, and takes no time of the lookup. Reads and writes take turns.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    reads, writes : ``In(stream.Signature(part(params)))``
        Parts; there must be room for them behind ``o``.
    full : ``In(1)``
        All data of the write has all its bytes.
    o : ``Out(stream.Signature(CheckedLayout(params)))``
        The same; always ready.
    locked : ``Out(1)``, line : ``Out(LineLayout(params))``
        Line to be kept from the CPU. Of a write, until memory has it.
    steps : ``Out(stream.Signature(RequestLayout(params)))``
        Requests to the lookup.
    presence : ``Out(PresenceSignature(params))``
        What the cache holds.
    hit, miss : ``Out(1)``
        Something had to be done for a part; nothing had.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "reads": In(stream.Signature(part(params))),
            "writes": In(stream.Signature(part(params))), "full": In(1),
            "o": Out(stream.Signature(CheckedLayout(params), always_ready=True)),
            "locked": Out(1), "line": Out(LineLayout(params)),
            "steps": Out(stream.Signature(RequestLayout(params))),
            "presence": Out(PresenceSignature(params)),
            "hit": Out(1), "miss": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params, state, step = self.params, self.presence, self.steps.p
        m.submodules.arbiter = arbiter = Arbiter(part(params), 2)
        connect(m, flipped(self.reads), arbiter.i[0])
        connect(m, flipped(self.writes), arbiter.i[1])

        now = Signal(part(params))
        covers = Signal()                   # it is a write of the whole line
        near = Signal()
        worked = Signal()                   # something had to be done for it
        tried = Signal()                    # a write-back was launched for it
        drop = state.valid & now.write & (covers | ~state.dirty)
        clean = state.valid & state.dirty & ~drop
        m.d.comb += [
            self.line.eq(now.line),
            state.line.eq(now.line),
            self.o.p.part.eq(now),
            self.o.p.refused.eq(tried & clean),
            step.kind.eq(Kind.LINE),
            step.line.eq(now.line),
            step.snoop.eq(1),
            step.stay.eq(worked),
        ]
        with m.FSM(name="check"):
            with m.State("IDLE"):
                m.d.comb += arbiter.o.ready.eq(1)
                m.d.sync += [
                    now.eq(arbiter.o.p), self.locked.eq(arbiter.o.valid),
                    covers.eq(self.full & (arbiter.o.p.beats == params.beats - 1)
                              & (arbiter.o.p.size == (params.data_width // 8).bit_length() - 1)
                              & (arbiter.o.p.offset == 0) & ~arbiter.o.p.fixed),
                    worked.eq(0), tried.eq(0),
                ]
                with m.If(arbiter.o.valid):
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += near.eq(state.near)
                m.next = "DECIDE"
            with m.State("DECIDE"):         # the answer to LOOK
                m.d.sync += step.mode.eq(Mux(drop, CacheMode.MAKE_INVALIDATE,
                                             CacheMode.CLEAN_SHARED))
                with m.If(near | (state.valid & state.pending)):
                    m.next = "LOOK"
                with m.Elif(drop | (clean & ~tried)):
                    m.next = "ASK"
                with m.Else():
                    m.d.comb += [self.o.valid.eq(1), self.hit.eq(worked), self.miss.eq(~worked)]
                    m.d.sync += self.locked.eq(0)
                    m.next = "IDLE"
            with m.State("ASK"):
                m.d.comb += self.steps.valid.eq(1)
                with m.If(self.steps.ready):
                    m.next = "LEAVE"
            with m.State("LEAVE"):
                with m.If(state.left):
                    m.d.sync += [worked.eq(1), tried.eq(tried | state.launched)]
                    m.next = "LOOK"
        return m
