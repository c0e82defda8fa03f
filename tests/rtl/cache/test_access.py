"""Access: orders on the data array, against a bytearray."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Resp
from rtl.cache.access import Access
from rtl.cache.layouts import Op
from sim.axi import beat_addresses
from sim.streams import collect, get, put, send

from .harness import SHAPES

SMALL = SHAPES["small"]                     # 4 words of 8 bytes
LINE, WORD = 32, 8


@st.composite
def orders(draw):
    """An order without surprises: the line is there."""
    op = draw(st.sampled_from([Op.READ, Op.WRITE]))
    order = {"op": op, "line": {"set": draw(st.integers(0, 1)), "tag": 77},
             "way": draw(st.integers(0, 1)), "id": draw(st.integers(0, 3)), "last": 1}
    size, fixed = draw(st.integers(0, 3)), draw(st.booleans())
    offset = draw(st.integers(0, LINE - 1))
    room = 16 if fixed else (LINE - (offset & -1 << size)) >> size
    return order | {"offset": offset, "size": size, "fixed": fixed,
                    "beats": draw(st.integers(0, min(room, 16) - 1)),
                    "last": draw(st.booleans())}


def beats_of(order):
    """Offset in the line of each beat."""
    burst = Burst.FIXED if order["fixed"] else Burst.INCR
    return beat_addresses(order["offset"], order["beats"], order["size"], burst)


@settings(max_examples=20)
@given(todo=st.lists(orders(), min_size=1, max_size=8), stall=st.sampled_from([0.0, 0.5]),
       seed=st.integers(0, 9))
def test_orders(bench, todo, stall, seed):
    dut = Access(SMALL)
    this = bench(dut)
    lines, reads, writes, responses = {}, [], [], []
    for index, order in enumerate(todo):
        line = lines.setdefault((order["line"]["set"], order["way"]), bytearray(LINE))
        for at in beats_of(order):
            low = at & -WORD
            if order["op"] is Op.READ:
                reads.append((order["id"], bytes(line[low:low + WORD]),
                              order["last"] and at is beats_of(order)[-1]))
            else:
                strb = (37 * (index + len(writes))) % 256
                writes.append({"data": len(writes) * 0x0101_0101_0101_0101 & 2**64 - 1,
                               "strb": strb})
                for lane in range(WORD):
                    if strb >> lane & 1:
                        line[low + lane] = writes[-1]["data"] >> 8 * lane & 255
        if order["op"] is Op.READ:
            reads[-1] = (*reads[-1][:2], order["last"])
            reads[-order["beats"] - 1:-1] = [(*read[:2], 0)
                                             for read in reads[-order["beats"] - 1:-1]]
        elif order["last"]:
            responses.append(order["id"])

    @this.testbench
    async def give_orders(ctx):
        await send(ctx, dut.orders, todo, stall=stall, seed=seed)
        await ctx.tick().repeat(3)

    @this.testbench
    async def give_data(ctx):
        await send(ctx, dut.beats, writes, stall=stall, seed=seed + 1)

    @this.testbench
    async def take_reads(ctx):
        for beat, (axid, data, last) in zip(
                await collect(ctx, dut.r, len(reads), stall=stall, seed=seed), reads, strict=True):
            assert (beat.id, beat.last, beat.resp) == (axid, last, Resp.OKAY)
            assert beat.data == int.from_bytes(data, "little")

    @this.testbench
    async def take_responses(ctx):
        got = await collect(ctx, dut.b, len(responses), stall=stall, seed=seed)
        assert [(beat.id, beat.resp) for beat in got] == [(axid, Resp.OKAY) for axid in responses]

    @this.background
    async def copy(ctx):
        """Whatever is copied meanwhile, accesses do not notice."""
        random = Random(seed)
        while True:
            ctx.set(dut.copies.valid, random.random() < 0.5)
            ctx.set(dut.copies.payload, {"set": random.randrange(2), "way": random.randrange(2),
                                         "word": random.randrange(4)})
            await ctx.tick()

    this.run()


READ = {"op": Op.READ, "offset": 8, "size": 3, "beats": 1, "last": 1, "miss": 1, "id": 5}
WRITE = READ | {"op": Op.WRITE}


def run(bench, program):
    dut = Access(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await program(ctx, dut)

    this.run()


async def arrive(ctx, dut, word, data):
    """Let ``word`` come from memory."""
    await put(ctx, dut.fills, {"word": word, "data": data, "strb": 255})
    ctx.set(dut.fill.here, ctx.get(dut.fill.here) | 1 << word)


class TestMiss:
    def test_read_waits_for_its_word(self, bench):
        async def program(ctx, dut):
            ctx.set(dut.r.ready, 1)
            ctx.set(dut.orders.payload, READ)
            ctx.set(dut.orders.valid, 1)
            assert ctx.get(dut.fill.reached)
            await arrive(ctx, dut, 3, 30)               # not the one
            *_, valid = await ctx.tick().sample(dut.r.valid)
            assert not valid
            await arrive(ctx, dut, 1, 10)
            assert (await get(ctx, dut.r)).data == 10
            ctx.set(dut.r.ready, 1)
            for _ in range(3):
                *_, valid, passed = await ctx.tick().sample(dut.r.valid, dut.fill.passed)
                assert not valid and not passed
            await arrive(ctx, dut, 2, 20)
            assert ctx.get(dut.fill.passed)
            beat = await get(ctx, dut.r)
            assert (beat.data, beat.last) == (20, 1)

        run(bench, program)

    def test_word_on_the_bus_is_passed_on(self, bench):
        """The next cycle, although it is not in the array yet."""
        async def program(ctx, dut):
            ctx.set(dut.orders.payload, READ)
            ctx.set(dut.orders.valid, 1)
            ctx.set(dut.incoming, 10)
            ctx.set(dut.fill.fresh, 1)
            ctx.set(dut.fill.word, 2)                   # another one
            await ctx.tick()
            assert not ctx.get(dut.r.valid)
            ctx.set(dut.fill.word, 1)
            ctx.set(dut.fill.fresh_resp, Resp.DECERR)
            await ctx.tick()
            ctx.set(dut.incoming, 99)
            beat = await get(ctx, dut.r)
            assert (beat.data, beat.resp) == (10, Resp.DECERR)

        run(bench, program)

    def test_error_belongs_to_its_word(self, bench):
        async def program(ctx, dut):
            ctx.set(dut.fill.here, 0b1111)
            ctx.set(dut.fill.bad, 0b0100)
            ctx.set(dut.fill.resp, Resp.DECERR)
            ctx.set(dut.orders.payload, READ)
            ctx.set(dut.orders.valid, 1)
            beats = await collect(ctx, dut.r, 2)
            assert [beat.resp for beat in beats] == [Resp.OKAY, Resp.DECERR]

        run(bench, program)

    def test_write_is_answered_when_the_line_is_certain(self, bench):
        """Accesses behind it do not wait for that."""
        async def program(ctx, dut):
            ctx.set(dut.orders.payload, WRITE | {"slot": 1})
            ctx.set(dut.orders.valid, 1)
            ctx.set(dut.fill.here, 0b0110)
            for data in (7, 8):
                ctx.set(dut.beats.payload, {"data": data, "strb": 255})
                ctx.set(dut.beats.valid, 1)
                *_, ready = await ctx.tick().sample(dut.beats.ready)
                assert ready
            ctx.set(dut.beats.valid, 0)
            ctx.set(dut.orders.payload, READ | {"beats": 0})
            assert (await get(ctx, dut.r)).data == 7
            ctx.set(dut.orders.valid, 0)
            assert not ctx.get(dut.b.valid) and ctx.get(dut.outcome.slot) == 1
            ctx.set(dut.outcome.certain, 1)
            assert not ctx.get(dut.outcome.passed)
            beat = await get(ctx, dut.b)
            assert (beat.id, beat.resp) == (5, Resp.OKAY)

        run(bench, program)

    def test_write_is_merged_into_its_word_as_it_comes(self, bench):
        async def program(ctx, dut):
            ctx.set(dut.orders.payload, WRITE | {"beats": 0})
            ctx.set(dut.orders.valid, 1)
            ctx.set(dut.beats.payload, {"data": 0x1111_2222_3333_4444, "strb": 0b00111100})
            ctx.set(dut.beats.valid, 1)
            ctx.set(dut.fill.next, 1)
            ctx.set(dut.fills.valid, 1)
            for word in (2, 3, 0, 1):       # it is the last one
                ctx.set(dut.fills.payload, {"word": word, "data": (1 << 64) - 1, "strb": 255})
                *_, ready = await ctx.tick().sample(dut.beats.ready)
                assert ready == (word == 1)
                ctx.set(dut.fill.here, ctx.get(dut.fill.here) | 1 << word)
            for port in (dut.fills, dut.beats):
                ctx.set(port.valid, 0)
            ctx.set(dut.orders.payload, READ)
            beats = await collect(ctx, dut.r, 2)
            assert [beat.data for beat in beats] == [0xFFFF_2222_3333_FFFF, (1 << 64) - 1]

        run(bench, program)

    @pytest.mark.parametrize("kept", [0, 1])
    def test_first_error_of_a_burst_is_answered(self, bench, kept):
        """And with the old line in its way, nothing is written."""
        async def program(ctx, dut):
            await put(ctx, dut.fills, {"word": 1, "data": 1, "strb": 255})
            for name in ("certain", "lost"):
                ctx.set(getattr(dut.outcome, name), 1)
            ctx.set(dut.fill.kept, kept)
            ctx.set(dut.fill.here, 0 if kept else 0b1111)
            ctx.set(dut.outcome.resp, Resp.SLVERR if kept else Resp.DECERR)
            for last in (0, 1):             # two parts: the line is lost, a line that is there
                ctx.set(dut.orders.payload, WRITE | {"beats": 0, "last": last, "miss": not last,
                                                     "line": {"set": last}})
                ctx.set(dut.orders.valid, 1)
                await put(ctx, dut.beats, {"data": 99, "strb": 255})
            ctx.set(dut.orders.valid, 0)
            assert (await get(ctx, dut.b)).resp is (Resp.SLVERR if kept else Resp.DECERR)
            ctx.set(dut.orders.payload, READ | {"beats": 0, "miss": 0})
            ctx.set(dut.orders.valid, 1)
            assert (await get(ctx, dut.r)).data == (1 if kept else 99)

        run(bench, program)


class TestBypass:
    def test_read(self, bench):
        async def program(ctx, dut):
            ctx.set(dut.orders.payload, {"op": Op.BYPASS, "id": 9, "last": 1})
            ctx.set(dut.orders.valid, 1)
            assert ctx.get(dut.port.turn)
            for last, resp in enumerate((Resp.EXOKAY, Resp.OKAY)):
                ctx.set(dut.incoming, 40 + last)
                await put(ctx, dut.port.r, {"resp": resp, "last": last})
                ctx.set(dut.incoming, 0)
                beat = await get(ctx, dut.r)
                assert (beat.id, beat.data, beat.last, beat.resp) == (9, 40 + last, last, resp)
            await put(ctx, dut.port.done, {"write": 0})
            assert not ctx.get(dut.b.valid)

        run(bench, program)

    def test_write(self, bench):
        async def program(ctx, dut):
            ctx.set(dut.orders.payload, {"op": Op.BYPASS, "id": 9, "last": 1})
            ctx.set(dut.orders.valid, 1)
            ctx.set(dut.port.pass_on, 1)
            ctx.set(dut.beats.payload, {"data": 6, "strb": 3, "last": 0})
            ctx.set(dut.beats.valid, 1)
            for ready in (0, 1):
                ctx.set(dut.w.ready, ready)
                ctx.set(dut.port.last, 1)
                *_, valid, w, beat, taken = await ctx.tick().sample(
                    dut.w.valid, dut.w.payload, dut.port.beat, dut.beats.ready)
                assert valid and (w.data, w.strb, w.last) == (6, 3, 1)
                assert beat == taken == ready
            ctx.set(dut.port.pass_on, 0)
            ctx.set(dut.port.drop, 1)
            *_, valid, taken = await ctx.tick().sample(dut.w.valid, dut.beats.ready)
            assert taken and not valid
            await put(ctx, dut.port.done, {"write": 1, "resp": Resp.DECERR})
            ctx.set(dut.orders.valid, 0)
            beat = await get(ctx, dut.b)
            assert (beat.id, beat.resp) == (9, Resp.DECERR)

        run(bench, program)


def test_one_word_a_cycle(bench):
    """Stores, and loads of what was just stored."""
    async def program(ctx, dut):
        for port in (dut.r, dut.b):
            ctx.set(port.ready, 1)
        ctx.set(dut.orders.valid, 1)
        ctx.set(dut.beats.valid, 1)
        loads = []
        for step in range(20):
            op = Op.READ if step % 2 else Op.WRITE
            ctx.set(dut.orders.payload, {"op": op, "offset": 8, "size": 3, "last": 1})
            ctx.set(dut.beats.payload, {"data": step, "strb": 255})
            *_, taken, valid, data = await ctx.tick().sample(dut.orders.ready, dut.r.valid,
                                                             dut.r.p.data)
            assert taken
            loads += [data] if valid else []
        assert loads == list(range(0, 18, 2))

    run(bench, program)


def test_copies(bench):
    """A word in the next cycle; every second cycle if the CPU reads too; none while it stalls."""
    async def program(ctx, dut):
        ctx.set(dut.beats.valid, 1)
        for word in range(4):
            ctx.set(dut.beats.payload, {"data": 50 + word, "strb": 255})
            await put(ctx, dut.orders, {"op": Op.WRITE, "offset": 8 * word, "size": 3})
        ctx.set(dut.beats.valid, 0)
        ctx.set(dut.copies.valid, 1)
        for reads in (0, 1):
            ctx.set(dut.orders.payload, {"op": Op.READ, "offset": 0, "size": 3})
            ctx.set(dut.orders.valid, reads)
            ctx.set(dut.r.ready, 1)
            taken, before = 0, None
            for step in range(20):
                ctx.set(dut.copies.p.word, step % 4)
                *_, ready, word, valid, data = await ctx.tick().sample(
                    dut.copies.ready, dut.copied, dut.r.valid, dut.r.p.data)
                assert before is None or word == 50 + before
                assert not valid or data == 50
                before = step % 4 if ready else None
                taken += ready
            assert taken == (10 if reads else 20)
        ctx.set(dut.r.ready, 0)
        await ctx.tick().repeat(2)
        for _ in range(4):
            *_, ready, data = await ctx.tick().sample(dut.copies.ready, dut.r.p.data)
            assert not ready and data == 50

    run(bench, program)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Access(SHAPES[shape]))
