"""WriteData, Choose and Front: what comes to the lookup, and when."""

import itertools
from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import CACHE_WRITE_BACK, Burst
from rtl.cache.choose import Choose
from rtl.cache.front import Front
from rtl.cache.layouts import Kind
from rtl.cache.write_data import WriteData
from sim.streams import collect, send

from .harness import SHAPES

SMALL = SHAPES["small"]


def chunk(parts, tag):
    """Parts of one chunk; ``parts`` are their lengths in beats. ``tag`` tells them apart."""
    return [{"opens": index == 0, "closes": index == len(parts) - 1, "beats": beats - 1,
             "chunk": sum(parts) - 1, "line": {"tag": tag, "set": index}}
            for index, beats in enumerate(parts)]


CHUNKS = st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=3)
                  .filter(lambda x: sum(x) <= 16), min_size=1, max_size=6)


class TestWriteData:
    @settings(max_examples=10)
    @given(chunks=CHUNKS, stall=st.sampled_from([0.0, 0.6]))
    def test_a_chunk_passes_with_all_its_data(self, bench, chunks, stall):
        dut = WriteData(SMALL)
        this = bench(dut)
        parts = [part for tag, lengths in enumerate(chunks) for part in chunk(lengths, tag)]
        beats = sum(map(sum, chunks))
        sizes = [sum(lengths) for lengths in chunks for _ in range(sum(lengths))]
        given_at, _passed_at = [], []

        @this.testbench
        async def offer(ctx):
            await send(ctx, dut.i, parts, seed=1)

        @this.testbench
        async def data(ctx):
            given_at.clear()
            ends = set(itertools.accumulate(map(sum, chunks)))
            payloads = ({"data": word, "strb": 255, "last": word + 1 in ends and sizes[word] < 16}
                        for word in range(beats))
            await send(ctx, dut.w, payloads, stall=stall, seed=2)

        @this.testbench
        async def consume(ctx):
            random, left = Random(3), 0
            for part in (part for lengths in chunks for part in lengths):
                ctx.set(dut.o.ready, 1)
                await ctx.tick().until(dut.o.valid)
                ctx.set(dut.o.ready, 0)
                left += part
                # All data of the part is there: no wait between its beats.
                for word in range(left - part, left):
                    ctx.set(dut.beats.ready, 1)
                    *_, valid, beat = await ctx.tick().sample(dut.beats.valid, dut.beats.payload)
                    assert valid and beat.data == word
                ctx.set(dut.beats.ready, 0)
                while random.random() < stall:
                    await ctx.tick()

        this.run()

    def test_late_data_holds_nothing_up(self, bench):
        """Fifteen of sixteen beats are not enough."""
        dut = WriteData(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.i.payload, chunk([8, 8], 0)[0])
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.o.ready, 1)
            await send(ctx, dut.w, [{"data": 0, "strb": 0, "last": 0}] * 15)
            for _ in range(4):
                *_, valid, ready = await ctx.tick().sample(dut.o.valid, dut.i.ready)
                assert not valid and not ready
            await send(ctx, dut.w, [{"data": 0, "strb": 0, "last": 1}])
            *_, valid, ready = await ctx.tick().sample(dut.o.valid, dut.i.ready)
            assert valid and ready

        this.run()


class TestChoose:
    @settings(max_examples=12)
    @given(reads=CHUNKS, writes=CHUNKS, steps=st.integers(0, 12),
           stall=st.sampled_from([0.0, 0.4]))
    def test_order_and_chunks(self, bench, reads, writes, steps, stall):
        dut = Choose(SMALL)
        this = bench(dut)
        given_parts = {
            "reads": [p | {"write": 0} for t, c in enumerate(reads) for p in chunk(c, t)],
            "writes": [p | {"write": 1} for t, c in enumerate(writes) for p in chunk(c, t)],
            "steps": [{"kind": Kind.LINE, "line": {"tag": t}} for t in range(steps)],
        }
        for name, payloads in given_parts.items():
            @this.testbench
            async def source(ctx, name=name, payloads=payloads):
                await send(ctx, getattr(dut, name), payloads, stall=stall, seed=len(name))

        @this.testbench
        async def sink(ctx):
            got = await collect(ctx, dut.o, sum(map(len, given_parts.values())), stall=stall)
            accesses = [part for part in got if part.kind is Kind.ACCESS]
            for name, write in (("reads", 0), ("writes", 1)):
                assert [(p.line.tag, p.line.set) for p in accesses if p.write == write] == [
                    (p["line"]["tag"], p["line"]["set"]) for p in given_parts[name]]
            for before, after in itertools.pairwise(accesses):
                assert before.closes or before.write == after.write
            assert [p.line.tag for p in got if p.kind is Kind.LINE] == list(range(steps))

        this.run()

    def test_maintenance_gets_every_second_turn(self, bench):
        dut = Choose(SMALL)
        this = bench(dut)

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.reads.payload, chunk([1], 0)[0])
            ctx.set(dut.steps.p.kind, Kind.SET)
            for port in (dut.reads, dut.steps):
                ctx.set(port.valid, 1)
            ctx.set(dut.o.ready, 1)
            kinds = []
            for _ in range(10):
                *_, kind = await ctx.tick().sample(dut.o.p.kind)
                kinds.append(kind)
            assert kinds in ([Kind.ACCESS, Kind.SET] * 5, [Kind.SET, Kind.ACCESS] * 5)

        this.run()


class TestFront:
    def test_latency(self, bench):
        """A read comes with its address, a write in the cycle after its data."""
        dut = Front(SMALL)
        this = bench(dut)
        burst = {"addr": 0x40, "size": 3, "burst": Burst.INCR, "cache": CACHE_WRITE_BACK}

        @this.testbench
        async def driver(ctx):
            ctx.set(dut.requests.ready, 1)
            ctx.set(dut.ar.payload, burst)
            ctx.set(dut.ar.valid, 1)
            *_, valid, line = await ctx.tick().sample(dut.requests.valid, dut.requests.p.line)
            assert valid and line.set == 2
            ctx.set(dut.ar.valid, 0)
            ctx.set(dut.aw.payload, burst)
            ctx.set(dut.aw.valid, 1)
            ctx.set(dut.w.p.last, 1)
            ctx.set(dut.w.valid, 1)
            valids = []
            for _ in range(3):
                *_, valid = await ctx.tick().sample(dut.requests.valid)
                valids.append(valid)
                ctx.set(dut.aw.valid, 0)
                ctx.set(dut.w.valid, 0)
            assert valids == [0, 1, 0]

        this.run()


@pytest.mark.parametrize("component", [WriteData, Choose, Front])
@pytest.mark.parametrize("shape", ["smallest", "odd"])
def test_netlist(component, shape):
    rtlil.convert(component(SHAPES[shape]))
