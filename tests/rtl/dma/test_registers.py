"""Registers: what each write starts and allows, and what is read back."""

import pytest

from rtl.dma.jobs import Fault
from rtl.dma.registers import Registers
from rtl.params import DmaParams
from rtl.spec.cdma_regs import CDMA_REGISTERS
from sim.axi_lite import Manager

from .parts import netlist

SHAPES = {"smallest": {"data_width": 32, "addr_width": 32, "timer": False}, "default": {},
          "odd": {"data_width": 512, "addr_width": 57, "reads_in_flight": 64, "max_beats": 256}}
#: Outputs that are high for one cycle.
STROBES = ("place", "mark", "doorbell", "start", "forget", "simple", "clear")


class Software:
    """Registers by name, and what they made the block do since it was last asked."""

    def __init__(self, ctx, dut, seen):
        self.ctx, self.dut, self.bus, self.seen = ctx, dut, Manager(ctx, dut.regs), seen

    async def write(self, name, value=None, **fields):
        """Write, and return what strobed, in order: name, value, and ``word``."""
        self.seen.clear()
        register = CDMA_REGISTERS[name]
        await self.bus.writel(register.pack(fields) if value is None else value, register.offset)
        await self.ctx.tick().repeat(3)
        return list(self.seen)

    async def read(self, name):
        register = CDMA_REGISTERS[name]
        word = await self.bus.readl(register.offset)
        return {field.name: field.get(word) for field in register if field.get(word)}

    async def pulse(self, **signals):
        for name, value in signals.items():
            self.ctx.set(getattr(self.dut, name), value)
        await self.ctx.tick()
        for name in signals:
            self.ctx.set(getattr(self.dut, name), 0)


@pytest.fixture
def play(bench):
    """Run a test as software of a block of the given shape."""

    def run(test, shape="default"):
        dut, seen = Registers(DmaParams(**SHAPES[shape])), []
        this = bench(dut)

        @this.background
        async def watch(ctx):
            async for _, _, word, *values in ctx.tick().sample(
                    dut.word, *(getattr(dut, name) for name in STROBES)):
                seen.extend((name, value, word) if name in ("place", "mark") else (name, value)
                            for name, value in zip(STROBES, values, strict=True) if value)

        @this.testbench
        async def software(ctx):
            await test(ctx, dut, Software(ctx, dut, seen))

        this.run()

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_capabilities(play, shape):
    async def test(ctx, dut, cpu):
        params = DmaParams(**SHAPES[shape])
        cap = {"version": 1, "data_bytes_log2": (params.data_width // 8).bit_length() - 1,
               "cyclic": 1, "timer": params.timer, "reads_in_flight": params.reads_in_flight,
               "max_beats_log2": params.max_beats.bit_length() - 1}
        assert await cpu.read("cap") == {name: value for name, value in cap.items() if value}
        assert await cpu.read("device_id") == {"did": 0x10}
        assert await cpu.read("cr") == {"tail_pntr_en": 1, "irq_threshold": 1}
        assert await cpu.read("sr") == {"idle": 1, "sg_incld": 1, "irq_threshold_sts": 1}

    play(test, shape)


def test_simple(play):
    async def test(ctx, dut, cpu):
        for name, half in (("sa_msb", 0xA), ("sa", 0xB), ("da_msb", 0xC), ("da", 0xD)):
            await cpu.write(name, half)
        assert await cpu.write("btt", bytes=0x3FF_FFFF) == [("simple", 1)]
        assert (ctx.get(dut.src), ctx.get(dut.dst)) == (0xA_0000_000B, 0xC_0000_000D)
        assert ctx.get(dut.size) == 0x3FF_FFFF
        ctx.set(dut.pending, 1)
        assert await cpu.write("btt", bytes=1) == []            # one at a time
        assert "idle" not in await cpu.read("sr")
        ctx.set(dut.pending, 0)
        await cpu.write("cr", sg_mode=1)
        assert await cpu.write("btt", bytes=1) == []            # not in this mode

    play(test)


def test_list(play):
    async def test(ctx, dut, cpu):
        assert await cpu.write("taildesc", 0x40) == []          # not in this mode
        assert await cpu.write("cr", sg_mode=1) == []
        assert await cpu.write("curdesc_msb", 5) == [("place", 2, 5)]
        assert await cpu.write("curdesc", 0x80) == [("place", 1, 0x80)]
        assert await cpu.write("taildesc_msb", 6) == [("mark", 2, 6)]
        assert await cpu.write("taildesc", 0xC0) == [
            ("mark", 1, 0xC0), ("doorbell", 1), ("start", 1)]
        ctx.set(dut.pending, 1)
        await ctx.tick()
        assert await cpu.write("taildesc", 0x100) == [("mark", 1, 0x100), ("doorbell", 1)]
        assert await cpu.write("curdesc", 0x140) == []
        assert await cpu.write("cr", sg_mode=0) == []           # only if idle
        assert (await cpu.read("cr"))["sg_mode"] == 1
        ctx.set(dut.pending, 0)
        await ctx.tick()
        assert await cpu.write("cr", sg_mode=0) == [("forget", 1)]
        ctx.set(dut.desc, 0x12_3456_789A)
        ctx.set(dut.tail, 0x3_0000_0001)
        assert await cpu.read("curdesc") == {"addr": 0x12_3456_789A & 0x3FF_FFFF}
        assert await cpu.read("curdesc_msb") == {"addr": 0x12_3456_789A >> 26}
        assert await cpu.read("taildesc") == {"addr": 1}
        assert await cpu.read("taildesc_msb") == {"addr": 0x3_0000_0001 >> 26}

    play(test)


def test_low_halves_first(play):
    """Then the high half of the tail starts."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", sg_mode=1)
        await cpu.write("curdesc", 0x40)
        await cpu.write("curdesc_msb", 1)
        assert await cpu.write("taildesc", 0x80) == [("mark", 1, 0x80)]
        assert await cpu.write("taildesc_msb", 1) == [
            ("mark", 2, 1), ("doorbell", 1), ("start", 1)]

    play(test)


@pytest.mark.parametrize("fault, name", [
    (Fault.DMA_INT, "dma_int_err"), (Fault.DMA_SLV, "dma_slv_err"), (Fault.DMA_DEC, "dma_dec_err"),
    (Fault.SG_INT, "sg_int_err"), (Fault.SG_SLV, "sg_slv_err"), (Fault.SG_DEC, "sg_dec_err")])
def test_error(play, fault, name):
    """It halts until reset, which waits for what is outstanding."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", sg_mode=1, err_irq_en=1)
        await cpu.pulse(faulty=1, faults=1 << fault.value, address=0x1234_5678_9ABC)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.irq) and ctx.get(dut.stop)
        assert await cpu.read("sr") == {
            "idle": 1, "sg_incld": 1, "irq_threshold_sts": 1, "err_irq": 1, name: 1}
        assert await cpu.read("err_addr") == {"addr": 0x5678_9ABC}
        assert await cpu.read("err_addr_msb") == {"addr": 0x1234}
        assert await cpu.write("taildesc", 0x40) == []
        await cpu.write("sr", err_irq=1)
        assert not ctx.get(dut.irq)
        assert name in await cpu.read("sr")
        ctx.set(dut.busy, 1)
        assert await cpu.write("cr", reset=1) == []
        assert "reset" in await cpu.read("cr")
        assert "idle" not in await cpu.read("sr")
        ctx.set(dut.busy, 0)
        await ctx.tick().repeat(4)
        assert cpu.seen == [("clear", 1)]
        assert await cpu.read("sr") == {"idle": 1, "sg_incld": 1, "irq_threshold_sts": 1}
        assert await cpu.read("cr") == {"tail_pntr_en": 1, "irq_threshold": 1}
        assert await cpu.read("err_addr") == {}
        assert not ctx.get(dut.stop)

    play(test)


