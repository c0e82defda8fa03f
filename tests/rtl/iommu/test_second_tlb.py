"""SecondTlb: what it finds was filled and not dropped since; and it finds what must be there."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.second_tlb import SecondTlb
from rtl.params import IommuParams
from tests.rtl.iommu.test_tlb import DROPS, FILLS, PHYS_BITS, SPACES, VPNS, Entry, domain, fill

PARAMS = IommuParams(second_entries=512, phys_bits=PHYS_BITS, sv39x4=True, walks=4)
LOOKS = st.tuples(st.just("look"), VPNS, SPACES)
WAITS = st.tuples(st.just("wait"), st.sampled_from([1, 100, 600]))


async def ask(ctx, dut, vpn, pscid, stages, kind=0):
    """Whether it hits, its page, and the cycles that it took."""
    probe = dut.probe
    ctx.set(probe.payload, {"walker": vpn % 4, "key": {
        "vpn": vpn, "pscid": pscid, "domain": domain(dut, stages)}, "access": {"kind": kind}})
    ctx.set(probe.valid, 1)
    await ctx.tick().until(probe.ready)
    ctx.set(probe.valid, 0)
    cycles = 1
    while not ctx.get(dut.answered):
        await ctx.tick()
        cycles += 1
    assert ctx.get(dut.walker) == vpn % 4
    return ctx.get(dut.hit), ctx.get(dut.leaf.page), cycles


async def command(ctx, dut, vpn, pscid, gscid, av, pscv, gv, gvma):
    ctx.set(dut.drop.valid, 1)
    ctx.set(dut.flush, 1)
    ctx.set(dut.drop.payload, {"select": {"av": av, "pscv": pscv, "gv": gv, "gvma": gvma},
                               "vpn": vpn, "pscid": pscid, "gscid": gscid})
    await ctx.tick()
    ctx.set(dut.drop.valid, 0)
    ctx.set(dut.flush, 0)


@given(operations=st.lists(st.one_of(FILLS, FILLS, DROPS, LOOKS, LOOKS, WAITS), max_size=40))
@settings(max_examples=15)
def test_matches_model(bench, operations):
    dut = SecondTlb(PARAMS)
    this = bench(dut, timeout=60_000)

    @this.testbench
    async def testbench(ctx):
        held = []
        for name, *operands in operations:
            if name == "fill":
                new = Entry(*operands)
                held.append(new)
                fill(ctx, dut, new)
                await ctx.tick()
                ctx.set(dut.fill.valid, 0)
            elif name == "drop":
                held = [old for old in held if not old.must_go(*operands)]
                await command(ctx, dut, *operands)
            elif name == "wait":
                await ctx.tick().repeat(operands[0])
            else:
                vpn, space = operands
                hit, page, _ = await ask(ctx, dut, vpn, *space)
                # One of another size may outlive a fill: software must drop what it replaces.
                assert not hit or page.ppn in [
                    old.translates(vpn) for old in held if old.answers(vpn, space)]

    this.run()


DROPPED = [(0x1F, 1, 0, 0, 0, 0, 0), (0x1F, 1, 0, 1, 0, 0, 0), (0x1F, 1, 0, 1, 1, 0, 0),
           (0x1F, 1, 0, 0, 1, 0, 0)]
KEPT = [(0x20, 1, 0, 1, 0, 0, 0), (0x1F, 2, 0, 0, 1, 0, 0), (0x1F, 1, 0, 0, 0, 1, 0),
        (0x1F, 1, 0, 0, 0, 0, 1)]


@pytest.mark.parametrize("operands, stays", [(one, False) for one in DROPPED] +
                         [(one, True) for one in KEPT])
def test_commands(bench, operands, stays):
    """Found after the sweep of reset; nothing during a sweep; after it what need not go."""
    dut = SecondTlb(PARAMS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        space = (1, (1, 0, 0))
        await ctx.tick().repeat(520)
        entry = Entry(0x1F, 0, space, False, 77)
        fill(ctx, dut, entry)
        await ctx.tick()
        ctx.set(dut.fill.valid, 0)
        hit, page, cycles = await ask(ctx, dut, 0x1F, *space)
        assert (hit, page.ppn, cycles) == (1, entry.ppn, 2)
        assert not (await ask(ctx, dut, 0x1F, *space, kind=1))[0]       # may not be written
        assert not (await ask(ctx, dut, 0x1E, *space))[0]
        assert not (await ask(ctx, dut, 0x1F, 0, space[1]))[0]
        await command(ctx, dut, *operands)
        assert not (await ask(ctx, dut, 0x1F, *space))[0]
        await ctx.tick().repeat(520)
        assert (await ask(ctx, dut, 0x1F, *space))[0] == stays
        # Two commands in a row: all goes.
        await command(ctx, dut, *KEPT[0])
        await command(ctx, dut, *KEPT[0])
        await ctx.tick().repeat(520)
        assert not (await ask(ctx, dut, 0x1F, *space))[0]

    this.run()


@pytest.mark.parametrize("covers", [0b001, 0b011, 0b111])
def test_large_pages(bench, covers):
    """Any page of a large one is found, and a cycle later for each smaller size that is there."""
    dut = SecondTlb(PARAMS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        space = (1, (1, 1, 1))
        await ctx.tick().repeat(520)
        large, small = Entry(0x4_0000, covers, space, False, 0x3_0000), Entry(
            0x7FF_FFFF, 0, space, False, 5)
        for number, entry in enumerate((large, small)):
            fill(ctx, dut, entry)
            await ctx.tick()
            ctx.set(dut.fill.valid, 0)
            vpn = 0x4_0000 | (1 << large.low) - 3
            hit, page, cycles = await ask(ctx, dut, vpn, *space)
            assert (hit, cycles) == (1, 2 + number)
            assert page.ppn == large.translates(vpn)
        assert not (await ask(ctx, dut, 0x4_0000 + (1 << large.low), *space))[0]

    this.run()


@pytest.mark.parametrize("named", [0x200, 0x201, 0x3FF, 0x000, 0x1FF, 0x400])
@pytest.mark.parametrize("narrow", [False, True])
def test_halves_of_a_larger_page(bench, narrow, named):
    """With Sv32, what is named by either half of 4 MiB goes in both, since they are one page."""
    dut = SecondTlb(IommuParams(second_entries=512, phys_bits=PHYS_BITS, sv39x4=True, sv32=narrow))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        space = (1, (1, 0, 0))
        await ctx.tick().repeat(520)
        fill(ctx, dut, Entry(0x200, 0b011, space, False, 0))
        await ctx.tick()
        ctx.set(dut.fill.valid, 0)
        await command(ctx, dut, named, 1, 0, 1, 0, 0, 0)
        await ctx.tick().repeat(520)
        goes = named < 0x400 if narrow else 0x200 <= named < 0x400
        assert (await ask(ctx, dut, 0x234, *space))[0] == (not goes)

    this.run()


def test_a_command_meets_a_probe(bench):
    """A probe under way when entries are dropped finds nothing."""
    dut = SecondTlb(PARAMS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        space = (1, (1, 0, 0))
        for wait in (0, 1):
            await ctx.tick().repeat(520)
            fill(ctx, dut, Entry(0x1F, 0, space, False, 77))
            await ctx.tick()
            ctx.set(dut.fill.valid, 0)
            ctx.set(dut.probe.payload, {"key": {"vpn": 0x1F, "pscid": 1, "domain": domain(
                dut, space[1])}})
            ctx.set(dut.probe.valid, 1)
            if wait:
                await ctx.tick()
                ctx.set(dut.probe.valid, 0)
            await command(ctx, dut, *DROPPED[0])
            ctx.set(dut.probe.valid, 0)
            assert ctx.get(dut.answered) and not ctx.get(dut.hit)
            await ctx.tick()
            assert not ctx.get(dut.answered)

    this.run()


@pytest.mark.parametrize("build", [{"second_entries": 512}, {
    "second_entries": 4096, "sv48": True, "sv57": True, "sv39x4": True, "walks": 1}])
def test_netlist(build):
    rtlil.convert(SecondTlb(IommuParams(**build)))
