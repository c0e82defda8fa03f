"""PageWalker: paths of page tables with anything in them, against the text of the specification."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.page_walker import PageWalker
from rtl.iommu.records import WalkStatus
from rtl.spec.page_table import PTE
from tests.rtl.iommu.memory import ask, serve_reads

PHYS_BITS = 40
ROOT, VPN = 0x8_0000, 0b101010101_110011001_000011110
INDEX = [VPN >> 9 * level & 0x1FF for level in range(3)]
LEAF = {"v": 1, "r": 1, "w": 1, "u": 1, "a": 1, "d": 1}
POINTER = {"v": 1}


def model(words, root_wide=False):
    """Status, and ``(ppn, covers, g)`` of a leaf, and whether it is beyond memory."""
    if root_wide:
        return WalkStatus.ACCESS_FAULT, None, None
    table, shared = ROOT, 0
    for level in (2, 1, 0):
        word = words.get(table * 4096 + INDEX[level] * 8)
        if word is None:
            return WalkStatus.ACCESS_FAULT, None, None
        bit = PTE.unpack(word)
        shared |= bit["g"]
        if not bit["v"] or (bit["w"] and not bit["r"]) or word & PTE.reserved:
            return WalkStatus.PAGE_FAULT, None, None
        if bit["pbmt"] or bit["rsw60t59b"] or (bit["n"] and level > 0):
            return WalkStatus.PAGE_FAULT, None, None
        if bit["r"] or bit["x"]:
            if not bit["a"] or bit["ppn"] % (1 << 9 * level):
                return WalkStatus.PAGE_FAULT, None, None
            if bit["n"] and bit["ppn"] % 16 != 8:
                return WalkStatus.PAGE_FAULT, None, None
            covers = {0: 1 if bit["n"] else 0, 1: 3, 2: 7}[level]
            wide = bit["ppn"] >> PHYS_BITS - 12 != 0
            return WalkStatus.LEAF, (bit["ppn"] % 2**28, covers, shared), wide
        if level == 0 or bit["a"] or bit["d"] or bit["u"]:
            return WalkStatus.PAGE_FAULT, None, None
        if bit["ppn"] >> PHYS_BITS - 12:
            return WalkStatus.ACCESS_FAULT, None, None
        table = bit["ppn"]
    raise AssertionError("unreachable")


def entries(*ptes):
    """Tables in which the walk of ``VPN`` meets ``ptes``, from the root down."""
    words, table = {}, ROOT
    for level, pte in zip((2, 1, 0), ptes, strict=False):
        if pte is not None:
            words[table * 4096 + INDEX[level] * 8] = pte
            table = PTE.get(pte, "ppn")
    return words


FLIPS = st.sampled_from([0, 0, *(1 << bit for bit in range(64))])
POINTERS = st.builds(lambda ppn, flip: PTE.pack(**POINTER, ppn=ppn) ^ flip,
                     st.integers(0x8_0001, 0x8_0100), FLIPS)
LEAVES = st.builds(lambda ppn, flip: PTE.pack(**LEAF, ppn=ppn) ^ flip,
                   st.sampled_from([0, 8, 0x18, 0x200, 0x4_0000, 0xFC_0000, 0xFFF_FFFF]), FLIPS)
NAPOTS = st.builds(lambda leaf: leaf | 1 << 63, LEAVES)
PATHS = st.tuples(st.one_of(POINTERS, POINTERS, LEAVES, st.none()),
                  st.one_of(POINTERS, POINTERS, LEAVES, NAPOTS, st.none()),
                  st.one_of(LEAVES, LEAVES, NAPOTS, NAPOTS, POINTERS, st.none()))


@given(paths=st.lists(PATHS, min_size=10, max_size=25), stall=st.sampled_from([0.0, 0.4]))
@settings(max_examples=15)
def test_matches_model(bench, paths, stall):
    dut = PageWalker(phys_bits=PHYS_BITS)
    this, words = bench(dut), {}

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, stall=stall)

    @this.testbench
    async def testbench(ctx):
        for number, path in enumerate(paths):
            words.clear()
            words.update(entries(*path))
            status, leaf, wide = model(words)
            reply, _ = await ask(ctx, dut.service, {"vpn": VPN, "pscid": number, "root": ROOT},
                                 patience=number % 3)
            assert reply.status is status, [path and hex(path) for path in path]
            if leaf:
                page = reply.leaf.page
                assert (page.ppn, page.covers, reply.leaf.flags.g) == leaf
                assert reply.wide == wide
                word = next(pte for pte in path if pte & 0b1010)
                assert [reply.leaf.flags[bit] for bit in "rwxud"] == [
                    PTE.get(word, bit) for bit in "rwxud"]

    this.run()


@pytest.mark.parametrize("latency", [1, 7])
def test_time_and_fill(bench, latency):
    """The cycles that the docstring promises, and a fill after the answer, if it may be kept."""
    dut = PageWalker(phys_bits=PHYS_BITS)
    this, log = bench(dut), []
    words = entries(PTE.pack(v=1, ppn=0x8_0001), PTE.pack(v=1, g=1, ppn=0x8_0002),
                    PTE.pack(**LEAF, ppn=0x1234))

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, latency=latency, log=log)

    @this.testbench
    async def testbench(ctx):
        for keep in (0, 1):
            log.clear()
            _, cycles = await ask(ctx, dut.service, {"vpn": VPN, "pscid": 77, "root": ROOT},
                                  keep=keep)
            assert cycles == 3 * (latency + 1)
            assert [length for _, length in log] == [1, 1, 1]
            *_, valid, vpn, pscid, leaf = await ctx.tick().sample(
                dut.fill.valid, dut.fill.vpn, dut.fill.pscid, dut.fill.leaf)
            assert valid == keep
            if keep:
                assert (vpn, pscid, leaf.page.ppn, leaf.flags.g) == (VPN, 77, 0x1234, 1)
            *_, valid = await ctx.tick().sample(dut.fill.valid)
            assert not valid

    this.run()


def test_root_beyond_memory(bench):
    """No read is made."""
    dut = PageWalker(phys_bits=PHYS_BITS)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        reply, cycles = await ask(ctx, dut.service, {"vpn": VPN, "root_wide": 1})
        assert (reply.status, cycles) == (model({}, root_wide=True)[0], 1)
        assert not ctx.get(dut.table.request.valid)

    this.run()


@pytest.mark.parametrize("phys_bits", [32, 56])
def test_netlist(phys_bits):
    rtlil.convert(PageWalker(phys_bits=phys_bits))
