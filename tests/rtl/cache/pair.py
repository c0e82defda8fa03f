"""The cache before a memory, the golden model before another, and the same accesses on both."""

from dataclasses import dataclass
from random import Random

from amaranth.hdl import Cat

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst, Resp
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CACHE_REGISTERS, CacheCommand, CacheEdge, CacheMode
from rtl.spec.memory_regs import MEMORY_REGISTERS
from rtl.spec.platform import BusError
from sim.axi_lite import Manager
from sim.benchmarks.rig import Rig, write
from sim.checked import Checked
from sim.golden.cache import Cache as Golden
from sim.golden.memory import Memory

from .harness import Shared
from .player import Player, Recorder, packer

__all__ = ["SPACE", "Pair"]

SPACE = 1 << 14                             # bytes of memory; more is outside, and answers DECERR
_BEATS = 512                                # of a batch, at most
_BRING = CacheCommand.ZERO, CacheCommand.PREFETCH
_STATUS = CACHE_REGISTERS["status"]


@dataclass
class Access:
    """Some words within a line."""

    addr: int
    beats: int
    cached: bool
    lock: bool
    data: list[int]
    strb: int
    id: int


class Port:
    """One direction of one port of the cache: what is asked, and what comes back."""

    def __init__(self, rig: Rig, bus, is_write: bool, seed: int):
        self.is_write, self.device = is_write, bus is not rig.dut.cpu
        self.ask = Player(bus.aw if is_write else bus.ar, 64, seed)
        self.back = Recorder(bus.b if is_write else bus.r, _BEATS, seed + 2)
        self.parts = [self.ask, self.back]
        if is_write:
            self.feed = Player(bus.w, _BEATS, seed + 1)
            self.parts.append(self.feed)
        rig.m.submodules += self.parts
        self.size = len(bus.w.p.strb).bit_length() - 1
        self.address = packer(self.ask.stream.payload.shape())
        self.word = packer(bus.w.payload.shape())
        self.layout = self.back.stream.payload.shape()

    def start(self, ctx, accesses: list[Access], random: Random):
        beats = 0
        for at, access in enumerate(accesses):
            ctx.set(self.ask.rows[at], self.address(
                addr=access.addr, len=access.beats - 1, size=self.size, burst=Burst.INCR.value,
                lock=access.lock, id=access.id,
                cache=CACHE_WRITE_BACK if access.cached else CACHE_BYPASS))
            if self.is_write:
                for left, datum in zip(reversed(range(access.beats)), access.data, strict=True):
                    ctx.set(self.feed.rows[beats], self.word(
                        data=datum, strb=access.strb, last=not left))
                    beats += 1
        for part in self.parts:
            ctx.set(part.sparse, random.random() < 0.3)
        ctx.set(self.ask.count, len(accesses))
        if self.is_write:
            ctx.set(self.feed.count, beats)
        ctx.set(self.back.target, len(accesses) if self.is_write else
                sum(access.beats for access in accesses))

    def answers(self, ctx, accesses: list[Access]) -> list[list]:
        """(response, datum if it is good) of each beat, of each access."""
        count = ctx.get(self.back.target)
        came = {0: [], 1: []}               # those of one ID are in order
        for at in range(count):
            beat = self.layout.from_bits(ctx.get(self.back.rows[at]))
            came[beat.id].append((beat.resp, None if self.is_write or beat.resp is not Resp.OKAY
                                  else beat.data))
        for part in self.parts:
            ctx.set(part.target if part is self.back else part.count, 0)
        return [[came[access.id].pop(0) for _ in range(1 if self.is_write else access.beats)]
                for access in accesses]


