"""WalkCache: the tables filled last are found by whom they should be, until a flush."""

from collections import OrderedDict
from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.walk_cache import WalkCache
from rtl.params import IommuParams


@pytest.mark.parametrize("build", [{"walks": 1}, {"walks": 3, "sv48": True, "sv39x4": True}])
@given(seed=st.integers(0, 999))
@settings(max_examples=10)
def test_matches_model(bench, build, seed):
    params = IommuParams(**build)
    dut, random = WalkCache(params), Random(seed)
    this = bench(dut)
    room = max(2, params.walks)

    def where():
        context = {"root": random.randrange(2), "pscid": random.randrange(4)}
        if params.two_stage:
            context |= {"levels": random.randrange(2), "guest": random.randrange(2)}
        return random.randrange(2) << 9 | random.randrange(512), context

    def key(page, context):
        return page >> 9, *(context.get(name, 0) for name in ("root", "levels", "guest"))

    @this.testbench
    async def testbench(ctx):
        model = OrderedDict()
        for number in range(120):
            asked, filled = where(), where()
            flush, fill = random.random() < 0.05, random.random() < 0.3
            fill = fill and not flush and key(*filled) not in model
            for name, value in zip(("page", "context", "new_page", "new_context"),
                                   (*asked, *filled), strict=True):
                ctx.set(getattr(dut, name), value)
            ctx.set(dut.flush, flush)
            ctx.set(dut.fill, fill)
            ctx.set(dut.new, {"hit": 1, "base": number, "g": number & 1})
            expected = model.get(key(*asked))
            await ctx.tick()
            if flush:
                model.clear()
            if fill:
                model[key(*filled)] = number
                if len(model) > room:
                    model.popitem(last=False)
            # The answer does not know of what was filled, but of what had to go.
            found = ctx.get(dut.found)
            assert found.hit == (expected in model.values())
            if found.hit:
                assert (found.base, found.g) == (expected, expected & 1)

    this.run()


@pytest.mark.parametrize("build", [{"walks": 1}, {"walks": 8, "sv57": True, "sv57x4": True,
                                                  "sv48": True, "sv39x4": True, "sv48x4": True}])
def test_netlist(build):
    rtlil.convert(WalkCache(IommuParams(**build)))
