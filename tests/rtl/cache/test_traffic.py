"""Cache under traffic on all channels at once: many bursts in flight, stalls, maintenance beside.

What a read may return follows from when writes were offered and answered, byte by byte.
"""

from dataclasses import dataclass, field
from random import Random

import pytest

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Resp
from sim.axi import beat_addresses
from sim.streams import get, put

from .harness import SHAPES, Setup, Software
from .test_cache import any_burst, lanes

SPACE = 1 << 12


@dataclass
class Write:
    """One value of a byte, and when it was under way."""

    value: int
    since: float
    until: float = float("inf")
    sure: bool = True


@dataclass
class History:
    """All values that each byte ever had, in the order of the writes."""

    image: bytes
    writes: dict[int, list[Write]] = field(default_factory=dict)

    def offer(self, at: int, value: int, now: int) -> Write:
        write = Write(value, now)
        self.writes.setdefault(at, [Write(self.image[at], -1, -1)]).append(write)
        return write

    def allowed(self, at: int, since: float, until: float) -> set[int]:
        """Values that a read in this time may see."""
        values = set()
        for write in reversed(self.writes.get(at, [Write(self.image[at], -1, -1)])):
            if write.since <= until:
                values.add(write.value)
                if write.sure and write.until < since:
                    break
        return values


class Traffic:
    """A CPU with independent readers and writers."""

    def __init__(self, setup: Setup, seed: str, *, bursts: int, span: int, stall: float,
                 failing: bool = False):
        self.setup, self.seed, self.bursts, self.span = setup, seed, bursts, span
        self.stall, self.failing = stall, failing
        self.width = setup.params.data_width // 8

    def attach(self):
        """Add the testbenches; each keeps its state in ``start``, made anew for every run."""
        bench = self.setup.bench

        @bench.testbench
        async def start(ctx):
            self.random, self.history = Random(self.seed), History(bytes(self.setup.memory.image))
            self.reads, self.pending, self.answered, self.fed = [], [], 0, []
            self.maintained = False
            for _ in range(self.bursts):
                await self._issue_write(ctx) if self.random.random() < 0.5 else \
                    await self._issue_read(ctx)
            while self.reads or self.pending or not self.maintained:
                await ctx.tick()
            await self._finish(ctx)

        for function in (self._data, self._read_beats, self._responses):
            bench.background(function)
        bench.background(self._software)

    def _now(self):
        return self.setup.memory.cycle

    async def _idle(self, ctx, random):
        while random.random() < self.stall:
            await ctx.tick()

    def _burst(self):
        addr, length, size, burst = any_burst(self.random, self.width, self.span)
        cached = self.random.random() < 0.85
        return {"addr": addr, "len": length, "size": size, "burst": burst,
                "id": self.random.randrange(2),
                "cache": CACHE_WRITE_BACK if cached else CACHE_BYPASS}

    async def _issue_read(self, ctx):
        await self._idle(ctx, self.random)
        address = self._burst()
        beats = beat_addresses(*(address[key] for key in ("addr", "len", "size", "burst")))
        self.reads.append((address, beats, self._now()))
        await put(ctx, self.setup.dut.cpu.ar, address)

    async def _issue_write(self, ctx):
        await self._idle(ctx, self.random)
        address, writes = self._burst(), []
        for at in beat_addresses(*(address[key] for key in ("addr", "len", "size", "burst"))):
            strb = lanes(at, address["size"], self.width)
            word = self.random.getrandbits(8 * self.width)
            if self.random.random() < 0.3:
                strb &= self.random.getrandbits(self.width)
            low = at & -self.width
            writes += [self.history.offer(low + lane, word >> 8 * lane & 255, self._now())
                       for lane in range(self.width) if strb >> lane & 1]
            self.fed.append({"data": word, "strb": strb, "last": 0})
        self.fed[-1]["last"] = 1
        self.pending.append((address["id"], writes))
        await put(ctx, self.setup.dut.cpu.aw, address)

    async def _data(self, ctx):
        random = Random(self.seed + "w")
        while True:
            while not getattr(self, "fed", None):
                await ctx.tick()
            await self._idle(ctx, random)
            await put(ctx, self.setup.dut.cpu.w, self.fed.pop(0))

    async def _read_beats(self, ctx):
        random = Random(self.seed + "r")
        while True:
            await self._idle(ctx, random)
            beat = await get(ctx, self.setup.dut.cpu.r)
            index = next(i for i, (address, *_) in enumerate(self.reads)
                         if address["id"] == beat.id)
            _address, beats, since = self.reads[index]
            at = beats.pop(0)
            assert beat.last == (not beats)
            assert self.failing or beat.resp is Resp.OKAY
            if beat.resp is Resp.OKAY:
                for byte in range(self.width):
                    got, where = beat.data >> 8 * byte & 255, (at & -self.width) + byte
                    assert got in self.history.allowed(where, since, self._now()), hex(where)
            if not beats:
                del self.reads[index]

    async def _responses(self, ctx):
        random = Random(self.seed + "b")
        while True:
            await self._idle(ctx, random)
            beat = await get(ctx, self.setup.dut.cpu.b)
            index = next(i for i, (axid, _) in enumerate(self.pending) if axid == beat.id)
            _, writes = self.pending.pop(index)
            assert self.failing or beat.resp is Resp.OKAY
            for write in writes:
                write.until, write.sure = self._now(), beat.resp is Resp.OKAY

    async def _software(self, ctx):
        """Clean and flush whatever, all the time; CPU and memory must not notice."""
        random, software = Random(self.seed + "m"), Software(ctx, self.setup.dut)
        memory = self.setup.memory
        for step in range(self.bursts // 12):
            if self.failing:
                memory.heal()
                low = random.randrange(self.span)
                memory.fail(low, low + 8, random.choice(["r", "w", "rw"]))
            start = random.randrange(self.span)
            end = random.choice([start + random.randrange(64), self.span + step])
            await software.maintain(random.choice([0, 2]), min(start, end), end,
                                    whole=random.random() < 0.2)
        memory.heal()
        self.maintained = True
        while True:
            await ctx.tick()

    async def _finish(self, ctx):
        """Whatever was answered well is in memory after a flush."""
        await Software(ctx, self.setup.dut).maintain(0, whole=True)
        for at in range(self.span):
            assert self.setup.memory.data[at] in self.history.allowed(at, self._now(), self._now())


@pytest.mark.parametrize("shape, stall, failing", [
    ("small", 0.0, False), ("small", 0.6, False), ("smallest", 0.3, False),
    ("direct", 0.0, False), ("odd", 0.3, False), ("long", 0.3, False),
    ("small", 0.3, True), ("odd", 0.0, True)])
def test_traffic(bench, shape, stall, failing):
    span = min(SPACE, 3 * SHAPES[shape].size_bytes)
    image = Random(1).randbytes(SPACE)
    setup = Setup(bench, shape, size=SPACE, image=image, latency=7, stall=stall / 2, seed=3)
    Traffic(setup, f"{shape} {stall} {failing}", bursts=70, span=span, stall=stall,
            failing=failing).attach()
    setup.bench.run()
