"""RingFetch: every slot up to the tail once and in order, in bursts that stay in their group."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.ring_fetch import RingFetch

from .parts import Reads, netlist

SHAPES = {"smallest": (32, 32, 8), "default": (64, 64, 32), "odd": (57, 128, 11)}
BASE = 0x7000_0000


def run(bench, shape, steps, *, log2=4, start=0, stall=0.0, latency=1, seed=0, bad=None):
    """Hand over slots in ``steps``, from number ``start`` on; slot ``bad`` cannot be read."""
    addr_width, data_width, depth = SHAPES[shape]
    width = data_width // 8
    dut = RingFetch(addr_width=addr_width, data_width=data_width, depth=depth)
    this = bench(dut)

    def answer(addr):
        at = addr - BASE
        wrong = bad is not None and at // 16 == bad % (1 << log2) and at % 16 == 0
        return at * 0x11 & 0xFFFF_FFFF, Resp.DECERR if wrong else Resp.OKAY

    reads = Reads(dut.bus, answer, latency=latency, stall=stall, seed=seed)
    this.background(reads.serve)

    @this.testbench
    async def software(ctx):
        random, held, number, tail, quiet = Random(seed), 0, start, start, 0
        steps_left = list(steps)
        ctx.set(dut.base, BASE)
        ctx.set(dut.size_log2, log2)
        ctx.set(dut.number, start)
        ctx.set(dut.tail, start)
        ctx.set(dut.place, 1)
        await ctx.tick()
        ctx.set(dut.place, 0)
        ctx.set(dut.run, 1)
        while quiet < 60 + 4 * latency:
            if steps_left and random.random() < 0.05:
                tail = (tail + steps_left.pop(0)) % (1 << 16)
                ctx.set(dut.tail, tail)
            freed = random.randrange(min(held, 2) + 1)
            ctx.set(dut.freed, freed)
            _, _, valid, slot, busy = await ctx.tick().sample(
                dut.slots.valid, dut.slots.payload, dut.busy)
            quiet = 0 if steps_left or busy or valid else quiet + 1
            held += valid - freed
            assert held <= depth
            if valid:
                at = number % (1 << log2) * 16
                words = b"".join((answer(BASE + at + k)[0]).to_bytes(width, "little")
                                 for k in range(0, 16, width))
                assert (slot.number, slot.words) == (number, int.from_bytes(words, "little"))
                failed = bad is not None and number % (1 << log2) == bad % (1 << log2)
                assert slot.fault is (Fault.SG_DEC if failed else Fault.NONE)
                number = (number + 1) % (1 << 16)
        assert number == tail == ctx.get(dut.head)

    this.run()
    slots = 0
    for addr, beats in reads.log:
        assert beats * width % 16 == 0 and addr % 16 == 0
        assert addr // 128 == (addr + beats * width - 1) // 128
        slots += beats * width // 16
    assert slots == sum(steps)


@given(shape=st.sampled_from(sorted(SHAPES)), steps=st.lists(st.integers(1, 8), max_size=5),
       log2=st.sampled_from([3, 6]), start=st.sampled_from([0, 5, 65530]),
       stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 15]),
       seed=st.integers(0, 99))
def test_matches_model(bench, shape, steps, log2, start, stall, latency, seed):
    run(bench, shape, steps, log2=log2, start=start, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bad", [0, 3])
def test_unreadable(bench, shape, bad):
    run(bench, shape, [6], bad=bad)


def test_run(bench):
    """Nothing is asked for before ``run``."""
    dut = RingFetch(addr_width=32, data_width=64, depth=8)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.tail, 3)
        for _ in range(9):
            await ctx.tick()
            assert not ctx.get(dut.bus.ar.valid)
        ctx.set(dut.run, 1)
        await ctx.tick().until(dut.bus.ar.valid)
        assert ctx.get(dut.bus.ar.p.len) == 5

    this.run()


@pytest.mark.parametrize("slots", [1, 2, 7, 8, 9, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_cyclic(bench, shape, slots):
    """Behind the last slot comes slot 0, again and again, with no gap in between."""
    addr_width, data_width, depth = SHAPES[shape]
    dut = RingFetch(addr_width=addr_width, data_width=data_width, depth=depth)
    this = bench(dut)
    reads = Reads(dut.bus, lambda addr: (addr, Resp.OKAY), latency=5)
    this.background(reads.serve)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.size_log2, 4)
        ctx.set(dut.cyclic, 1)
        ctx.set(dut.tail, slots)
        ctx.set(dut.run, 1)
        number = 0
        while number < 50:
            _, _, valid, slot = await ctx.tick().sample(dut.slots.valid, dut.slots.payload)
            if valid:
                assert slot.number == number % slots
                assert slot.words & 0xFFF == number % slots * 16
                number += 1
            ctx.set(dut.freed, valid)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    addr_width, data_width, depth = SHAPES[shape]
    netlist(RingFetch(addr_width=addr_width, data_width=data_width, depth=depth))


@pytest.mark.parametrize("wrong, message", [
    ({"data_width": 256}, "Data width must be 32, 64 or 128 bits, not 256"),
    ({"depth": 7}, "Depth must be at least 8 slots, not 7")])
def test_parameters(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        RingFetch(**{"addr_width": 32, "data_width": 64, "depth": 8, **wrong})
