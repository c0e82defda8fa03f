"""A second copy of the tags, for the snoop port to read."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from ..layouts import LineLayout, RowLayout
from ..ram import Ram

__all__ = ["Shadow"]


class Shadow(wiring.Component):
    """Tags and state, so that a device's access takes no time of the lookup.

    The state of the line that is asked about is told in the next cycle, as it was in the cycle of
    the question. If a tag of its set changed just then, the line is said to be pending.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    line : ``In(LineLayout(params))``
        Line that is asked about.
    valid, dirty, pending : ``Out(1)``
        State of the line that was asked about in the cycle before; ``valid``: it is there.
    write : ``In(1)``, write_set : ``In(set_bits)``, write_row : ``In(RowLayout(params))``
        The state of a set changes.
    fill : ``In(ways)``, fill_tag : ``In(tag_bits)``
        The tags of these ways change, in set ``write_set``.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "line": In(LineLayout(params)), "valid": Out(1), "dirty": Out(1), "pending": Out(1),
            "write": In(1), "write_set": In(params.set_bits), "write_row": In(RowLayout(params)),
            "fill": In(params.ways), "fill_tag": In(params.tag_bits),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.tags = tags = Ram(
            width=params.tag_bits * params.ways, depth=params.sets, granularity=params.tag_bits)
        m.submodules.states = states = memory.Memory(
            shape=3 * params.ways, depth=params.sets, init=[])
        write, read = states.write_port(), states.read_port(domain="comb")

        clash = Signal()                    # a tag must not be read in the cycle of its change
        tag = Signal(params.tag_bits)
        valid, dirty, pending = (Signal(params.ways, name=name)
                                 for name in ("valid", "dirty", "pending"))
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_set),
            write.data.eq(Cat(self.write_row.valid, self.write_row.dirty, self.write_row.pending)),
            read.addr.eq(self.line.set),
            tags.read.eq(1),
            tags.read_at.eq(self.line.set),
            tags.write.eq(self.fill),
            tags.write_at.eq(self.write_set),
            tags.new.eq(self.fill_tag.replicate(params.ways)),
        ]
        m.d.sync += [Cat(valid, dirty, pending).eq(read.data), tag.eq(self.line.tag),
                     clash.eq(self.fill.any() & (self.write_set == self.line.set))]
        stored = Signal(data.ArrayLayout(params.tag_bits, params.ways))
        here = Signal(params.ways)
        m.d.comb += [
            stored.eq(tags.data),
            here.eq(valid & Cat(other == tag for other in stored)),
            self.valid.eq(here.any() | clash),
            self.dirty.eq((here & dirty).any()),
            self.pending.eq((here & pending).any() | clash),
        ]
        return m
