"""StreamRegisters: what each write starts and allows in a channel, and what is read back."""

import pytest

from rtl.dma.jobs import Fault
from rtl.dma.stream_registers import StreamRegisters
from rtl.params import StreamParams
from rtl.spec.axi_dma_regs import AXI_DMA_REGISTERS
from sim.axi_lite import Manager

from .parts import netlist

SHAPES = {"smallest": {"data_width": 32, "addr_width": 32, "timer": False, "s2mm": False},
          "default": {}, "odd": {"data_width": 512, "addr_width": 57, "max_beats": 256}}
#: Outputs of a channel that are high for one cycle.
STROBES = ("place", "mark", "doorbell", "start", "simple", "clear")


class Software:
    """Registers of one channel by name, and what they made it do since it was last asked."""

    def __init__(self, ctx, dut, channel, seen):
        self.ctx, self.port, self.bus, self.seen = ctx, getattr(dut, channel), None, seen
        self.bus, self.channel = Manager(ctx, dut.regs), channel

    def register(self, name):
        return AXI_DMA_REGISTERS[name if name in ("cap", "device_id", "options") else
                                 f"{self.channel}_{name}"]

    async def write(self, name, value=None, **fields):
        self.seen.clear()
        register = self.register(name)
        await self.bus.writel(register.pack(fields) if value is None else value, register.offset)
        await self.ctx.tick().repeat(4)
        return list(self.seen)

    async def read(self, name):
        register = self.register(name)
        word = await self.bus.readl(register.offset)
        return {field.name: field.get(word) for field in register if field.get(word)}

    async def pulse(self, **signals):
        for name, value in signals.items():
            self.ctx.set(getattr(self.port, name), value)
        await self.ctx.tick()
        for name in signals:
            self.ctx.set(getattr(self.port, name), 0)


