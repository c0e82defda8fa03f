"""A stream engine with memory, a driver and the device at its streams."""

from dataclasses import dataclass
from random import Random

from rtl.dma.stream_dma import StreamDma
from rtl.params import StreamParams
from rtl.spec.axi_dma_regs import AXI_DMA_REGISTERS
from rtl.spec.descriptor import AXI_DMA_CONTROL, AXI_DMA_STATUS, AxiDmaWord
from sim.axi import Memory
from sim.axi_lite import Manager

#: Layout of the memory: descriptors of both channels, sources, targets.
DESCS, SOURCES, TARGETS, SIZE = {"mm2s": 0x0000, "s2mm": 0x2000}, 0x4000, 0x10000, 0x20000
IMAGE = Random(11).randbytes(TARGETS - SOURCES)
CR, SR = AXI_DMA_REGISTERS["mm2s_cr"], AXI_DMA_REGISTERS["mm2s_sr"]
SHAPES = {
    "smallest": {"data_width": 32, "addr_width": 32, "id_width": 2, "reads_in_flight": 1,
                 "max_beats": 2, "timer": False},
    "default": {},
    "own port": {"own_port": True, "reads_in_flight": 8},
    "odd": {"data_width": 128, "addr_width": 57, "reads_in_flight": 2, "max_beats": 8},
    "widest": {"data_width": 512, "reads_in_flight": 1, "max_beats": 4},
}


@dataclass(frozen=True)
class Part:
    """A descriptor's worth of buffer. ``eof`` and ``sof`` as in its control word."""

    addr: int
    size: int
    eof: bool = False
    sof: bool = False

    def image(self, link: int, status: int = 0) -> bytes:
        words = [link, self.addr, 0]
        control = AXI_DMA_CONTROL.pack(length=self.size, eof=self.eof, sof=self.sof)
        return (b"".join(word.to_bytes(8, "little") for word in words) +
                control.to_bytes(4, "little") + status.to_bytes(4, "little"))


def lay_out(memory: Memory, channel: str, parts, *, slots=None) -> list[int]:
    """Write a list of descriptors, in consecutive slots by default; return their addresses."""
    places = [memory.base + DESCS[channel] + 64 * slot for slot in slots or range(len(parts))]
    for k, part in enumerate(parts):
        memory.write(places[k], part.image(places[(k + 1) % len(parts)]))
    return places


def cut(packets, parts) -> list[tuple[int, int, int, bytes]]:
    """What packets leave in buffers: bytes, begin, end and contents of each that is used."""
    result, todo = [], iter(parts)
    for packet in packets:
        at = 0
        while at < len(packet):
            part = next(todo, None)
            if part is None:
                return result
            data = packet[at:at + part.size]
            result.append((len(data), int(at == 0), int(at + len(data) == len(packet)), data))
            at += len(data)
    return result


def rig(bench, *, shape="default", timeout=30_000, checked=None, apps=False, **memory_args):
    """Engine, bench, and memory for data and descriptors."""
    dut = StreamDma(StreamParams(**SHAPES[shape], apps=apps))
    this = bench(checked(dut) if checked else dut, timeout=timeout)
    memory = Memory(dut.bus, **{"size": SIZE, **memory_args})
    memory.write(memory.base + SOURCES, IMAGE)
    memory.attach(this)
    lists = memory
    if "lists" in dut.signature.members:
        lists = Memory(dut.lists, **{"size": SOURCES, **memory_args})
        lists.attach(this)
    return dut, this, memory, lists


async def sink(ctx, port, count: int, *, stall=0.0, seed=0, hold=()) -> list[bytes]:
    """Take ``count`` packets; ``hold`` may have cycles in which nothing is taken."""
    random, packets, current, cycle = Random(seed), [], bytearray(), 0
    width = len(port.t.p.keep)
    while len(packets) < count:
        ready = random.random() >= stall and cycle not in hold
        ctx.set(port.t.ready, ready)
        _, _, valid, beat = await ctx.tick().sample(port.t.valid, port.t.payload)
        cycle += 1
        if not (valid and ready):
            continue
        kept = beat.keep.bit_length()
        assert beat.keep == (1 << kept) - 1 and (beat.last or kept == width)
        current += beat.data.to_bytes(width, "little")[:kept]
        if beat.last:
            packets.append((bytes(current), beat.user) if beat.user else bytes(current))
            current.clear()
    ctx.set(port.t.ready, 0)
    return packets


