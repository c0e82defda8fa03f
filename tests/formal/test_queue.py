"""Queue, proved for any traffic and any length of time, at several depths."""

import pytest
from amaranth import *
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.stream.queue import Queue
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]


class Spec(wiring.Component):
    """What went into a place of the store comes out of it, and places are used in turn.

    One place is watched, any one. Together with the pointers, which are claimed to be right, that
    makes the order first in, first out. An induction needs to see the store, so a port is added.
    """

    i: In(stream.Signature(2))
    o: Out(stream.Signature(2))

    def __init__(self, depth: int, *, spare: int = 0):
        super().__init__()
        self.dut, self.depth, self.spare = Queue(2, depth), depth, spare

    def elaborate(self, platform):
        m = Module()
        dut, depth = self.dut, self.depth
        m.submodules.dut = inside = dut.elaborate(platform)
        connect(m, flipped(self.i), dut.i)
        connect(m, dut.o, flipped(self.o))
        push, pop = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready

        tail, head = Signal(range(depth)), Signal(range(depth))
        with m.If(push):
            m.d.sync += tail.eq(Mux(tail == depth - 1, 0, tail + 1))
        with m.If(pop):
            m.d.sync += head.eq(Mux(head == depth - 1, 0, head + 1))
        m.d.comb += [
            Assert(dut.level <= depth - self.spare),
            Assert(dut.i.ready == (dut.level != depth)),
            Assert(dut.o.valid == (dut.level != 0)),
            Assert((tail < depth) & (head < depth)),
            Assert(tail == Mux(head + dut.level < depth, head + dut.level,
                               head + dut.level - depth)),
        ]

        place = AnyConst(range(depth))
        went_in, used = Signal(2), Signal()     # into the watched place, and is still there
        m.d.comb += Assume(place < depth)
        with m.If(pop & (head == place)):
            m.d.sync += used.eq(0)
        with m.If(push & (tail == place)):
            m.d.sync += [used.eq(1), went_in.eq(dut.i.payload)]
        distance = Mux(place >= head, place - head, place + depth - head)
        m.d.comb += Assert(used == (distance[:8] < dut.level))
        with m.If(dut.o.valid & (head == place)):
            m.d.comb += Assert(dut.o.payload == went_in, "came out changed")

        if depth > 1:
            store = inside.submodules.store
            watch, first = store.read_port(domain="comb"), store.read_port(domain="comb")
            write, read = store.write_ports[0], store.read_ports[0]
            m.d.comb += [
                watch.addr.eq(place),
                first.addr.eq(head),
                Assert(write.addr == tail),
                Assert(read.addr == head),
            ]
            with m.If(used):
                m.d.comb += Assert(watch.data == went_in)
            with m.If(dut.o.valid):
                m.d.comb += Assert(dut.o.payload == first.data)
        return m


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_holds(tmp_path, depth):
    prove(Spec(depth), depth=2, work=tmp_path)


def test_has_teeth(tmp_path):
    """It is not true that one place is always free."""
    with pytest.raises(Refuted):
        prove(Spec(3, spare=1), depth=6, work=tmp_path, mode="bmc")
