"""Ring: what an error says, and going on behind what failed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.spec.ring_formats import COMPLETION, RingFault

from .harness import SOURCES, TARGETS
from .ring_harness import DONE, FILL, RING, Driver, Item, expected, rig

LATER = SOURCES + 0xF00                 # cannot be read
BEYOND = TARGETS + 0x4000               # cannot be written
DETAILS = {
    "read": (lambda data, rings, **how: data.fail(SOURCES + 128, SOURCES + 192, "r", **how),
             RingFault.DATA_SLV, 0, SOURCES + 128),
    "write": (lambda data, rings, **how: data.fail(TARGETS + 128, TARGETS + 192, "w", **how),
              RingFault.DATA_SLV, 1, TARGETS + 128),
    "fetch": (lambda data, rings, **how: rings.fail(RING + 32, RING + 48, "r", **how),
              RingFault.RING_SLV, 0, 0),
    "completion": (lambda data, rings, **how: rings.fail(DONE + 16, DONE + 24, "w", **how),
                   RingFault.RING_SLV, 1, 0),
}


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("what", DETAILS)
@pytest.mark.parametrize("shape", ["narrow, all", "odd"])
def test_details(bench, shape, what, refused):
    """The third descriptor fails: registers and completion say where and how."""
    dut, this, data, rings = rig(bench, shape=shape, latency=5)
    fail, fault, write, addr = DETAILS[what]

    @this.testbench
    async def software(ctx):
        data.heal()
        rings.heal()
        fail(data, rings, refused=refused)
        driver = Driver(ctx, dut, rings)
        await driver.setup()
        await driver.submit([Item(SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(4)])
        await ctx.tick().until(dut.irq)
        for k in range(2):
            assert (await driver.completion())[:2] == (k, 0)
        if what != "completion":
            assert (await driver.completion())[:2] == (2, fault)
            assert COMPLETION.get(driver.word, "write") == write
            assert COMPLETION.get(driver.word, "refused") == refused
        assert [await driver.read("sr", name) for name in (
            "halted", "fault", "write", "refused")] == [1, fault, write, refused]
        assert await driver.read("err_addr") == addr
        assert await driver.read("err_slot", "slot") == 2
        await driver.reset()
        assert await driver.read("sr", "refused") == await driver.read("err_slot", "slot") == 0

    this.run()


@st.composite
def mixtures(draw):
    """Descriptors, good ones among such that fail: item, and fault."""
    result = []
    for k in range(draw(st.integers(2, 9))):
        long, at = draw(st.booleans()), k * 0x180
        good = Item(SOURCES + at, TARGETS + at + draw(st.integers(0, 9)),
                    draw(st.integers(1, 200)), long, draw(st.booleans()))
        kind = draw(st.sampled_from(["good", "good", "good", "read", "write", "op", "fill"]))
        item, fault = {
            "good": (good, RingFault.NONE),
            "read": (Item(LATER, good.dst, 300, long), RingFault.DATA_SLV),
            "write": (Item(good.src, BEYOND, good.size, long), RingFault.DATA_DEC),
            "op": (Item(good.src, good.dst, good.size, long, op=9), RingFault.INVALID),
            "fill": (Item(good.src, good.dst, good.size, long, op=FILL), RingFault.NONE)}[kind]
        result.append((item, fault))
    return result


@pytest.mark.parametrize("shape", ["all", "narrow, all"])
@given(todo=mixtures(), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 15]),
       seed=st.integers(0, 99))
@settings(max_examples=4)
def test_proceed(bench, shape, todo, stall, latency, seed):
    """Every descriptor gets its completion; those that are good do what they should."""
    dut, this, data, rings = rig(bench, shape=shape, latency=latency, stall=stall, seed=seed)
    data.heal()
    data.fail(LATER + 64, LATER + 0x100, "r")
    data.fail(BEYOND, BEYOND + 0x400, "w", Resp.DECERR)
    wrong = [fault for _, fault in todo if fault]

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings, log2=5)
        await driver.setup(proceed=1, irq_threshold=1)
        await driver.submit([item for item, _ in todo])
        slot = first = 0
        for item, fault in todo:
            assert (await driver.completion())[:2] == (slot, fault)
            first = first or (fault and (fault, slot))
            slot += item.slots
        await driver.idle()
        total = sum(item.size for item, fault in todo if not fault)
        assert total <= await driver.read("done_bytes") <= total + 300 * len(wrong)
        assert await driver.read("done", "count") == len(todo)
        assert await driver.read("head") == driver.tail
        assert not await driver.read("sr", "halted")
        assert await driver.read("sr", "err_irq") == bool(wrong)
        if first:
            assert (await driver.read("sr", "fault"), await driver.read("err_slot")) == first
        flagged = any(item.irq and not fault for item, fault in todo)
        assert await driver.read("sr", "irq") == flagged

    this.run()
    good = [item for item, fault in todo if not fault]
    result = bytearray(expected(data.image, good, len(good)))
    for item, fault in todo:
        if fault in (RingFault.DATA_SLV, RingFault.DATA_DEC):   # whole bursts may be there
            result[item.dst:item.dst + 300] = data.data[item.dst:item.dst + 300]
    assert data.data[SOURCES:] == result[SOURCES:]


def test_first_error_stays(bench):
    """Until ``err_irq`` is cleared; then the next one is told."""
    dut, this, _, rings = rig(bench, shape="all")

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.setup(proceed=1)
        bad = [Item(SOURCES, TARGETS, 8, op=op) for op in (7, 8)]
        await driver.submit(bad)
        await driver.idle()
        assert await driver.read("err_slot") == 0
        await driver.write("sr", err_irq=1)
        await driver.submit([Item(SOURCES, TARGETS, 8), bad[0]])
        await driver.idle()
        assert await driver.read("err_slot") == 3
        assert await driver.read("done", "count") == 4

    this.run()


def test_in_a_cyclic_ring(bench):
    """The last descriptor fails, a long one too: slot 0 comes behind it."""
    dut, this, _, rings = rig(bench, shape="all", latency=9)

    @this.testbench
    async def software(ctx):
        for long in (False, True):
            driver = Driver(ctx, dut, rings, log2=3)
            await driver.reset()
            await driver.setup(proceed=1, cyclic=1)
            todo = [Item(SOURCES, TARGETS, 40), Item(SOURCES, TARGETS, 8, long, op=5)]
            await driver.submit(todo)
            for k in range(9):
                assert (await driver.completion())[:2] == (k % 2, k % 2)
            await driver.reset()

    this.run()


@pytest.mark.parametrize("what", ["fetch", "completion"])
def test_errors_of_rings_halt(bench, what):
    """There is nothing to go on with."""
    dut, this, data, rings = rig(bench, shape="all")
    rings.heal()
    DETAILS[what][0](data, rings)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.setup(proceed=1)
        await driver.submit([Item(SOURCES, TARGETS + 64 * k, 64) for k in range(4)])
        await ctx.tick().until(dut.irq)
        assert await driver.read("sr", "halted")
        assert await driver.read("done", "slot") == 1

    this.run()


def test_reset_while_going_on(bench):
    """A reset at any time of it leaves a channel that works."""
    dut, this, data, rings = rig(bench, shape="all", latency=3)

    @this.testbench
    async def software(ctx):
        for wait in range(1, 60, 5):
            driver = Driver(ctx, dut, rings)
            await driver.setup(proceed=1)
            await driver.submit([Item(SOURCES, TARGETS, 100), Item(SOURCES, TARGETS, 9, op=6),
                                 Item(SOURCES, TARGETS, 100)])
            await ctx.tick().repeat(wait)
            await driver.reset()
            assert await driver.read("head") == 0
        await driver.setup()
        await driver.submit([Item(SOURCES + 8, TARGETS + 512, 77)])
        assert (await driver.completion())[:2] == (0, 0)
        await driver.idle()

    this.run()
    assert data.data[TARGETS + 512:][:77] == data.image[SOURCES + 8:][:77]
