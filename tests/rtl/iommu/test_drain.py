"""Drain: what each client waits for."""

import pytest
from amaranth.back import rtlil

from rtl.iommu.drain import Drain


async def wait(ctx, dut, client, cycles):
    """Cycles until ``client`` is done, or None if that takes more than ``cycles``."""
    for cycle in range(cycles):
        *_, done = await ctx.tick().sample(client.done)
        if done:
            ctx.set(client.want, 0)
            return cycle
    return None


@pytest.mark.parametrize("index", [0, 1])
def test_waits(bench, index):
    dut = Drain()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        client = dut.clients[index]
        ctx.set(client.want, 1)
        assert await wait(ctx, dut, client, 5) == 2             # nothing is under way
        for k, stale in enumerate(dut.stale):
            ctx.set(stale, 1)
            ctx.set(client.want, 1)
            assert await wait(ctx, dut, client, 9) is None, k
            ctx.set(stale, 0)
            assert await wait(ctx, dut, client, 9) == 1
        for reads, writes in ((0, 0), (0, 1), (1, 0), (1, 1)):
            for name in ("reads", "writes"):
                ctx.set(client.reads, reads)
                ctx.set(client.writes, writes)
                ctx.set(client.want, 1)
                ctx.set(getattr(dut, name), 1)
                waits = getattr(client, name)
                assert (await wait(ctx, dut, client, 9) is None) == ctx.get(waits)
                ctx.set(getattr(dut, name), 0)
                if ctx.get(waits):
                    assert await wait(ctx, dut, client, 9) == 0
                await ctx.tick()

    this.run()


def test_marks_once_after_the_stale_are_gone(bench):
    dut = Drain()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.clients[0].want, 1)
        ctx.set(dut.clients[0].reads, 1)
        ctx.set(dut.reads, 1)
        ctx.set(dut.stale[3], 1)
        marks = []
        for cycle in range(12):
            if cycle == 5:
                ctx.set(dut.stale[3], 0)
            *_, mark = await ctx.tick().sample(dut.mark)
            marks.append(mark)
        assert marks == [0] * 5 + [1] + [0] * 6

    this.run()


def test_one_after_the_other(bench):
    """Both clients at once: the first goes first, and neither is told of the other's end."""
    dut = Drain()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for client in dut.clients:
            ctx.set(client.want, 1)
        ends = []
        for _ in range(8):
            *_, first, second = await ctx.tick().sample(dut.clients[0].done, dut.clients[1].done)
            assert not (first and second)
            if first or second:
                ends.append(int(second))
                ctx.set(dut.clients[second].want, 0)
        assert ends == [0, 1]

    this.run()


def test_flush(bench):
    dut = Drain()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for first, second in ((0, 0), (0, 1), (1, 0), (1, 1)):
            ctx.set(dut.clients[0].flush, first)
            ctx.set(dut.clients[1].flush, second)
            *_, flush = await ctx.tick().sample(dut.flush)
            assert flush == (first or second)

    this.run()


def test_netlist():
    rtlil.convert(Drain())
