"""Parking: who waits, who passes, in which order all leave, and with what."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.parking import Parking
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from sim.streams import send

PARAMS = IommuParams(walks=3, id_width=2)
#: AXI ID, and whether the TLB hits, the context refuses, or a walk decides.
ACCESSES = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["hit", "refused", "walk"])),
                    min_size=1, max_size=16)


def payload(number, axid, fate):
    cause = Cause.DDT_INVALID if fate == "refused" else Cause.NONE
    return {"known": {"access": {"id": axid, "addr": number << 12, "len": number},
                      "wants": {"kind": Kind.READ}, "context": {"dtf": number & 1},
                      "cause": cause},
            "passes": fate == "hit", "canonical": 1, "ppn": 0x1000 + number}


def expected(number, fate):
    """Cause and page of an access; an odd walk faults."""
    if fate == "refused":
        return Cause.DDT_INVALID, None
    if fate == "hit":
        return Cause.NONE, 0x1000 + number
    return (Cause.READ_PAGE_FAULT, None) if number & 1 else (Cause.NONE, 0x2000 + number)


@pytest.mark.parametrize("in_order", [False, True])
@given(accesses=ACCESSES, seed=st.integers(0, 99), stall=st.sampled_from([0.0, 0.4]))
@settings(max_examples=20)
def test_matches_model(bench, in_order, accesses, seed, stall):
    dut = Parking(PARAMS, in_order=in_order)
    this, random = bench(dut), Random(seed)
    left, walking = [], {}

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, [payload(n, *one) for n, one in enumerate(accesses)], stall=stall)

    @this.background
    async def walkers(ctx):
        """Answers, in any order, and now and then no walker is free."""
        walking.clear()
        while True:
            free = [w for w in range(PARAMS.walks) if w not in walking]
            offers = bool(free) and random.random() < 0.7
            walker = random.choice(free) if free else 0
            ctx.set(dut.ask.request.ready, offers)
            ctx.set(dut.ask.walker, walker)
            # Another walk takes over who waits for one, in this cycle already.
            moved = dut.answer.moved
            ctx.set(moved.valid, 0)
            if walking and len(free) > 1 and random.random() < 0.2:
                source = random.choice(list(walking))
                target = random.choice([w for w in free if w != walker])
                walking[target] = walking.pop(source)
                ctx.set(moved.valid, 1)
                ctx.set(moved.source, source)
                ctx.set(moved.target, target)
            done = random.choice(list(walking)) if walking and random.random() < 0.3 else None
            ctx.set(dut.answer.valid, done is not None)
            if done is not None:
                cause, ppn = expected(walking.pop(done), "walk")
                ctx.set(dut.answer.walker, done)
                ctx.set(dut.answer.reply, {"cause": cause, "page": {"ppn": ppn or 0}})
            *_, valid, likely, page = await ctx.tick().sample(
                dut.ask.request.valid, dut.ask.likely, dut.ask.request.p.walk.page)
            assert likely or not valid
            if valid and offers:
                walking[walker] = page

    @this.testbench
    async def sink(ctx):
        left.clear()
        while len(left) < len(accesses):
            ctx.set(dut.o.ready, random.random() >= stall)
            *_, valid, ready, o = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.o.payload)
            if not (valid and ready):
                continue
            number = o.access.addr >> 12
            axid, fate = accesses[number]
            cause, ppn = expected(number, fate)
            assert (o.access.id, o.access.len, o.dtf, o.fate.cause) == (
                axid, number, number & 1, cause)
            if ppn is not None:
                assert o.fate.ppn == ppn
            left.append(number)

    this.run()
    assert sorted(left) == list(range(len(accesses)))
    if in_order:
        assert left == sorted(left)
    for axid in range(3):
        mine = [number for number in left if accesses[number][0] == axid]
        assert mine == sorted(mine)


def steps(bench, dut, testbench):
    this = bench(dut)
    this.testbench(testbench)
    this.run()


@pytest.mark.parametrize("in_order", [False, True])
def test_hits_pass_a_miss(bench, in_order):
    """In the cycle in which they come; but not one of the same ID, and no write."""
    dut = Parking(PARAMS, in_order=in_order)

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.ask.request.ready, 1)
        ctx.set(dut.i.valid, 1)
        for number, axid, fate, passes in ((0, 1, "walk", False), (1, 2, "hit", True),
                                           (2, 1, "hit", False), (3, 0, "refused", True)):
            ctx.set(dut.i.payload, payload(number, axid, fate))
            assert ctx.get(dut.i.ready)
            assert ctx.get(dut.o.valid) == (passes and not in_order)
            await ctx.tick()
            if in_order and number == 2:
                return                  # three wait: no room
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.answer.valid, 1)
        for number in (0, 2):           # in the cycle of the answer; then who waited for it
            assert ctx.get(dut.o.valid)
            assert ctx.get(dut.o.p.access.addr) >> 12 == number
            await ctx.tick()
            ctx.set(dut.answer.valid, 0)
        assert not ctx.get(dut.o.valid)

    steps(bench, dut, testbench)


@pytest.mark.parametrize("moment", ["before", "arriving", "parked", None])
def test_stale(bench, moment):
    """What an invalidation has met stays stale until it leaves, and asks as such."""
    dut = Parking(PARAMS, in_order=False)

    async def testbench(ctx):
        ctx.set(dut.ask.request.ready, 1)
        ctx.set(dut.i.payload, payload(0, 1, "walk"))
        ctx.set(dut.i.payload.known.stale, moment in ("before", "arriving"))
        ctx.set(dut.flush, moment == "arriving")
        ctx.set(dut.i.valid, 1)
        assert ctx.get(dut.ask.request.p.stale) == (moment in ("before", "arriving"))
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.flush, moment == "parked")
        await ctx.tick()
        ctx.set(dut.flush, 0)
        assert ctx.get(dut.stale) == (moment is not None)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.answer.valid, 1)
        await ctx.tick()
        assert not ctx.get(dut.stale)

    steps(bench, dut, testbench)


@pytest.mark.parametrize("params", [{"walks": 1, "id_width": 1}, {"walks": 8, "sv39x4": True}])
def test_netlist(params):
    rtlil.convert(Parking(IommuParams(**params), in_order=False))
