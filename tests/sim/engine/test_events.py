"""Print, Assert, Assume, Cover and Format inside the design."""

import pytest
from amaranth.hdl import *

from tests.sim.engine.compare import COMPILED, PERIOD, clocked, same


def test_prints(capsys):
    def scenario(make):
        m = Module()
        count, wide, name = Signal(signed(6)), Signal(100, init=1 << 99), Signal(24, init=0x636261)
        m.d.sync += [count.eq(count + 1), wide.eq(wide >> 1)]
        m.d.sync += Print(Format("{:04x} {:+d} {} {:s} {{}}", wide, count, count == 3, name))
        with m.If(count[0]):
            m.d.sync += Print("odd", end="!")
            m.d.sync += Cover(count[1], Format("count {}", count))

        async def testbench(ctx, seen):
            for _ in range(8):
                await ctx.tick()
                print("testbench")

        clocked(make, m, testbench)
        # The order of what one design prints at one time is not defined.
        return [sorted(part.split()) for part in
                re_sub(capsys.readouterr().out).split("testbench")]
    assert len(same(scenario)) == 9


def re_sub(text):
    """Drop the path of source locations."""
    return text.replace(__file__, "here")


@pytest.mark.parametrize("statement", [Assert, Assume])
@pytest.mark.parametrize("domain", ["sync", "comb"])
def test_violations(statement, domain):
    def scenario(make):
        m = Module()
        count, reached = Signal(8), []
        m.d.sync += count.eq(count + 1)
        m.d[domain] += statement(count < 5, Format("count is {:02d}", count))

        async def testbench(ctx, seen):
            for n in range(20):
                await ctx.tick()
                reached.append(n)

        with pytest.raises(AssertionError) as caught:
            clocked(make, m, testbench)
        return str(caught.value), reached
    assert "violated: count is 05" in same(scenario)[0]


def test_assertion_in_a_set():
    def scenario(make):
        m = Module()
        flag, other = Signal(), Signal()
        m.d.comb += Assert(~flag)
        m.d.sync += other.eq(flag)

        async def testbench(ctx, seen):
            await ctx.tick()
            with pytest.raises(AssertionError):
                ctx.set(flag, 1)
            seen.append("caught")

        return clocked(make, m, testbench)
    assert same(scenario) == ["caught"]


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_many_prints_in_order(make, capsys):
    m = Module()
    count = Signal(32)
    m.d.sync += [count.eq(count + 1), Print(count)]
    simulator = make(m)
    simulator.add_clock(PERIOD)
    simulator.run_until(3000.75 * PERIOD)
    assert capsys.readouterr().out.split() == [str(n) for n in range(3001)]
