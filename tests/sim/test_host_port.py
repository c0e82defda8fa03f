"""HostPort: whole loads, stores, register accesses and waits."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Resp, Signature
from rtl.regs.regfile import RegisterFile
from rtl.spec.regmap import Access, Field, Register, RegisterMap
from sim.axi import Memory
from sim.host_port import BUFFER_BYTES, HostPort, Op
from sim.streams import get, put

SIZE = 1 << 14


def make(width=64, line=64):
    return HostPort(Signature(addr_width=40, data_width=width, id_width=2), line_bytes=line, irqs=3)


async def command(ctx, dut, op, addr=0, size=0, cached=1):
    await put(ctx, dut.command, {"op": op, "addr": addr, "size": size, "cached": cached})
    return await get(ctx, dut.done)


def fill(ctx, dut, addr, data):
    skip = addr % dut.word_bytes
    padded = bytes(skip) + data + bytes(-(skip + len(data)) % dut.word_bytes)
    for row in range(len(padded) // dut.word_bytes):
        ctx.set(dut.buffer[row], int.from_bytes(
            padded[row * dut.word_bytes:(row + 1) * dut.word_bytes], "little"))


def contents(ctx, dut, addr, size):
    skip = addr % dut.word_bytes
    rows = [ctx.get(dut.buffer[i]) for i in range(-(-(skip + size) // dut.word_bytes))]
    return b"".join(row.to_bytes(dut.word_bytes, "little") for row in rows)[skip:skip + size]


@given(
    accesses=st.lists(st.tuples(st.booleans(), st.integers(0, 4096), st.integers(1, 300)),
                      min_size=1, max_size=6),
    shape=st.sampled_from([(64, 64), (32, 16), (128, 128)]),
    stall=st.sampled_from([0.0, 0.4]))
def test_loads_and_stores(bench, accesses, shape, stall):
    dut = make(*shape)
    this = bench(dut, timeout=50_000)
    memory = Memory(dut.bus, size=SIZE, latency=5, stall=stall).attach(this)

    @this.testbench
    async def driver(ctx):
        model = bytearray(SIZE)
        for number, (store, addr, size) in enumerate(accesses):
            if store:
                data = bytes((number * 37 + i) % 251 for i in range(size))
                fill(ctx, dut, addr, data)
                model[addr:addr + size] = data
            done = await command(ctx, dut, Op.STORE if store else Op.LOAD, addr, size)
            assert done.resp is Resp.OKAY
            assert memory.data == model
            if not store:
                assert contents(ctx, dut, addr, size) == model[addr:addr + size]
        line = dut.line_bytes
        for _, _, addr, beats, payload in memory.log:       # no burst leaves its line
            last = (addr & -dut.word_bytes) + beats * dut.word_bytes - 1
            assert addr // line == last // line
            assert payload.cache == CACHE_WRITE_BACK

    this.run()


def test_largest_and_pipelined(bench):
    """A whole buffer in little more than a cycle a beat, despite the latency."""
    dut = make()
    this = bench(dut, timeout=5000)
    memory = Memory(dut.bus, size=SIZE, latency=40).attach(this)

    @this.testbench
    async def driver(ctx):
        data = bytes(i * 7 % 256 for i in range(BUFFER_BYTES))
        fill(ctx, dut, 4, data)
        await command(ctx, dut, Op.STORE, 4, BUFFER_BYTES, 0)
        assert memory.read(4, BUFFER_BYTES) == data
        start = ctx.get(dut.cycles)
        await command(ctx, dut, Op.LOAD, 4, BUFFER_BYTES, 0)
        assert contents(ctx, dut, 4, BUFFER_BYTES) == data
        assert ctx.get(dut.cycles) - start < BUFFER_BYTES // 8 + 40 + 10
        assert {payload.cache for *_, payload in memory.log} == {CACHE_BYPASS}

    this.run()


def test_errors_name_their_place(bench):
    dut = make()
    this = bench(dut)
    memory = Memory(dut.bus, size=SIZE).attach(this)
    memory.fail(0x150, 0x158)

    @this.testbench
    async def driver(ctx):
        done = await command(ctx, dut, Op.LOAD, 0x104, 0x100)
        assert (done.resp, done.addr) == (Resp.SLVERR, 0x150)
        done = await command(ctx, dut, Op.STORE, 0x104, 0x100)
        assert (done.resp, done.addr & -64) == (Resp.SLVERR, 0x140)
        done = await command(ctx, dut, Op.LOAD, SIZE, 8)
        assert (done.resp, done.addr) == (Resp.DECERR, SIZE)
        assert (await command(ctx, dut, Op.LOAD, 0, 8)).resp is Resp.OKAY

    this.run()


def test_registers_and_wait(bench):
    regmap = RegisterMap("r", "", (Register("a", 4, "", (Field("a", 0, 32, Access.RW, ""),)),))
    dut = make()
    regfile = RegisterFile(regmap, addr_width=32)

    from amaranth import Module
    from amaranth.lib.wiring import connect
    m = Module()
    m.submodules.dut, m.submodules.regfile = dut, regfile
    connect(m, dut.regs, regfile.bus)
    this = bench(m)

    @this.testbench
    async def driver(ctx):
        assert (await command(ctx, dut, Op.WRITE, 4, 0xDEADBEEF)).resp is Resp.OKAY
        assert (await command(ctx, dut, Op.READ, 4)).data == 0xDEADBEEF
        start = ctx.get(dut.cycles)
        assert (await command(ctx, dut, Op.WAIT, 0, 50)).irqs == 0
        assert 50 <= ctx.get(dut.cycles) - start <= 54
        ctx.set(dut.irqs, 0b110)
        ctx.set(dut.enabled, 0b011)
        start = ctx.get(dut.cycles)
        assert (await command(ctx, dut, Op.WAIT, 0, 50)).irqs == 0b010
        assert ctx.get(dut.cycles) - start <= 5

    this.run()


@pytest.mark.parametrize("shape", [(32, 16), (64, 64), (128, 128)])
def test_netlist(shape):
    rtlil.convert(make(*shape))
