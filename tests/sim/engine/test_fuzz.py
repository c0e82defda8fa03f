"""Random designs under random testbenches: every signal, every cycle, as pysim has it."""

import random

import pytest

from tests.sim.engine.compare import COMPILED, PERIOD, same
from tests.sim.engine.designs import RandomDesign

QUICK = 12
DEEP = 2000
BATCH = 50              # seeds in one deep test


def trace(make, seed, cycles, size=8):
    """Run a random testbench; return all values that it saw."""
    design = RandomDesign(seed, size)
    simulator = make(design.module)
    simulator.add_clock(PERIOD)
    reset = simulator._design.fragment.domains["sync"].rst
    r = random.Random(seed + 1)
    signals, memory = design.signals, design.memory
    seen = []

    def look(ctx):
        return [*map(ctx.get, signals), *(ctx.get(memory.data[n]) for n in range(memory.depth))]

    async def testbench(ctx):
        for _ in range(cycles):
            for signal in design.inputs:
                if r.random() < 0.5:
                    ctx.set(signal, r.choice([0, -1, r.getrandbits(len(signal) or 1),
                                              r.getrandbits(3)]))
            kind = r.random()
            if kind < 0.1:
                ctx.set(r.choice(design.registers), r.getrandbits(8))
            if kind > 0.95:
                ctx.set(memory.data[r.randrange(memory.depth)], r.getrandbits(8))
            if kind > 0.5:
                seen.append(look(ctx))
            if kind > 0.9:
                ctx.set(reset, r.random() < 0.5)
            _, _, *values = await ctx.tick().sample(*signals[:12])
            seen.append(look(ctx))
            seen.append(values)

    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def compare(seed, cycles=40, engines=("wasm",)):
    """Compare one seed; on failure, find a smaller design and fewer cycles that still fail."""
    try:
        same(lambda make: trace(make, seed, cycles), engines)
    except OverflowError:           # wider than either simulator takes
        return
    except AssertionError:
        smallest = next(((size, fewer) for size in range(9) for fewer in (1, 5, cycles)
                         if _differs(seed, fewer, size)), (8, cycles))
        pytest.fail(f"seed {seed} differs; smallest: trace(make, {seed}, {smallest[1]}, "
                    f"{smallest[0]})")


def _differs(seed, cycles, size):
    try:
        same(lambda make: trace(make, seed, cycles, size))
    except AssertionError:
        return True
    except Exception:
        return False
    return False


@pytest.mark.parametrize("seed", range(QUICK))
def test_random_design(seed):
    compare(seed, engines=("wasm",) if seed % 4 else COMPILED)


@pytest.mark.deep
@pytest.mark.parametrize("first", range(1000, 1000 + DEEP, BATCH))
def test_many_random_designs(first):
    for seed in range(first, first + BATCH):
        compare(seed, 25, ("wasm",) if seed % 20 else COMPILED)