@pytest.fixture
def play(bench):
    """Run a test as software of a channel of a block of the given shape."""

    def run(test, channel="mm2s", shape="default"):
        dut, seen = StreamRegisters(StreamParams(**SHAPES[shape])), []
        this = bench(dut)
        port = getattr(dut, channel)

        @this.background
        async def watch(ctx):
            async for _, _, word, *values in ctx.tick().sample(
                    port.word, *(getattr(port, name) for name in STROBES)):
                seen.extend((name, value, word) if name in ("place", "mark") else (name, value)
                            for name, value in zip(STROBES, values, strict=True) if value)

        @this.testbench
        async def software(ctx):
            await test(ctx, dut, Software(ctx, dut, channel, seen))

        this.run()

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_capabilities(play, shape):
    async def test(ctx, dut, cpu):
        params = StreamParams(**SHAPES[shape])
        cap = {"version": 1, "data_bytes_log2": (params.data_width // 8).bit_length() - 1,
               "cyclic": 1, "timer": params.timer, "reads_in_flight": params.reads_in_flight,
               "max_beats_log2": params.max_beats.bit_length() - 1, "mm2s": params.mm2s,
               "s2mm": params.s2mm}
        assert await cpu.read("cap") == {name: int(value) for name, value in cap.items() if value}
        assert await cpu.read("device_id") == {"did": 0x18}
        assert await cpu.read("cr") == {"tail_pntr_en": 1, "irq_threshold": 1}
        assert await cpu.read("sr") == {"halted": 1, "sg_incld": 1, "irq_threshold_sts": 1}

    play(test, shape=shape)


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
def test_list(play, channel):
    async def test(ctx, dut, cpu):
        assert await cpu.write("taildesc", 0x40) == []          # not while it is halted
        assert await cpu.write("curdesc_msb", 5) == [("place", 2, 5)]
        assert await cpu.write("curdesc", 0x80) == [("place", 1, 0x80)]
        assert await cpu.write("cr", run=1) == []
        assert await cpu.read("sr") == {"idle": 1, "sg_incld": 1, "irq_threshold_sts": 1}
        assert await cpu.write("curdesc", 0x80) == []           # nor this while it runs
        assert await cpu.write("taildesc_msb", 6) == [("mark", 2, 6)]
        assert await cpu.write("taildesc", 0xC0) == [
            ("mark", 1, 0xC0), ("doorbell", 1), ("start", 1)]
        ctx.set(cpu.port.pending, 1)
        await ctx.tick()
        assert await cpu.read("sr") == {"sg_incld": 1, "irq_threshold_sts": 1}
        assert await cpu.write("taildesc", 0x100) == [("mark", 1, 0x100), ("doorbell", 1)]
        assert await cpu.write("length", 64) == []
        await cpu.write("cr", run=0)
        assert await cpu.read("sr") == {"halted": 1, "sg_incld": 1, "irq_threshold_sts": 1}
        assert await cpu.write("curdesc", 0x140) == [("clear", 1), ("place", 1, 0x140)]
        await cpu.pulse(completed=1, counts=1)
        assert await cpu.read("done_descs") == {"count": 1}

    play(test, channel)


def test_start_right_after_run(play):
    """The write of TAILDESC may follow that of RUN without a pause."""
    async def test(ctx, dut, cpu):
        cpu.seen.clear()
        for name, word in (("cr", 0x11), ("taildesc", 0x80)):
            register = cpu.register(name)
            await cpu.bus.writel(word, register.offset)
        await ctx.tick().repeat(4)
        assert ("start", 1) in cpu.seen and ctx.get(cpu.port.cyclic)

    play(test)


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
def test_single_transfer(play, channel):
    async def test(ctx, dut, cpu):
        end = "sa" if channel == "mm2s" else "da"
        await cpu.write(f"{end}_msb", 0xA)
        await cpu.write(end, 0xB)
        assert await cpu.write("length", 99) == []              # it does not run
        await cpu.write("cr", run=1)
        assert await cpu.write("length", 0x3FF_FFFF) == [("simple", 1)]
        assert (ctx.get(cpu.port.addr), ctx.get(cpu.port.size)) == (0xA_0000_000B, 0x3FF_FFFF)
        assert await cpu.read("length") == {"bytes": 0x3FF_FFFF}
        await cpu.pulse(completed=1, counts=1, note=0xC00_0123)
        assert await cpu.read("length") == {"bytes": 0x123}
        assert await cpu.read("done_descs") == {}
        assert "ioc_irq" in await cpu.read("sr")

    play(test, channel)


@pytest.mark.parametrize("fault, name", [
    (Fault.DMA_INT, "dma_int_err"), (Fault.DMA_SLV, "dma_slv_err"), (Fault.DMA_DEC, "dma_dec_err"),
    (Fault.SG_INT, "sg_int_err"), (Fault.SG_SLV, "sg_slv_err"), (Fault.SG_DEC, "sg_dec_err")])
def test_error(play, fault, name):
    """It stops until a reset, which waits for what is outstanding."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", run=1, err_irq_en=1)
        await cpu.pulse(faulty=1, faults=1 << fault.value, address=0x1234_5678_9ABC)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.irq) == 1 and ctx.get(cpu.port.stop)
        assert await cpu.read("sr") == {
            "halted": 1, "sg_incld": 1, "irq_threshold_sts": 1, "err_irq": 1, name: 1}
        assert "run" not in await cpu.read("cr")
        assert await cpu.read("err_addr") == {"addr": 0x5678_9ABC}
        assert await cpu.read("err_addr_msb") == {"addr": 0x1234}
        await cpu.write("cr", run=1)
        assert await cpu.write("taildesc", 0x40) == []
        assert await cpu.write("curdesc", 0x40) == []
        ctx.set(cpu.port.busy, 1)
        assert await cpu.write("cr", reset=1) == []
        assert "reset" in await cpu.read("cr")
        assert "halted" not in await cpu.read("sr")
        ctx.set(cpu.port.busy, 0)
        await ctx.tick().repeat(3)
        assert cpu.seen == [("clear", 1)]
        assert await cpu.read("sr") == {"halted": 1, "sg_incld": 1, "irq_threshold_sts": 1}
        assert await cpu.read("cr") == {"tail_pntr_en": 1, "irq_threshold": 1}
        assert await cpu.read("err_addr") == {}

    play(test)


@pytest.mark.parametrize("split", [0, 1])
def test_resets(play, split):
    """Registers of the other channel survive if resets are split."""
    async def test(ctx, dut, cpu):
        other = Software(ctx, dut, "s2mm", [])
        await cpu.write("options", split_reset=split)
        await other.write("cr", run=1, ioc_irq_en=1, irq_threshold=7)
        await cpu.write("cr", run=1, ioc_irq_en=1, irq_threshold=5)
        await cpu.write("cr", reset=1)
        await ctx.tick().repeat(4)
        assert await cpu.read("cr") == {"tail_pntr_en": 1, "irq_threshold": 1}
        assert await other.read("cr") == (
            {"run": 1, "tail_pntr_en": 1, "ioc_irq_en": 1, "irq_threshold": 7} if split else
            {"tail_pntr_en": 1, "irq_threshold": 1})
        assert await cpu.read("options") == ({"split_reset": 1} if split else {})

    play(test)


def test_progress(play):
    """Packets count for interrupts, descriptors and bytes for themselves."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", run=1, irq_threshold=2, ioc_irq_en=1)
        await cpu.write("taildesc", 0x40)
        ctx.set(cpu.port.pending, 1)
        for k in range(5):
            await cpu.pulse(completed=1, counts=k % 2)
            await cpu.pulse(acked=1, acked_span=7)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.irq) == (k >= 3)
        assert await cpu.read("done_descs") == {"count": 5}
        assert await cpu.read("done_bytes") == {"count": 40}
        await cpu.write("sr", ioc_irq=1)
        assert not ctx.get(dut.irq)

    play(test)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(StreamRegisters(StreamParams(**SHAPES[shape])))
