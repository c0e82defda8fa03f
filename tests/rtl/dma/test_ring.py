"""Ring: whole engine, by its registers and rings."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.ring import Ring
from rtl.params import RingParams
from rtl.spec.ring_formats import RingFault

from .harness import SOURCES, TARGETS
from .ring_harness import DONE, FILL, RING, SHAPES, Driver, Item, expected, items, rig, works


def data_of(memory) -> bytes:
    return bytes(memory.data[SOURCES:])


BUILDS = [shape for shape in SHAPES if SHAPES[shape].get("strided")]


def run(bench, todo, *, shape="default", batches=1, log2=4, **memory_args):
    """Do ``todo`` in batches, and compare completions and all of memory."""
    dut, this, data, rings = rig(bench, shape=shape, **memory_args)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings, log2=log2)
        await driver.setup(irq_threshold=2)
        flagged, total = 0, 0
        step = -(-len(todo) // batches)
        for start in range(0, len(todo), step):
            batch = todo[start:start + step]
            slot = driver.tail
            await driver.submit(batch)
            for item in batch:
                number, fault, count = await driver.completion()
                assert (number, fault) == (slot % (1 << 16), 0)
                total += item.total
                assert count >= total
                slot += item.slots
                flagged += item.irq
        await driver.idle()
        assert await driver.read("done_bytes") == total
        assert await driver.read("done", "count") == len(todo)
        assert await driver.read("head") == driver.tail
        await ctx.tick().repeat(2)
        assert await driver.read("sr", "irq") == (flagged > 0)
        assert ctx.get(dut.irq) == (flagged > 0)
        await driver.write("sr", irq=1)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.irq)

    this.run()
    assert data_of(data) == expected(data.image, todo, len(todo))[SOURCES:]


@pytest.mark.parametrize("shape", SHAPES)
@given(todo=items(), batches=st.integers(1, 4), stall=st.sampled_from([0.0, 0.5]),
       latency=st.sampled_from([1, 20]), seed=st.integers(0, 99))
@settings(max_examples=4)
def test_matches_model(bench, shape, todo, batches, stall, latency, seed):
    run(bench, todo, shape=shape, batches=batches, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("shape", BUILDS)
@given(todo=works(), batches=st.integers(1, 3), stall=st.sampled_from([0.0, 0.5]),
       latency=st.sampled_from([1, 20]), seed=st.integers(0, 99))
@settings(max_examples=12)
def test_fills_and_rows(bench, shape, todo, batches, stall, latency, seed):
    run(bench, todo, shape=shape, batches=batches, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("shape", ["smallest", "own port"])
def test_wraps(bench, shape):
    """Several times through a small ring, long descriptors across its end too."""
    todo = [Item(SOURCES + 40 * k, TARGETS + 40 * k, 40 - k % 7, long=k % 3 == 1, irq=k == 29)
            for k in range(30)]
    run(bench, todo, shape=shape, batches=10, log2=3)


@pytest.mark.parametrize("one_way", ["r", "w"])
def test_one_way_memory(bench, one_way):
    """A memory that refuses writes while reads are outstanding, or the other way round."""
    run(bench, [Item(SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(6)] +
        [Item(SOURCES, TARGETS + 0x1000, 4096, long=True)], one_way=one_way, latency=5)


def test_identity(bench):
    """Process and priority go with every access, of data and of rings."""
    dut, this, data, rings = rig(bench, shape="all")

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.write("process_id", pid=0x54321, valid=1)
        await driver.setup(urgent=1)
        await driver.submit([Item(SOURCES, TARGETS, 100)])
        await driver.completion()
        await driver.idle()

    this.run()
    assert len(data.log) == 4
    for *_, payload in data.log:
        user = payload.user
        assert (user.device_id, user.process_id, user.process_valid, payload.qos) == (
            0x11, 0x54321, 1, 8)


FAILURES = {
    "read": (lambda data, rings: data.fail(SOURCES + 256, SOURCES + 320, "r"),
             RingFault.DATA_SLV, SOURCES + 256),
    "write": (lambda data, rings: data.fail(TARGETS + 256, TARGETS + 320, "w", Resp.DECERR),
              RingFault.DATA_DEC, TARGETS + 256),
    "fetch": (lambda data, rings: rings.fail(RING + 64, RING + 80, "r"), RingFault.RING_SLV, 0),
    "completion": (lambda data, rings: rings.fail(DONE + 32, DONE + 40, "w", Resp.DECERR),
                   RingFault.RING_DEC, 0),
}


@pytest.mark.parametrize("shape", ["default", "own port"])
@pytest.mark.parametrize("what", FAILURES)
def test_error_and_replay(bench, what, shape):
    """The fifth fails; nothing after it is reported; after a reset it is done again from there."""
    todo = [Item(SOURCES + 64 * k, TARGETS + 64 * k, 64) for k in range(8)]
    fail, fault, addr = FAILURES[what]
    dut, this, data, rings = rig(bench, shape=shape, latency=7)

    @this.testbench
    async def software(ctx):
        data.heal()
        rings.heal()
        fail(data, rings)
        driver = Driver(ctx, dut, rings)
        await driver.setup()
        await driver.submit(todo)
        await ctx.tick().until(dut.irq)
        for k in range(4):
            assert (await driver.completion())[:2] == (k, 0)
        if what != "completion":
            assert (await driver.completion())[:2] == (4, fault)
        await driver.idle()
        assert await driver.read("sr", "halted") == await driver.read("sr", "err_irq") == 1
        assert await driver.read("sr", "fault") == fault
        assert await driver.read("err_addr") == addr
        assert await driver.read("done", "slot") == 3
        data.heal()
        rings.heal()
        await driver.reset()
        assert not ctx.get(dut.irq)
        await driver.setup(run=0)
        await driver.write("head", slot=4)
        driver.tail = 4
        await driver.setup(run=1)
        await driver.submit(todo[4:])
        for k in range(4):
            assert (await driver.completion())[:2] == (4 + k, 0)

    this.run()
    assert data_of(data) == expected(data.image, todo, 8)[SOURCES:]


@pytest.mark.parametrize("item", [
    Item(SOURCES, TARGETS, 0, long=True), Item(SOURCES, TARGETS, 1 << 26, long=True),
    Item(SOURCES, TARGETS, 8, op=1), Item(SOURCES, TARGETS, 8, op=15),
    Item((1 << 64) - 4, TARGETS, 8, long=True), Item(SOURCES, (1 << 64) - 4, 8, long=True)])
def test_invalid(bench, item, *, shape="default"):
    dut, this, data, rings = rig(bench, shape=shape)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.setup()
        await driver.submit([Item(SOURCES, TARGETS, 8), item, Item(SOURCES, TARGETS + 64, 8)])
        assert (await driver.completion())[:2] == (0, 0)
        assert (await driver.completion())[:2] == (1, RingFault.INVALID)
        await driver.idle()
        await ctx.tick().repeat(50)
        assert await driver.read("done", "count") == 2
        assert await driver.read("sr", "fault") == RingFault.INVALID

    this.run()
    assert data_of(data) == expected(data.image, [Item(SOURCES, TARGETS, 8)], 1)[SOURCES:]


@pytest.mark.parametrize("item", [
    Item(SOURCES, TARGETS, 8, strides=(1, 1)), Item(SOURCES, TARGETS, 8, op=2),
    Item(SOURCES, TARGETS, 0, long=True, op=FILL), Item(7, (1 << 64) - 4, 8, long=True, op=FILL)])
def test_invalid_in_any_build(bench, item):
    test_invalid(bench, item, shape="all")


@pytest.mark.parametrize("op", [0, FILL])
@pytest.mark.parametrize("side", [0, 1])
def test_row_across_the_end(bench, side, op):
    """The rows before it are written when the completion says so; addresses go round."""
    strides = [60, 60]
    strides[side] = -(TARGETS if side else SOURCES) - 20
    item = Item(SOURCES, TARGETS, 60, True, op=op, rows=3, strides=tuple(strides))
    dut, this, data, rings = rig(bench, shape="narrow, all", latency=25)
    good = op == FILL and side == 0         # a pattern is no address

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.setup()
        await driver.submit([item])
        assert await driver.completion() == (0, 0 if good else RingFault.INVALID,
                                             180 if good else 60)

    this.run()
    rows = Item(SOURCES, TARGETS, 60, True, op=op, rows=3 if good else 1, strides=(0, 60))
    assert data_of(data) == expected(data.image, [rows], 1)[SOURCES:]


def test_cyclic(bench):
    """Periods again and again, an interrupt for each, new data each time; reset ends it."""
    todo = [Item(SOURCES + 64 * k, TARGETS + 64 * k, 64, irq=True) for k in range(3)]
    dut, this, data, rings = rig(bench, shape="all", latency=6)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings, log2=6)    # room for completions not yet seen
        await driver.setup(cyclic=1, irq_threshold=1)
        await driver.submit(todo)
        for k in range(40):
            slot, fault, moved = await driver.completion()
            assert (slot, fault) == (k % 3, 0)
            assert moved >= 64 * (k + 1)
            if k % 10 == 5:
                await ctx.tick().until(dut.irq)
                await driver.write("sr", irq=1)
            if k == 20:
                data.write(SOURCES, bytes(range(192)))
        assert await driver.read("head") < 3
        assert not await driver.read("sr", "idle")
        assert await driver.reset() < 100
        assert await driver.read("sr", "idle")

    this.run()
    assert data.read(TARGETS, 192) == bytes(range(192))


@pytest.mark.parametrize("shape", ["smallest", "default"])
def test_pause(bench, shape):
    """Paused, no burst is on its way, and none is issued; then it goes on."""
    todo = [Item(SOURCES + 512 * k, TARGETS + 512 * k, 500) for k in range(5)]
    dut, this, data, rings = rig(bench, shape=shape, latency=9)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.setup()
        await driver.submit(todo)
        await ctx.tick().repeat(60)
        for _ in range(3):
            await driver.setup(pause=1)
            while not await driver.read("sr", "paused"):
                pass
            before = len(data.log)
            moved = await driver.read("done_bytes")
            await ctx.tick().repeat(60)
            assert len(data.log) == before
            assert await driver.read("done_bytes") == moved < 2500
            await driver.setup(pause=0)
            await ctx.tick().repeat(30)
        for k in range(5):
            assert (await driver.completion())[:2] == (k, 0)

    this.run()
    assert data_of(data) == expected(data.image, todo, 5)[SOURCES:]


@pytest.mark.parametrize("after", [5, 20, 40, 80, 160])
def test_terminate(bench, after):
    """A reset drains what is outstanding in bounded time, and leaves an engine as new."""
    todo = [Item(SOURCES + 512 * k, TARGETS + 512 * k, 500, long=True) for k in range(5)]
    dut, this, data, rings = rig(bench, latency=15)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut, rings)
        await driver.setup()
        await driver.submit(todo)
        await ctx.tick().repeat(after)
        assert await driver.reset() < 100
        before = len(data.log)
        await ctx.tick().repeat(60)
        assert len(data.log) == before
        await driver.setup()
        await driver.submit(todo)
        for k in range(5):
            assert (await driver.completion())[:2] == (2 * k, 0)

    this.run()
    assert data_of(data) == expected(data.image, todo, 5)[SOURCES:]


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Ring(RingParams(**SHAPES[shape])))
