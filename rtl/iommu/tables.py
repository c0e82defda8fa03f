"""The IOMMU's own accesses to memory, on one AXI4 port."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi.signature import CACHE_BYPASS, Burst, Resp, Signature
from rtl.stream.arbiter import Arbiter
from rtl.stream.queue import Queue

__all__ = ["ReadSignature", "TableReads", "TableWrites", "WriteSignature"]

_DWORD = 3                              # log2 of bytes


class ReadSignature(wiring.Signature):
    """Reads of 1 to 8 consecutive doublewords, one request at a time. Directions are the reader's.

    Members
    -------
    request : ``Out(stream.Signature(...))``
        ``addr``, a multiple of 8 bytes; ``len``, doublewords less 1; ``lock`` for an exclusive
        access, which is an error if memory does not support it; ``big`` for big-endian ones;
        ``word`` for 4 bytes instead, at a multiple of 4, which come in the low half.
    reply : ``In(...)``
        ``valid``, ``data``, ``error`` and ``last``, once for each doubleword; always taken. With
        ``error``, ``poison`` tells that memory answered, but with corrupt data.
    """

    def __init__(self, phys_bits: int):
        super().__init__({
            "request": Out(stream.Signature(data.StructLayout({
                "addr": phys_bits, "len": 3, "lock": 1, "big": 1, "word": 1}))),
            "reply": In(wiring.Signature({
                "valid": Out(1), "data": Out(64), "error": Out(1), "poison": Out(1),
                "last": Out(1)})),
        })


class WriteSignature(wiring.Signature):
    """Writes of 1 to 4 doublewords, or of 4 bytes. Directions are the writer's.

    Members
    -------
    valid : ``Out(1)``
        A write is wanted. All else that goes out must stay until ``done``.
    addr : ``Out(phys_bits)``
        Byte address; aligned to 8 bytes, or to 4 if ``word``.
    word : ``Out(1)``
        Write 4 bytes only, those in the half of ``data`` that ``addr`` points to.
    len : ``Out(2)``
        Doublewords less 1.
    index : ``In(2)``
        The doubleword that ``data`` must show in this cycle.
    data : ``Out(64)``
        Doubleword ``index``, a combinational answer.
    big : ``Out(1)``
        Big-endian.
    lock : ``Out(1)``
        Exclusive: write only if nobody else has since the exclusive read of the same address.
    done, error, missed : ``In(1)``
        The write has ended in this cycle; it failed; it was exclusive and did not take place.
    """

    def __init__(self, phys_bits: int):
        super().__init__({
            "valid": Out(1), "addr": Out(phys_bits), "word": Out(1), "len": Out(2),
            "index": In(2), "data": Out(64), "lock": Out(1), "big": Out(1),
            "done": In(1), "error": In(1), "missed": In(1)})


class TableReads(wiring.Component):
    """Bring the reads of ``n`` readers on AR, in turn, and their data back.

    A request is on the bus in the same cycle and data is with the reader in the same cycle. On the
    bus the reads are in order, of one ID. Beats are of 8 bytes on a bus of any width.

    Parameters
    ----------
    phys_bits, data_width, id_width : int
        Widths of the port, in bits.
    n : int
        Readers.
    in_flight : int
        Reads that all of them together may have in flight; they must not try more. By default one
        each.
    poison : bool
        The port tells which data is corrupt.
    end : bool
        Data may be big-endian.
    words : bool
        There are reads of 4 bytes.
    user : shape-like
        AxUSER.

    Members
    -------
    readers : ``In(ReadSignature(phys_bits)).array(n)``
        Readers.
    users : ``In(user).array(n)``
        AxUSER of each.
    ar, r : ``Out(...)``, ``In(...)``
        Read channels of the port.
    """

    def __init__(self, *, phys_bits: int, data_width: int, id_width: int, n: int,
                 in_flight: int | None = None, poison: bool = False, end: bool = False,
                 words: bool = False, user: ShapeLike = 0):
        self._in_flight = n if in_flight is None else in_flight
        self._n, self._poison, self._end, self._words = n, poison, end, words
        bus = Signature(addr_width=phys_bits, data_width=data_width, id_width=id_width,
                        poison=poison, user=user).members
        super().__init__({
            "readers": In(ReadSignature(phys_bits)).array(n), "users": In(user).array(n),
            "ar": bus["ar"], "r": bus["r"]})

    def elaborate(self, platform):
        m = Module()
        request_shape = self.readers[0].request.payload.shape()
        m.submodules.arbiter = arbiter = Arbiter(request_shape, self._n)
        # Whose data comes next, and in which lane of the bus it starts.
        lanes = exact_log2(len(self.r.p.data) // 64)
        ticket = data.StructLayout({
            "reader": range(self._n), "lane": lanes, "lock": 1, "big": self._end,
            "word": self._words, "half": self._words})
        m.submodules.owners = owners = Queue(ticket, self._in_flight)
        for reader, port in zip(self.readers, arbiter.i, strict=True):
            connect(m, flipped(reader.request), port)

        ar, request = self.ar.p, arbiter.o.p
        with m.Switch(arbiter.grant):
            for k, user in enumerate(self.users):
                with m.Case(k):
                    m.d.comb += ar.user.eq(user)
        m.d.comb += [
            self.ar.valid.eq(arbiter.o.valid),
            arbiter.o.ready.eq(self.ar.ready),
            owners.i.valid.eq(arbiter.o.valid & self.ar.ready),     # never full
            owners.i.p.reader.eq(arbiter.grant),
            owners.i.p.lane.eq(request.addr[_DWORD:_DWORD + lanes]),
            owners.i.p.lock.eq(request.lock), ar.lock.eq(request.lock),
            owners.i.p.big.eq(request.big), owners.i.p.word.eq(request.word),
            owners.i.p.half.eq(request.addr[_DWORD - 1] ^ request.big),
            ar.addr.eq(request.addr), ar.len.eq(request.len), ar.size.eq(_DWORD),
            ar.burst.eq(Burst.INCR), ar.cache.eq(CACHE_BYPASS),
        ]

        beat = Signal(lanes)
        lane = (owners.o.p.lane + beat)[:lanes]
        m.d.comb += [
            self.r.ready.eq(1),
            owners.o.ready.eq(self.r.valid & self.r.p.last),
        ]
        with m.If(self.r.valid):
            m.d.sync += beat.eq(Mux(self.r.p.last, 0, beat + 1))
        corrupt = self.r.p.poison if self._poison else 0
        word = Signal(64)
        m.d.comb += word.eq(self.r.p.data.word_select(lane, 64))
        if self._end:
            with m.If(owners.o.p.big):
                m.d.comb += word.eq(_reversed(self.r.p.data.word_select(lane, 64)))
        reply = Signal(64)
        m.d.comb += reply.eq(word)
        if self._words:
            m.d.comb += ar.size.eq(Mux(request.word, _DWORD - 1, _DWORD))
            with m.If(owners.o.p.word):
                m.d.comb += reply.eq(word.word_select(owners.o.p.half, 32))
        for k, reader in enumerate(self.readers):
            m.d.comb += [
                reader.reply.valid.eq(self.r.valid & (owners.o.p.reader == k)),
                reader.reply.data.eq(reply),
                reader.reply.error.eq(
                    Mux(owners.o.p.lock, self.r.p.resp != Resp.EXOKAY,
                        self.r.p.resp != Resp.OKAY) | corrupt),
                reader.reply.poison.eq(corrupt),
                reader.reply.last.eq(self.r.p.last),
            ]
        return m


class TableWrites(wiring.Component):
    """Carry out the writes of ``n`` writers, one after the other; writer 0 goes first.

    The address is on the bus in the cycle after ``valid``; ``done`` comes with the response.

    Parameters
    ----------
    phys_bits, data_width, id_width : int
        Widths of the port, in bits.
    n : int
        Writers.
    end : bool
        Data may be big-endian.
    user : shape-like
        AxUSER.

    Members
    -------
    writers : ``In(WriteSignature(phys_bits)).array(n)``
        Writers.
    users : ``In(user).array(n)``
        AxUSER of each; must stay like all that the writer wants.
    aw, w, b : ``Out(...)``, ``Out(...)``, ``In(...)``
        Write channels of the port.
    """

    def __init__(self, *, phys_bits: int, data_width: int, id_width: int, n: int,
                 end: bool = False, user: ShapeLike = 0):
        self._n, self._phys_bits, self._end = n, phys_bits, end
        bus = Signature(addr_width=phys_bits, data_width=data_width, id_width=id_width,
                        user=user).members
        super().__init__({
            "writers": In(WriteSignature(phys_bits)).array(n), "users": In(user).array(n),
            "aw": bus["aw"], "w": bus["w"], "b": bus["b"]})

    def elaborate(self, platform):
        m = Module()
        aw, w = self.aw.p, self.w.p
        chosen = WriteSignature(self._phys_bits).flip().create(path=("chosen",))
        owner = Signal(range(self._n))
        with m.Switch(owner):
            for k, writer in enumerate(self.writers):
                with m.Case(k):
                    m.d.comb += [aw.user.eq(self.users[k]),
                                 chosen.addr.eq(writer.addr), chosen.word.eq(writer.word),
                                 chosen.len.eq(writer.len), chosen.data.eq(writer.data),
                                 chosen.big.eq(writer.big),
                                 chosen.lock.eq(writer.lock), writer.done.eq(chosen.done),
                                 writer.error.eq(chosen.error), writer.missed.eq(chosen.missed)]
        index = Signal(2)
        for writer in self.writers:
            m.d.comb += writer.index.eq(index)

        lanes = exact_log2(len(w.data) // 64)
        lane = (chosen.addr[_DWORD:_DWORD + lanes] + index)[:lanes]
        word = Signal(64)
        m.d.comb += word.eq(chosen.data)
        if self._end:
            with m.If(chosen.big):
                m.d.comb += word.eq(_reversed(chosen.data))
                with m.If(chosen.word):
                    m.d.comb += word.eq(Cat(_reversed(chosen.data[:32]),
                                            _reversed(chosen.data[32:])))
        strobes = Mux(chosen.word, Mux(chosen.addr[2], 0xF0, 0x0F), 0xFF)
        m.d.comb += [
            aw.lock.eq(chosen.lock),
            aw.addr.eq(chosen.addr), aw.len.eq(chosen.len), aw.burst.eq(Burst.INCR),
            aw.size.eq(Mux(chosen.word, 2, _DWORD)), aw.cache.eq(CACHE_BYPASS),
            w.data.eq(word.replicate(1 << lanes)),
            w.strb.word_select(lane, 8).eq(strobes),
            w.last.eq(index == chosen.len),
        ]

        with m.FSM(name="write"):
            with m.State("IDLE"):
                m.d.sync += index.eq(0)
                for k, writer in reversed(list(enumerate(self.writers))):
                    with m.If(writer.valid):
                        m.d.sync += [owner.eq(k), self.aw.valid.eq(1), self.w.valid.eq(1)]
                        m.next = "SEND"
            with m.State("SEND"):
                # Neither channel waits for the other.
                with m.If(self.aw.ready):
                    m.d.sync += self.aw.valid.eq(0)
                with m.If(self.w.valid & self.w.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(w.last):
                        m.d.sync += self.w.valid.eq(0)
                m.d.comb += self.b.ready.eq(~self.aw.valid & ~self.w.valid)
                with m.If(self.b.valid & self.b.ready):
                    resp = self.b.p.resp
                    m.d.comb += [
                        chosen.done.eq(1),
                        chosen.missed.eq(chosen.lock & (resp == Resp.OKAY)),
                        chosen.error.eq((resp == Resp.SLVERR) | (resp == Resp.DECERR)),
                    ]
                    m.next = "IDLE"
        return m


def _reversed(word: Value) -> Value:
    """Bytes of ``word`` in the other order."""
    return Cat(word[at:at + 8] for at in reversed(range(0, len(word), 8)))