async def source(ctx, port, packets, *, stall=0.0, seed=0, last=True):
    """Send packets; without ``last``, none of them ends."""
    random, width = Random(seed), len(port.t.p.keep)
    for packet in packets:
        for at in range(0, len(packet), width):
            while random.random() < stall:
                ctx.set(port.t.valid, 0)
                await ctx.tick()
            data = packet[at:at + width]
            junk = random.randbytes(width - len(data))
            ctx.set(port.t.payload, {
                "data": int.from_bytes(data + junk, "little"), "keep": (1 << len(data)) - 1,
                "last": last and at + width >= len(packet)})
            ctx.set(port.t.valid, 1)
            await ctx.tick().until(port.t.ready)
    ctx.set(port.t.valid, 0)


class Driver:
    """What a driver of one channel does, in the testbench that owns ``ctx``.

    Registers are shared: one driver for both channels may be active at a time.
    """

    def __init__(self, ctx, dut, channel: str, memory):
        self.ctx, self.dut, self.channel, self.memory = ctx, dut, channel, memory
        self.bus, self.bit = Manager(ctx, dut.regs), ("mm2s", "s2mm").index(channel)

    def _register(self, name: str):
        names = {register.name for register in AXI_DMA_REGISTERS}
        own = f"{self.channel}_{name}"
        return AXI_DMA_REGISTERS[own if own in names else name]

    async def read(self, name: str) -> int:
        return await self.bus.readl(self._register(name).offset)

    async def write(self, name: str, value: int = 0, **fields):
        register = self._register(name)
        await self.bus.writel(register.pack(fields, value), register.offset)

    async def pair(self, name: str, value: int):
        await self.write(f"{name}_msb", value >> 32)
        await self.write(name, value & 0xFFFF_FFFF)

    async def status(self) -> dict[str, int]:
        word = await self.read("sr")
        return {field.name: field.get(word) for field in SR if field.get(word)}

    async def run(self, **control):
        await self.write("cr", **{"run": 1, "ioc_irq_en": 1, "err_irq_en": 1, "irq_threshold": 1,
                                  **control})

    async def start(self, places, **control):
        await self.pair("curdesc", places[0])
        await self.run(**control)
        await self.pair("taildesc", places[-1])

    async def interrupt(self) -> dict[str, int]:
        if not self.ctx.get(self.dut.irq[self.bit]):
            await self.ctx.tick().until(self.dut.irq[self.bit])
        status = await self.status()
        await self.write("sr", **{name: 1 for name in ("ioc_irq", "err_irq", "dly_irq")
                                  if name in status})
        return status

    async def idle(self):
        while "idle" not in await self.status():
            pass

    async def halted(self):
        while "halted" not in await self.status():
            pass

    async def reset(self) -> int:
        await self.write("cr", reset=1)
        polls = 0
        while CR["reset"].get(await self.read("cr")):
            polls += 1
        return polls

    def result(self, place: int) -> dict[str, int]:
        """Fields of a descriptor's status that are not zero."""
        at = place + AxiDmaWord.STATUS
        word = int.from_bytes(self.memory.read(at, 4), "little")
        return {name: value for name, value in AXI_DMA_STATUS.unpack(word).items() if value}


def packets(random: Random, *, most=8, largest=600) -> list[list[Part]]:
    """Packets, each as parts of a packet; sources anywhere."""
    result = []
    for _ in range(random.randint(most // 2, most)):
        sizes = [random.choice([random.randint(1, 12), random.randint(1, largest // 3)])
                 for _ in range(random.randint(1, 4))]
        result.append([
            Part(SOURCES + random.choice([random.randint(0, 6000), random.randint(4090, 4100)]),
                 size, eof=k == len(sizes) - 1, sof=k == 0)
            for k, size in enumerate(sizes)])
    return result
