"""Measures the engines beside pysim: the same work in one process, results equal, as ratios.

Run ``python -m sim.engine.bench``; ``--help`` lists the options. Times are of the process, so
that other programs disturb them little. Machines differ: compare ratios, not cycles a second.
"""

import argparse
import gc
import os
import random
import sys
import tempfile
import time

from amaranth.hdl import Value
from amaranth.sim import Simulator as Reference

from ..hosts.native_host import compiler
from ..hosts.wasm_host import available
from ..simulator import NativeEngine, Simulator, WasmEngine
from .design import MEMORY_ROWS, System
from .growth import GROWTH, growth

__all__ = ["WORKLOADS", "main", "measure"]

PERIOD = 1e-8


def _simulator(engine, dut):
    simulator = Reference(dut) if engine is None else Simulator(dut, engine=engine)
    simulator.add_clock(PERIOD)
    return simulator


async def _request(ctx, dut, r):
    ctx.set(dut.address, r.randrange(0, 1 << 18, 8))
    ctx.set(dut.write, int(r.random() < 0.4))
    ctx.set(dut.data, r.getrandbits(64))
    ctx.set(dut.valid, 1)
    await ctx.tick().until(dut.ready)
    ctx.set(dut.valid, 0)
    return await ctx.tick().sample(dut.result).until(dut.done)


def _requests(count):
    async def testbench(ctx, dut, seen):
        r = random.Random(1)
        for _ in range(count):
            seen.append(await _request(ctx, dut, r))
    return testbench


def _inside(count):
    async def testbench(ctx, dut, seen):
        ctx.set(dut.busy, 1)
        await ctx.delay((count - 0.25) * PERIOD)
        seen.append(ctx.get(dut.digest))
    return testbench


def _repeat(count):
    async def testbench(ctx, dut, seen):
        ctx.set(dut.busy, 1)
        seen.append(await ctx.tick().sample(dut.digest).repeat(count))
    return testbench


def _transactions(count):
    async def testbench(ctx, dut, seen):
        for _ in range(count):
            ctx.set(dut.transfer, 300)
            await ctx.tick()
            ctx.set(dut.transfer, 0)
            await ctx.tick().until(dut.left == 0)
            seen.append(ctx.get(dut.sum))
    return testbench


def _monitor(count):
    async def testbench(ctx, dut, seen):
        ctx.set(dut.busy, 1)
        ports = [Value.cast(getattr(dut, name)) for name in (
            "ready", "done", "result", "digest", "left", "sum", "address", "write", "data", "busy")]
        for _ in range(count):
            await ctx.tick()
            seen.append(hash(tuple([ctx.get(port) for port in ports])))
    return testbench


async def _memory(ctx, dut, seen):
    rows = [n * 0x9e3779b97f4a7c15 & (1 << 64) - 1 for n in range(MEMORY_ROWS)]
    port, pipe = dut.memory, [None, None]
    async for _, _, valid, write, address, data in ctx.tick().sample(
            port.valid, port.write, port.address, port.data):
        answer = pipe.pop(0)
        pipe.append(rows[address >> 3] if valid and not write else None)
        if valid and write:
            rows[address >> 3] = data
        ctx.set(port.answered, int(answer is not None))
        ctx.set(port.answer, answer or 0)


#: Name to: testbench of a size, size, background testbenches, memory inside, whether with VCD.
WORKLOADS = {
    "idle clock": (lambda n: None, 60_000, (), True, False),
    "inside the design, delay": (_inside, 8_000, (), True, False),
    "inside the design, repeat": (_repeat, 8_000, (), True, False),
    "transactions, one wait each": (_transactions, 6, (), True, False),
    "requests, two waits each": (_requests, 1_000, (), True, False),
    "Python memory, every cycle": (_requests, 400, (_memory,), False, False),
    "monitor, ten gets a cycle": (_monitor, 6_000, (), True, False),
    "inside the design, VCD": (_inside, 2_000, (), True, True),
    "requests, VCD": (_requests, 200, (), True, True),
}


def measure(name, engine, *, lanes=6, scale=1):
    """Run one workload.

    Returns
    -------
    tuple
        Seconds to construct, cycles, seconds to run, and what the testbench saw.
    """
    make, count, background, inside, vcd = WORKLOADS[name]
    count, dut = count * scale, System(lanes, inside=inside)
    began = time.process_time()
    simulator = _simulator(engine, dut)
    built = time.process_time() - began
    seen = []
    for function in background:
        async def run_behind(ctx, function=function):
            await function(ctx, dut, seen)
        simulator.add_testbench(run_behind, background=True)
    function = make(count)
    if function is not None:
        async def run_ahead(ctx):
            await function(ctx, dut, seen)
        simulator.add_testbench(run_ahead)

    def go():
        if function is None:
            simulator.run_until(count * PERIOD)
        else:
            simulator.run()

    gc.collect()
    began = time.process_time()
    if vcd:
        with tempfile.TemporaryDirectory() as folder, \
                simulator.write_vcd(os.path.join(folder, "waves.vcd")):
            go()
    else:
        go()
    took = time.process_time() - began
    return built, round(simulator._engine.now / 1e15 / PERIOD), took, seen


def _compare(engines, names):
    print(f"{'workload':30}{'pysim cycles/s':>16}" + "".join(f"{name:>12}" for name in engines))
    for name in names:
        _, cycles, reference, expected = measure(name, None)
        line = f"{name:30}{cycles / reference:16,.0f}"
        for engine in engines.values():
            # Enough cycles to take about as long as pysim did, after one run to compare results.
            _, _, took, seen = measure(name, engine)
            if seen != expected:
                sys.exit(f"{name}: {engine.__name__} and pysim differ")
            scale = max(1, min(100, int(reference / 4 / max(took, 1e-3))))
            _, more, took, _ = measure(name, engine, scale=scale)
            line += f"{more / took / (cycles / reference):11.0f}x"
        print(line, flush=True)


def main(arguments=None):
    """Print tables of ratios, and of what grows with the size of the design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=("wasm", "native"), help="only this one")
    parser.add_argument("--workload", choices=WORKLOADS, help="only this one")
    parser.add_argument("--growth", action="store_true",
                        help="only construction, speed and memory over the size of the design")
    options = parser.parse_args(arguments)
    engines = {"wasm": WasmEngine} if available() else {}
    if compiler():
        engines["native"] = NativeEngine
    if options.engine:
        engines = {options.engine: engines[options.engine]}
    if not options.growth:
        _compare(engines, [options.workload] if options.workload else WORKLOADS)
    if not options.workload:
        print()
        for line in growth(engines, GROWTH):
            print(line, flush=True)

