"""Updates of A and D in page-table entries."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .records import qos_layout
from .tables import WriteSignature

__all__ = ["EntryUpdates"]


class EntryUpdates(wiring.Component):
    """Let one walk at a time update entries: memory has one reservation for all.

    A walk reads its entry again, exclusively, and then writes it. Until then, and until it needs no
    other update for that, no other walk reads exclusively.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    walk : ``In(range(walks))``
        Whose turn it is; all other inputs are strobes and values of this one.
    blocked : ``Out(1)``
        It must not read exclusively now.
    waits, reads, ends : ``In(1)``
        It waits until it may; it reads exclusively; it has nothing to update, if it ever had.
    write, addr, data, big, word, user : ``In(...)``
        Write this entry, exclusively, with this AxUSER; ``word`` if it has 32 bits.
    error, missed : ``Out(1)``
        How that went: it failed, or somebody else has written in between.
    locks, holds : ``Out(1)``, ``In(1)``
        A walk updates an entry; none may begin to.
    woken : ``Out(walks)``
        Walks whose write has ended, or that may read now.
    store, store_user : ``Out(...)``
        Memory, and AxUSER.
    """

    def __init__(self, params: IommuParams):
        self._walks, user = params.walks, qos_layout(params)
        super().__init__({
            "walk": In(range(params.walks)), "blocked": Out(1), "waits": In(1), "reads": In(1),
            "ends": In(1), "write": In(1), "addr": In(params.phys_bits), "data": In(64),
            "big": In(1), "word": In(int(params.narrow)), "user": In(user),
            "locks": Out(1), "holds": In(1),
            "error": Out(1), "missed": Out(1), "woken": Out(params.walks),
            "store": Out(WriteSignature(params.phys_bits)), "store_user": Out(user)})

    def elaborate(self, platform):
        m = Module()
        store, held, holder = self.store, Signal(), Signal(range(self._walks))
        waiting = Signal(self._walks)
        others = holder != self.walk
        m.d.comb += [self.blocked.eq(held & others | self.holds), store.lock.eq(1),
                     self.locks.eq(held | self.reads)]
        with m.If(self.waits):
            m.d.sync += waiting.eq(waiting | self._one(self.walk))
        with m.If(self.reads):
            m.d.sync += [held.eq(1), holder.eq(self.walk)]
        with m.Elif(self.ends & ~others):
            m.d.sync += held.eq(0)
        with m.If(~held & ~self.holds):
            m.d.sync += waiting.eq(0)
            m.d.comb += self.woken.eq(waiting)
        with m.If(self.write):
            m.d.sync += [
                store.valid.eq(1), store.addr.eq(self.addr), store.big.eq(self.big),
                store.data.eq(self.data), self.store_user.eq(self.user)]
            if len(self.word):          # in both halves, one of which is written
                m.d.sync += [
                    store.word.eq(self.word),
                    store.data.eq(Mux(self.word, self.data[:32].replicate(2), self.data))]
        with m.If(store.valid & store.done):
            m.d.sync += [store.valid.eq(0), self.error.eq(store.error),
                         self.missed.eq(store.missed)]
            m.d.comb += self.woken.eq(self._one(holder))
        return m

    def _one(self, walk):
        return Cat(walk == k for k in range(self._walks))
