"""Tags and DataArray, against plain lists."""

from random import Random

import pytest
from amaranth import *
from amaranth.back import rtlil

from rtl.cache.data_array import DataArray
from rtl.cache.ram import Ram
from rtl.cache.tags import Tags

from .harness import SHAPES


@pytest.mark.parametrize("shape", ["small", "smallest", "long"])
def test_tags(bench, shape):
    params = SHAPES[shape]
    dut = Tags(params)
    this = bench(dut)
    random = Random(shape)
    sets, ways = params.sets, params.ways

    @this.testbench
    async def driver(ctx):
        for _ in range(sets):                               # the sweep, a set a cycle
            *_, ready = await ctx.tick().sample(dut.ready)
            assert not ready
        assert ctx.get(dut.ready)
        rows, tags = [0] * sets, [[None] * ways for _ in range(sets)]
        some = [random.getrandbits(params.tag_bits) for _ in range(3)] + [0, 2**params.tag_bits - 1]
        width = 3 * ways + ways - 1
        shown = tag_row = None
        for _ in range(150):
            tag, pick = random.choice(some), random.randrange(ways)
            low, high = sorted(random.choice(some) * sets + random.randrange(sets)
                               for _ in range(2))
            read, at = random.random() < 0.7, random.randrange(sets)
            write, where, row = random.random() < 0.5, random.randrange(sets), random.getrandbits(
                width)
            fill = random.getrandbits(ways) if random.random() < 0.3 and not read else 0
            for port, value in ((dut.tag, tag), (dut.pick, 1 << pick), (dut.low, low),
                                (dut.high, high), (dut.read, read), (dut.set, at),
                                (dut.write, write), (dut.write_set, where), (dut.fill, fill),
                                (dut.fill_tag, tag)):
                ctx.set(port, value)
            ctx.set(dut.write_row.as_value(), row)
            *_, got, match, below, above, picked = await ctx.tick().sample(
                dut.row.as_value(), dut.match, dut.below, dut.above, dut.picked)
            if shown is not None:
                assert got == shown
                for way, (index, held) in enumerate(tag_row):
                    if held is None:
                        continue
                    number = held * sets + index
                    assert (match >> way & 1) == (held == tag)
                    assert (below >> way & 1) == (number < low)
                    assert (above >> way & 1) == (number >= high)
                if tag_row[pick][1] is not None:
                    assert picked == tag_row[pick][1]
            if write:
                rows[where] = row
            for way in range(ways):
                if fill >> way & 1:
                    tags[where][way] = tag
            if read:                    # a state that is being written is seen
                shown, tag_row = rows[at], [(at, held) for held in tags[at]]

    this.run()


def test_sweep_clears_what_was_there(bench):
    """After a reset in the middle of work, as after the first one."""
    params = SHAPES["small"]
    dut, reset = Tags(params), Signal()
    this = bench(ResetInserter(reset)(dut))

    @this.testbench
    async def driver(ctx):
        for _ in range(2):
            await ctx.tick().until(dut.ready)
            for at in range(params.sets):
                ctx.set(dut.read, 1)
                ctx.set(dut.set, at)
                await ctx.tick()
                assert not ctx.get(dut.row.as_value())
            ctx.set(dut.write, 1)
            for at in range(params.sets):
                ctx.set(dut.write_set, at)
                ctx.set(dut.write_row.valid, 3)
                await ctx.tick()
            ctx.set(dut.write, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(dut.ready)

    this.run()


@pytest.mark.parametrize("shape", ["small", "smallest", "odd"])
def test_data_array(bench, shape):
    params = SHAPES[shape]
    dut = DataArray(params)
    this = bench(dut)
    random = Random(shape)
    width = params.data_width // 8

    def place():
        return {"word": random.randrange(params.beats), "set": random.randrange(params.sets),
                "way": random.randrange(params.ways)}

    @this.testbench
    async def driver(ctx):
        held, expected = {}, None
        for _ in range(150):
            at, read = place(), random.random() < 0.6
            ctx.set(dut.place, at)
            ctx.set(dut.read, read)
            offers = []
            for port in (dut.fills, dut.stores):
                store = place() | {"data": random.getrandbits(8 * width),
                                   "strb": random.getrandbits(width)}
                valid = random.random() < 0.5
                ctx.set(port.payload, store)
                ctx.set(port.valid, valid)
                offers.append((valid, store))
            *_, got, fills, stores = await ctx.tick().sample(dut.data, dut.fills.ready,
                                                             dut.stores.ready)
            assert fills and stores == (not offers[0][0])
            if expected is not None:
                assert got == int.from_bytes(expected, "little")
            place_now = tuple(at.values())
            if read:
                expected = bytes(held.get(place_now, bytearray(width)))
            for valid, store in offers:
                if valid:
                    if read and place_now == (store["word"], store["set"], store["way"]):
                        expected = None         # promised not to happen
                    word = held.setdefault((store["word"], store["set"], store["way"]),
                                           bytearray(width))
                    for lane in range(width):
                        if store["strb"] >> lane & 1:
                            word[lane] = store["data"] >> 8 * lane & 255
                    break

    this.run()


def test_ram(bench):
    """Words stay until the next read; parts are written by themselves."""
    dut = Ram(width=12, depth=5, granularity=4)
    this = bench(dut)
    random = Random(0)

    @this.testbench
    async def driver(ctx):
        words, shown = [0] * 5, None
        for _ in range(200):
            read, at, where, write = (random.random() < 0.5, random.randrange(5),
                                      random.randrange(5), random.getrandbits(3))
            if read and at == where:
                write = 0
            new = random.getrandbits(12)
            for port, value in ((dut.read, read), (dut.read_at, at), (dut.write, write),
                                (dut.write_at, where), (dut.new, new)):
                ctx.set(port, value)
            *_, got = await ctx.tick().sample(dut.data)
            assert shown is None or got == shown
            shown = words[at] if read else shown
            for part in range(3):
                if write >> part & 1:
                    words[where] = words[where] & ~(15 << 4 * part) | new & 15 << 4 * part

    this.run()


def test_ram_wrong_granularity():
    with pytest.raises(ValueError, match=r"^Width 12 must be a multiple of the granularity 5$"):
        Ram(width=12, depth=2, granularity=5)


@pytest.mark.parametrize("component", [Tags, DataArray])
@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(component, shape):
    rtlil.convert(component(SHAPES[shape]))
