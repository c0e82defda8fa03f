"""ContextCache against a dictionary that may forget what was evicted."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.context_cache import ContextCache
from rtl.params import IommuParams

DIDS = st.sampled_from([0, 1, 2, 3, 0x80, 0xFF_FFFF])
OPERATIONS = st.one_of(st.tuples(st.just("fill"), DIDS), st.tuples(st.just("drop")),
                       *[st.tuples(st.just("look"), DIDS, DIDS)] * 3)


@given(operations=st.lists(OPERATIONS, max_size=60), entries=st.sampled_from([1, 3, 4]))
@settings(max_examples=15)
def test_matches_model(bench, operations, entries):
    dut = ContextCache(IommuParams(context_entries=entries))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        held, sure = {}, set()
        for count, (name, *dids) in enumerate(operations):
            if name == "fill" and dids[0] not in held:  # a client fills what it has not found
                if len(held) >= entries:
                    sure.clear()
                held[dids[0]] = count
                sure.add(dids[0])
                ctx.set(dut.fill.valid, 1)
                ctx.set(dut.fill.source.did, dids[0])
                ctx.set(dut.fill.context, {"root": count, "pscid": count})
                await ctx.tick()
                ctx.set(dut.fill.valid, 0)
            elif name == "drop":
                held.clear()
                sure.clear()
                ctx.set(dut.drop, 1)
                await ctx.tick()
                ctx.set(dut.drop, 0)
            elif name == "look":
                for lookup, did in zip(dut.lookup, dids, strict=True):
                    ctx.set(lookup.source.did, did)
                    ctx.set(lookup.valid, 1)
                await ctx.delay(1e-9)
                for lookup, did in zip(dut.lookup, dids, strict=True):
                    if ctx.get(lookup.hit):
                        context = ctx.get(lookup.context)
                        assert (context.root, context.pscid) == (held[did], held[did])
                    else:
                        assert did not in sure
                        held.pop(did, None)
                await ctx.tick()

    this.run()


def test_drop_wins(bench):
    """A fill in the cycle of a drop is lost."""
    dut = ContextCache(IommuParams(context_entries=2))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.fill.source.did, 3)
        ctx.set(dut.fill.valid, 1)
        ctx.set(dut.drop, 1)
        ctx.set(dut.lookup[0].source.did, 3)
        await ctx.tick()
        assert not ctx.get(dut.lookup[0].hit)
        ctx.set(dut.drop, 0)
        await ctx.tick()
        assert ctx.get(dut.lookup[0].hit)

    this.run()


@pytest.mark.parametrize("entries", [1, 5])
def test_netlist(entries):
    rtlil.convert(ContextCache(IommuParams(context_entries=entries)))
