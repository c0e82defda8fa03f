"""Fixed addresses: how copies are cut, and what the engine leaves in memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.dma.jobs import Fault, JobLayout, ListLabel
from rtl.dma.key_hole import KeyHole
from rtl.spec.cdma_regs import CDMA_REGISTERS
from sim.streams import collect, send

from .harness import CR, DESCS, IMAGE, SOURCES, TARGETS, Copy, Driver, lay_out, rig
from .parts import netlist

SHAPES = {"smallest": {"data_width": 32, "addr_width": 32, "reads_in_flight": 1, "max_beats": 2},
          "default": {}, "odd": {"data_width": 128, "addr_width": 40, "reads_in_flight": 8}}
SIDES = [(0, 1), (1, 0), (1, 1)]


def cut(copy, sides, width):
    """Pieces of a copy: source, target, bytes."""
    if not any(sides):
        return [(copy.src, copy.dst, copy.size)]
    step = width - max(at % width for at, stays in zip((copy.src, copy.dst), sides, strict=True)
                       if stays)
    return [(copy.src + (0 if sides[0] else at), copy.dst + (0 if sides[1] else at),
             min(step, copy.size - at)) for at in range(0, copy.size, step)]


@given(width=st.sampled_from([4, 8, 64]), sides=st.sampled_from([(0, 0), *SIDES]),
       todo=st.lists(st.builds(Copy, st.integers(0, 300), st.integers(0, 300),
                               st.integers(1, 200)), min_size=1, max_size=4),
       stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 9))
@settings(max_examples=15)
def test_matches_model(bench, width, sides, todo, stall, seed):
    dut = KeyHole(bus_bytes=width, job=JobLayout(40, ListLabel(40, cut=True)))
    this = bench(dut)
    pieces = [(*piece, last) for copy in todo for parts in [cut(copy, sides, width)]
              for piece, last in zip(parts, [1] * (len(parts) - 1) + [0], strict=True)]

    @this.testbench
    async def source(ctx):
        ctx.set(dut.src_stays, sides[0])
        ctx.set(dut.dst_stays, sides[1])
        await send(ctx, dut.i, ({"src": copy.src, "dst": copy.dst, "span": copy.size - 1}
                                for copy in todo), stall=stall, seed=seed)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, len(pieces), stall=stall, seed=seed + 1)
        assert [(job.src, job.dst, job.span + 1, job.label.more) for job in got] == pieces
        assert all(job.fault is Fault.NONE for job in got)

    this.run()


TOP = (1 << 40) - 8


@pytest.mark.parametrize("src, dst, sides, given, fault", [
    (TOP, 0, (0, 1), Fault.NONE, Fault.DMA_INT), (0, TOP, (1, 0), Fault.NONE, Fault.DMA_INT),
    (TOP, 0, (1, 0), Fault.NONE, Fault.NONE), (0, 0, (1, 1), Fault.SG_DEC, Fault.SG_DEC)])
def test_faults(bench, src, dst, sides, given, fault):
    """A side that goes on must not pass the last address; what has a fault passes whole."""
    dut = KeyHole(bus_bytes=8, job=JobLayout(40, ListLabel(40, cut=True)))
    this = bench(dut)

    @this.testbench
    async def source(ctx):
        ctx.set(dut.src_stays, sides[0])
        ctx.set(dut.dst_stays, sides[1])
        await send(ctx, dut.i, [{"src": src, "dst": dst, "span": 8, "fault": given}])

    @this.testbench
    async def sink(ctx):
        (job,) = await collect(ctx, dut.o, 1)
        assert (job.fault, job.label.more) == (fault, fault is Fault.NONE)
        ctx.set(dut.o.ready, 1)

    this.run()


def after(image, copies, sides, width):
    """Memory after copies."""
    result = bytearray(image)
    for copy in copies:
        for src, dst, size in cut(copy, sides, width):
            result[dst:dst + size] = image[src:src + size]
    return result


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sides", SIDES)
@given(seed=st.integers(0, 99), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 9]),
       sizes=st.lists(st.integers(1, 70), min_size=1, max_size=4))
@settings(max_examples=3)
def test_list(bench, shape, sides, sizes, seed, stall, latency):
    """Each descriptor completes once, and each access is of one word at the fixed address."""
    dut, this, memory = rig(bench, params={**SHAPES[shape], "key_hole": True}, seed=seed,
                            stall=stall, latency=latency)
    width = len(dut.bus.w.p.strb)
    copies = [Copy(SOURCES + 64 * k + seed % 5, TARGETS + 128 * k + 3 + seed % 7, size)
              for k, size in enumerate(sizes)]

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut)
        cap = CDMA_REGISTERS["cap"]["key_hole"]
        assert cap.get(await driver.read("cap")) == 1
        control = CR.pack({"sg_mode": 1, "key_hole_read": sides[0], "key_hole_write": sides[1],
                           "ioc_irq_en": 1, "err_irq_en": 1, "irq_threshold": len(copies)})
        places = lay_out(memory, copies)
        await driver.write("cr", control)
        assert await driver.read("cr") & 0x38 == control & 0x38
        await driver.pair("curdesc", places[0])
        await driver.pair("taildesc", places[-1])
        assert "ioc_irq" in await driver.interrupt()
        await driver.idle()
        assert await driver.read("done_descs") == len(copies)
        assert await driver.read("done_bytes") == sum(sizes)

    this.run()
    assert memory.data[SOURCES:] == after(memory.image, copies, sides, width)[SOURCES:]
    for stays, kind, low in ((sides[0], "r", SOURCES), (sides[1], "w", TARGETS)):
        bursts = [beats for _, access, addr, beats, _ in memory.log
                  if access == kind and addr >= low]
        assert not stays or set(bursts) == {1}


def test_simple_and_cyclic(bench):
    """A word of a device by a simple transfer; a list that goes round and feeds one address."""
    dut, this, memory = rig(bench, params={"key_hole": True})

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut)
        await driver.write("cr", CR.pack({"key_hole_read": 1, "irq_threshold": 1}))
        await driver.pair("sa", SOURCES + 2)
        await driver.pair("da", TARGETS + 5)
        await driver.write("btt", 20)
        await driver.idle()
        assert memory.read(TARGETS + 5, 20) == (IMAGE[2:8] * 4)[:20]
        places = [DESCS, DESCS + 64]
        for k, place in enumerate(places):
            memory.write(place, places[1 - k].to_bytes(8, "little") +
                         (SOURCES + 64 + 16 * k).to_bytes(8, "little") +
                         (TARGETS + 256).to_bytes(8, "little") + (16).to_bytes(4, "little") +
                         bytes(4))
        await driver.write("cr", CR.pack({"sg_mode": 1, "key_hole_write": 1, "cyclic_bd": 1,
                                          "irq_threshold": 1}))
        await driver.pair("curdesc", places[0])
        await driver.pair("taildesc", 0x8000)
        while await driver.read("done_descs") < 7:
            pass
        await driver.reset()
        assert await driver.read("cr") & 0x30 == 0

    this.run()
    writes = [addr for _, kind, addr, *_ in memory.log if kind == "w" and addr > TARGETS + 64]
    assert set(writes) == {TARGETS + 256} and len(writes) >= 14
    assert bytes(memory.data[TARGETS + 256:][:8]) in {IMAGE[64 + 8 * k:][:8] for k in range(4)}


def test_only_where_it_is(bench):
    """Without, both bits read 0."""
    dut, this, _ = rig(bench)

    @this.testbench
    async def software(ctx):
        driver = Driver(ctx, dut)
        await driver.write("cr", CR.pack({"key_hole_read": 1, "key_hole_write": 1,
                                          "irq_threshold": 1}))
        assert await driver.read("cr") & 0x30 == 0

    this.run()


@pytest.mark.parametrize("width", [4, 64])
def test_netlist(width):
    netlist(KeyHole(bus_bytes=width, job=JobLayout(40, ListLabel(40, cut=True))))
