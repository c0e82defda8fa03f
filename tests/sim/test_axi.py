"""AXI4 manager and memory of the testbenches: bursts, latency, stalls, errors, order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Resp, Signature
from rtl.axi.slice import Slice
from sim.axi import Manager, Memory, beat_addresses
from sim.checked import Checked
from sim.streams import collect, get, put, send

BUS = Signature(addr_width=16, data_width=32, id_width=2)


def wires():
    """A bus and nothing else, under the protocol checker."""
    return Checked(Slice(BUS, ()))


@pytest.mark.parametrize("addr, length, size, burst, expected", [
    (0x10, 3, 2, Burst.INCR, [0x10, 0x14, 0x18, 0x1C]),
    (0x13, 2, 2, Burst.INCR, [0x13, 0x14, 0x18]),
    (0x13, 2, 0, Burst.INCR, [0x13, 0x14, 0x15]),
    (0x13, 2, 1, Burst.FIXED, [0x13, 0x13, 0x13]),
    (0x1C, 3, 2, Burst.WRAP, [0x1C, 0x10, 0x14, 0x18]),
    (0x16, 1, 1, Burst.WRAP, [0x16, 0x14]),
    (0x2000, 0, 3, Burst.INCR, [0x2000]),
])
def test_beat_addresses(addr, length, size, burst, expected):
    assert beat_addresses(addr, length, size, burst) == expected


def session(bench, script, **kwargs):
    """Run ``script(manager, memory)`` on a bus."""
    dut = wires()
    this = bench(dut)
    memory = Memory(dut.o, **kwargs).attach(this)

    @this.testbench
    async def driver(ctx):
        await script(Manager(ctx, dut.i), memory)

    this.run()
    return memory


@settings(max_examples=8)
@given(stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 9))
def test_bursts(bench, stall, seed):
    async def script(bus, memory):
        assert await bus.write(0x100, [1, 2, 3, 4]) is Resp.OKAY
        assert await bus.read(0x100, 4) == ([1, 2, 3, 4], [Resp.OKAY] * 4)
        assert (await bus.read(0x108, 4, burst=Burst.WRAP))[0] == [3, 4, 1, 2]
        assert (await bus.read(0x104, 3, burst=Burst.FIXED))[0] == [2, 2, 2]
        await bus.write(0x10C, [5, 6], burst=Burst.WRAP)
        assert memory.read(0x108, 8) == bytes([6, 0, 0, 0, 5, 0, 0, 0])
        await bus.write(0x110, [7, 8], burst=Burst.FIXED)
        assert (await bus.read(0x110))[0] == [8]

    session(bench, script, stall=stall, seed=seed)


def test_strobes_and_narrow_beats(bench):
    async def script(bus, memory):
        memory.write(0x20, bytes(range(8)))
        await bus.write(0x20, [0xDDCC_BBAA, 0x4433_2211], strb=[0b0101, 0b1000])
        assert memory.read(0x20, 8).hex() == "aa01cc0304050644"
        words, _ = await bus.read(0x21, 3, size=0)
        assert words == [0x03CC_01AA, 0x03CC_01AA, 0x03CC_01AA]
        await bus.write(0x22, [0x7788_0000, 0x99AA], strb=[0b1100, 0b0011], size=1)
        assert memory.read(0x20, 8).hex() == "aa018877aa990644"

    session(bench, script)


def test_image_outlives_a_run(bench):
    async def script(bus, memory):
        assert (await bus.read(0x30))[0] == [0x0403_0201]
        await bus.write(0x30, [0])

    dut = wires()
    this = bench(dut)
    memory = Memory(dut.o).attach(this)
    memory.write(0x30, bytes([1, 2, 3, 4]))

    @this.testbench
    async def driver(ctx):
        await script(Manager(ctx, dut.i), memory)

    this.run()
    assert memory.read(0x30, 4) == bytes(4)
    assert memory.image[0x30:0x34] == bytes([1, 2, 3, 4])


def test_exclusive_accesses(bench):
    """Each ID has its monitor; any write to its bytes ends it, and a new exclusive read."""
    async def script(bus, memory):
        for _ in range(2):
            assert await bus.read(0x20, lock=1, id=1) == ([memory.data[0x20]], [Resp.EXOKAY])
            await bus.read(0x20, lock=1, id=2)
            assert await bus.write(0x24, [9], lock=1, id=1) is Resp.OKAY        # elsewhere
            assert await bus.write(0x20, [5], lock=1, id=1) is Resp.EXOKAY
            assert await bus.write(0x20, [6], lock=1, id=1) is Resp.OKAY        # once only
            assert await bus.write(0x20, [7], lock=1, id=2) is Resp.OKAY        # overtaken
            await bus.read(0x20, lock=1, id=2)
            await bus.write(0x20, [8], [1], id=2)
            assert await bus.write(0x20, [7], lock=1, id=2) is Resp.OKAY
            assert memory.read(0x20, 8) == bytes([8, 0, 0, 0, 0, 0, 0, 0])
        memory.fail(0x20, 0x24, "rw")
        assert (await bus.read(0x20, lock=1))[1] == [Resp.SLVERR]
        assert await bus.write(0x20, [1], lock=1) is Resp.SLVERR

    session(bench, script, exclusive=True)


def test_no_monitor(bench):
    async def script(bus, memory):
        assert (await bus.read(0x20, lock=1))[1] == [Resp.OKAY]
        assert await bus.write(0x20, [5], lock=1) is Resp.OKAY
        assert memory.data[0x20] == 5

    session(bench, script)


@pytest.mark.parametrize("latency", [1, 2, 7])
def test_latency(bench, latency):
    """From the cycle of the address to that of the first beat, and of the last beat to B."""
    dut = wires()
    this = bench(dut)
    memory = Memory(dut.o, latency=latency).attach(this)
    events = []

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.i)
        await bus.read(0, 3)
        await bus.write(0, [1, 2])

    @this.background
    async def monitor(ctx):
        events.clear()
        cycle = 0
        names = ("ar", "r", "aw", "w", "b")
        channels = [getattr(dut.o, name) for name in names]
        async for _, _, *flags in ctx.tick().sample(*(c.valid for c in channels),
                                                    *(c.ready for c in channels)):
            cycle += 1
            events.extend((name, cycle) for name, valid, ready in
                          zip(names, flags[:5], flags[5:], strict=True) if valid and ready)

    this.run()
    assert events == [
        ("ar", 1), *(("r", 1 + latency + k) for k in range(3)),
        ("aw", 4 + latency), ("w", 5 + latency), ("w", 6 + latency), ("b", 6 + 2 * latency)]
    assert [(cycle, kind, addr, beats) for cycle, kind, addr, beats, _ in memory.log] == \
        [(1, "r", 0, 3), (4 + latency, "w", 0, 2)]


def test_errors(bench):
    async def script(bus, memory):
        memory.fail(0x108, 0x10C)
        memory.fail(0x200, 0x204, "w", Resp.DECERR)
        memory.fail(0x300, 0x304, "r")
        memory.write(0x100, bytes([9] * 16))
        _, resps = await bus.read(0x100, 4)
        assert resps == [Resp.OKAY, Resp.OKAY, Resp.SLVERR, Resp.OKAY]
        assert await bus.write(0x100, [1, 2, 3, 4]) is Resp.SLVERR
        assert memory.read(0x100, 16).hex() == "01000000" "02000000" "09090909" "04000000"
        assert await bus.write(0x200, [1]) is Resp.DECERR
        assert await bus.read(0x200) == ([0], [Resp.OKAY])
        assert await bus.write(0x300, [1]) is Resp.OKAY
        assert await bus.read(0x300) == ([1], [Resp.SLVERR])
        # outside: after, before, and only in part
        assert await bus.read(0x2000) == ([0], [Resp.DECERR])
        assert await bus.write(0xFC, [1]) is Resp.DECERR
        assert (await bus.read(0x10F8, 4))[1] == [Resp.OKAY] * 2 + [Resp.DECERR] * 2

    session(bench, script, base=0x100, size=0x1000)


def pipelined(bench, ids, **kwargs):
    """IDs of the answers, in order, to reads of two beats each that are all under way at once."""
    dut = wires()
    this = bench(dut)
    Memory(dut.o, latency=10, **kwargs).attach(this)

    @this.testbench
    async def addresses(ctx):
        await send(ctx, dut.i.ar, ({"id": axid, "addr": 8 * k, "len": 1, "size": 2,
                                    "burst": Burst.INCR} for k, axid in enumerate(ids)))

    got = []

    @this.testbench
    async def answers(ctx):
        got[:] = await collect(ctx, dut.i.r, 2 * len(ids))

    this.run()
    return [beat.id for beat in got]


def test_order(bench):
    ids = [0, 1, 2, 3, 0, 1, 2, 3]
    expected = [axid for axid in ids for _ in range(2)]
    assert pipelined(bench, ids) == expected
    orders = {tuple(pipelined(bench, ids, reorder=True, seed=seed)) for seed in range(4)}
    assert len(orders) > 1 and all(sorted(order) == sorted(expected) for order in orders)
    assert pipelined(bench, [1] * 6, reorder=True) == [1] * 12      # the checker sees RLAST


def test_write_responses_reorder(bench):
    dut = wires()
    this = bench(dut)
    Memory(dut.o, latency=20, reorder=True, seed=1).attach(this)
    ids = [0, 1, 2, 3] * 2
    got = []

    @this.testbench
    async def addresses(ctx):
        await send(ctx, dut.i.aw, ({"id": axid, "addr": 4 * k, "size": 2, "burst": Burst.INCR}
                                   for k, axid in enumerate(ids)))

    @this.testbench
    async def data(ctx):
        await send(ctx, dut.i.w, [{"strb": 15, "last": 1}] * 8)

    @this.testbench
    async def answers(ctx):
        got[:] = [beat.id for beat in await collect(ctx, dut.i.b, 8, stall=0.7)]

    this.run()
    assert sorted(got) == sorted(ids) and got != ids


@pytest.mark.parametrize("one_way, expected", [
    ("", [("r", 1), ("w", 1)]),
    ("r", [("r", 1), ("w", 7)]),            # the answer is read in cycle 6
    ("w", [("w", 1), ("r", 8)]),            # data in cycle 2, its response in cycle 7
])
def test_one_way(bench, one_way, expected):
    """Accesses of the other direction wait until all of this one are answered."""
    dut = wires()
    this = bench(dut)
    memory = Memory(dut.o, latency=5, one_way=one_way).attach(this)

    @this.testbench
    async def reads(ctx):
        if one_way == "w":
            await ctx.tick()
        await put(ctx, dut.i.ar, {"size": 2, "burst": Burst.INCR})
        await get(ctx, dut.i.r)

    @this.testbench
    async def writes(ctx):
        if one_way == "r":
            await ctx.tick()
        await put(ctx, dut.i.aw, {"size": 2, "burst": Burst.INCR})
        await put(ctx, dut.i.w, {"strb": 15, "last": 1})
        await get(ctx, dut.i.b)

    this.run()
    assert [(kind, cycle) for cycle, kind, *_ in memory.log] == expected


def test_wrong_last_is_seen(bench):
    dut = Slice(BUS, ())        # no checker: the memory itself says so
    this = bench(dut)
    Memory(dut.o).attach(this)

    @this.testbench
    async def driver(ctx):
        await put(ctx, dut.i.aw, {"addr": 0x40, "len": 1, "size": 2, "burst": Burst.INCR})
        await put(ctx, dut.i.w, {"last": 1})
        await put(ctx, dut.i.w, {"last": 1})
        await ctx.tick()

    with pytest.raises(AssertionError, match=r"^WLAST wrong in burst at 0x40"):
        this.run()
