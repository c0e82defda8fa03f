"""Write a completion for each descriptor, and report it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.layouts import struct
from rtl.params import RingParams
from rtl.spec.ring_formats import COMPLETION, COMPLETION_BYTES
from rtl.stream.queue import Queue

from .jobs import EntryLayout, Fault, FaultLayout, WriteSignature
from .ring_frontend import RingLabel

__all__ = ["RingCompletion"]


class RingCompletion(wiring.Component):
    """Complete copies in order, in a ring of their own.

    When a copy has finished, its completion is written, and when that is acknowledged, the copy is
    ``completed``, or it is ``faulty``; then nothing else is written or reported until reset.
    Several may be outstanding. A row of which more follow leaves no completion. A completion is on
    the bus one cycle after the copy finished; throughput is one a cycle.

    Parameters
    ----------
    params : RingParams
        Parameters.

    Members
    -------
    entries : ``In(stream.Signature(EntryLayout(...)))``
        Copies that were started, and those that could not be.
    finished : ``In(stream.Signature(FaultLayout(...)))``
        Ends of those that were started. Stays as it is once it shows a fault.
    base : ``In(addr_width)``, ``size_log2`` : ``In(4)``
        Ring, as that of descriptors.
    done_bytes : ``In(32)``
        What a completion says of progress.
    bus : ``Out(WriteSignature(...))``
        Bus.
    completed : ``Out(1)``
        High when the completion of ``label`` is in memory, a cycle after that was said.
    faulty : ``Out(1)``, ``fault`` : ``Out(Fault)``, ``address`` : ``Out(addr_width)``, ``write``
        High when a copy ends with a fault, or its completion could not be written; the burst that
        failed, and whether it was a write.
    label : ``Out(RingLabel(...))``
        Of the copy.
    forget : ``In(1)``
        With ``proceed``: drop the copies behind one with a fault, and go on. Only while not
        ``busy``.
    stop : ``In(1)``
        Start no further write.
    busy : ``Out(1)``
        A write is outstanding.
    pending : ``Out(1)``
        A copy is under way.
    """

    def __init__(self, params: RingParams):
        self._params = params
        super().__init__({
            "entries":    In(stream.Signature(EntryLayout(RingLabel(params)))),
            "finished":   In(stream.Signature(FaultLayout(params.addr_width))),
            "base":       In(params.addr_width),
            "size_log2":  In(4),
            "done_bytes": In(32),
            "bus":        Out(WriteSignature(addr_width=params.addr_width,
                                             data_width=params.data_width)),
            "completed":  Out(1),
            "faulty":     Out(1),
            "fault":      Out(Fault),
            "address":    Out(params.addr_width),
            "write":      Out(1),
            "label":      Out(RingLabel(params)),
            **({"forget": In(1)} if params.proceed else {}),
            "stop":       In(1),
            "busy":       Out(1),
            "pending":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        started = Queue(self.entries.p.shape(), 2 * params.reads_in_flight)
        m.submodules.started = ResetInserter(self.forget)(started) if params.proceed else started
        m.submodules.written = written = Queue(RingLabel(params), params.reads_in_flight)
        m.submodules.places = places = Queue(params.addr_width, 4)
        m.submodules.said = entries = Queue(data.StructLayout({
            "said": struct(COMPLETION), "upper": 1}), 4)
        connect(m, flipped(self.entries), started.i)

        # The next copy to end stands by itself.
        entry, held, planned = Signal.like(started.o.p), Signal(), Signal()
        fault, last = Signal(Fault), Signal(Fault)      # `last` stays once it is not `NONE`
        take, write = Signal(), Signal()
        with m.If(~held | take):
            m.d.sync += [
                held.eq(started.o.valid),
                entry.eq(started.o.p),
                planned.eq(started.o.p.fault != Fault.NONE),
            ]
        with m.If(planned):
            m.d.comb += fault.eq(entry.fault)
        with m.Else():
            m.d.comb += fault.eq(self.finished.p.fault)

        # What allows a copy to be taken stays until one is: room for one, and a cycle later still.
        may, over = Signal(), Signal()
        most = params.reads_in_flight
        room = (places.level < 3) & (entries.level < 3) & Mux(
            take, written.level < most - 1, written.level < most)
        m.d.sync += may.eq(room & ~self.stop)
        m.d.comb += [
            take.eq(held & may & ~over & (planned | self.finished.valid)),
            write.eq(take),
            started.o.ready.eq(~held | take),
            self.finished.ready.eq(take & ~planned),
            written.i.valid.eq(write),
            written.i.p.eq(entry.label),
        ]
        if params.strided:
            with m.If(entry.label.more & (fault == Fault.NONE)):
                m.d.comb += write.eq(0)

        count = Signal(17)                              # completions so far
        inside = Signal(16)
        m.d.comb += inside.eq(count & ~(~C(0, 17) << self.size_log2))
        said = entries.i.p.said
        m.d.comb += [
            places.i.valid.eq(write),
            places.i.p.eq(self.base | inside << exact_log2(COMPLETION_BYTES)),
            entries.i.valid.eq(write),
            entries.i.p.upper.eq(inside[0]),
            said.slot.eq(entry.label.slot),
            said.fault.eq(fault.as_value()[:3]),
            said.refused.eq(fault.as_value()[3]),
            said.write.eq((fault != Fault.NONE) & ~planned & self.finished.p.write),
            said.phase.eq(~(count >> self.size_log2)[0]),
            said.bytes.eq(self.done_bytes),
        ]
        with m.If(write):
            m.d.sync += [count.eq(count + 1), last.eq(fault), over.eq(fault != Fault.NONE)]

        # An entry goes out in one or two beats. Where a beat has room for more, lanes choose.
        low = exact_log2(params.data_width // 8)
        beats = max(COMPLETION_BYTES * 8 // params.data_width, 1)
        word = Signal(COMPLETION_BYTES * 8)
        m.d.comb += [
            aw.valid.eq(places.o.valid),
            aw.p.addr.eq(Cat(C(0, low), places.o.p[low:])),
            aw.p.len.eq(beats - 1),
            places.o.ready.eq(aw.ready),
            word.eq(entries.o.p.said),
            w.valid.eq(entries.o.valid),
            entries.o.ready.eq(w.ready & w.p.last),
        ]
        if beats > 1:
            beat = Signal(range(beats))
            m.d.comb += [w.p.data.eq(word.word_select(beat, params.data_width)), w.p.strb.eq(~0),
                         w.p.last.eq(beat == beats - 1)]
            with m.If(w.valid & w.ready):
                m.d.sync += beat.eq(beat + 1)
        else:
            copies = params.data_width // len(word)
            m.d.comb += [
                w.p.data.eq(word.replicate(copies)),
                w.p.strb.eq(((1 << COMPLETION_BYTES) - 1) << Mux(
                    entries.o.p.upper & (copies > 1), COMPLETION_BYTES, 0)),
                w.p.last.eq(1),
            ]

        # What is reported comes a cycle after the answer.
        ack, resp = written.o, b.p.resp.as_value()
        quiet, caught = Signal(), Signal()
        ended = b.valid & ~quiet
        failed = over & (written.level == 1)
        bad = failed | resp[1]                          # SLVERR or DECERR
        m.d.comb += [
            ack.ready.eq(b.valid),
            self.busy.eq(ack.valid | write),
            self.pending.eq(started.o.valid | held | ack.valid | self.faulty),
        ]
        m.d.sync += [
            self.completed.eq(ended & ~bad),
            self.faulty.eq(ended & bad),
            self.label.eq(ack.p),
            caught.eq(failed),
        ]
        with m.If(ended & bad):
            m.d.sync += [
                quiet.eq(1),
                self.fault.eq(Mux(failed, last.as_value(), Cat(resp, 1, b.p.refused))),
            ]
        code = self.fault.as_value()
        with m.If(~caught):
            m.d.comb += self.write.eq(1)
        with m.Elif(code[1] & ~code[2]):                # an access to data
            m.d.comb += [
                self.address.eq(self.finished.p.addr),
                self.write.eq(self.finished.p.write),
            ]
        if params.proceed:
            with m.If(self.forget):
                m.d.sync += [quiet.eq(0), over.eq(0), last.eq(Fault.NONE), held.eq(0)]
        return m
