"""The IOMMU: what a cold TLB costs a device that goes through many pages in a row.

L is the latency of all memory. A page is 4 KiB, of 512 beats.
"""

from collections.abc import Iterable

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from rtl.axi.signature import Resp
from rtl.dma.dma import Dma
from rtl.iommu.iommu import Iommu
from rtl.params import DmaParams, IommuParams
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.descriptor import CDMA_ALIGN
from rtl.spec.page_table import PAGE_BYTES, DdtpMode

from ..axi_lite import Manager
from .iommu_tables import FAR, MEMORY, enable, lay_tables, map_pages
from .rig import Probe, Rig, burst, play, write
from .table import Row

__all__ = ["measure_streams"]

STREAM, COPY = "stream of 4 KiB pages, cold TLB, added", "DMA of 1 MiB, cold TLB, added to Bare"
#: Pages of the stream, and of the copy, each way.
PAGES, COPIED = 256, 256
#: Beats of a burst.
BEATS = 16
#: Cycles that the peer adds for a page: a whole walk.
PEERS = {1: 9, 20: 66, 100: 306}


async def _stream(rig: Rig, ctx) -> int:
    """Cycles in which all of some pages is read, in bursts of one ID."""
    device, beats = rig.dut.device, PAGES * PAGE_BYTES // 8
    await rig.restart(ctx)
    ctx.set(device.r.ready, 1)
    user = {"device_id": 0, "process_id": 0, "process_valid": 0}
    await play(ctx, (device.ar, [burst(addr, BEATS, user=user)
                                 for addr in range(0, PAGES * PAGE_BYTES, BEATS * 8)]))
    await rig.beats.reach(ctx, beats)
    if ctx.get(rig.errors.count):
        raise AssertionError("a page may not be read")
    return ctx.get(rig.beats.last) - ctx.get(rig.asked.first)


def _added(latency: int) -> float:
    rig = Rig(Iommu(IommuParams()), {"tables": MEMORY, "memory": (0, 1 << 20)})
    device, cycles = rig.dut.device, {}
    rig.beats, rig.asked = rig.taken(device.r), Probe(rig, device.ar.valid)
    rig.errors = Probe(rig, device.r.valid & (device.r.p.resp != Resp.OKAY))

    async def testbench(ctx):
        lay_tables(rig, ctx)
        map_pages(rig, ctx, 0, PAGES)
        for port in ("tables", "memory"):
            await rig.latency(ctx, port, latency)
        for mode in (DdtpMode.BARE, DdtpMode.LVL1):
            await enable(rig, ctx, rig.dut.regs, mode)
            cycles[mode] = await _stream(rig, ctx)

    rig.run(testbench)
    return (cycles[DdtpMode.LVL1] - cycles[DdtpMode.BARE]) / PAGES


class _Translated(wiring.Component):
    """The DMA engine behind the IOMMU."""

    def __init__(self):
        self.dma = Dma(DmaParams(device_id=0, reads_in_flight=16))
        self.iommu = Iommu(IommuParams())
        regs = self.dma.signature.members["regs"]
        super().__init__({"dma_regs": regs} | {
            name: self.iommu.signature.members[name] for name in ("regs", "memory", "tables")} | {
            "irq": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dma, m.submodules.iommu = self.dma, self.iommu
        connect(m, flipped(self.dma_regs), self.dma.regs)
        connect(m, self.dma.bus, self.iommu.device)
        for name in ("regs", "memory", "tables"):
            connect(m, getattr(self.iommu, name), flipped(getattr(self, name)))
        m.d.comb += self.irq.eq(self.dma.irq)
        return m


async def _copy(rig: Rig, ctx) -> int:
    """Cycles from the doorbell of one copy of many pages to its status."""
    size = COPIED * PAGE_BYTES
    place = 2 * size                    # of the descriptor
    rig.poke(ctx, "memory", place, place + CDMA_ALIGN, 0, size, size)
    rig.poke(ctx, "memory", place + 32, 0, 0, 0, 0)
    bus = Manager(ctx, rig.dut.dma_regs)
    await write(bus, CDMA_REGISTERS, "cr")
    await write(bus, CDMA_REGISTERS, "cr", sg_mode=1)
    await write(bus, CDMA_REGISTERS, "curdesc", addr=place >> 6)
    await write(bus, CDMA_REGISTERS, "taildesc_msb", addr=0)
    await rig.restart(ctx)
    await write(bus, CDMA_REGISTERS, "taildesc", addr=place >> 6)
    await rig.status.reach(ctx, 1)
    register = CDMA_REGISTERS["sr"]
    while not register["idle"].get(found := await bus.readl(register.offset)):
        pass
    if errors := [field.name for field in register if "err" in field.name and field.get(found)]:
        raise AssertionError(f"the copy failed: {errors}")
    return ctx.get(rig.status.last) - ctx.get(rig.doorbell.first)


def _overhead(latency: int) -> float:
    rig = Rig(_Translated(), {"tables": MEMORY, "memory": (0, 1 << 22)})
    bus, cycles = rig.dut.dma.bus, {}
    rig.doorbell = rig.taken(rig.dut.dma_regs.w)
    rig.status = Probe(rig, bus.aw.valid & bus.aw.ready & (bus.aw.p.id == 1))

    async def testbench(ctx):
        lay_tables(rig, ctx)
        map_pages(rig, ctx, 0, FAR)
        map_pages(rig, ctx, FAR, 1, FAR)
        for port in ("tables", "memory"):
            await rig.latency(ctx, port, latency)
        for mode in (DdtpMode.BARE, DdtpMode.LVL1):
            await enable(rig, ctx, rig.dut.regs, mode)
            cycles[mode] = await _copy(rig, ctx)

    rig.run(testbench)
    return 100 * (cycles[DdtpMode.LVL1] / cycles[DdtpMode.BARE] - 1)


def measure_streams(latencies: Iterable[int]) -> list[Row]:
    """Measure cycles added to each page of a stream, and percent added to a copy of 1 MiB.

    The stream is read in bursts of 16 beats of one ID, and so is the copy, by the DMA engine.
    Both are compared with the same in mode Bare, so that nothing else counts.
    """
    rows = []
    for latency in latencies:
        peer = PEERS.get(latency)
        rows.append(Row("iommu", STREAM, latency, _added(latency), "page", peer,
                        "ZDL riscv-iommu" if peer else ""))
        rows.append(Row("iommu", COPY, latency, _overhead(latency), "percent"))
    return rows
