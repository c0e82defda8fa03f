"""PageWalker: its time, its shortcuts, and walks that read nothing."""

import pytest

from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import PTE
from tests.rtl.iommu.memory import ask, serve_reads
from tests.rtl.iommu.walk_world import BASE, GOOD
from tests.rtl.iommu.walker import Walker

PLAIN = {"guest_entries": 0}


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
    dut = Walker(IommuParams(**build, **PLAIN))
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
    dut = Walker(IommuParams(sv39x4=True, **PLAIN))
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
                assert cycles == 2 * reads + 6

    this.run()


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("entry", [{}, {"a": 0}, {"d": 0}])
def test_ahead(bench, ahead, entry):
    """What nobody has asked for is not marked as used, and does not count as a walk."""
    dut = Walker(IommuParams(amo_hwad=True))
    this = bench(dut)
    words = chain(PTE.pack(**GOOD | entry, ppn=1 << 18))

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.service.request, {
            "kind": Kind.WRITE, "ahead": ahead, "canonical": 1,
            "context": {"paged": 1, "root": BASE >> 12, "sade": 1}})
        ctx.set(dut.shortcut, {"hit": 1, "base": BASE >> 12})
        ctx.set(dut.service.want, 1)
        assert ctx.get(dut.started) == (not ahead)
        for _ in range(8):
            await ctx.tick()
            assert not (ahead and ctx.get(dut.store.valid))
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
    dut = Walker(IommuParams())
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.table.request.ready, 1)
        ctx.set(dut.service.request, {"kind": Kind.WRITE, **fields})
        ctx.set(dut.service.want, 1)
        counts = 0
        while not ctx.get(dut.service.valid):
            assert not ctx.get(dut.table.request.valid)
            counts += ctx.get(dut.started)
            await ctx.tick()
            ctx.set(dut.service.want, 0)
        assert counts == (fields.get("context", {}).get("paged", 0) and
                          not fields.get("bypass", 0))
        assert ctx.get(dut.service.reply.cause) == cause

    this.run()


@pytest.mark.parametrize("flags, cause", [
    (GOOD, Cause.NONE), ({"v": 1, "r": 1, "u": 1, "a": 1}, Cause.NONE),
    ({**GOOD, "u": 0}, Cause.WRITE_GUEST_PAGE_FAULT), ({}, Cause.WRITE_GUEST_PAGE_FAULT)])
def test_implicit(bench, flags, cause):
    """A process directory is read, whatever the access that asks for it."""
    dut = Walker(IommuParams(sv39x4=True, pd8=True, **PLAIN))
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
