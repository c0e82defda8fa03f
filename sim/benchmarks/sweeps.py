"""Workloads of `sim.sweep`: cycles of one block, as a function of its parameters.

Each is the one that decides: where the parameter is too small, it waits.
"""

from collections.abc import Callable
from random import Random

from rtl.cache.cache import Cache
from rtl.iommu.iommu import Iommu
from rtl.params import CacheParams, DmaParams, IommuParams, SystemParams
from rtl.spec.cache_regs import CacheMode
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import PAGE_BYTES, DdtpMode
from rtl.spec.platform import IOMMU_BASE, MEMORY_BASE, RING_BASE, WINDOW_BYTES, Platform
from rtl.spec.ring_regs import RING_REGISTERS

from ..machine import RtlMachine
from .cache import LINE, WORD, Cpu
from .dma import Engine
from .iommu_tables import FAR, LEAF_TABLES, MEMORY, enable, lay_tables, map_pages
from .rig import Probe, Rig, burst, play
from .ring import descriptor

__all__ = ["WORKLOADS"]

#: Memory latencies L, in cycles.
LATENCIES = (16, 100)
#: Pages that a device reads in random order, and accesses.
PAGES, ACCESSES = 256, 1024
#: Bytes that a CPU reads and writes in random order, and accesses.
SPACE, MIXED = 1 << 15, 2000
#: Arrays that a CPU reads in turn, bytes from one to the next, and words of each.
ARRAYS, APART, WORDS = 4, 1 << 16, 64
#: Copies of 64 bytes, of each channel.
COPIES = 256


def iommu(params: IommuParams) -> dict[str, float]:
    """Cycles a translation, for reads of random pages that are offered without a gap."""
    rig = Rig(Iommu(params), {"tables": MEMORY, "memory": (0, 1 << 20)})
    taken, random, found = rig.taken(rig.dut.memory.ar), Random(1), {}
    middle = Probe(rig, taken.count == ACCESSES)

    def read(number: int) -> dict:
        page = random.randrange(PAGES)
        place = page % LEAF_TABLES * FAR + page // LEAF_TABLES
        return burst(place * PAGE_BYTES, id=number % (1 << params.id_width),
                     user={"device_id": 0, "process_id": 0, "process_valid": 0})

    async def testbench(ctx):
        lay_tables(rig, ctx)
        for table in range(LEAF_TABLES):
            map_pages(rig, ctx, table * FAR, PAGES // LEAF_TABLES)
        await rig.latency(ctx, "memory", 1)
        await enable(rig, ctx, rig.dut.regs)
        ctx.set(rig.dut.device.r.ready, 1)
        for latency in LATENCIES:
            await rig.latency(ctx, "tables", latency)
            await rig.restart(ctx)
            await play(ctx, (rig.dut.device.ar, map(read, range(2 * ACCESSES))))
            end = await taken.reach(ctx, 2 * ACCESSES)
            begin = ctx.get(middle.first)               # the TLB is warm
            found[f"random page, L={latency}"] = (end - begin) / ACCESSES

    rig.run(testbench)
    return found


def dma(params: DmaParams) -> dict[str, float]:
    """Cycles a copy, in a list of copies."""
    engine, found = Engine(params), {}

    async def testbench(ctx):
        for latency in LATENCIES:
            await engine.rig.latency(ctx, "bus", latency)
            for name, size, count in (("64 B", 64, COPIES), ("4 KiB", 4096, COPIES // 8)):
                cycles = await engine.copies(ctx, size, 0, 0, count)
                found[f"copy of {name}, L={latency}"] = cycles

    engine.rig.run(testbench)
    return found


def cache(params: CacheParams) -> dict[str, float]:
    """Cycles an access, or a line, of a CPU that does not wait for answers."""
    rig = Rig(Cache(params), {"memory": (0, 1 << 18)})
    cpu, random, found = Cpu(rig), Random(2), {}
    some = [(random.random() < 0.5, random.randrange(SPACE) & -WORD) for _ in range(MIXED)]
    arrays = [APART * array + WORD * n for n in range(WORDS) for array in range(ARRAYS)]
    lines = list(range(0, 2 * SPACE, LINE))

    async def testbench(ctx):
        await ctx.tick().repeat(2 * params.sets)        # until the sweep after reset is over
        for latency in LATENCIES:
            await rig.latency(ctx, "memory", latency)
            for name, measure, accesses in (
                    ("random in 32 KiB", cpu.mixed, some), ("4 arrays in turn", cpu.reads, arrays)):
                await measure(ctx, accesses)            # what fits is there
                found[f"{name}, L={latency}"] = await measure(ctx, accesses)
            await cpu.maintain(ctx, CacheMode.CLEAN_INVALIDATE)
            found[f"a word a line, L={latency}"] = await cpu.sequence(ctx, lines)

    rig.run(testbench)
    return found


def system(params: SystemParams) -> dict[str, float]:
    """Cycles a copy of 64 B, when all channels of the native ring copy through the IOMMU."""
    found, count = {}, params.channels
    with RtlMachine(Platform(channels=count), params=params) as machine:

        def write(channel: int, name: str, **fields: int) -> None:
            register = RING_REGISTERS[name]
            machine.writel(register.pack(fields),
                           RING_BASE + channel * WINDOW_BYTES + register.offset)

        def idle(channel: int) -> int:
            register = RING_REGISTERS["sr"]
            return register["idle"].get(
                machine.readl(RING_BASE + channel * WINDOW_BYTES + register.offset))

        ddtp = IOMMU_REGISTERS["ddtp"]
        machine.writel(ddtp.pack({"mode": DdtpMode.BARE}), IOMMU_BASE + ddtp.offset)
        for latency in LATENCIES:
            machine.set_memory("latency", cycles=latency, jitter=0)
            machine.set_memory("limit", reads=64, writes=64)
            for channel in range(count):
                base = MEMORY_BASE + channel * (1 << 18)
                for n in range(COPIES):
                    source = base + (1 << 16) + 64 * n
                    machine.poke(base + 16 * n, b"".join(
                        word.to_bytes(8, "little")
                        for word in descriptor(source, source + (1 << 16), 64)))
                write(channel, "cr", reset=1)
                machine.wait(50)
                write(channel, "base", addr=base >> 12)
                write(channel, "completion_base", addr=base + 0x8000 >> 12)
                write(channel, "size", log2=9)
                write(channel, "cr", run=1)
            begin = machine.cycles
            for channel in range(count):
                write(channel, "tail", slot=COPIES)
            while not all(map(idle, range(count))):
                machine.wait(10)
            found[f"copy of 64 B, L={latency}"] = (machine.cycles - begin) / (COPIES * count)
    return found


#: Block to its workload: parameters to cycles of each thing that is measured.
WORKLOADS: dict[str, Callable[..., dict[str, float]]] = {
    "iommu": iommu, "dma": dma, "cache": cache, "system": system}
