"""Slice: transparent but for latency, on whichever channels."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi import lite
from rtl.axi.signature import Signature
from rtl.axi.slice import Slice
from sim.axi import Manager, Memory
from sim.checked import Checked

from .traffic import IMAGE, accesses, check_memory, drive

AXI = Signature(addr_width=16, data_width=64, id_width=2)
CHANNELS = ("aw", "w", "b", "ar", "r")


def attach(bench, channels, **kwargs):
    dut = Checked(Slice(AXI, channels))
    this = bench(dut)
    memory = Memory(dut.o, size=len(IMAGE), **kwargs)
    memory.image[:] = IMAGE
    return dut, this, memory.attach(this)


@settings(max_examples=6)
@given(channels=st.sets(st.sampled_from(CHANNELS)), stall=st.sampled_from([0.0, 0.4]),
       seed=st.integers(0, 99))
def test_traffic(bench, channels, stall, seed):
    dut, this, memory = attach(bench, channels, stall=stall)
    todo = list(accesses(Random(seed), 10, ids=4))
    drive(this, dut.i, todo, stall=stall, seed=seed)
    this.run()
    check_memory(memory.data, 0, todo)


@pytest.mark.parametrize("channels, cycles", [("", 0), (("ar",), 1), (("r",), 1), (CHANNELS, 2)])
def test_latency(bench, channels, cycles):
    def read(channels):
        dut, this, _ = attach(bench, channels)
        took = []

        @this.testbench
        async def manager(ctx):
            await Manager(ctx, dut.i).read(0, 4)

        @this.background
        async def clock(ctx):
            took.clear()
            async for _ in ctx.tick():
                took.append(1)

        this.run()
        return len(took)

    assert read(channels) - read(()) == cycles


@pytest.mark.parametrize("signature", [AXI, lite.Signature(addr_width=12)], ids=repr)
def test_netlist(signature):
    rtlil.convert(Slice(signature))
    rtlil.convert(Slice(signature, ["ar"]))


def test_wrong_parameters():
    with pytest.raises(TypeError, match=r"^Signature must be one of AXI4 or AXI4-Lite, not 'x'$"):
        Slice("x")
    with pytest.raises(ValueError, match=r"^Channel must be one of aw, w, b, ar, r, not 'ac'$"):
        Slice(AXI, ["aw", "ac"])
