"""Waveforms have the values of Amaranth's own at every time, and the same names."""

import io
import re

import pytest
from amaranth.hdl import *
from amaranth.lib import data, enum, memory

from sim.engine import EngineError
from sim.engine.run.vcd import MAX_ROWS
from tests.sim.engine.compare import COMPILED, PERIOD, changes, same


class Colour(enum.Enum, shape=3):
    RED = 1
    BLACK = 0
    DARK_BLUE = 5


class Wide(enum.Enum, shape=12):
    FIRST = 0
    LAST = 0xfff


PACKET = data.StructLayout({"colour": Colour, "body": data.ArrayLayout(signed(5), 3), "rest": 70})


class Design:
    """Something of everything that a waveform shows."""

    def __init__(self, rows=4):
        self.module = m = Module()
        self.go = Signal()
        self.packet = Signal(PACKET)
        self.wide = Signal(Wide)
        self.number = Signal(signed(7))
        self.big = Signal(130)
        self.outside = Signal(4)
        m.submodules.inner = inner = Module()
        inner.submodules.store = self.store = memory.Memory(
            shape=data.StructLayout({"a": Colour, "b": 9}), depth=rows, init=[])
        write = self.store.write_port()
        count = Signal(range(2 * rows))
        m.d.sync += [count.eq(count + 1), self.number.eq(self.number - 3),
                     self.big.eq(self.big * 3 + self.go), self.wide.eq(Mux(count[0], 0xfff, 7))]
        m.d.comb += [self.packet.eq(Cat(count, self.big)), write.addr.eq(count),
                     write.data.eq(count * 77), write.en.eq(self.go)]
        with m.FSM(name="walk"):
            with m.State("IDLE"):
                with m.If(self.go):
                    m.next = "BUSY"
            with m.State("BUSY"):
                m.next = "IDLE"


def record(make, design, traces=(), cycles=40):
    simulator = make(design.module)
    simulator.add_clock(PERIOD)

    async def testbench(ctx):
        await ctx.tick().repeat(5)
        ctx.set(design.go, 1)
        for n in range(cycles):
            await ctx.tick()
            ctx.set(design.outside, n)
        ctx.set(design.go, 0)
        await ctx.delay(0.3 * PERIOD)
        ctx.set(design.store.data[1], {"a": Colour.RED, "b": 3})
        await ctx.delay(0.3 * PERIOD)

    simulator.add_testbench(testbench)
    vcd, save = io.StringIO(), io.StringIO()
    vcd.name, vcd.close, save.close = "waves.vcd", lambda: None, lambda: None
    with simulator.write_vcd(vcd, save, traces=traces):
        simulator.run()
    return changes(vcd.getvalue()), re.sub(r"(?m)^\[(dumpfile_size|savefile|date).*", "",
                                           save.getvalue())


def test_values_names_and_save_file():
    def scenario(make):
        design = Design()
        (values, _), save = record(make, design, traces=[
            design.packet, {"more": [design.outside, design.big]}, design.store.data])
        return values, save

    values, save = same(scenario)
    assert ("sBUSY/1" in {value for _, value in values["bench.top.walk_state"]})
    assert {"sRED", "sDARK_BLUE", "s[unknown]"} <= {
        value for _, value in values["bench.top.\\packet.colour"]}
    assert "sLAST" in {value for _, value in values["bench.top.wide"]}
    assert len(values["bench.outside"]) > 10
    assert len([name for name in values if "store[" in name]) == 12
    assert "packet.body[2]" in save


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_large_memory_is_not_listed(make):
    design = Design(MAX_ROWS + 1)
    (values, _), _ = record(make, design, traces=[design.store.data, design.go])
    assert not [name for name in values if "store[" in name]
    assert values["bench.top.go"]


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_long_waveform(make):
    """More than the buffer holds at once."""
    design = Design()
    (values, time), _ = record(make, design, cycles=8_000)
    assert len(values["bench.top.number"]) > 8_000
    assert time > 8_000 * PERIOD * 1e15


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
def test_waveform_refusals(make):
    simulator = make(Design().module)
    with pytest.raises(EngineError, match=r"^Waveforms of delta cycles cannot be written"), \
            simulator.write_vcd(io.StringIO(), fs_per_delta=1):
        pass
    first = io.StringIO()
    first.name = "first"
    with pytest.raises(EngineError, match=r"^Only one waveform can be written at a time$"), \
            simulator.write_vcd(first), simulator.write_vcd(io.StringIO()):
        pass


def test_file_on_disk(tmp_path):
    """Bytes that go past the text layer stay in order with those that do not."""
    def scenario(make):
        m = Module()
        count, outside = Signal(70), Signal(4)
        m.d.sync += count.eq(count * 3 + 1)
        simulator = make(m)
        simulator.add_clock(PERIOD)

        async def testbench(ctx):
            for n in range(300):
                await ctx.tick()
                ctx.set(outside, n)

        simulator.add_testbench(testbench)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.vcd"
        with simulator.write_vcd(str(path), traces=[outside]):
            simulator.run()
        return changes(path.read_text())
    values, _ = same(scenario)
    assert any(len(steps) > 250 for steps in values.values())
