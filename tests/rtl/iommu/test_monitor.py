"""Counters of the performance monitor, against those of the golden model."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.iommu.monitor import Monitor
from rtl.params import IommuParams
from rtl.spec.hpm import IOHPMEVT, HpmEvent
from sim.golden.iommu import monitor as golden

PARAMS = IommuParams(hpm=True, sv39x4=True, counters=3, counter_bits=33)
SOURCES = 3

#: Few values, so that filters match now and then.
idents = st.sampled_from([0, 1, 3, 4, 5, 7, 0x7F])
selectors = st.builds(
    IOHPMEVT.pack, event=st.integers(0, 11), dmask=st.integers(0, 1), pid_pscid=idents,
    did_gscid=idents, pv_pscv=st.integers(0, 1), dv_gscv=st.integers(0, 1), idt=st.integers(0, 1),
    of=st.sampled_from([0, 0, 0, 1]))
events = st.tuples(
    st.sampled_from(sorted(HpmEvent)[1:]), idents, st.none() | idents, st.none() | idents,
    st.none() | idents)
counts = st.sampled_from([0, 2**32 - 1, 2**33 - 1, 2**33 - 2, 2**64 - 1])
steps = st.one_of(
    st.tuples(st.just("events"), st.lists(events, min_size=1, max_size=SOURCES)),
    st.tuples(st.just("events"), st.lists(events, min_size=1, max_size=SOURCES)),
    st.tuples(st.just("select"), st.integers(1, 3), selectors, st.integers(0, 1)),
    st.tuples(st.just("count"), st.integers(0, 3), counts, st.integers(0, 1)),
    st.tuples(st.just("inhibit"), st.integers(0, 15)))


async def act(ctx, dut, model, step):
    """Do one step to both; the model gets what only hardware knows the time of from outside."""
    kind = step[0]
    if kind == "events":
        for k, (event, did, pid, gscid, pscid) in enumerate(step[1]):
            model.who = golden.Who(did, pid, gscid, pscid)
            model.seen(event)
            ctx.set(dut.sources[k].valid, 1)
            ctx.set(dut.sources[k].p, {
                "event": event, "origin": {"did": did, "process": pid is not None, "pid": pid or 0},
                "guest": gscid is not None, "gscid": gscid or 0,
                "paged": pscid is not None, "pscid": pscid or 0})
        await ctx.tick()
        for source in dut.sources:
            ctx.set(source.valid, 0)
        return
    if kind == "inhibit":
        await ctx.tick().repeat(3)      # what was seen before is counted
        model.write(0x5C, step[1])
        ctx.set(dut.registers.inhibit, step[1] & 1)
        for k, counter in enumerate(dut.counters):
            ctx.set(counter.inhibit, step[1] >> k + 1 & 1)
        return
    _, number, value, half = step
    await ctx.tick().repeat(3)
    base = 0x160 - 8 if kind == "select" else 0x60
    word = value >> 32 * half & 0xFFFF_FFFF
    model.write(base + 8 * number + 4 * half, word)
    if number:
        port, name = dut.counters[number - 1], f"{kind}_stb"
        ctx.set(port.value, word)
    else:
        port, name = dut.registers, "cycles_stb"
        ctx.set(port.value, word)
    ctx.set(getattr(port, name), 1 << half)
    await ctx.tick()
    ctx.set(getattr(port, name), 0)


@given(todo=st.lists(steps, max_size=60))
def test_counts_as_the_model_does(bench, todo):
    dut = Monitor(PARAMS, SOURCES)
    this = bench(dut)

    @this.background
    async def interrupts(ctx):
        ctx.set(dut.registers.inhibit, 0)
        while True:
            *_, strobe = await ctx.tick().sample(dut.registers.overflow)
            seen.append(strobe)

    @this.testbench
    async def testbench(ctx):
        overflows = []
        model = golden.Monitor(3, 33, lambda: overflows.append(1))
        ctx.set(dut.registers.inhibit, 1)
        model.write(0x5C, 1)
        for step in todo:
            if step[0] == "inhibit":
                step = ("inhibit", step[1] | 1)
            await act(ctx, dut, model, step)
        await ctx.tick().repeat(3)
        for k, counter in enumerate(dut.counters):
            count, select = (model.read(at) | model.read(at + 4) << 32
                             for at in (0x68 + 8 * k, 0x160 + 8 * k))
            assert (ctx.get(counter.count), ctx.get(counter.select)) == (count, select)
        assert any(seen) == bool(overflows) and sum(seen) <= len(overflows)

    seen = []
    this.run()


def test_all_sources_count_in_one_cycle_and_an_overflow_tells_once(bench):
    dut = Monitor(PARAMS, SOURCES)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        port = dut.counters[0]
        for half, word in enumerate((0xFFFF_FFFE, 1)):
            ctx.set(port.value, word)
            ctx.set(port.count_stb, 1 << half)
            await ctx.tick()
        ctx.set(port.count_stb, 0)
        ctx.set(port.value, HpmEvent.TLB_MISS)
        ctx.set(port.select_stb, 1)
        await ctx.tick()
        ctx.set(port.select_stb, 0)
        for source in dut.sources:
            ctx.set(source.valid, 1)
            ctx.set(source.p.event, HpmEvent.TLB_MISS)
        strobes = []
        for _ in range(6):
            *_, strobe = await ctx.tick().sample(dut.registers.overflow)
            strobes.append(strobe)
        assert strobes == [0, 0, 1, 0, 0, 0]
        assert ctx.get(port.count) == 4 * 3 - 2
        assert ctx.get(port.select) >> 63 == 1

    this.run()


@pytest.mark.parametrize("bits", [33, 64])
def test_cycles(bench, bits):
    dut = Monitor(IommuParams(hpm=True, counters=1, counter_bits=bits), 1)
    this = bench(dut)
    wide = min(bits, 63)

    @this.testbench
    async def testbench(ctx):
        regs, start = dut.registers, (1 << wide) - 3
        for half in (1, 0):
            ctx.set(regs.value, start >> 32 * half & 0xFFFF_FFFF & ~(half << 31))
            ctx.set(regs.cycles_stb, 1 << half)
            await ctx.tick()
        ctx.set(regs.cycles_stb, 0)
        seen = []
        for _ in range(6):
            *_, cycles, strobe = await ctx.tick().sample(regs.cycles, regs.overflow)
            seen.append((cycles, strobe))
        over = 1 << 63
        assert seen == [(start, 0), (start + 1, 0), (start + 2, 1), (over, 0), (over | 1, 0),
                        (over | 2, 0)]
        ctx.set(regs.inhibit, 1)
        await ctx.tick()
        held = ctx.get(regs.cycles)
        await ctx.tick().repeat(3)
        assert ctx.get(regs.cycles) == held

    this.run()


@pytest.mark.parametrize("params, n", [({"counters": 1, "counter_bits": 33}, 1),
                                       ({"counters": 3, "counter_bits": 64, "sv39x4": True}, 9)])
def test_netlist(params, n):
    rtlil.convert(Monitor(IommuParams(hpm=True, **params), n))
