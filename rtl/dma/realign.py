"""From beats as they were read to rows as they are to be written."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .planner import PlaceLayout

__all__ = ["BeatLayout", "Realigner"]


class BeatLayout(data.StructLayout):
    """A beat that was read: ``data``, ``first`` and ``last`` of its copy, ``place``."""

    def __init__(self, bus_bytes: int, *, joins: bool = False):
        super().__init__({
            "data": 8 * bus_bytes, "first": 1, "last": 1,
            "place": PlaceLayout(bus_bytes, joins=joins)})


class Realigner(wiring.Component):
    """Store each byte in the row and lane of the beat that will write it.

    A beat is rotated, and then its upper lanes belong to one row and its lower lanes to the next.
    Even and odd rows are separate memories, so both parts are stored at once: realignment costs no
    cycle, whatever the offsets. Lanes of a row that belong to no byte of the copy hold anything.

    A cycle after a beat has come, the rows that it completes count as ``done``; three cycles after,
    the first of them shows at ``rows``. Throughput is one beat and one row a cycle. Whoever sends
    beats keeps room for them: a row each, one less for the first if it ``primes``, one more for the
    last if it ``spills``, one less if the last row stays ``open``, and one for the row that is
    being filled.

    Parameters
    ----------
    bus_bytes : int, power of two
        Width of the data bus, in bytes.
    depth : int, power of two, at least 4
        Rows that fit.
    joins : bool
        Whether copies may share a row.

    Members
    -------
    beats : ``In(stream.Signature(BeatLayout(bus_bytes, joins=joins), always_ready=True))``
        Beats, in order.
    rows : ``Out(stream.Signature(8 * bus_bytes))``
        Complete rows, in order.
    done : ``Out(2)``
        Rows that became complete in this cycle: 0, 1 or 2.

    Raises
    ------
    ValueError
        If ``depth`` is not one of the values above.
    """

    def __init__(self, *, bus_bytes: int, depth: int, joins: bool = False):
        if depth < 4 or depth & (depth - 1):
            raise ValueError(f"Depth must be a power of two of at least 4 rows, not {depth!r}")
        self.bus_bytes, self.depth, self._joins = bus_bytes, depth, joins
        super().__init__({
            "beats": In(stream.Signature(BeatLayout(bus_bytes, joins=joins), always_ready=True)),
            "rows":  Out(stream.Signature(8 * bus_bytes)),
            "done":  Out(2),
        })

    def elaborate(self, platform):
        m = Module()

        # Which lanes belong to the row that is being filled, and which to the one after it.
        next_ = self.beats.p
        upper = Signal(self.bus_bytes)          # those that did not wrap
        primes, spills = Signal(), Signal()
        m.d.comb += [
            upper.eq(~0 << next_.place.rotate),
            primes.eq(next_.first & next_.place.primes),
            spills.eq(next_.last & next_.place.spills),
        ]
        mine, unfinished = Mux(primes, ~upper, upper), 0
        if self._joins:
            unfinished = next_.last & next_.place.open
            mine &= Mux(next_.first, ~0 << next_.place.head, ~0)

        # The bus's data is registered before it is rotated, and with it all that was worked out.
        came, rotate = Signal(), Signal.like(next_.place.rotate)
        word, lanes, lanes_after = Signal.like(next_.data), Signal.like(upper), Signal.like(upper)
        m.d.sync += [came.eq(self.beats.valid), self.done.eq(0)]
        with m.If(self.beats.valid):
            m.d.sync += [
                word.eq(next_.data),
                rotate.eq(next_.place.rotate),
                lanes.eq(mine),
                lanes_after.eq(Mux(primes | next_.last & ~spills, 0, ~upper)),
                self.done.eq(1 - primes + spills - unfinished),
            ]
        for k in range(exact_log2(self.bus_bytes)):
            word = Mux(rotate[k], word.rotate_left(8 << k), word)
        row = Signal(range(self.depth))         # the row that is being filled
        m.d.sync += row.eq(row + self.done)

        level = Signal(range(self.depth + 1))   # rows that are complete and not yet read
        head = Signal(range(self.depth))        # the oldest of them
        read = Signal()
        m.d.comb += read.eq((level != 0) & (self.rows.ready | ~self.rows.valid))
        m.d.sync += level.eq(level + self.done - read)
        m.d.sync += head.eq(head + read)
        with m.If(self.rows.ready | ~self.rows.valid):
            m.d.sync += self.rows.valid.eq(read)

        shown = Signal()                        # parity of the row that `rows` shows
        with m.If(read):
            m.d.sync += shown.eq(head[0])
        for parity in range(2):
            # A row is read only when it is complete, so never while it is written. A port with a
            # register behind it, other than one with a clock, lets synthesis make use of that.
            bank = memory.Memory(shape=8 * self.bus_bytes, depth=self.depth // 2, init=[],
                                 attrs={"no_rw_check": 1})
            m.submodules[f"bank_{parity}"] = bank
            write, look = bank.write_port(granularity=8), bank.read_port(domain="comb")
            out = Signal(8 * self.bus_bytes)
            m.d.comb += [
                write.addr.eq((row + (1 - parity)) >> 1),
                write.data.eq(word),
                look.addr.eq(head >> 1),
            ]
            with m.If(read):
                m.d.sync += out.eq(look.data)
            with m.If(came):
                m.d.comb += write.en.eq(Mux(row[0] == parity, lanes, lanes_after))
            with m.If(shown == parity):
                m.d.comb += self.rows.payload.eq(out)
        return m
