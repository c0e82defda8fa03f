"""PageWalker: random tables of both stages with mistakes in them, against the golden model."""

from random import Random
from types import SimpleNamespace

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.page_walker import PageWalker
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import MSI_PTE, PTE
from sim.golden.iommu.registers import Counters
from sim.golden.iommu.translator import Translator
from sim.golden.iommu.types import Access, Fault, Features, Request
from sim.golden.iommu.walker import Stage1, Stage2
from sim.golden.memory import Memory
from tests.rtl.iommu.memory import ask, serve_reads

BASE, SIZE = 0x8000_0000, 1 << 20
ALL = {"sv48": True, "sv57": True, "sv39x4": True, "sv48x4": True, "sv57x4": True,
       "svpbmt": True, "svrsw60t59b": True, "msi_flat": True, "pd8": True, "phys_bits": 46}
BUILDS = [{"phys_bits": 36}, {"sv48": True, "svpbmt": True}, ALL,
          {"sv39x4": True, "svrsw60t59b": True, "pd8": True}]
ACCESS = {Kind.READ: Access.READ, Kind.WRITE: Access.WRITE, Kind.EXECUTE: Access.EXECUTE}
GOOD = {"v": 1, "r": 1, "w": 1, "x": 1, "u": 1, "a": 1, "d": 1}
#: Sizes that a leaf covers, in bits of the page number, by the number of ones in ``covers``.
SIZES = (0, 4, 9, 18, 27, 36)


class World:
    """Memory, and tables that map one page after the other, with a mistake now and then."""

    def __init__(self, random: Random, params: IommuParams):
        self.random, self.params = random, params
        self.memory = Memory(BASE, SIZE)
        self._next = (BASE >> 12) + 8
        self._guests = {}
        self.written = []
        self.first = random.choice([0, *range(3, params.levels + 1)])
        second = [0, *range(3, params.guest_levels + 1)] if params.two_stage else [0]
        self.second = random.choice(second)
        self.guest_root = BASE >> 12
        self.root = self.guest(random.getrandbits(20)) if self.second else BASE >> 12
        self.msi = None
        if params.msi and self.second and random.random() < 0.5:
            mask = random.getrandbits(6) << random.randrange(10)
            self.msi = (self.page(), mask, self.gpn())

    def page(self) -> int:
        """Page number of a fresh page, now and then beyond memory."""
        self._next += 1
        return self._next if self.random.random() < 0.98 else self.random.getrandbits(44)

    def gpn(self) -> int:
        """Guest page for data: near an interrupt file, or anywhere."""
        if self.msi and self.random.random() < 0.5:
            _, mask, pattern = self.msi
            return pattern ^ self.random.getrandbits(16) & mask
        return self.random.getrandbits(self.random.choice([27, min(44, self.params.gpn_bits), 20]))

    def store(self, addr: int, value: int):
        if BASE <= addr < BASE + SIZE:
            self.memory.poke(addr, value.to_bytes(8, "little"))
            self.written.append(addr)

    def load(self, addr: int) -> int:
        return (int.from_bytes(self.memory.peek(addr, 8), "little")
                if BASE <= addr < BASE + SIZE else 0)

    def guest(self, gpn: int) -> int:
        """Map a guest page for a table to a fresh page; returns the guest page number."""
        self.map(self.guest_root, self.second, gpn, self.page(), 0, False)
        return gpn

    def map(self, root: int, levels: int, page: int, ppn: int, level: int, first: bool,
            **bits: int):
        """Map ``page`` to ``ppn`` at ``level`` in either stage."""
        table = root
        for above in range(levels - 1, level - 1, -1):
            index = page >> 9 * above
            if first or above < levels - 1:
                index &= 511
            place = table
            if first and self.second:
                place = self._guests.get(table)
                if place is None:
                    self._guests[table] = place = self.page()
                    self.map(self.guest_root, self.second, table, place, 0, False)
            where = (place << 12) + index * 8
            if above == level:
                self.store(where, PTE.pack(**{**GOOD, **bits, "ppn": ppn & (1 << 44) - 1}))
                return
            if not self.load(where) & 1:
                fresh = self.random.getrandbits(20) if first and self.second else self.page()
                g = first and self.random.random() < 0.2
                self.store(where, PTE.pack(v=1, g=g, ppn=fresh))
            table = PTE.get(self.load(where), "ppn")

    def leaf(self, first: bool, page: int, ppn: int):
        """Map a page of any size, with any permissions."""
        random, params = self.random, self.params
        levels = self.first if first else self.second
        level = random.choice([0, 0, *range(levels)])
        bits = {name: random.random() < 0.9 for name in "rwxuad"}
        bits["g"] = random.random() < 0.3
        bits["pbmt"] = random.choice([0, 1, 2, 3]) if params.svpbmt else 0
        bits["rsw60t59b"] = random.getrandbits(2) if params.svrsw60t59b else 0
        ppn &= -1 << 9 * level
        if not level and random.random() < 0.2:
            bits["n"], ppn = 1, ppn & ~15 | 8
        self.map(self.root if first else self.guest_root, levels, page, ppn, level, first, **bits)

    def request(self):
        """One request, for which there is perhaps a mapping."""
        random, params = self.random, self.params
        page = random.getrandbits(9 * self.first - 1 if self.first else 27)
        if not self.first:
            page = self.gpn() if self.second else random.getrandbits(52)
        gpn = self.gpn() if self.second else random.getrandbits(params.ppn_bits)
        if self.first:
            self.leaf(True, page, gpn)
        if self.second:
            low = random.getrandbits(9)
            self.leaf(False, gpn & -512 | low if self.first else page,
                      random.getrandbits(params.ppn_bits))
            self.leaf(False, gpn if self.first else page, random.getrandbits(params.ppn_bits))
        if self.msi:
            for index in range(64):
                pte = MSI_PTE.pack(v=1, m=3, ppn=random.getrandbits(params.ppn_bits))
                where = (self.msi[0] << 12 | index * 16)
                self.store(where, pte ^ (1 << random.randrange(64)) * (random.random() < 0.2))
        if random.random() < 0.3 and self.written:
            where = random.choice(self.written[-16:])
            self.store(where, self.load(where) ^ 1 << random.randrange(64))
        if random.random() < 0.05:
            page |= 1 << random.randrange(52)
        return SimpleNamespace(page=page, kind=random.choice(list(Kind)),
                               privileged=random.random() < 0.2,
                               sum=params.processes and random.random() < 0.5)

    def expected(self, request):
        """What the golden model finds: a fault or an entry."""
        translator = Translator(self.memory, Features(self.params.capabilities), Counters())
        modes = {0: 0, 3: 8, 4: 9, 5: 10}
        stage1 = Stage1(modes[self.first], self.root, 0, request.sum)
        if not self.first:
            stage1 = Stage1()
        stage2 = Stage2(modes[self.second], self.guest_root, 0) if self.second else Stage2()
        dc = SimpleNamespace(msi=self.msi)
        asked = Request(0, request.page << 12, ACCESS[request.kind], 0, request.privileged)
        try:
            return translator._walk(asked, dc, stage1, stage2)
        except Fault as fault:
            return fault

    def context(self, request) -> dict:
        """Same for the RTL."""
        fields = {"paged": self.first > 0, "levels": max(self.first - 3, 0), "root": self.root,
                  "pscid": 7, "sum": request.sum, "guest": self.second > 0,
                  "guest_levels": max(self.second - 3, 0), "guest_root": self.guest_root,
                  "msi": self.msi is not None}
        if self.msi:
            fields.update(zip(("msi_root", "msi_mask", "msi_pattern"), self.msi, strict=True))
        return fields

    def canonical(self, page: int) -> bool:
        """Whether the first stage accepts the address."""
        if not self.first:
            return True
        return page >> 9 * self.first - 1 in (0, (1 << 53 - 9 * self.first) - 1)


