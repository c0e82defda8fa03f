"""How construction, speed and memory grow with the size of a design.

Each figure comes from a process of its own, after a first small design that loads everything.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amaranth.sim import Simulator as Reference

from ..cache import cache
from ..simulator import NativeEngine, Simulator, WasmEngine
from .design import System

__all__ = ["GROWTH", "growth"]

GROWTH = (0, 2, 8, 32, 72)      # lanes: 1.6k to 101k flip-flops
PERIOD = 1e-8
CYCLES = 400
_ENGINES = {"pysim": "pysim", "wasm": WasmEngine, "native": NativeEngine}


def construct(engine, lanes):
    """Construct a simulator. Return it, its design, and the seconds that it took."""
    dut = System(lanes)
    gc.collect()
    began = sum(os.times()[:4]) if engine == "native" else time.process_time()
    make = Reference if engine == "pysim" else Simulator
    simulator = make(dut, engine=_ENGINES[engine])
    simulator.add_clock(PERIOD)
    took = (sum(os.times()[:4]) if engine == "native" else time.process_time()) - began
    return simulator, dut, took


def _speed(simulator, dut):
    """Cycles a second with traffic inside the design."""
    async def testbench(ctx):
        ctx.set(dut.busy, 1)
        await ctx.tick().repeat(5)
        began = time.process_time()
        count = cycles = CYCLES
        while True:
            await ctx.tick().repeat(count)
            took = time.process_time() - began
            if took > 0.2:
                break
            cycles += 3 * count
            count *= 3
        seen.append(cycles / took)

    seen = []
    simulator.add_testbench(testbench)
    simulator.run()
    return seen[0]


def _measure(engine, lanes):
    with tempfile.TemporaryDirectory() as folder:
        cache.folder, cache.enabled = Path(folder), True
        construct(engine, 0)
        simulator, dut, new = construct(engine, lanes)
        model = getattr(simulator._engine, "model", None)
        flipflops = 0 if model is None else sum(model.cells.width[cell]
                                                for cell in model.cells.flipflops)
        speed, peak = _speed(simulator, dut), _peak()
        if lanes == 0:
            cache.folder = Path(folder, "0")
            new = construct(engine, lanes)[2]
        return {"flipflops": flipflops, "new": new, "cached": construct(engine, lanes)[2],
                "speed": speed, "peak": peak}


def _peak():
    """Peak memory of this process, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def growth(engines, sizes=GROWTH):
    """Yield the lines of the table.

    Parameters
    ----------
    engines : iterable of str
        ``"wasm"``, ``"native"``.
    sizes : iterable of int
        Lanes of the designs.
    """
    yield (f"{'flip-flops':>10} {'pysim s':>8} {'MiB':>5}"
           + "".join(f" {name + ' s':>9} {'ratio':>6} {'cached':>6} {'MiB':>5} {'speed':>6}"
                     for name in engines))
    for lanes in sizes:
        found = {name: _apart(name, lanes) for name in ("pysim", *engines)}
        own = found["pysim"]
        line = "".join(
            f" {one['new']:9.2f} {one['new'] / own['new']:5.2f}x {one['cached'] / own['new']:5.2f}x"
            f" {one['peak']:5} {one['speed'] / own['speed']:5.0f}x"
            for name, one in found.items() if name != "pysim")
        flipflops = max(one["flipflops"] for one in found.values())
        yield f"{flipflops:10,} {own['new']:8.2f} {own['peak']:5}{line}"


def _apart(engine, lanes):
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "sim.engine.bench.growth", engine,
                           str(lanes)],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
