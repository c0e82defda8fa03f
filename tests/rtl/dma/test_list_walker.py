"""ListWalker: every descriptor of the list in order, guesses dropped, none beyond tail or page."""

from collections import deque
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.list_walker import ListWalker

from .parts import netlist

SHAPES = {"smallest": (32, 1), "default": (64, 4), "odd": (40, 13)}
#: Descriptors of a page.
PAGE = 64


def run(bench, shape, slots, rings, *, latency=1, stall=0.0, seed=0, faulty=None):
    """Walk the list whose descriptors lie in ``slots``, handing over ``rings`` more each time."""
    addr_width, depth = SHAPES[shape]
    dut = ListWalker(addr_width=addr_width, depth=depth)
    this = bench(dut)
    nexts = dict(zip(slots, [*slots[1:], 0xDEAD], strict=True))
    asked_all, arrived = [], []
    total = min(sum(rings), len(slots))
    seen = total if faulty is None else min(faulty + 1, total)

    @this.background
    async def memory(ctx):
        """Answer in order; what is no descriptor of the list leads nowhere."""
        random, due, cycle, level = Random(seed), deque(), 0, deque()
        asked_all.clear()
        arrived.clear()
        while True:
            ready = random.random() >= stall
            ctx.set(dut.ar.ready, ready)
            came = bool(due) and due[0][0] <= cycle and random.random() >= stall
            slot = due.popleft()[1] if came else None
            ctx.set(dut.came, came)
            if came:
                ctx.set(dut.link, nexts.get(slot, 0xBEEF))
                ctx.set(dut.faulty, faulty is not None and slot == slots[faulty])
            while level and level[0] <= cycle:      # executed a while after they arrived
                level.popleft()
            ctx.set(dut.level, len(level))
            _, _, valid, asked, arrives, current = await ctx.tick().sample(
                dut.ar.valid, dut.ar.payload, dut.arrives, dut.current)
            cycle += 1
            if valid and ready:
                due.append((cycle + latency - 1, asked))
                asked_all.append(asked)
            if came and arrives:
                arrived.append(current)
                level.append(cycle + 3)
                assert slot == current
            assert len(level) <= depth

    @this.testbench
    async def software(ctx):
        async def half(strobe, bit, word, **others):
            for name, value in others.items():
                ctx.set(getattr(dut, name), value)
            ctx.set(strobe, 1 << bit)
            ctx.set(dut.word, word)
            await ctx.tick()
            ctx.set(strobe, 0)
            for name in others:
                ctx.set(getattr(dut, name), 0)

        await half(dut.place, 1, slots[0] * 64 >> 32)
        await half(dut.place, 0, slots[0] * 64 & 0xFFFF_FFFF)
        handed = 0
        for k, count in enumerate(rings):
            handed = min(handed + count, len(slots))
            tail = slots[handed - 1] * 64
            await half(dut.mark, 1, tail >> 32)
            await half(dut.mark, 0, tail & 0xFFFF_FFFF, doorbell=1, start=int(k == 0))
            assert ctx.get(dut.tail) == slots[handed - 1]
            if k % 2:
                await ctx.tick().repeat(40)
        quiet = 0
        while quiet < 10 * latency + 60:
            _, _, pending, busy, came = await ctx.tick().sample(dut.pending, dut.busy, dut.came)
            quiet = 0 if came else quiet + 1
        assert not busy
        assert pending == 0 or faulty is not None
        assert arrived == slots[:seen]

    this.run()
    return asked_all


@st.composite
def works(draw):
    count = draw(st.integers(1, 12))
    if draw(st.booleans()):                     # neighbours, from anywhere in a page
        first = draw(st.integers(0, 3 * PAGE))
        slots = [first + k for k in range(count)]
    else:
        slots = draw(st.lists(st.integers(0, 30), min_size=count, max_size=count, unique=True))
    rings = [draw(st.integers(1, count))]
    while sum(rings) < count:
        rings.append(draw(st.integers(1, count)))
    return slots, rings


@given(shape=st.sampled_from(sorted(SHAPES)), work=works(), latency=st.sampled_from([1, 4, 15]),
       stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, work, latency, stall, seed):
    run(bench, shape, *work, latency=latency, stall=stall, seed=seed)


def test_guesses(bench):
    """Neighbours are asked for once each; a guess stays in the page, and not beyond the tail."""
    slots = [*range(PAGE - 6, PAGE + 6)]
    assert run(bench, "default", slots, [len(slots)], latency=20) == slots
    asked = run(bench, "default", [3, 4, 5, 20, 21, 9], [6], latency=20)
    assert [slot for slot in asked if slot in (3, 4, 5, 20, 21, 9)] == [3, 4, 5, 20, 21, 9]
    assert set(asked) - {3, 4, 5, 20, 21, 9} <= {6, 7, 8, 22, 23, 24}


