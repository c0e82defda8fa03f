"""Dram: contents, latency, order, limits and errors."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Resp, Signature
from rtl.spec.memory_regs import MEMORY_REGISTERS
from sim import axi, axi_lite
from sim.dram import Dram
from sim.streams import get, put

BASE, SIZE = 0x8000_0000, 1 << 12


def make(*, data_width=64, size=SIZE):
    return Dram(Signature(addr_width=40, data_width=data_width, id_width=2), base=BASE, size=size)


async def configure(ctx, dut, **registers):
    bus = axi_lite.Manager(ctx, dut.regs)
    for name, fields in registers.items():
        register = MEMORY_REGISTERS[name]
        await bus.writel(register.pack(fields, register.reset), register.offset)


@pytest.mark.parametrize("cycles", [1, 2, 3, 16, 100])
def test_latency(bench, cycles):
    """First beat L cycles after the address, B L cycles after the last data; one beat a cycle."""
    dut = make()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await configure(ctx, dut, latency={"cycles": cycles})
        ctx.set(dut.bus.r.ready, 1)
        ctx.set(dut.bus.b.ready, 1)
        await put(ctx, dut.bus.ar, {"addr": BASE, "len": 3, "size": 3, "burst": Burst.INCR})
        count, beats = 0, 0
        async for *_, valid in ctx.tick().sample(dut.bus.r.valid):
            count += 1
            beats += valid
            assert valid == (count >= cycles)
            if beats == 4:
                break
        await put(ctx, dut.bus.aw, {"addr": BASE, "len": 0, "size": 3, "burst": Burst.INCR})
        await put(ctx, dut.bus.w, {"data": 1, "strb": 0xFF, "last": 1})
        count = 0
        async for *_, valid in ctx.tick().sample(dut.bus.b.valid):
            count += 1
            if valid:
                break
        assert count == cycles

    this.run()


def test_reads_overlap(bench):
    """Four bursts of two beats at latency 20 take 20 + 8 cycles and a few, not 4 x 22."""
    dut = make()
    this = bench(dut)

    @this.testbench
    async def addresses(ctx):
        await configure(ctx, dut, latency={"cycles": 20})
        for i in range(4):
            await put(ctx, dut.bus.ar, {"id": i, "addr": BASE + 16 * i, "len": 1, "size": 3,
                                        "burst": Burst.INCR})

    @this.testbench
    async def beats(ctx):
        ctx.set(dut.bus.r.ready, 1)
        await ctx.tick().until(dut.bus.ar.valid & dut.bus.ar.ready)
        cycles, seen = 0, []
        async for *_, valid, beat in ctx.tick().sample(dut.bus.r.valid, dut.bus.r.payload):
            cycles += 1
            if valid:
                seen.append(beat.id)
            if len(seen) == 8:
                break
        assert seen == [0, 0, 1, 1, 2, 2, 3, 3]
        assert cycles == 27

    this.run()


def test_limit(bench):
    dut = make()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await configure(ctx, dut, latency={"cycles": 50}, limit={"reads": 2})
        address = {"addr": BASE, "len": 0, "size": 3, "burst": Burst.INCR}
        await put(ctx, dut.bus.ar, address)
        await put(ctx, dut.bus.ar, address)
        await ctx.tick().repeat(3)
        *_, ready = await ctx.tick().sample(dut.bus.ar.ready)
        assert not ready
        await get(ctx, dut.bus.r)
        *_, ready = await ctx.tick().sample(dut.bus.ar.ready)
        assert ready

    this.run()


def test_errors(bench):
    dut = make()
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = axi.Manager(ctx, dut.bus)
        await configure(ctx, dut, error_low={"addr": BASE + 0x10}, error_high={"addr": BASE + 0x20})
        assert await bus.write(BASE, [1, 2, 3, 4, 5]) is Resp.OKAY
        await configure(ctx, dut, error={"read": 1, "write": 1})
        words, resps = await bus.read(BASE, 5)
        assert words == [1, 2, 3, 4, 5]
        assert resps == [Resp.OKAY] * 2 + [Resp.SLVERR] * 2 + [Resp.OKAY]
        assert await bus.write(BASE, [9] * 5) is Resp.SLVERR
        assert await bus.write(BASE, [8]) is Resp.OKAY
        await configure(ctx, dut, error={})
        assert (await bus.read(BASE, 5))[0] == [8, 9, 3, 4, 9]
        assert (await bus.read(BASE - 8))[1] == [Resp.DECERR]
        assert await bus.write(BASE + SIZE, [1]) is Resp.DECERR

    this.run()


@given(
    bursts=st.lists(st.tuples(st.booleans(), st.integers(0, 255), st.sampled_from([1, 2, 4, 8, 16]),
                              st.integers(0, 2), st.sampled_from(list(Burst))),
                    min_size=1, max_size=8),
    width=st.sampled_from([32, 64]), jitter=st.sampled_from([0, 7]))
def test_matches_model(bench, bursts, width, jitter):
    """Random bursts against a byte array, with every burst type and narrow beats."""
    dut = make(data_width=width, size=512)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus, model, word = axi.Manager(ctx, dut.bus), bytearray(512), width // 8
        await configure(ctx, dut, latency={"cycles": 3, "jitter": jitter})
        for write, offset, beats, size, burst in bursts:
            if burst is Burst.WRAP:
                beats, offset = max(2, beats), offset & -(1 << size)
            how = {"size": size, "burst": burst}
            addresses = axi.beat_addresses(BASE + offset, beats - 1, size, burst)
            if write:
                data = [(i * 0x9E3779B97F4A7C15 + offset) % (1 << width) for i in range(beats)]
                strb = [((1 << (1 << size)) - 1) << (a & -(1 << size)) % word for a in addresses]
                assert await bus.write(BASE + offset, data, strb, **how) is Resp.OKAY
                for a, value, lanes in zip(addresses, data, strb, strict=True):
                    for lane in range(word):
                        if lanes >> lane & 1:
                            model[(a & -word) - BASE + lane] = value >> 8 * lane & 0xFF
            else:
                words, _ = await bus.read(BASE + offset, beats, **how)
                for a, value in zip(addresses, words, strict=True):
                    low = (a & -word) - BASE
                    assert value == int.from_bytes(model[low:low + word], "little")

    this.run()


def test_wrong_range():
    with pytest.raises(ValueError, match=r"^Memory size must be a power of two, not 3000$"):
        make(size=3000)
    with pytest.raises(ValueError, match=r"^Memory base must be a multiple of the size 0x1000000"):
        make(size=1 << 32)


@pytest.mark.parametrize("width", [32, 128])
def test_netlist(width):
    rtlil.convert(make(data_width=width))
