"""GuestCache: pages of all sizes are found for the space that they were filled for."""

from collections import deque
from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.guest_cache import GuestCache
from rtl.params import IommuParams

SIZES = {0: 0, 0b001: 4, 0b011: 9, 0b111: 18}


@pytest.mark.parametrize("entries", [1, 4])
@given(seed=st.integers(0, 999))
@settings(max_examples=10)
def test_matches_model(bench, entries, seed):
    dut = GuestCache(IommuParams(sv39x4=True, walks=2, guest_entries=entries))
    this, random = bench(dut), Random(seed)

    @this.testbench
    async def testbench(ctx):
        held, walker = deque(maxlen=entries), dut.walker
        for number in range(1, 150):
            gpn, root = random.choice([0, 1, 0x1F, 0x200, 0x4_0000]), random.randrange(2)
            fill, flush = random.random() < 0.2, random.random() < 0.05
            covers = random.choice(list(SIZES))
            ctx.set(walker.gpn, gpn)
            ctx.set(walker.context, {"guest_root": root})
            ctx.set(walker.fill, fill)
            ctx.set(walker.new, {"page": {"ppn": number << 18, "covers": covers},
                                 "flags": {"r": number & 1}})
            ctx.set(dut.flush, flush)
            right = [(ppn | gpn & (1 << low) - 1, flag) for known, where, low, ppn, flag in held
                     if where == root and known >> low == gpn >> low]
            assert ctx.get(walker.hit) == bool(right)
            if right:
                leaf = ctx.get(walker.leaf)
                assert (leaf.page.ppn, leaf.flags.r) in right
            await ctx.tick()
            if flush:
                held.clear()
            elif fill:
                held.append((gpn, root, SIZES[covers], number << 18 & (1 << 28) - 1, number & 1))

    this.run()


@pytest.mark.parametrize("build", [{"walks": 1}, {"walks": 8, "sv48x4": True, "guest_entries": 16}])
def test_netlist(build):
    rtlil.convert(GuestCache(IommuParams(sv39x4=True, **build)))
