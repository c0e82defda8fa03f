"""Clock domains and resets, each with the result that hardware has.

Where Amaranth's own simulator differs, the test states both.
"""

import pytest
from amaranth.hdl import *
from amaranth.lib import memory
from amaranth.sim import Simulator as Reference

from sim.engine import EngineError
from tests.sim.engine.compare import COMPILED, PERIOD, clocked, same


def counter(**options):
    m = Module()
    m.domains.sync = domain = ClockDomain(**options)
    kept, count = Signal(8, reset_less=True), Signal(8, init=2)
    m.d.sync += [kept.eq(kept + 1), count.eq(count + 1)]
    return m, domain, kept, count


def test_asynchronous_reset_does_not_clock_reset_less_registers():
    def scenario(make):
        m, domain, kept, count = counter(async_reset=True)

        async def testbench(ctx, seen):
            for _ in range(3):
                await ctx.tick()
            for level in (1, 0):
                ctx.set(domain.rst, level)
                seen.append((ctx.get(kept), ctx.get(count)))
            await ctx.tick()
            seen.append((ctx.get(kept), ctx.get(count)))

        return clocked(make, m, testbench)

    assert scenario(Reference) == [(4, 2), (4, 2), (5, 3)]      # counts the edge of the reset
    for make in COMPILED.values():
        assert scenario(make) == [(3, 2), (3, 2), (4, 3)]


