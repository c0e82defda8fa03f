"""The IOMMU: what a translation adds to an access of a device.

L is the latency of the memory that holds the tables; that behind translated accesses is ideal. The
peer was measured so, too, at L = 1, and its hits do not depend on L.
"""

from collections.abc import Iterable

from rtl.axi.signature import Resp
from rtl.iommu.iommu import Iommu
from rtl.params import IommuParams
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import (
    DC_BYTES,
    DC_TA,
    DC_TC,
    IOSATP,
    PAGE_BITS,
    PAGE_BYTES,
    PTE,
    PTE_BYTES,
    DdtpMode,
    IosatpMode,
)

from ..axi_lite import Manager
from ..streams import get
from .rig import LATENCIES, Probe, Rig, burst, play
from .table import Row

__all__ = ["measure"]

#: Tables: directory, and the three levels of one page table that all devices share, with two
#: tables of leaves.
TABLES = 0x8000_0000
DIRECTORY, ROOT, MIDDLE, LEAF = (TABLES + n * PAGE_BYTES for n in range(4))
#: Pages mapped from I/O virtual address 0, each to the physical page PAGES further up; and again
#: from page FAR, the first of the second table of leaves.
PAGES, FAR = 8, 512
#: Hits in the stream.
STREAM = 256
PEER = "ZDL riscv-iommu"
HIT, RATE, NEXT, MISS, COLD = (
    "TLB hit", "stream of TLB hits", "TLB miss, page after the last miss",
    "TLB miss, context cached", "TLB and context miss")
PEERS = {(HIT, L): 2 for L in LATENCIES} | {(RATE, L): 3 for L in LATENCIES} | {
    (MISS, 1): 9, (COLD, 1): 16}


def _tables(rig: Rig, ctx, devices: int) -> None:
    """One-level directory, and a page table of :data:`PAGES` pages of 4 KiB."""
    for did in range(devices):          # with a PSCID for each: no device hits another's entries
        rig.poke(ctx, "tables", DIRECTORY + did * DC_BYTES, DC_TC.pack(v=1), 0,
                 DC_TA.pack(pscid=did),
                 IOSATP.pack(mode=IosatpMode.SV39, ppn=ROOT >> PAGE_BITS))
    rig.poke(ctx, "tables", ROOT, PTE.pack(v=1, ppn=MIDDLE >> PAGE_BITS))
    for number in range(2):
        leaves = LEAF + number * PAGE_BYTES
        rig.poke(ctx, "tables", MIDDLE + number * PTE_BYTES,
                 PTE.pack(v=1, ppn=leaves >> PAGE_BITS))
        for page in range(PAGES):
            rig.poke(ctx, "tables", leaves + page * PTE_BYTES,
                     PTE.pack(v=1, r=1, w=1, u=1, a=1, d=1, ppn=PAGES + page))


async def _enable(rig: Rig, ctx) -> None:
    bus, register = Manager(ctx, rig.dut.regs), IOMMU_REGISTERS["ddtp"]
    value = DdtpMode.LVL1 | DIRECTORY >> PAGE_BITS << 10
    await bus.writel(value >> 32, register.offset + 4)
    await bus.writel(value & 0xFFFF_FFFF, register.offset)
    while register["busy"].get(await bus.readl(register.offset)):
        pass


class _Device:
    """Reads of device ``did``, timed at both sides."""

    def __init__(self, rig: Rig):
        self._rig = rig
        self._before = Probe(rig, rig.dut.device.ar.valid)
        self._after = Probe(rig, rig.dut.memory.ar.valid)
        self._taken = rig.taken(rig.dut.memory.ar)

    def _payload(self, did: int, page: int) -> dict:
        user = {"device_id": did, "process_id": 0, "process_valid": 0}
        return burst(page * PAGE_BYTES, user=user)

    async def added(self, ctx, did: int, page: int) -> int:
        """Cycles from the device's AR to memory's."""
        await self._rig.restart(ctx)
        await play(ctx, (self._rig.dut.device.ar, [self._payload(did, page)]))
        beat = await get(ctx, self._rig.dut.device.r)
        if beat.resp is not Resp.OKAY:
            raise AssertionError(f"device {did} may not read its page {page}: {beat.resp.name}")
        return ctx.get(self._after.first) - ctx.get(self._before.first)

    async def stream(self, ctx, did: int, page: int) -> float:
        """Cycles a hit, all from one device to one page, when answers are always taken."""
        dut = self._rig.dut
        await self._rig.restart(ctx)
        ctx.set(dut.device.r.ready, 1)
        await play(ctx, (dut.device.ar, [self._payload(did, page)] * STREAM))
        await self._taken.reach(ctx, STREAM)
        await ctx.tick().repeat(8)
        ctx.set(dut.device.r.ready, 0)
        return (ctx.get(self._taken.last) - ctx.get(self._taken.first)) / (STREAM - 1)


def measure(latencies: Iterable[int] = LATENCIES) -> list[Row]:
    """Measure translations of reads of 4 KiB pages: from the device's AR to memory's.

    The cycle of a payload is the first with its ``valid``.
    """
    rig = Rig(Iommu(IommuParams()), {"tables": (TABLES, 1 << 16), "memory": (0, 1 << 16)})
    device, rows, latencies = _Device(rig), [], list(latencies)

    async def testbench(ctx):
        _tables(rig, ctx, len(latencies))
        await rig.latency(ctx, "memory", 1)
        await _enable(rig, ctx)
        for did, latency in enumerate(latencies):
            await rig.latency(ctx, "tables", latency)
            found = {COLD: await device.added(ctx, did, 0),
                     MISS: await device.added(ctx, did, FAR),
                     NEXT: await device.added(ctx, did, FAR + 1),
                     HIT: await device.added(ctx, did, FAR + 1),
                     RATE: await device.stream(ctx, did, FAR + 1)}
            for what in (HIT, RATE, NEXT, MISS, COLD):
                peer = PEERS.get((what, latency))
                rows.append(Row("iommu", what, latency, found[what], "access", peer,
                                PEER if peer else ""))

    rig.run(testbench)
    return rows
