"""The back end of the DMA engine through the IOMMU, with its pages in the TLB, and without one.

L is the latency of the memory of the data.
"""

from collections.abc import Iterable

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from rtl.iommu.iommu import Iommu
from rtl.params import DmaParams, IommuParams

from .backend import BackEnd, Engine
from .iommu_tables import MEMORY, enable, lay_tables
from .rig import LATENCIES, Rig
from .table import Row

__all__ = ["Translated", "measure"]

#: Pages that are mapped to themselves; from one copies read, to the other they write.
SIZE, SOURCE, TARGET = 1 << 15, 1 << 12, 4 << 12
#: What is copied: name, bytes, offsets of source and target, copies.
CASES = (("16 B", 16, 0, 0, 512), ("64 B", 64, 0, 0, 512), ("64 B, misaligned", 64, 3, 5, 512),
         ("4 KiB", 4096, 0, 0, 32))
PARAMS = DmaParams(reads_in_flight=64, device_id=0)


class Translated(wiring.Component):
    """A back end behind an IOMMU.

    Members
    -------
    memory, tables, regs
        Of :class:`~rtl.iommu.iommu.Iommu`; the others are those of :class:`~.backend.BackEnd`.
    """

    def __init__(self):
        self._iommu, self._engine = Iommu(IommuParams(in_flight=64)), BackEnd(PARAMS)
        ours = dict(self._engine.signature.members)
        del ours["bus"]
        self._names = list(ours)
        iommu = self._iommu.signature.members
        super().__init__({
            **ours, "memory": iommu["memory"], "tables": iommu["tables"], "regs": iommu["regs"]})

    def elaborate(self, platform):
        """Wire it."""
        m = Module()
        m.submodules.iommu, m.submodules.engine = iommu, engine = self._iommu, self._engine
        connect(m, engine.bus, iommu.device)
        connect(m, iommu.memory, flipped(self.memory))
        connect(m, iommu.tables, flipped(self.tables))
        connect(m, flipped(self.regs), iommu.regs)
        for name in self._names:
            ours, its = getattr(self, name), getattr(engine, name)
            m.d.comb += ours.eq(its) if name == "finished" else its.eq(ours)
        return m


def measure(latencies: Iterable[int] = LATENCIES, cases: Iterable = CASES) -> list[Row]:
    """Measure cycles a copy of many to the same pages, and of one alone, both ways."""
    rows, cases, latencies = [], tuple(cases), tuple(latencies)
    for how, rig, port in (
            ("direct", Rig(BackEnd(PARAMS), {"bus": (0, SIZE)}), "bus"),
            ("by warm TLB", Rig(Translated(), {"tables": MEMORY, "memory": (0, SIZE)}), "memory")):
        engine = Engine(rig, port, SOURCE, TARGET)

        async def testbench(ctx, rig=rig, port=port, how=how, engine=engine):
            if port == "memory":
                lay_tables(rig, ctx)
                await enable(rig, ctx, rig.dut.regs)
            for latency in latencies:
                await rig.latency(ctx, port, latency)
                await engine.run(ctx, 64, 0, 0, 8, step=0)      # fills the TLB
                for name, size, source, target, count in cases:
                    cycles = await engine.run(ctx, size, source, target, count, step=0)
                    rows.append(Row("translated", f"copy of {name}, {how}", latency, cycles,
                                    "copy"))
                rows.append(Row("translated", f"64 B alone, {how}", latency,
                                await engine.run(ctx, 64, 0, 0, 1, step=0), "start"))

        rig.run(testbench)
    return sorted(rows, key=lambda row: latencies.index(row.latency))
