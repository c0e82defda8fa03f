"""Flat: standard names, true widths, and every pin reaches its port."""

from functools import partial

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.axi import stream as axi_stream
from rtl.axi.pins import Flat
from rtl.axi.signature import Signature, dma_user_layout
from rtl.axi.slice import Slice

AXI = Signature(addr_width=40, data_width=64, id_width=4, user=dma_user_layout())

#: Pins of the specification, with the widths that this bus must have.
ADDRESS = {"id": 4, "addr": 40, "len": 8, "size": 3, "burst": 2, "lock": 1, "cache": 4, "prot": 3,
           "qos": 4, "user": 46, "valid": 1, "ready": 1}
PINS = {
    **{f"aw{name}": width for name, width in ADDRESS.items()},
    **{f"ar{name}": width for name, width in ADDRESS.items()},
    "wdata": 64, "wstrb": 8, "wlast": 1, "wvalid": 1, "wready": 1,
    "bid": 4, "bresp": 2, "buser": 1, "bvalid": 1, "bready": 1,
    "rid": 4, "rdata": 64, "rresp": 2, "rlast": 1, "ruser": 1, "rvalid": 1, "rready": 1,
}
#: Those that a manager takes in.
TAKES = {"awready", "wready", "bid", "bresp", "buser", "bvalid", "arready",
         "rid", "rdata", "rresp", "rlast", "ruser", "rvalid"}


def pins(component) -> dict[str, tuple[str, int]]:
    members = Flat(component).signature.members
    return {name: (member.flow.name, Shape.cast(member.shape).width)
            for name, member in members.items()}


def test_axi():
    expected = {}
    for pin, width in PINS.items():
        taken = pin in TAKES
        expected[f"m_axi_o_{pin}"] = ("In" if taken else "Out", width)
        expected[f"s_axi_i_{pin}"] = ("Out" if taken else "In", width)
    assert pins(Slice(AXI)) == expected


def test_no_user():
    assert not any("user" in name for name in pins(Slice(Signature(addr_width=32))))


class Mixed(wiring.Component):
    regs: In(lite.Signature(addr_width=12))
    video: Out(axi_stream.Signature(data_width=16))
    jobs: In(stream.Signature(data.StructLayout({"addr": 8, "none": 0}))).array(2)
    count: Out(stream.Signature(5))
    debug: Out(wiring.Signature({"state": Out(3), "hold": In(1)}))
    irq: Out(data.ArrayLayout(1, 4))

    def elaborate(self, platform):
        return Module()


def test_other_ports():
    assert pins(Mixed()) == {
        **{f"s_axil_regs_{name}": flow for name, flow in {
            "awaddr": ("In", 12), "awprot": ("In", 3), "awvalid": ("In", 1), "awready": ("Out", 1),
            "wdata": ("In", 32), "wstrb": ("In", 4), "wvalid": ("In", 1), "wready": ("Out", 1),
            "bresp": ("Out", 2), "bvalid": ("Out", 1), "bready": ("In", 1),
            "araddr": ("In", 12), "arprot": ("In", 3), "arvalid": ("In", 1), "arready": ("Out", 1),
            "rdata": ("Out", 32), "rresp": ("Out", 2), "rvalid": ("Out", 1), "rready": ("In", 1),
        }.items()},
        "m_axis_video_tdata": ("Out", 16), "m_axis_video_tkeep": ("Out", 2),
        "m_axis_video_tlast": ("Out", 1), "m_axis_video_tvalid": ("Out", 1),
        "m_axis_video_tready": ("In", 1),
        "jobs_0_addr": ("In", 8), "jobs_0_valid": ("In", 1), "jobs_0_ready": ("Out", 1),
        "jobs_1_addr": ("In", 8), "jobs_1_valid": ("In", 1), "jobs_1_ready": ("Out", 1),
        "count_payload": ("Out", 5), "count_valid": ("Out", 1), "count_ready": ("In", 1),
        "debug_state": ("Out", 3), "debug_hold": ("In", 1), "irq": ("Out", 4),
    }


class Through(wiring.Component):
    """Wires only: what goes in comes out."""

    i: In(AXI)
    o: Out(AXI)

    def elaborate(self, platform):
        m = Module()
        connect(m, flipped(self.i), flipped(self.o))
        return m


def test_pins_reach_their_ports(bench):
    dut = Flat(Through())
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for pin, width in PINS.items():
            names = [f"s_axi_i_{pin}", f"m_axi_o_{pin}"]
            source, sink = map(partial(getattr, dut), names[::-1] if pin in TAKES else names)
            for value in (1 << (width - 1), (1 << width) - 1, 0):
                ctx.set(source, value)
                await ctx.delay(1e-9)
                assert ctx.get(sink) == value, pin

    this.run()


def test_same_name():
    class Clash(wiring.Component):
        a: In(stream.Signature(1))
        a_valid: In(1)

    with pytest.raises(ValueError, match=r"^Pin 'a_valid' would stand for two signals$"):
        Flat(Clash())


def test_netlist():
    text = rtlil.convert(Flat(Slice(AXI)))
    assert "wire width 40 input" in text and "\\s_axi_i_awaddr" in text
    assert "wire width 1 input" in text and "\\clk" in text
