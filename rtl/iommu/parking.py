"""Third stage of a translation: where accesses wait for a walk, and who may go before them."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PAGE_BITS, VPN_BITS

from .onehot import encode, lowest
from .records import access_layout, address_layout, guest_fault_layout, page_layout, qos_layout
from .tlb_stage import looked_up_layout
from .walk_pool import AnswerSignature, AskSignature

__all__ = ["Parking", "decided_layout"]


def _fate_layout(params: IommuParams) -> data.StructLayout:
    """``cause`` to refuse an access, with ``guest_fault``; or its page."""
    page = page_layout(params)
    return data.StructLayout({
        "cause": 12, "guest_fault": guest_fault_layout(params),
        "ppn": page["ppn"].shape, "pbmt": page["pbmt"].shape})


def _car_layout(params: IommuParams) -> data.StructLayout:
    return data.StructLayout({
        "access": address_layout(id_width=params.id_width), "wants": access_layout(), "dtf": 1,
        "qos": qos_layout(params)})


def decided_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of an access that is decided on.

    ``access`` and what it ``wants``; ``dtf`` and ``qos`` of its context; and its ``fate``: the
    ``cause`` to refuse it, with ``guest_fault``, or if that is :attr:`Cause.NONE` its page ``ppn``
    of memory type ``pbmt``.
    """
    return data.StructLayout(_car_layout(params).members | {"fate": _fate_layout(params)})


