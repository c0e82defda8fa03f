"""Unroll: the beats of every kind of burst."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Signature
from rtl.axi.unroll import Unroll
from sim.axi import beat_addresses
from sim.checked import Checked
from sim.streams import collect, send

AXI = Signature(addr_width=16, data_width=64, id_width=2)


@st.composite
def bursts(draw):
    burst = draw(st.sampled_from(Burst))
    size = draw(st.integers(0, 3))
    if burst is Burst.WRAP:
        length = draw(st.sampled_from([1, 3, 7, 15]))
        addr = draw(st.integers(0, 1 << 12)) << size
    else:
        length = draw(st.integers(0, 15))
        addr = draw(st.integers(0, (1 << 15) - 1))
    return {"addr": addr, "len": length, "size": size, "burst": burst, "id": addr % 4}


@given(st.lists(bursts(), min_size=1, max_size=6), st.sampled_from([0.0, 0.5]))
def test_beats(bench, todo, stall):
    dut = Checked(Unroll(AXI))
    this = bench(dut)
    expected = [(item["id"], addr, item["size"], k == item["len"]) for item in todo
                for k, addr in enumerate(beat_addresses(item["addr"], item["len"], item["size"],
                                                        item["burst"]))]

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, todo, stall=stall)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, len(expected), stall=stall)
        assert [(beat.id, beat.addr, beat.size, beat.last) for beat in got] == expected

    this.run()


def test_speed(bench):
    """A beat a cycle, and one cycle between bursts."""
    dut = Unroll(AXI)
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, [{"len": 3, "burst": Burst.INCR}] * 2)

    @this.testbench
    async def sink(ctx):
        ctx.set(dut.o.ready, 1)
        valid = []
        async for _, _, flag in ctx.tick().sample(dut.o.valid):
            valid.append(flag)
            if len(valid) == 11:
                break
        assert valid == [0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0]

    this.run()


@pytest.mark.parametrize("addr_width", [4, 16, 64])
def test_netlist(addr_width):
    rtlil.convert(Unroll(Signature(addr_width=addr_width)))
