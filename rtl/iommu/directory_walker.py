"""Walks of the device directory, and from there of a process directory."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.hpm import HpmEvent
from rtl.spec.page_table import (
    DC_BYTES,
    DC_BYTES_EXTENDED,
    DDI_BITS_BASE,
    DDI_BITS_EXTENDED,
    DDTE,
    PAGE_BITS,
    PC_BYTES,
    PDI_BITS,
    DdtpMode,
    PdtpMode,
)

from .context_checks import PROCESS_CONTEXT, ContextChecks
from .events import EventSignature
from .records import (
    Kind,
    context_layout,
    guest_fault_layout,
    narrow,
    qos_layout,
    source_layout,
    table_bits,
)
from .service import ServiceSignature
from .tables import ReadSignature
from .walk_state import walk_signature

__all__ = ["DirectoryWalker", "directory_signature", "too_wide"]

_LEVELS = 3
#: From a cause of the device directory to the same of a process directory.
_PROCESS = Cause.PDT_LOAD_FAULT - Cause.DDT_LOAD_FAULT


def _ddi_bits(params: IommuParams) -> tuple[int, int, int]:
    return DDI_BITS_EXTENDED if params.msi_flat else DDI_BITS_BASE


def _indices(number: Value, widths: tuple[int, ...]) -> list[Value]:
    return [number[sum(widths[:k]):sum(widths[:k + 1])] for k in range(len(widths))]


def too_wide(params: IommuParams, mode: Value, did: Value) -> Value:
    """High if ``did`` has bits that a directory of ``mode`` does not index; 0 without directory."""
    one, two, _ = _ddi_bits(params)
    return ((mode == DdtpMode.LVL1) & did[one:].any() |
            (mode == DdtpMode.LVL2) & did[one + two:].any())


def directory_signature(params: IommuParams) -> ServiceSignature:
    """Service of a :class:`DirectoryWalker`.

    Request: ``source``, and the ``kind`` of its access, which names the cause of a guest-page
    fault. Reply: ``cause`` (:attr:`Cause.NONE` if all is well) with ``guest_fault``; ``context``,
    of which ``dtf`` is right for the causes that it may suppress, too; and ``stale``, high if an
    invalidation came meanwhile.
    """
    return ServiceSignature(
        data.StructLayout({"source": source_layout(params), "kind": Kind}),
        data.StructLayout({"cause": 12, "guest_fault": guest_fault_layout(params),
                           "context": context_layout(params), "stale": 1}))


class DirectoryWalker(wiring.Component):
    """Find and check a context, for one access at a time.

    A context is read as one burst and checked while it arrives. With an idle memory that answers in
    ``latency`` cycles, a device directory of one level takes ``latency + 5`` cycles from ``start``
    to ``valid``; each further level adds ``latency + 1``.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    service : ``In(directory_signature(params))``
        Accesses whose context to look for.
    mode, root : ``In(...)``
        ``ddtp``: a mode with a directory while there are requests, and the page number of its root.
    big, gxl : ``In(1)``
        ``fctl.be`` and ``fctl.gxl``.
    own_qos, qos : ``In(...)``, ``Out(...)``
        Identifiers of own accesses, and of those at ``table``.
    flush : ``In(1)``
        An invalidation is in progress: what was read so far is stale.
    stale : ``Out(1)``
        A search goes on that began before the last ``flush``.
    table : ``Out(ReadSignature(phys_bits))``
        Entries.
    fill : ``Out(...)``
        ``valid``, ``source`` and ``context``, once for each context found that may be kept.
    guest : ``Out(walk_signature(params))``
        Second stage, through which a process directory of a virtual machine is read.
    event : ``Out(EventSignature(params))``
        Searches in either directory, as they begin; with ``hpm``.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections "Process to locate the Device-context",
    "Process to locate the Process-context", and "Process to translate an IOVA", steps 6 to 13.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "service": In(directory_signature(params)),
            "mode": In(DdtpMode),
            "root": In(params.ppn_bits),
            "flush": In(1), "big": In(1), "gxl": In(1),
            "own_qos": In(qos_layout(params)), "qos": Out(qos_layout(params)),
            "stale": Out(1),
            "table": Out(ReadSignature(params.phys_bits)),
            "fill": Out(wiring.Signature({
                "valid": Out(1), "source": Out(source_layout(params)),
                "context": Out(context_layout(params))})),
            "guest": Out(walk_signature(params)),
            **({"event": Out(EventSignature(params))} if params.hpm else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params, service, table = self._params, self.service, self.table
        source = service.request.source
        m.submodules.checks = checks = ContextChecks(params)
        context = Signal(context_layout(params))
        m.d.comb += [context.eq(checks.context), context.did.eq(source.did)]
        process = Signal()              # in the process directory, else in that of devices
        m.d.comb += [checks.big.eq(self.big), checks.gxl.eq(self.gxl),
                     self.qos.eq(Mux(process, context.qos.as_value(), self.own_qos.as_value()))]
        level = Signal(range(_LEVELS))
        base = Signal(table_bits(params))
        beat = Signal(4)
        cause = Signal(12)
        guest_fault = Signal(guest_fault_layout(params))
        failed, corrupt = Signal(), Signal()
        stale = Signal()
        fresh = Signal()                # the context was read in the last cycle
        m.d.comb += service.reply.eq(Cat(cause, guest_fault, context, stale))
        with m.If(self.flush):
            m.d.sync += stale.eq(1)

        if params.hpm:
            m.d.comb += [
                context.origin.did.eq(source.did), context.origin.pid.eq(source.pid),
                context.origin.process.eq(source.process | checks.pdtv & checks.dpe),
                self.event.p.origin.eq(context.origin),
            ]
        self._address(m, process, level, base)
        m.d.comb += table.request.p.big.eq(Mux(process, checks.context.sbe, self.big))
        wide = base[params.ppn_bits:].any()
        offset = Mux(process, _PROCESS, 0)
        word = table.reply.data
        entry = data.View(struct(DDTE), word)
        m.d.comb += [
            checks.valid.eq(0), checks.index.eq(beat), checks.word.eq(word),
        ]
        refused = source.translated | source.process & ~checks.pdtv

        with m.FSM(name="search") as fsm:
            with m.State("IDLE"):
                m.d.comb += [service.start.eq(service.want), checks.first.eq(1)]
                if params.hpm:          # the context is not known yet
                    m.d.comb += [self.event.valid.eq(service.want),
                                 self.event.p.event.eq(HpmEvent.DEVICE_WALK),
                                 self.event.p.origin.process.eq(source.process)]
                m.d.sync += [level.eq(self.mode - DdtpMode.LVL1), base.eq(self.root)]
                m.d.sync += [beat.eq(0), process.eq(0), failed.eq(0), corrupt.eq(0), stale.eq(0),
                             guest_fault.eq(0)]
                with m.If(service.want):
                    m.next = "READ"

            with m.State("READ"):
                m.d.comb += table.request.valid.eq(~wide)
                with m.If(wide):
                    m.d.sync += cause.eq(Cause.DDT_LOAD_FAULT + offset)
                    m.next = "DONE"
                with m.Elif(table.request.ready):
                    m.next = "ENTRY"
                    with m.If(level == 0):
                        m.next = "CONTEXT"

            with m.State("ENTRY"):
                with m.If(table.reply.valid):
                    m.d.sync += [level.eq(level - 1), base.eq(narrow(params, entry.ppn))]
                    m.next = "DONE"
                    with m.If(table.reply.error):
                        m.d.sync += cause.eq(_load_fault(process, table.reply.poison))
                    with m.Elif(~entry.v):
                        m.d.sync += cause.eq(Cause.DDT_INVALID + offset)
                    with m.Elif(reserved(DDTE, entry)):
                        m.d.sync += cause.eq(Cause.DDT_MISCONFIGURED + offset)
                    with m.Else():
                        self._enter(m, process, context)

            with m.State("CONTEXT"):
                m.d.comb += checks.valid.eq(table.reply.valid)
                with m.If(table.reply.valid):
                    m.d.sync += [beat.eq(beat + 1), failed.eq(failed | table.reply.error),
                                 corrupt.eq(corrupt | table.reply.poison)]
                    with m.If(table.reply.last):
                        m.next = "DONE"
                        m.d.sync += fresh.eq(1)
                        with m.If(failed | table.reply.error):
                            m.d.sync += cause.eq(
                                _load_fault(process, corrupt | table.reply.poison))
                        with m.Elif(checks.invalid):
                            m.d.sync += cause.eq(Cause.DDT_INVALID + offset)
                        with m.Elif(checks.misconfigured):
                            m.d.sync += cause.eq(Cause.DDT_MISCONFIGURED + offset)
                        with m.Elif(refused | process & source.supervisor & ~checks.ens):
                            m.d.sync += cause.eq(Cause.TYPE_DISALLOWED)
                        with m.Else():
                            m.d.sync += cause.eq(Cause.NONE)
                            if params.processes:
                                with m.If(checks.pdtv & ~process):
                                    m.d.sync += fresh.eq(0)
                                    m.next = "PROCESS"

            if params.processes:
                with m.State("PROCESS"):
                    beyond = too_wide_process(checks.process_mode, source.pid)
                    m.d.comb += checks.first.eq(1)
                    m.d.sync += [process.eq(1), level.eq(checks.process_mode - PdtpMode.PD8),
                                 base.eq(checks.context.root), beat.eq(PROCESS_CONTEXT)]
                    with m.If(beyond):
                        m.d.sync += cause.eq(Cause.TYPE_DISALLOWED)
                        m.next = "DONE"
                    with m.Elif((source.process | checks.dpe) &
                                (checks.process_mode != PdtpMode.BARE)):
                        self._enter(m, Const(1), context)
                        if params.hpm:
                            m.d.comb += [self.event.valid.eq(1),
                                         self.event.p.event.eq(HpmEvent.PROCESS_WALK)]
                    with m.Else():
                        m.d.sync += fresh.eq(1)
                        m.next = "DONE"

            if self._guests:
                with m.State("GUEST"):
                    self._translate(m, base, cause, guest_fault, context)

            with m.State("DONE"):
                m.d.comb += service.valid.eq(1)
                m.d.comb += self.fill.valid.eq(fresh & (cause == Cause.NONE) &
                                               ~stale & ~self.flush)
                m.d.sync += fresh.eq(0)
                with m.If(service.take):
                    m.next = "IDLE"
        m.d.comb += [
            self.stale.eq(stale & ~fsm.ongoing("IDLE")),
            self.fill.source.eq(source), self.fill.context.eq(context),
        ]
        return m

    @property
    def _guests(self) -> bool:
        """Whether a process directory may be that of a virtual machine."""
        return self._params.processes and self._params.two_stage

    def _enter(self, m, process, context):
        """Go on in the table at ``base``, whose page number a virtual machine gave."""
        m.next = "READ"
        if self._guests:
            with m.If(process & context.guest):
                m.next = "GUEST"

    def _address(self, m, process, level, base):
        """Where to read: an entry of 8 bytes, or a context."""
        source, request = self.service.request.source, self.table.request.p
        extended = self._params.msi_flat
        places = [(0, _indices(source.did, _ddi_bits(self._params)),
                   DC_BYTES_EXTENDED if extended else DC_BYTES)]
        if self._params.processes:
            places.append((1, _indices(source.pid, PDI_BITS), PC_BYTES))
        with m.Switch(Cat(level, process)):
            for directory, indices, size in places:
                for k, index in enumerate(indices):
                    entry = size if k == 0 else 8
                    zeros = entry.bit_length() - 1
                    with m.Case(directory << 2 | k):
                        m.d.comb += request.addr.eq(Cat(
                            Const(0, zeros), index, Const(0, PAGE_BITS - zeros - len(index)), base))
                        m.d.comb += request.len.eq(entry // 8 - 1)

    def _translate(self, m, base, cause, guest_fault, context):
        """Find out where the process directory's page is in memory."""
        guest = self.guest
        m.d.comb += [
            guest.want.eq(1), guest.request.page.eq(base),
            guest.request.kind.eq(self.service.request.kind), guest.request.context.eq(context),
            guest.request.implicit.eq(1), guest.take.eq(guest.valid),
        ]
        with m.If(guest.valid):
            m.d.sync += [base.eq(guest.reply.page.ppn), cause.eq(guest.reply.cause),
                         guest_fault.eq(guest.reply.guest_fault)]
            m.next = "DONE"
            with m.If(guest.reply.cause == Cause.NONE):
                m.next = "READ"
            with m.Elif(~guest.reply.cause.matches(
                    Cause.EXEC_GUEST_PAGE_FAULT, Cause.READ_GUEST_PAGE_FAULT,
                    Cause.WRITE_GUEST_PAGE_FAULT)):
                corrupt = guest.reply.cause == Cause.PAGE_TABLE_CORRUPTION
                m.d.sync += cause.eq(_load_fault(Const(1), corrupt))


def _load_fault(process: Value, corrupt: Value) -> Value:
    """Give the cause of a failed read of a directory, of processes or of devices."""
    return Mux(process, Mux(corrupt, Cause.PDT_CORRUPTION, Cause.PDT_LOAD_FAULT),
               Mux(corrupt, Cause.DDT_CORRUPTION, Cause.DDT_LOAD_FAULT))


def too_wide_process(mode: Value, pid: Value) -> Value:
    """High if ``pid`` has bits that a process directory of ``mode`` does not index."""
    one, two, _ = PDI_BITS
    return ((mode == PdtpMode.PD8) & pid[one:].any() |
            (mode == PdtpMode.PD17) & pid[one + two:].any())
