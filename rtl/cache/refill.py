"""Bring in lines from memory, the word that is needed first."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .answers import OutcomeSignature
from .data_array import StoreLayout
from .layouts import FlightSignature, LineLayout, MissLayout, Task, TaskLayout, channel
from .masks import chosen, turned
from .masks import number as index
from .slot import Slot

__all__ = ["FillSignature", "Refill"]


class FillSignature(wiring.Signature):
    """How far a line on its way has come, seen from the refill.

    Members
    -------
    slot : ``In(misses)``
        One-hot: the line that the data array asks about.
    here, bad : ``Out(beats)``
        Words that are in the data array; words that memory answered with an error.
    resp : ``Out(Resp)``
        The error.
    next : ``Out(1)``
        A word of it is put into the data array.
    kept : ``Out(1)``
        The old line could not be written back: the way must not be changed. All words have come.
    fresh : ``Out(1)``, ``word : Out(word_bits)``, ``fresh_resp : Out(Resp)``
        Word on the bus in this cycle, which will be in the data array in the cycle after the next.
    reached : ``In(1)``
        The data array has come to an order that needs the line.
    passed : ``In(1)``
        It is done with one, a read.
    """

    def __init__(self, params: CacheParams):
        super().__init__({
            "slot": In(params.misses), "here": Out(params.beats), "bad": Out(params.beats),
            "resp": Out(axi.Resp), "next": Out(1), "kept": Out(1),
            "fresh": Out(1), "word": Out(params.word_bits), "fresh_resp": Out(axi.Resp),
            "reached": In(1), "passed": In(1),
        })


class Refill(wiring.Component):
    """Fetch lines, each with one burst, in an order that starts with the word that is needed first.

    The burst is asked for in the cycle of the miss. Up to ``params.misses`` lines are on their way
    at once; they come, and are settled, in the order of the misses. Room for all their beats is
    reserved, so they are taken at once, and a read that waits for the word on the bus gets it. They
    go into the data array once nobody needs what was there before: the data array has come to the
    order that waits for the line, and the old line, if it was dirty, has been written back. If that
    fails, they are thrown away and the old line stays.

    A word that memory answers with an error is passed on with that error; the others are passed on
    as they are. Then the line is not kept. A write to it is answered with the error, and so not
    before all words have come and the old line is written back.

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
        Combinational from ``misses``, but not withdrawn.
    r : ``In(channel(params, "r"))``
        From memory.
    fills : ``Out(stream.Signature(StoreLayout(params)))``
        To the data array, which is always ready.
    fill : ``Out(FillSignature(params))``, outcome : ``In(OutcomeSignature(params))``
        For the orders that need the lines; for answers to writes into them.
    written, failed : ``In(misses)``
        One-hot: memory has answered the write-back of an old line, well or badly.
    idle : ``Out(1)``
        No beat is to come.
    error : ``Out(1)``, error_line : ``Out(LineLayout(params))``
        The line has its first beat with an error.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        self.wraps = params.beats <= 16
        super().__init__({
            "misses": In(stream.Signature(MissLayout(params))),
            "flight": In(FlightSignature(params)),
            "tasks": Out(stream.Signature(TaskLayout(params))),
            "ar": Out(channel(params, "ar")),
            "r": In(channel(params, "r")),
            "fills": Out(stream.Signature(StoreLayout(params))),
            "fill": Out(FillSignature(params)), "outcome": In(OutcomeSignature(params)),
            "written": In(params.misses), "failed": In(params.misses),
            "idle": Out(1),
            "error": Out(1), "error_line": Out(LineLayout(params)),
        })

    def elaborate(self, platform):
        m = Module()
        params, fill, flight, outcome = self.params, self.fill, self.flight, self.outcome
        count = params.misses
        slots = [Slot(params) for _ in range(count)]
        for k, slot in enumerate(slots):
            m.submodules[f"slot_{k}"] = slot

        # Slots are used in turn. Each of these is one-hot: the next to be taken, the one whose
        # beats come next, the next whose way is to be settled.
        start = Signal(count, init=1)
        filling = Signal(count, init=1)
        settling = Signal(count, init=1)

        def of(which, name):
            """Output ``name`` of one slot."""
            return chosen(which, [getattr(slot, name) for slot in slots])

        # Misses. The address goes out at once, or else it is held.
        held = Signal(MissLayout(params))
        waiting = Signal()
        asked = Signal.like(held)
        taken = Signal()
        m.d.comb += [
            self.misses.ready.eq(~waiting & of(start, "free")),
            taken.eq(self.misses.valid & self.misses.ready),
            asked.eq(Mux(waiting, held, self.misses.payload)),
            self.ar.valid.eq(waiting | taken),
            self.ar.p.addr.eq(Cat(C(0, params.offset_bits - params.word_bits),
                                  asked.word if self.wraps else C(0, params.word_bits),
                                  asked.line)),
            self.ar.p.len.eq(params.beats - 1),
            self.ar.p.size.eq(exact_log2(params.data_width // 8)),
            self.ar.p.burst.eq(axi.Burst.WRAP if self.wraps else axi.Burst.INCR),
            self.ar.p.cache.eq(axi.CACHE_WRITE_BACK),
        ]
        m.d.sync += waiting.eq(self.ar.valid & ~self.ar.ready)
        with m.If(taken):
            m.d.sync += [held.eq(self.misses.p), start.eq(turned(start))]

        # What each slot remembers, for those who need the whole of it.
        m.submodules.store = store = memory.Memory(
            shape=MissLayout(params), depth=max(count, 2), init=[])
        write = store.write_port()
        m.d.comb += [write.addr.eq(index(start)), write.data.eq(self.misses.p), write.en.eq(taken)]

        def at(which):
            """Tell what one slot remembers."""
            port = store.read_port(domain="comb")
            m.d.comb += port.addr.eq(index(which))
            return port.data

        # Beats.
        m.submodules.queue = queue = Queue(params.data_width, params.beats * count)
        now = at(filling)                   # the line whose beats come next
        here = Signal(params.beats)         # words of it that are in the data array
        number = Signal(params.word_bits)   # beats of it that were taken
        reached = Signal()
        kept = Signal()
        go = Signal()                       # the data array may be changed
        take = Signal()
        last = number == params.beats - 1
        m.d.comb += [
            queue.i.valid.eq(self.r.valid),
            queue.i.payload.eq(self.r.p.data),
            self.r.ready.eq(1),             # room is reserved
            self.idle.eq(~Cat(slot.coming for slot in slots).any()),
            kept.eq(of(filling, "kept")),
            reached.eq(fill.reached & (fill.slot & filling).any()),
            go.eq(of(filling, "coming") & ~of(filling, "evicting")
                  & (of(filling, "opened") | reached | kept)),
            take.eq(go & queue.o.valid),
            queue.o.ready.eq(go),
            self.fills.valid.eq(take & ~kept),
            self.fills.p.way.eq(now.way),
            self.fills.p.set.eq(now.line.set),
            self.fills.p.word.eq(number + (now.word if self.wraps else 0)),
            self.fills.p.data.eq(queue.o.payload),
            self.fills.p.strb.eq(~0),
        ]
        with m.If(take):
            m.d.sync += [number.eq(number + 1), here.bit_select(self.fills.p.word, 1).eq(~kept)]
            with m.If(last):
                m.d.sync += [here.eq(0), filling.eq(turned(filling))]

        # The beat on the bus: of which line, and how many went before.
        arriving = Signal(count, init=1)
        arrived = Signal(params.word_bits)
        shown = at(arriving)
        m.d.comb += [
            self.error.eq(self.r.valid & self.r.p.resp.as_value()[1]
                          & ~of(arriving, "bad").any()),
            self.error_line.eq(shown.line),
        ]
        with m.If(self.r.valid):
            m.d.sync += arrived.eq(arrived + 1)
            with m.If(arrived == params.beats - 1):
                m.d.sync += arriving.eq(turned(arriving))

        # What the data array asks.
        current = (fill.slot & filling).any() & of(fill.slot, "coming")
        m.d.comb += [
            fill.next.eq((fill.slot & filling).any() & self.fills.valid),
            fill.here.eq(Mux(current, here, (~of(fill.slot, "coming")).replicate(params.beats))),
            fill.fresh.eq((fill.slot & arriving).any() & self.r.valid),
            fill.word.eq(arrived + (shown.word if self.wraps else 0)),
            fill.fresh_resp.eq(self.r.p.resp),
        ]
        m.d.comb += [getattr(fill, name).eq(of(fill.slot, name))
                     for name in ("bad", "resp")]
        m.d.comb += fill.kept.eq(of(fill.slot, "kept") & of(fill.slot, "certain"))
        m.d.comb += [getattr(outcome, name).eq(of(outcome.slot, name))
                     for name in ("certain", "lost", "resp")]

        # What the lookup asks.
        near = Signal(count)
        m.d.comb += [
            near.eq(Cat(slot.moving & (slot.now.line.set == flight.line.set) for slot in slots)),
            flight.moving.eq(Cat(slot.moving for slot in slots).any()),
            flight.busy.eq(Cat(Cat(near[k] & (slot.now.way == way)
                                   for k, slot in enumerate(slots)).any()
                               for way in range(params.ways))),
            flight.slot.eq(near & Cat(slot.now.line.tag == flight.line.tag for slot in slots)),
            flight.next.eq(start),
            flight.way.eq(chosen(flight.asked, [slot.now.way for slot in slots])),
        ]

        if params.snoop:
            m.d.comb += flight.coming.eq(Cat(slot.moving & (slot.now.line == flight.snooped)
                                             for slot in slots).any())

        # What has become of them.
        settled, task = at(settling), self.tasks.p
        m.d.comb += [
            self.tasks.valid.eq(of(settling, "moving") & ~of(settling, "coming")),
            task.task.eq(Mux(of(settling, "kept"), Task.KEEP,
                             Mux(of(settling, "lost"), Task.VOID, Task.FILL))),
            task.line.eq(settled.line),
            task.way.eq(settled.way),
            task.dirty.eq(of(settling, "soiled")),
        ]
        with m.If(self.tasks.valid & self.tasks.ready):
            m.d.sync += settling.eq(turned(settling))

        # Orders that are done are counted a cycle late, for who they are is known late.
        passed, answered = Signal(count), Signal(count)
        m.d.sync += [passed.eq(Mux(fill.passed, fill.slot, 0)),
                     answered.eq(Mux(outcome.passed, outcome.slot, 0))]
        for k, slot in enumerate(slots):
            m.d.comb += [
                slot.start.eq(taken & start[k]),
                slot.miss.eq(self.misses.p),
                slot.refer.eq(flight.refer & flight.refers[k]),
                slot.soil.eq(flight.soil & flight.refers[k]),
                slot.passed.eq(passed[k]),
                slot.reached.eq(fill.reached & fill.slot[k]),
                slot.written.eq(self.written[k]),
                slot.failed.eq(self.failed[k]),
                slot.answered.eq(answered[k]),
                slot.arrive.eq(self.r.valid & arriving[k]),
                slot.beat.word.eq(fill.word),
                slot.beat.resp.eq(self.r.p.resp),
                slot.beat.last.eq(arrived == params.beats - 1),
                slot.filled.eq(take & last & filling[k]),
                slot.settle.eq(self.tasks.valid & self.tasks.ready & settling[k]),
            ]
        return m
