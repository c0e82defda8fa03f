"""The whole system on each engine: the same values at the same cycles."""

import pytest

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheMode
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode
from rtl.spec.platform import CACHE_BASE, CDMA_BASE, IOMMU_BASE, MEMORY_BASE, BusError
from sim.machine import RtlMachine

SOURCE, TARGET, SIZE = MEMORY_BASE + 0x1003, MEMORY_BASE + 0x8005, 700


def drive(machine) -> list:
    """Store, clean, copy by DMA with the IOMMU in Bare mode, be refused, load; note each cycle."""
    def write(base, regmap, name, **fields):
        machine.writel(regmap[name].pack(fields), base + regmap[name].offset)
        seen.append(machine.cycles)

    def copy():
        for name, value in (("sa", SOURCE), ("da", TARGET)):
            write(CDMA_BASE, CDMA_REGISTERS, name, addr=value)
        write(CDMA_BASE, CDMA_REGISTERS, "btt", bytes=SIZE)
        status = CDMA_REGISTERS["sr"]
        while not status["idle"].get(machine.readl(CDMA_BASE + status.offset)):
            machine.wait(50)
        seen.append(machine.readl(CDMA_BASE + status.offset))

    seen = []
    data = bytes(i * 7 % 256 for i in range(SIZE))
    machine.store(SOURCE, data)
    write(CACHE_BASE, CACHE_REGISTERS, "start", addr=SOURCE)
    write(CACHE_BASE, CACHE_REGISTERS, "end", addr=SOURCE + SIZE)
    write(CACHE_BASE, CACHE_REGISTERS, "ctl", enable=1, mode=CacheMode.CLEAN_SHARED)
    machine.wait(300)
    write(IOMMU_BASE, IOMMU_REGISTERS, "ddtp", mode=DdtpMode.BARE)
    copy()
    seen += [machine.load(TARGET, SIZE) == data, machine.cycles]
    with pytest.raises(BusError, match="DECERR at 0x10060000"):
        machine.readl(0x1006_0000)
    write(IOMMU_BASE, IOMMU_REGISTERS, "ddtp", mode=DdtpMode.OFF)
    copy()
    seen += [machine.cycles, machine.image().tobytes()]
    return seen


def test_same_on_every_engine():
    results = {}
    for engine in ("wasm", "pysim"):
        with RtlMachine(engine=engine) as machine:
            assert machine.engine == engine
            results[engine] = drive(machine)
    assert results["wasm"] == results["pysim"]
    assert True in results["wasm"]                  # the copy was right