@pytest.mark.parametrize("faulty", [0, 3])
@pytest.mark.parametrize("latency", [1, 15])
def test_fault_ends_the_walk(bench, faulty, latency):
    run(bench, "default", [*range(8)], [8], latency=latency, faulty=faulty)


def test_beyond_the_addresses(bench):
    """A link that is wider than addresses is lost, once, and nothing is asked for."""
    dut = ListWalker(addr_width=32, depth=2)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        lost = 0
        for strobe, word, rings in ((dut.place, 0, 0), (dut.mark, 0x1000, 1)):
            ctx.set(strobe, 1)
            ctx.set(dut.word, word)
            ctx.set(dut.doorbell, rings)
            ctx.set(dut.start, rings)
            await ctx.tick()
            ctx.set(strobe, 0)
        ctx.set(dut.doorbell, 0)
        ctx.set(dut.start, 0)
        ctx.set(dut.ar.ready, 1)
        await ctx.tick().until(dut.ar.valid)
        ctx.set(dut.link, 1 << 26)
        ctx.set(dut.came, 1)
        await ctx.tick()
        ctx.set(dut.came, 0)
        for _ in range(20):
            _, _, gone, valid = await ctx.tick().sample(dut.lost, dut.ar.valid)
            lost += gone
            assert not valid
        assert lost == 1

    this.run()


def test_half_a_tail(bench):
    """Nothing is asked for between the writes of its halves."""
    dut = ListWalker(addr_width=40, depth=2)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for half, rings in ((2, 0), (1, 1)):
            ctx.set(dut.mark, half)
            ctx.set(dut.word, 0x40)
            ctx.set(dut.doorbell, rings)
            await ctx.tick()
            ctx.set(dut.mark, 0)
            ctx.set(dut.doorbell, 0)
            asked = 0
            for _ in range(10):
                await ctx.tick()
                asked |= ctx.get(dut.ar.valid)
            assert asked == rings

    this.run()


def test_stop_and_forget(bench):
    dut = ListWalker(addr_width=32, depth=2)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.mark, 1)
        ctx.set(dut.word, 0x40)
        ctx.set(dut.doorbell, 1)
        ctx.set(dut.stop, 1)
        await ctx.tick()
        ctx.set(dut.mark, 0)
        ctx.set(dut.doorbell, 0)
        for _ in range(10):
            await ctx.tick()
            assert not ctx.get(dut.ar.valid)
        ctx.set(dut.forget, 1)
        await ctx.tick()
        ctx.set(dut.forget, 0)
        assert ctx.get(dut.tail) == 0
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.pending)

    this.run()


@pytest.mark.parametrize("depth, latency", [(1, 1), (4, 1), (4, 20)])
def test_endless(bench, depth, latency):
    """Round and round the same three, past the tail, until it is told to forget."""
    dut = ListWalker(addr_width=40, depth=depth)
    this = bench(dut)
    ring = {7: 8, 8: 9, 9: 7}
    arrived = []

    @this.background
    async def memory(ctx):
        due = deque()
        cycle = 0
        arrived.clear()
        ctx.set(dut.ar.ready, 1)
        while True:
            came = bool(due) and due[0][0] <= cycle
            slot = due.popleft()[1] if came else 0
            ctx.set(dut.came, came)
            ctx.set(dut.link, ring.get(slot, 0xBEEF))
            _, _, valid, asked, arrives = await ctx.tick().sample(
                dut.ar.valid, dut.ar.payload, dut.arrives)
            cycle += 1
            if valid:
                due.append((cycle + latency - 1, asked))
            if came and arrives:
                arrived.append(slot)

    @this.testbench
    async def software(ctx):
        ctx.set(dut.cyclic, 1)
        await ctx.tick().repeat(20)
        assert not ctx.get(dut.pending), "it must wait for its start"
        for strobe, word, rings in ((dut.place, 7 * 64, 0), (dut.mark, 9 * 64, 1)):
            ctx.set(strobe, 1)
            ctx.set(dut.word, word)
            ctx.set(dut.doorbell, rings)
            ctx.set(dut.start, rings)
            await ctx.tick()
            ctx.set(strobe, 0)
        ctx.set(dut.doorbell, 0)
        ctx.set(dut.start, 0)
        ctx.set(dut.cyclic, 0)              # what counts is the start
        while len(arrived) < 20:
            await ctx.tick()
            assert ctx.get(dut.pending) and ctx.get(dut.endless)
        assert arrived == ([7, 8, 9] * 8)[:len(arrived)]
        ctx.set(dut.stop, 1)
        await ctx.tick().repeat(100)
        count = len(arrived)
        await ctx.tick().repeat(50)
        assert len(arrived) == count

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    addr_width, depth = SHAPES[shape]
    netlist(ListWalker(addr_width=addr_width, depth=depth))
