"""Walks of the device directory."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.spec.faults import Cause
from rtl.spec.page_table import (
    DC_BYTES,
    DC_IOHGATP,
    DC_TA,
    DC_TC,
    DDI_BITS_BASE,
    DDTE,
    IOSATP,
    PAGE_BITS,
    DdtpMode,
    IosatpMode,
)

from .records import context_layout
from .service import ServiceSignature
from .tables import ReadSignature

__all__ = ["DEVICE_ID_BITS", "DirectoryWalker", "directory_signature", "too_wide"]

#: Width of a device_id.
DEVICE_ID_BITS = sum(DDI_BITS_BASE)
_DC_DWORDS = DC_BYTES // 8
_CUSTOM = 0xFF << 24                    # DC.tc bits for custom use; this build has none


def too_wide(mode: Value, did: Value) -> Value:
    """High if ``did`` has bits that a directory of ``mode`` does not index; 0 without directory."""
    one, two, _ = DDI_BITS_BASE
    return ((mode == DdtpMode.LVL1) & did[one:].any() |
            (mode == DdtpMode.LVL2) & did[one + two:].any())


def directory_signature(phys_bits: int) -> ServiceSignature:
    """Service of a :class:`DirectoryWalker`.

    Request: ``did``. Reply: ``cause`` (:attr:`Cause.NONE` if all is well), ``context``, and
    ``stale``, high if an invalidation came meanwhile.
    """
    return ServiceSignature(
        data.StructLayout({"did": DEVICE_ID_BITS}),
        data.StructLayout({"cause": 12, "context": context_layout(phys_bits), "stale": 1}))


class DirectoryWalker(wiring.Component):
    """Find and check a device context, for one device at a time.

    The context is read as one burst and checked while it arrives. With an idle memory that answers
    in ``latency`` cycles, a directory of one level takes ``latency + 5`` cycles from ``start`` to
    ``valid``; each further level adds ``latency + 1``.

    Parameters
    ----------
    phys_bits : int
        Width of physical addresses.

    Members
    -------
    service : ``In(directory_signature(phys_bits))``
        Devices to look for.
    mode, root : ``In(...)``
        ``ddtp``: a mode with a directory while there are requests, and the page number of its root.
    flush : ``In(1)``
        An invalidation is in progress: what was read so far is stale.
    stale : ``Out(1)``
        A search goes on that began before the last ``flush``.
    table : ``Out(ReadSignature(phys_bits))``
        Entries.
    fill : ``Out(...)``
        ``valid``, ``did`` and ``context``, once for each context found that may be kept.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections "Process to locate the Device-context" and
    "Device-context configuration checks", for a build without second stage, process directory, ATS,
    MSI translation, A/D update, big-endian tables and quality-of-service identifiers.
    """

    def __init__(self, *, phys_bits: int):
        self._context = context_layout(phys_bits)
        super().__init__({
            "service": In(directory_signature(phys_bits)),
            "mode": In(DdtpMode),
            "root": In(phys_bits - PAGE_BITS),
            "flush": In(1),
            "stale": Out(1),
            "table": Out(ReadSignature(phys_bits)),
            "fill": Out(wiring.Signature({
                "valid": Out(1), "did": Out(DEVICE_ID_BITS), "context": Out(self._context)})),
        })

    def elaborate(self, platform):
        m = Module()
        service, table, did = self.service, self.table, self.service.request.did

        level = Signal(range(len(DDI_BITS_BASE)))
        base = Signal.like(self.root)
        beat = Signal(range(_DC_DWORDS))
        context = Signal(self._context)
        cause = Signal(12)
        failed, invalid, misconfigured = (Signal(name=name) for name in
                                          ("failed", "invalid", "misconfigured"))
        stale = Signal()
        fresh = Signal()                # the context was read in the last cycle
        m.d.comb += service.reply.eq(Cat(cause, context, stale))
        with m.If(self.flush):
            m.d.sync += stale.eq(1)

        # Where to read: an entry of 8 bytes, or the context.
        ddi = [did[sum(DDI_BITS_BASE[:k]):sum(DDI_BITS_BASE[:k + 1])] for k in range(3)]
        m.d.comb += table.request.p.addr.eq(Cat(Const(0, 5), ddi[0], base))
        m.d.comb += table.request.p.len.eq(_DC_DWORDS - 1)
        for k in (1, 2):
            with m.If(level == k):
                m.d.comb += table.request.p.addr.eq(
                    Cat(Const(0, 3), ddi[k], Const(0, 9 - len(ddi[k])), base))
                m.d.comb += table.request.p.len.eq(0)

        word = table.reply.data
        entry = data.View(struct(DDTE), word)
        wrong = Signal()
        self._check_context(m, table.reply.valid, word, beat, context, wrong)

        with m.FSM(name="search"):
            with m.State("IDLE"):
                m.d.comb += service.start.eq(service.want)
                m.d.sync += [level.eq(self.mode - DdtpMode.LVL1), base.eq(self.root)]
                m.d.sync += [beat.eq(0), failed.eq(0), invalid.eq(0), misconfigured.eq(0)]
                m.d.sync += stale.eq(0)
                with m.If(service.want):
                    m.next = "READ"

            with m.State("READ"):
                m.d.comb += [table.request.valid.eq(1), self.stale.eq(stale)]
                with m.If(table.request.ready):
                    m.next = "ENTRY"
                    with m.If(level == 0):
                        m.next = "CONTEXT"

            with m.State("ENTRY"):
                m.d.comb += self.stale.eq(stale)
                with m.If(table.reply.valid):
                    m.d.sync += [level.eq(level - 1), base.eq(entry.ppn)]
                    m.next = "DONE"
                    with m.If(table.reply.error):
                        m.d.sync += cause.eq(Cause.DDT_LOAD_FAULT)
                    with m.Elif(~entry.v):
                        m.d.sync += cause.eq(Cause.DDT_INVALID)
                    with m.Elif(reserved(DDTE, entry)):
                        m.d.sync += cause.eq(Cause.DDT_MISCONFIGURED)
                    with m.Elif(entry.ppn[len(base):].any()):
                        m.d.sync += cause.eq(Cause.DDT_LOAD_FAULT)
                    with m.Else():
                        m.next = "READ"

            with m.State("CONTEXT"):
                m.d.comb += self.stale.eq(stale)
                with m.If(table.reply.valid):
                    m.d.sync += beat.eq(beat + 1)
                    m.d.sync += failed.eq(failed | table.reply.error)
                    m.d.sync += misconfigured.eq(misconfigured | wrong)
                    with m.If(beat == 0):
                        m.d.sync += invalid.eq(~word[0])
                    with m.If(table.reply.last):
                        m.next = "DONE"
                        m.d.sync += [cause.eq(Cause.NONE), fresh.eq(1)]
                        with m.If(failed | table.reply.error):
                            m.d.sync += cause.eq(Cause.DDT_LOAD_FAULT)
                        with m.Elif(invalid):
                            m.d.sync += cause.eq(Cause.DDT_INVALID)
                        with m.Elif(misconfigured | wrong):
                            m.d.sync += cause.eq(Cause.DDT_MISCONFIGURED)

            with m.State("DONE"):
                m.d.comb += [service.valid.eq(1), self.stale.eq(stale)]
                m.d.comb += self.fill.valid.eq(fresh & (cause == Cause.NONE) &
                                               ~stale & ~self.flush)
                m.d.sync += fresh.eq(0)
                with m.If(service.take):
                    m.next = "IDLE"
        m.d.comb += [self.fill.did.eq(did), self.fill.context.eq(context)]
        return m

    @staticmethod
    def _check_context(m, arrives, word, beat, context, wrong):
        """Keep what is needed of each doubleword, and find out what is wrong with it."""
        tc, ta = data.View(struct(DC_TC), word), data.View(struct(DC_TA), word)
        iohgatp, fsc = data.View(struct(DC_IOHGATP), word), data.View(struct(IOSATP), word)
        unsupported = (tc.en_ats, tc.en_pri, tc.t2gpa, tc.prpr, tc.gade, tc.sade, tc.sbe, tc.sxl)
        # pdtp has the form of iosatp; of its modes this build has Bare.
        paged = (fsc.mode == IosatpMode.SV39) & ~context.pdtv
        with m.Switch(beat):
            with m.Case(0):
                m.d.comb += wrong.eq(Cat(
                    *unsupported, tc.dpe & ~tc.pdtv, reserved(DC_TC, tc, ignore=_CUSTOM)).any())
                with m.If(arrives):
                    m.d.sync += [context.pdtv.eq(tc.pdtv), context.dtf.eq(tc.dtf)]
            with m.Case(1):
                m.d.comb += wrong.eq(iohgatp.mode != 0)
            with m.Case(2):
                m.d.comb += wrong.eq(Cat(ta.rcid, ta.mcid, reserved(DC_TA, ta)).any())
                with m.If(arrives):
                    m.d.sync += context.pscid.eq(ta.pscid)
            with m.Case(3):
                m.d.comb += wrong.eq(
                    (fsc.mode != IosatpMode.BARE) & ~paged | reserved(IOSATP, fsc))
                with m.If(arrives):
                    m.d.sync += [
                        context.paged.eq(paged), context.root.eq(fsc.ppn),
                        context.root_wide.eq(fsc.ppn[len(context.root):].any()),
                    ]
