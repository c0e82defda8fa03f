"""RegisterFile: every kind of register of a map, over its bus."""

import pytest
from amaranth.back import rtlil

from rtl.regs.regfile import RegisterFile
from rtl.spec.cache_regs import CACHE_REGISTERS
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.regmap import Access, Field, Register, RegisterMap
from sim.axi_lite import BusError, Manager
from sim.streams import get

REGMAP = RegisterMap("example", "One register of each kind.", (
    Register("control", 0x00, "Control.", (
        Field("enable", 0, 1, Access.RW, "Run."),
        Field("beats", 8, 9, Access.RW, "Longest burst.", reset=16))),
    Register("status", 0x04, "Status.", (
        Field("busy", 0, 1, Access.RO, "Busy."),
        Field("done", 1, 2, Access.W1C, "Done."))),
    Register("doorbell", 0x08, "Doorbell.", (Field("index", 4, 8, Access.WO, "Index."),)),
    Register("mode", 0x10, "Mode.", (Field("mode", 2, 4, Access.WARL, "Mode."),)),
))


@pytest.fixture
def dut():
    return RegisterFile(REGMAP, addr_width=8)


def test_storage(bench, dut):
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        assert await bus.readl(0) == REGMAP["control"].reset == 0x1000
        await bus.writel(0x1001, 0)
        assert await bus.readl(0) == 0x1001
        assert ctx.get(dut.fields.control.enable) == 1
        assert await bus.readl(0x0C) == 0           # reserved
        await bus.writel(0xFFFF_FFFF, 0x0C)
        with pytest.raises(BusError, match="SLVERR at 0x0"):
            await bus.writel(0, 0, strb=0b0001)
        assert await bus.readl(0) == 0x1001

    this.run()


def test_set_wins_over_clear(bench, dut):
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        ctx.set(dut.fields.status.busy, 1)
        ctx.set(dut.fields.status.done, 0b11)
        await bus.writel(0b010, 4)
        ctx.set(dut.fields.status.done, 0)
        assert await bus.readl(4) == 0b111
        await bus.writel(0b010, 4)
        assert await bus.readl(4) == 0b101
        assert ctx.get(dut.fields.status.done_q) == 0b10

    this.run()


def test_hardware_clears(bench, dut):
    """Also in the cycle of a write that would keep the bit, and never against a set."""
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus, status = Manager(ctx, dut.bus), dut.fields.status
        ctx.set(status.done, 0b11)
        await ctx.tick()
        ctx.set(status.done, 0b01)
        ctx.set(status.done_clr, 0b11)
        await ctx.tick()
        ctx.set(status.done, 0)
        ctx.set(status.done_clr, 0)
        assert await bus.readl(4) == 0b010
        ctx.set(status.done_clr, 0b01)
        await bus.writel(0, 4)
        assert await bus.readl(4) == 0

    this.run()


@pytest.mark.parametrize("name, field, offset, value", [
    ("doorbell", "index", 8, 0x5A << 4), ("mode", "mode_w", 0x10, 9 << 2),
    ("control", "beats", 0, 0x55 << 8)])
def test_strobe(bench, dut, name, field, offset, value):
    """One cycle, in which the written value is there."""
    this = bench(dut)
    port = getattr(dut.fields, name)

    @this.testbench
    async def driver(ctx):
        await Manager(ctx, dut.bus).writel(value, offset)

    @this.testbench
    async def hardware(ctx):
        (got,) = await ctx.tick().sample(getattr(port, field)).until(port.w_stb)
        assert got == REGMAP[name][field.removesuffix("_w")].get(value)
        *_, again = await ctx.tick().sample(port.w_stb)
        assert not again

    this.run()


def test_warl_reads_what_hardware_keeps(bench, dut):
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        ctx.set(dut.fields.mode.mode, 5)
        await bus.writel(0xFFFF_FFFF, 0x10)
        assert await bus.readl(0x10) == 5 << 2
        await bus.writel(0xFFFF_FFFF, 8)
        assert await bus.readl(8) == 0              # write-only

    this.run()


def test_clear(bench, dut):
    """Stored values return to reset, and a read that waits for its turn is still answered."""
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        await bus.writel(0x0501, 0)
        ctx.set(dut.fields.status.done, 0b11)
        await ctx.tick()
        ctx.set(dut.fields.status.done, 0)
        assert await bus.readl(4) == 0b110
        ctx.set(dut.bus.ar.p.addr, 4)
        ctx.set(dut.bus.ar.valid, 1)
        ctx.set(dut.clear, 1)
        await ctx.tick().until(dut.bus.ar.ready)
        ctx.set(dut.bus.ar.valid, 0)
        ctx.set(dut.clear, 0)
        await get(ctx, dut.bus.r)
        assert await bus.readl(0) == REGMAP["control"].reset
        assert await bus.readl(4) == 0

    this.run()


def test_too_narrow():
    with pytest.raises(ValueError, match=r"^Register map 'example' needs 5 address bits, not 4$"):
        RegisterFile(REGMAP, addr_width=4)


@pytest.mark.parametrize("regmap", [REGMAP, CDMA_REGISTERS, IOMMU_REGISTERS, CACHE_REGISTERS],
                         ids=lambda regmap: regmap.name)
def test_netlist(regmap):
    rtlil.convert(RegisterFile(regmap))
