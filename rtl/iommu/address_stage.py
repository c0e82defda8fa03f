"""Second stage of a translation: where does the access go?"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.signature import PROT_INSTRUCTION, PROT_PRIVILEGED
from rtl.spec.faults import DTF_KEEPS, Cause
from rtl.spec.page_table import PAGE_BITS
from rtl.stream.buffer import Buffer

from .context_stage import known_layout
from .page_walker import walk_signature
from .permissions import Permissions, access_fault, page_fault, transaction_type
from .records import (
    VPN_WIDTH,
    Kind,
    WalkStatus,
    address_layout,
    fault_layout,
    refused_layout,
    translate,
)
from .tlb import LookupSignature

__all__ = ["AddressStage"]


class AddressStage(wiring.Component):
    """Translate the address of each access, by TLB or by page walk, or refuse it.

    A hit is at ``o`` two cycles after its access was taken at ``i``, one each cycle. A miss holds up
    those behind it, and so does a refusal until its response and its record are accepted.

    Parameters
    ----------
    id_width, phys_bits : int
        Widths of AXI IDs and of physical addresses, in bits.
    writes : bool
        Accesses are writes, else reads.

    Members
    -------
    i : ``In(stream.Signature(known_layout(...)))``
        Accesses with their context.
    o : ``Out(stream.Signature(address_layout(...)))``
        Accesses with physical addresses, in order; registered.
    room : ``In(1)``
        One more access may be passed on.
    passed : ``Out(...)``
        ``valid`` and ``id`` in the cycle before an access appears at ``o``; only while ``room``.
    refused : ``Out(stream.Signature(refused_layout(...)))``
        Accesses to answer with an error; ``ready`` when the error was delivered.
    fault : ``Out(stream.Signature(fault_layout()))``
        Faults to record.
    lookup, walk : ``Out(...)``
        TLB and page walker.
    flush : ``In(1)``
        An invalidation is in progress: the access here, or taken in this cycle, may still use what
        it has got, but nothing of it may be cached.
    stale : ``Out(1)``
        Such an access is here and has not been decided.
    hit, miss : ``Out(1)``
        Strobes: the first answer of the TLB to an access. There is one for each access that gets
        as far as a lookup: with a context, paged, and with a canonical address.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA", steps 10 to 20.
    """

    def __init__(self, *, id_width: int, phys_bits: int, writes: bool):
        self._writes, self._phys_bits = writes, phys_bits
        self._known = known_layout(id_width=id_width, phys_bits=phys_bits)
        self._address = address_layout(id_width=id_width, addr_width=phys_bits, user=0)
        super().__init__({
            "i": In(stream.Signature(self._known)),
            "o": Out(stream.Signature(self._address)),
            "room": In(1),
            "passed": Out(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "refused": Out(stream.Signature(refused_layout(id_width))),
            "fault": Out(stream.Signature(fault_layout())),
            "lookup": Out(LookupSignature(phys_bits)),
            "walk": Out(walk_signature(phys_bits)),
            "flush": In(1), "stale": Out(1), "hit": Out(1), "miss": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        lookup, walk = self.lookup, self.walk
        m.submodules.buffer = buffer = Buffer(self._address)
        connect(m, buffer.o, flipped(self.o))

        known = Signal(self._known)
        valid = Signal()
        counted = Signal()
        access, context = known.access, known.context
        privileged = Signal()
        kind = Signal(Kind)
        m.d.comb += [
            kind.eq(Kind.WRITE if self._writes else
                    Mux(access.prot & PROT_INSTRUCTION, Kind.EXECUTE, Kind.READ)),
            privileged.eq(access.user.process_valid & access.prot & PROT_PRIVILEGED),
        ]

        # The page: of the TLB, or of a walk.
        walking = Signal()
        leaf = Signal.like(lookup.leaf)
        vpn = access.addr[PAGE_BITS:PAGE_BITS + VPN_WIDTH]
        high = access.addr[PAGE_BITS + VPN_WIDTH - 1:]
        m.d.comb += [
            lookup.vpn.eq(vpn), lookup.pscid.eq(context.pscid),
            walk.request.vpn.eq(vpn), walk.request.pscid.eq(context.pscid),
            walk.request.root.eq(context.root), walk.request.root_wide.eq(context.root_wide),
            leaf.eq(Mux(walking, walk.reply.leaf, lookup.leaf)),
        ]
        m.submodules.permissions = permissions = Permissions()
        m.d.comb += [permissions.kind.eq(kind), permissions.privileged.eq(privileged)]
        m.d.comb += [getattr(permissions, bit).eq(leaf[bit]) for bit in "rwxud"]

        # Decide.
        passes, cause = Signal(), Signal(12)
        ready = self.room & buffer.i.ready
        answered, recorded, reported = Signal(), Signal(), Signal()
        paged = context.paged & ~known.bypass
        wide = access.addr[self._phys_bits:].any()
        canonical = high.all() | ~high.any()
        with m.FSM(name="address") as fsm:
            with m.State("LOOKUP"):
                with m.If(known.cause != Cause.NONE):
                    m.d.comb += cause.eq(known.cause)
                with m.Elif(~paged):
                    m.d.comb += passes.eq(~wide)
                    m.d.comb += cause.eq(Mux(wide, access_fault(kind), Cause.NONE))
                with m.Elif(~canonical):
                    m.d.comb += cause.eq(page_fault(kind))
                with m.Elif(lookup.ready):
                    m.d.comb += [
                        self.hit.eq(valid & ~counted & lookup.hit),
                        self.miss.eq(valid & ~counted & ~lookup.hit),
                    ]
                    m.d.sync += counted.eq(1)
                    with m.If(lookup.hit):
                        m.d.comb += passes.eq(~permissions.denied)
                        m.d.comb += cause.eq(Mux(permissions.denied, page_fault(kind), Cause.NONE))
                    with m.Else():
                        m.d.comb += walk.want.eq(valid)
                        with m.If(walk.want & walk.start):
                            m.next = "WALK"
                with m.If(valid & (cause != Cause.NONE)):
                    m.d.sync += known.cause.eq(cause)
                    m.next = "REFUSE"

            with m.State("WALK"):
                m.d.comb += walking.eq(1)
                with m.If(walk.valid):
                    with m.If(walk.reply.status == WalkStatus.ACCESS_FAULT):
                        m.d.comb += cause.eq(access_fault(kind))
                    with m.Elif((walk.reply.status == WalkStatus.PAGE_FAULT) | permissions.denied):
                        m.d.comb += cause.eq(page_fault(kind))
                    with m.Elif(walk.reply.wide):
                        m.d.comb += cause.eq(access_fault(kind))
                    with m.Else():
                        m.d.comb += [passes.eq(1), walk.keep.eq(~known.stale & ~self.flush)]
                    m.d.comb += walk.take.eq((cause != Cause.NONE) | ready)
                    with m.If(walk.take):
                        m.next = "LOOKUP"
                    with m.If(cause != Cause.NONE):
                        m.d.sync += known.cause.eq(cause)
                        m.next = "REFUSE"

            with m.State("REFUSE"):
                fault = self.fault.p
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
                    m.next = "LOOKUP"

        # The response and the record of a refusal.
        m.d.comb += [
            reported.eq(~context.dtf | known.cause.matches(*sorted(DTF_KEEPS))),
            self.refused.p.id.eq(access.id), self.refused.p.len.eq(access.len),
            fault.cause.eq(known.cause), fault.ttyp.eq(transaction_type(kind)),
            fault.did.eq(access.user.device_id), fault.iotval.eq(access.addr),
            fault.pv.eq(access.user.process_valid), fault.priv.eq(privileged),
            fault.pid.eq(Mux(access.user.process_valid, access.user.process_id, 0)),
        ]

        # Hand over, and take the next.
        page = Mux(paged, translate(leaf, vpn), access.addr[PAGE_BITS:self._phys_bits])
        m.d.comb += [
            self.passed.valid.eq(valid & passes & ready),
            self.passed.id.eq(access.id),
            lookup.used.eq(self.passed.valid & paged & ~walking),
            buffer.i.valid.eq(self.passed.valid),
            buffer.i.p.addr.eq(Cat(access.addr[:PAGE_BITS], page)),
            self.i.ready.eq(~valid | self.passed.valid),
        ]
        m.d.comb += [buffer.i.p[name].eq(access[name]) for name in
                     ("id", "len", "size", "burst", "lock", "cache", "prot", "qos")]
        with m.If(self.flush):
            m.d.sync += known.stale.eq(1)
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), known.eq(self.i.p), counted.eq(0)]
            m.d.sync += known.stale.eq(self.i.p.stale | self.flush)
        m.d.comb += self.stale.eq(valid & known.stale & ~fsm.ongoing("REFUSE"))
        return m
