"""Translation requests: their way through a channel, and what the registers read."""

from collections import deque

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.debug_request import DebugRequest
from rtl.iommu.debug_tap import DebugTap
from sim.streams import collect, send

IDS, MARK = 4, 16                       # ID width outside, and the bit that tells a request
ACCESSES = st.lists(st.integers(0, 15), max_size=8)


@given(accesses=ACCESSES, requests=st.integers(0, 3), refusals=st.lists(st.booleans(), max_size=11),
       stall=st.sampled_from([0.0, 0.5]))
@settings(max_examples=15)
def test_tap(bench, accesses, requests, refusals, stall):
    """Accesses pass in order with all they had; requests have results and are seen nowhere else."""
    dut = DebugTap(id_width=IDS, phys_bits=40)
    this = bench(dut)
    verdicts = deque(refusals)
    passing = [n for n in range(len(accesses))]

    @this.testbench
    async def device(ctx):
        await send(ctx, dut.i, [
            {"id": axid, "addr": n << 12, "len": n} for n, axid in enumerate(accesses)],
            stall=stall, seed=1)

    results = []

    @this.testbench
    async def software(ctx):
        results.clear()
        for n in range(requests):
            ctx.set(dut.ask.p.addr, (0x800 + n) << 12)
            ctx.set(dut.ask.valid, 1)
            await ctx.tick().until(dut.ask.ready)
            ctx.set(dut.ask.valid, 0)
            while len(results) == n:
                await ctx.tick()

    @this.background
    async def found(ctx):
        async for *_, valid, fault, page in ctx.tick().sample(
                dut.found.valid, dut.found.fault, dut.found.page):
            if valid:
                results.append("fault" if fault else page)

    seen = {"memory": [], "answered": [], "requests": []}

    @this.background
    async def translator(ctx):
        """Adds 1 to the page of what it passes, one access at a time."""
        waiting = deque(verdicts)
        for log in seen.values():
            log.clear()
        while True:
            ctx.set(dut.inner.i.ready, 1)
            (access,) = await ctx.tick().sample(dut.inner.i.payload).until(dut.inner.i.valid)
            ctx.set(dut.inner.i.ready, 0)
            refuse = waiting.popleft() if waiting else False
            if access.id & MARK:
                seen["requests"].append("fault" if refuse else (access.addr >> 12) + 1)
            out = dut.inner.refused if refuse else dut.inner.o
            ctx.set(out.p.id, access.id)
            ctx.set(out.p.len, access.len)
            if not refuse:
                ctx.set(dut.inner.o.p.addr, access.addr + 0x1000)
                ctx.set(dut.inner.passed.id, access.id)
                ctx.set(dut.inner.passed.valid, 1)
            ctx.set(out.valid, 1)
            assert ctx.get(dut.passed.valid) == (not refuse and not access.id & MARK)
            await ctx.tick().until(out.ready)
            ctx.set(out.valid, 0)
            ctx.set(dut.inner.passed.valid, 0)

    @this.background
    async def sinks(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.refused.ready, 1)
        async for *_, go, access, no, refused in ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.refused.valid, dut.refused.payload):
            if go:
                seen["memory"].append((access.id, access.addr >> 12, access.len))
            if no:
                seen["answered"].append((refused.id, refused.len))

    @this.testbench
    async def end(ctx):
        while len(seen["memory"]) + len(seen["answered"]) < len(accesses):
            await ctx.tick()

    this.run()
    assert results == seen["requests"] and len(results) == requests
    numbers = sorted([page - 1 for _, page, _ in seen["memory"]] +
                     [number for _, number in seen["answered"]])
    assert numbers == passing
    assert all(accesses[page - 1] == axid and page - 1 == n for axid, page, n in seen["memory"])
    assert [page for _, page, _ in seen["memory"]] == sorted(page for _, page, _ in seen["memory"])
    assert all(accesses[number] == axid for axid, number in seen["answered"])


@pytest.mark.parametrize("exe, nw, channel", [(0, 0, 1), (0, 1, 0), (1, 1, 0), (1, 0, 0)])
def test_request(bench, exe, nw, channel):
    dut = DebugRequest(id_width=2, phys_bits=40)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        regs, ask, found = dut.registers, dut.asks[channel], dut.found[channel]
        values = {"vpn": 0xF_1234_5678_9ABC, "priv": 1, "exe": exe, "nw": nw, "pid": 0x54321,
                  "pv": 1, "did": 0xABCDEF}
        for name, value in values.items():
            ctx.set(getattr(regs, name), value)
        for fault, cache, pbmt in ((0, 0b1111, 0), (0, 0b0011, 1), (0, 0, 2), (1, 0, 0)):
            ctx.set(regs.go, 1)
            await ctx.tick()
            ctx.set(regs.go, 0)
            assert ctx.get(regs.busy)
            assert not ctx.get(dut.asks[1 - channel].valid)
            (access,) = await collect(ctx, ask, 1)
            assert access.addr == 0xF_1234_5678_9ABC << 12
            assert access.prot == 1 | exe << 2
            assert (access.user.device_id, access.user.process_id, access.user.process_valid) == (
                0xABCDEF, 0x54321, 1)
            assert not ctx.get(ask.valid) and ctx.get(regs.busy)
            ctx.set(found.page, 0x876_5432)
            ctx.set(found.fault, fault)
            ctx.set(found.cache, cache)
            ctx.set(found.valid, 1)
            await ctx.tick()
            ctx.set(found.valid, 0)
            assert not ctx.get(regs.busy)
            assert (ctx.get(regs.fault), ctx.get(regs.pbmt), ctx.get(regs.ppn)) == (
                fault, pbmt, 0 if fault else 0x876_5432)

    this.run()


@pytest.mark.parametrize("id_width, phys_bits", [(1, 32), (15, 56)])
def test_netlist(id_width, phys_bits):
    rtlil.convert(DebugTap(id_width=id_width, phys_bits=phys_bits))
    rtlil.convert(DebugRequest(id_width=id_width, phys_bits=phys_bits))
