"""DescriptorReader: words in their places, whatever the width of the bus, and what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.descriptor_reader import DescriptorReader
from rtl.dma.jobs import Fault

from .parts import netlist

RESP = st.sampled_from([Resp.OKAY] * 12 + [Resp.EXOKAY, Resp.SLVERR, Resp.DECERR])


@given(width=st.sampled_from([32, 64, 256, 512]), size=st.sampled_from([32, 52]),
       again=st.booleans(), data=st.data())
def test_matches_model(bench, width, size, again, data):
    beats = -(-size * 8 // width)
    descriptors = data.draw(st.lists(st.tuples(
        st.binary(min_size=31, max_size=31), st.sampled_from([0, 0x7F, 0x80, 0xFF]),
        st.lists(RESP, min_size=beats, max_size=beats), st.integers(0, 3),
        st.binary(min_size=32, max_size=32)),
        min_size=1, max_size=4))
    dut = DescriptorReader(data_width=width, size=size)
    assert dut.beats == beats
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.again, again)
        for rest, last_byte, resps, gap, more in descriptors:
            image = rest + bytes([last_byte]) + more
            for k, resp in enumerate(resps):
                word = image[k * width // 8:(k + 1) * width // 8]
                ctx.set(dut.r.valid, 0)
                for _ in range(gap):
                    assert not ctx.get(dut.came)
                    await ctx.tick()
                ctx.set(dut.r.payload, {"data": int.from_bytes(word, "little"), "resp": resp,
                                        "last": k == beats - 1})
                ctx.set(dut.r.valid, 1)
                assert ctx.get(dut.came) == (k == beats - 1)
                if k < beats - 1:
                    await ctx.tick()
            wrong = [resp for resp in resps if resp in (Resp.SLVERR, Resp.DECERR)]
            if wrong:
                fault = Fault.SG_SLV if wrong[0] is Resp.SLVERR else Fault.SG_DEC
            else:
                fault = Fault.SG_INT if last_byte & 0x80 and not again else Fault.NONE
            assert ctx.get(dut.fault) is fault
            assert ctx.get(dut.words) == int.from_bytes(image[:size], "little")
            await ctx.tick()
            ctx.set(dut.r.valid, 0)

    this.run()


@pytest.mark.parametrize("width", [32, 128, 512])
def test_netlist(width):
    netlist(DescriptorReader(data_width=width))
