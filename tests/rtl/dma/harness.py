"""One engine with memory and a driver, and what it must leave in memory."""

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from rtl.dma.dma import Dma
from rtl.params import DmaParams
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.descriptor import CDMA_ALIGN, CDMA_STATUS, CdmaWord
from sim.axi import Memory
from sim.axi_lite import Manager

#: Layout of the memory: descriptors, sources, destinations.
DESCS, SOURCES, TARGETS, SIZE = 0x0000, 0x4000, 0x10000, 0x20000
IMAGE = Random(9).randbytes(TARGETS - SOURCES)
COMPLETE = CDMA_STATUS.pack(cmplt=1)
CR, SR = CDMA_REGISTERS["cr"], CDMA_REGISTERS["sr"]
#: The smallest engine, the default one, odd ones, and one for long latencies.
SHAPES = {
    "smallest": {"data_width": 32, "addr_width": 32, "id_width": 1, "reads_in_flight": 1,
                 "max_beats": 2},
    "default": {},
    "wide": {"data_width": 256, "addr_width": 40, "reads_in_flight": 2, "max_beats": 256},
    "widest": {"data_width": 512, "reads_in_flight": 1, "max_beats": 4},
    "deep": {"reads_in_flight": 16},
    "odd": {"data_width": 128, "reads_in_flight": 8, "max_beats": 8},
}


@dataclass(frozen=True)
class Copy:
    """One descriptor's worth of work. Addresses in bytes."""

    src: int
    dst: int
    size: int


def descriptor(link: int, copy: Copy, status: int = 0) -> bytes:
    words = {CdmaWord.NXTDESC: link, CdmaWord.SA: copy.src, CdmaWord.DA: copy.dst}
    return (b"".join(words[at].to_bytes(8, "little") for at in words) +
            copy.size.to_bytes(4, "little") + status.to_bytes(4, "little"))


def lay_out(memory: Memory, copies, slots=None) -> list[int]:
    """Write a list of descriptors, in consecutive slots by default; return their addresses."""
    slots = slots or range(len(copies))
    places = [DESCS + CDMA_ALIGN * slot for slot in slots]
    for k, copy in enumerate(copies):
        link = places[k + 1] if k + 1 < len(copies) else 0xDEAD_0000
        memory.write(places[k], descriptor(link, copy))
    return places


def expected(memory: Memory, copies, places=()) -> bytes:
    """Contents of memory after ``copies`` have completed, and their descriptors at ``places``."""
    result = bytearray(memory.image)
    for copy in copies:
        source, target = copy.src - memory.base, copy.dst - memory.base
        result[target:target + copy.size] = memory.image[source:source + copy.size]
    for place in places:
        at = place + CdmaWord.STATUS - memory.base
        result[at:at + 4] = COMPLETE.to_bytes(4, "little")
    return bytes(result)


def rig(bench, *, params=None, timeout=20_000, checked=None, **memory_args):
    """Engine, bench, and memory with random sources."""
    dut = Dma(DmaParams(**(params or {})))
    this = bench(checked(dut) if checked else dut, timeout=timeout)
    memory = Memory(dut.bus, **{"size": SIZE, **memory_args})
    memory.write(memory.base + SOURCES, IMAGE)
    memory.attach(this)
    return dut, this, memory


class Driver:
    """What a driver does, in the testbench that owns ``ctx``."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut, self.bus = ctx, dut, Manager(ctx, dut.regs)

    async def read(self, name: str) -> int:
        return await self.bus.readl(CDMA_REGISTERS[name].offset)

    async def write(self, name: str, value: int):
        await self.bus.writel(value, CDMA_REGISTERS[name].offset)

    async def status(self) -> dict[str, int]:
        """Fields of the status register that are not zero."""
        word = await self.read("sr")
        return {field.name: field.get(word) for field in SR if field.get(word)}

    async def pair(self, name: str, value: int):
        """Write a 64-bit register, high half first."""
        await self.write(f"{name}_msb", value >> 32)
        await self.write(name, value & 0xFFFF_FFFF)

    async def setup(self, *, threshold: int = 255, sg_mode: int = 1):
        await self.write("cr", CR.pack({"sg_mode": sg_mode, "ioc_irq_en": 1, "err_irq_en": 1,
                                        "irq_threshold": threshold}))

    async def start(self, places, **control):
        """Start a list of descriptors."""
        await self.setup(**control)
        await self.pair("curdesc", places[0])
        await self.pair("taildesc", places[-1])

    async def interrupt(self) -> dict[str, int]:
        """Wait for an interrupt, acknowledge it, and return the status it came with."""
        if not self.ctx.get(self.dut.irq):
            await self.ctx.tick().until(self.dut.irq)
        status = await self.status()
        await self.write("sr", SR.pack({name: status[name] for name in ("ioc_irq", "err_irq")
                                        if name in status}))
        return status

    async def idle(self):
        while "idle" not in await self.status():
            pass

    async def run(self, places, **control) -> dict[str, int]:
        """Start a list, and wait until it is complete or an error stopped it."""
        await self.start(places, **control)
        status = await self.interrupt()
        await self.idle()
        return status

    async def reset(self) -> int:
        """Reset, and return how often the bit read 1."""
        await self.write("cr", CR.pack({"reset": 1}))
        polls = 0
        while CR["reset"].get(await self.read("cr")):
            polls += 1
        return polls


@st.composite
def copies(draw, *, largest=700, most=6):
    """Copies whose targets are disjoint; near edges of pages, and adjacent, more often than not."""
    result, free = [], TARGETS
    for _ in range(draw(st.integers(1, most))):
        size = draw(st.one_of(st.integers(1, 40), st.integers(1, largest),
                              st.sampled_from([1, 63, 64, 65, 127, 128, 129])))
        dst = free + draw(st.one_of(st.just(0), st.integers(0, 70)))
        if draw(st.booleans()):         # the target ends or starts around a page
            dst = max(dst, (dst | 4095) + 1 - draw(st.integers(0, size + 3)))
        src = SOURCES + draw(st.one_of(
            st.integers(0, 8000), st.integers(1, 3).map(lambda page: 4096 * page)))
        src -= draw(st.sampled_from([0, 0, 1, size])) * (src >= SOURCES + size)
        result.append(Copy(src, dst, size))
        free = dst + size
    return result
