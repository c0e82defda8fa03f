"""PageWalker: random tables of both stages with mistakes in them, against the golden model."""

from random import Random

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rtl.iommu.guest_cache import GuestCache
from rtl.iommu.page_walker import PageWalker
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PTE
from sim.golden.iommu.types import Fault
from tests.rtl.iommu.memory import ask, serve_reads
from tests.rtl.iommu.walk_world import BASE, GOOD, SIZE, World

ALL = {"sv48": True, "sv57": True, "sv39x4": True, "sv48x4": True, "sv57x4": True,
       "svpbmt": True, "svrsw60t59b": True, "msi_flat": True, "pd8": True, "phys_bits": 46,
       "amo_hwad": True}
PLAIN = {"guest_entries": 0}
BUILDS = [{"phys_bits": 36}, {"sv48": True, "svpbmt": True}, {"amo_hwad": True}, ALL,
          {"sv39x4": True, "svrsw60t59b": True, "pd8": True}, {"sv39x4": True, **PLAIN}]
#: Sizes that a leaf covers, in bits of the page number, by the number of ones in ``covers``.
SIZES = (0, 4, 9, 18, 27, 36)


class Walker(wiring.Component):
    """The walker, with guest pages that are known, if the build has that."""

    def __init__(self, params):
        self.inner, self.params = PageWalker(params), params
        members = dict(self.inner.signature.members)
        del members["guest"]
        super().__init__(members | {"flush": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        for name in ("service", "table", "store", "found"):
            connect(m, flipped(getattr(self, name)), getattr(inner, name))
        m.d.comb += [inner.shortcut.eq(self.shortcut), inner.may_lock.eq(self.may_lock),
                     self.started.eq(inner.started), self.locks.eq(inner.locks)]
        if inner.guest:
            m.submodules.guests = guests = GuestCache(self.params)
            connect(m, inner.guest[0], guests.walkers[0])
            m.d.comb += [guests.contexts[0].eq(inner.service.request.context),
                         guests.flush.eq(self.flush)]
        return m


class Words(dict):
    """Memory as :func:`serve_reads` wants it: None where the bus answers with an error."""

    def __init__(self, world):
        super().__init__()
        self.world, self.locked = world, []

    def get(self, addr):
        return self.world.load(addr) if BASE <= addr < BASE + SIZE else None


@pytest.mark.parametrize("build", BUILDS)
@given(seed=st.integers(0, 2**32 - 1), stall=st.sampled_from([0.0, 0.3]))
@settings(max_examples=8)
def test_matches_golden_model(bench, build, seed, stall):
    params = IommuParams(walks=1, **build)
    world = World(Random(seed), params)
    assume(world.first or world.second)
    dut = Walker(params)
    this = bench(dut, timeout=60_000)
    limit = sum(1 << k for k, size in enumerate(SIZES[1:]) if size <= params.ppn_bits)
    words = Words(world)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, stall=stall)

    @this.background
    async def updates(ctx):
        """Exclusive writes: of what was last read exclusively. A few miss."""
        tries, store = 0, dut.store
        ctx.set(dut.may_lock, 1)
        while True:
            addr, word, lock = await ctx.tick().sample(
                store.addr, store.data, store.lock).until(store.valid)
            assert lock and addr == words.locked[-1]
            tries += 1
            missed = tries % 4 == 0
            ctx.set(store.done, 1)
            ctx.set(store.missed, missed)
            if not missed:
                world.memory.poke(addr, word.to_bytes(8, "little"))
            await ctx.tick()
            ctx.set(store.done, 0)

    @this.testbench
    async def testbench(ctx):
        for number in range(8):
            request = world.request()
            expected, image = world.expected(request)
            asked = {"page": request.page, "canonical": world.canonical(request.page),
                     "kind": request.kind, "privileged": request.privileged,
                     "context": world.context(request)}
            ctx.set(dut.flush, 1)       # tables have changed
            await ctx.tick()
            ctx.set(dut.flush, 0)
            reply, _ = await ask(ctx, dut.service, asked, patience=number % 3)
            assert world.image() == image
            again, _ = await ask(ctx, dut.service, asked)   # with what is known now
            assert again == reply if reply.cause == Cause.NONE else again.cause == reply.cause
            if isinstance(expected, Fault):
                assert reply.cause == expected.cause
                if expected.iotval2:
                    assert reply.guest_fault.gpn == expected.iotval2 >> 12
                    assert reply.guest_fault.implicit == expected.iotval2 & 1
                    if params.amo_hwad:
                        assert reply.guest_fault.update == expected.iotval2 >> 1 & 1
                continue
            assert reply.cause == Cause.NONE
            assert reply.page.ppn == expected.addr >> 12
            leaves = [leaf for leaf in (expected.first, expected.second) if leaf]
            covers = (1 << SIZES.index(expected.bits - 12)) - 1
            assert reply.page.covers == covers & limit & (1 << params.depth) - 1
            pbmt = next((leaf.pbmt for leaf in leaves if leaf.pbmt), 0)
            assert reply.page.pbmt == pbmt
            first = expected.first
            user = first.has("u") if first else True
            assert reply.flags.u == user
            rights = {name: all(leaf.has(name) for leaf in leaves) for name in "rwxd"}
            rights["x"] = rights["x"] and not expected.is_msi
            assert (reply.flags.r, reply.flags.w, reply.flags.x) == (
                rights["r"], rights["w"] and rights["d"], rights["x"])
            if not first:
                assert not reply.flags.g
            elif first.has("g"):
                assert reply.flags.g

    this.run()


def chain(*ptes, root=BASE >> 12, page=0):
    """Words in which the walk of ``page`` meets ``ptes``, from the root down."""
    words, table = {}, root
    for level, pte in zip(reversed(range(len(ptes))), ptes, strict=True):
        words[table << 12 | (page >> 9 * level & 511) * 8] = pte
        table = PTE.get(pte, "ppn")
    return words


@pytest.mark.parametrize("latency", [1, 7])
@pytest.mark.parametrize("build", [{}, {"sv39x4": True}])
def test_time(bench, latency, build):
    """The cycles that the docstring promises."""
    dut = PageWalker(IommuParams(**build, **PLAIN))
    this, log = bench(dut), []
    words = chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, g=1, ppn=0x8_0002),
                  PTE.pack(**GOOD, ppn=0x1234))

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, latency=latency, log=log)

    @this.testbench
    async def testbench(ctx):
        context = {"paged": 1, "root": BASE >> 12, "pscid": 77}
        found = {"hit": 1, "base": 0x8_0002, "g": 1}
        for reads, shortcut in ((3, {"hit": 0}), (1, found)):
            log.clear()
            ctx.set(dut.shortcut, shortcut)
            reply, cycles = await ask(ctx, dut.service, {"canonical": 1, "context": context})
            assert cycles == reads * (latency + 1)
            assert [length for _, length in log] == [1] * reads
            assert (reply.page.ppn, reply.flags.g) == (0x1234, 1)

    this.run()


