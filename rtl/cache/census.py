"""Which sets hold anything at all, several at a glance."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

__all__ = ["Census"]


class Census(wiring.Component):
    """One bit for sets with a line, one for sets with a dirty line, in a small RAM.

    What is written is seen in the next cycle; an answer is combinational.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    write : ``In(1)``, set : ``In(set_bits)``, full, dirty : ``In(1)``
        A set holds a line; one that memory has not, or has not acknowledged.
    asked : ``In(set_bits)``
        Ask about the group of sets with this one: ``params.group`` of them, from a multiple of it.
    some_full, some_dirty : ``Out(1)``
        Any set of the group does.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "write": In(1), "set": In(params.set_bits), "full": In(1), "dirty": In(1),
            "asked": In(params.set_bits), "some_full": Out(1), "some_dirty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        group = self.params.group
        low = group.bit_length() - 1
        m.submodules.bits = bits = memory.Memory(
            shape=2 * group, depth=self.params.sets // group, init=[])
        write = bits.write_port(granularity=2)
        read = bits.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(self.set[low:]),
            write.data.eq(Cat(self.full, self.dirty).replicate(group)),
            write.en.eq(Mux(self.write, 1 << self.set[:low], 0)),
            read.addr.eq(self.asked[low:]),
            self.some_full.eq(read.data[::2].any()),
            self.some_dirty.eq(read.data[1::2].any()),
        ]
        return m
