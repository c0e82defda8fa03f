"""The memory side: refills, write-backs and the bypass on one AXI4 bus."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .layouts import bus, channel

__all__ = ["MemoryPort"]


class MemoryPort(wiring.Component):
    """Lend the bus to the bypass while it is active, else to refill and write-back. Combinational.

    The two never overlap, so nothing has to be sorted by ID. Those of refill and write-back have
    ID 0, uncacheable ones that of the CPU.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    bypass : ``In(1)``
        The bypass is active.
    refill_ar, bypass_ar, victim_aw, victim_w, bypass_aw, bypass_w : ``In(channel(params, ...))``
        To memory.
    refill_r, bypass_r, victim_b, bypass_b : ``Out(channel(params, ...))``
        From memory.
    memory : ``Out(bus(params))``
        Memory.
    """

    def __init__(self, params: CacheParams):
        to_memory = {"refill_ar": "ar", "bypass_ar": "ar", "victim_aw": "aw", "bypass_aw": "aw",
                     "victim_w": "w", "bypass_w": "w"}
        from_memory = {"refill_r": "r", "bypass_r": "r", "victim_b": "b", "bypass_b": "b"}
        super().__init__({
            "bypass": In(1),
            **{name: In(channel(params, kind)) for name, kind in to_memory.items()},
            **{name: Out(channel(params, kind)) for name, kind in from_memory.items()},
            "memory": Out(bus(params)),
        })

    def elaborate(self, platform):
        m = Module()
        memory = self.memory
        with m.If(self.bypass):
            self._join(m, self.bypass_ar, memory.ar)
            self._join(m, self.bypass_aw, memory.aw)
            self._join(m, self.bypass_w, memory.w)
            self._join(m, memory.r, self.bypass_r)
            self._join(m, memory.b, self.bypass_b)
        with m.Else():
            self._join(m, self.refill_ar, memory.ar)
            self._join(m, self.victim_aw, memory.aw)
            self._join(m, self.victim_w, memory.w)
            self._join(m, memory.r, self.refill_r)
            self._join(m, memory.b, self.victim_b)
        # What is read has no meaning without `valid`; it need not pass through a choice.
        m.d.comb += [self.bypass_r.payload.eq(memory.r.payload),
                     self.refill_r.payload.eq(memory.r.payload),
                     self.bypass_b.payload.eq(memory.b.payload),
                     self.victim_b.payload.eq(memory.b.payload)]
        return m

    @staticmethod
    def _join(m, source, sink):
        m.d.comb += [sink.valid.eq(source.valid), sink.payload.eq(source.payload),
                     source.ready.eq(sink.ready)]
