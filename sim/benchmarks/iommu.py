"""The IOMMU: what a translation adds to an access of a device.

L is the latency of the memory that holds the tables; that behind translated accesses is ideal. The
peer was measured so, too, at L = 1 and 20, and its hits do not depend on L.
"""

from collections.abc import Iterable

from rtl.axi.signature import Resp
from rtl.iommu.iommu import Iommu
from rtl.params import IommuParams
from rtl.spec.page_table import PAGE_BITS

from ..streams import get
from .iommu_streams import measure_streams
from .iommu_tables import (
    FAR,
    MEMORY,
    PAGES,
    TABLES,
    enable,
    lay_guest_tables,
    lay_tables,
    map_pages,
)
from .rig import Probe, Rig, burst, play
from .table import Row

__all__ = ["LATENCIES", "PEER", "measure"]

#: Latencies that are measured, those of the peer's figures.
LATENCIES = (1, 20, 100)
#: Page that no table maps: not canonical, which is found without a walk.
NOWHERE = 1 << 30
#: Hits in the stream.
STREAM = 256
PEER = "ZDL riscv-iommu"
BOTH_COLD, BOTH_WARM = (
    "two-stage TLB miss, context cached", "two-stage TLB miss, guest pages known")
HIT, SECOND, RATE, BOTH, PASS, NEXT, MISS, FOUR, COLD = (
    "TLB hit", "hit in the second TLB, 512 entries", "stream of TLB hits",
    "stream of TLB hits, AR and AW at once",
    "TLB hit behind a miss of another ID", "TLB miss, upper levels cached",
    "TLB miss, context cached", "four TLB misses at once, all of them", "TLB and context miss")
PEERS = {(HIT, L): 2 for L in LATENCIES} | {(RATE, L): 3 for L in LATENCIES} | {
    (BOTH, L): 6 for L in LATENCIES} | {
    (SECOND, 1): 9, (SECOND, 20): 66, (MISS, 1): 9, (MISS, 20): 66, (PASS, 1): 9, (PASS, 20): 66,
    (BOTH_COLD, 20): 234, (BOTH_WARM, 20): 234,
    (FOUR, 1): 36, (FOUR, 20): 264, (COLD, 1): 16}


class _Device:
    """Accesses of device 0, timed at both sides."""

    def __init__(self, rig: Rig):
        self._rig, dut = rig, rig.dut
        self._before = Probe(rig, dut.device.ar.valid)
        self._after = Probe(rig, dut.memory.ar.valid)
        self._taken = [rig.taken(channel) for channel in (dut.memory.ar, dut.memory.aw)]
        self._passed = Probe(rig, dut.memory.ar.valid & (dut.memory.ar.p.id == 1))

    def _payload(self, page: int, axid: int = 0) -> dict:
        user = {"device_id": 0, "process_id": 0, "process_valid": 0}
        return burst(page << 12, user=user, id=axid)

    async def _answers(self, ctx, count: int) -> None:
        for _ in range(count):
            beat = await get(ctx, self._rig.dut.device.r)
            if beat.resp is not Resp.OKAY:
                raise AssertionError(f"a page may not be read: {beat.resp.name}")

    async def refused(self, ctx, page: int) -> None:
        """Read a page that is not mapped."""
        await play(ctx, (self._rig.dut.device.ar, [self._payload(page)]))
        if (await get(ctx, self._rig.dut.device.r)).resp is Resp.OKAY:
            raise AssertionError(f"page {page:#x} is not mapped, and may be read")

    async def added(self, ctx, *pages: int) -> int:
        """Cycles from the device's first AR to memory's last, with an ID for each page."""
        await self._rig.restart(ctx)
        reads = [self._payload(page, axid) for axid, page in enumerate(pages)]
        await play(ctx, (self._rig.dut.device.ar, reads))
        await self._answers(ctx, len(pages))
        await ctx.tick().repeat(300)    # what is walked for ahead
        return ctx.get(self._after.last) - ctx.get(self._before.first)

    async def passing(self, ctx, miss: int, hit: int) -> int:
        """Cycles of a hit that comes in the cycle after a miss of another ID."""
        await self._rig.restart(ctx)
        reads = [self._payload(miss, 0), self._payload(hit, 1)]
        await play(ctx, (self._rig.dut.device.ar, reads))
        await self._answers(ctx, 2)
        return ctx.get(self._passed.first) - ctx.get(self._before.first) - 1

    async def stream(self, ctx, page: int, *, both: bool) -> float:
        """Cycles a hit, or a pair of them, to one page, when answers are always taken."""
        device = self._rig.dut.device
        await self._rig.restart(ctx)
        for channel in (device.r, device.b):
            ctx.set(channel.ready, 1)
        scripts = [(device.ar, [self._payload(page)] * STREAM)]
        if both:
            scripts += [(device.aw, [self._payload(page)] * STREAM),
                        (device.w, [{"last": 1}] * STREAM)]
        await play(ctx, *scripts)
        taken = self._taken[:1 + both]
        for probe in taken:
            await probe.reach(ctx, STREAM)
        await ctx.tick().repeat(8)
        for channel in (device.r, device.b):
            ctx.set(channel.ready, 0)
        first = min(ctx.get(probe.first) for probe in taken)
        return (max(ctx.get(probe.last) for probe in taken) - first) / (STREAM - 1)


