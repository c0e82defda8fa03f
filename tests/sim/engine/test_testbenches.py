"""What a testbench may do, with the results of Amaranth's own simulator."""

import pytest
from amaranth.hdl import *
from amaranth.lib import data, enum, memory
from amaranth.sim import BrokenTrigger, DomainReset

from tests.sim.engine.compare import COMPILED, PERIOD, clocked, same


class Kind(enum.Enum, shape=2):
    A = 0
    B = 1
    C = 3


class Counter:
    """A counter with enable, a wide copy, and a memory that remembers its values."""

    def __init__(self):
        self.module = m = Module()
        self.enable, self.count = Signal(), Signal(8)
        self.wide = Signal(signed(100))
        self.view = Signal(data.StructLayout({"low": 4, "high": signed(4)}))
        self.kind = Signal(Kind)
        self.rows = memory.MemoryData(shape=unsigned(8), depth=16, init=range(16))
        m.submodules.memory = store = memory.Memory(self.rows)
        write = store.write_port()
        m.d.comb += [write.addr.eq(self.count), write.data.eq(~self.count),
                     write.en.eq(self.enable), self.wide.eq(-self.count * (1 << 80)),
                     self.view.eq(self.count)]
        with m.If(self.enable):
            m.d.sync += [self.count.eq(self.count + 1), self.kind.eq(self.count[:1])]


def test_every_wait():
    def scenario(make):
        dut = Counter()

        async def testbench(ctx, seen):
            seen.append(await ctx.tick())
            ctx.set(dut.enable, 1)
            seen.append(await ctx.tick().sample(dut.count, dut.wide, dut.view, dut.kind))
            seen.append(await ctx.tick().sample(dut.wide).until(dut.count >= 5))
            seen.append(await ctx.tick().sample(dut.count).until((dut.count & 8).bool()))
            seen.append(await ctx.tick().sample(dut.count).repeat(7))
            seen.append(await ctx.tick().sample(dut.view.high).until(dut.wide[80:90] == 1000))
            async for _clock, _reset, count in ctx.tick().sample(dut.count):
                seen.append((count, ctx.get(dut.count), ctx.get(dut.kind)))
                if count == 40:
                    break
            seen.append(await ctx.delay(2.25 * PERIOD))
            seen.append(await ctx.changed(dut.count))
            seen.append(await ctx.edge(dut.count[2], 1).sample(dut.count))
            seen.append(await ctx.posedge(dut.count[3]).delay(100 * PERIOD).sample(dut.count))
            seen.append(await ctx.negedge(dut.count[0]).delay(0.1 * PERIOD))

        return clocked(make, dut.module, testbench)
    assert len(same(scenario)) > 10


def test_sets_and_gets():
    def scenario(make):
        dut = Counter()

        async def testbench(ctx, seen):
            ctx.set(dut.count, 0x123)
            seen += [ctx.get(dut.count), ctx.get(dut.wide), ctx.get(dut.view)]
            ctx.set(dut.count[2:5], 7)
            ctx.set(Cat(dut.enable, dut.count[:1]), 3)
            seen += [ctx.get(dut.count), ctx.get(dut.view.high + 1), ctx.get(dut.count.as_signed())]
            ctx.set(dut.rows[3], 99)
            await ctx.tick()
            seen += [ctx.get(row) for row in dut.rows]
            ctx.set(dut.kind, Kind.C)
            seen.append(ctx.get(dut.kind))
            unused = Signal(signed(9), init=-3)
            seen.append(ctx.get(unused))
            ctx.set(unused, 700)
            seen.append(ctx.get(unused))

        return clocked(make, dut.module, testbench)
    same(scenario)


@pytest.mark.parametrize("statement", [
    lambda ctx, dut: ctx.set(dut.wide, 1),
    lambda ctx, dut: ctx.get(ClockSignal()),
    lambda ctx, dut: ctx.tick("nowhere"),
    lambda ctx, dut: ctx.tick("comb"),
])
def test_refusals(statement):
    def scenario(make):
        dut = Counter()

        async def testbench(ctx, seen):
            with pytest.raises(Exception) as caught:
                statement(ctx, dut)
            seen += [type(caught.value), str(caught.value)]

        return clocked(make, dut.module, testbench)
    same(scenario)


@pytest.mark.parametrize("wait", [
    lambda tick, dut: tick.repeat(0), lambda tick, dut: tick.until("yes"),
    lambda tick, dut: tick.until(dut.kind), lambda tick, dut: tick.repeat(1.5)])
def test_bad_waits(wait):
    def scenario(make):
        dut = Counter()

        async def testbench(ctx, seen):
            with pytest.raises((TypeError, ValueError)) as caught:
                await wait(ctx.tick(), dut)
            seen += [type(caught.value), str(caught.value).split(" at 0x")[0]]

        return clocked(make, dut.module, testbench)
    same(scenario)


@pytest.mark.parametrize("repeats", [False, True])
def test_reset_ends_a_wait(repeats):
    def scenario(make):
        dut = Counter()
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.submodules.dut = dut.module

        async def resets(ctx, seen):
            await ctx.delay(5.25 * PERIOD)
            ctx.set(domain.rst, 1)
            await ctx.tick()
            ctx.set(domain.rst, 0)

        async def testbench(ctx, seen):
            ctx.set(dut.enable, 1)
            with pytest.raises(DomainReset):
                await (ctx.tick().repeat(20) if repeats else ctx.tick().until(dut.count == 20))
            seen.append(ctx.get(dut.count))
            seen.append(await ctx.tick())

        return clocked(make, m, testbench, background=[resets])
    same(scenario)