@pytest.mark.parametrize("guest", [0, 1])
def test_shortcut(bench, guest):
    """The physical place of the table of leaves is told, and with it the walk reads one entry."""
    dut = PageWalker(IommuParams(sv39x4=True, **PLAIN))
    this, log, tables = bench(dut), [], []
    words = chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, g=1, ppn=0x8_0002),
                  PTE.pack(**GOOD, ppn=0x1234))
    # Guest page 0x8_0000 is the root; pages of 1 GiB, to the same and then to physical ones.
    words[0x9_0000 << 12 | 2 * 8] = PTE.pack(**GOOD, ppn=0x8_0000)
    words[0x9_0000 << 12] = PTE.pack(**GOOD, ppn=0)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, log=log)

    @this.background
    async def watch(ctx):
        tables.clear()
        async for *_, valid, table in ctx.tick().sample(dut.found.valid, dut.found.table):
            if valid:
                tables.append(table)

    @this.testbench
    async def testbench(ctx):
        log.clear()
        request = {"canonical": 1, "context": {
            "paged": 1, "root": BASE >> 12, "guest": guest, "guest_root": 0x9_0000}}
        first, _ = await ask(ctx, dut.service, request)
        assert (first.cause, first.page.ppn) == (Cause.NONE, 0x1234)
        (table,) = tables
        assert (table.hit, table.base, table.g) == (1, 0x8_0002, 1)
        assert len(log) == (7 if guest else 3)
        ctx.set(dut.shortcut, table)
        log.clear()
        again, _ = await ask(ctx, dut.service, request)
        assert (again.page, again.flags) == (first.page, first.flags)
        assert len(log) == (2 if guest else 1)

    this.run()


