"""The whole system on each engine of the simulator: the same work, results equal, as ratios.

Run ``python -m sim.benchmarks.engines``. Times are of the process; compare ratios.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode
from rtl.spec.platform import CDMA_BASE, IOMMU_BASE, MEMORY_BASE

from ..engine.cache import cache
from ..engine.hosts import native_host, wasm_host
from ..machine import RtlMachine

__all__ = ["WORKLOADS", "construction", "main", "measure"]

#: Cycles of one wait.
IDLE_CYCLES = 4_000
_SOURCE, _TARGET = MEMORY_BASE + 0x10_0000, MEMORY_BASE + 0x20_0000


def _write(machine: RtlMachine, base: int, registers: object, name: str, **fields: int) -> None:
    machine.writel(registers[name].pack(fields), base + registers[name].offset)


def idle(machine: RtlMachine, size: int) -> object:
    """Let ``size`` cycles pass."""
    for _ in range(0, size, IDLE_CYCLES):
        machine.wait(IDLE_CYCLES)


def dma(machine: RtlMachine, size: int) -> object:
    """Copy ``size`` bytes by DMA through the IOMMU in Bare mode, cache and CPU at rest."""
    machine.poke(_SOURCE, bytes(i * 7 % 256 for i in range(4096)))
    _write(machine, IOMMU_BASE, IOMMU_REGISTERS, "ddtp", mode=DdtpMode.BARE)
    status = CDMA_REGISTERS["sr"]
    for name, value in (("sa", _SOURCE), ("da", _TARGET)):
        _write(machine, CDMA_BASE, CDMA_REGISTERS, name, addr=value)
    _write(machine, CDMA_BASE, CDMA_REGISTERS, "btt", bytes=size)
    while not status["idle"].get(machine.readl(CDMA_BASE + status.offset)):
        machine.wait(2000)
    return machine.peek(_TARGET, 4096)


def requests(machine: RtlMachine, size: int) -> object:
    """Do ``size`` stores and loads of a word past the cache, one at a time."""
    seen = []
    for n in range(size):
        machine.store(_SOURCE + 8 * n, n.to_bytes(8, "little"), cached=False)
        seen.append(machine.load(_SOURCE + 8 * (n // 2), 8, cached=False))
    return seen


class _Monitored(RtlMachine):
    """A machine with a testbench that looks at ten signals at every cycle."""

    total = 0

    def _start(self) -> None:
        self._simulator.add_testbench(self._watch, background=True)
        super()._start()

    async def _watch(self, ctx: object) -> None:
        top = self.top
        memory = top.system.memory
        async for _, _, *values in ctx.tick().sample(
                top.cycles, top.irqs, top.command.valid, top.command.ready, top.done.valid,
                top.done.ready, top.enabled, memory.ar.valid, memory.r.valid, memory.w.valid):
            self.total += sum(values)


def monitor(machine: RtlMachine, size: int) -> object:
    """Look at ten signals at every one of ``size`` cycles."""
    idle(machine, size)
    return machine.total


#: Name to: workload, its size on pysim, its size on the compiled engines, whether with waveform.
WORKLOADS: dict[str, tuple[Callable, int, int, bool]] = {
    "idle": (idle, 4_000, 400_000, False),
    "DMA, 16 KiB on pysim, 1 MiB else": (dma, 16 << 10, 1 << 20, False),
    "one request at a time": (requests, 60, 3_000, False),
    "monitor, every cycle": (monitor, 4_000, 40_000, False),
    "DMA of 16 KiB, VCD": (dma, 4 << 10, 16 << 10, True),
}


def measure(name: str, engine: str, size: int) -> tuple[float, object]:
    """Run one workload; return cycles a second, and what was seen."""
    work, _, _, with_vcd = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        vcd = Path(folder, "waves.vcd") if with_vcd else None
        make = _Monitored if work is monitor else RtlMachine
        with make(engine=engine, vcd=vcd) as machine:
            before, began = machine.cycles, time.process_time()
            seen = work(machine, size)
            took = time.process_time() - began
            cycles = machine.cycles - before
    return cycles / took, (cycles, seen)


def construction(engine: str) -> float:
    """Seconds of the processor until a new machine is ready; nothing is taken from the cache."""
    before, cache.enabled = cache.enabled, False
    try:
        began = sum(os.times()[:4])             # a C compiler is another process
        with RtlMachine(engine=engine):
            return sum(os.times()[:4]) - began
    finally:
        cache.enabled = before


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=("wasm", "native"), help="only this one")
    parser.add_argument("--workload", choices=WORKLOADS, help="only this one")
    options = parser.parse_args(arguments)
    engines = ["wasm"] if wasm_host.available() else []
    engines += ["native"] if native_host.compiler() else []
    if options.engine:
        engines = [options.engine]
    print(f"{'whole system':34}{'pysim cycles/s':>15}" + "".join(f"{name:>9}" for name in engines))
    for name in [options.workload] if options.workload else WORKLOADS:
        _, small, large, _ = WORKLOADS[name]
        speed, expected = measure(name, "pysim", small)
        line = f"{name:34}{speed:15,.0f}"
        for engine in engines:
            if measure(name, engine, small)[1] != expected:
                sys.exit(f"{name}: {engine} and pysim differ")
            line += f"{measure(name, engine, large)[0] / speed:8.0f}x"
        print(line, flush=True)
    if not options.workload:
        own = construction("pysim")
        print(f"{'construction, s (fewer is better)':34}{own:15.2f}"
              + "".join(f"{construction(engine) / own:8.2f}x" for engine in engines))


if __name__ == "__main__":
    main()
