"""Arbiter: nothing lost, grants in turn, and held."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.stream.arbiter import Arbiter
from sim.streams import send


def turn(last, requests):
    """Input that is served next, given who asks."""
    n = len(requests)
    return next((k % n for k in range(last + 1, last + n + 1) if requests[k % n]), None)


def run(bench, n, counts, *, stalls, stall_out, seed=0):
    dut = Arbiter(8, n)
    this = bench(dut)
    order = []

    for k in range(n):
        @this.testbench
        async def source(ctx, k=k):
            await send(ctx, dut.i[k], ((k << 5) + j for j in range(counts[k])),
                       stall=stalls[k], seed=seed + k)

    @this.background
    async def ready(ctx):

        random = Random(seed)
        while True:
            ctx.set(dut.o.ready, random.random() >= stall_out)
            await ctx.tick()

    @this.testbench
    async def monitor(ctx):
        order.clear()
        last, held, cycle = 0, None, 0
        sent = [0] * n
        while sum(sent) < sum(counts):
            _, _, valid, oready, payload, grant, *inputs = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload, dut.grant,
                *(port.valid for port in dut.i), *(port.ready for port in dut.i))
            cycle += 1
            requests, readies = inputs[:n], inputs[n:]
            expected = held if held is not None else turn(last, requests)
            assert valid == (expected is not None)
            if valid:
                assert grant == expected and payload == (grant << 5) + sent[grant]
                assert [a and b for a, b in zip(requests, readies, strict=True)] == [
                    oready if k == grant else 0 for k in range(n)]
                last, held = grant, None if oready else grant
                if oready:
                    sent[grant] += 1
                    order.append((cycle, grant))

    this.run()
    return order


@given(st.data())
def test_turns(bench, data):
    n = data.draw(st.integers(1, 5))
    counts = data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    stalls = data.draw(st.lists(st.sampled_from([0.0, 0.4, 0.9]), min_size=n, max_size=n))
    run(bench, n, counts, stalls=stalls, stall_out=data.draw(st.sampled_from([0.0, 0.5])),
        seed=data.draw(st.integers(0, 99)))


def test_all_ask(bench):
    """One a cycle, strictly in turn."""
    order = run(bench, 3, [4, 4, 4], stalls=[0] * 3, stall_out=0)
    assert order == [(k + 1, (k + 1) % 3) for k in range(12)]


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_netlist(n):
    rtlil.convert(Arbiter(8, n))


def test_wrong_count():
    with pytest.raises(TypeError, match=r"^Number of inputs must be an integer, not None$"):
        Arbiter(8, None)
    with pytest.raises(ValueError, match=r"^Number of inputs must be at least 1, not 0$"):
        Arbiter(8, 0)
