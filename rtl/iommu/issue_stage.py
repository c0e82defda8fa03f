"""Last stage of a translation: pass the access on, or refuse it."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.signature import CACHE_BUFFERABLE, CACHE_MODIFIABLE
from rtl.params import IommuParams
from rtl.spec.faults import DTF_KEEPS, Cause
from rtl.spec.page_table import PAGE_BITS
from rtl.stream.skid import Skid

from .interrupt_file import FILE_BITS, FileSignature
from .msi_table import TO_FILE
from .parking import decided_layout
from .permissions import transaction_type
from .records import address_layout, fault_layout, memory_user, refused_layout

__all__ = ["IssueStage"]

_NON_CACHEABLE, _IO = 1, 2              # memory types of Svpbmt
_BEYOND = 56 - FILE_BITS                # behind the number of an interrupt file


class IssueStage(wiring.Component):
    """Pass accesses on with their physical addresses, or refuse them.

    An access is at ``o`` in the cycle in which it comes, one each cycle; if memory makes it wait,
    it waits here. A refusal holds up what follows until its response and its record are accepted.

    The memory type of a page narrows AxCACHE: to non-cacheable and bufferable memory for NC, to an
    access without any of its bits for I/O. AxUSER are quality-of-service identifiers, if there are.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    writes : bool
        There may be messages to interrupt files in memory; with ``msi_mrif``.
    dbg : bool
        The top bit of the ID tells translation requests, which are no messages.

    Members
    -------
    i : ``In(stream.Signature(decided_layout(params)))``
        Accesses; another may take the place of one that waits.
    o : ``Out(stream.Signature(address_layout(...)))``
        Accesses with physical addresses, in order.
    room : ``In(1)``
        One more access may be passed on.
    passed : ``Out(...)``
        ``valid`` and ``id`` of an access, when it is taken; only while ``room``.
    refused : ``Out(stream.Signature(refused_layout(...)))``
        Accesses to answer with an error; ``ready`` when the error was delivered.
    fault : ``Out(stream.Signature(fault_layout(params)))``
        Faults to record.
    file : ``Out(FileSignature(params)).array(...)``
        A message, which like a refusal holds up what follows.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Fault/Event-Queue (FQ)".
    """

    def __init__(self, params: IommuParams, *, writes: bool = False, dbg: bool = False):
        self._params, id_width, self._dbg = params, params.id_width, dbg
        self._physical = address_layout(id_width=id_width, addr_width=params.phys_bits,
                                        user=memory_user(params))
        super().__init__({
            "i": In(stream.Signature(decided_layout(params))),
            "o": Out(stream.Signature(self._physical)),
            "room": In(1),
            "passed": Out(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "refused": Out(stream.Signature(refused_layout(id_width))),
            "fault": Out(stream.Signature(fault_layout(params))),
            "file": Out(FileSignature(params)).array(int(writes and params.msi_mrif)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.skid = skid = Skid(self._physical)
        connect(m, skid.o, flipped(self.o))
        here = Signal.like(self.i.p)    # being refused, if `refuses`
        refuses, answered, recorded, reported = Signal(), Signal(), Signal(), Signal()

        # Pass. What is in the skid is in flight, even if memory makes it wait.
        access, fate, passes = self.i.p.access, self.i.p.fate, Signal()
        m.d.comb += [
            passes.eq(fate.cause == Cause.NONE),
            self.i.ready.eq(skid.i.ready & self.room & ~refuses),
            skid.i.valid.eq(self.i.valid & passes & self.room & ~refuses),
            skid.i.p.addr.eq(Cat(access.addr[:PAGE_BITS], fate.ppn)),
            skid.i.p.user.eq(self.i.p.qos),
            self.passed.valid.eq(skid.i.valid & skid.i.ready), self.passed.id.eq(access.id),
        ]
        m.d.comb += [skid.i.p[name].eq(access[name]) for name in
                     ("id", "len", "size", "burst", "lock", "cache", "prot", "qos")]
        with m.If(fate.pbmt == _NON_CACHEABLE):
            m.d.comb += skid.i.p.cache.eq(CACHE_BUFFERABLE | CACHE_MODIFIABLE)
        with m.If(fate.pbmt == _IO):
            m.d.comb += skid.i.p.cache.eq(0)

        # Refuse: a response and a record.
        with m.If(refuses):
            m.d.comb += [self.refused.valid.eq(~answered),
                         self.fault.valid.eq(~recorded & reported)]
            m.d.sync += [answered.eq(answered | self.refused.ready),
                         recorded.eq(recorded | self.fault.ready)]
            with m.If((answered | self.refused.ready) &
                      (recorded | self.fault.ready | ~reported)):
                m.d.sync += [refuses.eq(0), answered.eq(0), recorded.eq(0)]
        with m.Else():
            m.d.sync += [here.eq(self.i.p), refuses.eq(self.i.valid & self.i.ready & ~passes)]
        if self._params.msi_mrif:
            self._message(m, here, refuses)
        access, fate, fault = here.access, here.fate, self.fault.p
        process = access.user.process_valid
        m.d.comb += [
            reported.eq((~here.dtf | fate.cause.matches(*sorted(DTF_KEEPS))) &
                        (fate.cause != Cause.NONE)),
            self.refused.p.id.eq(access.id), self.refused.p.len.eq(access.len),
            fault.cause.eq(fate.cause),
            fault.ttyp.eq(transaction_type(here.wants.kind, access.user.translated)),
            fault.did.eq(access.user.device_id), fault.iotval.eq(access.addr),
            fault.pv.eq(process), fault.priv.eq(here.wants.privileged),
            fault.pid.eq(Mux(process, access.user.process_id, 0)),
        ]
        if self._params.two_stage:
            guest = fate.guest_fault
            offset = Mux(guest.implicit, 0, access.addr[2:PAGE_BITS])
            with m.If(fate.cause.matches(
                    Cause.EXEC_GUEST_PAGE_FAULT, Cause.READ_GUEST_PAGE_FAULT,
                    Cause.WRITE_GUEST_PAGE_FAULT)):
                m.d.comb += fault.iotval2.eq(
                    Cat(guest.implicit, guest.update.any(), offset, guest.gpn))
        return m

    def _message(self, m, here, refuses):
        """Tell what is a message, and wait until it was carried out; all else is not supported."""
        access, fate = self.i.p.access, self.i.p.fate
        supported = Const(0)
        for file in self.file:
            supported = ~Cat(access.len, access.lock, access.id[-1:] if self._dbg else ()).any()
            where = here.fate.guest_fault
            m.d.comb += [
                file.to.file.eq(where.gpn), file.to.beyond.eq(where.gpn[_BEYOND]),
                file.to.notice.eq(here.fate.ppn),
                file.to.number.eq(where.number), file.at.eq(here.access.addr[3:PAGE_BITS]),
                file.qos.eq(here.qos),
                file.good.eq(here.fate.cause == Cause.NONE),
                file.want.eq(refuses & (here.fate.cause == TO_FILE)),
            ]
            with m.If(file.want):
                m.d.comb += self.fault.valid.eq(0)
                with m.If(file.done):
                    m.d.sync += here.fate.cause.eq(file.cause)
        with m.If(~refuses & (fate.cause == TO_FILE) & ~supported):
            m.d.sync += here.fate.cause.eq(Cause.TYPE_DISALLOWED)
