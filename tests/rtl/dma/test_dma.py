"""Dma: copies by lists of descriptors and by registers, whole engine."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.dma.dma import Dma
from rtl.params import DmaParams

from .harness import SHAPES, Driver, copies, expected, lay_out, rig


def run(bench, todo, *, shape="default", slots=None, **memory_args):
    """Do ``todo`` as one list, and compare all of memory."""
    dut, this, memory = rig(bench, params=SHAPES[shape], **memory_args)
    places = lay_out(memory, todo, slots)

    @this.testbench
    async def driver(ctx):
        software = Driver(ctx, dut)
        status = await software.run(places)
        assert status.pop("irq_threshold_sts") == 255
        assert status == {"idle": 1, "sg_incld": 1, "ioc_irq": 1}
        assert await software.read("done_descs") == len(todo)
        assert await software.read("done_bytes") == sum(copy.size for copy in todo)
        assert await software.read("curdesc") == places[-1]

    this.run()
    assert memory.data == expected(memory, todo, places)
    return memory


@pytest.mark.parametrize("shape", SHAPES)
@given(todo=copies(), stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 20]),
       seed=st.integers(0, 99))
@settings(max_examples=3)
def test_matches_model(bench, shape, todo, stall, latency, seed):
    run(bench, todo, shape=shape, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Dma(DmaParams(**SHAPES[shape])))