def _second(latency: int) -> float:
    """Cycles of a hit in the second level of the TLB, after others have taken the first."""
    params = IommuParams(tlb_entries=2, second_entries=512)
    rig = Rig(Iommu(params), {"tables": MEMORY, "memory": (0, 1 << 16)})
    device, found = _Device(rig), []

    async def testbench(ctx):
        lay_tables(rig, ctx)
        await rig.latency(ctx, "memory", 1)
        await enable(rig, ctx, rig.dut.regs)
        await rig.latency(ctx, "tables", latency)
        await ctx.tick().repeat(params.second_entries)      # it is cleared
        for page in (3, FAR, 2 * FAR, 3):
            found.append(await device.added(ctx, page))

    rig.run(testbench)
    return found[-1]


def _two_stages(latency: int) -> dict[str, float]:
    """Cycles of misses in both stages: 4 KiB pages in a guest page of 2 MiB."""
    rig = Rig(Iommu(IommuParams(sv39x4=True)), {"tables": MEMORY, "memory": MEMORY})
    device, found = _Device(rig), {}

    async def testbench(ctx):
        lay_tables(rig, ctx)
        lay_guest_tables(rig, ctx)
        for number in range(3):
            map_pages(rig, ctx, number * FAR, PAGES, TABLES >> PAGE_BITS)
        await rig.latency(ctx, "memory", 1)
        await enable(rig, ctx, rig.dut.regs)
        await rig.latency(ctx, "tables", latency)
        await device.refused(ctx, NOWHERE)              # the context is at hand now
        found[BOTH_COLD] = await device.added(ctx, 0)
        found[BOTH_WARM] = await device.added(ctx, 3)

    rig.run(testbench)
    return found


def _measure(latency: int) -> dict[str, float]:
    rig = Rig(Iommu(IommuParams()), {"tables": MEMORY, "memory": (0, 1 << 16)})
    device, found = _Device(rig), {SECOND: _second(latency), **_two_stages(latency)}

    async def testbench(ctx):
        lay_tables(rig, ctx)
        await rig.latency(ctx, "memory", 1)
        await enable(rig, ctx, rig.dut.regs)
        await rig.latency(ctx, "tables", latency)
        found[COLD] = await device.added(ctx, 0)
        found[MISS] = await device.added(ctx, FAR)
        found[NEXT] = await device.added(ctx, FAR + 3)
        found[HIT] = await device.added(ctx, FAR + 3)
        found[PASS] = await device.passing(ctx, 2 * FAR, FAR + 3)
        found[FOUR] = await device.added(ctx, *(k * FAR for k in range(3, 7)))
        await device.stream(ctx, FAR + 3, both=True)    # a first write sets no D bit, but misses
        found[RATE] = await device.stream(ctx, FAR + 3, both=False)
        found[BOTH] = await device.stream(ctx, FAR + 3, both=True)

    rig.run(testbench)
    return found


def measure(latencies: Iterable[int] = LATENCIES) -> list[Row]:
    """Measure translations of reads of 4 KiB pages: from the device's AR to memory's; and streams.

    The cycle of a payload is the first with its ``valid``. The peer's figure for several misses is
    that many times its figure for one, since it walks for one after the other; it has no second
    level of the TLB.
    """
    rows, latencies = [], list(latencies)
    for latency in latencies:
        found = _measure(latency)
        for what in (HIT, SECOND, RATE, BOTH, PASS, NEXT, MISS, FOUR, COLD, BOTH_COLD,
                     BOTH_WARM):
            peer = PEERS.get((what, latency))
            rows.append(Row("iommu", what, latency, found[what], "access", peer,
                            PEER if peer else ""))
    return rows + measure_streams(latencies)
