"""The device's AXI4 channels around translation."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.signature import Resp, Signature, dma_user_layout
from rtl.stream.queue import Queue

from .in_flight import InFlight
from .interrupt_file import CaptureSignature
from .onehot import encode, lowest
from .records import refused_layout
from .replies import Replies

__all__ = ["ReadBridge", "WriteBridge"]


class ReadBridge(wiring.Component):
    """Responses to reads: those of memory pass, in the same cycle; refused reads get SLVERR.

    A refused read is answered with as many beats as it asked for, after all reads before it.

    Parameters
    ----------
    data_width, id_width : int
        Widths of the bus, in bits.
    in_flight : int
        Reads that may be outstanding.

    Members
    -------
    device, memory : ``Out(...)``, ``In(...)``
        R of either side.
    passed : ``In(...)``
        ``valid`` and ``id`` of a read that goes to memory; only while ``room``.
    room : ``Out(1)``
        One more read may be passed.
    refused : ``In(stream.Signature(refused_layout(id_width)))``
        Read to refuse; ``ready`` with its last beat.
    mark, marked : ``In(1)``, ``Out(1)``
        As in :class:`~rtl.iommu.in_flight.InFlight`.
    """

    def __init__(self, *, data_width: int, id_width: int, in_flight: int):
        self._id_width, self._in_flight = id_width, in_flight
        widths = {"addr_width": 1, "data_width": data_width, "id_width": id_width}
        outer = Signature(**widths, user=dma_user_layout()).members
        bus = Signature(**widths).members
        super().__init__({
            "device": outer["r"].flip(), "memory": bus["r"],
            "passed": In(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "room": Out(1),
            "refused": In(stream.Signature(refused_layout(id_width))),
            "mark": In(1), "marked": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.in_flight = flight = InFlight(depth=self._in_flight, id_width=self._id_width)
        m.submodules.replies = replies = Replies(self.memory.p.shape())
        connect(m, flipped(self.memory), replies.passed)
        connect(m, replies.o, flipped(self.device))
        refused, own = self.refused, replies.own.p

        beat = Signal(8)
        m.d.comb += [
            self.room.eq(flight.push.ready),
            flight.push.valid.eq(self.passed.valid), flight.push.payload.eq(self.passed.id),
            flight.pop.valid.eq(self.memory.valid & self.memory.ready & self.memory.p.last),
            flight.pop.id.eq(self.memory.p.id),
            flight.mark.eq(self.mark), self.marked.eq(flight.marked),
            replies.own.valid.eq(refused.valid & flight.empty),
            own.id.eq(refused.p.id), own.resp.eq(Resp.SLVERR), own.last.eq(beat == refused.p.len),
            refused.ready.eq(replies.own.ready & replies.own.valid & own.last),
        ]
        with m.If(replies.own.valid & replies.own.ready):
            m.d.sync += beat.eq(Mux(own.last, 0, beat + 1))
        return m


class WriteBridge(wiring.Component):
    """Data and responses of writes: passed ones pass, in the same cycle; refused ones get SLVERR.

    The data of a burst is taken from the cycle after the decision on its address, whenever it
    comes. The data of a refused write is swallowed, and then it is answered, after all writes
    before it.

    Parameters
    ----------
    data_width, id_width : int
        Widths of the bus, in bits.
    in_flight : int
        Writes that may be outstanding.
    files : bool
        Writes that are refused may be messages to interrupt files.

    Members
    -------
    device_w, memory_w : ``In(...)``, ``Out(...)``
        W of either side.
    device_b, memory_b : ``Out(...)``, ``In(...)``
        B of either side.
    passed, room, refused, mark, marked
        As in :class:`ReadBridge`.
    capture : ``Out(CaptureSignature(data_width)).array(files)``
        Data of the refused write.
    held, good : ``In(1).array(files)``
        Do not answer the refused write yet; answer it as one that succeeded.
    """

    def __init__(self, *, data_width: int, id_width: int, in_flight: int, files: bool = False):
        self._id_width, self._in_flight = id_width, in_flight
        widths = {"addr_width": 1, "data_width": data_width, "id_width": id_width}
        outer = Signature(**widths, user=dma_user_layout()).members
        bus = Signature(**widths).members
        super().__init__({
            "device_w": bus["w"].flip(), "memory_w": bus["w"],
            "device_b": outer["b"].flip(), "memory_b": bus["b"],
            "passed": In(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "room": Out(1),
            "refused": In(stream.Signature(refused_layout(id_width))),
            "mark": In(1), "marked": Out(1),
            "capture": Out(CaptureSignature(data_width)).array(int(files)),
            "held": In(1).array(int(files)), "good": In(1).array(int(files)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.in_flight = flight = InFlight(depth=self._in_flight, id_width=self._id_width)
        m.submodules.replies = replies = Replies(self.memory_b.p.shape())
        # For each burst, in the order of addresses, whether its data goes nowhere.
        m.submodules.decisions = decisions = Queue(1, self._in_flight + 1)
        connect(m, flipped(self.memory_b), replies.passed)
        connect(m, replies.o, flipped(self.device_b))
        refused, own = self.refused, replies.own

        told = Signal()                 # the refusal is among the decisions
        swallowed = Signal()
        m.d.comb += [
            # A decision stays until its data has gone, and its burst is in flight until later.
            self.room.eq(flight.push.ready & decisions.i.ready),
            flight.push.valid.eq(self.passed.valid), flight.push.payload.eq(self.passed.id),
            flight.pop.valid.eq(self.memory_b.valid & self.memory_b.ready),
            flight.pop.id.eq(self.memory_b.p.id),
            flight.mark.eq(self.mark), self.marked.eq(flight.marked),
            decisions.i.valid.eq(self.passed.valid | refused.valid & ~told),
            decisions.i.payload.eq(refused.valid),
            own.valid.eq(refused.valid & swallowed & flight.empty),
            own.p.id.eq(refused.p.id), own.p.resp.eq(Resp.SLVERR),
            refused.ready.eq(own.valid & own.ready),
        ]
        with m.If(refused.ready):
            m.d.sync += [told.eq(0), swallowed.eq(0)]
        with m.Elif(refused.valid & decisions.i.ready):
            m.d.sync += told.eq(1)

        w, end = self.device_w, Signal()
        m.d.comb += [
            self.memory_w.p.eq(w.p),
            end.eq(w.valid & w.ready & w.p.last),
            decisions.o.ready.eq(end),
        ]
        for capture, held, good in zip(self.capture, self.held, self.good, strict=True):
            begins = Signal(init=1)     # with the next beat
            with m.If(w.valid & w.ready):
                m.d.sync += begins.eq(w.p.last)
            lanes = Cat(w.p.strb.word_select(k, 4).all() for k in range(len(w.p.strb) // 4))
            m.d.comb += capture.valid.eq(refused.valid & swallowed & flight.empty)
            with m.If(held):
                m.d.comb += own.valid.eq(0)
            with m.If(good):
                m.d.comb += [own.p.resp.eq(Resp.OKAY), replies.good.eq(1)]
            with m.If(w.valid & w.ready & begins):
                lane = encode(lowest(lanes))
                m.d.sync += [
                    capture.lane.eq(lane), capture.word.eq(w.p.data.word_select(lane, 32)),
                    capture.whole.eq(lanes.any() & (w.p.strb == Cat(
                        bit.replicate(4) for bit in lowest(lanes))))]
        with m.If(decisions.o.valid & decisions.o.payload):
            m.d.comb += w.ready.eq(1)
            with m.If(end):
                m.d.sync += swallowed.eq(1)
        with m.Elif(decisions.o.valid):
            m.d.comb += [self.memory_w.valid.eq(w.valid), w.ready.eq(self.memory_w.ready)]
        return m
