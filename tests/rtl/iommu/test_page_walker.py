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
from sim.golden.iommu.types import Fault
from tests.rtl.iommu.memory import ask, serve_reads
from tests.rtl.iommu.walk_world import BASE, SIZE, World
from tests.rtl.iommu.walker import Walker

ALL = {"sv48": True, "sv57": True, "sv39x4": True, "sv48x4": True, "sv57x4": True,
       "svpbmt": True, "svrsw60t59b": True, "msi_flat": True, "pd8": True, "phys_bits": 46,
       "amo_hwad": True}
BUILDS = [{"phys_bits": 36}, {"sv48": True, "svpbmt": True}, {"amo_hwad": True}, ALL,
          {"sv39x4": True, "svrsw60t59b": True, "pd8": True},
          {"sv39x4": True, "amo_hwad": True}, {"sv39x4": True, "guest_entries": 0}]
#: Sizes that a leaf covers, in bits of the page number, by the number of ones in ``covers``.
SIZES = (0, 4, 9, 18, 27, 36)


class Words(dict):
    """Memory as :func:`serve_reads` wants it: None where the bus answers with an error."""

    def __init__(self, world):
        super().__init__()
        self.world, self.locked = world, []

    def get(self, addr):
        return self.world.load(addr) if BASE <= addr < BASE + SIZE else None


def check(world, request, reply, expected):
    """Compare with the golden model."""
    params = world.params
    limit = sum(1 << k for k, size in enumerate(SIZES[1:]) if size <= params.ppn_bits)
    if isinstance(expected, Fault):
        assert reply.cause == expected.cause
        if expected.iotval2:
            assert reply.guest_fault.gpn == expected.iotval2 >> 12
            assert reply.guest_fault.implicit == expected.iotval2 & 1
            if params.amo_hwad:
                assert reply.guest_fault.update == expected.iotval2 >> 1 & 1
        return
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


@pytest.mark.parametrize("build", BUILDS)
@given(seed=st.integers(0, 2**32 - 1), stall=st.sampled_from([0.0, 0.3]))
@settings(max_examples=8)
def test_matches_golden_model(bench, build, seed, stall):
    params = IommuParams(walks=1, **build)
    world = World(Random(seed), params)
    assume(world.first or world.second)
    dut = Walker(params, remembers=True)
    this = bench(dut, timeout=60_000)
    words = Words(world)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, stall=stall)

    @this.background
    async def updates(ctx):
        """Exclusive writes: of what was last read exclusively. A few miss."""
        tries, store = 0, dut.store
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
            check(world, request, reply, expected)
            # Once more, with what is known now.
            request.kind = asked["kind"] = Kind.WRITE
            expected, image = world.expected(request)
            reply, _ = await ask(ctx, dut.service, asked)
            assert world.image() == image
            check(world, request, reply, expected)

    this.run()


@pytest.mark.parametrize("build", [{"phys_bits": 32}, {**ALL, "phys_bits": 56}])
def test_netlist(build):
    rtlil.convert(PageWalker(IommuParams(**build)))
