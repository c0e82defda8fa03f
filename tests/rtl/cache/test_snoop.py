"""The snoop port: what devices see, and what the CPU sees of what they wrote."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.back import rtlil

from rtl.axi.signature import Burst, Resp
from rtl.cache.cache import Cache
from rtl.cache.snoop.port import SnoopPort
from rtl.spec.cache_regs import CacheMode
from sim.axi import beat_addresses
from sim.streams import get, put

from .harness import SHAPES, Setup, words

PORTS = {name: replace(SHAPES[name], snoop=ports, snoop_id_width=SHAPES[name].id_width)
         for name, ports in (("small", 2), ("smallest", 1), ("direct", 4), ("odd", 8), ("long", 3))}
PORTS["all"] = replace(PORTS["odd"], snoop=3, prefetch=4, overtake=True, allocate=True, random=True)
LINE = 32                                   # of the shape "small": 8 sets, 2 ways
IMAGE = Random(0).randbytes(1 << 12)
NEW = bytes(range(LINE))
CLEAN, FLUSH = CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE


def setup(bench, shape="small", **kwargs):
    return Setup(bench, PORTS[shape], image=IMAGE, **kwargs)


def run(bench, program, **kwargs):
    """Run ``program(cpu, device, software, memory)``, one access at a time."""
    this = setup(bench, **kwargs)

    async def with_device(ctx, cpu, software, memory):
        await program(cpu, type(cpu)(ctx, this.dut.snoop), software, memory)

    this.run(with_device)


@pytest.mark.parametrize("shape", PORTS)
def test_netlist(shape):
    rtlil.convert(SnoopPort(PORTS[shape]))
    rtlil.convert(Cache(PORTS[shape]))


def test_read_sees_dirty_line(bench):
    async def program(cpu, device, software, memory):
        await cpu.store(8, NEW[:8])
        data, resps = await device.load(0, 2 * LINE)
        assert data == IMAGE[:8] + NEW[:8] + IMAGE[16:2 * LINE]
        assert set(resps) == {Resp.OKAY}
        assert await software.read("snoop_hits") == 1
        assert await software.read("snoop_misses") == 1
        await device.load(0, LINE)          # clean now, and kept
        assert await software.read("snoop_misses") == 2
        hits = await software.read("read_hits")
        await cpu.load(0, LINE)
        assert await software.read("read_hits") == hits + 1
        assert await software.read("cleaned") == 0
        assert await software.read("cap2", "snoop") == 2

    run(bench, program)


@pytest.mark.parametrize("dirty", [False, True])
def test_whole_line_drops_the_copy(bench, dirty):
    async def program(cpu, device, software, memory):
        await (cpu.store(0, bytes(LINE)) if dirty else cpu.load(0, LINE))
        before = len(memory.log)
        assert await device.store(0, NEW) is Resp.OKAY
        assert [entry[1:4] for entry in memory.log[before:]] == [("w", 0, 4)]
        data, _ = await cpu.load(0, LINE)
        assert data == NEW == memory.data[:LINE]
        assert await software.read("invalidated") == 0

    run(bench, program)


@pytest.mark.parametrize("whole", [False, True])
def test_partial_write_is_merged(bench, whole):
    """Also one of all beats of the line, but not of all bytes."""
    async def program(cpu, device, software, memory):
        await cpu.store(0, NEW)
        if whole:
            await device.write(0, [0] * 4, [255, 255, 127, 255])
            expected = bytes(23) + NEW[23:24] + bytes(8)
        else:
            await device.store(8, bytes(8))
            expected = NEW[:8] + bytes(8) + NEW[16:]
        data, _ = await cpu.load(0, LINE)
        assert data == expected == memory.data[:LINE]

    run(bench, program)


def test_bursts_of_every_kind(bench):
    """Across lines, wrapping, fixed, narrow, not aligned; in ID order."""
    async def program(cpu, device, software, memory):
        flat = bytearray(IMAGE)
        random = Random(5)
        for addr, beats, size, burst in [
                (0x11A, 9, 1, Burst.INCR), (0x234, 8, 2, Burst.WRAP), (0x301, 5, 0, Burst.FIXED),
                (0x408, 40, 3, Burst.INCR), (0x518, 16, 3, Burst.WRAP), (0x63F, 1, 3, Burst.INCR)]:
            for at in range(addr & -LINE, (addr & -LINE) + 16 * LINE, LINE):
                value = random.randbytes(8)
                flat[at:at + 8] = value
                await cpu.store(at, value)
            at = beat_addresses(addr, beats - 1, size, burst)
            data, resps = await device.read(addr, beats, size=size, burst=burst)
            assert resps == [Resp.OKAY] * beats
            assert data == [int.from_bytes(flat[a & -8:(a & -8) + 8], "little") for a in at]
            lanes = [((1 << (1 << size)) - 1 << a % 8 & -(1 << size)) & 255 & (255 << a % 8)
                     for a in at]
            new = [random.getrandbits(64) for _ in at]
            assert await device.write(addr, new, lanes, size=size, burst=burst) is Resp.OKAY
            for a, word, strb in zip(at, new, lanes, strict=True):
                for lane in range(8):
                    if strb >> lane & 1:
                        flat[(a & -8) + lane] = word >> 8 * lane & 0xFF
            got, _ = await cpu.load(addr & -LINE, 16 * LINE)
            assert got == flat[addr & -LINE:(addr & -LINE) + 16 * LINE]

    run(bench, program)


def test_write_back_that_fails_is_told(bench):
    """Neither the CPU's bytes are lost nor the device's half written; a retry does it."""
    async def program(cpu, device, software, memory):
        await cpu.store(0, NEW)
        memory.fail(0, LINE, "w")
        data, resps = await device.load(0, 2 * LINE)
        assert resps == [Resp.SLVERR] * 4 + [Resp.OKAY] * 4
        assert data[LINE:] == IMAGE[LINE:2 * LINE]
        assert await device.store(8, bytes(2 * LINE)) is Resp.SLVERR
        assert memory.data[:LINE] == IMAGE[:LINE]           # the part elsewhere is done
        assert memory.data[LINE:2 * LINE + 8] == bytes(LINE + 8)
        assert await software.read("status", "write_error")
        data, _ = await cpu.load(0, LINE)
        assert data == NEW
        memory.heal()
        assert await device.store(8, bytes(8)) is Resp.OKAY
        data, _ = await cpu.load(0, LINE)
        assert data == NEW[:8] + bytes(8) + NEW[16:]

    run(bench, program)


@pytest.mark.parametrize("resp", [Resp.SLVERR, Resp.DECERR])
def test_errors_of_memory_are_passed_on(bench, resp):
    async def program(cpu, device, software, memory):
        memory.fail(LINE + 8, LINE + 16, "rw", resp)
        _, resps = await device.load(0, 2 * LINE)
        assert resps == [resp if beat == 5 else Resp.OKAY for beat in range(8)]
        assert await device.store(0, bytes(2 * LINE)) is resp
        assert await device.store(0, NEW) is Resp.OKAY

    run(bench, program)


def test_exclusive_accesses_stay_so_within_a_line(bench):
    async def program(cpu, device, software, memory):
        await device.load(8, 8, lock=1)
        await device.store(8, NEW[:8], lock=1)
        await device.load(0, 2 * LINE, lock=1)
        assert [entry[-1].lock for entry in memory.log] == [1, 1, 0, 0]

    run(bench, program)


def test_write_waits_for_its_data_only(bench):
    """A device that copies through the port, and gives data late: CPU and its own reads go on."""
    async def program(ctx, cpu, software, memory):
        await cpu.load(0x100, LINE)
        await put(ctx, this.dut.snoop.aw, {"addr": 0x100, "len": 3, "size": 3,
                                           "burst": Burst.INCR})
        device = type(cpu)(ctx, this.dut.snoop)
        got, _ = await device.load(0x200, LINE)
        await cpu.store(0x100, got[8:16])   # not held up
        for index, word in enumerate(words(got, 8)):
            await put(ctx, this.dut.snoop.w, {"data": word, "strb": 255, "last": index == 3})
        assert (await get(ctx, this.dut.snoop.b)).resp is Resp.OKAY
        got, _ = await cpu.load(0x100, LINE)
        assert got == IMAGE[0x200:0x200 + LINE]

    this = setup(bench)
    this.run(program)


@pytest.mark.parametrize("shape", PORTS)
def test_one_after_the_other(bench, shape):
    """CPU, device and maintenance, any access: always the newest data."""
    params, space = PORTS[shape], 1 << 11
    width = params.data_width // 8

    async def program(cpu, device, software, memory):
        random, flat = Random(1), bytearray(IMAGE)
        for step in range(150):
            who = random.choice([cpu, device])
            beats = random.choice([1, 1, 2, params.beats, params.beats, 16])
            addr = random.randrange(0, space - beats * width, width)
            if beats >= params.beats:
                addr &= -params.line_bytes
            if random.random() < 0.5:
                data, _ = await who.load(addr, beats * width)
                assert data == flat[addr:addr + beats * width], step
            else:
                new = random.randbytes(beats * width)
                lanes = [random.choice([(1 << width) - 1] * 3 + [random.getrandbits(width)])
                         for _ in range(beats)]
                await who.write(addr, words(new, width), lanes)
                for at in range(beats * width):
                    if lanes[at // width] >> at % width & 1:
                        flat[addr + at] = new[at]
            if step % 20 == 0:
                await software.start(random.choice([CLEAN, FLUSH]), 0, space)

    run(bench, program, shape=shape, latency=3, stall=0.1)


@pytest.mark.parametrize("shape, latency", [("small", 1), ("smallest", 2), ("direct", 7),
                                            ("odd", 30), ("long", 4), ("all", 12)])
def test_at_the_same_time(bench, shape, latency):
    """CPU and device own a byte of each word in turn, and count in it; both watch all of them.

    What is read was written last before the read began, or later.
    """
    params, space = PORTS[shape], 4 * PORTS[shape].line_bytes
    width, stride = params.data_width // 8, params.sets * params.line_bytes
    count = space // width
    rounds = 90 if shape == "all" else 60
    begun, ended = [], []                   # of each word and owner

    def where(word):                        # lines that fall into few sets
        return word * width % space + word * width // params.line_bytes % 2 * stride

    async def own(manager, me, random):
        for step in range(rounds):
            word, mode = random.randrange(count), random.random()
            beats = random.choice([1, params.beats])
            word -= word % beats
            mine = range(word, word + beats)
            if mode < 0.5:
                for at in mine:
                    begun[2 * at + me] += 1
                new = [begun[2 * at + me] << 8 * me for at in mine]
                assert await manager.write(where(word), new, [1 << me] * beats) is Resp.OKAY
                for at in mine:
                    ended[2 * at + me] = begun[2 * at + me]
            else:
                before = list(ended)
                data, _ = await manager.read(where(word), beats)
                for at, value in zip(mine, data, strict=True):
                    for who in range(2):
                        byte = value >> 8 * who & 0xFF
                        assert before[2 * at + who] <= byte <= begun[2 * at + who], (step, at, who)

    async def program(ctx, cpu, software, memory):
        await own(cpu, 0, Random(2))
        await software.maintain(FLUSH, whole=True)

    async def device(ctx, device, memory):  # begins first
        begun[:], ended[:] = [0] * 2 * count, [0] * 2 * count
        await own(device, 1, Random(3))

    this = Setup(bench, params, latency=latency, stall=0.1)
    this.run(program, device)
