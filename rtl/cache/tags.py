"""Which lines the cache holds, and in what state."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .census import Census
from .layouts import LineLayout, RowLayout
from .ram import Ram
from .snoop.shadow import Shadow

__all__ = ["Tags"]


class Tags(wiring.Component):
    """Tags and state of every set, in block RAM and in a small RAM, read together.

    What is asked in one cycle is answered in the next and stays until the next ``read``. A state
    that is written in the cycle of the read is seen; a tag must not be written then. After reset
    all states are cleared first, one set a cycle.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    ready : ``Out(1)``
        High once all sets are clear; nothing else may be asked before.
    read : ``In(1)``, set : ``In(set_bits)``
        Read this set.
    tag : ``In(tag_bits)``
        Tag to compare with those that were read.
    low, high : ``In(line_bits)``, ``In(line_bits + 1)``
        Line numbers: the first and the one after the last of a range.
    pick : ``In(ways)``
        One-hot way.
    row : ``Out(RowLayout(params))``
        State that was read.
    match, below, above : ``Out(ways)``
        Ways whose tag is ``tag``; whose line is below the range, above it. Valid or not.
    picked : ``Out(tag_bits)``
        Tag of the way ``pick``.
    write : ``In(1)``, write_set : ``In(set_bits)``, write_row : ``In(RowLayout(params))``
        Change the state of a set.
    asked, some_full, some_dirty
        As of :class:`~rtl.cache.census.Census`.
    fill : ``In(ways)``, fill_tag : ``In(tag_bits)``
        Change the tags of these ways, in set ``write_set``.
    snooped : ``In(LineLayout(params))``, snooped_valid, snooped_dirty, snooped_pending : ``Out(1)``
        With a snoop port: as of :class:`~rtl.cache.snoop.shadow.Shadow`.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        row = RowLayout(params)
        super().__init__({
            "ready": Out(1),
            "read": In(1), "set": In(params.set_bits), "tag": In(params.tag_bits),
            "low": In(params.line_bits), "high": In(params.line_bits + 1),
            "pick": In(params.ways),
            "row": Out(row), "match": Out(params.ways),
            "below": Out(params.ways), "above": Out(params.ways),
            "picked": Out(params.tag_bits),
            "write": In(1), "write_set": In(params.set_bits), "write_row": In(row),
            "fill": In(params.ways), "fill_tag": In(params.tag_bits),
            "asked": In(params.set_bits), "some_full": Out(1), "some_dirty": Out(1),
            **({"snooped": In(LineLayout(params)), "snooped_valid": Out(1), "snooped_dirty": Out(1),
                "snooped_pending": Out(1)} if params.snoop else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        sets, set_bits = params.sets, params.set_bits

        tags = Signal(data.ArrayLayout(params.tag_bits, params.ways))
        m.submodules.tags = ram = Ram(
            width=params.tag_bits * params.ways, depth=sets, granularity=params.tag_bits)
        m.submodules.states = states = memory.Memory(shape=RowLayout(params), depth=sets, init=[])
        write = states.write_port()
        state = states.read_port(transparent_for=(write,))

        m.submodules.census = census = Census(params)
        m.d.comb += [
            census.write.eq(write.en),
            census.set.eq(write.addr),
            census.full.eq(write.data.valid.any()),
            census.dirty.eq((write.data.dirty | write.data.pending).any()),
            census.asked.eq(self.asked),
            self.some_full.eq(census.some_full),
            self.some_dirty.eq(census.some_dirty),
        ]

        if params.snoop:
            m.submodules.shadow = shadow = Shadow(params)
            m.d.comb += [
                shadow.line.eq(self.snooped),
                shadow.write.eq(write.en),
                shadow.write_set.eq(write.addr),
                shadow.write_row.eq(write.data),
                shadow.fill.eq(self.fill),
                shadow.fill_tag.eq(self.fill_tag),
                self.snooped_valid.eq(shadow.valid),
                self.snooped_dirty.eq(shadow.dirty),
                self.snooped_pending.eq(shadow.pending),
            ]

        sweep = Signal(set_bits + 1)        # sets cleared; the top bit ends the sweep
        m.d.comb += [
            self.ready.eq(sweep[-1]),
            write.en.eq(self.write | ~self.ready),
            write.addr.eq(Mux(self.ready, self.write_set, sweep)),
            write.data.eq(Mux(self.ready, self.write_row, 0)),
            state.en.eq(self.read),
            state.addr.eq(self.set),
            ram.read.eq(self.read),
            ram.read_at.eq(self.set),
            ram.write.eq(self.fill),
            ram.write_at.eq(self.write_set),
            ram.new.eq(self.fill_tag.replicate(params.ways)),
            tags.eq(ram.data),
        ]
        with m.If(~self.ready):
            m.d.sync += sweep.eq(sweep + 1)

        here = Signal(set_bits)             # set that was read
        with m.If(self.read):
            m.d.sync += here.eq(self.set)
        # The set bits of the line numbers are compared once for all ways.
        early = Signal()
        late = Signal()
        m.d.comb += [
            early.eq(here < self.low[:set_bits]),
            late.eq(here >= self.high[:set_bits]),
            self.row.eq(state.data),
        ]
        picked = 0
        for way in range(params.ways):
            tag = tags[way]
            m.d.comb += [
                self.match[way].eq(tag == self.tag),
                self.below[way].eq(Cat(~early, tag) < Cat(C(1, 1), self.low[set_bits:])),
                self.above[way].eq(~(Cat(late, tag) < Cat(C(1, 1), self.high[set_bits:]))),
            ]
            picked |= Mux(self.pick[way], tag, 0)
        m.d.comb += self.picked.eq(picked)
        return m
