"""Waits that compiled code cannot carry out go through Python, with the same results."""

import os

import pytest
from amaranth.hdl import *
from amaranth.lib import data

from sim.engine.run.programs import Beyond, compile_program
from tests.sim.engine.compare import COMPILED, PERIOD, clocked, same


def design():
    m = Module()
    wide, count, index = Signal(100, init=1), Signal(6), Signal(3)
    table = Array(Signal(8, init=10 * n, name=f"t{n}") for n in range(8))
    m.d.sync += [wide.eq(wide.rotate_left(7)), count.eq(count + 1), index.eq(index + 3),
                 table[index].eq(table[index] + 1)]
    return m, wide, count, index, table


CONDITIONS = {
    "wide": lambda wide, count, index, table: wide[64:] == 2,
    "very wide": lambda wide, count, index, table: wide == 1 << 42,
    "array": lambda wide, count, index, table: table[index] == 31,
    "part": lambda wide, count, index, table: wide.bit_select(count, 1),
    "mux": lambda wide, count, index, table: Mux(index[0], count == 9, count == 21),
    "parity": lambda wide, count, index, table: count.xor() & count[4],
    "product": lambda wide, count, index, table: count * index == 60,
    "shift": lambda wide, count, index, table: (count >> index) == 5,
    "signed": lambda wide, count, index, table: (count.as_signed() < -3) & (index == 2),
    "between": lambda wide, count, index, table: (count - 20 > -2) & ~(count >= 22),
    "minus": lambda wide, count, index, table: -count == -17,
    "matches": lambda wide, count, index, table: count.matches("01--11"),
    "cat": lambda wide, count, index, table: Cat(count[2:], index, C(1, 1))[1:6] == 0b11010,
    "all": lambda wide, count, index, table: count[:4].all() & (count[4:] != 0),
    "number": lambda wide, count, index, table: count[3:],
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_condition(name):
    def scenario(make):
        m, *signals = design()
        condition = CONDITIONS[name](*signals)

        async def testbench(ctx, seen):
            for _ in range(3):
                seen.append(await ctx.tick().sample(*signals[:3]).until(condition))
                seen.append(ctx.get(condition))

        async def give_up(ctx, seen):
            await ctx.delay(900 * PERIOD)
            raise TimeoutError

        return clocked(make, m, testbench, background=[give_up])
    assert len(same(scenario)) == 6


def test_samples():
    def scenario(make):
        m, wide, count, index, table = design()
        view = data.View(data.StructLayout({"a": signed(70), "b": 30}), wide)
        negative, product, chosen = Signal(signed(80)), count * index, table[index]
        m.d.comb += negative.eq(-wide)

        async def testbench(ctx, seen):
            samples = (wide, view.a, view.b, view, negative, product, chosen, wide[30:90],
                       Const(-3, 4), Const(0, 0), ~count, count.as_signed(), -count)
            for n in range(len(samples)):
                tick = ctx.tick().sample(*samples[:n], count)
                seen += [await tick, await tick.repeat(2)]
                async for values in tick:
                    seen.append(values)
                    break

        return clocked(make, m, testbench)
    same(scenario)


def test_program_limits():
    class Nothing:
        """State that is not asked for."""

    for value in (Const(0, 65), Const(1) * 1, Const(1) << 3):
        with pytest.raises(Beyond):
            compile_program(Nothing(), value)


def test_rows_and_outside_signals_in_a_condition():
    def scenario(make):
        m, _, count, _, _ = design()
        outside = Signal(4)

        async def other(ctx, seen):
            await ctx.tick().repeat(5)
            ctx.set(outside, 3)

        async def testbench(ctx, seen):
            seen.append(await ctx.tick().sample(outside).until(outside == 3))
            seen.append(ctx.get(count))

        return clocked(make, m, testbench, other)
    same(scenario)


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_in_a_forked_process(make):
    """The compiler of the parent process is of no use in a child."""
    make(design()[0])
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        m, _, count, _, _ = design()
        seen = clocked(make, m, lambda ctx, seen: _ten(ctx, seen, count))
        os.write(writer, bytes(seen))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == bytes([10])


async def _ten(ctx, seen, count):
    await ctx.tick().repeat(10)
    seen.append(ctx.get(count))
