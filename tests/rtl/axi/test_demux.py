"""AXI4 demultiplexer: each address to its window, DECERR elsewhere, responses in order."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.demux import Demux
from rtl.axi.signature import Resp, Signature
from sim.axi import Memory
from sim.checked import Checked
from sim.streams import collect, send

from .traffic import IMAGE, accesses, check_memory, drive

AXI = Signature(addr_width=20, data_width=64, id_width=2)
SIZE = len(IMAGE)


@settings(max_examples=6)
@given(stall=st.sampled_from([0.0, 0.4]), seed=st.integers(0, 999),
       limit=st.sampled_from([1, 3, 16]), reorder=st.booleans())
def test_traffic(bench, stall, seed, limit, reorder):
    """Three regions, the middle one without a subordinate; unequal latencies."""
    dut = Checked(Demux(AXI, [(2 * SIZE, SIZE), (0, SIZE)], limit=limit))
    this = bench(dut)
    memories = []
    for (base, size), port, latency in zip(dut.windows, dut.targets, (1, 9), strict=True):
        memory = Memory(port, base=base, size=size, latency=latency, stall=stall, seed=seed,
                        reorder=reorder)
        memory.image[:] = IMAGE
        memories.append(memory.attach(this))

    random = Random(seed)
    sources = [iter(list(accesses(random, 9, ids=2, base=k * SIZE))) for k in range(3)]
    todo = []
    for k in random.sample([0, 1, 2] * 9, 27):
        access = next(sources[k])
        todo.append(replace(access, resp=Resp.DECERR) if k == 1 else access)
    drive(this, dut.bus, todo, stall=stall, seed=seed)
    this.run()
    for memory in memories:
        check_memory(memory.data, memory.base,
                     [item for item in todo if item.addr // SIZE == memory.base // SIZE])


def test_full_rate(bench):
    """Reads from one subordinate are pipelined."""
    dut = Demux(AXI, [(0, 4096)])
    this = bench(dut)
    Memory(dut.targets[0], latency=8).attach(this)

    @this.testbench
    async def addresses(ctx):
        await send(ctx, dut.bus.ar, ({"addr": 256 * k, "len": 3, "size": 3, "burst": 1}
                                     for k in range(8)))

    @this.testbench
    async def beats(ctx):
        await collect(ctx, dut.bus.r, 1)
        await collect(ctx, dut.bus.r, 31)

    @this.background
    async def clock(ctx):
        await ctx.tick().repeat(9 + 32)
        raise AssertionError("too slow")

    this.run()


@pytest.mark.parametrize("windows", [
    [], [(0, 4096)], [(0, 4096), (8192, 8192), (1 << 16, 1 << 16)]])
def test_netlist(windows):
    rtlil.convert(Demux(AXI, windows))


def test_wrong_windows():
    with pytest.raises(ValueError, match=r"^Size of a window must be a power of two of at least "
                                         r"0x1000, not 0x800$"):
        Demux(AXI, [(0, 2048)])
    with pytest.raises(ValueError, match=r"^Size of a window must be .*, not 0x3000$"):
        Demux(AXI, [(0, 0x3000)])
    with pytest.raises(ValueError, match=r"^Base of a window must be a multiple of 0x2000 within "
                                         r"20 address bits, not 0x1000$"):
        Demux(AXI, [(0x1000, 0x2000)])
    with pytest.raises(ValueError, match=r"not 0x100000$"):
        Demux(AXI, [(1 << 20, 0x1000)])
    with pytest.raises(ValueError, match=r"^Windows at 0x0 and 0x1000 overlap$"):
        Demux(AXI, [(0x1000, 0x1000), (0, 0x2000)])
    with pytest.raises(ValueError, match=r"^Outstanding accesses must be at least 1, not 0$"):
        Demux(AXI, [], limit=0)
