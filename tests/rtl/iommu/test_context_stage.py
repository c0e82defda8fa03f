"""ContextStage: whose access it is, and why it may go no further."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.context_stage import ContextStage
from rtl.spec.faults import Cause
from rtl.spec.page_table import DdtpMode
from sim.streams import collect, send
from tests.rtl.iommu.world import user

WIDTHS = {"id_width": 4, "phys_bits": 40}
#: What the directory says of a device, by its number modulo 4: a cause, or pdtv.
CAUSES = {2: Cause.DDT_INVALID, 3: Cause.DDT_LOAD_FAULT}
DIDS = st.sampled_from([0, 1, 2, 3, 0x7C, 0x84, 0x85, 0x1_0005, 0xFF_FFFD])


def expected(mode, did, pid):
    """Cause, and whether there is a context whose DTF counts."""
    if mode == DdtpMode.OFF:
        return Cause.ALL_INBOUND_DISALLOWED, False
    if mode == DdtpMode.BARE:
        return Cause.NONE, False
    if did >> {DdtpMode.LVL1: 7, DdtpMode.LVL2: 16, DdtpMode.LVL3: 24}[mode]:
        return Cause.TYPE_DISALLOWED, False
    if did % 4 in CAUSES:
        return CAUSES[did % 4], False
    if pid is not None and did % 4 == 0:            # without PDTV
        return Cause.TYPE_DISALLOWED, True
    return Cause.NONE, True


@given(accesses=st.lists(st.tuples(DIDS, st.none() | st.just(5)), min_size=1, max_size=12),
       mode=st.sampled_from(DdtpMode), known=st.sets(DIDS),
       stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 2))
@settings(max_examples=25)
def test_matches_model(bench, accesses, mode, known, stalls):
    """Contexts of ``known`` devices are in the cache; the others take a search of some cycles.

    All contexts have DTF, and so does what the cache shows without a hit.
    """
    dut = ContextStage(**WIDTHS)
    this = bench(dut)

    def context(did):
        return {"pscid": did % 2**20, "paged": 1, "pdtv": did % 4 == 1, "dtf": 1}

    @this.background
    async def cache(ctx):
        ctx.set(dut.mode, mode)
        async for did in ctx.changed(dut.lookup.did):
            hit = did[0] in known and did[0] % 4 not in CAUSES
            ctx.set(dut.lookup.hit, hit)
            ctx.set(dut.lookup.context, context(did[0] if hit else 0xABC))

    @this.background
    async def directory(ctx):
        port = dut.directory
        while True:
            (did,) = await ctx.tick().sample(port.request.did).until(port.want)
            ctx.set(port.start, 1)
            await ctx.tick()
            ctx.set(port.start, 0)
            await ctx.tick().repeat(1 + did % 3)
            cause = CAUSES.get(did % 4, Cause.NONE)
            ctx.set(port.reply, {"cause": cause, "context": context(did), "stale": did & 1})
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.take)
            ctx.set(port.valid, 0)

    @this.testbench
    async def source(ctx):
        await send(ctx, dut.i, [{"addr": n, "user": user(*access)}
                                for n, access in enumerate(accesses)], stall=stalls[0])

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, len(accesses), stall=stalls[1])
        for n, (known_access, (did, pid)) in enumerate(zip(got, accesses, strict=True)):
            cause, dtf = expected(mode, did, pid)
            assert known_access.access.addr == n
            assert known_access.cause == cause
            if cause != Cause.ALL_INBOUND_DISALLOWED:           # reported in any case
                assert known_access.context.dtf == dtf or cause == Cause.NONE
            if cause == Cause.NONE:
                assert known_access.bypass == (mode == DdtpMode.BARE)
            if cause == Cause.NONE and mode > DdtpMode.BARE:
                assert known_access.context.pscid == did % 2**20
                assert known_access.stale == (did not in known and did & 1)

    this.run()


def test_hit_passes_in_the_same_cycle(bench):
    dut = ContextStage(**WIDTHS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.mode, DdtpMode.LVL1)
        ctx.set(dut.lookup.hit, 1)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for n in range(5):
            ctx.set(dut.i.p.addr, n)
            *_, ready, valid, addr = await ctx.tick().sample(
                dut.i.ready, dut.o.valid, dut.o.p.access.addr)
            assert (ready, valid, addr) == (1, 1, n)

    this.run()


def test_a_search_ends_although_the_mode_changes(bench):
    """What was found with the old mode is used, and the walker is free again."""
    dut = ContextStage(**WIDTHS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.mode, DdtpMode.LVL1)
        ctx.set(dut.i.p.user, user(5))
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.directory.start, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.directory.start, 0)
        ctx.set(dut.mode, DdtpMode.OFF)
        ctx.set(dut.o.ready, 1)
        *_, valid = await ctx.tick().sample(dut.o.valid)
        assert not valid
        ctx.set(dut.directory.valid, 1)
        *_, valid, take, cause = await ctx.tick().sample(
            dut.o.valid, dut.directory.take, dut.o.p.cause)
        assert (valid, take, cause) == (1, 1, 0)

    this.run()


@pytest.mark.parametrize("id_width, phys_bits", [(1, 32), (16, 56)])
def test_netlist(id_width, phys_bits):
    rtlil.convert(ContextStage(id_width=id_width, phys_bits=phys_bits))
