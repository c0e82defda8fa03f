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
    """Two walkers; the first goes first."""
    dut = GuestCache(IommuParams(sv39x4=True, walks=2, guest_entries=entries))
    this, random = bench(dut), Random(seed)

    @this.testbench
    async def testbench(ctx):
        held = deque(maxlen=entries)
        for number in range(1, 150):
            asks = [random.random() < 0.7 for _ in range(2)]
            gpns = [random.choice([0, 1, 0x1F, 0x200, 0x4_0000]) for _ in range(2)]
            roots = [random.randrange(2) for _ in range(2)]
            filler = random.randrange(2) if random.random() < 0.3 else None
            stale, flush = random.random() < 0.2, random.random() < 0.05
            covers = random.choice(list(SIZES))
            new = {"page": {"ppn": number << 18, "covers": covers}, "flags": {"r": number & 1}}
            for k, walker in enumerate(dut.walkers):
                ctx.set(walker.asks, asks[k])
                ctx.set(walker.gpn, gpns[k])
                ctx.set(dut.contexts[k], {"guest_root": roots[k]})
                ctx.set(dut.stale[k], stale)
                ctx.set(walker.fill, filler == k)
                ctx.set(walker.new, new)
            ctx.set(dut.flush, flush)
            if any(asks):
                first = asks.index(True)
                assert [ctx.get(walker.granted) for walker in dut.walkers] == [
                    first == 0, first == 1]
                right = [(ppn, flag, low) for gpn, root, low, ppn, flag in held
                         if root == roots[first] and gpn >> low == gpns[first] >> low]
                walker = dut.walkers[first]
                assert ctx.get(walker.hit) == bool(right)
                if right:
                    leaf = ctx.get(walker.leaf)
                    assert (leaf.page.ppn, leaf.flags.r) in [
                        (ppn | gpns[first] & (1 << low) - 1, flag) for ppn, flag, low in right]
            await ctx.tick()
            if filler is not None and not stale and not flush:
                held.append((gpns[filler], roots[filler], SIZES[covers],
                             number << 18 & (1 << 28) - 1, number & 1))
            if flush:
                # Places are given in turn, also to those that are empty.
                for k, entry in enumerate(held):
                    held[k] = (None, -1, *entry[2:])

    this.run()


@pytest.mark.parametrize("build", [{"walks": 1}, {"walks": 8, "sv48x4": True, "guest_entries": 16}])
def test_netlist(build):
    rtlil.convert(GuestCache(IommuParams(sv39x4=True, **build)))