def test_known_guest_pages(bench):
    """Two tables and the page in one guest page of 1 GiB: its entry is read once."""
    dut = Walker(IommuParams(sv39x4=True, walks=1))
    this, log = bench(dut), []
    words = chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, ppn=0x8_0002),
                  PTE.pack(**GOOD, ppn=0x8_1234))
    words[0x9_0000 << 12 | 2 * 8] = PTE.pack(**{**GOOD, "w": 0}, ppn=0x8_0000)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, log=log)

    @this.testbench
    async def testbench(ctx):
        log.clear()
        for kind, flush, reads, cause in (
                (Kind.READ, 0, 4, Cause.NONE), (Kind.READ, 0, 3, Cause.NONE),
                (Kind.WRITE, 0, 4, Cause.WRITE_GUEST_PAGE_FAULT), (Kind.READ, 1, 4, Cause.NONE)):
            ctx.set(dut.flush, flush)
            await ctx.tick()
            ctx.set(dut.flush, 0)
            reply, cycles = await ask(ctx, dut.service, {"canonical": 1, "kind": kind, "context": {
                "paged": 1, "root": BASE >> 12, "guest": 1, "guest_root": 0x9_0000}})
            assert reply.cause == cause
            assert len(log) == reads
            log.clear()
            if not cause:
                assert (reply.page.ppn, reply.flags.w) == (0x8_1234, 0)
                assert cycles == 2 * reads + 5

    this.run()


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("entry", [{}, {"a": 0}, {"d": 0}])
def test_ahead(bench, ahead, entry):
    """What nobody has asked for is not marked as used, and does not count as a walk."""
    dut = PageWalker(IommuParams(amo_hwad=True))
    this = bench(dut)
    words = chain(PTE.pack(**GOOD | entry, ppn=1 << 18))

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.may_lock, 1)
        ctx.set(dut.service.request, {
            "kind": Kind.WRITE, "ahead": ahead, "canonical": 1,
            "context": {"paged": 1, "root": BASE >> 12, "sade": 1}})
        ctx.set(dut.shortcut, {"hit": 1, "base": BASE >> 12})
        ctx.set(dut.service.want, 1)
        assert ctx.get(dut.started) == (not ahead)
        for _ in range(8):
            await ctx.tick()
            assert not (ahead and (ctx.get(dut.store.valid) or ctx.get(dut.locks)))
        assert ctx.get(dut.store.valid) == (not ahead and bool(entry))
        if ahead:
            assert ctx.get(dut.service.valid)
            assert ctx.get(dut.service.reply.cause) == (
                Cause.WRITE_PAGE_FAULT if entry else Cause.NONE)

    this.run()


@pytest.mark.parametrize("fields, cause", [
    ({"context": {"paged": 1, "root": 1 << 28}, "canonical": 1}, Cause.WRITE_ACCESS_FAULT),
    ({"context": {"paged": 1}}, Cause.WRITE_PAGE_FAULT),
    ({"canonical": 1}, Cause.WRITE_ACCESS_FAULT),
    ({"context": {"paged": 1}, "canonical": 1, "bypass": 1}, Cause.WRITE_ACCESS_FAULT),
])
def test_without_a_read(bench, fields, cause):
    """A root beyond memory, an address that is not canonical, and no page table at all."""
    dut = PageWalker(IommuParams())
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.table.request.ready, 1)
        ctx.set(dut.service.request, {"kind": Kind.WRITE, **fields})
        ctx.set(dut.service.want, 1)
        for _ in range(4):
            assert not ctx.get(dut.table.request.valid)
            counts = ctx.get(dut.started)
            await ctx.tick()
            ctx.set(dut.service.want, 0)
            if ctx.get(dut.service.valid):
                break
            assert counts == (fields.get("context", {}).get("paged", 0) and
                              not fields.get("bypass", 0))
        assert ctx.get(dut.service.reply.cause) == cause

    this.run()


@pytest.mark.parametrize("flags, cause", [
    (GOOD, Cause.NONE), ({"v": 1, "r": 1, "u": 1, "a": 1}, Cause.NONE),
    ({**GOOD, "u": 0}, Cause.WRITE_GUEST_PAGE_FAULT), ({}, Cause.WRITE_GUEST_PAGE_FAULT)])
def test_implicit(bench, flags, cause):
    """A process directory is read, whatever the access that asks for it."""
    dut = PageWalker(IommuParams(sv39x4=True, pd8=True, **PLAIN))
    this = bench(dut)
    words = chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, ppn=0x8_0002),
                  PTE.pack(**flags, ppn=0x1234), page=0x45)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words)

    @this.testbench
    async def testbench(ctx):
        reply, _ = await ask(ctx, dut.service, {
            "page": 0x45, "kind": Kind.WRITE, "implicit": 1,
            "context": {"guest": 1, "guest_root": BASE >> 12}})
        assert reply.cause == cause
        if cause:
            assert (reply.guest_fault.gpn, reply.guest_fault.implicit) == (0x45, 1)
        else:
            assert reply.page.ppn == 0x1234

    this.run()


@pytest.mark.parametrize("build", [{"phys_bits": 32}, {**ALL, "phys_bits": 56}])
def test_netlist(build):
    rtlil.convert(PageWalker(IommuParams(**build)))
