"""TlbStage: what is decided of an access by its context and the TLB."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.records import Kind
from rtl.iommu.tlb_stage import TlbStage
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from sim.streams import collect, send

PHYS_BITS = 36
PARAMS = IommuParams(phys_bits=PHYS_BITS, sv48=True, sv39x4=True, svpbmt=True, pd8=True)
ADDRESSES = st.sampled_from([
    0x1234, 0x3F_FFFF_FFFF, 2**64 - 2**38, 2**64 - 1, 0x40_0000_0000, 2**64 - 2**39, 2**47,
    2**47 - 1, 2**64 - 2**47, 2**64 - 2**48, 0xF_FFFF_FFFF, 0x10_0000_0000, 2**41 - 1, 2**41])
#: First stage (levels or 0), second stage, Bare mode.
STAGES = st.sampled_from([(3, 0, 0), (4, 0, 0), (0, 3, 0), (3, 3, 0), (4, 3, 0), (0, 0, 0),
                          (3, 3, 1)])
ACCESSES = st.tuples(ADDRESSES, STAGES,
                     st.sampled_from([Cause.NONE, Cause.NONE, Cause.NONE, Cause.DDT_INVALID]),
                     st.sampled_from(Kind), st.booleans())


def tlb(vpn):
    """Answer for a page: hit, physical page number."""
    return vpn % 3 != 0, vpn * 5 & 0xFF_FFFF


def decide(addr, stages, cause):
    """``passes``, ``canonical``, page, and the TLB's answer if there is a page table."""
    first, second, bypass = stages
    mapped = (first or second) and not bypass
    if first:
        sign = addr >> 9 * first + 11
        canonical = sign in (0, 2**(64 - 9 * first - 11) - 1)
    else:
        canonical = not second or not addr >> 9 * second + 14
    if cause != Cause.NONE:
        return 0, canonical, None, None
    if not mapped:
        return addr >> PHYS_BITS == 0, canonical, addr >> 12, None
    hit, ppn = tlb(addr >> 12 & 2**36 - 1)
    return hit and canonical, canonical, ppn, hit and canonical


@given(accesses=st.lists(ACCESSES, min_size=1, max_size=12),
       stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 2), busy=st.booleans())
@settings(max_examples=40)
def test_matches_model(bench, accesses, stalls, busy):
    """With a TLB that is now and then busy."""
    dut = TlbStage(PARAMS)
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
        while True:
            hit, ppn = tlb(ctx.get(dut.lookup.key.vpn))
            ctx.set(dut.lookup.hit, hit)
            ctx.set(dut.lookup.page, {"ppn": ppn, "pbmt": 2})
            await ctx.changed(dut.lookup.key)

    @this.background
    async def asked(ctx):
        async for *_, valid, key, access, permit in ctx.tick().sample(
                dut.lookup.valid, dut.lookup.key, dut.lookup.access, dut.lookup.sum):
            if valid:
                number = key.pscid
                _, (first, second, _), _, kind, privileged = accesses[number]
                assert (key.domain.paged, key.domain.guest, key.domain.gscid) == (
                    first > 0, second > 0, number + 100)
                assert access.kind is kind
                assert access.privileged == (privileged and first > 0)
                assert permit == number % 2

    @this.testbench
    async def source(ctx):
        payloads = [{"access": {"addr": addr}, "wants": {"kind": kind, "privileged": privileged},
                     "context": {"paged": first > 0, "levels": max(first - 3, 0), "pscid": number,
                                 "guest": second > 0, "gscid": number + 100, "sum": number % 2},
                     "bypass": bypass, "cause": cause}
                    for number, (addr, (first, second, bypass), cause, kind, privileged)
                    in enumerate(accesses)]
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
        for o, (addr, stages, cause, *_) in zip(got, accesses, strict=True):
            passes, canonical, page, hit = decide(addr, stages, cause)
            assert o.passes == passes
            assert o.canonical == canonical or stages[:2] == (0, 0)
            assert o.known.access.addr == addr
            if passes:
                assert o.ppn == page & 2**24 - 1
                assert o.pbmt == (0 if hit is None else 2)
            asked += [] if hit is None else [hit]
        await ctx.tick()
        assert counts == asked

    this.run()


@pytest.mark.parametrize("when, expected", [("before", 0), ("with", 1), ("while", 1), ("as", 1)])
def test_stale(bench, when, expected):
    """A flush before the access comes does not matter; in the cycle in which it comes it does."""
    dut = TlbStage(PARAMS)
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


@pytest.mark.parametrize("params", [{"phys_bits": 32}, {"phys_bits": 56, "sv39x4": True}])
def test_netlist(params):
    rtlil.convert(TlbStage(IommuParams(**params)))
