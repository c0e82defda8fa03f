"""Cache and golden model, the same accesses and commands on both, with errors of the bus.

Accesses of one kind are offered without a gap, so that many are under way at once; the model does
them one after the other, and every response, datum, result and status must be the same.
"""

from random import Random

import pytest

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst, Resp
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CACHE_REGISTERS, CacheCommand, CacheEdge
from rtl.spec.memory_regs import MEMORY_REGISTERS
from rtl.spec.platform import BusError
from sim.axi_lite import Manager
from sim.benchmarks.rig import Rig, write
from sim.golden.cache import Cache as Golden
from sim.golden.memory import Memory

SPACE = 1 << 14                             # bytes of memory; more is outside, and answers DECERR
_BRING = CacheCommand.ZERO, CacheCommand.PREFETCH
SMALL = CacheParams(phys_bits=32, size_bytes=1024, ways=2, line_bytes=32, allocate=True)
SHAPES = {
    "small": SMALL,
    "blocking": CacheParams(phys_bits=32, size_bytes=512, ways=1, line_bytes=16, misses=1),
    "many": CacheParams(phys_bits=56, size_bytes=2048, ways=8, line_bytes=64, misses=8,
                        allocate=True, overtake=True),
}


class Pair:
    """The cache before a memory, and the model before another."""

    def __init__(self, params: CacheParams, seed: int):
        self.params, self.random = params, Random(seed)
        self.memory = Memory(0, SPACE)
        self.model = Golden(self.memory, size_bytes=params.size_bytes, ways=params.ways,
                            line_bytes=params.line_bytes, misses=params.misses,
                            allocate=params.allocate)
        self.rig = Rig(Cache(params), {"memory": (0, SPACE)})
        self.errors = ""

    async def run(self, ctx, accesses: int, done: dict):
        self.ctx, self.cpu = ctx, self.rig.dut.cpu
        self.regs = Manager(ctx, self.rig.dut.regs)
        self.controls = Manager(ctx, self.rig.drams["memory"].regs)
        await ctx.tick().repeat(2 * self.params.sets)
        while done["accesses"] < accesses:
            choice = self.random.random()
            if choice < 0.02:
                await self.inject()
            elif choice < 0.12:
                await self.maintain()
            else:
                count = 1 if self.errors == "w" else self.random.choice([1, 1, 4, 24])
                await self.access(self.random.random() < 0.5, count)
                done["accesses"] += count
            if not self.errors:
                await self.compare("status")
        await self.inject(none=True)
        await self.maintain(mode=0, whole=1)
        rows = self.rig.drams["memory"].rows
        image = b"".join(ctx.get(rows[at]).to_bytes(8, "little") for at in range(SPACE // 8))
        assert image == bytes(self.memory.image())
        for name in ("evictions", "cleaned"):
            await self.compare(name)

    # Accesses

    async def access(self, is_write: bool, count: int):
        """Some single words, cached or not, and their answers."""
        cpu, ctx, line = self.cpu, self.ctx, self.params.line_bytes
        if self.errors == "w":          # those on the way together share a victim that stays
            await ctx.tick().repeat(80)
        todo, expected = [], []
        for _ in range(count):
            addr = self.random.randrange(0, SPACE + (64 if self.random.random() < 0.02 else 0), 8)
            if self.random.random() < 0.5:
                addr = addr % (4 * line) + addr // line % 3 * self.params.sets * line
            cached = self.random.random() < 0.95
            datum, strb = self.random.getrandbits(64), self.random.choice([255, 255, 0x0F, 0xF0])
            todo.append(({"addr": addr, "size": 3, "burst": Burst.INCR, "id": len(todo) % 2,
                          "cache": CACHE_WRITE_BACK if cached else CACHE_BYPASS}, datum, strb))
            expected.append(self.store(addr, datum, strb, cached) if is_write else
                            self.load(addr, cached))
        port, answers = (cpu.aw, cpu.b) if is_write else (cpu.ar, cpu.r)
        asked = sent = 0
        ctx.set(answers.ready, 1)
        got = {0: [], 1: []}                # those of one ID are in order
        while sum(map(len, got.values())) < count:
            ctx.set(port.valid, asked < count)
            if asked < count:
                ctx.set(port.payload, todo[asked][0])
            ctx.set(cpu.w.valid, is_write and sent < count)
            if is_write and sent < count:
                ctx.set(cpu.w.payload, {"data": todo[sent][1], "strb": todo[sent][2], "last": 1})
            *_, taken, w_taken, valid, answer = await ctx.tick().sample(
                port.ready, cpu.w.ready, answers.valid, answers.payload)
            asked, sent = asked + (taken and asked < count), sent + (w_taken and sent < count)
            if valid:
                got[answer.id].append((answer.resp, None if is_write or answer.resp is not Resp.OKAY
                                       else answer.data))
        ctx.set(answers.ready, 0)
        assert got == {0: expected[::2], 1: expected[1::2]}

    def load(self, addr: int, cached: bool):
        try:
            data = (self.model.load if cached else self.model.load_uncached)(addr, 8)
        except BusError as error:
            return Resp[error.resp], None
        return Resp.OKAY, int.from_bytes(data, "little")

    def store(self, addr: int, datum: int, strb: int, cached: bool):
        low = 4 if strb == 0xF0 else 0
        data = datum.to_bytes(8, "little")[low:low + strb.bit_count()]
        try:
            (self.model.store if cached else self.model.store_uncached)(addr + low, data)
        except BusError as error:
            return Resp[error.resp], None
        return Resp.OKAY, None

    # Software

    async def read(self, name: str) -> int:
        return await self.regs.readl(CACHE_REGISTERS[name].offset)

    async def compare(self, *names: str):
        for name in names:
            assert await self.read(name) == self.model.read(CACHE_REGISTERS[name].offset), name

    async def both(self, name: str, value: int):
        await self.regs.writel(value, CACHE_REGISTERS[name].offset)
        self.model.write(CACHE_REGISTERS[name].offset, value)

    async def maintain(self, **fields):
        """A few commands on the queue, and their results; or one by ``ctl``."""
        count = self.random.randrange(4)
        for tag in range(max(count, 1)):
            start, end = sorted(self.random.randrange(SPACE) for _ in range(2))
            if self.random.random() < 0.5:
                end = start + self.random.randrange(200)
            for name, value in (("start", start), ("end", end)):
                await self.both(f"{name}_msb", 0)
                await self.both(name, value)
            given = {"mode": self.random.randrange(4), "whole": self.random.random() < 0.1,
                     **fields}
            if count == 0:
                await self.both("ctl", CACHE_REGISTERS["ctl"].pack({"enable": 1, **given}))
                while await self.read("ctl") & 1:
                    pass
            else:
                edge = self.random.choice(list(CacheEdge))
                # Lines on the way together share a victim that stays, if it cannot be written.
                if self.errors != "w" and self.random.random() < 0.3:
                    given["mode"] = self.random.choice(_BRING)
                    if self.random.random() < 0.8:
                        await self.both("start", start & -self.params.line_bytes)
                        await self.both("end", end & -self.params.line_bytes)
                await self.both("cmd", CACHE_REGISTERS["cmd"].pack(
                    {"edge": edge, "tag": tag, "notify": tag == 1, **given}))
        for _ in range(count):
            while not await self.read("result") & 1:
                pass
            if not self.errors:             # commands meet them in another order
                await self.compare("result_addr")
            await self.compare("result", "result_lines")
            await self.both("result", 1)

    async def inject(self, *, none: bool = False):
        """Let memory fail in another range, or nowhere."""
        await self.ctx.tick().repeat(200)   # what was asked before is over
        low = self.random.randrange(0, SPACE, self.params.line_bytes)
        high = low + self.random.choice([8, 64, 1024])
        self.errors = "" if none else self.random.choice(["", "r", "w"])
        if self.errors == "w":
            high += -high % self.params.line_bytes
        for name, value in (("error_low", low), ("error_high", high)):
            await write(self.controls, MEMORY_REGISTERS, name, addr=value)
        await write(self.controls, MEMORY_REGISTERS, "error", read=self.errors == "r",
                    write=self.errors == "w")
        await write(self.controls, MEMORY_REGISTERS, "latency", jitter=self.random.choice([0, 15]),
                    cycles=self.random.choice([1, 16]))
        page = self.random.randrange(SPACE >> 12)           # and another page not be cached
        for name, value in (("guard0_last_msb", 0), ("guard0_last", page << 12), ("guard0_msb", 0),
                            ("guard0", page << 12 | (self.random.random() < 0.5))):
            await self.both(name, value)
        self.memory.clear_injected()
        if self.errors:
            self.memory.inject(low, high, self.errors)
        await self.both("status", 0b1111)


def lockstep(shape: str, accesses: int, seed: int = 0):
    pair, done = Pair(SHAPES[shape], seed), {"accesses": 0}

    async def testbench(ctx):
        await pair.run(ctx, accesses, done)

    pair.rig.run(testbench)
    assert done["accesses"] >= accesses


@pytest.mark.parametrize("shape", SHAPES)
def test_lockstep(shape):
    lockstep(shape, 1200)


@pytest.mark.deep
@pytest.mark.parametrize("shape", SHAPES)
def test_long_lockstep(shape):
    """A hundred thousand accesses each, from twenty beginnings."""
    for seed in range(1, 21):
        lockstep(shape, 5000, seed)
