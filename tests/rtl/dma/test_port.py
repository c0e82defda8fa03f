"""Port: whose access it is, and whose answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import CACHE_BYPASS, PROT_NONSECURE, Burst
from rtl.dma.port import Port
from rtl.params import DmaParams
from sim.axi import Memory
from sim.streams import put, put_all

from .parts import netlist

SHAPES = {"smallest": {"data_width": 32, "id_width": 1, "addr_width": 32}, "default": {},
          "odd": {"data_width": 512, "id_width": 9, "addr_width": 57, "device_id": 0xABCDEF}}


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=6)
@given(counts=st.lists(st.integers(0, 6), min_size=4, max_size=4), seed=st.integers(0, 99),
       stall=st.sampled_from([0.0, 0.4]))
def test_four_clients(bench, shape, counts, seed, stall):
    params = DmaParams(**SHAPES[shape])
    width = params.data_width // 8
    dut = Port(params)
    this = bench(dut)
    memory = Memory(dut.bus, size=1 << 13, stall=stall, reorder=True, seed=seed, latency=3)
    memory.write(0, bytes(k * 7 & 0xFF for k in range(1 << 12)))
    memory.attach(this)

    def word(addr):
        return int.from_bytes(memory.image[addr:addr + width], "little")

    for k, read in enumerate(dut.reads):
        places = [(16 * k + n) * 2 * width % 4096 for n in range(counts[k])]

        @this.background
        async def ask(ctx, read=read, places=places):
            for place in places:
                await put(ctx, read.ar, {"addr": place, "len": 1})

        @this.testbench
        async def take(ctx, read=read, places=places):
            for place in places:
                for n in range(2):
                    (beat,) = await ctx.tick().sample(read.r.payload).until(read.r.valid)
                    assert (beat.data, beat.last) == (word(place + n * width), n)

    for k, write in enumerate(dut.writes):
        places = [4096 + (2 * n + k) * width for n in range(counts[2 + k])]

        @this.background
        async def offer(ctx, write=write, places=places, k=k):
            for place in places:
                await put_all(ctx, (write.aw, {"addr": place, "len": 0}), (
                    write.w, {"data": (k + 1) * 0x101, "strb": 2 + k, "last": 1}))

        @this.testbench
        async def answers(ctx, write=write, places=places):
            for _ in places:
                await ctx.tick().until(write.b.valid)

    this.run()
    assert len(memory.log) == sum(counts)
    for _, kind, addr, _, payload in memory.log:
        client = (addr - 4096) // width % 2 if kind == "w" else addr // (2 * width) // 16 % 2
        assert payload.id == client
        assert payload.user.device_id == params.device_id and not payload.user.process_valid
        assert (1 << payload.size, payload.burst) == (width, Burst.INCR)
        assert (payload.cache, payload.prot) == (CACHE_BYPASS, PROT_NONSECURE)
    for k in range(2):
        for n in range(counts[2 + k]):
            at = 4096 + (2 * n + k) * width
            expected = bytearray(width)
            expected[0] = k * (k + 1)         # strobes 2 and 3
            expected[1] = k + 1
            assert memory.read(at, width) == bytes(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(Port(DmaParams(**SHAPES[shape])))
