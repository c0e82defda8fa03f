"""DirectoryWalker: every way in which a context can be wrong, against the golden model."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.directory_walker import DirectoryWalker
from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import DC_IOHGATP, DC_TA, DC_TC, DDTE, IOSATP, PC_TA, DdtpMode
from rtl.spec.platform import BusError
from sim.golden.iommu.context import Directory
from sim.golden.iommu.types import Access, Fault, Features, Request
from tests.rtl.iommu.memory import ask, serve_reads

ROOT, DID, PID = 0x8_0000, 0xAB_CDEF, 0xA_BCDE
DDT_PAGES, PDT_PAGES = [0x8_0001, 0x8_0002], [0x8_0010, 0x8_0011, 0x8_0012]
BASE = IommuParams()
FULL = IommuParams(sv48=True, sv57=True, sv39x4=True, sv48x4=True, msi_flat=True, pd8=True,
                   pd17=True, pd20=True, phys_bits=46, amo_hwad=True)
#: Only some of the modes, so that others are unsupported, and narrow identifiers.
PART = IommuParams(sv48=True, sv39x4=True, pd17=True, qosid=True, rcid_bits=3, mcid_bits=7)
GOOD = [DC_TC.pack(v=1), 0, 0x12345 << 12, IOSATP.pack(mode=8, ppn=0x9_0000)]
GUEST = [GOOD[0], DC_IOHGATP.pack(mode=8, ppn=0x9_0004, gscid=0xBEEF), *GOOD[2:]]
MSI = [IOSATP.pack(mode=1, ppn=0x8_0040), 0x1F0, 0x20, 0]


def processes(mode, **tc):
    """Device context with a process directory."""
    return [DC_TC.pack(v=1, pdtv=1, **tc), 0, 0, IOSATP.pack(mode=mode, ppn=PDT_PAGES[0])]


def process_context(**ta):
    return [PC_TA.pack(**{"v": 1, "pscid": 0x777, **ta}), IOSATP.pack(mode=8, ppn=0x9_1000)]


class Words(dict):
    """Doublewords by address, for the RTL and for the golden model; those missing are errors."""

    def read(self, addr, size):
        words = [self.get(addr + n) for n in range(0, size, 8)]
        if None in words:
            raise BusError(addr, "SLVERR")
        return b"".join(word.to_bytes(8, "little") for word in words)


class _Translated:
    """Second stage of the golden directory: adds 0x100 pages, and refuses odd ones."""

    @staticmethod
    def implicit(vm, gpa, access):
        if not vm.mode:
            return gpa
        if gpa >> 12 & 1:
            cause = {Access.READ: 21, Access.WRITE: 23, Access.EXECUTE: 20}[access]
            raise Fault(Cause(cause), gpa | 1)
        if gpa >> 12 == PDT_PAGES[2]:
            raise Fault(Cause.READ_ACCESS_FAULT)
        return gpa + (0x100 << 12)


def directory(params, mode, did, context, entries=()):
    """Memory with a path to ``context``; ``entries`` replace those above it, from the root down."""
    widths = (6, 9, 9) if params.msi_flat else (7, 9, 8)
    index = [did & (1 << widths[0]) - 1, did >> widths[0] & 511, did >> widths[0] + 9]
    levels = mode - DdtpMode.LVL1
    path = list(entries) or [DDTE.pack(v=1, ppn=page) for page in DDT_PAGES[:levels]]
    words, table = Words(), ROOT
    for level, entry in zip(range(levels, 0, -1), path, strict=True):
        words[table * 4096 + index[level] * 8] = entry
        table = DDTE.get(entry, "ppn")
    size = 64 if params.msi_flat else 32
    context = [*context, *[0] * (size // 8 - len(context))]
    words.update({table * 4096 + index[0] * size + 8 * k: word
                  for k, word in enumerate(context) if word is not None})
    return words


def add_processes(words, mode, pid, context, entries=(), moved=0):
    """A process directory behind the device context; ``moved``: by the second stage, in pages."""
    index = [pid & 0xFF, pid >> 8 & 511, pid >> 17]
    path = list(entries) or [DDTE.pack(v=1, ppn=page) for page in PDT_PAGES[1:mode]]
    table = PDT_PAGES[0]
    for level, entry in zip(range(mode - 1, 0, -1), path, strict=True):
        words[(table + moved) * 4096 + index[level] * 8] = entry
        table = DDTE.get(entry, "ppn")
    where = (table + moved) * 4096 + index[0] * 16
    words.update({where + 8 * k: word for k, word in enumerate(context) if word is not None})
    for addr in [addr for addr in words if addr >> FULL.phys_bits]:
        del words[addr]                 # beyond memory
    return words


def expected(params, mode, words, source, kind):
    """Cause, iotval2, and fields of the context."""
    access = {Kind.READ: Access.READ, Kind.WRITE: Access.WRITE, Kind.EXECUTE: Access.EXECUTE}[kind]
    golden = Directory(words, Features(params.capabilities), _Translated,
                       (params.rcid_bits, params.mcid_bits))
    dtf = None
    try:
        dc = golden.device(source["did"], mode, ROOT)
        dtf = dc.has("dtf")
        pid = source["pid"] if source["process"] else None
        refused = Fault(Cause.TYPE_DISALLOWED)
        if source["translated"] or (pid is not None and not (
                dc.has("pdtv") and golden.process_fits(dc, pid))):
            raise refused
        fsc, pscid, permit = dc.fsc, DC_TA.get(dc.ta, "pscid"), False
        if dc.has("pdtv"):
            if pid is None and dc.has("dpe"):
                pid = 0
            fsc = 0
            if pid is not None and IOSATP.get(dc.fsc, "mode"):
                pc = golden.process(dc, pid, Request(0, 0, access))
                fsc, pscid, permit = pc.fsc, pc.get("pscid"), pc.get("sum")
                if source["supervisor"] and not pc.get("ens"):
                    raise refused
        stage1, stage2 = dc.stage1(fsc, pscid, permit), dc.stage2
        return Cause.NONE, 0, dtf, (stage1, stage2, dc.msi, dc.qos)
    except Fault as fault:
        return fault.cause, fault.iotval2, dtf, None


def check_context(params, context, stages):
    stage1, stage2, msi, qos = stages
    assert (context.qos.rcid, context.qos.mcid) == qos
    assert context.paged == (stage1.mode != 0)
    if stage1.mode:
        wide = stage1.root >> params.ppn_bits != 0
        root = context.root & (1 << params.ppn_bits) - 1
        assert (root, context.pscid) == (stage1.root & (1 << params.ppn_bits) - 1, stage1.pscid)
        assert (context.root >> params.ppn_bits != 0) == wide
        assert context.levels == (stage1.mode - 8 if params.sv48 else 0)
        assert context.sum == (stage1.sum if params.processes else 0)
    if params.amo_hwad and stage1.mode:
        assert context.sade == stage1.update
    if params.two_stage:
        assert context.guest == (stage2.mode != 0)
        if params.amo_hwad and stage2.mode:
            assert context.gade == stage2.update
        if stage2.mode:
            assert (context.guest_root, context.gscid) == (stage2.root, stage2.gscid)
            assert context.guest_levels == (stage2.mode - 8 if params.sv48x4 else 0)
    if params.msi:
        assert context.msi == (msi is not None)
        if msi:
            assert (context.msi_root, context.msi_mask, context.msi_pattern) == msi


def run(bench, params, cases, *, stall=0.0, latency=1):
    """Search each case's directory; what is found must be what the golden model finds."""
    dut = DirectoryWalker(params)
    this, words = bench(dut, timeout=60_000), {}

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, words, stall=stall, latency=latency)

    @this.background
    async def second_stage(ctx):
        while True:
            (request,) = await ctx.tick().sample(dut.guest.request).until(dut.guest.want)
            assert request.implicit and request.context.guest and not request.context.paged
            ctx.set(dut.guest.start, 1)
            await ctx.tick()
            ctx.set(dut.guest.start, 0)
            page = request.page
            kinds = {Kind.READ: 21, Kind.WRITE: 23, Kind.EXECUTE: 20}
            cause = kinds[request.kind] if page & 1 else 5 if page == PDT_PAGES[2] else 0
            ctx.set(dut.guest.reply, {"cause": cause, "page": {"ppn": page + 0x100},
                                      "guest_fault": {"gpn": page, "implicit": 1}})
            ctx.set(dut.guest.valid, 1)
            await ctx.tick().until(dut.guest.take)
            ctx.set(dut.guest.valid, 0)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.root, ROOT)
        for mode, content, source, kind in cases:
            words.clear()
            words.update(content)
            source = {"did": DID, "process": 0, "pid": 0, "supervisor": 0, "translated": 0,
                      **source}
            cause, iotval2, dtf, stages = expected(params, mode, content, source, kind)
            ctx.set(dut.mode, mode)
            fields = source if params.processes else {
                name: source[name] for name in ("did", "process", "translated")}
            reply, cycles = await ask(ctx, dut.service, {"source": fields, "kind": kind})
            assert reply.cause == cause, (cause, content, source)
            assert not reply.stale
            if dtf is not None and cause not in range(256, 260):
                assert reply.context.dtf == dtf
            if iotval2:
                assert reply.guest_fault.gpn == iotval2 >> 12
                assert reply.guest_fault.implicit == 1
            if stages:
                check_context(params, reply.context, stages)
            if not stall and cause == Cause.NONE and params is BASE:
                assert cycles == latency + 5 + (mode - DdtpMode.LVL1) * (latency + 1)

    this.run()


