"""Workloads of `sim.sweep`: cycles of one block, as a function of its parameters.

Each is the one that decides: where the parameter is too small, it waits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from amaranth.lib import wiring

from rtl.cache.cache import Cache
from rtl.dma.channels import Channels
from rtl.generate import configure, make_block
from rtl.iommu.iommu import Iommu
from rtl.limits import within
from rtl.params import CacheParams, DmaParams, IommuParams, RingParams
from rtl.spec.cache_regs import CacheMode
from rtl.spec.page_table import PAGE_BYTES
from rtl.spec.platform import WINDOW_BYTES
from rtl.spec.ring_regs import RING_REGISTERS

from ..axi_lite import Manager
from .cache import LINE, WORD, Cpu
from .dma import Engine
from .iommu_tables import FAR, LEAF_TABLES, MEMORY, enable, lay_tables, map_pages
from .rig import Probe, Rig, burst, play
from .ring import descriptor

__all__ = ["BLOCKS", "ChannelsParams", "Swept"]

#: Memory latencies L, in cycles.
LATENCIES = (16, 100)
#: Pages that a device reads in random order, and accesses.
PAGES, ACCESSES = 256, 1024
#: Bytes that a CPU reads and writes in random order, and accesses.
SPACE, MIXED = 1 << 15, 2000
#: Arrays that a CPU reads in turn, bytes from one to the next, and words of each.
ARRAYS, APART, WORDS = 4, 1 << 16, 64
#: Copies of 64 bytes, of each channel; and its memory, in bytes, with what lies there.
COPIES, SLOTS_LOG2 = 256, 9
APART_CHANNELS, COMPLETIONS, SOURCE, TARGET = 1 << 18, 1 << 15, 1 << 16, 1 << 16


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


@dataclass(frozen=True)
class ChannelsParams:
    """Channels of the native ring on one bus.

    Parameters
    ----------
    channels : int, 1 to 16
        How many.
    ring : RingParams
        Each of them.
    """

    channels: int = 4
    ring: RingParams = field(default_factory=RingParams)

    def __post_init__(self):
        within("Channels", self.channels, 1, 16)

    @classmethod
    def configure(cls, settings: Iterable[str]) -> "ChannelsParams":
        """Make parameters from texts ``channels=value``."""
        return cls(**{name: int(text) for name, text in (one.split("=") for one in settings)})

    def make(self) -> Channels:
        """Make them."""
        return Channels(self.ring, self.channels)


def channels(params: ChannelsParams) -> dict[str, float]:
    """Cycles a copy of 64 B, when all channels copy at once."""
    rig, found = Rig(params.make(), {"bus": (0, params.channels * APART_CHANNELS)}), {}
    doorbell, answer = rig.taken(rig.dut.regs.w), rig.taken(rig.dut.bus.b)

    async def testbench(ctx):
        bus = Manager(ctx, rig.dut.regs)

        async def to_each(name: str, value: Callable[[int], dict[str, int]]) -> None:
            for channel in range(params.channels):
                register = RING_REGISTERS[name]
                await bus.writel(register.pack(value(channel * APART_CHANNELS)),
                                 channel * WINDOW_BYTES + register.offset)

        for channel in range(params.channels):
            base = channel * APART_CHANNELS
            for n in range(COPIES):
                source = base + SOURCE + 64 * n
                rig.poke(ctx, "bus", base + 16 * n, *descriptor(source, source + TARGET, 64))
        for latency in LATENCIES:
            await rig.latency(ctx, "bus", latency)
            await to_each("cr", lambda base: {"reset": 1})
            await ctx.tick().repeat(20)
            await to_each("base", lambda base: {"addr": base >> 12})
            await to_each("completion_base", lambda base: {"addr": base + COMPLETIONS >> 12})
            await to_each("size", lambda base: {"log2": SLOTS_LOG2})
            await to_each("cr", lambda base: {"run": 1})
            await rig.restart(ctx)
            await to_each("tail", lambda base: {"slot": COPIES})
            for channel in range(params.channels):
                register = RING_REGISTERS["done"]
                while register["count"].get(await bus.readl(
                        channel * WINDOW_BYTES + register.offset)) < COPIES:
                    pass
            found[f"copy of 64 B, L={latency}"] = (
                (ctx.get(answer.last) - ctx.get(doorbell.first)) / (COPIES * params.channels))

    rig.run(testbench)
    return found


@dataclass(frozen=True)
class Swept:
    """What can be swept.

    Parameters
    ----------
    configure : callable
        Texts ``name=value`` to parameters; raises a ValueError where they are refused.
    make : callable
        Parameters to the component.
    measure : callable
        Parameters to the cycles of each thing that is measured.
    """

    configure: Callable[[Iterable[str]], Any]
    make: Callable[[Any], wiring.Component]
    measure: Callable[[Any], dict[str, float]]


#: Everything that can be swept, by name.
BLOCKS = {name: Swept(partial(configure, name), partial(make_block, name), measure)
          for name, measure in (("iommu", iommu), ("dma", dma), ("cache", cache))}
BLOCKS["channels"] = Swept(ChannelsParams.configure, ChannelsParams.make, channels)
