"""First stage of a translation: whose access it is."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.signature import PROT_INSTRUCTION, PROT_PRIVILEGED
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import DdtpMode
from rtl.stream.skid import Skid

from .burst_check import leaves_page
from .context_cache import ContextLookupSignature
from .directory_walker import directory_signature, too_wide
from .permissions import access_fault
from .records import (
    Kind,
    access_layout,
    address_layout,
    context_layout,
    guest_fault_layout,
    qos_layout,
)

__all__ = ["ContextStage", "known_layout"]


def known_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of an access with its context.

    ``wants``: what the device wants to do. ``bypass``: the mode is Bare and there is no context.
    ``cause`` is the reason to refuse the access, if it is not :attr:`Cause.NONE`, with
    ``guest_fault``. ``stale``: an invalidation came since the lookup.
    """
    return data.StructLayout({
        "access": address_layout(id_width=params.id_width), "wants": access_layout(),
        "context": context_layout(params), "bypass": 1, "cause": 12,
        "guest_fault": guest_fault_layout(params), "stale": 1})


class ContextStage(wiring.Component):
    """Find the context of each access, by cache or by directory walk.

    An access whose context is at hand passes in the cycle in which it arrives, one each cycle. A
    miss holds up those behind it.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    writes : bool
        Accesses are writes, else reads.

    Members
    -------
    i : ``In(stream.Signature(address_layout(...)))``
        AR or AW of the device.
    o : ``Out(stream.Signature(known_layout(params)))``
        Accesses with their context, in order.
    mode : ``In(DdtpMode)``
        ``ddtp.iommu_mode``.
    qos : ``In(qos_layout(params))``
        Identifiers of accesses in mode Bare.
    lookup : ``Out(ContextLookupSignature(params))``
        Context cache.
    directory : ``Out(directory_signature(params))``
        Directory walker.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA", steps 1 to 10.
    """

    def __init__(self, params: IommuParams, *, writes: bool):
        self._params, self._writes = params, writes
        self._address = address_layout(id_width=params.id_width)
        super().__init__({
            "i": In(stream.Signature(self._address)),
            "o": Out(stream.Signature(known_layout(params))),
            "mode": In(DdtpMode), "qos": In(qos_layout(params)),
            "lookup": Out(ContextLookupSignature(params)),
            "directory": Out(directory_signature(params)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.skid = skid = Skid(self._address)
        connect(m, flipped(self.i), skid.i)
        lookup, directory = self.lookup, self.directory
        access, user, o = skid.o.p, skid.o.p.user, self.o.p

        known = Signal()                # there is an answer in this cycle
        source = lookup.source
        m.d.comb += [
            self.o.valid.eq(skid.o.valid & known),
            skid.o.ready.eq(self.o.ready & known),
            o.access.eq(access),
            o.wants.kind.eq(Kind.WRITE if self._writes else
                            Mux(access.prot & PROT_INSTRUCTION, Kind.EXECUTE, Kind.READ)),
            o.wants.privileged.eq(user.process_valid & (access.prot & PROT_PRIVILEGED).any()),
            lookup.valid.eq(skid.o.valid),
            source.did.eq(user.device_id), source.process.eq(user.process_valid),
            source.translated.eq(user.translated),
            source.supervisor.eq(o.wants.privileged),
            source.pid.eq(Mux(user.process_valid, user.process_id, 0)),
            directory.request.source.eq(source), directory.request.kind.eq(o.wants.kind),
        ]

        # Search only if the answer can be taken at once: the other channel may need a search, too.
        # What was ready and got nothing still is.
        room = Signal()
        m.d.sync += room.eq(self.o.ready & ~self.o.valid)

        with m.FSM(name="context"):
            with m.State("LOOKUP"):
                m.d.comb += [known.eq(1), o.context.eq(lookup.context)]
                leaves = leaves_page(access) if self._params.burst_check else Const(0)
                with m.If(leaves):
                    m.d.comb += [o.cause.eq(access_fault(o.wants.kind)), o.context.dtf.eq(0)]
                with m.Elif(self.mode == DdtpMode.OFF):
                    m.d.comb += o.cause.eq(Cause.ALL_INBOUND_DISALLOWED)
                with m.Elif(self.mode == DdtpMode.BARE):
                    m.d.comb += [o.bypass.eq(1), o.context.dtf.eq(0),
                                 o.context.qos.eq(self.qos)]
                    with m.If(user.translated):
                        m.d.comb += o.cause.eq(Cause.TYPE_DISALLOWED)
                with m.Elif(too_wide(self._params, self.mode, user.device_id)):
                    m.d.comb += [o.cause.eq(Cause.TYPE_DISALLOWED), o.context.dtf.eq(0)]
                with m.Elif(~lookup.hit):
                    m.d.comb += [known.eq(0), directory.want.eq(skid.o.valid & room)]
                    with m.If(directory.want & directory.start):
                        m.next = "WALK"

            with m.State("WALK"):
                reply = directory.reply
                m.d.comb += [
                    known.eq(directory.valid), o.context.eq(reply.context), o.stale.eq(reply.stale),
                    directory.take.eq(directory.valid & self.o.ready),
                    o.cause.eq(reply.cause), o.guest_fault.eq(reply.guest_fault),
                ]
                with m.If(directory.take):
                    m.next = "LOOKUP"
        return m