def short(params, mode):
    """A device that a directory of ``mode`` can tell apart."""
    bits = {DdtpMode.LVL1: 7, DdtpMode.LVL2: 16, DdtpMode.LVL3: 24}[mode]
    return DID & (1 << bits - (params.msi_flat and mode != DdtpMode.LVL3)) - 1


@pytest.mark.parametrize("params", [BASE, PART, FULL])
@pytest.mark.parametrize("dword", range(8))
def test_every_bit(bench, params, dword):
    """Each bit of the context by itself, with and without a process directory and a guest."""
    contexts = [GOOD, processes(2), GUEST]
    if params.msi_flat:
        contexts += [GUEST + MSI]
    elif dword >= 4:
        contexts = []
    cases, did = [], short(params, DdtpMode.LVL1)
    for bit in range(64):
        for base in contexts:
            context = [*base, *[0] * (8 - len(base))][:8 if params.msi_flat else 4]
            context[dword] ^= 1 << bit
            cases.append((DdtpMode.LVL1, directory(params, DdtpMode.LVL1, did, context),
                          {"did": did}, Kind.READ))
    run(bench, params, cases)


@pytest.mark.parametrize("params", [BASE, FULL])
def test_levels(bench, params):
    """Entries above the context: invalid, reserved bits, beyond memory, refused; and the time."""
    good = [DDTE.pack(v=1, ppn=page) for page in DDT_PAGES]
    cases = []
    for mode in (DdtpMode.LVL1, DdtpMode.LVL2, DdtpMode.LVL3):
        did = short(params, mode)
        cases.append((mode, directory(params, mode, did, GOOD), {"did": did}, Kind.READ))
    for level in (0, 1):
        for wrong in (0, *(good[level] | 1 << bit for bit in (1, 9, 54, 63)),
                      DDTE.pack(v=1, ppn=1 << params.ppn_bits), DDTE.pack(v=1, ppn=0x123)):
            path = list(good)
            path[level] = wrong
            content = directory(params, DdtpMode.LVL3, DID, GOOD, path)
            for addr in [addr for addr in content
                         if addr >> 12 in (0x123, 1 << params.ppn_bits)]:
                del content[addr]
            cases.append((DdtpMode.LVL3, content, {}, Kind.READ))
    run(bench, params, cases, latency=3)


