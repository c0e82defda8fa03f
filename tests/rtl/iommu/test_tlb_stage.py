"""TlbStage: what is decided of an access by its context and the TLB."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import PROT_INSTRUCTION, PROT_PRIVILEGED
from rtl.iommu.records import Kind
from rtl.iommu.tlb_stage import TlbStage
from rtl.spec.faults import Cause
from sim.streams import collect, send
from tests.rtl.iommu.world import user

PHYS_BITS = 36
WIDTHS = {"id_width": 4, "phys_bits": PHYS_BITS}
ADDRESSES = st.sampled_from([0x1234, 0x3F_FFFF_FFFF, 2**64 - 2**38, 2**64 - 1, 0x40_0000_0000,
                             2**64 - 2**39, 0xF_FFFF_FFFF, 0x10_0000_0000])
ACCESSES = st.tuples(ADDRESSES, st.booleans(), st.booleans(),
                     st.sampled_from([Cause.NONE, Cause.NONE, Cause.NONE, Cause.DDT_INVALID]),
                     st.integers(0, 7), st.none() | st.just(3))


def tlb(vpn):
    """Answer for a page: hit, denied, physical page number."""
    return vpn % 3 != 0, vpn % 2 == 1, vpn * 5 & 0xFF_FFFF


def decide(addr, paged, bypass, cause):
    """``passes``, ``denied``, ``beyond``, page, and the TLB's answer if it was asked."""
    if cause != Cause.NONE:
        return 0, 0, 0, None, None
    if bypass or not paged:
        beyond = addr >> PHYS_BITS != 0
        return not beyond, 0, beyond, addr >> 12, None
    if addr >> 38 not in (0, 2**26 - 1):
        return 0, 1, 0, None, None
    hit, denied, ppn = tlb(addr >> 12 & 2**27 - 1)
    return hit and not denied, hit and denied, 0, ppn, hit


@given(accesses=st.lists(ACCESSES, min_size=1, max_size=12), writes=st.booleans(),
       stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 2), busy=st.booleans())
@settings(max_examples=25)
def test_matches_model(bench, accesses, writes, stalls, busy):
    """With a TLB that is now and then busy."""
    dut = TlbStage(**WIDTHS, writes=writes)
    this = bench(dut)

    @this.background
    async def lookup(ctx):
        cycle = 0
        while True:
            ctx.set(dut.lookup.ready, not busy or cycle % 3 == 0)
            await ctx.tick()
            cycle += 1

    @this.background
    async def answers(ctx):
        async for (vpn,) in ctx.changed(dut.lookup.vpn):
            hit, denied, ppn = tlb(vpn)
            ctx.set(dut.lookup.hit, hit)
            ctx.set(dut.lookup.denied, denied)
            ctx.set(dut.lookup.page, {"ppn": ppn})

    @this.testbench
    async def source(ctx):
        payloads = [{"access": {"addr": addr, "prot": prot, "user": user(1, pid)},
                     "context": {"paged": paged}, "bypass": bypass, "cause": cause}
                    for addr, paged, bypass, cause, prot, pid in accesses]
        await send(ctx, dut.i, payloads, stall=stalls[0])

    counts = []

    @this.background
    async def counter(ctx):
        counts.clear()
        async for *_, hit, miss in ctx.tick().sample(dut.hit, dut.miss):
            assert not (hit and miss)
            counts.extend([bool(hit)] * (hit or miss))

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, len(accesses), stall=stalls[1])
        asked = []
        for o, (addr, paged, bypass, cause, prot, pid) in zip(got, accesses, strict=True):
            passes, denied, beyond, page, hit = decide(addr, paged, bypass, cause)
            assert (o.passes, o.denied, o.beyond) == (passes, denied, beyond)
            assert o.known.access.addr == addr
            if passes:
                assert o.ppn == page & 2**24 - 1
            assert o.wants.kind is (Kind.WRITE if writes else Kind.EXECUTE
                                    if prot & PROT_INSTRUCTION else Kind.READ)
            assert o.wants.privileged == (pid is not None and prot & PROT_PRIVILEGED)
            asked += [] if hit is None else [hit]
        await ctx.tick()
        assert counts == asked

    this.run()


@pytest.mark.parametrize("when, expected", [("before", 0), ("with", 1), ("while", 1), ("as", 1)])
def test_stale(bench, when, expected):
    """A flush before the access comes does not matter; in the cycle in which it comes it does."""
    dut = TlbStage(**WIDTHS, writes=False)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for moment in ("before", "with", "while", "as"):
            ctx.set(dut.flush, moment == when)
            ctx.set(dut.i.valid, moment == "with")
            ctx.set(dut.o.ready, moment == "as")
            *_, valid, stale, here = await ctx.tick().sample(
                dut.o.valid, dut.o.p.known.stale, dut.stale)
            # It is told to the next stage also if the flush comes with the handing over.
            assert moment != "as" or (valid, stale) == (1, expected)
            assert here == (moment in ("while", "as") and expected and when in ("with", "while")
                            and (when, moment) != ("while", "while"))

    this.run()


@pytest.mark.parametrize("writes", [False, True])
def test_netlist(writes):
    rtlil.convert(TlbStage(id_width=1, phys_bits=56, writes=writes))
