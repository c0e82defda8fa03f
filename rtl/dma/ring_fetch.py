"""Fetch the slots of a ring, as far as its tail and no further."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.spec.ring_formats import SLOT_BYTES

from .jobs import Fault, ReadSignature

__all__ = ["BURST_SLOTS", "RingFetch", "SlotLayout"]

#: Slots that are asked for at once, at most. Such a group never crosses a page.
BURST_SLOTS = 8


class SlotLayout(data.StructLayout):
    """A slot of the ring.

    ``words``, its ``number``, and ``fault``: ``SG_SLV``, ``SG_DEC``,
    ``SG_REFUSED`` or none.
    """

    def __init__(self):
        super().__init__({"words": 8 * SLOT_BYTES, "number": 16, "fault": Fault})


class RingFetch(wiring.Component):
    """Ask for slots up to the tail, in bursts, while there is room for what they hold.

    What lies in a ring is known to follow, so nothing is guessed, and nothing is fetched that was
    not handed over. A burst is offered two cycles after what allows it, and ends at a multiple of
    eight slots; there is one every two cycles at most. A slot is shown in the cycle of its last
    beat.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    data_width : int, 32 to 128
        Width of the bus, in bits.
    depth : int
        Slots that may be on the way or kept behind; at least eight.

    Members
    -------
    base : ``In(addr_width)``, ``size_log2`` : ``In(4)``
        Ring: aligned to 4 KiB and to its size; log2 of slots, 3 to 15.
    tail : ``In(16)``
        First slot that is not valid.
    head : ``Out(16)``
        Next slot to ask for.
    some : ``Out(1)``
        There are slots to ask for.
    place : ``In(1)``, ``number`` : ``In(16)``
        Set ``head``. Only while nothing is under way.
    cyclic : ``In(1)``
        Behind the slot before ``tail`` comes slot 0.
    run : ``In(1)``
        Ask for more.
    freed : ``In(2)``
        Slots whose room is free again: 0, 1 or 2.
    bus : ``Out(ReadSignature(...))``
        Bus.
    slots : ``Out(stream.Signature(SlotLayout(), always_ready=True))``
        Slots, in order.
    busy : ``Out(1)``
        Slots were asked for and did not come yet.
    """

    def __init__(self, *, addr_width: int, data_width: int, depth: int):
        if data_width not in (32, 64, 128):
            raise ValueError(f"Data width must be 32, 64 or 128 bits, not {data_width!r}")
        if depth < BURST_SLOTS:
            raise ValueError(f"Depth must be at least {BURST_SLOTS} slots, not {depth!r}")
        self._data_width, self._depth = data_width, depth
        super().__init__({
            "base":      In(addr_width),
            "size_log2": In(4),
            "tail":      In(16),
            "head":      Out(16),
            "some":      Out(1),
            "place":     In(1),
            "number":    In(16),
            "cyclic":    In(1),
            "run":       In(1),
            "freed":     In(2),
            "bus":       Out(ReadSignature(addr_width=addr_width, data_width=data_width)),
            "slots":     Out(stream.Signature(SlotLayout(), always_ready=True)),
            "busy":      Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        ar, r, head = self.bus.ar, self.bus.r, self.head
        beats = SLOT_BYTES * 8 // self._data_width      # of a slot
        slot_bits, group_bits = exact_log2(SLOT_BYTES), exact_log2(BURST_SLOTS)

        # Slots to the tail, or to the end of the group if that is nearer. The tail is never a whole
        # counter's range ahead, so that comparing groups tells. Room is counted in whole groups.
        # Pointers are compared in the cycle before it is asked; `head` stays meanwhile.
        free = Signal(range(self._depth + 1), init=self._depth)
        may, ask = Signal(), Signal()
        near, ends = Signal(), Signal()
        limit = Signal(group_bits)                      # where the tail is in its group
        group, at = head[group_bits:], head[:group_bits]
        count, after = Signal(group_bits + 1), Signal(16)
        m.d.comb += [
            ask.eq(may & self.some & self.run),
            count.eq(Mux(near, limit - at, BURST_SLOTS - at)),
            after.eq(Mux(near, Cat(limit, group), Cat(C(0, group_bits), group + 1))),
        ]
        m.d.sync += [
            self.some.eq(self.tail != head),
            near.eq(self.tail[group_bits:] == group),
            ends.eq(self.tail == Cat(C(0, group_bits), group + 1)),
            limit.eq(self.tail),
            may.eq(~ask & ~self.place & (~ar.valid | ar.ready) & (free >= BURST_SLOTS)),
            free.eq(free + self.freed - Mux(ask, count, 0)),
        ]
        with m.If(self.cyclic & (near | ends)):
            m.d.comb += after.eq(0)
        inside = Signal(16)                             # the place of `head` in the ring
        m.d.comb += inside.eq(head & ~(~C(0, 17) << self.size_log2))
        with m.If(ask):
            m.d.sync += [
                ar.valid.eq(1),
                ar.p.addr.eq(self.base | inside << slot_bits),
                ar.p.len.eq(count * beats - 1),
                head.eq(after),
            ]
        with m.Elif(ar.ready):
            m.d.sync += ar.valid.eq(0)
        with m.If(self.place):
            m.d.sync += head.eq(self.number)

        # Beats into slots.
        slot, number, following = self.slots.p, Signal(16), Signal(16)
        waited = Signal(range(self._depth + 1))         # slots that were asked for
        m.d.sync += waited.eq(waited + Mux(ask, count, 0) - self.slots.valid)
        m.d.comb += following.eq(number + 1)
        resp, own = Signal(3), Cat(r.p.resp, r.p.refused)
        if beats > 1:
            beat = Signal(range(beats))
            before, worst = Signal((beats - 1) * self._data_width), Signal(3)
            m.d.comb += [
                self.slots.valid.eq(r.valid & (beat == beats - 1)),
                slot.words.eq(Cat(before, r.p.data)),
                resp.eq(Mux(worst[1], worst, own)),
            ]
            with m.If(r.valid):
                m.d.sync += [
                    beat.eq(beat + 1),
                    before.eq(slot.words[self._data_width:]),
                    worst.eq(Mux(self.slots.valid, 0, resp)),
                ]
        else:
            m.d.comb += [self.slots.valid.eq(r.valid), slot.words.eq(r.p.data), resp.eq(own)]
        m.d.comb += [
            slot.number.eq(number),
            self.busy.eq(ar.valid | (waited != 0)),
        ]
        with m.If(resp[1]):                             # SLVERR or DECERR
            m.d.comb += slot.fault.eq(Cat(resp[:2], 1, resp[2]))
        with m.If(self.slots.valid):
            m.d.sync += number.eq(Mux(self.cyclic & (following == self.tail), 0, following))
        with m.If(self.place):
            m.d.sync += number.eq(self.number)
        return m
