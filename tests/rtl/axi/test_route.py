"""Route: an address once begun stays begun, and targets do not overlap."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.route import Route


@given(seed=st.integers(0, 9999), limit=st.sampled_from([1, 2, 5]), n=st.sampled_from([1, 2, 3]))
def test_order(bench, seed, limit, n):
    dut = Route(8, n, limit)
    this = bench(dut)

    @this.testbench
    async def everything(ctx):
        random = Random(seed)
        offered, waiting, target, begun, held = None, 0, 0, False, None
        taken = 0
        while taken < 30:
            if offered is None and random.random() < 0.7:
                offered = random.randrange(256)
                goal = target if random.random() < 0.5 else random.randrange(n)
                ctx.set(dut.i.payload, offered)
                ctx.set(dut.target, goal)
            ctx.set(dut.i.valid, offered is not None)
            ready = [random.random() < 0.5 for _ in range(n)]
            for port, flag in zip(dut.o, ready, strict=True):
                ctx.set(port.ready, flag)
            done = waiting > 0 and random.random() < 0.3
            ctx.set(dut.done, done)

            # What must be offered, and to whom.
            may = offered is not None and (
                begun or waiting == 0 or (goal == target and waiting < limit))
            assert [ctx.get(port.valid) for port in dut.o] == [may and goal == k for k in range(n)]
            assert ctx.get(dut.started) == (may and not begun)
            assert ctx.get(dut.i.ready) == (may and ready[goal]) or offered is None
            if held is not None:
                assert may and held == (offered, goal)
            if may:
                assert ctx.get(dut.o[goal].payload) == offered
            held = (offered, goal) if may and not ready[goal] else None
            waiting += (may and not begun) - done
            if may:
                target, begun = goal, not ready[goal]
                if ready[goal]:
                    offered = None
                    taken += 1
            await ctx.tick()
            assert ctx.get(dut.current) == target

    this.run()


@pytest.mark.parametrize("n, limit", [(1, 1), (2, 16), (5, 3)])
def test_netlist(n, limit):
    rtlil.convert(Route(8, n, limit))
