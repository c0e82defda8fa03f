"""Checked: finds every port, and lets a fault of the design be seen by its rule's name."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import lite
from rtl.axi import stream as axi_stream
from rtl.axi.signature import Signature
from rtl.axi.slice import Slice
from sim.axi import Manager, Memory
from sim.checked import Checked

AXI = Signature(addr_width=16, data_width=32, id_width=2)


class Everything(wiring.Component):
    """One port of each kind; the outputs are stuck at values that ``init`` gives."""

    def __init__(self):
        self.note = "kept"
        super().__init__({
            "memory": Out(AXI),
            "device": In(AXI),
            "regs": In(lite.Signature(addr_width=12)),
            "frames": Out(axi_stream.Signature(data_width=8)).array(2),
            "pair": Out(wiring.Signature({"left": Out(stream.Signature(8)),
                                          "right": In(stream.Signature(4))})),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        count = Signal(2)                       # offers 1, 2, 3, each for a cycle only
        m.d.sync += count.eq(count + 1)
        m.d.comb += self.drive(count)
        return m

    def drive(self, count):
        return []


CASES = {
    "AXI_AR_STABLE at memory": lambda dut, count: [
        dut.memory.ar.valid.eq(count != 0), dut.memory.ar.p.addr.eq(count)],
    "AXI_W_VALID at memory": lambda dut, count: [dut.memory.w.valid.eq(count == 1)],
    "AXI_AR_SIZE at memory": lambda dut, count: [
        dut.memory.ar.valid.eq(count != 0), dut.memory.ar.p.size.eq(3)],
    "AXI_R_UNKNOWN_ID at device": lambda dut, count: [dut.device.r.valid.eq(count == 2)],
    "AXIL_B_WITHOUT_AW at regs": lambda dut, count: [dut.regs.b.valid.eq(count == 2)],
    "AXIS_T_STABLE at frames_1": lambda dut, count: [
        dut.frames[1].t.valid.eq(count != 0), dut.frames[1].t.p.data.eq(count)],
    "STREAM_STABLE at pair_left": lambda dut, count: [
        dut.pair.left.valid.eq(count != 0), dut.pair.left.payload.eq(count)],
}


@pytest.mark.parametrize("message", CASES)
def test_fault(bench, message):
    dut = Everything()
    dut.drive = lambda count: CASES[message](dut, count)
    this = bench(Checked(dut))

    @this.testbench
    async def wait(ctx):
        await ctx.tick().repeat(4)

    with pytest.raises(AssertionError, match=f"violated: {message}: "):
        this.run()


def test_reset(bench):
    def run(**kwargs):
        dut = Everything()
        dut.drive = lambda count: [dut.memory.aw.valid.eq(1)]
        this = bench(Checked(dut, **kwargs))

        @this.testbench
        async def wait(ctx):
            await ctx.tick().repeat(4)

        this.run()

    run()
    with pytest.raises(AssertionError, match="violated: AXI_AW_RESET at memory: "):
        run(reset=True)


def test_depth(bench):
    dut = Everything()
    dut.drive = lambda count: [dut.memory.ar.valid.eq(1)]
    this = bench(Checked(dut, "block", depth=2))

    @this.testbench
    async def take(ctx):
        ctx.set(dut.memory.ar.ready, 1)
        await ctx.tick().repeat(4)

    with pytest.raises(AssertionError, match=r"AXI_AR_DEPTH at block\.memory: more than 2"):
        this.run()


def test_transparent(bench):
    """Ports and attributes are those of the design; legal traffic passes."""
    dut = Slice(AXI)
    checked = Checked(dut)
    assert checked.i is dut.i and checked.signature is dut.signature
    assert Checked(Everything()).note == "kept"
    assert not hasattr(checked, "nothing")
    this = bench(checked)
    Memory(checked.o, stall=0.3).attach(this)

    @this.testbench
    async def manager(ctx):
        bus = Manager(ctx, checked.i)
        await bus.write(0x100, [1, 2, 3])
        assert (await bus.read(0x100, 3))[0] == [1, 2, 3]

    this.run()


def test_netlist():
    assert "AXIL_R_WITHOUT_AR" in rtlil.convert(Checked(Everything()), ports=[])
