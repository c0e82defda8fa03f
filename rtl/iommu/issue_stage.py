"""Third stage of a translation: pass the access on, walk for it, or refuse it."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.signature import CACHE_BUFFERABLE, CACHE_MODIFIABLE
from rtl.params import IommuParams
from rtl.spec.faults import DTF_KEEPS, Cause
from rtl.spec.page_table import PAGE_BITS

from .page_walker import walk_signature
from .permissions import transaction_type
from .records import address_layout, fault_layout, refused_layout
from .tlb_stage import looked_up_layout

__all__ = ["IssueStage"]

_NON_CACHEABLE, _IO = 1, 2              # memory types of Svpbmt


class IssueStage(wiring.Component):
    """Pass accesses on with their physical addresses, or refuse them.

    An access that hit is at ``o`` in the cycle after it was taken, one each cycle. A miss holds up
    those behind it, and so does a refusal until its response and its record are accepted.

    The memory type of a page narrows AxCACHE: to non-cacheable and bufferable memory for NC, to an
    access without any of its bits for I/O.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    i : ``In(stream.Signature(looked_up_layout(params)))``
        Accesses with what the TLB knows of them.
    o : ``Out(stream.Signature(address_layout(...)))``
        Accesses with physical addresses, in order.
    room : ``In(1)``
        One more access may be passed on.
    passed : ``Out(...)``
        ``valid`` and ``id`` in the first cycle of an access at ``o``; only while ``room``.
    refused : ``Out(stream.Signature(refused_layout(...)))``
        Accesses to answer with an error; ``ready`` when the error was delivered.
    fault : ``Out(stream.Signature(fault_layout(params)))``
        Faults to record.
    walk : ``Out(walk_signature(params))``
        Page walker.
    flush : ``In(1)``
        An invalidation is in progress: an access that is here may still use what it has got, but
        nothing of it may be cached.
    stale : ``Out(1)``
        Such an access is here and not refused.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA", steps 17 to 20;
    section "Fault/Event-Queue (FQ)".
    """

    def __init__(self, params: IommuParams):
        self._params, id_width = params, params.id_width
        super().__init__({
            "i": In(stream.Signature(looked_up_layout(params))),
            "o": Out(stream.Signature(
                address_layout(id_width=id_width, addr_width=params.phys_bits, user=0))),
            "room": In(1),
            "passed": Out(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "refused": Out(stream.Signature(refused_layout(id_width))),
            "fault": Out(stream.Signature(fault_layout(params))),
            "walk": Out(walk_signature(params)),
            "flush": In(1), "stale": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        walk = self.walk
        valid = Signal()
        here = Signal.like(self.i.p)
        known = here.known
        access, context = known.access, known.context

        m.d.comb += [
            walk.request.page.eq(access.addr[PAGE_BITS:]),
            walk.request.canonical.eq(here.canonical), walk.request.kind.eq(known.wants.kind),
            walk.request.privileged.eq(known.wants.privileged),
            walk.request.context.eq(context), walk.request.bypass.eq(known.bypass),
        ]

        passes = Signal()               # the access is at `o`, as far as this stage is concerned
        ppn, pbmt = Signal.like(here.ppn), Signal.like(here.pbmt)
        answered, recorded, reported = Signal(), Signal(), Signal()
        m.d.comb += [ppn.eq(here.ppn), pbmt.eq(here.pbmt)]
        with m.FSM(name="issue") as fsm:
            with m.State("DECIDE"):
                m.d.comb += [
                    passes.eq(here.passes),
                    walk.want.eq(valid & ~here.passes & (known.cause == Cause.NONE)),
                ]
                with m.If(walk.start):
                    m.next = "WALK"
                with m.If(valid & (known.cause != Cause.NONE)):
                    m.next = "REFUSE"

            with m.State("WALK"):
                failed = walk.reply.cause != Cause.NONE
                m.d.comb += [
                    ppn.eq(walk.reply.page.ppn), pbmt.eq(walk.reply.page.pbmt),
                    passes.eq(walk.valid & ~failed),
                    walk.take.eq(walk.valid & (failed | self.o.valid & self.o.ready)),
                    walk.keep.eq(passes & ~known.stale & ~self.flush),
                ]
                with m.If(walk.take):
                    m.next = "DECIDE"
                with m.If(walk.valid & failed):
                    m.d.sync += [known.cause.eq(walk.reply.cause),
                                 known.guest_fault.eq(walk.reply.guest_fault)]
                    m.next = "REFUSE"

            with m.State("REFUSE"):
                m.d.comb += [
                    self.refused.valid.eq(~answered),
                    self.fault.valid.eq(~recorded & reported),
                ]
                m.d.sync += [
                    answered.eq(answered | self.refused.ready),
                    recorded.eq(recorded | self.fault.ready),
                ]
                with m.If((answered | self.refused.ready) &
                          (recorded | self.fault.ready | ~reported)):
                    m.d.sync += [valid.eq(0), answered.eq(0), recorded.eq(0)]
                    m.next = "DECIDE"

        # The response and the record of a refusal.
        m.d.comb += [
            reported.eq(~context.dtf | known.cause.matches(*sorted(DTF_KEEPS))),
            self.refused.p.id.eq(access.id), self.refused.p.len.eq(access.len),
            self.fault.p.cause.eq(known.cause),
            self.fault.p.ttyp.eq(transaction_type(
                known.wants.kind, access.user.translated)),
            self.fault.p.did.eq(access.user.device_id), self.fault.p.iotval.eq(access.addr),
            self.fault.p.pv.eq(access.user.process_valid),
            self.fault.p.priv.eq(known.wants.privileged),
            self.fault.p.pid.eq(Mux(access.user.process_valid, access.user.process_id, 0)),
        ]
        if self._params.two_stage:
            guest = known.guest_fault
            offset = Mux(guest.implicit, 0, access.addr[2:PAGE_BITS])
            with m.If(known.cause.matches(
                    Cause.EXEC_GUEST_PAGE_FAULT, Cause.READ_GUEST_PAGE_FAULT,
                    Cause.WRITE_GUEST_PAGE_FAULT)):
                m.d.comb += self.fault.p.iotval2.eq(
                    Cat(guest.implicit, guest.update.any(), offset, guest.gpn))

        # Hand over, and take the next. What is at `o` is in flight, even if memory makes it wait.
        announced = Signal()
        m.d.comb += [
            self.o.valid.eq(valid & passes & (self.room | announced)),
            self.passed.valid.eq(self.o.valid & ~announced), self.passed.id.eq(access.id),
            self.o.p.addr.eq(Cat(access.addr[:PAGE_BITS], ppn)),
            self.i.ready.eq(~valid | self.o.valid & self.o.ready),
            self.stale.eq(valid & known.stale & ~fsm.ongoing("REFUSE")),
        ]
        m.d.comb += [self.o.p[name].eq(access[name]) for name in
                     ("id", "len", "size", "burst", "lock", "cache", "prot", "qos")]
        with m.If(pbmt == _NON_CACHEABLE):
            m.d.comb += self.o.p.cache.eq(CACHE_BUFFERABLE | CACHE_MODIFIABLE)
        with m.If(pbmt == _IO):
            m.d.comb += self.o.p.cache.eq(0)
        m.d.sync += announced.eq(self.o.valid & ~self.o.ready)
        with m.If(self.flush):
            m.d.sync += known.stale.eq(1)
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), here.eq(self.i.p)]
        return m
