"""A bus whose addresses are moved: nothing else is."""

import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from rtl.axi.offset import Offset
from rtl.axi.signature import Signature

SIGNATURE = Signature(addr_width=32, data_width=64, id_width=4)


@pytest.mark.parametrize("amount", [0, 0x4000_0000, -0x1000])
def test_addresses_move_and_nothing_else(amount):
    dut = Offset(SIGNATURE, amount)

    async def testbench(ctx):
        for name in ("aw", "ar"):
            source, sink = getattr(dut.i, name), getattr(dut.o, name)
            ctx.set(source.payload, {"addr": 0x8000_1238, "len": 7, "id": 5})
            ctx.set(source.valid, 1)
            assert ctx.get(sink.valid) == 1 and ctx.get(source.ready) == 0
            assert ctx.get(sink.p.addr) == 0x8000_1238 + amount & 0xFFFF_FFFF
            assert (ctx.get(sink.p.len), ctx.get(sink.p.id)) == (7, 5)
            ctx.set(sink.ready, 1)
            assert ctx.get(source.ready) == 1
        ctx.set(dut.i.w.payload, {"data": 99, "last": 1})
        ctx.set(dut.o.r.payload, {"data": 77, "id": 3})
        ctx.set(dut.o.b.payload, {"id": 9})
        ctx.set(dut.o.r.valid, 1)
        assert ctx.get(dut.o.w.p.data) == 99 and ctx.get(dut.o.w.p.last) == 1
        assert ctx.get(dut.i.r.p.data) == 77 and ctx.get(dut.i.r.valid) == 1
        assert ctx.get(dut.i.b.p.id) == 9

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()


def test_amount_is_whole_pages():
    with pytest.raises(ValueError, match="Offset of addresses must be a multiple of 4096, not 0x8"):
        Offset(SIGNATURE, 8)


def test_netlist():
    assert "module" in rtlil.convert(Offset(SIGNATURE, 4096))
