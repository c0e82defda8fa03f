"""Waveforms: large memories stay out, and the save file groups by block."""

import pytest
from amaranth import *
from amaranth.lib import enum, memory, stream, wiring
from amaranth.lib.wiring import In, connect
from amaranth.sim import Simulator

from sim.pysim import TRACED_ROWS, QuietPySimEngine
from sim.waves import variables, write_save_file


class Color(enum.Enum, shape=1):
    RED = 0
    BLUE = 1


class Block(wiring.Component):
    i: In(stream.Signature(Color))

    def __init__(self, depth):
        self.depth = depth
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(shape=8, depth=self.depth, init=[])
        port = store.write_port()
        m.d.comb += [port.en.eq(1), port.data.eq(0x55)]
        with m.FSM(name="walk"):
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & (self.i.payload == Color.RED)):
                    m.next = "BUSY"
            with m.State("BUSY"):
                m.next = "IDLE"
        return m


class Design(Elaboratable):
    def __init__(self, depth):
        self.depth = depth

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = Block(self.depth)
        source = stream.Signature(Color).create()
        connect(m, source, block.i)
        return m


@pytest.fixture
def record(tmp_path):
    def run(depth):
        simulator = Simulator(Design(depth), engine=QuietPySimEngine)
        simulator.add_clock(1e-8)
        with simulator.write_vcd(str(tmp_path / "x.vcd")):
            simulator.run_until(1e-7)
        return tmp_path / "x.vcd"
    return run


def test_large_memory_is_left_out(record):
    small = [var for var in variables(record(TRACED_ROWS)) if "store[" in var.name]
    large = [var for var in variables(record(TRACED_ROWS + 1)) if "store[" in var.name]
    assert (len(small), len(large)) == (TRACED_ROWS, 0)


def test_save_file(record):
    path = record(TRACED_ROWS + 1)
    save = write_save_file(path, {"The block": ("bench", "top", "block")})
    assert save == path.with_suffix(".gtkw")
    lines = save.read_text().splitlines()
    assert str(path.resolve()) in lines[0]
    group = lines[lines.index("-The block"):]
    state = next(i for i, line in enumerate(group) if line.endswith("block.walk_state"))
    port = next(i for i, line in enumerate(group) if line.endswith("block.i__valid"))
    assert state < port
    text = path.read_text()
    assert "IDLE" in text and "RED" in text
