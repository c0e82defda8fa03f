"""A cache between a CPU and memory, for the tests of the whole block."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.axi.arbiter import Arbiter
from rtl.axi.signature import Signature
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CACHE_REGISTERS
from sim import axi_lite
from sim.axi import Manager, Memory
from sim.checked import Checked

__all__ = ["SHAPES", "Cpu", "Setup", "Shared", "Software", "words"]

#: Geometries: small, the smallest, direct-mapped, odd widths, long lines.
SHAPES = {
    "small": CacheParams(phys_bits=32, size_bytes=512, ways=2, line_bytes=32),
    "smallest": CacheParams(phys_bits=32, id_width=1, size_bytes=32, ways=1, line_bytes=16,
                            misses=1, commands=1, guards=0),
    "direct": CacheParams(phys_bits=40, data_width=32, size_bytes=256, ways=1, line_bytes=32,
                          misses=2),
    "odd": CacheParams(phys_bits=37, id_width=3, data_width=128, size_bytes=1024, ways=4,
                       line_bytes=64, misses=8),
    "long": CacheParams(phys_bits=34, data_width=32, size_bytes=2048, ways=8, line_bytes=128,
                        commands=8),
}


class Shared(wiring.Component):
    """A cache with a snoop port, both its ways to memory on one bus."""

    def __init__(self, params: CacheParams):
        self.params = params
        self._bus = Signature(addr_width=params.phys_bits, data_width=params.data_width,
                              id_width=params.id_width)
        self._arbiter = Arbiter(self._bus, 2)
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)), "cpu": In(self._bus),
            "snoop": In(self._bus), "memory": self._arbiter.signature.members["bus"],
            "irq": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.cache = cache = Checked(Cache(self.params), depth=64)
        m.submodules.arbiter = arbiter = self._arbiter
        connect(m, flipped(self.regs), cache.regs)
        connect(m, flipped(self.cpu), cache.cpu)
        connect(m, flipped(self.snoop), cache.snoop)
        connect(m, cache.memory, arbiter.managers[0])
        connect(m, cache.snooped, arbiter.managers[1])
        connect(m, arbiter.bus, flipped(self.memory))
        m.d.comb += self.irq.eq(cache.irq)
        return m


def words(data: bytes, width: int) -> list[int]:
    """Bus words of ``width`` bytes."""
    return [int.from_bytes(data[at:at + width], "little") for at in range(0, len(data), width)]


class Software:
    """Registers, as software uses them."""

    def __init__(self, ctx, dut):
        self._bus = axi_lite.Manager(ctx, dut.regs)

    async def read(self, name: str, field: str | None = None) -> int:
        word = await self._bus.readl(CACHE_REGISTERS[name].offset)
        return word if field is None else CACHE_REGISTERS[name][field].get(word)

    async def write(self, name: str, **fields: int):
        register = CACHE_REGISTERS[name]
        await self._bus.writel(register.pack(fields), register.offset)

    async def write64(self, name: str, value: int):
        await self.write(f"{name}_msb", addr=value >> 32)
        await self.write(name, addr=value & 0xFFFF_FFFF)

    async def start(self, mode: int, start: int = 0, end: int = 0, *, whole: bool = False):
        """Give a maintenance command."""
        if not whole:
            await self.write64("start", start)
            await self.write64("end", end)
        await self.write("ctl", enable=1, mode=mode, whole=whole)

    async def maintain(self, mode: int, start: int = 0, end: int = 0, *, whole: bool = False):
        """Give a maintenance command and wait until it is done."""
        await self.start(mode, start, end, whole=whole)
        while await self.read("ctl", "enable"):
            pass

    async def queue(self, mode: int, start: int = 0, end: int = 0, **fields):
        """Queue a maintenance command."""
        await self.write64("start", start)
        await self.write64("end", end)
        await self.write("cmd", mode=mode, **fields)

    async def result(self) -> dict[str, int]:
        """Wait for the oldest result of the queue, and take it."""
        while not await self.read("result", "valid"):
            pass
        found = {name: await self.read("result", name) for name in ("refused", "error")}
        found["lines"] = await self.read("result_lines")
        found["addr"] = await self.read("result_addr") | await self.read("result_addr_msb") << 32
        await self.write("result", valid=1)
        return found

    async def state(self) -> dict[str, int]:
        """Status, first error and all counters but those of the snoop port."""
        found = {"status": await self.read("status"),
                 "err_addr": await self.read("err_addr") | await self.read("err_addr_msb") << 32}
        for register in CACHE_REGISTERS:
            if "count" in [field.name for field in register] and "snoop" not in register.name:
                found[register.name] = await self.read(register.name)
        return found


class Cpu(Manager):
    """Reads and writes of bytes, one burst at a time."""

    async def load(self, addr: int, size: int, **attributes) -> tuple[bytes, list]:
        """Read whole words; return their bytes and the response of each."""
        data, resps = await self.read(addr, size // self._width, **attributes)
        return b"".join(word.to_bytes(self._width, "little") for word in data), resps

    async def store(self, addr: int, data: bytes, **attributes):
        """Write whole words; return the response."""
        return await self.write(addr, words(data, self._width), **attributes)


class Setup:
    """Cache, memory and bench; ``run`` takes the program of the CPU.

    ``program(ctx, cpu, software, memory)`` is run to its end. So is each of ``others``, beside it,
    on the snoop port: ``other(ctx, device, memory)``.
    """

    def __init__(self, bench, params: CacheParams | str = "small", *, size: int = 1 << 14,
                 image: bytes = b"", timeout: int = 100_000, **memory):
        self.params = SHAPES[params] if isinstance(params, str) else params
        self.dut = Checked(Shared(self.params) if self.params.snoop else Cache(self.params))
        self.bench = bench(self.dut, timeout=timeout)
        self.memory = Memory(self.dut.memory, size=size, **memory)
        self.memory.write(0, image)
        self.memory.attach(self.bench)

    def run(self, program, *others):
        def beside(other):
            @self.bench.testbench
            async def device(ctx):
                await other(ctx, Cpu(ctx, self.dut.snoop), self.memory)

        for other in others:
            beside(other)

        @self.bench.testbench
        async def cpu(ctx):
            await program(ctx, Cpu(ctx, self.dut.cpu), Software(ctx, self.dut), self.memory)

        self.bench.run()
