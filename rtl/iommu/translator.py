"""Translation of one channel, AR or AW: wires its stages."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.spec.hpm import HpmEvent
from rtl.spec.page_table import DdtpMode

from .context_cache import ContextLookupSignature
from .context_stage import ContextStage
from .directory_walker import directory_signature
from .events import EventSignature, tell
from .interrupt_file import FileSignature
from .issue_stage import IssueStage
from .parking import Parking
from .records import (
    address_layout,
    fault_layout,
    memory_user,
    qos_layout,
    refused_layout,
)
from .tlb import LookupSignature
from .tlb_stage import TlbStage
from .walk_pool import AnswerSignature, AskSignature

__all__ = ["Translator"]


class Translator(wiring.Component):
    """Context, then TLB, then perhaps a walk, then memory or refusal: the path of AR or of AW.

    An access that hits is at ``o`` one cycle after it is at ``i``, one each cycle. Accesses of one
    AXI ID stay in order, and so do all writes; a refusal holds up those behind it.

    Parameters
    ----------
    params : IommuParams
        Parameters.
    writes : bool
        The channel is AW, else AR.
    dbg : bool
        The top bit of the ID tells translation requests.

    Members
    -------
    i, o : streams
        Accesses with I/O virtual addresses, and with physical addresses.
    mode, qos, contexts, directory
        As in :class:`~rtl.iommu.context_stage.ContextStage`.
    tlb, hit, miss
        As in :class:`~rtl.iommu.tlb_stage.TlbStage`.
    ask, answer
        As in :class:`~rtl.iommu.parking.Parking`.
    room, passed, refused, fault, file
        As in :class:`~rtl.iommu.issue_stage.IssueStage`.
    flush : ``In(1)``
        An invalidation is in progress.
    stale : ``Out(1).array(2)``
        An access that began before is in one of the stages.
    events : ``Out(EventSignature(params)).array(...)``
        Requests, and misses of the TLB; none without ``hpm``.
    """

    def __init__(self, params: IommuParams, *, writes: bool, dbg: bool = False):
        self._params, self._writes, id_width = params, writes, params.id_width
        self._dbg = dbg
        super().__init__({
            "i": In(stream.Signature(address_layout(id_width=id_width))),
            "o": Out(stream.Signature(
                address_layout(id_width=id_width, addr_width=params.phys_bits,
                               user=memory_user(params)))),
            "room": In(1),
            "passed": Out(wiring.Signature({"valid": Out(1), "id": Out(id_width)})),
            "refused": Out(stream.Signature(refused_layout(id_width))),
            "fault": Out(stream.Signature(fault_layout(params))),
            "file": Out(FileSignature(params)).array(int(writes and params.msi_mrif)),
            "mode": In(DdtpMode), "qos": In(qos_layout(params)),
            "contexts": Out(ContextLookupSignature(params)),
            "directory": Out(directory_signature(params)),
            "tlb": Out(LookupSignature(params)),
            "ask": Out(AskSignature(params)), "answer": In(AnswerSignature(params)),
            "flush": In(1), "stale": Out(1).array(2), "hit": Out(1), "miss": Out(1),
            "events": Out(EventSignature(params)).array(2 * params.hpm),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.context = context = ContextStage(self._params, writes=self._writes)
        m.submodules.lookup = lookup = TlbStage(self._params)
        m.submodules.parking = parking = Parking(self._params, in_order=self._writes)
        m.submodules.issue = issue = IssueStage(
            self._params, writes=self._writes, dbg=self._dbg)
        connect(m, flipped(self.i), context.i)
        connect(m, context.o, lookup.i)
        connect(m, lookup.o, parking.i)
        connect(m, parking.o, issue.i)
        connect(m, issue.o, flipped(self.o))
        connect(m, issue.passed, flipped(self.passed))
        connect(m, issue.refused, flipped(self.refused))
        connect(m, issue.fault, flipped(self.fault))
        for inside, file in zip(issue.file, self.file, strict=True):
            connect(m, inside, flipped(file))
        connect(m, context.lookup, flipped(self.contexts))
        connect(m, context.directory, flipped(self.directory))
        connect(m, lookup.lookup, flipped(self.tlb))
        connect(m, parking.ask, flipped(self.ask))
        connect(m, flipped(self.answer), parking.answer)
        m.d.comb += [
            context.mode.eq(self.mode), context.qos.eq(self.qos),
            issue.room.eq(self.room),
            lookup.flush.eq(self.flush), parking.flush.eq(self.flush),
            self.stale[0].eq(lookup.stale),
            self.stale[1].eq(parking.stale | Cat(file.want for file in issue.file).any()),
            lookup.claim.eq(parking.claim),
            self.hit.eq(lookup.hit), self.miss.eq(lookup.miss),
        ]
        if self._params.hpm:
            self._tell(m, context.o, lookup)
        return m

    def _tell(self, m, known, lookup):
        """Events: requests, as they get to the TLB, and misses, as they leave it."""
        request, user = self.events[0], known.p.access.user
        m.d.comb += [
            request.valid.eq(known.valid & known.ready),
            request.p.event.eq(Mux(user.translated, HpmEvent.TRANSLATED_REQUEST,
                                   HpmEvent.UNTRANSLATED_REQUEST)),
            request.p.origin.did.eq(user.device_id),
            request.p.origin.process.eq(user.process_valid),
            request.p.origin.pid.eq(user.process_id),
        ]
        tell(m, self.events[1], HpmEvent.TLB_MISS, lookup.miss, lookup.o.p.known.context)
