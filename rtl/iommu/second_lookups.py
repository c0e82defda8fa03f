"""Walks that wait for the second level of the TLB."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import IommuParams
from rtl.stream.queue import Queue

from .records import leaf_layout
from .second_tlb import ProbeLayout, SecondTlb
from .tlb import DropLayout
from .tlb_entry import KeyLayout

__all__ = ["SecondLookups"]


class SecondLookups(wiring.Component):
    """Ask the second level for one walk after the other, in order.

    Parameters
    ----------
    params : IommuParams
        Parameters, with ``second_entries``.

    Members
    -------
    ask : ``In(...)``
        ``valid`` and ``p``, a :class:`ProbeLayout`: a question, at most one for each walk.
    missed : ``Out(walks)``
        Nothing was found for this walk, in this cycle only.
    hit : ``Out(stream.Signature(...))``
        ``walker``, ``key`` and ``leaf`` of what was found.
    fill, flush, drop : ``In(...)``
        As in :class:`~rtl.iommu.second_tlb.SecondTlb`.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "ask": In(wiring.Signature({"valid": Out(1), "p": Out(ProbeLayout(params))})),
            "missed": Out(params.walks),
            "hit": Out(stream.Signature(data.StructLayout({
                "walker": range(params.walks), "key": KeyLayout(params),
                "leaf": leaf_layout(params)}))),
            "fill": In(wiring.Signature({
                "valid": Out(1), "key": Out(KeyLayout(params)), "leaf": Out(leaf_layout(params))})),
            "flush": In(1),
            "drop": In(wiring.Signature({"valid": Out(1), "payload": Out(DropLayout(params))}))})

    def elaborate(self, platform):
        m = Module()
        walks = self._params.walks
        m.submodules.questions = questions = Queue(ProbeLayout(self._params), walks)
        m.submodules.tlb = tlb = SecondTlb(self._params)
        connect(m, flipped(self.drop), tlb.drop)
        connect(m, flipped(self.fill), tlb.fill)
        looks, held, hit, waits = Signal(), Signal(), self.hit, questions.o.valid
        kept, goes = Signal.like(hit.p), tlb.probe.valid & tlb.probe.ready
        m.d.comb += [
            # A question that comes alone is asked at once.
            questions.i.valid.eq(self.ask.valid & (waits | ~goes)), questions.i.p.eq(self.ask.p),
            tlb.probe.valid.eq((waits | self.ask.valid) & ~looks & ~held),
            tlb.probe.payload.eq(Mux(waits, questions.o.p.as_value(), self.ask.p.as_value())),
            questions.o.ready.eq(goes), tlb.flush.eq(self.flush),
            self.missed.eq(Mux(tlb.answered & ~tlb.hit,
                               Cat(tlb.walker == k for k in range(walks)), 0)),
        ]
        with m.If(goes):
            m.d.sync += [looks.eq(1), kept.key.eq(tlb.probe.payload.key)]
        m.d.comb += [hit.valid.eq(held), hit.p.eq(kept)]
        with m.If(tlb.answered):
            m.d.sync += [looks.eq(0), kept.walker.eq(tlb.walker), kept.leaf.eq(tlb.leaf)]
            m.d.comb += [hit.valid.eq(tlb.hit), hit.p.walker.eq(tlb.walker),
                         hit.p.leaf.eq(tlb.leaf)]
        m.d.sync += held.eq(hit.valid & ~hit.ready)
        return m
