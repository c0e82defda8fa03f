"""More mistakes of other cache controllers: reset, endless retries, half lines, ends of memory."""

from dataclasses import replace
from random import Random

import pytest
from amaranth import *
from amaranth.lib.wiring import connect

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst, Resp
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode
from sim.checked import Checked
from sim.dram import Dram
from sim.streams import collect, send

from .harness import SHAPES, Cpu, Setup, Software

LINE = 32                                   # of the shape "small": 8 sets, 2 ways
STRIDE = 8 * LINE                           # from line to line of one set
IMAGE = Random(0).randbytes(1 << 12)
CLEAN, FLUSH, INVALIDATE = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                            CacheMode.MAKE_INVALIDATE)
NEW = bytes(range(LINE))
FINE = {"refused": 0, "error": 0, "lines": 0, "addr": 0}


def run(bench, program, params=SHAPES["small"], **kwargs):
    Setup(bench, params, **{"image": IMAGE, **kwargs}).run(program)


def test_litex_nothing_hits_after_reset(bench):
    """There, a cleared tag was that of line 0, and hit."""
    async def program(ctx, cpu, software, memory):
        for way in range(3):
            data, _ = await cpu.load(way * STRIDE, LINE)
            assert data == IMAGE[way * STRIDE:way * STRIDE + LINE]
        assert await software.read("read_misses") == 3

    run(bench, program)


class Whole(Elaboratable):
    """A cache and its memory, which a reset concerns both."""

    def __init__(self, params):
        self.cache = Checked(Cache(params))
        self.dram = Dram(self.cache.memory.signature, base=0, size=1 << 12)
        self.reset = Signal()

    def elaborate(self, platform):
        m = Module()
        inner = Module()
        inner.submodules.cache, inner.submodules.dram = self.cache, self.dram
        connect(inner, self.cache.memory, self.dram.bus)
        m.submodules.inner = ResetInserter(self.reset)(inner)
        return m


