"""Random designs under random testbenches: every signal, every cycle, as pysim has it."""

import random

import pytest
from amaranth.sim import DomainReset

from tests.sim.engine.chains import ChainedDesign
from tests.sim.engine.compare import COMPILED, PERIOD, same
from tests.sim.engine.designs import RandomDesign

KINDS = {"expressions": RandomDesign, "memories": ChainedDesign}
QUICK = 12              # of each kind
DEEP = 2000             # alternately of the one and the other kind
BATCH = 50              # seeds in one deep test


async def wait(ctx, r, design):
    """Wait in one of the ways there are; return what was sampled."""
    signals, kind = design.signals, r.random()
    # Others than sync may miss the values that a condition waits for.
    domain = "sync" if 0.15 <= kind < 0.3 else r.choice(design.domains)
    tick = ctx.tick(domain).sample(*signals[:12])
    try:
        if kind < 0.15:
            return await tick.repeat(r.randrange(1, 5))
        if kind < 0.3:
            some, last = r.choice(signals), r.randrange(8)
            return await tick.until(some.any() | (design.turn == last))
        if kind < 0.4:
            return await ctx.delay(r.choice([0.2113, 1, 1.7019]) * PERIOD).sample(*signals[:4])
        if kind < 0.5:
            return await ctx.changed(r.choice(design.inputs + design.steady)).delay(
                r.choice([0.5129, 2.0017]) * PERIOD).sample(*signals[:4])
        if kind < 0.6:
            seen = []
            async for _, _, *values in tick:
                seen.append(values)
                if len(seen) == 2:
                    return seen
        return await tick
    except DomainReset:
        return "reset"


def trace(make, seed, cycles, size=8, kind="expressions"):
    """Run a random testbench; return all values that it saw."""
    design = KINDS[kind](seed, size)
    simulator = make(design.module)
    for domain, (period, phase) in design.clocks.items():
        simulator.add_clock(period * PERIOD, phase=phase * PERIOD, domain=domain)
    reset = simulator._design.fragment.domains["sync"].rst
    r = random.Random(seed + 1)
    signals, rows = design.signals, [row for memory in design.memories for row in memory.data]
    inputs, seen = list(design.inputs), []
    if seed % 3 == 0:                   # a process in the place of a register
        driven, source = inputs.pop(), r.choice(design.combinational)

        async def process(ctx):
            async for _, _, value in ctx.tick().sample(source):
                ctx.set(driven, value)

        simulator.add_process(process)

    def look(ctx):
        return [*map(ctx.get, signals), *map(ctx.get, rows)]

    async def testbench(ctx):
        for _ in range(cycles):
            for signal in inputs:
                if r.random() < 0.5:
                    ctx.set(signal, r.choice([0, -1, r.getrandbits(len(signal) or 1),
                                              r.getrandbits(3)]))
            kind = r.random()
            if kind < 0.1 and design.registers:
                ctx.set(r.choice(design.registers), r.getrandbits(8))
            if kind > 0.95:
                ctx.set(r.choice(rows), r.getrandbits(8))
            if kind > 0.5:
                seen.append(look(ctx))
            if kind > 0.9:
                ctx.set(reset, r.random() < 0.5)
            seen.append(await wait(ctx, r, design))
            seen.append(look(ctx))

    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def compare(seed, kind, cycles=40, engines=("wasm",)):
    """Compare one seed; on failure, find a smaller design and fewer cycles that still fail."""
    try:
        same(lambda make: trace(make, seed, cycles, kind=kind), engines)
    except OverflowError:           # wider than either simulator takes
        return
    except AssertionError:
        smallest = next(((size, fewer) for size in range(9) for fewer in (1, 5, cycles)
                         if _differs(seed, fewer, size, kind)), (8, cycles))
        pytest.fail(f"seed {seed} differs; smallest: trace(make, {seed}, {smallest[1]}, "
                    f"{smallest[0]}, {kind!r})")


def _differs(seed, cycles, size, kind):
    try:
        same(lambda make: trace(make, seed, cycles, size, kind))
    except AssertionError:
        return True
    except Exception:
        return False
    return False


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(QUICK))
def test_random_design(seed, kind):
    compare(seed, kind, engines=("wasm",) if seed % 4 else COMPILED)


@pytest.mark.deep
@pytest.mark.parametrize("first", range(1000, 1000 + DEEP, BATCH),
                         ids=lambda first: f"seeds {first} to {first + BATCH - 1}")
def test_many_random_designs(first):
    for seed in range(first, first + BATCH):
        compare(seed, list(KINDS)[seed % 2], 25, ("wasm",) if seed % 20 else COMPILED)
