"""Bring in a line from memory, the word that is needed first."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .data_array import StoreLayout
from .layouts import FlightSignature, LineLayout, MissLayout, Task, TaskLayout, channel

__all__ = ["FillSignature", "Refill"]

#: Orders for one line that can wait at once: those queued, one under way, one being given.
USERS = 7


class FillSignature(wiring.Signature):
    """How far the line on its way has come, seen from the refill.

    Members
    -------
    here, bad : ``Out(beats)``
        Words that are in the data array; words that memory answered with an error.
    resp : ``Out(Resp)``
        The error.
    done : ``Out(1)``
        All words have come, or none will.
    lost : ``Out(1)``
        The line will not be kept.
    kept : ``Out(1)``
        The old line could not be written back: the way must not be changed.
    fresh : ``Out(1)``, ``word : Out(word_bits)``, ``fresh_resp : Out(Resp)``
        Word on the bus in this cycle, which will be in the data array in the cycle after the next.
    reached : ``In(1)``
        The data array has come to an order that needs the line.
    passed : ``In(1)``
        It is done with one.
    """

    def __init__(self, params: CacheParams):
        super().__init__({
            "here": Out(params.beats), "bad": Out(params.beats), "resp": Out(axi.Resp),
            "done": Out(1), "lost": Out(1), "kept": Out(1), "fresh": Out(1),
            "word": Out(params.word_bits), "fresh_resp": Out(axi.Resp),
            "reached": In(1), "passed": In(1),
        })


class Refill(wiring.Component):
    """Fetch a line with one burst, in an order that starts with the word that is needed first.

    The burst is asked for in the cycle after the miss. Room for all its beats is reserved, so they
    are taken at once. They go into the data array once nobody needs what was there before: the data
    array has come to the order that waits for the line, and the old line, if it was dirty, has been
    written back. If that fails, they are thrown away and the old line stays.

    A word that memory answers with an error is passed on with that error; the others are passed on
    as they are. Then the line is not kept. A write to it is answered with the error.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    misses : ``In(stream.Signature(MissLayout(params)))``
        Line to bring in.
    flight : ``In(FlightSignature(params))``
        For the lookup.
    tasks : ``Out(stream.Signature(TaskLayout(params)))``
        What has become of it.
    ar : ``Out(channel(params, "ar"))``
        To memory: one burst a line, wrapping; lines of more than 16 beats start with the first.
    r : ``In(channel(params, "r"))``
        From memory.
    fills : ``Out(stream.Signature(StoreLayout(params)))``
        To the data array, which is always ready.
    fill : ``Out(FillSignature(params))``
        For the orders that need the line.
    written, failed : ``In(1)``
        Memory has answered the write-back of the old line, well or badly.
    idle : ``Out(1)``
        No beat is to come.
    error : ``Out(1)``, error_line : ``Out(LineLayout(params))``
        The line has its first beat with an error.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        self.wraps = params.beats <= 16
        self._beat = data.StructLayout({"data": params.data_width, "resp": axi.Resp})
        super().__init__({
            "misses": In(stream.Signature(MissLayout(params))),
            "flight": In(FlightSignature(params)),
            "tasks": Out(stream.Signature(TaskLayout(params))),
            "ar": Out(channel(params, "ar")),
            "r": In(channel(params, "r")),
            "fills": Out(stream.Signature(StoreLayout(params))),
            "fill": Out(FillSignature(params)),
            "written": In(1), "failed": In(1),
            "idle": Out(1),
            "error": Out(1), "error_line": Out(LineLayout(params)),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        beats = params.beats
        m.submodules.queue = queue = Queue(self._beat, beats)
        m.d.comb += [
            queue.i.valid.eq(self.r.valid),
            queue.i.p.data.eq(self.r.p.data),
            queue.i.p.resp.eq(self.r.p.resp),
            self.r.ready.eq(1),             # room is reserved
        ]

        miss = Signal(MissLayout(params))
        moving = Signal()                   # the state of the way is not settled
        coming = Signal()                   # beats are still to be taken from the queue
        opened = Signal()                   # the orders before those for the line are done
        evicting = Signal()
        soiled = Signal()
        users = Signal(range(USERS + 1))    # orders for the line that are not done
        word = Signal(params.word_bits)     # word at the head of the queue
        first = Signal(params.word_bits)    # word that memory sends first
        fill, task, flight = self.fill, self.tasks.p, self.flight

        go = Signal()                       # the data array may be changed
        take = Signal()
        wrong = Signal()
        m.d.comb += [
            self.misses.ready.eq(~moving & (users == 0)),
            self.idle.eq(~coming),
            go.eq(coming & ~evicting & (opened | fill.reached)),
            queue.o.ready.eq(go),
            take.eq(go & queue.o.valid),
            wrong.eq(queue.o.p.resp.as_value()[1]),
            self.fills.valid.eq(take & ~fill.kept),
            self.fills.p.way.eq(miss.way),
            self.fills.p.set.eq(miss.line.set),
            self.fills.p.word.eq(word),
            self.fills.p.data.eq(queue.o.p.data),
            self.fills.p.strb.eq(~0),
            fill.fresh.eq(go & self.r.valid & (queue.level == 0) & ~fill.kept),
            fill.word.eq(word),
            fill.fresh_resp.eq(self.r.p.resp),
            fill.done.eq(~coming | fill.kept),
            self.error.eq(take & wrong & ~fill.bad.any()),
            self.error_line.eq(miss.line),
        ]
        m.d.comb += [
            flight.near.eq(moving & (flight.line.set == miss.line.set)),
            flight.same.eq(flight.near & (flight.line.tag == miss.line.tag)),
            flight.way.eq(miss.way),
            self.ar.p.addr.eq(Cat(C(0, params.offset_bits - params.word_bits), first, miss.line)),
            self.ar.p.len.eq(beats - 1),
            self.ar.p.size.eq(exact_log2(params.data_width // 8)),
            self.ar.p.burst.eq(axi.Burst.WRAP if self.wraps else axi.Burst.INCR),
            self.ar.p.cache.eq(axi.CACHE_WRITE_BACK),
        ]
        m.d.comb += [
            self.tasks.valid.eq(moving & ~coming),
            task.task.eq(Mux(fill.kept, Task.KEEP, Mux(fill.lost, Task.VOID, Task.FILL))),
            task.line.eq(miss.line),
            task.way.eq(miss.way),
            task.dirty.eq(soiled),
        ]

        with m.If(self.ar.ready):
            m.d.sync += self.ar.valid.eq(0)
        with m.If(fill.reached):
            m.d.sync += opened.eq(1)
        with m.If(flight.soil):
            m.d.sync += soiled.eq(1)
        with m.If(self.written | self.failed):
            m.d.sync += evicting.eq(0)
        with m.If(self.failed):
            m.d.sync += [fill.kept.eq(1), fill.lost.eq(1), fill.resp.eq(axi.Resp.SLVERR)]
        with m.If(take):
            m.d.sync += [word.eq(word + 1), fill.here.bit_select(word, 1).eq(1)]
            with m.If((word + 1)[:params.word_bits] == first):
                m.d.sync += coming.eq(0)
            with m.If(wrong):
                m.d.sync += [fill.bad.bit_select(word, 1).eq(1), fill.lost.eq(1)]
                with m.If(~fill.lost):
                    m.d.sync += fill.resp.eq(queue.o.p.resp)
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += moving.eq(0)
        with m.If(self.misses.valid & self.misses.ready):
            m.d.sync += [
                miss.eq(self.misses.p),
                moving.eq(1),
                coming.eq(1),
                opened.eq(0),
                evicting.eq(self.misses.p.evict),
                soiled.eq(self.misses.p.write),
                self.ar.valid.eq(1),
                fill.here.eq(0),
                fill.bad.eq(0),
                fill.lost.eq(0),
                fill.kept.eq(0),
            ]
            start = self.misses.p.word if self.wraps else 0
            m.d.sync += [first.eq(start), word.eq(start)]
        m.d.sync += users.eq(users + flight.refer - fill.passed)
        return m
