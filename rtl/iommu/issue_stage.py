"""Third stage of a translation: pass the access on, walk for it, or refuse it."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.spec.faults import DTF_KEEPS, Cause
from rtl.spec.page_table import PAGE_BITS

from .page_walker import walk_signature
from .permissions import Permissions, access_fault, page_fault, transaction_type
from .records import WalkStatus, address_layout, fault_layout, refused_layout, translate
from .tlb_stage import looked_up_layout, virtual_page

__all__ = ["IssueStage"]


class IssueStage(wiring.Component):
    """Pass accesses on with their physical addresses, or refuse them.

    An access that hit is at ``o`` in the cycle after it was taken, one each cycle. A miss holds up
    those behind it, and so does a refusal until its response and its record are accepted.

    Parameters
    ----------
    id_width, phys_bits : int
        Widths of AXI IDs and of physical addresses, in bits.

    Members
    -------
    i : ``In(stream.Signature(looked_up_layout(...)))``
        Accesses with what the TLB knows of them.
    o : ``Out(stream.Signature(address_layout(...)))``
        Accesses with physical addresses, in order.
    room : ``In(1)``
        One more access may be passed on.
    passed : ``Out(...)``
        ``valid`` and ``id`` in the first cycle of an access at ``o``; only while ``room``.
    refused : ``Out(stream.Signature(refused_layout(...)))``
        Accesses to answer with an error; ``ready`` when the error was delivered.
    fault : ``Out(stream.Signature(fault_layout()))``
        Faults to record.
    walk : ``Out(walk_signature(phys_bits))``
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

    def __init__(self, *, id_width: int, phys_bits: int):
        widths = {"id_width": id_width, "phys_bits": phys_bits}
        super().__init__({
            "i": In(stream.Signature(looked_up_layout(**widths))),
            "o": Out(stream.Signature(
                address_layout(id_width=id_width, addr_width=phys_bits, user=0))),
            "room": In(1),
            "passed": Out(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "refused": Out(stream.Signature(refused_layout(id_width))),
            "fault": Out(stream.Signature(fault_layout())),
            "walk": Out(walk_signature(phys_bits)),
            "flush": In(1), "stale": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        walk = self.walk
        valid = Signal()
        here = Signal.like(self.i.p)
        access, context, kind = here.known.access, here.known.context, here.wants.kind
        vpn = virtual_page(access.addr)

        m.submodules.permissions = permissions = Permissions()
        m.d.comb += [
            walk.request.vpn.eq(vpn), walk.request.pscid.eq(context.pscid),
            walk.request.root.eq(context.root), walk.request.root_wide.eq(context.root_wide),
            permissions.access.eq(here.wants), permissions.flags.eq(walk.reply.leaf.flags),
        ]

        passes = Signal()               # the access is at `o`, as far as this stage is concerned
        ppn = Signal.like(here.ppn)
        cause = Signal(12)              # reason to refuse it
        answered, recorded, reported = Signal(), Signal(), Signal()
        m.d.comb += ppn.eq(here.ppn)
        with m.FSM(name="issue") as fsm:
            with m.State("DECIDE"):
                with m.If(here.known.cause != Cause.NONE):
                    m.d.comb += cause.eq(here.known.cause)
                with m.Elif(here.denied):
                    m.d.comb += cause.eq(page_fault(kind))
                with m.Elif(here.beyond):
                    m.d.comb += cause.eq(access_fault(kind))
                with m.Else():
                    m.d.comb += [passes.eq(here.passes), walk.want.eq(valid & ~here.passes)]
                with m.If(walk.start):
                    m.next = "WALK"
                with m.If(valid & (cause != Cause.NONE)):
                    m.d.sync += here.known.cause.eq(cause)
                    m.next = "REFUSE"

            with m.State("WALK"):
                m.d.comb += ppn.eq(translate(walk.reply.leaf.page, vpn))
                with m.If(walk.valid):
                    with m.If(walk.reply.status == WalkStatus.ACCESS_FAULT):
                        m.d.comb += cause.eq(access_fault(kind))
                    with m.Elif((walk.reply.status == WalkStatus.PAGE_FAULT) | permissions.denied):
                        m.d.comb += cause.eq(page_fault(kind))
                    with m.Elif(walk.reply.wide):
                        m.d.comb += cause.eq(access_fault(kind))
                    with m.Else():
                        m.d.comb += passes.eq(1)
                m.d.comb += [
                    walk.take.eq((cause != Cause.NONE) | self.o.valid & self.o.ready),
                    walk.keep.eq(passes & ~here.known.stale & ~self.flush),
                ]
                with m.If(walk.take):
                    m.next = "DECIDE"
                with m.If(cause != Cause.NONE):
                    m.d.sync += here.known.cause.eq(cause)
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
            reported.eq(~context.dtf | here.known.cause.matches(*sorted(DTF_KEEPS))),
            self.refused.p.id.eq(access.id), self.refused.p.len.eq(access.len),
            self.fault.p.cause.eq(here.known.cause), self.fault.p.ttyp.eq(transaction_type(kind)),
            self.fault.p.did.eq(access.user.device_id), self.fault.p.iotval.eq(access.addr),
            self.fault.p.pv.eq(access.user.process_valid),
            self.fault.p.priv.eq(here.wants.privileged),
            self.fault.p.pid.eq(Mux(access.user.process_valid, access.user.process_id, 0)),
        ]

        # Hand over, and take the next. What is at `o` is in flight, even if memory makes it wait.
        announced = Signal()
        m.d.comb += [
            self.o.valid.eq(valid & passes & (self.room | announced)),
            self.passed.valid.eq(self.o.valid & ~announced), self.passed.id.eq(access.id),
            self.o.p.addr.eq(Cat(access.addr[:PAGE_BITS], ppn)),
            self.i.ready.eq(~valid | self.o.valid & self.o.ready),
            self.stale.eq(valid & here.known.stale & ~fsm.ongoing("REFUSE")),
        ]
        m.d.comb += [self.o.p[name].eq(access[name]) for name in
                     ("id", "len", "size", "burst", "lock", "cache", "prot", "qos")]
        m.d.sync += announced.eq(self.o.valid & ~self.o.ready)
        with m.If(self.flush):
            m.d.sync += here.known.stale.eq(1)
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), here.eq(self.i.p)]
        return m