@pytest.mark.parametrize("write", [0, 1])
def test_reset_in_mid_burst(bench, write):
    """In any cycle of misses with evictions: afterwards nothing is there, and all is as memory."""
    dut = Whole(SHAPES["small"])
    this = bench(dut, timeout=60_000)
    cpu, rows = dut.cache.cpu, dut.dram.rows

    @this.testbench
    async def program(ctx):
        manager, software = Cpu(ctx, cpu), Software(ctx, dut.cache)
        for cut in range(1, 60, 2):
            for line in range(16):
                await manager.store(line * LINE, bytes([cut, line]) * (LINE // 2))
            port = cpu.aw if write else cpu.ar
            address = {"size": 3, "burst": Burst.INCR, "cache": CACHE_WRITE_BACK}
            ctx.set(cpu.r.ready, 1)
            ctx.set(cpu.b.ready, 1)
            ctx.set(cpu.w.valid, write)
            ctx.set(cpu.w.payload, {"data": 0, "strb": 255, "last": 1})
            ctx.set(port.valid, 1)
            asked = 0
            for _ in range(cut):
                ctx.set(port.payload, address | {"addr": (16 + asked) * LINE})
                _, _, taken = await ctx.tick().sample(port.ready)
                asked += taken
            ctx.set(dut.reset, 1)
            await ctx.tick()
            ctx.set(port.valid, 0)
            ctx.set(cpu.w.valid, 0)
            await ctx.tick()
            ctx.set(dut.reset, 0)
            ctx.set(cpu.r.ready, 0)
            ctx.set(cpu.b.ready, 0)
            await ctx.tick()
            for line in range(0, 32, 3):
                data, resps = await manager.load(line * LINE, LINE)
                held = b"".join(ctx.get(rows[line * 4 + word]).to_bytes(8, "little")
                                for word in range(4))
                assert data == held and set(resps) == {Resp.OKAY}, (cut, line)
            assert await software.state() == {
                "status": 0, "err_addr": 0, "read_hits": 0, "read_misses": 11, "write_hits": 0,
                "write_misses": 0, "evictions": 0, "cleaned": 0, "invalidated": 0}

    this.run()


def test_iob_errors_are_not_retried_for_ever(bench):
    """There, an access to memory that fails was repeated without end, and never reported."""
    async def program(ctx, cpu, software, memory):
        memory.fail(0, LINE, "rw")
        for count in range(1, 4):
            _, resps = await cpu.load(0, LINE)
            assert resps == [Resp.SLVERR] * 4
            await ctx.tick().repeat(50)
            assert len(memory.log) == count
        memory.heal()
        await cpu.store(0, NEW)
        memory.fail(0, LINE, "w")
        before = len(memory.log)
        await software.maintain(CLEAN, 0, LINE)
        await ctx.tick().repeat(50)
        assert len(memory.log) == before + 1 and await software.read("status", "write_error")

    run(bench, program)


@pytest.mark.parametrize("shape", SHAPES)
def test_iob_write_backs_are_whole_lines(bench, shape):
    """There, with a data bus of another width, half a line went to a wrong address."""
    params = SHAPES[shape]

    async def program(ctx, cpu, software, memory):
        flat = bytearray(IMAGE)
        for addr in range(0, 1 << 12, params.line_bytes * 3):
            flat[addr:addr + 16] = NEW[:16]
            await cpu.store(addr, NEW[:16])
        await software.maintain(FLUSH, whole=True)
        assert memory.data[:1 << 12] == flat
        assert all(addr % params.line_bytes == 0 and beats == params.beats
                   for _, kind, addr, beats, _ in memory.log if kind == "w")

    run(bench, program, params)


def test_zipcpu_an_error_concerns_its_line_only(bench):
    """There, an error of a write emptied the whole cache."""
    async def program(ctx, cpu, software, memory):
        for line in range(8):
            await cpu.store(line * LINE, NEW)
        memory.fail(0, LINE, "w")
        await software.maintain(CLEAN, 0, 2 * LINE)
        before = len(memory.log)
        for line in range(8):
            assert (await cpu.load(line * LINE, LINE))[0] == NEW
        assert len(memory.log) == before

    run(bench, program)


def test_hpd45_every_command_has_an_effect_and_an_end(bench):
    """There, the invalidate of one line gave no answer, and did nothing."""
    async def program(ctx, cpu, software, memory):
        for mode in (INVALIDATE, FLUSH, CLEAN):
            for line in (0, 7, 15):
                await cpu.load(line * LINE, LINE)
                await software.queue(mode, line * LINE, (line + 1) * LINE)
                assert await software.result() == FINE
                before = await software.read("read_misses")
                await cpu.load(line * LINE, 8)
                assert await software.read("read_misses") == before + (mode is not CLEAN)

    run(bench, program)


def test_cva6_3180_flush_of_all_beside_misses_ends(bench):
    """There, a flush of the whole cache in write-back mode hung. Also while one set thrashes."""
    async def program(ctx, cpu, software, memory):
        for round_ in range(6):
            await software.start(FLUSH, whole=True)
            for step in range(24):
                way = step % 5              # five lines of a set with two ways, dirty
                await cpu.store(way * STRIDE + round_ % 2 * LINE, NEW[:8])
            for _ in range(400):
                if not await software.read("ctl", "enable"):
                    break
            else:
                pytest.fail("no end")

    run(bench, program, latency=5)


@pytest.mark.parametrize("phys", [32, 40])
def test_ranges_at_the_ends(bench, phys):
    """Beyond the top of memory, wrapped around it, empty, and larger than the cache."""
    top, size = 1 << phys, 1 << 12

    async def program(ctx, cpu, software, memory):
        async def command(mode, start, end):
            await software.queue(mode, start, end)
            return await software.result()

        last = top - LINE
        for start, end in ((last, top), (last + 5, 2**64 - 1), (0, top), (0, 2**64 - 1),
                           (last, top + 1), (top - size, top + size)):
            await cpu.store(last, NEW)
            await cpu.store(top - 9 * LINE, NEW)
            lines = 2 if start <= top - 9 * LINE else 1
            assert await command(CLEAN, start, end) == FINE | {"lines": lines}, (start, end)
            assert memory.read(last, LINE) == NEW
        await cpu.store(last, bytes(LINE))
        for start, end in ((top, top + LINE), (2**64 - 1, 2**64 - 1), (last, last), (0, 0),
                           (top + 5, 2**64 - 1), (0, last)):
            assert await command(FLUSH, start, end) == FINE | {
                "lines": 0}, (start, end)
        for start, end in ((last, last - 1), (2**64 - LINE, 16), (last, 5)):
            assert await command(INVALIDATE, start, end) == FINE | {"refused": 1}
        assert (await cpu.load(last, LINE))[0] == bytes(LINE) != memory.read(last, LINE)

    run(bench, program, replace(SHAPES["small"], phys_bits=phys), base=top - size, size=size,
        image=b"")


@pytest.mark.parametrize("seed", range(3))
def test_uncached_and_cached_writes_keep_their_order(bench, seed):
    """One after the other without waiting, to the words of two lines; the last one counts."""
    random = Random(seed)
    params = CacheParams(phys_bits=32, size_bytes=512, ways=2, line_bytes=LINE)
    todo = [(random.randrange(8) * 8, random.getrandbits(64), random.random() < 0.5)
            for _ in range(60)]

    async def program(ctx, cpu, software, memory):
        await send(ctx, this.dut.cpu.w, [{"data": datum, "strb": 255, "last": 1}
                                         for _, datum, _ in todo])
        flat = bytearray(IMAGE[:2 * LINE])
        for addr, datum, _ in todo:
            flat[addr:addr + 8] = datum.to_bytes(8, "little")
        while not got:
            await ctx.tick()
        data, _ = await cpu.load(0, 2 * LINE)
        assert data == flat
        await software.maintain(CLEAN, whole=True)
        assert memory.data[:2 * LINE] == flat

    this = Setup(bench, params, image=IMAGE, latency=3, stall=0.1)
    got = []

    @this.bench.testbench
    async def addresses(ctx):
        got.clear()
        await send(ctx, this.dut.cpu.aw, [
            {"addr": addr, "size": 3, "burst": Burst.INCR,
             "cache": CACHE_WRITE_BACK if cached else CACHE_BYPASS} for addr, _, cached in todo])

    @this.bench.testbench
    async def answers(ctx):
        got[:] = await collect(ctx, this.dut.cpu.b, len(todo))
        assert all(answer.resp is Resp.OKAY for answer in got)

    this.run(program)