def test_progress(play):
    """Counts, and an interrupt for every third descriptor and for the rest."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", sg_mode=1, irq_threshold=3, ioc_irq_en=1)
        await cpu.write("cr", sg_mode=1, irq_threshold=0, ioc_irq_en=1)        # 0 is not kept
        assert (await cpu.read("cr"))["irq_threshold"] == 3
        ctx.set(dut.pending, 1)
        await ctx.tick()
        for k in range(4):
            await cpu.pulse(completed=1)
            await cpu.pulse(acked=1, acked_span=99)
            assert ("ioc_irq" in await cpu.read("sr")) == ctx.get(dut.irq) == (k >= 2)
        await cpu.write("sr", ioc_irq=1)
        assert not ctx.get(dut.irq)
        ctx.set(dut.pending, 0)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.irq)
        assert await cpu.read("done_descs") == {"count": 4}
        assert await cpu.read("done_bytes") == {"count": 400}
        await cpu.write("cr", sg_mode=1)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.irq)                             # not enabled

    play(test)


@pytest.mark.parametrize("shape", ["smallest", "default"])
def test_delay(play, shape):
    """What the threshold leaves over is reported after the delay; at once without a timer."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", sg_mode=1, irq_threshold=3, irq_delay=2, dly_irq_en=1)
        timer = DmaParams(**SHAPES[shape]).timer
        assert (await cpu.read("cr")).get("dly_irq_en", 0) == timer
        assert (await cpu.read("cr")).get("irq_delay", 0) == 2 * timer
        await cpu.pulse(completed=1)
        await ctx.tick().repeat(200)
        assert (await cpu.read("sr")).get("ioc_irq", 0) == (not timer)
        assert (await cpu.read("sr")).get("irq_delay_sts", 0) == timer
        assert not ctx.get(dut.irq)
        await ctx.tick().repeat(100)
        assert (await cpu.read("sr")).get("dly_irq", 0) == ctx.get(dut.irq) == timer
        await cpu.write("sr", dly_irq=1)
        assert not ctx.get(dut.irq)

    play(test, shape)


def test_cyclic(play):
    async def test(ctx, dut, cpu):
        await cpu.write("cr", sg_mode=1, cyclic_bd=1)
        assert ctx.get(dut.cyclic) and "cyclic_bd" in await cpu.read("cr")
        await cpu.write("cr", reset=1)
        await ctx.tick().repeat(6)
        assert not ctx.get(dut.cyclic)

    play(test)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(Registers(DmaParams(**SHAPES[shape])))
