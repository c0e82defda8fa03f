"""WalkPool: questions that meet a walk under way join it, and none gets what was true before."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.records import Kind
from rtl.iommu.walk_pool import WalkPool
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PTE
from tests.rtl.iommu.memory import serve_reads

ROOT = 0x8_0000
GOOD = {"v": 1, "r": 1, "w": 1, "x": 1, "u": 1, "a": 1, "d": 1}


class Tables:
    """Three levels of tables of any page, which change with each generation."""

    def __init__(self):
        self.generation = self.flushed = 0

    def get(self, addr):
        if addr >> 12 != ROOT + 2:
            return PTE.pack(v=1, ppn=min(addr >> 12, ROOT + 1) + 1)
        page = addr >> 3 & 511
        return PTE.pack(**GOOD, ppn=self.generation << 9 | page) if page % 4 else 0


def question(page, kind=Kind.READ, stale=0):
    return {"walk": {"page": page, "canonical": 1, "kind": kind,
                     "context": {"paged": 1, "root": ROOT, "pscid": 3}}, "stale": stale}


async def put(ctx, dut, ask, asked):
    """Ask; the walk that answers."""
    ctx.set(ask.likely, 1)
    ctx.set(ask.request.valid, 1)
    ctx.set(ask.request.payload, asked)
    (walker,) = await ctx.tick().sample(ask.walker).until(ask.request.ready)
    ctx.set(ask.likely, 0)
    ctx.set(ask.request.valid, 0)
    moved = dut.answer.moved
    if ctx.get(moved.valid):
        assert ctx.get(moved.source) == walker
        return ctx.get(moved.target)
    return walker


@pytest.mark.parametrize("walks", [1, 4])
@given(seed=st.integers(0, 999), latency=st.integers(1, 9))
@settings(max_examples=12)
def test_matches_model(bench, walks, seed, latency):
    """Each gets an answer that was true at some time since it asked; stale ones are not cached."""
    dut = WalkPool(IommuParams(walks=walks), 2)
    this, random, tables = bench(dut), Random(seed), Tables()
    running, filled = [2], []

    @this.background
    async def memory(ctx):
        tables.generation = tables.flushed = 0
        await serve_reads(ctx, dut.table, tables, latency=latency)

    @this.background
    async def software(ctx):
        """Changes tables, then invalidates."""
        while True:
            await ctx.tick().repeat(random.randrange(5, 60))
            tables.generation += 1
            ctx.set(dut.flush, 1)
            await ctx.tick()
            ctx.set(dut.flush, 0)
            tables.flushed = tables.generation

    @this.background
    async def cache(ctx):
        """What is filled is as the tables are since the last flush."""
        filled.clear()
        async for *_, valid, flush, leaf, key in ctx.tick().sample(
                dut.fill.valid, dut.flush, dut.fill.leaf, dut.fill.key):
            if valid and not flush:
                filled.append(key.vpn)
                assert tables.flushed <= leaf.page.ppn >> 9 <= tables.generation
                assert (leaf.page.ppn & 511, key.pscid) == (key.vpn, 3)

    for number, client in enumerate(dut.asks):
        @this.testbench
        async def testbench(ctx, number=number, client=client):
            running[0] = 2
            own = Random(seed + number)
            for _ in range(15):
                page, begun = own.randrange(8), tables.generation
                walker = await put(ctx, dut, client, question(page))
                reply = ctx.get(dut.answer.reply)       # it may be there as soon as it is asked for
                if not (ctx.get(dut.answer.valid) and ctx.get(dut.answer.walker) == walker):
                    (reply,) = await ctx.tick().sample(dut.answer.reply).until(
                        dut.answer.valid & (dut.answer.walker == walker))
                else:
                    await ctx.tick()
                if page % 4:
                    assert begun <= reply.page.ppn >> 9 <= tables.generation
                    assert (reply.cause, reply.page.ppn & 511) == (Cause.NONE, page)
                else:
                    assert reply.cause == Cause.READ_PAGE_FAULT
            running[0] -= 1

    this.run()


def test_join(bench):
    """The same page is walked for once, unless the kind of access or an invalidation differs."""
    dut = WalkPool(IommuParams(walks=4, prefetch=False), 2)
    this, reads = bench(dut), []

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, Tables(), latency=5, log=reads)

    @this.testbench
    async def testbench(ctx):
        first, second = dut.asks
        reads.clear()
        walker = await put(ctx, dut, first, question(1))
        assert await put(ctx, dut, second, question(1)) == walker
        other = await put(ctx, dut, second, question(2))
        written = await put(ctx, dut, first, question(1, Kind.WRITE))
        assert len({walker, other, written}) == 3
        assert not ctx.get(dut.stale)
        ctx.set(dut.flush, 1)
        await ctx.tick()
        ctx.set(dut.flush, 0)
        fresh = await put(ctx, dut, first, question(1))
        assert len({walker, other, written, fresh}) == 4
        assert ctx.get(dut.stale)
        order = []
        while len(order) < 4:
            *_, valid, who, fill = await ctx.tick().sample(
                dut.answer.valid, dut.answer.walker, dut.fill.valid)
            assert fill == (valid and who == fresh)
            if valid:
                order.append(who)
        assert order == [walker, other, written, fresh]
        assert not ctx.get(dut.stale)
        assert ctx.get(dut.fill.key.vpn) == 1
        assert len(reads) == 12

    this.run()


def test_waits_for_the_fill(bench):
    """Who comes while the answer is on its way to the TLB does not walk again."""
    dut = WalkPool(IommuParams(walks=2), 2)
    this, reads = bench(dut), []

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, Tables(), log=reads)

    @this.testbench
    async def testbench(ctx):
        ask = dut.asks[1]
        await put(ctx, dut, dut.asks[0], question(1))
        ctx.set(ask.request.payload, question(1))
        ctx.set(ask.likely, 1)
        while not ctx.get(dut.answer.valid):
            await ctx.tick()
        assert ctx.get(dut.fill.valid)
        ctx.set(ask.request.valid, 1)
        assert not ctx.get(ask.request.ready)
        await ctx.tick()
        assert ctx.get(ask.request.ready)

    this.run()


async def answers(ctx, dut, cycles):
    """What comes in a number of cycles: causes of answers; pages filled, and whether fresh."""
    causes, fills = [], []
    for _ in range(cycles):
        *_, valid, reply, fill, key, fresh = await ctx.tick().sample(
            dut.answer.valid, dut.answer.reply, dut.fill.valid, dut.fill.key, dut.fill.fresh)
        if valid:
            causes.append(reply.cause)
        if fill:
            fills.append((key.vpn, fresh))
    return causes, fills


@pytest.mark.parametrize("walks", [1, 4])
def test_ahead(bench, walks):
    """The page after that of a walk is filled, and so is one asked ahead; no faults, no further."""
    dut = WalkPool(IommuParams(walks=walks), 2)
    this, reads = bench(dut), []

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, Tables(), log=reads)

    @this.testbench
    async def testbench(ctx):
        reads.clear()
        ask = dut.asks[1]
        await put(ctx, dut, ask, question(1))
        assert await answers(ctx, dut, 30) == ([Cause.NONE], [(1, 0), (2, 1)])
        assert len(reads) == 4
        asked = question(2)
        asked["walk"]["ahead"] = 1
        await put(ctx, dut, ask, asked)
        assert await answers(ctx, dut, 30) == ([], [(3, 1)])
        asked["walk"]["page"] = 3       # the next one is not valid
        await put(ctx, dut, ask, asked)
        assert await answers(ctx, dut, 30) == ([], [])
        await put(ctx, dut, ask, question(511))
        assert await answers(ctx, dut, 30) == ([Cause.NONE], [(511, 0)])
        assert len(reads) == 7

    this.run()


@pytest.mark.parametrize("page, cause", [(2, Cause.NONE), (4, Cause.READ_PAGE_FAULT)])
def test_join_ahead(bench, page, cause):
    """Who asks for a page that is walked for ahead waits for that; a fault is found anew."""
    dut = WalkPool(IommuParams(walks=2), 2)
    this, reads = bench(dut), []

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, Tables(), latency=6, log=reads)

    @this.testbench
    async def testbench(ctx):
        reads.clear()
        first, second = dut.asks
        walker = await put(ctx, dut, first, question(page - 1))
        await ctx.tick().until(dut.fill.valid)
        await ctx.tick().repeat(2)
        assert await put(ctx, dut, second, question(page)) == walker
        causes, fills = await answers(ctx, dut, 40)
        assert causes == [cause]
        assert fills == ([(2, 0), (3, 1)] if page == 2 else [])
        assert len(reads) == 5

    this.run()


class Unmarked(Tables):
    """Pages whose D bit is clear until it is written; accesses to them are told to ``log``."""

    def __init__(self, log):
        super().__init__()
        self.log, self.marked, self.locked = log, set(), self

    def append(self, addr):
        self.log.append(("read", addr))

    def write(self, addr):
        self.log.append(("write", addr))
        self.marked.add(addr)

    def get(self, addr):
        word = super().get(addr)
        if addr >> 12 == ROOT + 2 and addr not in self.marked:
            word &= ~PTE.mask("d")
        return word


def test_updates_take_turns(bench):
    """Memory has one reservation: nothing comes between an exclusive read and its write."""
    dut = WalkPool(IommuParams(walks=4, amo_hwad=True), 2)
    this, log, store = bench(dut), [], dut.store
    words = Unmarked(log)

    @this.background
    async def memory(ctx):
        log.clear()
        words.marked.clear()
        await serve_reads(ctx, dut.table, words, latency=3)

    @this.background
    async def writes(ctx):
        while True:
            (addr,) = await ctx.tick().sample(store.addr).until(store.valid)
            await ctx.tick().repeat(4)
            words.write(addr)
            ctx.set(store.done, 1)
            await ctx.tick()
            ctx.set(store.done, 0)

    @this.testbench
    async def testbench(ctx):
        for page in (1, 2, 3):
            asked = question(page, Kind.WRITE)
            asked["walk"]["context"]["sade"] = 1
            await put(ctx, dut, dut.asks[0], asked)
        causes, fills = await answers(ctx, dut, 120)
        assert causes == [Cause.NONE] * 3
        assert {page for page, fresh in fills if not fresh} == {1, 2, 3}
        assert [kind for kind, _ in log] == ["read", "write"] * 3
        assert all(log[k][1] == log[k + 1][1] for k in (0, 2, 4))
        assert len({addr for _, addr in log}) == 3

    this.run()


@pytest.mark.parametrize("build", [{"walks": 1}, {"walks": 8, "sv39x4": True, "amo_hwad": True}])
def test_netlist(build):
    rtlil.convert(WalkPool(IommuParams(**build), 3))
