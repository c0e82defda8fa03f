"""Replies: own responses between two bursts, nothing lost, nothing mixed."""

import pytest
from amaranth.back import rtlil
from amaranth.lib import data
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.replies import Replies
from sim.checked import Checked
from sim.streams import collect, send

BURST = data.StructLayout({"own": 1, "burst": 7, "last": 1})
BEAT = data.StructLayout({"own": 1, "burst": 7})
LENGTHS = st.lists(st.integers(1, 4), max_size=8)


@given(lengths=st.tuples(LENGTHS, LENGTHS), with_last=st.booleans(),
       stalls=st.tuples(*[st.sampled_from([0.0, 0.5])] * 3))
@settings(max_examples=20)
def test_matches_model(bench, lengths, with_last, stalls):
    dut = Checked(Replies(BURST if with_last else BEAT))
    this = bench(dut)
    beats = []
    for own, mine in enumerate(lengths):
        beats.append([{"own": own, "burst": k, **({"last": n == length - 1} if with_last else {})}
                      for k, length in enumerate(mine) for n in range(length)])
    total = len(beats[0]) + len(beats[1])

    @this.testbench
    async def passed(ctx):
        await send(ctx, dut.passed, beats[0], stall=stalls[0], seed=1)

    @this.testbench
    async def own(ctx):
        await send(ctx, dut.own, beats[1], stall=stalls[1], seed=2)

    @this.testbench
    async def sink(ctx):
        got = await collect(ctx, dut.o, total, stall=stalls[2])
        for own in (0, 1):
            assert [beat.burst for beat in got if beat.own == own] == [
                beat["burst"] for beat in beats[own]]
        assert all(beat.refused == beat.own for beat in got)
        if with_last:
            inside = None
            for beat in got:
                assert inside in (None, (beat.own, beat.burst))
                inside = None if beat.last else (beat.own, beat.burst)

    this.run()


@pytest.mark.parametrize("shape", [BURST, BEAT])
def test_netlist(shape):
    rtlil.convert(Replies(shape))
