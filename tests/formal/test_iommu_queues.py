"""Pointers of the in-memory queues, proved for any traffic, any memory and any length of time.

- Command queue: the head moves by one and only over a command that is there, and not over one that
  is illegal or was not read.
- Fault queue: a record is written only where there is none that software has not taken, the tail
  moves by one and never onto the head, and each fault is recorded, or counted as an overflow, or
  dropped because the queue is off or stopped or memory refused it: once.

Assumed of software: it moves its index only over entries that are its own, and leaves the base
alone while the queue is on. Of memory: a read is answered with two doublewords, once.
"""

import pytest
from amaranth import *
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped

from rtl.iommu.command_queue import CommandQueue
from rtl.iommu.fault_queue import FaultQueue
from rtl.iommu.queue_control import QueueControl
from rtl.params import IommuParams
from sim.formal import Refuted, available, prove

pytestmark = [pytest.mark.formal,
              pytest.mark.skipif(not available(), reason="formal tools are not installed")]

PARAMS = IommuParams(phys_bits=32)
_CONTROLS = ("base_low", "base_high", "index_write", "csr")


class Pointers(wiring.Component):
    """A queue's control with its engine; ``lie`` claims that its index never moves."""

    def __init__(self, engine, entry_bytes: int, *, lie: bool = False):
        self.engine, self.lie = engine, lie
        self.control = QueueControl(phys_bits=PARAMS.phys_bits, entry_bytes=entry_bytes)
        free = {name: member for name, member in engine.signature.members.items()
                if name != "queue"}
        super().__init__({**{name: self.control.signature.members[name] for name in _CONTROLS},
                          **free})

    def elaborate(self, platform):
        m = Module()
        control, engine = self.control, self.engine
        m.submodules.control = control
        m.submodules.engine = self.inside = engine.elaborate(platform)
        for name in _CONTROLS:
            connect(m, flipped(getattr(self, name)), getattr(control, name))
        connect(m, engine.queue, control.engine)
        self._outside(m, engine)

        # Indices, and how many entries of the ring are software's and how many hardware's.
        mask = Signal(16)
        m.d.comb += [
            mask.eq(Cat(control.log2sz_1 >= bit for bit in range(16))),
            Assume(~(control.base_low.stb | control.base_high.stb) | ~control.on & ~control.start),
            Assert(~control.on | ((control.hardware & ~mask) == 0)),
        ]
        before, moved, began = Signal(16), Signal(), Signal()
        m.d.sync += [before.eq(control.hardware), moved.eq(engine.queue.advance),
                     began.eq(control.start)]
        with m.If(control.on & ~began):
            m.d.comb += Assert(control.hardware == ((before + moved) & mask))
        with m.If(engine.queue.advance):
            m.d.comb += [Assert(control.on), Assert(Const(not self.lie))]
        m.d.comb += Assert(control.on | engine.queue.idle)
        self._check(m, control, engine, mask)
        return m

    def _outside(self, m, engine):
        for name in self.signature.members:
            if name in _CONTROLS:
                continue
            ours, inner = getattr(self, name), getattr(engine, name)
            member = engine.signature.members[name]
            if member.is_port:
                m.d.comb += inner.eq(ours) if member.flow is In else ours.eq(inner)
            elif member.dimensions:
                for one, other in zip(ours, inner, strict=True):
                    connect(m, flipped(one), other)
            elif member.flow is In:
                connect(m, flipped(ours), inner)
            else:
                connect(m, inner, flipped(ours))


def Past(m, value):
    """Value of a cycle ago."""
    past = Signal.like(value)
    m.d.sync += past.eq(value)
    return past


class Commands(Pointers):
    """The command queue."""

    def __init__(self, **options):
        super().__init__(CommandQueue(PARAMS), 16, **options)

    def _check(self, m, control, engine, mask):
        write, fetch = control.index_write, engine.fetch
        ready = (control.software - control.hardware) & mask
        target = (write.index - control.hardware) & mask
        owed = Signal(2)
        m.d.sync += owed.eq(Mux(fetch.request.valid & fetch.request.ready, 2,
                                owed - fetch.reply.valid))
        m.d.comb += [
            # Software only adds commands; not while the head is set to zero.
            Assume(~write.stb | ~control.on & ~control.start | (target >= ready)),
            Assume(~control.start | (control.software == 0)),
            Assume(~fetch.reply.valid | (owed != 0)),
            Assume(fetch.reply.last == (owed == 1)),
            Assert(engine.queue.idle | ~engine.queue.empty, "a command that is not there"),
            Assert(~(engine.queue.advance & (engine.illegal | engine.memory_fault))),
        ]
        with m.If(engine.queue.advance):
            m.d.comb += Assert(~engine.queue.empty)


class Faults(Pointers):
    """The fault queue."""

    def __init__(self, **options):
        super().__init__(FaultQueue(PARAMS), 32, **options)

    def _check(self, m, control, engine, mask):
        write, store = control.index_write, engine.store
        used = (control.hardware - control.software) & mask
        target = (write.index - control.software) & mask
        taken = Cat(*(port.valid & port.ready for port in engine.faults),
                    engine.message.valid & engine.message.ready)
        ends = Signal(3)
        m.d.comb += [
            # Software only takes records.
            Assume(~write.stb | ~control.on & ~control.start | (target <= used)),
            Assume(~control.start | (control.software == 0)),
            Assume(store.valid | ~store.done),
            *(Assume(~Past(m, port.valid & ~port.ready) |
                     port.valid & (port.p.as_value() == Past(m, port.p.as_value())))
              for port in engine.faults),
            Assert(engine.queue.idle | ~engine.queue.full, "no place for the record"),
            Assert(~store.valid | (store.addr[5:12] == control.hardware[:7])),
            Assert(~engine.queue.advance | (used != mask), "the tail would be the head"),
            Assert(~store.valid | self.inside.submodules.arbiter.o.valid),
            ends.eq(engine.recorded + engine.overflow + engine.memory_fault),
            Assert(engine.queue.advance == engine.recorded),
            Assert(ends <= 1), Assert(~ends.any() | taken.any()),
            Assert(~(taken.any() & engine.queue.active & ~engine.stopped) | ends.any(),
                   "a fault was lost"),
        ]


@pytest.mark.parametrize("spec", [Commands, Faults])
def test_holds(tmp_path, spec):
    prove(spec(), depth=3, work=tmp_path)


@pytest.mark.parametrize("spec", [Commands, Faults])
def test_has_teeth(tmp_path, spec):
    with pytest.raises(Refuted):
        prove(spec(lie=True), depth=12, work=tmp_path, mode="bmc")
