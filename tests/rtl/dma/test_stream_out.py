"""StreamOut: rows become packets, and a buffer is finished when it was read and sent."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.dma.jobs import Fault
from rtl.dma.stream_out import StreamOut
from rtl.params import StreamParams
from sim.streams import send

from .parts import netlist

SHAPES = {"smallest": ({"addr_width": 32, "data_width": 32}, 2), "default": ({}, 8),
          "odd": ({"addr_width": 40, "data_width": 256}, 3)}


def run(bench, shape, todo, *, fail=None, stall=0.0, seed=0):
    """Send buffers (rows, tail, eof); reads of the buffer ``fail`` go wrong."""
    args, depth = SHAPES[shape]
    dut = StreamOut(StreamParams(**args), buffers=depth)
    bus = len(dut.t.p.keep)
    this = bench(dut)
    random = Random(seed)
    words, beats = [], []
    for count, tail, eof in todo[:fail]:
        for k in range(count):
            words.append(random.getrandbits(8 * bus))
            last = eof and k == count - 1
            beats.append((words[-1], (2 << (tail % bus if last else bus - 1)) - 1, int(last)))

    @this.background
    async def parts(ctx):
        await send(ctx, dut.parts, [
            {"lanes": {"len": max(count - 1, 0), "head": 0,
                       "tail": tail % bus if eof else bus - 1},
             "none": count == 0, "eof": eof} for count, tail, eof in todo], stall=stall, seed=seed)

    @this.background
    async def rows(ctx):
        await send(ctx, dut.rows, words, stall=stall, seed=seed + 1)

    @this.background
    async def reads(ctx):
        """The last beat of each buffer comes, sooner or later, before a failure."""
        for _ in todo[:fail]:
            while random.random() < 0.5:
                await ctx.tick()
            ctx.set(dut.arrived, 1)
            await ctx.tick()
            ctx.set(dut.arrived, 0)
        if fail is not None:
            ctx.set(dut.read_failure, {"fault": Fault.DMA_DEC, "addr": 0x1230})
            ctx.set(dut.read_failed, 1)
            await ctx.tick()
            ctx.set(dut.read_failed, 0)

    @this.testbench
    async def sink(ctx):
        got, acked, ends, quiet = [], 0, [], 0
        while quiet < 80:
            ready, take = (random.random() >= stall for _ in range(2))
            over = bool(ends) and ends[-1][0] is not Fault.NONE
            ctx.set(dut.t.ready, ready)
            ctx.set(dut.finished.ready, take and not over)
            _, _, valid, beat, ack, span, ended, end = await ctx.tick().sample(
                dut.t.valid, dut.t.payload, dut.acked, dut.acked_span, dut.finished.valid,
                dut.finished.payload)
            quiet += 1
            if valid and ready:
                got.append((beat.data, beat.keep, beat.last))
                quiet = 0
            assert ack == (valid and ready)
            acked += (span + 1) * ack
            if ended and take and not over:
                ends.append((end.fault, end.addr if end.fault is not Fault.NONE else 0))
                quiet = 0
                # What was told is on its way: all rows before it were taken, but for two.
                assert len(got) >= sum(count for count, _, _ in todo[:len(ends) - (
                    end.fault is not Fault.NONE)]) - 2
        assert got == beats
        assert acked == sum(keep.bit_length() for _, keep, _ in beats)
        count = len(todo) if fail is None else fail
        assert ends == [(Fault.NONE, 0)] * count + [(Fault.DMA_DEC, 0x1230)] * (fail is not None)

    this.run()


BUFFER = st.one_of(st.tuples(st.integers(1, 9), st.integers(0, 31), st.just(True)),
                   st.tuples(st.integers(0, 5), st.just(0), st.just(False)))


@given(shape=st.sampled_from(sorted(SHAPES)), todo=st.lists(BUFFER, min_size=1, max_size=8),
       stall=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, todo, stall, seed):
    run(bench, shape, todo, stall=stall, seed=seed)


@pytest.mark.parametrize("fail", [0, 1, 3])
def test_read_failed(bench, fail):
    run(bench, "default", [(2, 3, True), (0, 0, False), (3, 5, True), (1, 0, True)], fail=fail)


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    args, depth = SHAPES[shape]
    netlist(StreamOut(StreamParams(**args), buffers=depth))