def process_cases(seed, guest):
    """Process directories of all depths, with a mistake in most of them."""
    random, cases = Random(seed), []
    for _ in range(24):
        mode = random.choice([0, 1, 2, 3])
        pid = random.choice([PID, PID & 0x1FFFF, PID & 0xFF, 5, 0])
        dc = processes(mode, dpe=random.random() < 0.5, dtf=random.random() < 0.5)
        dc[1] = GUEST[1] if guest else 0
        words = directory(FULL, DdtpMode.LVL1, DID & 0x3F, dc)
        context = process_context(ens=random.random() < 0.5, sum=random.random() < 0.5)
        if random.random() < 0.4:
            context[random.randrange(2)] ^= 1 << random.randrange(64)
        if random.random() < 0.1:
            context[random.randrange(2)] = None
        pages = [page + 1 if guest and random.random() < 0.7 else page for page in PDT_PAGES]
        entries = [DDTE.pack(v=1, ppn=page) for page in pages[1:mode]]
        if entries and random.random() < 0.3:
            entries[random.randrange(len(entries))] ^= 1 << random.randrange(64)
        if mode:
            add_processes(words, mode, pid, context, entries, 0x100 if guest else 0)
        process = random.random() < 0.8
        source = {"did": DID & 0x3F, "process": process, "pid": pid if process else 0,
                  "supervisor": process and random.random() < 0.4,
                  "translated": random.random() < 0.1}
        cases.append((DdtpMode.LVL1, words, source, random.choice(list(Kind))))
    return cases


