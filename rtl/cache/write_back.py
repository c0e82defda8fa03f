"""Write lines back to memory, and remember them until memory has answered."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from .layouts import Cause, LineLayout, Task, TaskLayout, VictimLayout, channel

__all__ = ["WriteBack"]

#: Write-backs that may be outstanding: 8 cycles each cover a latency of over 100 cycles.
OUTSTANDING = 16


class WriteBack(wiring.Component):
    """Issue the address of each line that is written back, and act on its response.

    A line is a burst with one ID, so that responses come in order; the data goes past this
    component. The address is issued in the cycle after ``victims``; a response is told one cycle
    later. Responses are taken also while the lookup has no time for ``tasks``.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    victims : ``In(stream.Signature(VictimLayout(params)))``
        Line to write back.
    aw : ``Out(channel(params, "aw"))``
        To memory: one burst a line.
    b : ``In(channel(params, "b"))``
        From memory.
    tasks : ``Out(stream.Signature(TaskLayout(params)))``
        Response to a line that is still in the cache.
    evicted : ``Out(1)``
        Memory has taken a line that makes room for another.
    written, failed : ``Out(misses)``
        One-hot: the refill for which memory has taken, or refused, a line that makes room.
    cleaned, spoiled : ``Out(1)``
        Memory has taken, or refused, a line that maintenance wrote back.
    idle : ``Out(1)``
        No response is expected.
    error : ``Out(1)``, error_line : ``Out(LineLayout(params))``
        Memory has refused a line, for whatever reason it was written back.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "victims": In(stream.Signature(VictimLayout(params))),
            "aw": Out(channel(params, "aw")),
            "b": In(channel(params, "b")),
            "tasks": Out(stream.Signature(TaskLayout(params))),
            "evicted": Out(1), "cleaned": Out(1), "spoiled": Out(1),
            "written": Out(params.misses), "failed": Out(params.misses),
            "idle": Out(1),
            "error": Out(1), "error_line": Out(LineLayout(params)),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.queue = queue = Queue(VictimLayout(params), OUTSTANDING)
        m.submodules.answers = answers = Queue(TaskLayout(params), OUTSTANDING)
        connect(m, answers.o, flipped(self.tasks))

        m.d.comb += [
            queue.i.payload.eq(self.victims.payload),
            queue.i.valid.eq(self.victims.valid & ~self.aw.valid),
            self.victims.ready.eq(queue.i.ready & ~self.aw.valid),
            self.idle.eq(~queue.o.valid),
        ]
        with m.If(self.aw.ready):
            m.d.sync += self.aw.valid.eq(0)
        with m.If(self.victims.valid & self.victims.ready):
            m.d.sync += [
                self.aw.valid.eq(1),
                self.aw.p.addr.eq(Cat(C(0, params.offset_bits), self.victims.p.line)),
            ]
        m.d.comb += [
            self.aw.p.len.eq(params.beats - 1),
            self.aw.p.size.eq(exact_log2(params.data_width // 8)),
            self.aw.p.burst.eq(axi.Burst.INCR),
            self.aw.p.cache.eq(axi.CACHE_WRITE_BACK),
        ]

        # What is answered stays in the cache, but for a line that makes room: then it is the refill
        # that waits, and it knows the way.
        done = Signal()
        wrong = Signal()
        makes_room = Signal()
        ours = Signal()                     # maintenance wrote it back
        m.d.comb += [
            self.b.ready.eq(answers.i.ready),
            done.eq(self.b.valid & self.b.ready),
            wrong.eq(self.b.p.resp.as_value()[1]),
            queue.o.ready.eq(done),
            makes_room.eq(queue.o.p.cause == Cause.EVICT),
            self.failed.eq(Mux(done & makes_room & wrong, queue.o.p.slot, 0)),
            self.written.eq(Mux(self.evicted, queue.o.p.slot, 0)),
            self.evicted.eq(done & makes_room & ~wrong),
            ours.eq(((queue.o.p.cause == Cause.CLEAN) | (queue.o.p.cause == Cause.FLUSH))
                    & ~queue.o.p.snoop.any()),
            self.cleaned.eq(done & ~wrong & ours),
            self.spoiled.eq(done & wrong & ours),
            self.error.eq(done & wrong),
            self.error_line.eq(queue.o.p.line),
            answers.i.valid.eq(done & ~makes_room),
            answers.i.p.task.eq(Task.ACK),
            answers.i.p.line.eq(queue.o.p.line),
            answers.i.p.way.eq(queue.o.p.way),
            answers.i.p.cause.eq(queue.o.p.cause),
            answers.i.p.error.eq(wrong),
            answers.i.p.snoop.eq(queue.o.p.snoop),
        ]
        return m