class Words(dict):
    """Memory as :func:`serve_reads` wants it: None where the bus answers with an error."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    def get(self, addr):
        return self.world.load(addr) if BASE <= addr < BASE + SIZE else None


@pytest.mark.parametrize("build", BUILDS)
@given(seed=st.integers(0, 2**32 - 1), stall=st.sampled_from([0.0, 0.3]))
@settings(max_examples=8)
def test_matches_golden_model(bench, build, seed, stall):
    params = IommuParams(**build)
    world = World(Random(seed), params)
    dut = PageWalker(params)
    this = bench(dut, timeout=60_000)
    limit = sum(1 << k for k, size in enumerate(SIZES[1:]) if size <= params.ppn_bits)
    if not world.first and not world.second:
        return                          # there is no walk

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, Words(world), stall=stall)

    @this.testbench
    async def testbench(ctx):
        for number in range(8):
            request = world.request()
            expected = world.expected(request)
            reply, _ = await ask(ctx, dut.service, {
                "page": request.page, "canonical": world.canonical(request.page),
                "kind": request.kind, "privileged": request.privileged,
                "context": world.context(request)},
                keep=1, patience=number % 3)
            if isinstance(expected, Fault):
                assert reply.cause == expected.cause
                if expected.iotval2:
                    assert reply.guest_fault.gpn == expected.iotval2 >> 12
                    assert reply.guest_fault.implicit == expected.iotval2 & 1
                continue
            assert reply.cause == Cause.NONE
            assert reply.page.ppn == expected.addr >> 12
            leaves = [leaf for leaf in (expected.first, expected.second) if leaf]
            covers = (1 << SIZES.index(expected.bits - 12)) - 1
            assert reply.page.covers == covers & limit & (1 << params.depth) - 1
            pbmt = next((leaf.pbmt for leaf in leaves if leaf.pbmt), 0)
            assert reply.page.pbmt == pbmt
            *_, valid, leaf, key = await ctx.tick().sample(
                dut.fill.valid, dut.fill.leaf, dut.fill.key)
            assert valid
            first = expected.first
            user = first.has("u") if first else True
            assert (leaf.page, leaf.flags.u) == (reply.page, user)
            rights = {name: all(leaf.has(name) for leaf in leaves) for name in "rwxd"}
            rights["x"] = rights["x"] and not expected.is_msi
            assert (leaf.flags.r, leaf.flags.w, leaf.flags.x) == (
                rights["r"], rights["w"] and rights["d"], rights["x"])
            assert (key.vpn, key.covers, key.pscid) == (
                request.page & (1 << params.vpn_bits) - 1, reply.page.covers, 7)
            assert key.g == leaf.flags.g
            if not first:
                assert not key.g
            elif first.has("g"):
                assert key.g

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
def test_time_and_fill(bench, latency, build):
    """The cycles that the docstring promises, and a fill after the answer, if it may be kept."""
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
        for keep in (0, 1):
            log.clear()
            _, cycles = await ask(ctx, dut.service, {"canonical": 1, "context": context},
                                  keep=keep)
            assert cycles == 3 * (latency + 1)
            assert [length for _, length in log] == [1, 1, 1]
            *_, valid, key, leaf = await ctx.tick().sample(
                dut.fill.valid, dut.fill.key, dut.fill.leaf)
            assert valid == keep
            if keep:
                assert (key.vpn, key.pscid, leaf.page.ppn, leaf.flags.g) == (0, 77, 0x1234, 1)
            *_, valid = await ctx.tick().sample(dut.fill.valid)
            assert not valid

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
