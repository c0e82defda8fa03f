"""PacketEnd: what is offered stays, and a packet that is cut off ends with a mark."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.packet_end import PacketEnd


@given(cuts=st.sets(st.integers(0, 60), max_size=6), stall=st.sampled_from([0.0, 0.5]),
       seed=st.integers(0, 99))
def test_matches_model(bench, cuts, stall, seed):
    dut = PacketEnd(32)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        random, expected, got, unended = Random(seed), [], [], False
        offered = held = None
        for cycle in range(90):
            cut = cycle in cuts
            if offered is None and cycle < 60 and random.random() >= stall:
                offered = {"data": random.getrandbits(32), "keep": 15,
                           "last": random.randrange(3) == 0}
            ready = random.random() >= stall
            ctx.set(dut.i.valid, offered is not None)
            if offered:
                ctx.set(dut.i.payload, offered)
            ctx.set(dut.cut, cut)
            ctx.set(dut.o.t.ready, ready)
            _, _, taken, valid, beat = await ctx.tick().sample(
                dut.i.ready, dut.o.t.valid, dut.o.t.payload)
            beat = (beat.data, beat.keep, beat.last, beat.user)
            assert held is None or (valid and beat == held), "an offer was withdrawn"
            held = beat if valid and not ready else None
            if valid and ready:
                got.append(beat)
            if offered and taken:
                expected.append((offered["data"], 15, offered["last"], 0))
                unended, offered = not offered["last"], None
            if cut:
                offered = None              # the channel is as after power-on
                if unended:
                    expected.append((0, 1, 1, 1))
                unended = False
        ctx.set(dut.o.t.ready, 1)
        for _ in range(6):
            _, _, valid, beat = await ctx.tick().sample(dut.o.t.valid, dut.o.t.payload)
            if valid:
                got.append((beat.data, beat.keep, beat.last, beat.user))
        assert got == expected

    this.run()


@pytest.mark.parametrize("width", [8, 64, 512])
def test_netlist(width):
    rtlil.convert(PacketEnd(width))
