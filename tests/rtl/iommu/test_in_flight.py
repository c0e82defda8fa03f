"""InFlight against a list of what was pushed."""

import pytest
from amaranth.back import rtlil
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtl.iommu.in_flight import InFlight

#: Push this ID if there is room; let the burst of this rank end; mark.
CYCLES = st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.integers(0, 3),
                            st.sampled_from([False] * 5 + [True])), max_size=60)


#: A burst that came after the mark is in the place before that of a marked one of its ID.
BEHIND = [(0, None, False), (0, None, False), (None, 0, False), (None, None, True),
          (0, None, False), (None, 0, False), (None, None, False)]


@example(cycles=BEHIND, depth=4)
@given(cycles=CYCLES, depth=st.sampled_from([2, 4, 5]))
@settings(max_examples=20)
def test_matches_model(bench, cycles, depth):
    dut = InFlight(depth=depth, id_width=2)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        held = []                       # [ID, marked], oldest first
        for push, rank, mark in cycles:
            ending = None
            if rank is not None and rank < len(held):
                axid = held[rank][0]    # of one ID, the oldest ends first
                ending = next(burst for burst in held if burst[0] == axid)
            ctx.set(dut.push.valid, push is not None)
            ctx.set(dut.push.payload, push or 0)
            ctx.set(dut.pop.valid, ending is not None)
            ctx.set(dut.pop.id, ending[0] if ending else 0)
            ctx.set(dut.mark, mark)
            *_, ready, empty, marked = await ctx.tick().sample(
                dut.push.ready, dut.empty, dut.marked)
            assert ready == (len(held) < depth)
            assert empty == (not held)
            assert marked == any(old for _, old in held)
            if ending:
                held.remove(ending)
            if push is not None and ready:
                held.append([push, False])
            if mark:
                held = [[axid, True] for axid, _ in held]

    this.run()


@pytest.mark.parametrize("depth, id_width", [(2, 1), (16, 4)])
def test_netlist(depth, id_width):
    rtlil.convert(InFlight(depth=depth, id_width=id_width))
