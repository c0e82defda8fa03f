"""Lookup: orders and misses, in an environment that answers when it likes."""

from collections import deque
from random import Random

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.cache.layouts import Cause, Kind, LineLayout, Op, Task
from rtl.cache.lookup import Lookup
from rtl.spec.cache_regs import CacheMode
from sim.streams import get, put, send

from .harness import SHAPES

SMALL = SHAPES["small"]                     # 8 sets, 2 ways


class Setting(wiring.Component):
    """The lookup, and a refill in flight that the testbench describes."""

    def __init__(self, params):
        self.lookup = Lookup(params)
        members = dict(self.lookup.signature.members)
        del members["flight"]
        super().__init__({**members, "moving": In(1), "moving_line": In(LineLayout(params)),
                          "moving_way": In(params.way_bits), "soiled": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.lookup = lookup = self.lookup
        for name in lookup.signature.members:
            if name in ("events", "flight", "stored", "aside", "windows"):
                continue
            ports = getattr(lookup, name), flipped(getattr(self, name))
            connect(m, *ports)
        flight = lookup.flight
        near = self.moving & (flight.line.set == self.moving_line.set)
        m.d.comb += [
            self.events.eq(lookup.events),
            lookup.stored.eq(self.stored),
            flight.moving.eq(self.moving),
            flight.busy.eq(Mux(near, 1 << self.moving_way, 0)),
            flight.slot.eq(near & (flight.line.tag == self.moving_line.tag)),
            flight.next.eq(1),
            flight.way.eq(Mux(flight.asked == 1, self.moving_way, ~self.moving_way)),
        ]
        with m.If(~self.moving):
            m.d.sync += self.soiled.eq(0)
        with m.Elif(flight.soil):
            m.d.sync += self.soiled.eq(1)
        with m.If(self.soiled):
            m.d.comb += lookup.tasks.p.dirty.eq(1)
        return m


class Environment:
    """Checks every order against what the cache must hold, and answers at random.

    ``lines`` maps (set, way) to [tag, dirty]; a line being filled is in ``flight``. With
    ``flushes``, clean lines may be dropped unseen.
    """

    def __init__(self, dut, seed, requests, *, flushes):
        self.dut, self.seed, self.requests, self.flushes = dut, seed, requests, flushes

    def attach(self, this):
        @this.testbench
        async def give(ctx):
            self.random, self.lines, self.flight, self.doomed = Random(self.seed), {}, None, set()
            self.expected, self.tasks, self.count = deque(), [], 0
            for request in self.requests:
                if request["kind"] is Kind.ACCESS:
                    self.expected.append(request)
                await put(ctx, self.dut.requests, request)
                while self.random.random() < 0.3:
                    await ctx.tick()
            while self.expected or self.tasks or self.flight or ctx.get(self.dut.walk.working):
                await ctx.tick()

        for function in (self.orders, self.copies, self.misses, self.answers):
            this.background(function)

    async def misses(self, ctx):
        while True:
            ctx.set(self.dut.misses.ready, getattr(self, "flight", 1) is None)
            *_, valid, miss = await ctx.tick().sample(
                self.dut.misses.valid & self.dut.misses.ready, self.dut.misses.payload)
            if not valid:
                continue
            place = (miss.line.set, miss.way)
            for at, line in list(self.lines.items()):
                if at[0] == miss.line.set and line[0] == miss.line.tag:
                    assert self.flushes and not line[1], "the line is there"
                    del self.lines[at]
            old = self.lines.get(place)
            assert miss.evict == bool(old and old[1])
            assert place not in self.doomed, "its write-back is pending"
            free = [way for way in range(2) if (miss.line.set, way) not in self.lines]
            assert not free or self.flushes or miss.way == free[0]
            self.flight = {"place": place, "tag": miss.line.tag, "write": miss.write,
                           "evict": miss.evict, "wait": self.random.randrange(12)}
            ctx.set(self.dut.moving_line, {"set": miss.line.set, "tag": miss.line.tag})
            ctx.set(self.dut.moving_way, miss.way)
            ctx.set(self.dut.moving, 1)

    async def orders(self, ctx):
        while True:
            order = await get(ctx, self.dut.orders)
            place, line = (order.line.set, order.way), order.line.tag
            request = self.expected.popleft()
            assert (order.op is Op.WRITE) == request["write"]
            assert (order.line.set, line) == (request["line"]["set"], request["line"]["tag"])
            assert order.id == request["id"] and order.last == request["last"]
            if self.flight and (self.flight["place"][0], self.flight["tag"]) == (
                    order.line.set, line):
                assert order.miss and place == self.flight["place"] and order.slot == 1
            elif not order.miss:            # what was in flight when it was given may be lost
                assert self.lines[place][0] == line
                self.lines[place][1] |= request["write"]
            ctx.set(self.dut.stored, request["write"])
            await ctx.tick()
            ctx.set(self.dut.stored, 0)
            while self.random.random() < 0.3:
                await ctx.tick()

    async def copies(self, ctx):
        """A line is dirty by stores that were done, when its turn comes."""
        while True:
            victim = await get(ctx, self.dut.lines)
            place = (victim.line.set, victim.way)
            assert self.lines[place][0] == victim.line.tag
            assert self.lines[place][1], "only dirty lines are written back"
            if victim.cause is Cause.EVICT:
                assert self.flight["place"] == place and self.flight["evict"]
                assert victim.slot == 1
            else:
                assert place not in self.doomed
                self.doomed.add(place)
                self.lines[place][1] = False
                self.tasks.append([self.random.randrange(20), Task.ACK, place, victim.line.tag,
                                   victim.cause])

    async def answers(self, ctx):
        """One change after the other, when it is due."""
        dut = self.dut
        while True:
            await ctx.tick()
            flight = getattr(self, "flight", None)
            due = [task for task in getattr(self, "tasks", []) if task[0] <= 0]
            for task in getattr(self, "tasks", []):
                task[0] -= 1
            if due and self.random.random() < 0.7:
                task = due[0]
                error, (_, _, place, tag, cause) = self.random.random() < 0.2, task
                await put(ctx, dut.tasks, {"task": Task.ACK, "line": {"set": place[0], "tag": tag},
                                           "way": place[1], "cause": cause, "error": error})
                self.tasks.remove(task)
                self.doomed.remove(place)
                if error:
                    self.lines[place][1] = True
                elif cause is not Cause.CLEAN and not self.lines[place][1]:
                    del self.lines[place]
            elif flight:
                flight["wait"] -= 1
                if flight["wait"] < 0 and not self._in_queue(ctx):
                    await self._end(ctx, flight)

    def _in_queue(self, ctx):
        """Whether orders that were given before are still to be looked at by ``orders``."""
        return ctx.get(self.dut.orders.valid)

    async def _end(self, ctx, flight):
        kinds = [Task.FILL, Task.FILL, Task.VOID] + [Task.KEEP] * flight["evict"]
        task, place = self.random.choice(kinds), flight["place"]
        await put(ctx, self.dut.tasks, {
            "task": task, "line": {"set": place[0], "tag": flight["tag"]}, "way": place[1],
            "dirty": flight["write"]})
        dirty = flight["write"] or ctx.get(self.dut.soiled)
        ctx.set(self.dut.moving, 0)
        if task is Task.FILL:
            self.lines[place] = [flight["tag"], dirty]
        elif task is Task.VOID:
            self.lines.pop(place, None)
        self.flight = None


def some_requests(seed, count, flushes):
    random = Random(seed)
    for number in range(count):
        line = {"set": random.randrange(2), "tag": random.randrange(4)}
        if random.random() < 0.75:
            yield {"kind": Kind.ACCESS, "line": line, "write": random.random() < 0.5,
                   "id": number % 16, "starts": 1, "opens": 1, "closes": 1,
                   "last": random.random() < 0.5}
        else:
            kind = random.choice([Kind.LINE, Kind.LINE, Kind.SET])
            modes = [CacheMode.CLEAN_SHARED] + [CacheMode.CLEAN_INVALIDATE] * flushes
            yield {"kind": kind, "line": line, "whole": 1, "mode": random.choice(modes)}


@pytest.mark.parametrize("seed", range(6))
def test_orders(bench, seed):
    dut = Setting(SMALL)
    this = bench(dut, timeout=20_000)
    flushes = seed % 2
    Environment(dut, seed, list(some_requests(seed, 80, flushes)), flushes=flushes).attach(this)
    this.run()


async def fill(ctx, dut, line, way):
    """Make a line valid, by the task that ends a refill."""
    await put(ctx, dut.tasks, {"task": Task.FILL, "line": line, "way": way})


def test_latency_and_throughput(bench):
    """An order comes three cycles after the request, then one a cycle; a miss after two."""
    dut = Setting(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await ctx.tick().repeat(12)
        for way in range(2):
            await fill(ctx, dut, {"set": 1, "tag": way}, way)
        ctx.set(dut.orders.ready, 1)
        valids = []
        for step in range(14):
            ctx.set(dut.requests.payload, {"kind": Kind.ACCESS, "line": {"set": 1, "tag": step % 2},
                                           "write": step % 3 == 0})
            ctx.set(dut.requests.valid, step < 9)
            *_, ready, valid, way = await ctx.tick().sample(
                dut.requests.ready, dut.orders.valid, dut.orders.p.way)
            assert ready
            valids.append(valid)
            assert not valid or way == (step - 3) % 2
        assert valids == [0] * 3 + [1] * 9 + [0] * 2
        ctx.set(dut.requests.p.line.tag, 9)
        ctx.set(dut.requests.valid, 1)
        valids = []
        for _ in range(3):
            *_, valid = await ctx.tick().sample(dut.misses.valid)
            valids.append(valid)
            ctx.set(dut.requests.valid, 0)
        assert valids == [0, 0, 1]

    this.run()


def test_uncacheable_line_is_purged_first(bench):
    """Written back, then dropped, then reported; one that cannot be is reported as such."""
    dut = Setting(SMALL)
    this = bench(dut)
    line = {"set": 2, "tag": 5}

    async def one(ctx, error):
        await put(ctx, dut.tasks, {"task": Task.FILL, "line": line, "way": 0, "dirty": 1})
        await put(ctx, dut.requests, {"kind": Kind.BYPASS, "line": line, "opens": 1, "closes": 1,
                                      "id": 3})
        victim = await get(ctx, dut.lines)
        assert (victim.cause, victim.line.tag) == (Cause.PURGE, 5)
        for _ in range(10):
            *_, done = await ctx.tick().sample(dut.probe.done)
            assert not done
        ctx.set(dut.tasks.payload, {"task": Task.ACK, "line": line, "cause": Cause.PURGE,
                                    "error": error})
        ctx.set(dut.tasks.valid, 1)
        await ctx.tick().until(dut.tasks.ready)
        ctx.set(dut.tasks.valid, 0)
        (failed,) = await ctx.tick().sample(dut.probe.failed).until(dut.probe.done)
        assert failed == error
        order = await get(ctx, dut.orders)
        assert (order.op, order.id) == (Op.BYPASS, 3)

    @this.testbench
    async def driver(ctx):
        await ctx.tick().repeat(12)
        for error in (1, 0):
            await one(ctx, error)
        await put(ctx, dut.requests, {"kind": Kind.ACCESS, "line": line})
        (miss,) = await ctx.tick().sample(dut.misses.payload).until(dut.misses.valid)
        assert miss.way == 0                # it was dropped

    this.run()


def test_hold(bench):
    """While an uncacheable chunk is under way, nothing is decided, but tasks are done."""
    dut = Setting(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await ctx.tick().repeat(12)
        await fill(ctx, dut, {"set": 0, "tag": 0}, 0)
        ctx.set(dut.probe.hold, 1)
        await send(ctx, dut.requests, [{"kind": Kind.ACCESS}] * 2)
        for _ in range(6):
            *_, valid = await ctx.tick().sample(dut.orders.valid)
            assert not valid
        await fill(ctx, dut, {"set": 1, "tag": 1}, 1)
        ctx.set(dut.probe.hold, 0)
        for _ in range(2):
            await get(ctx, dut.orders)

    this.run()


def test_walk_passes_over_nothing_that_moves(bench):
    """A group of sets is empty if it holds nothing and no line is on its way."""
    dut = Setting(SMALL)
    this = bench(dut)

    @this.testbench
    async def driver(ctx):
        await ctx.tick().repeat(12)

        def shown():
            return ctx.get(dut.walk.some_full), ctx.get(dut.walk.some_dirty)

        ctx.set(dut.walk.asked, 5)
        assert shown() == (0, 0)
        ctx.set(dut.moving, 1)
        assert shown() == (1, 1)
        ctx.set(dut.moving, 0)
        for at, dirty in ((1, 1), (7, 0), (4, 1)):
            await put(ctx, dut.tasks, {"task": Task.FILL, "line": {"set": at}, "dirty": dirty})
            await ctx.tick()
            assert shown() == (at >= 4, at == 4)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Lookup(SHAPES[shape]))