@pytest.mark.parametrize("edge", ["pos", "neg"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_tick_tells_of_resets(edge, asynchronous):
    def scenario(make):
        m, domain, _, count = counter(async_reset=asynchronous, clk_edge=edge)

        async def reset(ctx, seen):
            await ctx.delay(3.2 * PERIOD)
            ctx.set(domain.rst, 1)
            await ctx.delay(1.5 * PERIOD)
            ctx.set(domain.rst, 0)

        async def testbench(ctx, seen):
            async for clock, held, value in ctx.tick().sample(count):
                seen.append((clock, held, value, ctx.get(count)))
                if len(seen) == 10:
                    break

        return clocked(make, m, testbench, background=[reset])
    same(scenario)


def test_synchronous_reset_leaves_read_ports_alone():
    def scenario(make):
        m, domain, _, _ = counter()
        m.submodules.store = store = memory.Memory(shape=8, depth=4, init=[1, 2, 3, 4])
        read, enable = store.read_port(), Signal(init=1)
        m.d.comb += [read.addr.eq(2), read.en.eq(enable)]

        async def testbench(ctx, seen):
            await ctx.tick()
            ctx.set(enable, 0)
            seen.append(ctx.get(read.data))
            ctx.set(domain.rst, 1)
            await ctx.tick()
            seen.append(ctx.get(read.data))

        return clocked(make, m, testbench)

    assert scenario(Reference) == [3, 0]
    for make in COMPILED.values():
        assert scenario(make) == [3, 3]


@pytest.mark.parametrize("kind, theirs", [("register", (1, 1, 10, 20)), ("logic", (1, 1, 11, 20))])
def test_divided_clock_samples_settled_values(kind, theirs):
    """Logic settles before the edge of a derived clock; pysim depends on the modules' nesting."""
    def scenario(make):
        m = Module()
        m.domains.slow = slow = ClockDomain(reset_less=True)
        m.domains.sync = ClockDomain()
        count, half = Signal(8), Signal()
        near, far = Signal(8), Signal(8)
        out = [Signal(8, name=f"out{n}") for n in range(3)]
        m.submodules.inner = inner = Module()
        m.d.sync += [count.eq(count + 1), half.eq(~half)]
        m.d.comb += near.eq(count + 10)
        inner.d.comb += far.eq(near + 10)
        if kind == "register":
            slow.clk = half
        else:
            m.d.comb += slow.clk.eq(half)
        m.d.slow += [out[0].eq(count), out[1].eq(near), out[2].eq(far)]

        async def testbench(ctx, seen):
            for _ in range(6):
                await ctx.tick()
                seen.append((ctx.get(count), *map(ctx.get, out)))

        return clocked(make, m, testbench)

    assert scenario(Reference)[0] == theirs
    for make in COMPILED.values():
        assert scenario(make) == [(n, odd, odd + 10, odd + 20)
                                  for n in range(1, 7) for odd in [(n - 1) // 2 * 2 + 1]]


def test_two_clocks_with_coincident_edges():
    def scenario(make):
        m = Module()
        m.domains.a = ClockDomain()
        m.domains.b = ClockDomain()
        x, y, z = Signal(8), Signal(8), Signal(8)
        m.d.a += x.eq(x + 1)
        m.d.b += [y.eq(x), z.eq(y)]
        simulator = make(m)
        simulator.add_clock(1e-6, domain="a")
        simulator.add_clock(1.5e-6, domain="b", phase=0.5e-6)
        seen = []

        async def slow(ctx):
            for _ in range(10):
                await ctx.tick("b")
                seen.append(("b", ctx.get(x), ctx.get(y), ctx.get(z)))

        async def fast(ctx):
            for _ in range(10):
                values = await ctx.tick("a").sample(x, y)
                seen.append(("a", *values, ctx.get(x)))

        simulator.add_testbench(slow)
        simulator.add_testbench(fast)
        simulator.run()
        return seen
    same(scenario)


def test_negative_edge():
    def scenario(make):
        m = Module()
        m.domains.falling = ClockDomain(clk_edge="neg")
        count = Signal(8)
        m.d.falling += count.eq(count + 1)
        simulator = make(m)
        simulator.add_clock(PERIOD, domain="falling")
        seen = []

        async def testbench(ctx):
            for _ in range(4):
                seen.append((await ctx.tick("falling").sample(count), ctx.get(count),
                             simulator._engine.now))

        simulator.add_testbench(testbench)
        simulator.run()
        return seen
    assert same(scenario)[-1][0] == (True, False, 3)


def test_testbench_drives_the_clock():
    def scenario(make):
        m, domain, kept, count = counter()

        async def waiter(ctx, seen):
            while True:
                seen.append((await ctx.tick().sample(count), ctx.get(count)))

        async def testbench(ctx, seen):
            for _ in range(5):
                ctx.set(domain.clk, 1)
                seen.append((ctx.get(kept), ctx.get(count)))
                await ctx.delay(PERIOD)
                ctx.set(domain.clk, 0)
                await ctx.delay(PERIOD)

        return clocked(make, m, testbench, background=[waiter], domains=[])
    same(scenario)


def test_gated_clock():
    def scenario(make):
        m, domain, _, count = counter()
        m.domains.gated = gated = ClockDomain(reset_less=True)
        enable, slow = Signal(), Signal(8)
        m.d.comb += gated.clk.eq(domain.clk & enable)
        m.d.gated += slow.eq(slow + 1)

        async def testbench(ctx, seen):
            for n in range(12):
                await ctx.tick()
                await ctx.delay(0.6 * PERIOD)       # while the clock is low
                ctx.set(enable, n % 3 != 0)
                seen.append((ctx.get(count), ctx.get(slow)))

        return clocked(make, m, testbench)
    same(scenario)


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_combinational_loop_is_refused(make):
    m = Module()
    a, b = Signal(), Signal()
    m.d.comb += [a.eq(b), b.eq(a & 1)]
    with pytest.raises(EngineError, match=r"^Combinational loop through .*test_domains.py:\d+"):
        make(m)


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_drivers_in_two_modules_are_refused(make):
    m = Module()
    m.submodules.a, m.submodules.b = a, b = Module(), Module()
    signal = Signal()
    a.d.comb += signal.eq(1)
    b.d.comb += signal.eq(0)
    with pytest.raises(DriverConflict):
        make(m)


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_clock_conflicts(make):
    m, domain, _, _ = counter()
    m.d.comb += domain.clk.eq(1)
    with pytest.raises(DriverConflict, match="already driven by combinational logic"):
        make(m).add_clock(PERIOD)


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_clocks_that_chase_each_other(make):
    m = Module()
    m.domains.a = a = ClockDomain(reset_less=True)
    m.domains.b = b = ClockDomain(reset_less=True, clk_edge="neg")
    start = Signal()
    x, y = Signal(), Signal()
    m.d.a += x.eq(~x)
    m.d.b += y.eq(~y)
    m.d.comb += [a.clk.eq(x ^ y ^ start), b.clk.eq(a.clk)]

    async def testbench(ctx):
        ctx.set(start, 1)
        ctx.get(x)

    simulator = make(m)
    simulator.add_testbench(testbench)
    with pytest.raises(EngineError, match=r"^Clocks derived from each other do not settle$"):
        simulator.run()
