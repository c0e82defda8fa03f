"""Refill: one line after the other, with every outcome."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Burst, Resp
from rtl.cache.layouts import Task
from rtl.cache.refill import Refill
from sim.streams import get, put

from .harness import SHAPES

CASES = st.lists(st.fixed_dictionaries({
    "word": st.integers(0, 31), "evict": st.sampled_from([None, True, False]),
    "bad": st.sets(st.integers(0, 31), max_size=2), "resp": st.sampled_from([Resp.SLVERR,
                                                                            Resp.DECERR]),
    "write": st.booleans(), "soil": st.booleans(), "reach": st.integers(0, 12),
    "answer": st.integers(0, 12), "users": st.integers(1, 3), "stall": st.sampled_from([0, 0.5]),
}), min_size=1, max_size=4)


@settings(max_examples=15)
@given(cases=CASES, shape=st.sampled_from(["small", "smallest", "long"]))
def test_refills(bench, cases, shape):
    params = SHAPES[shape]
    dut, beats = Refill(params), params.beats
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for number, case in enumerate(cases):
            await one(ctx, number, case)

    async def one(ctx, number, case):
        line = {"set": number % params.sets, "tag": 0x55 + number}
        word, way = case["word"] % beats, number % params.ways
        bad = {index for index in case["bad"] if index < beats}
        random = Random(number)
        await put(ctx, dut.misses, {"line": line, "way": way, "word": word,
                                    "evict": case["evict"] is not None, "write": case["write"]})
        first = word if beats <= 16 else 0
        order = [(first + index) % beats for index in range(beats)]
        ar = await get(ctx, dut.ar)
        address = (line["set"] | line["tag"] << params.set_bits) * params.line_bytes
        assert ar.addr == address + first * params.data_width // 8
        assert (ar.len, 1 << ar.size) == (beats - 1, params.data_width // 8)
        assert ar.burst is (Burst.WRAP if beats <= 16 else Burst.INCR)

        # Lookup: the set is in motion, the line is on its way.
        assert not ctx.get(dut.misses.ready) and not ctx.get(dut.idle)
        ctx.set(dut.flight.line, line)
        assert ctx.get(dut.flight.near) and ctx.get(dut.flight.same)
        assert ctx.get(dut.flight.way) == way
        ctx.set(dut.flight.line.tag, 0)
        assert ctx.get(dut.flight.near) and not ctx.get(dut.flight.same)
        ctx.set(dut.flight.refer, 1)
        for user in range(case["users"]):
            ctx.set(dut.flight.soil, case["soil"] and user == 0)
            await ctx.tick()
        ctx.set(dut.flight.refer, 0)
        ctx.set(dut.flight.soil, 0)

        kept, stored, seen, errors = case["evict"] is False, [], [], 0
        sent, held, cycle = 0, None, 0
        while not ctx.get(dut.tasks.valid):
            if held is None and sent < beats and random.random() >= case["stall"]:
                index = order[sent]
                held = {"data": index + 1, "last": sent == beats - 1,
                        "resp": case["resp"] if index in bad else Resp.OKAY}
            ctx.set(dut.r.valid, held is not None)
            if held is not None:
                ctx.set(dut.r.payload, held)
            ctx.set(dut.fill.reached, cycle == case["reach"])
            answers = case["evict"] is not None and cycle == case["answer"]
            ctx.set(dut.written, answers and not kept)
            ctx.set(dut.failed, answers and kept)
            *_, store, at, ready, fresh, fresh_word, error = await ctx.tick().sample(
                dut.fills.valid, dut.fills.payload, dut.r.ready, dut.fill.fresh, dut.fill.word,
                dut.error)
            assert ready                    # whatever happens, memory is never held up
            if fresh:
                assert held is not None and fresh_word == order[sent]
            if store:
                assert cycle >= case["reach"]
                assert case["evict"] is None or cycle > case["answer"]
                assert (at.set, at.way, at.data) == (line["set"], way, at.word + 1)
                assert at.strb == (1 << params.data_width // 8) - 1
                stored.append(at.word)
                assert ctx.get(dut.fill.here) == sum(1 << index for index in stored)
            errors += error
            if held is not None:
                seen.append(order[sent])
                sent, held = sent + 1, None
            cycle += 1
            assert cycle < 300
        ctx.set(dut.r.valid, 0)
        assert stored == ([] if kept else order) and seen == order
        assert errors == bool(bad)
        assert ctx.get(dut.fill.done) and ctx.get(dut.idle)
        assert ctx.get(dut.fill.lost) == (kept or bool(bad)) and ctx.get(dut.fill.kept) == kept
        assert ctx.get(dut.fill.bad) == sum(1 << index for index in bad)
        if kept or bad:
            assert ctx.get(dut.fill.resp) is (Resp.SLVERR if kept else case["resp"])
        task = await get(ctx, dut.tasks)
        assert task.task is (Task.KEEP if kept else Task.VOID if bad else Task.FILL)
        assert (task.line.set, task.line.tag, task.way) == (line["set"], line["tag"], way)
        assert task.dirty == (case["write"] or case["soil"])

        # The answers stay until the last order for the line is done.
        for _ in range(case["users"]):
            assert not ctx.get(dut.misses.ready)
            ctx.set(dut.fill.passed, 1)
            await ctx.tick()
        ctx.set(dut.fill.passed, 0)
        assert ctx.get(dut.misses.ready)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Refill(SHAPES[shape]))
