"""AXI4 arbiter: everything arrives, comes back to who asked, and nothing is mixed."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.arbiter import Arbiter
from rtl.axi.signature import Signature, dma_user_layout
from sim.axi import Memory
from sim.checked import Checked
from sim.streams import collect, send

from .traffic import IMAGE, accesses, check_memory, drive

NARROW = Signature(addr_width=16, data_width=64, id_width=2)


def run(bench, n, *, count=10, stall=0.0, reorder=False, latency=3, seed=0, writes=4):
    dut = Checked(Arbiter(NARROW, n, writes=writes))
    this = bench(dut)
    memory = Memory(dut.bus, size=len(IMAGE), latency=latency, stall=stall, reorder=reorder,
                    seed=seed)
    memory.image[:] = IMAGE
    memory.attach(this)
    todo = []
    for k, manager in enumerate(dut.managers):
        mine = list(accesses(Random(seed + k), count, ids=4, slots=range(8 * k, 8 * k + 8)))
        drive(this, manager, mine, stall=stall, seed=seed + 10 * k)
        todo += mine
    this.run()
    check_memory(memory.data, 0, todo)
    return dut, memory


@settings(max_examples=6)
@given(n=st.integers(1, 4), stall=st.sampled_from([0.0, 0.4]), reorder=st.booleans(),
       seed=st.integers(0, 999), writes=st.integers(1, 4))
def test_traffic(bench, n, stall, reorder, seed, writes):
    run(bench, n, stall=stall, reorder=reorder, seed=seed, writes=writes)


def test_id_names_the_manager(bench):
    dut, memory = run(bench, 3)
    assert dut.bus.signature.id_width == 4
    seen = {payload.id >> 2 for *_, payload in memory.log}
    assert seen == {0, 1, 2}


def test_full_rate(bench):
    """Addresses of two managers in turn, data of all bursts back to back."""
    dut = Arbiter(NARROW, 2)
    this = bench(dut)
    memory = Memory(dut.bus, latency=1).attach(this)
    for k, manager in enumerate(dut.managers):
        @this.testbench
        async def addresses(ctx, manager=manager, k=k):
            await send(ctx, manager.aw, ({"addr": 256 * (k + 2 * j), "len": 3, "size": 3,
                                          "burst": 1} for j in range(4)))

        @this.testbench
        async def beats(ctx, manager=manager):
            await send(ctx, manager.w, ({"strb": 0xFF, "last": j % 4 == 3} for j in range(16)))

        @this.testbench
        async def responses(ctx, manager=manager):
            await collect(ctx, manager.b, 4)

    @this.testbench
    async def timing(ctx):
        cycles = []
        cycle = 0
        async for _, _, valid, ready in ctx.tick().sample(dut.bus.w.valid, dut.bus.w.ready):
            cycle += 1
            if valid and ready:
                cycles.append(cycle)
            if len(cycles) == 32:
                break
        assert cycles == list(range(2, 34))

    this.run()
    assert [addr for _, _, addr, *_ in memory.log] == \
        [256 * (k + 2 * j) for j in range(4) for k in (1, 0)]


def test_data_needs_no_address_ready(bench):
    """A subordinate may wait for data before it takes the address."""
    dut = Arbiter(NARROW, 2)
    this = bench(dut)

    @this.testbench
    async def manager(ctx):
        port = dut.managers[1]
        ctx.set(port.aw.valid, 1)
        ctx.set(port.w.valid, 1)
        ctx.set(port.w.p.last, 1)
        await ctx.tick().until(dut.bus.w.valid)
        assert ctx.get(dut.bus.aw.valid) and not ctx.get(port.aw.ready)
        ctx.set(dut.bus.aw.ready, 1)
        ctx.set(dut.bus.w.ready, 1)
        assert ctx.get(port.aw.ready) and ctx.get(port.w.ready)

    this.run()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_netlist(n):
    rtlil.convert(Arbiter(Signature(addr_width=40, user=dma_user_layout()), n))


def test_wrong_parameters():
    with pytest.raises(TypeError, match=r"^Signature must be one of AXI4, not 5$"):
        Arbiter(5, 2)
    with pytest.raises(TypeError, match=r"^Number of managers must be an integer, not '2'$"):
        Arbiter(NARROW, "2")
    with pytest.raises(ValueError, match=r"^Number of managers must be at least 1, not 0$"):
        Arbiter(NARROW, 0)
    with pytest.raises(ValueError, match=r"^Number of writes must be at least 1, not 0$"):
        Arbiter(NARROW, 2, writes=0)
