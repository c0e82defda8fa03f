"""TreePlru: the tree of any number of ways against one written with Python objects."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from rtl.iommu.replacement import TreePlru


class Tree:
    """Recursive model: two halves and the one that was used longer ago."""

    def __init__(self, ways):
        self.ways, self.old = ways, 0
        if ways > 1:
            left = 1
            while left * 2 < ways:
                left *= 2
            self.halves = Tree(left), Tree(ways - left)

    def victim(self):
        if self.ways == 1:
            return 0
        return self.halves[self.old].victim() + self.old * self.halves[0].ways

    def touch(self, way):
        if self.ways > 1:
            side = way >= self.halves[0].ways
            self.old = int(not side)
            self.halves[side].touch(way - side * self.halves[0].ways)


class Wrapper(wiring.Component):
    def __init__(self, ways):
        self.plru = TreePlru(ways)
        super().__init__({"used": In(ways), "victim": Out(ways)})

    def elaborate(self, platform):
        m = Module()
        state = Signal(self.plru.bits)
        m.d.sync += state.eq(self.plru.touch(state, self.used))
        m.d.comb += self.victim.eq(self.plru.victim(state))
        return m


@given(ways=st.sampled_from([1, 2, 3, 4, 6, 8, 13, 16]),
       uses=st.lists(st.integers(0, 16), max_size=40))
def test_matches_model(bench, ways, uses):
    """A use of way ``ways`` stands for a cycle without a use."""
    dut, model = Wrapper(ways), Tree(ways)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        model.__init__(ways)
        for use in (use % (ways + 1) for use in uses):
            ctx.set(dut.used, 1 << use if use < ways else 0)
            *_, victim = await ctx.tick().sample(dut.victim)
            assert victim == 1 << model.victim()
            if use < ways:
                model.touch(use)

    this.run()


def test_all_ways_before_one_twice(bench):
    """Replacing what is offered goes round all ways."""
    dut = Wrapper(8)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        seen = []
        for _ in range(8):
            ctx.set(dut.used, ctx.get(dut.victim))
            seen.append(ctx.get(dut.victim))
            await ctx.tick()
        assert sorted(seen) == [1 << way for way in range(8)]

    this.run()


def test_bits():
    assert TreePlru(1).bits == 0
    assert TreePlru(16).bits == 15


def test_wrong_ways():
    with pytest.raises(TypeError, match=r"^Number of ways must be an integer, not 2\.0$"):
        TreePlru(2.0)
    with pytest.raises(ValueError, match=r"^Number of ways must be at least 1, not 0$"):
        TreePlru(0)


@pytest.mark.parametrize("ways", [1, 5, 16])
def test_netlist(ways):
    rtlil.convert(Wrapper(ways))