def test_missed_tick():
    def scenario(make):
        async def testbench(ctx, seen):
            with pytest.raises(BrokenTrigger):
                async for tick in ctx.tick():
                    seen.append(tick)
                    await ctx.tick()

        return clocked(make, Counter().module, testbench)
    assert len(same(scenario)) == 1


def test_order_of_testbenches_and_processes():
    def scenario(make):
        dut = Counter()
        share, late = Signal(8), Signal(8)

        async def process(ctx, seen):
            async for _clock, _reset, count in ctx.tick().sample(dut.count):
                ctx.set(late, count)

        async def logic(ctx, seen):
            async for (count,) in ctx.changed(dut.count):
                ctx.set(share, count ^ 0xff)

        async def first(ctx, seen):
            ctx.set(dut.enable, 1)
            for _ in range(6):
                await ctx.tick()
                seen.append(("first", ctx.get(dut.count), ctx.get(share), ctx.get(late)))
                ctx.set(dut.count, ctx.get(dut.count) + 1)

        async def second(ctx, seen):
            for _ in range(6):
                (count,) = (await ctx.tick().sample(dut.count))[2:]
                seen.append(("second", count, ctx.get(dut.count), ctx.get(share)))

        return clocked(make, dut.module, first, second, processes=[process, logic])
    same(scenario)


def test_processes_in_the_place_of_logic_and_of_a_register():
    def scenario(make):
        m = Module()
        a, b, total, sum_, late = (Signal(8, name=name) for name in "abtsl")
        m.d.sync += total.eq(total + sum_)

        async def adder(ctx, seen):
            async for x, y in ctx.changed(a, b):
                ctx.set(sum_, x + y)

        async def register(ctx, seen):
            async for _clock, _reset, value in ctx.tick().sample(total):
                ctx.set(late, value)

        async def testbench(ctx, seen):
            for n in range(6):
                ctx.set(a, 3 * n)
                ctx.set(b, n)
                seen.append(ctx.get(sum_))
                await ctx.tick()
                seen.append((ctx.get(total), ctx.get(late)))

        return clocked(make, m, testbench, processes=[adder, register])
    same(scenario)


def test_critical_background_served_call_by_call():
    """A machine that does one command for each `run`, as a synchronous host does."""
    def scenario(make):
        dut = Counter()
        simulator = make(dut.module)
        simulator.add_clock(PERIOD)
        commands, seen = [], []

        async def server(ctx):
            while True:
                while not commands:
                    await ctx.tick()
                with ctx.critical():
                    target = commands.pop()
                    ctx.set(dut.enable, 1)
                    seen.append(await ctx.tick().sample(dut.wide).until(dut.count == target))
                    ctx.set(dut.enable, 0)
                    seen.append(simulator._engine.now)

        simulator.add_testbench(server, background=True)
        for target in (5, 7, 200, 3):
            commands.append(target)
            while commands:
                simulator.advance()
            simulator.run()
            seen.append(simulator._engine.now)
        return seen
    same(scenario)


def test_reset_starts_over():
    def scenario(make):
        dut = Counter()
        simulator = make(dut.module)
        simulator.add_clock(PERIOD)
        seen = []

        async def testbench(ctx):
            ctx.set(dut.enable, 1)
            await ctx.tick().repeat(3)
            ctx.set(dut.rows[9], 1)
            seen.extend([ctx.get(dut.count), *(ctx.get(row) for row in dut.rows)])

        simulator.add_testbench(testbench)
        simulator.run()
        simulator.reset()
        simulator.run()
        return seen
    seen = same(scenario)
    assert seen[:17] == seen[17:]


def test_run_until_and_advance():
    def scenario(make):
        dut = Counter()
        simulator = make(dut.module)
        simulator.add_clock(PERIOD, phase=0.25 * PERIOD)
        seen = []

        async def background(ctx):
            ctx.set(dut.enable, 1)
            async for _clock, _reset, count in ctx.tick().sample(dut.count):
                seen.append((count, simulator._engine.now))

        simulator.add_testbench(background, background=True)
        simulator.run_until(4.3 * PERIOD)
        seen.append(simulator._engine.now)
        for _ in range(6):
            seen.append((simulator.advance(), simulator._engine.now))
        simulator.run_until(20 * PERIOD)
        return seen
    same(scenario)


def test_clock_nobody_uses():
    def scenario(make):
        m = Module()
        m.domains.idle = ClockDomain()

        async def testbench(ctx, seen):
            seen.append(await ctx.tick("idle").repeat(3))
            seen.append(await ctx.tick("idle"))

        return clocked(make, m, testbench, domains=["idle"])
    same(scenario)


@pytest.mark.parametrize("name", COMPILED)
def test_large_memory(name):
    """16 MiB: construction does not list the rows."""
    m = Module()
    m.submodules.store = store = memory.Memory(shape=64, depth=1 << 21, init=[])
    write, read = store.write_port(), store.read_port()
    m.d.comb += write.en.eq(1)
    simulator = COMPILED[name](m)
    simulator.add_clock(PERIOD)
    seen = []

    async def testbench(ctx):
        for row in (0, 12345, (1 << 21) - 1):
            ctx.set(write.addr, row)
            ctx.set(write.data, row * 0x1234567)
            await ctx.tick()
            ctx.set(read.addr, row)
            await ctx.tick()
            seen.append((ctx.get(read.data), ctx.get(store.data[row])))

    simulator.add_testbench(testbench)
    simulator.run()
    assert seen == [(row * 0x1234567,) * 2 for row in (0, 12345, (1 << 21) - 1)]
