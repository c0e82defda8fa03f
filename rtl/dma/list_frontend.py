"""Walk a list of descriptors in memory, and offer the copies that they describe."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.layouts import struct
from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_BYTES, CDMA_CONTROL, CDMA_STATUS, CdmaWord
from rtl.stream.queue import Queue

from .jobs import DESC_BITS, SPAN_BITS, Fault, JobLayout, ReadSignature

__all__ = ["ListFrontend"]

#: Bits of a page, minus those of a descriptor: the slots into which a guess may fall.
SLOT_BITS = 12 - DESC_BITS


class ListFrontend(wiring.Component):
    """Fetch descriptors ahead of their execution, up to the tail.

    A list is fetched one descriptor after the other, since each says where the next one is. But
    when a link led to the next 64 bytes, the one after it is asked for at once, on the guess that
    it will do so too; up to ``depth`` descriptors are then in flight. A guess never leaves the page
    (4 KiB) of the descriptor before it, nor goes past the tail. A wrong one is dropped, and then
    there is none until links are consecutive again. So a list in consecutive slots is fetched at
    the speed of the bus, and any other list no slower than without guesses.

    A descriptor that is complete already, or cannot be read, becomes a copy with that fault, and is
    the last one until reset. A start is on the bus one cycle later. A copy is offered one cycle
    after the last beat of its descriptor.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be executed; at least 1.

    Members
    -------
    start : ``In(1)``
        Fetch, even though the tail was fetched already. Only while ``pending`` is low.
    tail : ``In(addr_width - 6)``
        Last descriptor, address over 64. If it changes, fetching goes on behind the old one.
    place : ``In(2)``, ``place_word`` : ``In(32)``
        Replace the low (bit 0) or the high half of the next descriptor's address, in bytes. Only
        while ``pending`` is low.
    simple : ``In(1)``, ``src``, ``dst`` : ``In(64)``, ``size`` : ``In(26)``
        A copy without descriptor; ``size`` in bytes. Only while ``pending`` is low.
    bus : ``Out(ReadSignature(...))``
        Bus.
    jobs : ``Out(stream.Signature(JobLayout(addr_width)))``
        Copies.
    stop : ``In(1)``
        Fetch nothing more.
    busy : ``Out(1)``
        A descriptor is being read.
    pending : ``Out(1)``
        There is something to fetch, or a copy to execute.
    """

    def __init__(self, params: DmaParams, *, depth: int):
        self._params, self._depth = params, depth
        super().__init__({
            "start":      In(1),
            "tail":       In(params.addr_width - DESC_BITS),
            "place":      In(2),
            "place_word": In(32),
            "simple":     In(1),
            "src":        In(64),
            "dst":        In(64),
            "size":       In(SPAN_BITS),
            "bus":        Out(ReadSignature(addr_width=params.addr_width,
                                            data_width=params.data_width)),
            "jobs":       Out(stream.Signature(JobLayout(params.addr_width))),
            "stop":       In(1),
            "busy":       Out(1),
            "pending":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        ar, r = self.bus.ar, self.bus.r
        m.submodules.queue = queue = Queue(self.jobs.p.shape(), self._depth)
        connect(m, queue.o, flipped(self.jobs))

        # Descriptors are numbered by their address over 64.
        current = Signal.like(self.tail)    # the next to arrive, or to ask for if none is valid
        asked = Signal.like(self.tail)      # the last that was asked for
        valid = Signal(range(self._depth + 1))      # under way
        wrong = Signal(range(self._depth + 1))      # under way, and arrive before the valid ones
        again = Signal()                    # ask, though the tail may have been asked for
        guess = Signal()                    # the last link led to the next slot
        astray = Signal()                   # the last link led beyond all addresses
        dead = Signal()                     # a descriptor had a fault

        more = (again | (asked != self.tail)) & ~dead
        go = Signal()
        ask, lost = go & ~astray, go & astray
        m.d.comb += [
            go.eq(~ar.valid & (self.start | more) & ~self.stop &
                  (valid + queue.level < self._depth) &
                  ((valid == 0) | guess & ~asked[:SLOT_BITS].all())),
            ar.p.addr[DESC_BITS:].eq(asked),
            ar.p.len.eq(max(CDMA_BYTES * 8 // self._params.data_width, 1) - 1),
            self.busy.eq(ar.valid | (valid != 0) | (wrong != 0)),
            self.pending.eq(more | (valid != 0) | queue.o.valid),
        ]
        with m.If(ask):
            m.d.sync += ar.valid.eq(1)
            with m.If(valid == 0):
                m.d.sync += asked.eq(current)
            with m.Else():
                m.d.sync += asked[:SLOT_BITS].eq(asked[:SLOT_BITS] + 1)
        with m.Elif(ar.ready):
            m.d.sync += ar.valid.eq(0)
        with m.If(go | self.start):
            m.d.sync += again.eq(~go)

        words, resp = self._assemble(m)
        link = words[CdmaWord.NXTDESC * 8:][DESC_BITS:64]
        status = words[CdmaWord.STATUS * 8:][:32]
        fault = Mux(resp[1], resp, struct(CDMA_STATUS)(status).cmplt)
        slot = current[:SLOT_BITS]
        follows = link == Cat((slot + 1)[:SLOT_BITS], current[SLOT_BITS:])
        arrives = Signal()                  # a valid one
        others = Signal.like(valid)
        m.d.comb += arrives.eq(r.valid & r.p.last & (wrong == 0))
        m.d.comb += others.eq(valid + ask - arrives)
        m.d.sync += valid.eq(others)
        with m.If(arrives):
            m.d.sync += [
                current.eq(link),
                astray.eq(link[len(current):].any()),
                guess.eq(Mux(slot.all(), guess, follows)),      # a page says nothing of the next
            ]
            with m.If(~follows | (fault != 0)):
                m.d.sync += [valid.eq(0), wrong.eq(others), again.eq(others != 0)]
        with m.Elif(r.valid & r.p.last):
            m.d.sync += wrong.eq(wrong - 1)
        with m.If(arrives & (fault != 0) | lost):
            m.d.sync += dead.eq(1)
        for half, part in enumerate((current[:32 - DESC_BITS], current[32 - DESC_BITS:])):
            with m.If(self.place[half]):
                m.d.sync += part.eq(self.place_word >> (0 if half else DESC_BITS))
                m.d.sync += astray.eq(0)

        self._submit(m, queue.i, arrives | self.simple | lost, words)
        with m.If(lost):
            m.d.comb += queue.i.p.fault.eq(Fault.SG_DEC)
        with m.Elif(arrives & (fault != 0)):
            m.d.comb += queue.i.p.fault.eq(Cat(fault, 1))
        m.d.comb += queue.i.p.desc.eq(current)
        return m

    def _assemble(self, m):
        """All words of a descriptor, and its response, in the cycle of its last beat."""
        r, width = self.bus.r, self._params.data_width
        if width >= CDMA_BYTES * 8:
            return r.p.data[:CDMA_BYTES * 8], r.p.resp.as_value()
        before = Signal(CDMA_BYTES * 8 - width)
        first_error = Signal(2)
        resp = Mux(first_error[1], first_error, r.p.resp.as_value())
        with m.If(r.valid):
            m.d.sync += before.eq(Cat(before, r.p.data)[width:])
            m.d.sync += first_error.eq(Mux(r.p.last, 0, resp))
        return Cat(before, r.p.data), resp

    def _submit(self, m, jobs, valid, words):
        """Offer a copy, from the registers or from a descriptor."""
        def choose(register, offset, width):
            return Mux(self.simple, register, words[offset * 8:][:width])

        src, dst = (choose(self.src, CdmaWord.SA, 64), choose(self.dst, CdmaWord.DA, 64))
        lsb, width = CDMA_CONTROL.fields["btt"]
        size = choose(self.size, CdmaWord.CONTROL, 32)[lsb:lsb + width]
        beyond = (src[len(jobs.p.src):] | dst[len(jobs.p.dst):]).any()
        m.d.comb += [
            jobs.valid.eq(valid),
            jobs.p.src.eq(src),
            jobs.p.dst.eq(dst),
            jobs.p.span.eq(size - 1),
            jobs.p.sg.eq(~self.simple),
        ]
        with m.If((size == 0) | beyond):
            m.d.comb += jobs.p.fault.eq(Fault.DMA_INT)
