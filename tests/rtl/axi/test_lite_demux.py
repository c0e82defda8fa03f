"""AXI4-Lite demultiplexer: register files side by side, DECERR between them."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from rtl.axi import lite
from rtl.axi.lite_demux import Demux
from rtl.regs.regfile import RegisterFile
from rtl.spec.regmap import Access, Field, Register, RegisterMap
from sim.axi_lite import BusError, Manager
from sim.checked import Checked
from sim.streams import collect, send

REGMAP = RegisterMap("r", "", (
    Register("a", 0, "", (Field("v", 0, 32, Access.RW, ""),)),
    Register("b", 0xFFC, "", (Field("v", 0, 32, Access.RW, ""),)),
))
BASES = [0x1000_0000, 0x1004_0000]


class Pair(wiring.Component):
    bus: In(lite.Signature(addr_width=32))

    def elaborate(self, platform):
        m = Module()
        m.submodules.demux = demux = Demux(32, {"low": BASES[0], "high": BASES[1]})
        wiring.connect(m, wiring.flipped(self.bus), demux.bus)
        for name in ("low", "high"):
            m.submodules[name] = block = RegisterFile(REGMAP)
            wiring.connect(m, getattr(demux.ports, name), block.bus)
        return m


def test_windows(bench):
    dut = Checked(Pair())
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        for base in BASES:
            await bus.writel(base, base)
            await bus.writel(base + 1, base + 0xFFC)
        for base in BASES:
            assert await bus.readl(base) == base
            assert await bus.readl(base + 0xFFC) == base + 1
        for addr in (0, BASES[0] + 0x1000, BASES[0] - 4, BASES[1] + 0x1000, 0xFFFF_FFFC):
            with pytest.raises(BusError, match=f"^DECERR at {addr:#x}$"):
                await bus.readl(addr)
            with pytest.raises(BusError, match=f"^DECERR at {addr:#x}$"):
                await bus.writel(0, addr)
        assert await bus.readl(BASES[1]) == BASES[1]

    this.run()


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_pipelined(bench, stall):
    """Addresses ahead of their answers; the order of the answers is that of the addresses."""
    dut = Checked(Pair())
    this = bench(dut)
    addresses = [BASES[0], 0, BASES[0], BASES[1], BASES[1], BASES[0] + 0xFFC, 0, 0, BASES[1]] * 3

    @this.testbench
    async def driver(ctx):
        await Manager(ctx, dut.bus).writel(77, BASES[1])
        await send(ctx, dut.bus.ar, ({"addr": addr} for addr in addresses), stall=stall)

    @this.testbench
    async def answers(ctx):
        got = await collect(ctx, dut.bus.r, len(addresses), stall=stall)
        assert [(beat.data, beat.resp) for beat in got] == [
            (77 if addr == BASES[1] else 0, lite.Resp.OKAY if addr else lite.Resp.DECERR)
            for addr in addresses]

    this.run()


def test_netlist():
    rtlil.convert(Demux(32, {"low": BASES[0], "high": BASES[1]}))
    rtlil.convert(Demux(13, {"only": 0x1000}, data_width=64))


def test_wrong_windows():
    with pytest.raises(ValueError, match=r"^Base of a window must be a multiple of 0x1000 within "
                                         r"32 address bits, not 0x10000004$"):
        Demux(32, {"a": 0x1000_0004})
    with pytest.raises(ValueError, match=r"^Windows at 0x1000 and 0x1000 overlap$"):
        Demux(32, {"a": 0x1000, "b": 0x1000})
