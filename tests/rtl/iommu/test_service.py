"""Share: clients of one server, each served in turn, with its own answer."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.service import ServiceSignature, Share
from tests.rtl.iommu.memory import ask

SIGNATURE = ServiceSignature(8, 8)


@given(requests=st.tuples(*[st.lists(st.tuples(st.integers(0, 255), st.integers(0, 3)),
                                     max_size=8)] * 3), work=st.integers(1, 4))
@settings(max_examples=15)
def test_each_gets_its_own(bench, requests, work):
    dut = Share(SIGNATURE, 3)
    this = bench(dut)

    @this.background
    async def server(ctx):
        while True:
            await ctx.tick().until(dut.server.want)
            ctx.set(dut.server.start, 1)
            (request,) = await ctx.tick().sample(dut.server.request).until(dut.server.want)
            ctx.set(dut.server.start, 0)
            await ctx.tick().repeat(work)
            ctx.set(dut.server.valid, 1)
            ctx.set(dut.server.reply, request ^ 0xFF)
            await ctx.tick().until(dut.server.take)
            ctx.set(dut.server.valid, 0)

    for client, mine in zip(dut.clients, requests, strict=True):
        @this.testbench
        async def testbench(ctx, client=client, mine=mine):
            for request, patience in mine:
                reply, _ = await ask(ctx, client, request, patience=patience)
                assert reply == request ^ 0xFF

    this.run()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_in_turn(bench, n):
    """With all wanting all the time, each is served every n-th time."""
    dut = Share(SIGNATURE, n)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        order = []
        for k, client in enumerate(dut.clients):
            ctx.set(client.want, 1)
            ctx.set(client.take, 1)
            ctx.set(client.request, k)
        for _ in range(6):
            ctx.set(dut.server.start, 1)
            *_, request, starts = await ctx.tick().sample(
                dut.server.request, Cat(client.start for client in dut.clients))
            assert starts == 1 << request
            order.append(request)
            ctx.set(dut.server.start, 0)
            ctx.set(dut.server.valid, 1)
            *_, want, valids = await ctx.tick().sample(
                dut.server.want, Cat(client.valid for client in dut.clients))
            assert (want, valids) == (0, 1 << request)
            ctx.set(dut.server.valid, 0)
        assert order == [(order[0] + k) % n for k in range(6)]

    this.run()


def test_want_may_be_withdrawn(bench):
    dut = Share(SIGNATURE)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.clients[0].want, 1)
        await ctx.tick()
        ctx.set(dut.clients[0].want, 0)
        ctx.set(dut.clients[1].want, 1)
        ctx.set(dut.clients[1].request, 9)
        ctx.set(dut.server.start, 1)
        *_, want, request, start = await ctx.tick().sample(
            dut.server.want, dut.server.request, dut.clients[1].start)
        assert (want, request, start) == (1, 9, 1)

    this.run()


def test_signature():
    assert ServiceSignature(8, 8) == SIGNATURE
    assert ServiceSignature(8, 9) != SIGNATURE


@pytest.mark.parametrize("width", [1, 40])
def test_netlist(width):
    rtlil.convert(Share(ServiceSignature(width, width)))
