"""ContextStage: whose access it is, and why it may go no further."""

from typing import NamedTuple

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import PROT_INSTRUCTION, PROT_PRIVILEGED
from rtl.iommu.context_stage import ContextStage
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import DdtpMode
from sim.streams import collect, send
from tests.rtl.iommu.world import user

PARAMS = IommuParams(pd20=True)
#: What the directory says of a device, by its number modulo 4.
CAUSES = {0: Cause.PDT_INVALID, 2: Cause.DDT_INVALID, 3: Cause.READ_GUEST_PAGE_FAULT}
DIDS = st.sampled_from([0, 1, 2, 3, 0x7C, 0x84, 0x85, 0x1_0005, 0xFF_FFFD])


class Access(NamedTuple):
    """Whose access."""

    did: int
    pid: int | None
    prot: int
    translated: bool

    def source(self):
        valid = self.pid is not None
        return {"did": self.did, "process": valid, "pid": self.pid or 0,
                "supervisor": valid and bool(self.prot & PROT_PRIVILEGED),
                "translated": self.translated}


ACCESSES = st.builds(Access, DIDS, st.none() | st.just(5), st.integers(0, 7), st.booleans())


def expected(mode, access):
    """Cause, and whether there is a context whose DTF counts."""
    if mode == DdtpMode.OFF:
        return Cause.ALL_INBOUND_DISALLOWED, False
    if mode == DdtpMode.BARE:
        return Cause.TYPE_DISALLOWED if access.translated else Cause.NONE, False
    if access.did >> {DdtpMode.LVL1: 7, DdtpMode.LVL2: 16, DdtpMode.LVL3: 24}[mode]:
        return Cause.TYPE_DISALLOWED, False
    return CAUSES.get(access.did % 4, Cause.NONE), True


@given(accesses=st.lists(ACCESSES, min_size=1, max_size=12),
       mode=st.sampled_from(DdtpMode), known=st.sets(ACCESSES), writes=st.booleans(),
       stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 2))
@settings(max_examples=25)
def test_matches_model(bench, accesses, mode, known, writes, stalls):
    """Contexts of ``known`` sources are in the cache; the others take a search of some cycles.

    All contexts have DTF, and so does what the cache shows without a hit.
    """
    dut = ContextStage(PARAMS, writes=writes)
    this = bench(dut)
    known = {dut.lookup.source.shape().const(access.source()).as_bits(): access.did
             for access in (*known, *accesses[::3]) if access.did % 4 not in CAUSES}

    def context(did):
        return {"pscid": did % 2**20, "paged": 1, "dtf": 1}

    @this.background
    async def cache(ctx):
        ctx.set(dut.mode, mode)
        while True:
            source = ctx.get(dut.lookup.source).as_bits()
            ctx.set(dut.lookup.hit, source in known)
            ctx.set(dut.lookup.context, context(known.get(source, 0xABC)))
            await ctx.changed(dut.lookup.source)

    @this.background
    async def directory(ctx):
        port = dut.directory
        while True:
            (request,) = await ctx.tick().sample(port.request).until(port.want)
            did = request.source.did
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
        await send(ctx, dut.i, [
            {"addr": n, "user": user(access.did, access.pid, access.translated),
             "prot": access.prot} for n, access in enumerate(accesses)], stall=stalls[0])

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, len(accesses), stall=stalls[1])
        for n, (o, access) in enumerate(zip(got, accesses, strict=True)):
            cause, dtf = expected(mode, access)
            assert o.access.addr == n
            assert o.cause == cause
            assert o.wants.kind is (Kind.WRITE if writes else Kind.EXECUTE
                                    if access.prot & PROT_INSTRUCTION else Kind.READ)
            assert o.wants.privileged == access.source()["supervisor"]
            if cause != Cause.ALL_INBOUND_DISALLOWED:           # reported in any case
                assert o.context.dtf == dtf
            if cause == Cause.NONE:
                assert o.bypass == (mode == DdtpMode.BARE)
            if cause == Cause.NONE and mode > DdtpMode.BARE:
                assert o.context.pscid == access.did % 2**20
                here = dut.lookup.source.shape().const(access.source()).as_bits() in known
                assert o.stale == (not here and access.did & 1)

    this.run()


def test_hit_passes_in_the_same_cycle(bench):
    dut = ContextStage(PARAMS, writes=False)
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
    dut = ContextStage(PARAMS, writes=False)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.mode, DdtpMode.LVL1)
        ctx.set(dut.i.p.user, user(5))
        ctx.set(dut.i.valid, 1)
        for _ in range(3):              # an answer could not be taken
            *_, want = await ctx.tick().sample(dut.directory.want)
            assert not want
            ctx.set(dut.i.valid, 0)
        ctx.set(dut.o.ready, 1)
        *_, want = await ctx.tick().sample(dut.directory.want)
        assert not want
        ctx.set(dut.directory.start, 1)
        *_, want = await ctx.tick().sample(dut.directory.want)
        assert want
        ctx.set(dut.directory.start, 0)
        ctx.set(dut.mode, DdtpMode.OFF)
        *_, valid = await ctx.tick().sample(dut.o.valid)
        assert not valid
        ctx.set(dut.directory.valid, 1)
        *_, valid, take, cause = await ctx.tick().sample(
            dut.o.valid, dut.directory.take, dut.o.p.cause)
        assert (valid, take, cause) == (1, 1, 0)

    this.run()


@pytest.mark.parametrize("params", [
    {"id_width": 1, "phys_bits": 32},
    {"id_width": 16, "phys_bits": 56, "sv39x4": True, "msi_flat": True, "pd8": True}])
def test_netlist(params):
    rtlil.convert(ContextStage(IommuParams(**params), writes=True))
