"""First stage of a translation: whose access it is."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.spec.faults import Cause
from rtl.spec.page_table import DdtpMode
from rtl.stream.skid import Skid

from .context_cache import ContextLookupSignature
from .directory_walker import directory_signature, too_wide
from .records import address_layout, context_layout

__all__ = ["ContextStage", "known_layout"]


def known_layout(*, id_width: int, phys_bits: int) -> data.StructLayout:
    """Make the layout of an access with its context.

    ``bypass``: the mode is Bare and there is no context. ``cause`` is the reason to refuse the
    access, if it is not :attr:`Cause.NONE`. ``stale``: an invalidation came since the lookup.
    """
    return data.StructLayout({
        "access": address_layout(id_width=id_width), "context": context_layout(phys_bits),
        "bypass": 1, "cause": 12, "stale": 1})


class ContextStage(wiring.Component):
    """Find the context of each access, by cache or by directory walk.

    An access whose context is at hand passes in the cycle in which it arrives, one each cycle. A
    miss holds up those behind it.

    Parameters
    ----------
    id_width, phys_bits : int
        Widths of AXI IDs and of physical addresses, in bits.

    Members
    -------
    i : ``In(stream.Signature(address_layout(...)))``
        AR or AW of the device.
    o : ``Out(stream.Signature(known_layout(...)))``
        Accesses with their context, in order.
    mode : ``In(DdtpMode)``
        ``ddtp.iommu_mode``.
    lookup : ``Out(ContextLookupSignature(...))``
        Context cache.
    directory : ``Out(directory_signature(...))``
        Directory walker.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate an IOVA", steps 1 to 10.
    """

    def __init__(self, *, id_width: int, phys_bits: int):
        self._address = address_layout(id_width=id_width)
        known = known_layout(id_width=id_width, phys_bits=phys_bits)
        super().__init__({
            "i": In(stream.Signature(self._address)),
            "o": Out(stream.Signature(known)),
            "mode": In(DdtpMode),
            "lookup": Out(ContextLookupSignature(phys_bits)),
            "directory": Out(directory_signature(phys_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.skid = skid = Skid(self._address)
        connect(m, flipped(self.i), skid.i)
        lookup, directory = self.lookup, self.directory
        user, o = skid.o.p.user, self.o.p

        known = Signal()                # there is an answer in this cycle
        m.d.comb += [
            self.o.valid.eq(skid.o.valid & known),
            skid.o.ready.eq(self.o.ready & known),
            o.access.eq(skid.o.p),
            lookup.valid.eq(skid.o.valid), lookup.did.eq(user.device_id),
            directory.request.did.eq(user.device_id),
        ]

        with m.FSM(name="context"):
            with m.State("LOOKUP"):
                m.d.comb += [known.eq(1), o.context.eq(lookup.context)]
                with m.If(self.mode == DdtpMode.OFF):
                    m.d.comb += o.cause.eq(Cause.ALL_INBOUND_DISALLOWED)
                with m.Elif(self.mode == DdtpMode.BARE):
                    m.d.comb += o.bypass.eq(1)
                with m.Elif(too_wide(self.mode, user.device_id)):
                    m.d.comb += [o.cause.eq(Cause.TYPE_DISALLOWED), o.context.dtf.eq(0)]
                with m.Elif(lookup.hit):
                    with m.If(user.process_valid & ~lookup.context.pdtv):
                        m.d.comb += o.cause.eq(Cause.TYPE_DISALLOWED)
                with m.Else():
                    m.d.comb += [known.eq(0), directory.want.eq(skid.o.valid)]
                    with m.If(skid.o.valid & directory.start):
                        m.next = "WALK"

            with m.State("WALK"):
                reply = directory.reply
                m.d.comb += [
                    known.eq(directory.valid), o.context.eq(reply.context), o.stale.eq(reply.stale),
                    directory.take.eq(directory.valid & self.o.ready),
                    o.cause.eq(reply.cause),
                ]
                with m.If(reply.cause != Cause.NONE):
                    m.d.comb += o.context.dtf.eq(0)
                with m.Elif(user.process_valid & ~reply.context.pdtv):
                    m.d.comb += o.cause.eq(Cause.TYPE_DISALLOWED)
                with m.If(directory.take):
                    m.next = "LOOKUP"
        return m