class Pair:
    """Cache and model.

    Where a line is placed is the same on both unless replacement is random or lines come ahead of
    the reader. Then the model has room for all lines; counters are not compared, nor how many lines
    a command wrote back, and an access may meet a line that cannot be written back, and is then
    not done. Everything else is compared: data, responses, results, status, and memory at the end.
    """

    def __init__(self, params: CacheParams, seed: int):
        self.params, self.random = params, Random(seed)
        self.exact = not (params.random or params.prefetch)
        self.width = params.data_width // 8
        self.memory = Memory(0, SPACE)
        shape = {"size_bytes": params.size_bytes, "ways": params.ways} if self.exact else {
            "size_bytes": 2 * SPACE, "ways": 1}
        self.model = Golden(self.memory, **shape, line_bytes=params.line_bytes,
                            misses=params.misses, commands=params.commands,
                            bus_bytes=self.width, **{name: getattr(params, name) for name in (
                                "allocate", "guards", "snoop", "prefetch", "random", "overtake")})
        dut = Shared(params) if params.snoop else Checked(Cache(params))
        self.rig = Rig(dut, {"memory": (0, SPACE)})
        buses = [dut.cpu, dut.snoop] if params.snoop else [dut.cpu]
        self.ports = [Port(self.rig, bus, is_write, seed * 7 + 3 * at)
                      for at, (bus, is_write) in enumerate(
                          (bus, is_write) for bus in buses for is_write in (False, True))]
        self.done = Cat(port.back.done for port in self.ports).all()
        self.errors, self.accesses = "", 0
        self.outside = False                # the last access was to where no memory is

    def run(self, accesses: int):
        """So many accesses, with commands and errors among them."""
        async def testbench(ctx):
            self.ctx = ctx
            self.regs = Manager(ctx, self.rig.dut.regs)
            self.controls = Manager(ctx, self.rig.drams["memory"].regs)
            await ctx.tick().repeat(2 * self.params.sets)
            while self.accesses < accesses:
                choice = self.random.random()
                if choice < 0.02:
                    await self.inject()
                elif choice < 0.12:
                    await self.maintain()
                else:
                    await self.access()
                await self.compare_status()
            await self.finish()

        self.rig.run(testbench)
        assert self.accesses >= accesses

    async def finish(self):
        await self.inject(none=True)
        await self.maintain(mode=0, whole=1)
        assert self.rig.peek(self.ctx, "memory", 0, SPACE) == bytes(self.memory.image())
        await self.compare("cap2")
        if self.exact:
            # What hits a line on its way that fails is a miss in the model; and a device may meet
            # a line that is still being evicted.
            await self.compare("cap", *(name for name in self.model.counters
                                        if not name.startswith(("read_", "write_", "snoop_"))))

    @property
    def single(self) -> bool:
        """One after the other: what is on the way together would share a place that stays taken."""
        return self.errors == "w" or (self.errors == "r" and self.exact)

    # Accesses

    async def access(self):
        """A batch on one port, or on all of them, if nobody minds who is first."""
        ctx, random = self.ctx, self.random
        together = not self.exact and self.errors != "w" and random.random() < 0.5
        ports = self.ports if together else [random.choice(self.ports)]
        salt = random.randrange(len(ports))
        batches = [(port, self.batch(port, len(ports), at + salt)) for at, port in enumerate(ports)]
        beside = together and not self.errors and random.random() < 0.5
        if beside:                      # what it does is not seen
            for name, value in (("start", 0), ("end", random.randrange(SPACE))):
                await self.both(f"{name}_msb", 0)
                await self.both(name, value)
            await self.both("cmd", CACHE_REGISTERS["cmd"].pack({
                "mode": random.choice([CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE])}))
        for port, accesses in batches:
            port.start(ctx, accesses, random)
        expected = []
        if self.errors != "w" or self.exact:
            expected = [[self.expect(port, one) for one in accesses] for port, accesses in batches]
        await ctx.tick().until(self.done)
        for at, (port, accesses) in enumerate(batches):
            self.accesses += len(accesses)
            answers = port.answers(ctx, accesses)
            if not expected:
                # Its line may have had to take the place of one that cannot be written back.
                given_up = answers[0][0][0] is Resp.SLVERR and accesses[0].cached and (
                    not port.device and not accesses[0].lock)
                if not given_up:
                    assert answers == [self.expect(port, accesses[0])]
                continue
            assert answers == expected[at]
        if beside:
            while not await self.read("result") & 1:
                pass
            await self.compare("result")
            await self.both("result", 1)
        # A device meets lines that are being evicted; here, they are gone already.
        waits = self.single or self.outside or (self.exact and self.params.snoop)
        await ctx.tick().repeat(120 if waits else 1)

    def batch(self, port: Port, sharing: int, share: int) -> list[Access]:
        """Accesses to lines that no other port of ``sharing`` accesses meanwhile."""
        random, line, width = self.random, self.params.line_bytes, self.width
        accesses, count = [], 1 if self.single else random.choice([1, 1, 4, 24])
        self.outside = count == 1 and random.random() < 0.1
        for at in range(count):
            addr = random.randrange(0, SPACE + (64 if self.outside else 0), width)
            if random.random() < 0.5:
                addr = addr % (4 * line) + addr // line % 3 * self.params.sets * line
            number = addr // line
            addr += (share - number) % sharing * line
            beats, strb = 1, (1 << width) - 1
            # What a burst that fails in part does is compared by the tests of bursts.
            if random.random() < 0.2 and (port.device or not self.errors):
                beats = self.params.beats if random.random() < 0.5 else 2
                addr = addr & -line if beats > 2 else addr & -2 * width
            elif port.is_write and random.random() < 0.5:
                half = width // 2
                strb = random.choice([(1 << half) - 1, (1 << half) - 1 << half])
            lock = beats == 1 and random.random() < 0.03
            data = [random.getrandbits(8 * width) for _ in range(beats)] if port.is_write else []
            accesses.append(Access(addr, beats, random.random() < 0.95, lock, data, strb, at % 2))
        return accesses

    def expect(self, port: Port, access: Access) -> list:
        """What the model answers."""
        model, addr, size = self.model, access.addr, access.beats * self.width
        cached = access.cached and not access.lock
        try:
            if port.device:             # in parts of 16 beats at most
                whole = access.strb == (1 << self.width) - 1
                for at in range(0, size, 16 * self.width):
                    model.snoop(addr + at, min(size - at, 16 * self.width) if whole else 0,
                                write=port.is_write)
            if port.is_write:
                low = self.width // 2 if not access.strb & 1 else 0
                data = b"".join(word.to_bytes(self.width, "little") for word in access.data)
                data = data[low:low + access.strb.bit_count() * access.beats]
                store = self.memory.write if port.device else (
                    model.store if cached else model.store_uncached)
                store(addr + low, data)
                return [(Resp.OKAY, None)]
            if not port.device:
                data = (model.load if cached else model.load_uncached)(addr, size)
                return [(Resp.OKAY, int.from_bytes(data[at:at + self.width], "little"))
                        for at in range(0, size, self.width)]
        except BusError as error:
            return [(Resp[error.resp], None)] * (1 if port.is_write else access.beats)
        return [self.from_memory(addr + at) for at in range(0, size, self.width)]

    def from_memory(self, addr: int):
        try:
            return Resp.OKAY, int.from_bytes(self.memory.read(addr, self.width), "little")
        except BusError as error:
            return Resp[error.resp], None

    # Software

    async def read(self, name: str) -> int:
        return await self.regs.readl(CACHE_REGISTERS[name].offset)

    async def compare(self, *names: str):
        for name in names:
            assert await self.read(name) == self.model.read(CACHE_REGISTERS[name].offset), name

    async def compare_status(self):
        found, expected = await self.read("status"), self.model.read(_STATUS.offset)
        if not self.exact:              # a line that came ahead, or that was in the way
            allowed = {"r": "refill_error", "w": "write_error"}.get(self.errors)
            if allowed:
                expected |= found & _STATUS[allowed].mask
        assert found == expected
        # Commands meet lines in another order.
        if self.exact and self.errors != "w" and found & 0b11:
            await self.compare("err_addr")

    async def both(self, name: str, value: int):
        await self.regs.writel(value, CACHE_REGISTERS[name].offset)
        self.model.write(CACHE_REGISTERS[name].offset, value)

    async def maintain(self, **fields):
        """A few commands on the queue, and their results; or one by ``ctl``."""
        random, line = self.random, self.params.line_bytes
        count = 0 if fields else random.randrange(1 + min(3, self.params.commands))
        drops = not fields and random.random() < 0.5
        if drops and not self.exact:    # what is dropped must not depend on the place
            await self.maintain(mode=CacheMode.CLEAN_SHARED, whole=1)
        for tag in range(max(count, 1)):
            start, end = sorted(random.randrange(SPACE) for _ in range(2))
            end = start + random.randrange(200) if random.random() < 0.5 else end
            mode = random.randrange(4) if drops else random.choice([0, 2])
            given = {"mode": mode, "whole": random.random() < 0.1, **fields}
            if count and not self.single and random.random() < 0.3 and (self.exact or not drops):
                given["mode"] = random.choice(_BRING)
                if random.random() < 0.8:
                    start, end = start & -line, end & -line
            for name, value in (("start", start), ("end", end)):
                await self.both(f"{name}_msb", 0)
                await self.both(name, value)
            if not count:
                await self.both("ctl", CACHE_REGISTERS["ctl"].pack({"enable": 1, **given}))
                while await self.read("ctl") & 1:
                    pass
            else:
                await self.both("cmd", CACHE_REGISTERS["cmd"].pack(
                    {"edge": random.choice(list(CacheEdge)), "tag": tag, "notify": tag == 1,
                     **given}))
        for _ in range(count):
            while not await self.read("result") & 1:
                pass
            if self.errors != "w":      # commands meet lines in another order
                await self.compare("result_addr")
            await self.compare("result")
            if self.exact:
                await self.compare("result_lines")
            else:
                most = self.model.read(CACHE_REGISTERS["result_lines"].offset)
                assert await self.read("result_lines") <= most
            await self.both("result", 1)

    async def inject(self, *, none: bool = False):
        """Let memory fail in another range, or nowhere."""
        random, line = self.random, self.params.line_bytes
        await self.ctx.tick().repeat(200)   # what was asked before is over
        await write(self.controls, MEMORY_REGISTERS, "error")
        self.memory.clear_injected()
        self.errors = "" if none else random.choice(["", "r", "w"])
        if self.errors and not self.exact:  # what is there would matter
            await self.maintain(mode=0, whole=1)
        low = random.randrange(0, SPACE, line)
        high = low + random.choice([8, 64, 1024])
        high += -high % line if self.errors == "w" else 0
        await write(self.controls, MEMORY_REGISTERS, "error_low", addr=low)
        await write(self.controls, MEMORY_REGISTERS, "error_high", addr=high)
        await write(self.controls, MEMORY_REGISTERS, "error", read=self.errors == "r",
                    write=self.errors == "w")
        await write(self.controls, MEMORY_REGISTERS, "latency", jitter=random.choice([0, 15]),
                    cycles=random.choice([1, 16]))
        page = random.randrange(SPACE >> 12)                # and another page not be cached
        if self.params.guards:
            for name, value in (("guard0_last_msb", 0), ("guard0_last", page << 12),
                                ("guard0_msb", 0),
                                ("guard0", page << 12 | (random.random() < 0.5))):
                await self.both(name, value)
        if self.errors:
            self.memory.inject(low, high, self.errors)
        await self.both("status", 0b1111)