class Parking(wiring.Component):
    """Park the accesses that must wait; let all others pass in the same cycle.

    A miss is parked until its walk is answered, and an access behind a parked one of its AXI ID
    until that one has left. So accesses of one ID leave in order, and those of other IDs pass;
    several misses are walked for at once. Data of writes comes in the order of their addresses,
    whatever the ID; there nothing passes, but walks go on together all the same.

    A parked access leaves before one that arrives, and may leave in the cycle of the answer.

    Parameters
    ----------
    params : IommuParams
        Parameters; there is room for ``walks`` accesses.
    in_order : bool
        All accesses leave in order, as writes must.

    Members
    -------
    i : ``In(stream.Signature(looked_up_layout(params)))``
        Accesses with what the TLB knows of them.
    o : ``Out(stream.Signature(decided_layout(params)))``
        Accesses that may pass or are to be refused. While one waits there, another may take its
        place.
    ask : ``Out(AskSignature(params))``
        Page walkers.
    answer : ``In(AnswerSignature(params))``
        Their answers.
    claim : ``Out(1)``
        The next page of the access at ``i`` is being walked for, since this one was fresh.
    flush : ``In(1)``
        An invalidation is in progress: an access that is here may still use what it has got.
    stale : ``Out(1)``
        Such an access is here.

    Source
    ------
    AMBA AXI and ACE Protocol Specification, section "Transaction ordering".
    """

    def __init__(self, params: IommuParams, *, in_order: bool):
        self._params, self._in_order = params, in_order
        super().__init__({
            "i": In(stream.Signature(looked_up_layout(params))),
            "o": Out(stream.Signature(decided_layout(params))),
            "ask": Out(AskSignature(params)), "answer": In(AnswerSignature(params)),
            "claim": Out(int(params.prefetch)), "flush": In(1), "stale": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params, answer, known, ask = self._params, self.answer, self.i.p.known, self.ask
        places = params.walks
        # Places in use; that wait for nothing more than their turn; that have waited for a walk,
        # whose answer is kept apart; and that have met an invalidation.
        valid, decided, walks, stale = (Signal(places, name=name)
                                        for name in ("valid", "decided", "walks", "stale"))
        ids = Signal(data.ArrayLayout(params.id_width, places))
        walkers = Signal(data.ArrayLayout(answer.walker.shape(), places))
        moved = answer.moved
        current = [Mux(moved.valid & (walker == moved.source), moved.target, walker)
                   for walker in walkers]
        fates = Signal(data.ArrayLayout(_fate_layout(params), places))
        # For each place, the places of those that must leave before.
        before = [Signal(places, name=f"before_{k}") for k in range(places)]

        # Of the access that arrives.
        car, fate = Signal(_car_layout(params)), Signal(_fate_layout(params))
        known_fate = self.i.p.passes | (known.cause != Cause.NONE)
        ahead, place, room = Signal(places), Signal(places), Signal()
        m.d.comb += [
            car.access.eq(known.access), car.wants.eq(known.wants), car.dtf.eq(known.context.dtf),
            car.qos.eq(known.context.qos),
            fate.cause.eq(known.cause), fate.guest_fault.eq(known.guest_fault),
            fate.ppn.eq(self.i.p.ppn), fate.pbmt.eq(self.i.p.pbmt),
            ahead.eq(valid & (-1 if self._in_order else
                              Cat(axid == known.access.id for axid in ids))),
            place.eq(lowest(~valid)), room.eq(~valid.all()),
        ]
        walk = ask.request.p.walk
        goes_on = (self.i.p.passes & self.i.p.fresh.any() & ask.spare &
                   ~known.access.addr[PAGE_BITS:PAGE_BITS + VPN_BITS].all())
        # A page that is used first asks for the one after it. That need not succeed.
        m.d.comb += [
            ask.likely.eq(self.i.valid), ask.request.valid.eq(
                self.i.valid & Mux(known_fate, goes_on, room)),
            walk.ahead.eq(known_fate),
            self.claim.eq(ask.request.valid & ask.request.ready & known_fate),
            ask.request.p.stale.eq(known.stale),
            walk.page.eq(known.access.addr[PAGE_BITS:]), walk.canonical.eq(self.i.p.canonical),
            walk.kind.eq(known.wants.kind), walk.privileged.eq(known.wants.privileged),
            walk.context.eq(known.context), walk.bypass.eq(known.bypass),
        ]

        # Who leaves.
        m.submodules.store = store = memory.Memory(
            shape=decided_layout(params), depth=places, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        answered = valid & ~decided & Mux(answer.valid, Cat(
            walker == answer.walker for walker in current), 0)
        first = Cat(~older.any() for older in before)
        leaves, goes = Signal(places), Signal()
        m.d.comb += [
            leaves.eq(lowest(valid & first & (decided | answered))),
            read.addr.eq(encode(leaves)),
            self.o.valid.eq(leaves.any() | self.i.valid & known_fate & ~ahead.any()),
            goes.eq(self.o.valid & self.o.ready),
        ]
        found = Signal(_fate_layout(params))
        m.d.comb += [found[name].eq(answer.reply[name]) for name in ("cause", "guest_fault")]
        m.d.comb += [found[name].eq(answer.reply.page[name]) for name in ("ppn", "pbmt")]
        with m.If(leaves.any()):
            m.d.comb += self.o.p.eq(read.data)
            with m.If((leaves & walks & ~decided).any()):
                m.d.comb += self.o.p.fate.eq(found)
            for k in range(places):
                with m.If(leaves[k] & walks[k] & decided[k]):
                    m.d.comb += self.o.p.fate.eq(fates[k])
        with m.Else():
            m.d.comb += [self.o.p[name].eq(car[name]) for name, _ in car.shape()]
            m.d.comb += self.o.p.fate.eq(fate)

        # Who is parked.
        parks = Signal()
        with m.If(self.i.valid):
            with m.If(~known_fate):
                m.d.comb += parks.eq(room & ask.request.ready)
            with m.Elif(ahead.any()):
                m.d.comb += parks.eq(room)
        m.d.comb += [
            self.i.ready.eq(Mux(known_fate & ~ahead.any(), ~leaves.any() & self.o.ready, parks)),
            write.addr.eq(encode(place)), write.en.eq(parks), write.data.fate.eq(fate),
            *(write.data[name].eq(car[name]) for name, _ in car.shape()),
            self.stale.eq((valid & stale).any()),
        ]
        gone = Mux(goes, leaves, 0)
        m.d.sync += [
            valid.eq(valid & ~gone | Mux(parks, place, 0)), decided.eq(decided | answered),
            stale.eq(stale | self.flush.replicate(places)),
        ]
        m.d.sync += [older.eq(older & ~gone) for older in before]
        m.d.sync += [walker.eq(value) for walker, value in zip(walkers, current, strict=True)]
        for k in range(places):
            with m.If(answered[k]):
                m.d.sync += fates[k].eq(found)
            with m.If(place[k] & parks):
                m.d.sync += [ids[k].eq(known.access.id), walkers[k].eq(ask.walker),
                             walks[k].eq(~known_fate), decided[k].eq(known_fate),
                             stale[k].eq(known.stale), before[k].eq(ahead & ~gone)]
        return m
