"""Bursts that leave their page, against the addresses of their beats."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Burst
from rtl.iommu.burst_check import leaves_page
from rtl.iommu.records import address_layout
from sim.axi import beat_addresses


class Check(wiring.Component):
    access: In(address_layout(id_width=1))
    leaves: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.leaves.eq(leaves_page(self.access))
        return m


def leaves(addr, length, size, burst):
    """Whether any byte of any beat is on another page."""
    touched = beat_addresses(addr, length, size, burst)
    return any(at >> 12 != addr >> 12 or (at & -(1 << size)) + (1 << size) - 1 >> 12 != addr >> 12
               for at in touched)


bursts = st.tuples(
    st.one_of(st.integers(0, 0xFFFF), st.integers(0xFC0, 0x1010)),
    st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 7, 15, 31, 63, 127, 255])),
    st.integers(0, 7), st.sampled_from([Burst.FIXED, Burst.INCR, Burst.WRAP]))


@given(todo=st.lists(bursts, min_size=20, max_size=60))
def test_tells_what_leaves(bench, todo):
    dut = Check()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for addr, length, size, burst in todo:
            if burst is Burst.WRAP:     # of a power of two, aligned, or it is no burst at all
                length, addr = (2 << length % 8) - 1, addr >> size << size
            ctx.set(dut.access, {"addr": addr, "len": length, "size": size, "burst": burst})
            await ctx.delay(1e-9)
            assert ctx.get(dut.leaves) == leaves(addr, length, size, burst)
        ctx.set(dut.access.burst.as_value(), 3)
        await ctx.delay(1e-9)
        assert ctx.get(dut.leaves)

    this.run()
