"""DirectoryWalker: every way in which a device context can be wrong."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.directory_walker import DirectoryWalker
from rtl.spec.faults import Cause
from rtl.spec.page_table import DC_TC, DDTE, IOSATP, DdtpMode
from tests.rtl.iommu.memory import ask, serve_reads
from tests.rtl.iommu.model import Fault, Model

PHYS_BITS, ROOT, DID = 40, 0x8_0000, 0xAB_CDEF
DDI = [DID & 0x7F, DID >> 7 & 0x1FF, DID >> 16]
PAGES = [0x8_0001, 0x8_0002]
GOOD = [DC_TC.pack(v=1), 0, 0x12345 << 12, IOSATP.pack(mode=8, ppn=0x9_0000)]


def directory(mode, context, entries=()):
    """Memory with a path to ``context``; ``entries`` replace those above it, from the root down."""
    levels = mode - DdtpMode.LVL1
    path = list(entries) or [DDTE.pack(v=1, ppn=page) for page in PAGES[:levels]]
    words, table = {}, ROOT
    for level, entry in zip(range(levels, 0, -1), path, strict=True):
        words[table * 4096 + DDI[level] * 8] = entry
        table = DDTE.get(entry, "ppn")
    did = DDI[0] if levels == 0 else DID
    words.update({table * 4096 + (did & 0x7F) * 32 + 8 * k: word
                  for k, word in enumerate(context) if word is not None})
    return words


FLIPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 63)), max_size=2)
MODES = st.sampled_from([DdtpMode.LVL1, DdtpMode.LVL2, DdtpMode.LVL3])


def run(bench, cases, *, stall=0.0, latency=1):
    """Search each case's directory; what is found must be what the model finds."""
    dut = DirectoryWalker(phys_bits=PHYS_BITS)
    this, words = bench(dut), {}

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, stall=stall, latency=latency)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.root, ROOT)
        for mode, content in cases:
            words.clear()
            words.update(content)
            did = DID if mode == DdtpMode.LVL3 else DID & (
                0x7F if mode == DdtpMode.LVL1 else 0xFFFF)
            model = Model(words.get, mode=mode, root=ROOT * 4096, phys_bits=PHYS_BITS)
            expected = Cause.NONE
            try:
                model._locate(did, 1 << 63, "r", None)
            except Fault as fault:
                expected = fault.cause if fault.cause >= 256 else Cause.NONE
            ctx.set(dut.mode, mode)
            reply, cycles = await ask(ctx, dut.service, {"did": did})
            assert reply.cause == expected, {hex(a): w and hex(w) for a, w in content.items()}
            assert not reply.stale
            if expected == Cause.NONE:
                leaf = [word for _, word in sorted(content.items())][-4:]
                paged = IOSATP.get(leaf[3], "mode") == 8
                ppn = IOSATP.get(leaf[3], "ppn")
                context = reply.context
                assert (context.paged, context.pscid, context.pdtv, context.dtf) == (
                    paged, leaf[2] >> 12 & 0xFFFFF, DC_TC.get(leaf[0], "pdtv"),
                    DC_TC.get(leaf[0], "dtf"))
                assert (context.root, context.root_wide) == (ppn % 2**28, ppn >= 2**28)
            if not stall and expected == Cause.NONE:
                assert cycles == latency + 5 + (mode - DdtpMode.LVL1) * (latency + 1)

    this.run()


@pytest.mark.parametrize("dword", range(4))
def test_every_bit(bench, dword):
    """Each bit of the context by itself, with and without PDTV."""
    cases = []
    for bit in range(64):
        for base in (GOOD, [GOOD[0] | DC_TC.mask("pdtv"), 0, 0, 0]):
            context = list(base)
            context[dword] ^= 1 << bit
            cases.append((DdtpMode.LVL1, directory(DdtpMode.LVL1, context)))
    run(bench, cases)


@given(cases=st.lists(st.tuples(MODES, FLIPS, st.integers(-1, 7)), min_size=8, max_size=16),
       stall=st.sampled_from([0.0, 0.4]))
@settings(max_examples=8)
def test_matches_model(bench, cases, stall):
    """Several bits at once, and a doubleword that memory refuses."""
    content = []
    for mode, flips, lost in cases:
        context = list(GOOD)
        for dword, bit in flips:
            context[dword] ^= 1 << bit
        if 0 <= lost < 4:
            context[lost] = None
        content.append((mode, directory(mode, context)))
    run(bench, content, stall=stall)


def test_levels(bench):
    """Entries above the context: invalid, reserved bits, beyond memory, refused; and the time."""
    good = [DDTE.pack(v=1, ppn=page) for page in PAGES]
    cases = [(mode, directory(mode, GOOD)) for mode in
             (DdtpMode.LVL1, DdtpMode.LVL2, DdtpMode.LVL3)]
    for level in (0, 1):
        for wrong in (0, *(good[level] | 1 << bit for bit in (1, 9, 54, 63)),
                      DDTE.pack(v=1, ppn=1 << 28), DDTE.pack(v=1, ppn=0x123)):
            path = list(good)
            path[level] = wrong
            content = directory(DdtpMode.LVL3, GOOD, path)
            if wrong >> 10 == 0x123:
                content = {addr: word for addr, word in content.items() if addr >> 12 != 0x123}
            cases.append((DdtpMode.LVL3, content))
    run(bench, cases, latency=3)


@pytest.mark.parametrize("flush", [None, 0, 1, 4, 9, 12])
def test_stale_is_not_kept(bench, flush):
    """A good context is kept, once, before it is taken, unless an invalidation came meanwhile."""
    dut = DirectoryWalker(phys_bits=PHYS_BITS)
    this = bench(dut)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, directory(DdtpMode.LVL1, GOOD), latency=4)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.root, ROOT)
        ctx.set(dut.mode, DdtpMode.LVL1)
        ctx.set(dut.service.request.did, DDI[0])
        ctx.set(dut.service.want, 1)
        fills, stale = 0, False
        for cycle in range(16):
            ctx.set(dut.flush, cycle == flush)
            *_, start, valid, fill, is_stale, reply = await ctx.tick().sample(
                dut.service.start, dut.service.valid, dut.fill.valid, dut.stale,
                dut.service.reply)
            assert start == (cycle == 0)
            ctx.set(dut.service.want, 0)
            assert is_stale == stale
            # In the cycle of the start nothing has been read yet: that flush does not count.
            stale = stale or (cycle == flush and cycle > 0)
            fills += fill
            assert not fill or cycle == 9
            assert valid == (cycle >= 9)
        assert fills == (flush not in (1, 4, 9))
        assert reply.stale == stale
        ctx.set(dut.service.take, 1)
        await ctx.tick()
        assert not ctx.get(dut.stale)

    this.run()


@pytest.mark.parametrize("phys_bits", [32, 56])
def test_netlist(phys_bits):
    rtlil.convert(DirectoryWalker(phys_bits=phys_bits))
