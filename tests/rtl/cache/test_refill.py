"""Refill: one line after the other and several at once, with every outcome."""

from dataclasses import replace
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
    dut, beats, misses = Refill(params), params.beats, params.misses
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        for number, case in enumerate(cases):
            await one(ctx, number, case)

    async def one(ctx, number, case):
        line = {"set": number % params.sets, "tag": 0x55 + number}
        word, way = case["word"] % beats, number % params.ways
        bad = {index for index in case["bad"] if index < beats}
        slot = 1 << number % misses
        for port in (dut.fill.slot, dut.flight.refers, dut.flight.asked, dut.outcome.slot):
            ctx.set(port, slot)
        assert ctx.get(dut.flight.next) == slot
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
        assert ctx.get(dut.misses.ready) == (misses > 1) and not ctx.get(dut.idle)
        ctx.set(dut.flight.line, line)
        assert ctx.get(dut.flight.busy) == 1 << way and ctx.get(dut.flight.slot) == slot
        assert ctx.get(dut.flight.way) == way
        ctx.set(dut.flight.line.tag, 0)
        assert ctx.get(dut.flight.busy) == 1 << way and not ctx.get(dut.flight.slot)
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
            ctx.set(dut.written, slot if answers and not kept else 0)
            ctx.set(dut.failed, slot if answers and kept else 0)
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
        assert ctx.get(dut.outcome.certain) and ctx.get(dut.idle)
        assert ctx.get(dut.outcome.lost) == (kept or bool(bad))
        assert ctx.get(dut.fill.kept) == kept
        assert ctx.get(dut.fill.bad) == sum(1 << index for index in bad)
        if kept or bad:
            for resp in (ctx.get(dut.fill.resp), ctx.get(dut.outcome.resp)):
                assert resp is (Resp.SLVERR if kept else case["resp"])
        task = await get(ctx, dut.tasks)
        assert task.task is (Task.KEEP if kept else Task.VOID if bad else Task.FILL)
        assert (task.line.set, task.line.tag, task.way) == (line["set"], line["tag"], way)
        assert task.dirty == (case["write"] or case["soil"])

        # The answers stay until the last order for the line is done.
        for user in range(case["users"]):
            assert ctx.get(dut.misses.ready) == (misses > 1)
            passed = dut.outcome.passed if user % 2 else dut.fill.passed
            ctx.set(passed, 1)
            await ctx.tick()
            ctx.set(passed, 0)
        await ctx.tick()
        assert ctx.get(dut.misses.ready)

    this.run()


@settings(max_examples=15)
@given(cases=st.lists(CASES.map(lambda cases: cases[0]), min_size=4, max_size=9),
       shape=st.sampled_from(["small", "smallest", "odd"]), seed=st.integers(0, 99))
