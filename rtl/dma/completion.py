"""Write the status of each copy back to its descriptor, and report it."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.layouts import struct
from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_STATUS, CdmaWord
from rtl.stream.queue import Queue

from .jobs import (
    DESC_BITS,
    NOTE_BITS,
    EntryLayout,
    Fault,
    FaultLayout,
    ListLabel,
    WriteSignature,
)

__all__ = ["Completion"]


class Completion(wiring.Component):
    """Complete copies in order.

    When a copy has finished, its status is written, if it has a descriptor and if that could be
    read and was not stale. When the status is acknowledged, the copy is ``completed``, or it is
    ``faulty``; then nothing else is written or reported until reset. Several status writes may be
    outstanding. A part of a copy of which more follow leaves nothing. The status is on the bus two
    cycles after the copy finished; throughput is one copy every two cycles.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    copies : int
        Copies that may be under way.
    writes : int
        Status writes that may be outstanding.
    noted : bool
        Whether labels have a ``note``, which becomes part of the status.

    Members
    -------
    entries : ``In(stream.Signature(EntryLayout(...)))``
        Copies that were started, and those that could not be.
    finished : ``In(stream.Signature(FaultLayout(...)))``
        Ends of those that were started. Stays as it is once it shows a fault.
    bus : ``Out(WriteSignature(...))``
        Bus.
    completed : ``Out(1)``
        High when a copy is complete.
    note : ``Out(28)``, ``counts`` : ``Out(1)``
        With ``noted``: of the copy that is complete.
    faulty : ``Out(1)``, ``faults`` : ``Out(8)``, ``address`` : ``Out(addr_width)``
        High when a copy ends with a fault; a bit for each :class:`Fault`; the burst that failed, or
        zero if none did.
    refused, write : ``Out(1)``
        The IOMMU refused that burst; it was a write.
    desc : ``Out(addr_width - 6)``
        Descriptor whose status was the last to be written, or the faulty one; over 64.
    place : ``In(2)``, ``word`` : ``In(32)``, ``forget`` : ``In(1)``
        Set the low (bit 0) or high half of ``desc``, in bytes, or clear it. Only while not
        ``pending``.
    stop : ``In(1)``
        Start no further status write.
    busy : ``Out(1)``
        A status write is outstanding.
    pending : ``Out(1)``
        A copy is under way.
    """

    def __init__(self, params: DmaParams, *, copies: int, writes: int, noted: bool = False):
        self._params, self._copies, self._writes, self._noted = params, copies, writes, noted
        self._cut = params.key_hole and not noted
        super().__init__({
            "entries":   In(stream.Signature(EntryLayout(ListLabel(
                params.addr_width, noted=noted, cut=self._cut)))),
            "finished":  In(stream.Signature(FaultLayout(params.addr_width))),
            "bus":       Out(WriteSignature(addr_width=params.addr_width,
                                            data_width=params.data_width)),
            "completed": Out(1),
            **({"note": Out(NOTE_BITS), "counts": Out(1)} if noted else {}),
            "faulty":    Out(1),
            "faults":    Out(8),
            "refused":   Out(1),
            "write":     Out(1),
            "address":   Out(params.addr_width),
            "desc":      Out(params.addr_width - DESC_BITS),
            "place":     In(2),
            "word":      In(32),
            "forget":    In(1),
            "stop":      In(1),
            "busy":      Out(1),
            "pending":   Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        lane = CdmaWord.STATUS % (self._params.data_width // 8)
        m.submodules.started = started = Queue(self.entries.p.shape(), self._copies)
        m.submodules.written = written = Queue(data.StructLayout({
            "desc": len(self.desc), "writes": 1,
            **({"note": NOTE_BITS, "counts": 1} if self._noted else {})}), self._writes)
        connect(m, flipped(self.entries), started.i)

        # A fault found before the start, or the end of the copy.
        entry = started.o.p
        planned = entry.fault != Fault.NONE
        fault = Signal(Fault)
        with m.If(planned):
            m.d.comb += fault.eq(entry.fault)
        with m.Else():
            m.d.comb += fault.eq(self.finished.p.fault)
        part = entry.label.more & (fault == Fault.NONE) if self._cut else 0
        writes = entry.label.sg & ~fault.as_value()[2] & ~part

        # What allows a copy to be taken stays until one is taken.
        take, due = Signal(), Signal()
        last = Signal(Fault)                # once not `NONE` it stays, and nothing else passes
        m.d.sync += due.eq(~take & started.o.valid & (planned | self.finished.valid) &
                           written.i.ready & ~aw.valid & ~w.valid & (last == Fault.NONE))
        m.d.comb += [
            take.eq(due & ~self.stop),
            started.o.ready.eq(take),
            self.finished.ready.eq(take & ~planned),
            written.i.valid.eq(take & ~part),
            written.i.p.desc.eq(entry.label.desc),
            written.i.p.writes.eq(writes),
        ]
        status, note = Signal(struct(CDMA_STATUS)), Signal(NOTE_BITS)
        m.d.comb += [
            aw.p.addr.eq(Cat(C(CdmaWord.STATUS - lane, DESC_BITS), self.desc)),
            w.p.data.eq((status.as_value() | note) << lane * 8),
            w.p.strb.eq(0xF << lane),
            w.p.last.eq(1),
        ]
        with m.If(aw.ready):
            m.d.sync += aw.valid.eq(0)
        with m.If(w.ready):
            m.d.sync += w.valid.eq(0)
        with m.If(take):
            m.d.sync += [
                aw.valid.eq(writes),
                w.valid.eq(writes),
                last.eq(fault),
                status.cmplt.eq(1),
                status.dma_int_err.eq(fault == Fault.DMA_INT),
                status.dma_slv_err.eq(fault.as_value()[:3] == Fault.DMA_SLV.value),
                status.dma_dec_err.eq(fault == Fault.DMA_DEC),
            ]

        if self._noted:
            m.d.comb += [
                written.i.p.note.eq(entry.label.note),
                written.i.p.counts.eq(entry.label.counts),
                self.note.eq(written.o.p.note),
                self.counts.eq(written.o.p.counts),
            ]
            with m.If(take):
                m.d.sync += note.eq(entry.label.note)

        # Acknowledgements come in order. Where no status was written there is none to wait for.
        ack = written.o
        over = Signal()                     # a fault was reported
        ended = Signal()
        caught = Signal()                   # the copy had a fault: it was the last one taken
        unwritten = Signal()
        of_data = Signal()                  # that fault was an access to data
        m.d.comb += [
            ack.ready.eq(b.valid | ~ack.p.writes),
            ended.eq(ack.valid & ack.ready & ~over),
            caught.eq((last != Fault.NONE) & (written.level == 1)),
            unwritten.eq(ack.p.writes & b.p.resp.as_value()[1]),        # SLVERR or DECERR
            self.completed.eq(ended & ~caught & ~unwritten),
            self.faulty.eq(ended & (caught | unwritten)),
            self.faults.eq(Mux(caught, 1 << last.as_value()[:3], 0) |
                           Mux(unwritten, 1 << Cat(b.p.resp, 1), 0)),
            self.refused.eq(Mux(caught, last.as_value()[3], b.p.refused)),
            self.write.eq(Mux(caught, of_data & self.finished.p.write, 1)),
            self.busy.eq(written.o.valid),
            self.pending.eq(started.o.valid | written.o.valid),
        ]
        with m.If(self.faulty):
            m.d.sync += over.eq(1)

        # What failed: a burst of the copy, its descriptor, or the status of that.
        m.d.comb += of_data.eq(last.as_value()[1] & ~last.as_value()[2])
        with m.If(caught & of_data):
            m.d.comb += self.address.eq(self.finished.p.addr)
        with m.Elif(unwritten | (last != Fault.DMA_INT)):
            m.d.comb += self.address.eq(Cat(Mux(unwritten, aw.p.addr[:DESC_BITS], 0), ack.p.desc))

        with m.If(self.faulty & ack.p.writes):
            m.d.sync += self.desc.eq(ack.p.desc)
        with m.Elif(self.forget):
            m.d.sync += self.desc.eq(0)
        with m.Elif(take & entry.label.sg):
            m.d.sync += self.desc.eq(entry.label.desc)
        with m.If(self.place[0]):
            m.d.sync += self.desc[:32 - DESC_BITS].eq(self.word[DESC_BITS:])
        with m.If(self.place[1]):
            m.d.sync += self.desc[32 - DESC_BITS:].eq(self.word)
        return m
