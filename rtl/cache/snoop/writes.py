"""Writes of coherent devices, to memory."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import signature as axi
from rtl.params import CacheParams
from rtl.stream.queue import Queue

from ..layouts import CHUNK_BEATS
from ..layouts import channel as to_memory
from .address import Address
from .layouts import CheckedLayout, channel

__all__ = ["Writes"]


class Writes(wiring.Component):
    """Write each part to memory, with one ID, so that responses come in order.

    An address goes out in the cycle after its part was taken, the data with it. A burst is answered
    when all its parts are, with the first error. The data of a part that was refused is thrown
    away, and the part counts as answered SLVERR.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.snoop`` parts may be under way.

    Members
    -------
    i : ``In(stream.Signature(CheckedLayout(params)))``
        Parts, whose data is in ``beats``; there must be room for them.
    room : ``Out(1)``
        There will be room for one that is taken now, if no other is on the way here.
    beats : ``In(channel(params, "w"))``
        Data of the device.
    aw, w : ``Out(to_memory(params, ...))``, b : ``In(to_memory(params, "b"))``
        Memory.
    done : ``Out(channel(params, "b"))``
        To the device.
    release : ``Out(1)``
        The oldest part is done.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "i": In(stream.Signature(CheckedLayout(params), always_ready=True)), "room": Out(1),
            "beats": In(channel(params, "w")),
            "aw": Out(to_memory(params, "aw")), "w": Out(to_memory(params, "w")),
            "b": In(to_memory(params, "b")), "done": Out(channel(params, "b")), "release": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params, part, count = self.params, self.i.p.part, self.params.snoop
        m.submodules.address = address = Address(params, "aw", count)
        m.submodules.route = route = Queue(
            data.StructLayout({"beats": range(CHUNK_BEATS), "refused": 1}), count)
        m.submodules.expected = expected = Queue(
            data.StructLayout({"id": params.snoop_id_width, "last": 1, "refused": 1}), count)
        m.submodules.answers = answers = Queue(self.done.p.shape(), count)
        connect(m, address.o, flipped(self.aw))
        connect(m, answers.o, flipped(self.done))

        # Data, in the order of the parts.
        passed = Signal(range(CHUNK_BEATS))
        final = passed == route.o.p.beats
        beat = self.beats.valid & self.beats.ready
        m.d.comb += [
            # Every part under way may end in an answer, which the device may be slow to take.
            self.room.eq(expected.level + answers.level < count),
            address.i.payload.eq(part),
            address.i.valid.eq(self.i.valid & ~self.i.p.refused),
            route.i.valid.eq(self.i.valid),
            route.i.p.beats.eq(part.beats),
            route.i.p.refused.eq(self.i.p.refused),
            self.w.payload.eq(self.beats.payload),
            self.w.p.last.eq(final),
            self.w.valid.eq(route.o.valid & ~route.o.p.refused & self.beats.valid),
            self.beats.ready.eq(route.o.valid & (route.o.p.refused | self.w.ready)),
            route.o.ready.eq(beat & final),
        ]
        with m.If(beat):
            m.d.sync += passed.eq(Mux(final, 0, passed + 1))

        # Answers. One that was refused is due when all its data is gone.
        gone = Signal(range(count + 1))     # parts that are expected, and whose data is gone
        due = Signal()
        worst, resp, answer = (Signal(axi.Resp, name=name) for name in ("worst", "resp", "answer"))
        m.d.sync += gone.eq(gone + (beat & final) - self.release)
        m.d.comb += [
            expected.i.valid.eq(self.i.valid),
            expected.i.p.id.eq(part.id),
            expected.i.p.last.eq(part.last),
            expected.i.p.refused.eq(self.i.p.refused),
            due.eq(expected.o.valid & expected.o.p.refused & (gone != 0)),
            self.b.ready.eq(~expected.o.p.refused),
            self.release.eq(due | (self.b.valid & self.b.ready)),
            expected.o.ready.eq(self.release),
            resp.eq(Mux(expected.o.p.refused, axi.Resp.SLVERR, self.b.p.resp)),
            answer.eq(Mux(worst == axi.Resp.OKAY, resp, worst)),
            answers.i.valid.eq(self.release & expected.o.p.last),
            answers.i.p.id.eq(expected.o.p.id),
            answers.i.p.resp.eq(answer),
        ]
        with m.If(self.release):
            m.d.sync += worst.eq(Mux(expected.o.p.last, axi.Resp.OKAY, answer))
        return m
