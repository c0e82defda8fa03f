"""MsiIndex and what an MSI page-table entry says, against the text of the specification."""

from random import Random

import pytest
from amaranth import *
from amaranth.back import rtlil

from rtl.iommu.msi_table import TO_FILE, MsiEntry, MsiIndex, is_msi
from rtl.iommu.records import Kind, context_layout
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import MSI_PTE, MSI_PTE_MRIF, MSI_PTE_NOTICE

PARAMS = IommuParams(sv39x4=True, msi_flat=True)
FILES = IommuParams(sv39x4=True, msi_flat=True, msi_mrif=True)


def picked(gpn, mask):
    """Bits of ``gpn`` where ``mask`` has ones, packed."""
    bits = [gpn >> place & 1 for place in range(52) if mask >> place & 1]
    return sum(bit << place for place, bit in enumerate(bits))


def test_index(bench):
    dut, random = MsiIndex(PARAMS), Random(1)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        masks = [0, 1, (1 << 29) - 1, 1 << 28, *(random.getrandbits(29) for _ in range(12))]
        for mask in masks:
            gpn, root = random.getrandbits(29), random.getrandbits(44)
            ctx.set(dut.gpn, gpn)
            ctx.set(dut.mask, mask)
            ctx.set(dut.root, root)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            cycles = 0
            while not ctx.get(dut.done):
                await ctx.tick()
                cycles += 1
            assert cycles == PARAMS.gpn_bits
            where = root << 12 | picked(gpn, mask) << 4
            assert ctx.get(dut.base) << 12 | ctx.get(dut.offset) == where

    this.run()


def test_match(bench):
    """A page that differs in one bit from an interrupt file."""
    m = Module()
    gpn, context, match = Signal(52), Signal(context_layout(PARAMS)), Signal()
    m.d.comb += match.eq(is_msi(gpn, context))
    this = bench(m)

    @this.testbench
    async def testbench(ctx):
        mask, pattern = 0b1010, 0x1234_5670
        for on in (0, 1):
            ctx.set(context, {"msi": on, "msi_mask": mask, "msi_pattern": pattern})
            for bit in (None, *range(52)):
                ctx.set(gpn, pattern ^ (0 if bit is None else 1 << bit))
                await ctx.delay(1e-9)
                assert ctx.get(match) == (on and (bit is None or mask >> bit & 1))

    this.run()


def basic(word, access, ppn_bits):
    """Cause for an entry of a page, whatever is in its other half."""
    if not word & 1:
        return Cause.MSI_PTE_INVALID
    if MSI_PTE.get(word, "m") != 3 or word & (MSI_PTE.reserved | MSI_PTE.mask("c")):
        return Cause.MSI_PTE_MISCONFIGURED
    if access is Kind.EXECUTE:
        return Cause.EXEC_ACCESS_FAULT
    if MSI_PTE.get(word, "ppn") >> ppn_bits:
        return Cause.READ_ACCESS_FAULT if access is Kind.READ else Cause.WRITE_ACCESS_FAULT
    return Cause.NONE


@pytest.mark.parametrize("params", [PARAMS, FILES])
def test_entry(bench, params):
    """Each bit of an entry, for each access; errors of memory in either half."""
    dut = MsiEntry(params)
    this = bench(dut)

    async def ask(ctx, words, access, errors=(0, 0), poison=(0, 0)):
        ctx.set(dut.kind, access)
        for n, word in enumerate(words):
            ctx.set(dut.reply.valid, 1)
            ctx.set(dut.reply.data, word)
            ctx.set(dut.reply.error, errors[n])
            ctx.set(dut.reply.poison, poison[n])
            ctx.set(dut.reply.last, n == len(words) - 1)
            *_, cause, ppn, gpn, number = await ctx.tick().sample(
                dut.cause, dut.ppn, dut.gpn, dut.number)
        return cause, ppn, gpn, number

    @this.testbench
    async def testbench(ctx):
        good, junk = MSI_PTE.pack(v=1, m=3, ppn=5), [2**64 - 1] * params.msi_mrif
        for access in Kind:
            for bit in (None, *range(64)):
                if bit == 2 and params.msi_mrif:
                    continue                    # that is an interrupt file
                word = good ^ (0 if bit is None else 1 << bit)
                cause, ppn, *_ = await ask(ctx, [word, *junk], access)
                assert cause == basic(word, access, params.ppn_bits), bit
                assert cause or ppn == MSI_PTE.get(word, "ppn")
        for at in range(1 + params.msi_mrif):
            bad = [0, 0]
            bad[at] = 1
            for poison, expected in ((0, Cause.MSI_PTE_LOAD_FAULT), (1, Cause.MSI_PT_CORRUPTION)):
                cause, *_ = await ask(ctx, [good, *junk], Kind.READ, bad,
                                      bad if poison else (0, 0))
                assert cause == expected
        if params.msi_mrif:
            await files(ctx)

    async def files(ctx):
        first = MSI_PTE_MRIF.pack(v=1, m=1, file=0x123)
        second = MSI_PTE_NOTICE.pack(low=0x155, high=1, ppn=0x77)
        for access in Kind:
            for bit in (None, *range(3, 128)):
                both = (first | second << 64) ^ (0 if bit is None else 1 << bit)
                words = both % (1 << 64), both >> 64
                cause, ppn, gpn, number = await ask(ctx, words, access)
                if (words[0] & (MSI_PTE_MRIF.reserved | 1 << 63) or
                        words[1] & MSI_PTE_NOTICE.reserved):
                    assert cause == Cause.MSI_PTE_MISCONFIGURED
                    continue
                assert cause == (Cause.EXEC_ACCESS_FAULT if access is Kind.EXECUTE else TO_FILE)
                file, page = MSI_PTE_MRIF.get(words[0], "file"), MSI_PTE_NOTICE.get(
                    words[1], "ppn")
                beyond = file >> params.phys_bits - 9 or page >> params.ppn_bits
                assert gpn == file | bool(beyond) << 47
                assert beyond or ppn == page
                assert number == (MSI_PTE_NOTICE.get(words[1], "low") |
                                  MSI_PTE_NOTICE.get(words[1], "high") << 10)

    this.run()


@pytest.mark.parametrize("deep", [False, True])
def test_netlist(deep):
    rtlil.convert(MsiEntry(FILES if deep else PARAMS))
    rtlil.convert(MsiIndex(IommuParams(sv39x4=True, sv48x4=deep, sv57x4=deep, msi_flat=True)))
