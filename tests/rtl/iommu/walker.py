"""A page walker with what surrounds it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from rtl.iommu.guest_cache import GuestCache
from rtl.iommu.page_walker import PageWalker
from rtl.iommu.walk_cache import ShortcutLayout
from rtl.iommu.walk_state import walk_signature

__all__ = ["Walker"]


class Walker(wiring.Component):
    """One walk at a time, with guest pages that are known, if the build has that.

    If it ``remembers``, with the shortcut that it found last, until a flush.
    """

    def __init__(self, params, *, remembers=False):
        self.inner, self.params, self.remembers = PageWalker(params), params, remembers
        members = {name: self.inner.signature.members[name]
                   for name in ("table", "store", "found", "started")}
        super().__init__(members | {
            "service": In(walk_signature(params)), "shortcut": In(ShortcutLayout(params)),
            "flush": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        for name in ("table", "store", "found"):
            connect(m, getattr(inner, name), flipped(getattr(self, name)))
        service, start, result, busy = self.service, inner.start, inner.result, Signal()
        m.d.comb += [
            service.start.eq(service.want & ~busy), start.valid.eq(service.start),
            start.request.eq(service.request), start.shortcut.eq(self.shortcut),
            inner.index[0].eq(service.request.page), inner.ahead.eq(service.request.ahead),
            self.started.eq(inner.started), inner.flush.eq(self.flush),
        ]
        reply, there = Signal.like(result.reply), Signal()
        m.d.comb += [service.valid.eq(result.valid | there),
                     service.reply.eq(Mux(there, reply.as_value(), result.reply.as_value()))]
        with m.If(result.valid):
            m.d.sync += [reply.eq(result.reply), there.eq(1)]
        with m.If(service.start):
            m.d.sync += busy.eq(1)
        with m.If(service.take):
            m.d.sync += [busy.eq(0), there.eq(0)]
        if self.remembers:
            last = Signal.like(inner.found.table)
            m.d.comb += start.shortcut.eq(last)
            with m.If(inner.found.valid):
                m.d.sync += last.eq(inner.found.table)
            with m.If(self.flush):
                m.d.sync += last.hit.eq(0)
        if inner.guest:
            m.submodules.guests = guests = GuestCache(self.params)
            connect(m, inner.guest[0], guests.walker)
            m.d.comb += guests.flush.eq(self.flush)
        return m
