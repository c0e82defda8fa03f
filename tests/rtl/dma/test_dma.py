"""Dma: copies by lists of descriptors and by registers, whole engine."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.dma.dma import Dma
from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_ALIGN, CDMA_STATUS, CdmaWord

from .harness import (
    COMPLETE,
    CR,
    DESCS,
    SHAPES,
    SIZE,
    SOURCES,
    TARGETS,
    Copy,
    Driver,
    copies,
    descriptor,
    expected,
    lay_out,
    rig,
)


def run(bench, todo, *, shape="default", slots=None, **memory_args):
    """Do ``todo`` as one list, and compare all of memory."""
    dut, this, memory = rig(bench, params=SHAPES[shape], **memory_args)
    places = lay_out(memory, todo, slots)

    @this.testbench
    async def driver(ctx):
        software = Driver(ctx, dut)
        status = await software.run(places)
        assert status.pop("irq_threshold_sts") == 255
        assert status == {"idle": 1, "sg_incld": 1, "ioc_irq": 1}
        assert await software.read("done_descs") == len(todo)
        assert await software.read("done_bytes") == sum(copy.size for copy in todo)
        assert await software.read("curdesc") == places[-1]

    this.run()
    assert memory.data == expected(memory, todo, places)
    return memory


@pytest.mark.parametrize("shape", SHAPES)
@given(todo=copies(), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 20]),
       seed=st.integers(0, 99))
@settings(max_examples=3)
def test_matches_model(bench, shape, todo, stall, latency, seed):
    run(bench, todo, shape=shape, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("shape", ["smallest", "default"])
def test_cyclic(bench, shape):
    """Round and round a list that is complete, with an interrupt a round, until reset."""
    dut, this, memory = rig(bench, params=SHAPES[shape], latency=5)
    todo = [Copy(SOURCES + 100 * k, TARGETS + 128 * k, 100) for k in range(4)]
    places = [DESCS + CDMA_ALIGN * k for k in range(4)]
    for k, copy in enumerate(todo):
        memory.write(places[k], descriptor(places[(k + 1) % 4], copy, COMPLETE))

    @this.testbench
    async def driver(ctx):
        software = Driver(ctx, dut)
        await software.write("cr", CR.pack({"sg_mode": 1, "cyclic_bd": 1, "ioc_irq_en": 1,
                                            "irq_threshold": 4}))
        await software.pair("curdesc", places[0])
        await software.pair("taildesc", 0x40 * 63)          # no descriptor of the list
        for _ in range(5):
            assert "idle" not in await software.interrupt()
        assert await software.read("done_descs") >= 20
        await software.reset()
        done = memory.log[-1][0]
        await ctx.tick().repeat(50)
        assert memory.log[-1][0] == done
        assert await software.status() == {"idle": 1, "sg_incld": 1, "irq_threshold_sts": 1}
        # And a list that ends works again.
        memory.data[places[0] + CdmaWord.STATUS + 3] = 0
        status = await software.run(places[:1], threshold=1)
        assert "ioc_irq" in status and "idle" in status

    this.run()
    assert memory.data == expected(memory, todo, places)


def test_delay(bench):
    """Three of four completions to a threshold are reported by the timer, not when idle."""
    dut, this, memory = rig(bench)
    places = lay_out(memory, [Copy(SOURCES, TARGETS + 64 * k, 64) for k in range(3)])

    @this.testbench
    async def driver(ctx):
        software = Driver(ctx, dut)
        await software.write("cr", CR.pack({"sg_mode": 1, "ioc_irq_en": 1, "dly_irq_en": 1,
                                            "irq_threshold": 4, "irq_delay": 3}))
        await software.pair("curdesc", places[0])
        await software.pair("taildesc", places[-1])
        await software.idle()
        status = await software.status()
        assert not {"ioc_irq", "dly_irq"} & set(status) and status["irq_threshold_sts"] == 1
        begin = memory.cycle
        await ctx.tick().until(dut.irq)
        assert 2 * 125 < memory.cycle - begin < 3 * 125 + 10
        status = await software.status()
        assert "dly_irq" in status and "ioc_irq" not in status
        assert status["irq_threshold_sts"] == 4

    this.run()


def test_stale_descriptor(bench):
    """A complete descriptor is SGIntErr: it halts, changes nothing more, and reset recovers.

    A peer's engine needs its whole block reset for that; here it is one bit, and drains.
    """
    todo = [Copy(SOURCES, TARGETS + 64 * k, 64) for k in range(3)]
    dut, this, memory = rig(bench, latency=20)
    places = lay_out(memory, todo)
    memory.write(places[1], descriptor(places[2], todo[1], COMPLETE))

    @this.testbench
    async def driver(ctx):
        software = Driver(ctx, dut)
        status = await software.run(places)
        assert "sg_int_err" in status and "err_irq" in status
        assert await software.read("curdesc") == await software.read("err_addr") == places[1]
        await software.pair("taildesc", places[2])          # halted: nothing starts
        await ctx.tick().repeat(100)
        assert memory.data == expected(memory, todo[:1], [places[0], places[1]])
        await software.reset()
        memory.data[places[1] + CdmaWord.STATUS + 3] = 0
        assert "ioc_irq" in await software.run(places[1:])

    this.run()
    assert memory.data == expected(memory, todo, places)


@pytest.mark.parametrize("size, src", [(0, SOURCES), (2, (1 << 64) - 1)])
def test_internal_error(bench, size, src):
    """No bytes, or past the last address, is DMAIntErr in register and status; reset recovers."""
    todo = [Copy(src, TARGETS, size)]
    dut, this, memory = rig(bench)
    places = lay_out(memory, todo)

    @this.testbench
    async def driver(ctx):
        software = Driver(ctx, dut)
        assert {"dma_int_err", "err_irq"} <= set(await software.run(places))
        at = places[0] + CdmaWord.STATUS
        assert int.from_bytes(memory.read(at, 4), "little") == CDMA_STATUS.pack(
            cmplt=1, dma_int_err=1)
        await software.reset()
        memory.data[places[0]:places[0] + 32] = descriptor(0, Copy(SOURCES, TARGETS, 9))
        assert "ioc_irq" in await software.run(places)

    this.run()
    assert memory.read(TARGETS, 9) == memory.read(SOURCES, 9)


@pytest.mark.parametrize("base", [1 << 32, (1 << 40) - SIZE, (1 << 64) - SIZE])
def test_64_bit_addresses(bench, base):
    """Descriptors, sources and targets far above 4 GiB, and up to the very last byte."""
    todo = [Copy(base + SOURCES + 3, base + SIZE - 700, 700)]
    dut, this, memory = rig(bench, base=base)
    place = base + 0x40
    memory.write(place, descriptor(place, todo[0]))

    @this.testbench
    async def driver(ctx):
        assert "ioc_irq" in await Driver(ctx, dut).run([place])

    this.run()
    assert memory.data == expected(memory, todo, [place])


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Dma(DmaParams(**SHAPES[shape])))
