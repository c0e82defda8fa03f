"""MsiIndex and what an MSI page-table entry says, against the text of the specification."""

from random import Random

import pytest
from amaranth import *
from amaranth.back import rtlil

from rtl.iommu.msi_table import MsiIndex, is_msi, msi_cause
from rtl.iommu.records import Kind, context_layout
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import MSI_PTE

PARAMS = IommuParams(sv39x4=True, msi_flat=True)


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


def test_entry_and_match(bench):
    """Each bit of an entry, for each access; and a page that differs in one bit."""
    m = Module()
    word, kind, beyond = Signal(64), Signal(Kind), Signal()
    gpn, context = Signal(52), Signal(context_layout(PARAMS))
    cause, match = Signal(12), Signal()
    m.d.comb += [cause.eq(msi_cause(word, kind, beyond)), match.eq(is_msi(gpn, context))]
    this = bench(m)

    @this.testbench
    async def testbench(ctx):
        good = MSI_PTE.pack(v=1, m=3, ppn=5)
        for access in Kind:
            ctx.set(kind, access)
            for bit in (None, *range(64)):
                value = good ^ (0 if bit is None else 1 << bit)
                ctx.set(word, value)
                ctx.set(beyond, bit == 53)
                await ctx.delay(1e-9)
                expected = Cause.NONE
                if bit == 0:
                    expected = Cause.MSI_PTE_INVALID
                elif bit in (1, 2, 63) or value & MSI_PTE.reserved:
                    expected = Cause.MSI_PTE_MISCONFIGURED
                elif access is Kind.EXECUTE:
                    expected = Cause.EXEC_ACCESS_FAULT
                elif bit == 53:
                    expected = {Kind.READ: Cause.READ_ACCESS_FAULT,
                                Kind.WRITE: Cause.WRITE_ACCESS_FAULT}[access]
                assert ctx.get(cause) == expected
        mask, pattern = 0b1010, 0x1234_5670
        for on in (0, 1):
            ctx.set(context, {"msi": on, "msi_mask": mask, "msi_pattern": pattern})
            for bit in (None, *range(52)):
                ctx.set(gpn, pattern ^ (0 if bit is None else 1 << bit))
                await ctx.delay(1e-9)
                assert ctx.get(match) == (on and (bit is None or mask >> bit & 1))

    this.run()


@pytest.mark.parametrize("deep", [False, True])
def test_netlist(deep):
    rtlil.convert(MsiIndex(IommuParams(sv39x4=True, sv48x4=deep, sv57x4=deep, msi_flat=True)))