def test_several_at_once(bench, cases, shape, seed):
    """Lines come and are settled in the order of the misses, each as the data array gets to it."""
    params = SHAPES[shape]
    dut, beats, misses = Refill(params), params.beats, params.misses
    this = bench(dut)
    lines = [{"set": k % params.sets, "tag": k} for k in range(len(cases))]

    begun, reached = {"count": 0}, {"count": 0}

    def kept(case):
        return case["evict"] is False

    def bad(case):
        return {index for index in case["bad"] if index < beats}

    @this.testbench
    async def lookup(ctx):
        for number, case in enumerate(cases):
            random = Random(seed + number)
            while random.random() < case["stall"]:
                await ctx.tick()
            slot = 1 << number % misses
            ctx.set(dut.misses.payload, {
                "line": lines[number], "way": number % params.ways, "word": case["word"] % beats,
                "evict": case["evict"] is not None, "write": case["write"]})
            ctx.set(dut.misses.valid, 1)
            while not ctx.get(dut.misses.ready):
                await ctx.tick()
            assert ctx.get(dut.flight.next) == slot
            ctx.set(dut.flight.refer, 1)
            ctx.set(dut.flight.refers, slot)
            await ctx.tick()
            begun["count"] = number + 1
            ctx.set(dut.flight.refer, 0)
            ctx.set(dut.misses.valid, 0)

    @this.testbench
    async def memory(ctx):
        random = Random(seed)
        for case, line in zip(cases, lines, strict=True):
            ar = await get(ctx, dut.ar)
            address = (line["set"] | line["tag"] << params.set_bits) * params.line_bytes
            assert ar.addr & -params.line_bytes == address
            first = ar.addr % params.line_bytes // (params.data_width // 8)
            assert first == case["word"] % beats
            for index in [(first + k) % beats for k in range(beats)]:
                while random.random() < case["stall"]:
                    await ctx.tick()
                await put(ctx, dut.r, {"data": address + index,
                                       "resp": case["resp"] if index in bad(case) else Resp.OKAY})

    @this.testbench
    async def write_back(ctx):
        random = Random(seed + 1)
        for number, case in enumerate(cases):
            if case["evict"] is None:
                continue
            while reached["count"] <= number:
                await ctx.tick()
            await ctx.tick().repeat(random.randrange(1, 9))
            port = dut.failed if kept(case) else dut.written
            ctx.set(port, 1 << number % misses)
            await ctx.tick()
            ctx.set(port, 0)

    @this.testbench
    async def data_array(ctx):
        for number, case in enumerate(cases):
            while begun["count"] <= number:
                await ctx.tick()
            for port in (dut.fill.slot, dut.outcome.slot):
                ctx.set(port, 1 << number % misses)
            ctx.set(dut.fill.reached, 1)
            reached["count"] = number + 1
            await ctx.tick().until(dut.outcome.certain)
            lost = kept(case) or bool(bad(case))
            assert ctx.get(dut.outcome.lost) == lost and ctx.get(dut.fill.kept) == kept(case)
            if not kept(case):
                assert ctx.get(dut.fill.bad) == sum(1 << index for index in bad(case))
            ctx.set(dut.fill.reached, 0)
            ctx.set(dut.fill.passed, 1)
            await ctx.tick()
            ctx.set(dut.fill.passed, 0)

    @this.testbench
    async def store(ctx):
        """What is written to the data array belongs to the line that it has come to."""
        for number, case in enumerate(cases):
            first = case["word"] % beats
            for index in [] if kept(case) else [(first + k) % beats for k in range(beats)]:
                (at,) = await ctx.tick().sample(dut.fills.payload).until(dut.fills.valid)
                line = lines[number]
                address = (line["set"] | line["tag"] << params.set_bits) * params.line_bytes
                assert number < reached["count"]
                assert (at.set, at.way, at.word, at.data) == (
                    line["set"], number % params.ways, index, address + index)

    @this.testbench
    async def settle(ctx):
        for number, case in enumerate(cases):
            task = await get(ctx, dut.tasks)
            assert task.line.tag == number and task.dirty == case["write"]
            assert task.task is (Task.KEEP if kept(case) else Task.VOID if bad(case) else Task.FILL)

    this.run()


def test_line_is_on_its_way_until_it_is_settled(bench):
    """For the snoop port: also when all beats have come, and the lookup has not heard of it."""
    dut = Refill(replace(SHAPES["small"], snoop=1))
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.misses.payload, {"line": {"set": 3, "tag": 5}})
        ctx.set(dut.flight.snooped, {"set": 3, "tag": 5})
        ctx.set(dut.ar.ready, 1)
        ctx.set(dut.fill.slot, 1)
        ctx.set(dut.fill.reached, 1)
        assert not ctx.get(dut.flight.coming)
        await put(ctx, dut.misses, ctx.get(dut.misses.payload))
        for _ in range(4):
            assert ctx.get(dut.flight.coming)
            await put(ctx, dut.r, {})
        await ctx.tick().until(dut.tasks.valid)
        assert ctx.get(dut.flight.coming)
        for other in ({"set": 3, "tag": 4}, {"set": 2, "tag": 5}):
            ctx.set(dut.flight.snooped, other)
            assert not ctx.get(dut.flight.coming)
        ctx.set(dut.flight.snooped, {"set": 3, "tag": 5})
        await get(ctx, dut.tasks)
        assert not ctx.get(dut.flight.coming)

    this.run()


def test_word_that_was_thrown_away_is_not_there(bench):
    """Memory refuses the old line before all beats of the new one: nothing is stored into it."""
    dut = Refill(SHAPES["small"])
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.ar.ready, 1)
        ctx.set(dut.fill.slot, 1)
        ctx.set(dut.fill.reached, 1)
        ctx.set(dut.misses.payload, {"evict": 1, "write": 1})
        await put(ctx, dut.misses, ctx.get(dut.misses.payload))
        ctx.set(dut.failed, 1)
        await ctx.tick()
        ctx.set(dut.failed, 0)
        for _ in range(4):
            await put(ctx, dut.r, {})
            for _ in range(3):
                assert ctx.get(dut.fill.kept) or not ctx.get(dut.fill.here)
                assert not ctx.get(dut.fills.valid)
                await ctx.tick()
        assert ctx.get(dut.fill.kept)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Refill(SHAPES[shape]))
