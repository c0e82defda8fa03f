"""A page walker with what surrounds it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from rtl.iommu.guest_cache import GuestCache
from rtl.iommu.page_walker import PageWalker

__all__ = ["Walker"]


class Walker(wiring.Component):
    """The walker, with guest pages that are known, if the build has that.

    If it ``remembers``, with the shortcut that it found last, until a flush.
    """

    def __init__(self, params, *, remembers=False):
        self.inner, self.params, self.remembers = PageWalker(params), params, remembers
        members = dict(self.inner.signature.members)
        del members["guest"]
        super().__init__(members | {"flush": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        for name in ("service", "table", "store", "found"):
            connect(m, flipped(getattr(self, name)), getattr(inner, name))
        m.d.comb += inner.shortcut.eq(self.shortcut)
        if self.remembers:
            last = Signal.like(inner.found.table)
            m.d.comb += inner.shortcut.eq(last)
            with m.If(inner.found.valid):
                m.d.sync += last.eq(inner.found.table)
            with m.If(self.flush):
                m.d.sync += last.hit.eq(0)
        m.d.comb += [inner.may_lock.eq(self.may_lock),
                     self.started.eq(inner.started), self.locks.eq(inner.locks)]
        if inner.guest:
            m.submodules.guests = guests = GuestCache(self.params)
            connect(m, inner.guest[0], guests.walkers[0])
            m.d.comb += [guests.contexts[0].eq(inner.service.request.context),
                         guests.flush.eq(self.flush)]
        return m
