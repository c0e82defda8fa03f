"""PageWalker: random tables of both stages with mistakes in them, against the golden model."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
BUILDS = [{"phys_bits": 36}, {"sv48": True, "svpbmt": True}, {"amo_hwad": True}, ALL,
          {"sv39x4": True, "svrsw60t59b": True, "pd8": True}]
#: Sizes that a leaf covers, in bits of the page number, by the number of ones in ``covers``.
SIZES = (0, 4, 9, 18, 27, 36)


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
    params = IommuParams(**build)
    world = World(Random(seed), params)
    assume(world.first or world.second)
    dut = PageWalker(params)
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
            ctx.set(dut.flush, 1)       # tables have changed
            await ctx.tick()
            ctx.set(dut.flush, 0)
            expected, image = world.expected(request)
            reply, _ = await ask(ctx, dut.service, {
                "page": request.page, "canonical": world.canonical(request.page),
                "kind": request.kind, "privileged": request.privileged,
                "context": world.context(request)},
                patience=number % 3)
            assert world.image() == image
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
    dut = PageWalker(IommuParams(**build))
    this, log = bench(dut), []
    words = chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, g=1, ppn=0x8_0002),
                  PTE.pack(**GOOD, ppn=0x1234))

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, latency=latency, log=log)

    @this.testbench
    async def testbench(ctx):
        context = {"paged": 1, "root": BASE >> 12, "pscid": 77}
        for reads, time in ((3, 3 * (latency + 1)), (1, latency + 1)):
            log.clear()
            reply, cycles = await ask(ctx, dut.service, {"canonical": 1, "context": context})
            assert cycles == time
            assert [length for _, length in log] == [1] * reads
            assert (reply.page.ppn, reply.flags.g) == (0x1234, 1)

    this.run()


@pytest.mark.parametrize("build", [{}, {"sv48": True, "sv39x4": True}])
def test_walk_cache(bench, build):
    """The last table of leaves is found again, with its G, by whom it should be; until a flush."""
    dut = PageWalker(IommuParams(**build))
    this, log = bench(dut), []
    leaf = PTE.pack(**GOOD, ppn=0x1234)
    words = chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, g=1, ppn=0x8_0002), leaf)
    words.update({0x8000_2000 + 8 * k: leaf for k in range(4)})
    words.update(chain(PTE.pack(v=1, ppn=0x8_0004), PTE.pack(v=1, ppn=0x8_0005), leaf,
                       root=0x8_0003))
    words.update(chain(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, ppn=0x8_0005), leaf, page=512))
    words[0x8000_2008] = leaf & ~1      # not valid

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, latency=3, log=log)

    async def walk(ctx, page=0, *, kind=Kind.READ, root=BASE >> 12, flush=None, **context):
        """Reads of a walk; whether its page is global."""
        log.clear()
        ctx.set(dut.service.request, {
            "page": page, "kind": kind, "canonical": 1,
            "context": {"paged": 1, "root": root, **context}})
        ctx.set(dut.service.want, 1)
        ctx.set(dut.flush, flush == 0)
        await ctx.tick()
        ctx.set(dut.service.want, 0)
        cycle = 0
        while not ctx.get(dut.service.valid):
            cycle += 1
            ctx.set(dut.flush, cycle == flush)
            await ctx.tick()
        ctx.set(dut.flush, 0)
        reply = ctx.get(dut.service.reply)
        ctx.set(dut.service.take, 1)
        await ctx.tick()
        ctx.set(dut.service.take, 0)
        return len(log), reply.flags.g

    @this.testbench
    async def testbench(ctx):
        assert await walk(ctx) == (3, 1)
        assert await walk(ctx, 3) == (1, 1)             # the next page
        assert (await walk(ctx, 1))[0] == 1             # one that faults
        assert await walk(ctx, kind=Kind.EXECUTE) == (1, 1)
        assert await walk(ctx, kind=Kind.WRITE) == (3, 1)
        assert await walk(ctx, root=0x8_0003) == (3, 0)
        assert await walk(ctx, 2, kind=Kind.WRITE) == (1, 1)
        assert await walk(ctx) == (3, 1)
        assert await walk(ctx, 512) == (3, 0)           # another table
        assert await walk(ctx, 512) == (1, 0)
        for moment in (0, 1, 4, 8, 10):
            ctx.set(dut.flush, 1)
            await ctx.tick()
            assert (await walk(ctx, flush=moment))[0] == 3
            assert await walk(ctx) == (3, 1), moment
        if build:                                       # the same root as another kind of table
            assert (await walk(ctx, levels=1))[0] != 1

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
    dut = PageWalker(IommuParams(sv39x4=True, pd8=True))
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
