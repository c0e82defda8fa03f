"""Error: one answer a write, all beats of a read, for AXI4 and AXI4-Lite."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.axi import lite
from rtl.axi.error import Error
from rtl.axi.signature import Resp, Signature
from sim.axi_lite import BusError, Manager
from sim.checked import Checked

from .traffic import Access, drive

AXI = Signature(addr_width=16, data_width=64, id_width=3)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("resp", [Resp.DECERR, Resp.SLVERR])
def test_bursts(bench, stall, resp):
    dut = Checked(Error(AXI, resp))
    this = bench(dut)
    random = Random(1)
    drive(this, dut.bus, [
        Access(random.random() < 0.5, random.randrange(8), 0, random.choice([0, 1, 7, 255]),
               resp=resp) for _ in range(12)], stall=stall)
    this.run()


def test_lite(bench):
    dut = Checked(Error(lite.Signature(addr_width=8)))
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        for addr in (0, 4):
            with pytest.raises(BusError, match=f"^DECERR at {addr:#x}$"):
                await bus.readl(addr)
            with pytest.raises(BusError, match=f"^DECERR at {addr:#x}$"):
                await bus.writel(1, addr)

    this.run()


@pytest.mark.parametrize("signature", [AXI, lite.Signature(addr_width=8)], ids=repr)
def test_netlist(signature):
    rtlil.convert(Error(signature))
