"""One miss in flight."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import signature as axi
from rtl.params import CacheParams

from .answers import DEPTH
from .layouts import MissLayout

__all__ = ["BeatLayout", "Slot"]


class BeatLayout(data.StructLayout):
    """A beat on the bus: ``word`` in the line, ``resp`` of memory, ``last`` of the line."""

    def __init__(self, params: CacheParams):
        super().__init__({"word": params.word_bits, "resp": axi.Resp, "last": 1})


class Slot(wiring.Component):
    """Remember a line that was asked for, until every order that needs it is done.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    free : ``Out(1)``
        It remembers nothing.
    start : ``In(1)``, miss : ``In(MissLayout(params))``
        Take this miss; only while ``free``.
    refer, soil : ``In(1)``
        An order for the line was given; it is a write.
    passed, answered : ``In(1)``
        One of them is done, a read; a write.
    reached : ``In(1)``, opened : ``Out(1)``
        The orders before the first of them are done; so they were in an earlier cycle.
    written, failed : ``In(1)``
        Memory has answered the write-back of the old line, well or badly.
    arrive : ``In(1)``, beat : ``In(BeatLayout(params))``
        Memory shows a beat of the line.
    filled : ``In(1)``
        Its last beat was taken.
    settle : ``In(1)``
        The state of the way was changed.
    now : ``Out(MissLayout(params))``
        What it remembers.
    moving : ``Out(1)``
        The state of the way is not settled.
    coming : ``Out(1)``
        Beats are still to be taken.
    evicting : ``Out(1)``
        The old line may still be needed.
    certain : ``Out(1)``
        It is known whether the line will be kept.
    soiled : ``Out(1)``
        The line will be dirty.
    kept : ``Out(1)``
        The old line could not be written back.
    lost : ``Out(1)``
        The line will not be kept.
    bad : ``Out(beats)``, resp : ``Out(Resp)``
        Words that memory answered with an error; the first one.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "free": Out(1), "start": In(1), "miss": In(MissLayout(params)),
            "refer": In(1), "soil": In(1), "passed": In(1), "answered": In(1),
            "reached": In(1), "opened": Out(1), "written": In(1), "failed": In(1),
            "arrive": In(1), "beat": In(BeatLayout(params)), "filled": In(1), "settle": In(1),
            "certain": Out(1),
            "now": Out(MissLayout(params)), "moving": Out(1), "coming": Out(1),
            "evicting": Out(1), "soiled": Out(1), "kept": Out(1), "lost": Out(1),
            "bad": Out(params.beats), "resp": Out(axi.Resp),
        })

    def elaborate(self, platform):
        m = Module()
        users = Signal(range(self.params.orders + DEPTH + 3))   # orders that are not done
        here = Signal()                     # all beats were on the bus
        m.d.comb += [
            self.free.eq(~self.moving & (users == 0)),
            self.certain.eq(here & ~self.evicting),
        ]
        m.d.sync += users.eq(users + self.refer - self.passed - self.answered)

        with m.If(self.reached):
            m.d.sync += self.opened.eq(1)
        with m.If(self.soil):
            m.d.sync += self.soiled.eq(1)
        with m.If(self.written | self.failed):
            m.d.sync += self.evicting.eq(0)
        with m.If(self.filled):
            m.d.sync += self.coming.eq(0)
        with m.If(self.arrive):
            m.d.sync += here.eq(self.beat.last)
            with m.If(self.beat.resp.as_value()[1]):
                m.d.sync += [self.bad.bit_select(self.beat.word, 1).eq(1), self.lost.eq(1)]
                with m.If(~self.lost):
                    m.d.sync += self.resp.eq(self.beat.resp)
        with m.If(self.failed):
            m.d.sync += [self.kept.eq(1), self.lost.eq(1), self.resp.eq(axi.Resp.SLVERR)]
        with m.If(self.settle):
            m.d.sync += self.moving.eq(0)
        with m.If(self.start):
            m.d.sync += [
                self.now.eq(self.miss),
                self.moving.eq(1),
                self.coming.eq(1),
                here.eq(0),
                self.evicting.eq(self.miss.evict),
                self.soiled.eq(self.miss.write),
                self.opened.eq(0),
                self.kept.eq(0),
                self.lost.eq(0),
                self.bad.eq(0),
            ]
        return m
