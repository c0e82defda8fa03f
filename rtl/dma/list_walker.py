"""Decide which descriptor to fetch next."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.spec.descriptor import CDMA_ALIGN

from .jobs import DESC_BITS, LIST_CONTROLS

__all__ = ["ListWalker"]

#: Bits that tell the descriptors of a page apart.
SLOT_BITS = (4096 // CDMA_ALIGN - 1).bit_length()


class ListWalker(wiring.Component):
    """Ask for the descriptors of a list, one by one up to the tail, and ahead by guesses.

    Each descriptor says where the next one is, so a list can only be fetched at the pace of the
    memory's latency. But when a link led to the next 64 bytes, the slot after that one is asked
    for before its address is known, on the guess that the list goes on like this. A guess never
    leaves the page (4 KiB) of the descriptor before it, nor goes past the tail. What a wrong one
    returns is dropped, and then there is none until a link leads to the next slot again.

    Addresses are in units of 64 bytes, the size of a slot. A request is offered one cycle after
    what allows it; there is one every two cycles at most.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    depth : int
        Descriptors that there is room for.

    Members
    -------
    place : ``In(2)``
        Set half of the address to start from to ``word``: bit 0 the low, bit 1 the high one. Only
        while not ``pending``.
    mark : ``In(2)``
        Set half of the tail's address to ``word``. Nothing is asked for until ``doorbell``.
    word : ``In(32)``
        Half of a byte address.
    doorbell : ``In(1)``
        High with the second ``mark``, or with the only one. Go on behind the old tail, if the new
        one is different.
    start : ``In(1)``
        Go on in any case. Only with ``doorbell``, while not ``pending``.
    cyclic : ``In(1)``
        With ``start``: do not stop at the tail.
    endless : ``Out(1)``
        The walk does not stop at the tail.
    forget : ``In(1)``
        Clear both addresses. Only while not ``pending``.
    tail : ``Out(addr_width - 6)``
        Tail, for reading.
    ar : ``Out(stream.Signature(addr_width - 6))``
        Descriptors to fetch.
    came, faulty : ``In(1)``, ``link`` : ``In(58)``
        High when a descriptor came; whether it ends the walk; the one after it.
    arrives : ``Out(1)``
        What came is no wrong guess, but the next descriptor.
    lost : ``Out(1)``
        There is no next one: its address is wider than ``addr_width``. High for one cycle.
    current : ``Out(addr_width - 6)``
        The descriptor that arrives or is lost.
    level : ``In(range(depth + 1))``
        Descriptors that take room already.
    stop : ``In(1)``
        Ask for nothing more.
    busy : ``Out(1)``
        A descriptor was asked for and did not come yet.
    pending : ``Out(1)``
        There is something to ask for, or something to arrive.
    """

    def __init__(self, *, addr_width: int, depth: int):
        self._depth = depth
        desc_width = addr_width - DESC_BITS
        super().__init__({
            **{name: In(width) for name, width in LIST_CONTROLS.items()},
            "endless":  Out(1),
            "tail":     Out(desc_width),
            "ar":       Out(stream.Signature(desc_width)),
            "came":     In(1),
            "faulty":   In(1),
            "link":     In(64 - DESC_BITS),
            "arrives":  Out(1),
            "lost":     Out(1),
            "current":  Out(desc_width),
            "level":    In(range(depth + 1)),
            "stop":     In(1),
            "busy":     Out(1),
            "pending":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        ar, current, asked = self.ar, self.current, self.ar.payload
        valid = Signal(range(self._depth + 1))      # under way
        wrong = Signal(range(self._depth + 1))      # under way, and come before the valid ones
        guess = Signal()                    # the last link led to the next slot
        astray = Signal()                   # the last link led beyond all addresses
        dead = Signal()                     # a descriptor had a fault

        # Whether the tail was asked for is known a cycle late; the next request is later still.
        moved, torn = Signal(), Signal()
        differs = Signal()
        again = Signal()                    # go on in any case
        more = (again | (differs | self.endless) & ~torn) & ~dead
        m.d.sync += [
            moved.eq(self.mark.any()),
            differs.eq(asked != self.tail),
        ]
        with m.If(self.mark.any()):
            m.d.sync += torn.eq(~self.doorbell)

        ask = Signal()
        m.d.comb += [
            ask.eq(~ar.valid & (self.start | more & ~moved) & ~self.stop &
                   (valid + self.level < self._depth) &
                   ((valid == 0) | guess & ~asked[:SLOT_BITS].all())),
            self.lost.eq(ask & astray),
            self.busy.eq(ar.valid | (valid != 0) | (wrong != 0)),
            self.pending.eq(more | moved & ~torn | (valid != 0)),
        ]
        with m.If(ask):
            m.d.sync += ar.valid.eq(~astray)
            with m.If(valid == 0):
                m.d.sync += asked.eq(current)
            with m.Else():
                m.d.sync += asked[:SLOT_BITS].eq(asked[:SLOT_BITS] + 1)
        with m.Elif(ar.ready):
            m.d.sync += ar.valid.eq(0)
        with m.If(ask | self.start):
            m.d.sync += again.eq(~ask)

        slot = current[:SLOT_BITS]
        follows = self.link == Cat((slot + 1)[:SLOT_BITS], current[SLOT_BITS:])
        left = Signal.like(valid)
        m.d.comb += [
            self.arrives.eq(self.came & (wrong == 0)),
            left.eq(valid + (ask & ~astray) - self.arrives),
        ]
        m.d.sync += valid.eq(left)
        with m.If(self.arrives):
            m.d.sync += [
                current.eq(self.link),
                astray.eq(self.link[len(current):].any()),
                guess.eq(Mux(slot.all(), guess, follows)),      # a page says nothing of the next
            ]
            with m.If(~follows | self.faulty):
                m.d.sync += [valid.eq(0), wrong.eq(left), again.eq(left != 0)]
        with m.Elif(self.came):
            m.d.sync += wrong.eq(wrong - 1)
        with m.If(self.arrives & self.faulty | self.lost):
            m.d.sync += dead.eq(1)

        for address, halves in ((current, self.place), (self.tail, self.mark)):
            with m.If(halves[0]):
                m.d.sync += address[:32 - DESC_BITS].eq(self.word[DESC_BITS:])
            with m.If(halves[1]):
                m.d.sync += address[32 - DESC_BITS:].eq(self.word)
        with m.If(self.start):
            m.d.sync += self.endless.eq(self.cyclic)
        with m.If(self.place.any()):
            m.d.sync += [astray.eq(0), self.endless.eq(0)]
        with m.If(self.forget):
            m.d.sync += [current.eq(0), asked.eq(0), self.tail.eq(0), astray.eq(0), torn.eq(0),
                         self.endless.eq(0)]
        return m
