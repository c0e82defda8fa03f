"""Cut the packets of a stream into the buffers that are there for them."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.axi.stream import Signature
from rtl.params import StreamParams
from rtl.stream.queue import Queue

from .burst_splitter import RunLayout
from .jobs import SPAN_BITS, EntryLayout, Fault, ListLabel
from .realign import BeatLayout
from .stream_jobs import BufferLayout

__all__ = ["StreamIn"]


class StreamIn(wiring.Component):
    """Fill buffers from a stream; each ends when it is full, or at the end of a packet.

    A beat is passed on once for each buffer that it belongs to, and each page of a buffer is
    announced as a run of writes when its last byte has been passed on. All beats of a packet must
    be full but the last, whose bytes begin in the first lane; ``keep`` is looked at there only. A
    single transfer that is full before its packet ends is a fault, as is a buffer that runs past
    the highest address. After a buffer with a fault nothing happens until reset. When writes have
    ``failed``, the buffer that is being filled ends with what it has, however much that is: the
    stream may never bring more, and the error must be told.

    Throughput is one beat a cycle, from buffer to buffer too; a buffer that ends within a beat
    costs two cycles more. There is room for what is passed on before a beat is taken.

    Parameters
    ----------
    params : StreamParams
        Parameters.
    page_bytes : int
        Page that bursts do not cross.
    rows : int
        Rows of the store behind.

    Members
    -------
    t : ``In(stream.Signature(...))``
        Beats, as those of an AXI4-Stream.
    buffers : ``In(stream.Signature(BufferLayout(...)))``
        Buffers.
    beats : ``Out(stream.Signature(BeatLayout(...), always_ready=True))``
        Beats to store.
    freed : ``In(1)``
        A row left the store.
    runs : ``Out(stream.Signature(RunLayout(...)))``
        Bytes to write; the tag says that they are the buffer's last.
    entries : ``Out(stream.Signature(EntryLayout(...)))``
        Every buffer that has ended, in order.
    failed : ``In(1)``
        A write failed.
    stop : ``In(1)``
        Take no beats.
    pending : ``Out(1)``
        A buffer is being filled, or will be next.
    """

    def __init__(self, params: StreamParams, *, page_bytes: int, rows: int):
        self._params, self._page_bytes, self._rows = params, page_bytes, rows
        self._bus_bytes = params.data_width // 8
        super().__init__({
            "t":       In(Signature(data_width=params.data_width).members["t"].signature),
            "buffers": In(stream.Signature(BufferLayout(params.addr_width))),
            "beats":   Out(stream.Signature(BeatLayout(self._bus_bytes), always_ready=True)),
            "freed":   In(1),
            "runs":    Out(stream.Signature(RunLayout(
                addr_width=params.addr_width, span_width=exact_log2(page_bytes) + 1, tag=1))),
            "entries": Out(stream.Signature(EntryLayout(ListLabel(
                params.addr_width, noted=True)))),
            "failed":  In(1),
            "stop":    In(1),
            "pending": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        lanes, page_bits = exact_log2(self._bus_bytes), exact_log2(self._page_bytes)
        m.submodules.waiting = waiting = Queue(data.StructLayout({
            "addr": self._params.addr_width, "reach": page_bits + 1, "tag": 1,
        }), self._params.reads_in_flight)
        # It says where in its page a run ends, not how long it is.
        m.d.comb += [
            self.runs.valid.eq(waiting.o.valid),
            self.runs.p.addr.eq(waiting.o.p.addr),
            self.runs.p.span.eq(waiting.o.p.reach - waiting.o.p.addr[:page_bits]),
            self.runs.p.tag.eq(waiting.o.p.tag),
            waiting.o.ready.eq(self.runs.ready),
        ]
        entry = self.entries.p

        # The beat: its data, and its last lane in use.
        beat, there, end = Signal(self.t.p.shape()), Signal(), Signal(lanes)
        used = Signal()                     # up, in this cycle
        m.d.comb += self.t.ready.eq((~there | used) & ~self.stop)
        with m.If(self.t.ready):
            m.d.sync += [there.eq(self.t.valid), beat.eq(self.t.p), end.eq(~0)]
            with m.If(self.t.p.last):
                for lane in range(self._bus_bytes):
                    with m.If(self.t.p.keep[lane]):
                        m.d.sync += end.eq(lane)
        with m.Elif(used):
            m.d.sync += there.eq(0)

        # The buffer after this one, and what is wrong with it.
        after, waits, carries = Signal(self.buffers.p.shape()), Signal(), Signal()
        load, refuse, halted = Signal(), Signal(), Signal()
        m.d.comb += self.buffers.ready.eq(~waits | load)
        with m.If(self.buffers.ready):
            addr, span = self.buffers.p.addr, self.buffers.p.span
            m.d.sync += [
                waits.eq(self.buffers.valid),
                after.eq(self.buffers.p),
                carries.eq((addr[:SPAN_BITS] + span)[-1] & addr[SPAN_BITS:].all()),
            ]
        wrong = carries | (after.fault != Fault.NONE)

        # This buffer: where its run begins, the row in the page that is being filled, beats that
        # are left after this one, and the lane of the beat in which it is full.
        active, begun = Signal(), Signal()
        start, row = Signal(self._params.addr_width), Signal(page_bits - lanes)
        left, limit, final = Signal(SPAN_BITS + 1 - lanes), Signal(lanes), Signal()
        rotate, primes, sg, counts = Signal(lanes), Signal(), Signal(), Signal()
        desc = Signal.like(after.desc)
        taken, lane, begin = Signal.like(left), Signal(lanes), Signal(lanes)
        fresh, sof = Signal(init=1), Signal()       # the next byte begins a packet; so did this

        free = Signal(range(self._rows + 1), init=self._rows)
        step, over, give_up = Signal(), Signal(), Signal()
        full = final & (limit <= end)
        rest = full & (limit != end)                # bytes of the beat for the next buffer
        last = Mux(full, limit, end)
        ends = beat.last & ~rest                    # the packet ends
        spills = (last + rotate)[lanes]
        priming = primes & ~begun
        m.d.comb += [
            step.eq(active & there & (free > 2) & waiting.i.ready & ~self.stop & ~self.failed &
                    (~self.entries.valid | self.entries.ready)),
            give_up.eq(active & self.failed & ~self.entries.valid),
            over.eq(step & (full | ends)),
            used.eq(step & ~rest),
            load.eq(waits & ~wrong & ~halted & ~self.failed & (~active | over & ~rest)),
            refuse.eq(waits & wrong & ~halted & ~active & ~self.entries.valid),
            self.pending.eq(active | waits),
            self.beats.valid.eq(step),
            self.beats.p.data.eq(beat.data),
            self.beats.p.first.eq(~begun),
            self.beats.p.last.eq(full | ends),
            self.beats.p.place.rotate.eq(rotate),
            self.beats.p.place.primes.eq(primes),
            self.beats.p.place.spills.eq(spills),
        ]
        rows = 1 - priming + ((full | ends) & spills)
        m.d.sync += free.eq(free + self.freed - Mux(step, rows, 0))

        # Runs: the rest of a page, or of the buffer.
        crosses = ~priming & row.all()
        m.d.comb += [
            waiting.i.valid.eq(step & (crosses | full | ends)),
            waiting.i.p.addr.eq(start),
            waiting.i.p.tag.eq(full | ends),
        ]
        with m.If(full | ends):
            m.d.comb += waiting.i.p.reach.eq(Cat((last + rotate)[:lanes], row + spills - priming))
        with m.Else():
            m.d.comb += waiting.i.p.reach.eq(self._page_bytes - 1)

        with m.If(step):
            m.d.sync += [
                begun.eq(1),
                taken.eq(taken + 1),
                left.eq(left - 1),
                final.eq(left == 1),
                row.eq(row + ~priming),
                lane.eq(Mux(rest, limit + 1, 0)),
                fresh.eq(ends),
            ]
            with m.If(crosses):
                m.d.sync += start.eq(Cat(C(0, page_bits), start[page_bits:] + 1))
            with m.If(~begun):
                m.d.sync += sof.eq(fresh)
        with m.If(over | give_up):
            m.d.sync += active.eq(0)
        with m.If(load):
            # A buffer that follows at once begins with a new beat.
            at = Mux(active, 0, lane)
            reach = after.span + at
            m.d.sync += [
                active.eq(1), begun.eq(0), taken.eq(0),
                start.eq(after.addr), row.eq(after.addr[lanes:page_bits]),
                Cat(limit, left).eq(reach), final.eq(reach[lanes:] == 0),
                rotate.eq(after.addr - at), primes.eq(after.addr[:lanes] < at), begin.eq(at),
                desc.eq(after.desc), sg.eq(after.sg), counts.eq(after.eof & after.sg),
            ]

        # What is told of the buffer; its bytes are added up in the next cycle.
        bytes_end, beats, before = Signal(lanes), Signal.like(taken), Signal(lanes)
        marks = Signal(2)                           # end and begin of a packet
        with m.If(self.entries.ready):
            m.d.sync += self.entries.valid.eq(0)
        with m.If(over):
            m.d.sync += [
                self.entries.valid.eq(1),
                bytes_end.eq(last), beats.eq(taken), before.eq(begin),
                marks.eq(Cat(ends, Mux(begun, sof, fresh))),
                entry.label.desc.eq(desc),
                entry.label.sg.eq(sg),
                entry.label.counts.eq(counts | ends),
                entry.fault.eq(Mux(~sg & ~ends, Fault.DMA_INT, Fault.NONE)),
            ]
        with m.Elif(give_up):
            m.d.sync += [
                self.entries.valid.eq(1),
                bytes_end.eq(~0), beats.eq(taken - 1), before.eq(Mux(begun, begin, 0)),
                marks.eq(Cat(0, begun & sof)),
                entry.label.desc.eq(desc),
                entry.label.sg.eq(sg),
                entry.fault.eq(Fault.NONE),
            ]
        with m.Elif(refuse):
            m.d.sync += [
                self.entries.valid.eq(1), halted.eq(1),
                bytes_end.eq(~0), beats.eq(~0), before.eq(0), marks.eq(0),
                entry.label.desc.eq(after.desc),
                entry.label.sg.eq(after.sg),
                entry.fault.eq(Mux(after.fault == Fault.NONE, Fault.DMA_INT, after.fault)),
            ]
        count = (Cat(bytes_end, beats) + 1 - before)[:SPAN_BITS]
        m.d.comb += entry.label.note.eq(Cat(count, marks))
        return m
