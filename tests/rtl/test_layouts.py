"""Layouts made from the contract's formats."""

import pytest
from amaranth import *
from amaranth.lib import data

from rtl import layouts
from rtl.spec.bits import BitLayout
from rtl.spec.page_table import DC_TC, DDTE, PTE
from rtl.spec.queues import FAULT_DW0, IOTINVAL_DW1


@pytest.mark.parametrize("layout", [DC_TC, DDTE, PTE, FAULT_DW0, IOTINVAL_DW1],
                         ids=lambda layout: layout.name)
def test_fields_are_where_the_format_says(layout):
    made = layouts.struct(layout)
    assert made.size == layout.width
    for name, (lsb, width) in layout.fields.items():
        assert (made[name].offset, made[name].width) == (lsb, width)


def test_gaps_have_names():
    made = layouts.struct(BitLayout("example", 16, {"high": (9, 3), "low": (2, 4)}))
    assert [name for name, _ in made] == ["reserved_0", "low", "reserved_6", "high", "reserved_12"]
    assert isinstance(made, data.StructLayout)


@pytest.mark.parametrize("word, ignore, expected", [
    (0b1111_1100, 0, 0), (0b1111_1110, 0, 1), (0b0000_0010, 0b10, 0), (0b0000_0011, 0b10, 1)])
def test_reserved(bench, word, ignore, expected):
    layout = BitLayout("example", 8, {"field": (2, 6)})
    m = Module()
    value, result = Signal(8), Signal()
    m.d.comb += result.eq(layouts.reserved(layout, value, ignore=ignore))
    this = bench(m)

    @this.testbench
    async def driver(ctx):
        ctx.set(value, word)
        await ctx.delay(1e-9)
        assert ctx.get(result) == expected

    this.run()