@given(seed=st.integers(0, 2**32 - 1), guest=st.booleans(), stall=st.sampled_from([0.0, 0.4]))
@settings(max_examples=6)
def test_processes(bench, seed, guest, stall):
    run(bench, FULL, process_cases(seed, guest), stall=stall)


@pytest.mark.parametrize("source", [{}, {"process": 1}, {"translated": 1}])
@pytest.mark.parametrize("context", [GOOD, processes(0), processes(0, dtf=1)])
def test_without_process_directories(bench, source, context):
    """With PDTV and no process directory, any process may access, untranslated."""
    source = {"did": 5, **source}
    run(bench, BASE, [(DdtpMode.LVL1, directory(BASE, DdtpMode.LVL1, 5, context), source,
                       Kind.READ)])


@pytest.mark.parametrize("flush", [None, 0, 1, 4, 9, 12])
def test_stale_is_not_kept(bench, flush):
    """A good context is kept, once, before it is taken, unless an invalidation came meanwhile."""
    dut = DirectoryWalker(BASE)
    this = bench(dut)

    @this.background
    async def memory(ctx):
        await serve_reads(ctx, dut.table, directory(BASE, DdtpMode.LVL1, 5, GOOD), latency=4)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.root, ROOT)
        ctx.set(dut.mode, DdtpMode.LVL1)
        ctx.set(dut.service.request.source.did, 5)
        ctx.set(dut.service.want, 1)
        fills, stale = 0, False
        for cycle in range(16):
            ctx.set(dut.flush, cycle == flush)
            *_, start, valid, fill, source, is_stale, reply = await ctx.tick().sample(
                dut.service.start, dut.service.valid, dut.fill.valid, dut.fill.source,
                dut.stale, dut.service.reply)
            assert start == (cycle == 0)
            ctx.set(dut.service.want, 0)
            assert is_stale == stale
            # In the cycle of the start nothing has been read yet: that flush does not count.
            stale = stale or (cycle == flush and cycle > 0)
            fills += fill
            assert not fill or (cycle == 9 and source.did == 5)
            assert valid == (cycle >= 9)
        assert fills == (flush not in (1, 4, 9))
        assert reply.stale == stale
        ctx.set(dut.service.take, 1)
        await ctx.tick()
        assert not ctx.get(dut.stale)

    this.run()


@pytest.mark.parametrize("params", [IommuParams(phys_bits=32), FULL,
                                    IommuParams(phys_bits=56, msi_flat=True, pd8=True)])
def test_netlist(params):
    rtlil.convert(DirectoryWalker(params))
