"""Interrupts: levels of wires, and messages with masks, against a model."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.interrupts import SOURCES, Interrupts
from rtl.params import IommuParams

VECTORS = 4
#: What happens, one after the other: bits of ipsr rise, are cleared, or a vector is masked or not.
EVENTS = st.lists(st.one_of(
    st.tuples(st.just("raise"), st.integers(0, 1)),
    st.tuples(st.just("clear"), st.integers(0, 1)),
    st.tuples(st.just("again"), st.integers(0, 1)),
    st.tuples(st.just("mask"), st.integers(0, VECTORS - 1)),
    st.tuples(st.just("unmask"), st.integers(0, VECTORS - 1)),
    st.tuples(st.just("refuse"), st.booleans())), max_size=12)


def address(vector):
    return 0x8000_0004 + 0x1230 * vector


class Model:
    """What is sent, and what is reported."""

    def __init__(self, vectors):
        self.vectors, self.pending, self.masks, self.held = vectors, set(), set(), set()
        self.refuses, self.sent, self.faults = False, [], []

    def happen(self, what, which):
        match what:
            case "raise" if which not in self.pending:
                self.pending.add(which)
                self._begin(self.vectors[which])
            case "again" if which in self.pending:
                self._begin(self.vectors[which])
            case "clear":
                self.pending.discard(which)
            case "mask":
                self.masks.add(which)
            case "unmask":
                self.masks.discard(which)
                if which in self.held:
                    self.held.discard(which)
                    self._send(which)
            case "refuse":
                self.refuses = which

    def _begin(self, vector):
        if vector in self.masks:
            self.held.add(vector)
        else:
            self._send(vector)

    def _send(self, vector):
        (self.faults if self.refuses else self.sent).append(vector)


@given(events=EVENTS, vectors=st.tuples(*[st.integers(0, VECTORS - 1)] * 2),
       stall=st.integers(0, 3))
@settings(max_examples=10)
def test_messages(bench, events, vectors, stall):
    params = IommuParams(igs=2, phys_bits=40)
    dut = Interrupts(params)
    this = bench(dut)
    sent, faults, refuses = [], [], []

    @this.background
    async def memory(ctx):
        while True:
            addr, word, data = await ctx.tick().sample(
                dut.store.addr, dut.store.word, dut.store.data).until(dut.store.valid)
            await ctx.tick().repeat(stall + 1)
            assert ctx.get(dut.store.valid) and ctx.get(dut.store.addr) == addr
            assert word and data & 0xFFFF_FFFF == data >> 32
            ctx.set(dut.store.error, bool(refuses))
            ctx.set(dut.store.done, 1)
            if not refuses:
                sent.append((addr, data >> 32))
            await ctx.tick()
            ctx.set(dut.store.done, 0)

    @this.background
    async def queue(ctx):
        while True:
            addr = (await ctx.tick().sample(dut.fault.payload).until(dut.fault.valid))[0]
            await ctx.tick().repeat(stall + 1)
            faults.append(addr)
            ctx.set(dut.fault.ready, 1)
            await ctx.tick()
            ctx.set(dut.fault.ready, 0)

    @this.testbench
    async def testbench(ctx):
        model, regs = Model(vectors), dut.registers
        for log in (sent, faults, refuses):
            log.clear()
        for source, vector in enumerate(vectors):
            ctx.set(regs.vector[source], vector)
        for vector in range(VECTORS):
            ctx.set(regs.messages[vector].addr, address(vector) >> 2)
            ctx.set(regs.messages[vector].data, 0xABC0 + vector)
        for what, which in events:
            new = what == "raise" and which not in model.pending
            again = what == "again" and which in model.pending
            model.happen(what, which)
            ctx.set(regs.pending, sum(1 << source for source in model.pending))
            ctx.set(regs.raised, (new or again) << which)
            refuses[:] = [True] * model.refuses
            if what in ("mask", "unmask"):
                ctx.set(regs.messages[which].m, what == "mask")
            await ctx.tick()
            ctx.set(regs.raised, 0)
            await ctx.tick().repeat(2 * stall + 9)
        assert sent == [(address(vector), 0xABC0 + vector) for vector in model.sent]
        assert faults == [address(vector) for vector in model.faults]
        assert ctx.get(dut.irq) == 0

    this.run()


def test_wires(bench):
    """No message, and the level of each vector with a pending interrupt."""
    dut = Interrupts(IommuParams(igs=2))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.registers.wired, 1)
        for source, vector in enumerate((3, 1, 1, 0)):
            ctx.set(dut.registers.vector[source], vector)
        for pending in range(1 << SOURCES):
            ctx.set(dut.registers.pending, pending)
            ctx.set(dut.registers.raised, pending)
            await ctx.tick()
            ctx.set(dut.registers.raised, 0)
            await ctx.tick().repeat(3)
            levels = {(3, 1, 1, 0)[source] for source in range(SOURCES) if pending >> source & 1}
            assert ctx.get(dut.irq) == sum(1 << vector for vector in levels)
            assert not ctx.get(dut.store.valid)

    this.run()


def test_both_at_once_and_beyond_memory(bench):
    """Two that begin at once are two messages; one beyond the address width is refused here."""
    dut = Interrupts(IommuParams(igs=0, phys_bits=34))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        regs = dut.registers
        ctx.set(regs.vector[1], 1)
        ctx.set(regs.messages[0].addr, 1 << 32)         # bit 34 of the address
        ctx.set(regs.messages[1].addr, 0x400)
        ctx.set(regs.raised, 3)
        await ctx.tick()
        ctx.set(regs.raised, 0)
        (addr,) = await ctx.tick().sample(dut.fault.payload).until(dut.fault.valid)
        assert addr == 1 << 34
        assert not ctx.get(dut.store.valid)
        ctx.set(dut.fault.ready, 1)
        (addr,) = await ctx.tick().sample(dut.store.addr).until(dut.store.valid)
        assert addr == 0x1000

    this.run()


@pytest.mark.parametrize("igs", [0, 1, 2])
@pytest.mark.parametrize("vectors", [1, 16])
def test_netlist(igs, vectors):
    rtlil.convert(Interrupts(IommuParams(igs=igs, vectors=vectors)))
