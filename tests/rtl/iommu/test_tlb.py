"""Tlb: entries of all sizes against a list of what was filled, and which of them may be there."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.records import Kind
from rtl.iommu.tlb import Tlb
from rtl.params import IommuParams

PHYS_BITS = 36
#: VPN bits below the page of each size: 4 KiB, 64 KiB, 2 MiB, 1 GiB.
SIZES = {0: 0, 0b001: 4, 0b011: 9, 0b111: 18}
#: Few pages, so that they meet: neighbours in each group of bits.
VPNS = st.sampled_from([0, 1, 0x10, 0x1F, 0x200, 0x3FF, 0x4_0000, 0x4_0001, 0x7FF_FFFF])
PSCIDS = st.integers(0, 2)
#: Stages that are not Bare, and GSCID: the host, and virtual machines with and without first stage.
DOMAINS = st.sampled_from([(1, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)])
SPACES = st.tuples(PSCIDS, DOMAINS)
FILLS = st.tuples(st.just("fill"), VPNS, st.sampled_from(list(SIZES)), SPACES, st.booleans(),
                  st.integers(0, 2**18 - 1))
DROPS = st.tuples(st.just("drop"), VPNS, PSCIDS, st.integers(0, 1), *[st.booleans()] * 4)
LOOKUPS = st.tuples(st.just("look"), VPNS, SPACES, VPNS, SPACES)


class Entry:
    """One fill; ``sure`` until it may have been evicted."""

    def __init__(self, vpn, covers, space, shared, ppn):
        self.low = SIZES[covers]
        self.vpn, self.covers, (self.pscid, self.domain) = vpn, covers, space
        self.shared = shared and self.domain[0] == 1
        self.ppn = ppn << 18 >> self.low << self.low & (1 << PHYS_BITS - 12) - 1
        self.sure = True

    def page(self, vpn, low=0):
        low = max(self.low, low)
        return self.vpn >> low == vpn >> low

    def meets(self, pscid, domain, shared=False):
        return self.domain == domain and (self.shared or shared or self.pscid == pscid)

    def answers(self, vpn, space):
        return self.page(vpn) and self.meets(*space)

    def must_go(self, vpn, pscid, gscid, av, pscv, gv, gvma):
        """Whether the command must drop it; True also where it may and does."""
        _, guest, mine = self.domain
        if gvma:
            return guest and (not gv or mine == gscid)
        if guest != gv or (gv and mine != gscid):
            return False
        return ((not av or gv or self.page(vpn)) and
                (not pscv or (self.pscid == pscid and not self.shared)))

    def translates(self, vpn):
        return self.ppn | vpn & (1 << self.low) - 1


def domain(dut, stages):
    """Domain of a key, of a build with or without a second stage."""
    shape = dut.fill.key.domain.shape()
    values = dict(zip(("paged", "guest", "gscid"), stages, strict=True))
    return {name: value for name, value in values.items() if shape.members[name]}


def fill(ctx, dut, entry, flush=0):
    ctx.set(dut.fill.valid, 1)
    ctx.set(dut.flush, flush)
    ctx.set(dut.fill.key, {
        "vpn": entry.vpn, "pscid": entry.pscid, "covers": entry.covers, "g": entry.shared,
        "domain": domain(dut, entry.domain)})
    ctx.set(dut.fill.leaf, {"page": {"ppn": entry.ppn, "covers": entry.covers},
                            "flags": {"r": 1, "u": 1, "g": entry.shared}})


@given(operations=st.lists(st.one_of(FILLS, FILLS, DROPS, LOOKUPS, LOOKUPS), max_size=60),
       entries=st.sampled_from([1, 3, 8]))
@settings(max_examples=15)
def test_matches_model(bench, operations, entries):
    """Never a wrong answer, never two; and what cannot have been evicted is there."""
    dut = Tlb(IommuParams(tlb_entries=entries, phys_bits=PHYS_BITS, sv39x4=True))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        held = []
        for name, *operands in operations:
            if name == "fill":
                new = Entry(*operands)
                held = [old for old in held if not (
                    old.page(new.vpn, new.low) and old.meets(new.pscid, new.domain, new.shared))]
                if len(held) >= entries:
                    for old in held:
                        old.sure = False
                held.append(new)
                fill(ctx, dut, new)
                *_, ready = await ctx.tick().sample(dut.lookup[0].ready)
                assert not ready
                ctx.set(dut.fill.valid, 0)
            elif name == "drop":
                vpn, pscid, gscid, av, pscv, gv, gvma = operands
                held = [old for old in held if not old.must_go(*operands)]
                ctx.set(dut.drop.valid, 1)
                ctx.set(dut.flush, 1)
                ctx.set(dut.drop.payload, {
                    "select": {"av": av, "pscv": pscv, "gv": gv, "gvma": gvma},
                    "vpn": vpn, "pscid": pscid, "gscid": gscid})
                await ctx.tick()
                ctx.set(dut.drop.valid, 0)
                ctx.set(dut.flush, 0)
            else:
                asked = list(zip(operands[::2], operands[1::2], strict=True))
                for lookup, (vpn, (pscid, stages)) in zip(dut.lookup, asked, strict=True):
                    ctx.set(lookup.valid, 1)
                    ctx.set(lookup.key, {"vpn": vpn, "pscid": pscid,
                                         "domain": domain(dut, stages)})
                await ctx.delay(1e-9)
                for lookup, (vpn, space) in zip(dut.lookup, asked, strict=True):
                    assert ctx.get(lookup.ready)
                    right = [old for old in held if old.answers(vpn, space)]
                    assert len(right) <= 1
                    page = ctx.get(lookup.page)
                    if not ctx.get(lookup.hit):
                        assert not any(old.sure for old in right)
                        held = [old for old in held if old not in right]
                    else:
                        assert right
                        low = SIZES[page.covers]
                        assert page.ppn | vpn & (1 << low) - 1 == right[0].translates(vpn)
                await ctx.tick()

    this.run()


def test_flush_prevents_a_fill(bench):
    dut = Tlb(IommuParams(tlb_entries=2, phys_bits=PHYS_BITS))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for flush in (1, 0):
            fill(ctx, dut, Entry(5, 0, (1, (1, 0, 0)), 0, 9), flush)
            await ctx.tick()
            ctx.set(dut.fill.valid, 0)
            ctx.set(dut.lookup[1].key.vpn, 5)
            ctx.set(dut.lookup[1].key.pscid, 1)
            await ctx.delay(1e-9)
            assert ctx.get(dut.lookup[1].hit) == (not flush)

    this.run()


def test_denied(bench):
    """An entry that does not permit the access is no hit, for either of the two accesses."""
    dut = Tlb(IommuParams(tlb_entries=2, phys_bits=PHYS_BITS))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for vpn in (1, 2):
            fill(ctx, dut, Entry(vpn, 0, (0, (1, 0, 0)), 0, 0))
            ctx.set(dut.fill.leaf.flags, {"r": vpn == 1, "w": vpn == 2, "u": 1})
            await ctx.tick()
        ctx.set(dut.fill.valid, 0)
        for vpn, kind, denied in ((1, Kind.READ, 0), (1, Kind.WRITE, 1), (2, Kind.READ, 1),
                                  (2, Kind.WRITE, 0), (2, Kind.EXECUTE, 1), (3, Kind.READ, 0)):
            for lookup in dut.lookup:
                ctx.set(lookup.key.vpn, vpn)
                ctx.set(lookup.access.kind, kind)
                await ctx.delay(1e-9)
                assert ctx.get(lookup.hit) == (vpn < 3 and not denied)

    this.run()


def test_recently_used_stays(bench):
    """What is used between fills is not the victim."""
    dut = Tlb(IommuParams(tlb_entries=4, phys_bits=PHYS_BITS))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.lookup[0].key.vpn, 100)
        for vpn in (100, *range(20)):
            fill(ctx, dut, Entry(vpn, 0, (0, (1, 0, 0)), 0, vpn))
            await ctx.tick()
            ctx.set(dut.fill.valid, 0)
            ctx.set(dut.lookup[0].valid, 1)
            *_, hit = await ctx.tick().sample(dut.lookup[0].hit)
            ctx.set(dut.lookup[0].valid, 0)
            await ctx.tick()
            assert hit

    this.run()


def test_supervisor(bench):
    """SUM counts, of the access and not of the entry."""
    dut = Tlb(IommuParams(tlb_entries=1, phys_bits=PHYS_BITS, pd8=True))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        fill(ctx, dut, Entry(1, 0, (0, (1, 0, 0)), 0, 0))
        await ctx.tick()
        ctx.set(dut.fill.valid, 0)
        for lookup in dut.lookup:
            ctx.set(lookup.key.vpn, 1)
            for privileged, permit in ((0, 0), (0, 1), (1, 0), (1, 1)):
                ctx.set(lookup.access.privileged, privileged)
                ctx.set(lookup.sum, permit)
                await ctx.delay(1e-9)
                assert ctx.get(lookup.hit) == (not privileged or permit)

    this.run()


@pytest.mark.parametrize("params", [
    {"tlb_entries": 1, "phys_bits": 32}, {"tlb_entries": 5, "sv48": True, "svpbmt": True},
    {"phys_bits": 56, "sv48": True, "sv57": True, "sv39x4": True, "msi_flat": True}])
def test_netlist(params):
    rtlil.convert(Tlb(IommuParams(**params)))
