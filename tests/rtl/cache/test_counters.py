"""Counters: what was added to each."""

from random import Random

from amaranth.back import rtlil

from rtl.cache.counters import ROWS, Counters

MOST = {0: 1, 3: 4, 15: 1}


def test_counts(bench):
    dut = Counters(MOST)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        random, counts = Random(0), dict.fromkeys(MOST, 0)
        await ctx.tick().repeat(ROWS)
        for _ in range(20):
            for _ in range(random.randrange(1, 60)):
                for row, most in MOST.items():
                    step = random.choice([0, most, random.randint(0, most)])
                    ctx.set(dut.steps[f"row_{row}"], step)
                    counts[row] += step
                await ctx.tick()
            for row in MOST:
                ctx.set(dut.steps[f"row_{row}"], 0)
            for row, count in counts.items():
                ctx.set(dut.row, row)
                assert ctx.get(dut.value) == count

    this.run()


def test_netlist():
    rtlil.convert(Counters(MOST))
