"""How the TLB does."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count events, modulo 2**32, from the second cycle after they happen.

    An answer of the TLB comes late in its cycle; so it is only noted there, and counted after.

    - ``tlb_hits``, ``tlb_misses``: exactly one of them for each burst with a context and a page
      table of either stage. A hit is an entry that permits the access; all else goes to the walker
      and is a miss.
    - ``walks``: walks of the first stage. One that faults counts, also at once for an address that
      is not canonical.

    Members
    -------
    hit, miss : ``In(1).array(2)``
        Strobes, of reads and of writes.
    walk : ``In(1)``
        Strobe.
    tlb_hits, tlb_misses, walks : ``Out(32)``
        Counts.
    """

    def __init__(self):
        super().__init__({
            "hit": In(1).array(2), "miss": In(1).array(2), "walk": In(1),
            "tlb_hits": Out(32), "tlb_misses": Out(32), "walks": Out(32)})

    def elaborate(self, platform):
        m = Module()
        for count, strobes in ((self.tlb_hits, self.hit), (self.tlb_misses, self.miss),
                               (self.walks, [self.walk])):
            events = Signal(len(strobes))
            m.d.sync += [events.eq(Cat(*strobes)), count.eq(count + sum(events))]
        return m
