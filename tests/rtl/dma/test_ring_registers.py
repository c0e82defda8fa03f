"""RingRegisters: what is read back, what may be written when, interrupts, reset."""

import pytest

from rtl.dma.jobs import Fault
from rtl.dma.ring_registers import RingRegisters
from rtl.params import RingParams
from rtl.spec.ring_regs import RING_REGISTERS
from sim.axi_lite import Manager

from .parts import netlist
from .ring_harness import SHAPES


class Software:
    """Registers by name; fields that are not zero."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut, self.bus = ctx, dut, Manager(ctx, dut.regs)

    async def write(self, name, **fields):
        register = RING_REGISTERS[name]
        await self.bus.writel(register.pack(fields), register.offset)
        await self.ctx.tick().repeat(2)

    async def read(self, name):
        register = RING_REGISTERS[name]
        word = await self.bus.readl(register.offset)
        return {field.name: field.get(word) for field in register if field.get(word)}

    async def pulse(self, **signals):
        for name, value in signals.items():
            self.ctx.set(getattr(self.dut, name), value)
        await self.ctx.tick()
        for name, value in signals.items():
            if isinstance(value, int):
                self.ctx.set(getattr(self.dut, name), 0)


@pytest.fixture
def play(bench):
    """Run a test as software of a block of the given shape."""

    def run(test, shape="default"):
        dut = RingRegisters(RingParams(**SHAPES[shape]))
        this = bench(dut)

        @this.testbench
        async def software(ctx):
            await test(ctx, dut, Software(ctx, dut))

        this.run()

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_capabilities(play, shape):
    async def test(ctx, dut, cpu):
        params = RingParams(**SHAPES[shape])
        cap = {"version": 1, "data_bytes_log2": (params.data_width // 8).bit_length() - 1,
               **{name: int(getattr(params, name)) for name in (
                   "own_port", "fill", "strided", "cyclic", "process_id", "urgent", "proceed")},
               "reads_in_flight": params.reads_in_flight,
               "max_beats_log2": params.max_beats.bit_length() - 1}
        assert await cpu.read("cap") == {name: value for name, value in cap.items() if value}
        assert await cpu.read("cap2") == {"addr_bits": params.addr_width, "depth": params.depth}
        assert await cpu.read("device_id") == {"did": 0x11}
        assert await cpu.read("sr") == {"idle": 1}

    play(test, shape)


def test_rings(play):
    async def test(ctx, dut, cpu):
        for name in ("base", "completion_base"):
            await cpu.write(f"{name}_msb", addr=0x12 if name == "base" else 0x34)
            await cpu.write(name, addr=0xABCDE)
        await cpu.write("size", log2=9)
        await cpu.write("tail", slot=0x8765)
        assert ctx.get(dut.base) == 0x12_ABCD_E000
        assert ctx.get(dut.completion_base) == 0x34_ABCD_E000
        assert (ctx.get(dut.size_log2), ctx.get(dut.tail)) == (9, 0x8765)
        ctx.set(dut.head, 0x4321)
        assert await cpu.read("head") == {"slot": 0x4321}

    play(test)


def test_head(play):
    """Writable while idle and not running."""
    async def test(ctx, dut, cpu):
        for run, pending, expected in ((0, 0, 1), (1, 0, 0), (0, 1, 0)):
            await cpu.write("cr", run=run)
            ctx.set(dut.pending, pending)
            await ctx.tick()
            ctx.set(dut.regs.aw.valid, 1)
            ctx.set(dut.regs.aw.p.addr, RING_REGISTERS["head"].offset)
            ctx.set(dut.regs.w.payload, {"data": 7, "strb": 0xF})
            ctx.set(dut.regs.w.valid, 1)
            await ctx.tick().until(dut.regs.aw.ready)
            ctx.set(dut.regs.aw.valid, 0)
            ctx.set(dut.regs.w.valid, 0)
            assert ctx.get(dut.place) == expected
            if expected:
                assert ctx.get(dut.number) == 7
            ctx.set(dut.regs.b.ready, 1)
            await ctx.tick().repeat(2)
            ctx.set(dut.regs.b.ready, 0)

    play(test)


def test_progress(play):
    """Counts, and an interrupt for every second flagged descriptor and for the rest."""
    async def test(ctx, dut, cpu):
        await cpu.write("cr", run=1, irq_en=1, irq_threshold=2)
        ctx.set(dut.pending, 1)
        await ctx.tick()
        for k, irq in enumerate((1, 0, 1, 1)):
            await cpu.pulse(completed=1, label={"slot": 10 + k, "irq": irq})
            await cpu.pulse(acked=1, acked_span=9)
            await ctx.tick()
            assert ctx.get(dut.irq) == (k >= 2)
        await cpu.write("sr", irq=1)
        assert not ctx.get(dut.irq)
        ctx.set(dut.pending, 0)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.irq)
        assert await cpu.read("done") == {"slot": 13, "count": 4}
        assert await cpu.read("done_bytes") == {"count": 40}
        await cpu.write("cr", run=1)
        assert not ctx.get(dut.irq)                             # not enabled
        await cpu.write("cr", irq_threshold=7)
        await cpu.write("cr")                                   # 0 is not kept
        assert await cpu.read("cr") == {"irq_threshold": 7}

    play(test)


@pytest.mark.parametrize("fault", [Fault.DMA_INT, Fault.DMA_DEC, Fault.SG_SLV])
def test_error_and_reset(play, fault):
    async def test(ctx, dut, cpu):
        await cpu.write("cr", run=1, err_irq_en=1)
        await cpu.pulse(faulty=1, fault=fault, address=0x1234_5678_9ABC, write=1)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.irq) and ctx.get(dut.stop)
        assert await cpu.read("sr") == {"idle": 1, "halted": 1, "err_irq": 1, "fault": fault.value,
                                        "write": 1}
        assert await cpu.read("done") == {"count": 1}
        assert await cpu.read("err_addr") == {"addr": 0x5678_9ABC}
        assert await cpu.read("err_addr_msb") == {"addr": 0x1234}
        ctx.set(dut.busy, 1)
        await cpu.write("cr", reset=1)
        assert "reset" in await cpu.read("cr")
        assert "idle" not in await cpu.read("sr")
        ctx.set(dut.busy, 0)
        await ctx.tick().until(dut.clear)
        await ctx.tick().repeat(2)
        assert not ctx.get(dut.stop) and not ctx.get(dut.irq)
        assert await cpu.read("sr") == {"idle": 1}
        assert await cpu.read("cr") == {"irq_threshold": 1}
        for name in ("err_addr", "err_addr_msb", "done", "done_bytes", "tail"):
            assert await cpu.read(name) == {}

    play(test)


@pytest.mark.parametrize("shape, there", [("default", False), ("all", True)])
def test_writable_while_idle(play, shape, there):
    """Bits are kept where there is something behind them, and while idle; reset clears them."""
    async def test(ctx, dut, cpu):
        names = ("cyclic", "urgent", "process_id", "process_valid")
        for busy, kept in ((1, False), (0, there), (1, there)):
            ctx.set(dut.busy, busy)
            await ctx.tick()
            value = not kept or not busy
            await cpu.write("cr", cyclic=value, urgent=value)
            await cpu.write("process_id", pid=0xABCDE * value, valid=value)
            assert [ctx.get(getattr(dut, name)) for name in names] == [
                kept * value for value in (1, 1, 0xABCDE, 1)]
            control = await cpu.read("cr")
            assert ("cyclic" in control) == ("urgent" in control) == kept
            assert await cpu.read("process_id") == ({"pid": 0xABCDE, "valid": 1} if kept else {})
        ctx.set(dut.busy, 0)
        await cpu.write("cr", reset=1)
        await ctx.tick().repeat(3)
        assert not any(ctx.get(getattr(dut, name)) for name in names)

    play(test, shape)


def test_pause(play):
    async def test(ctx, dut, cpu):
        ctx.set(dut.busy, 1)
        await cpu.write("cr", run=1, pause=1)
        assert ctx.get(dut.stop)
        assert await cpu.read("sr") == {}
        ctx.set(dut.busy, 0)
        assert (await cpu.read("sr"))["paused"] == 1
        await cpu.write("cr", run=1)
        assert not ctx.get(dut.stop)
        assert await cpu.read("sr") == {"idle": 1}

    play(test)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(RingRegisters(RingParams(**SHAPES[shape])))
