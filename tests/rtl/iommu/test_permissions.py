"""Permissions: every access on every page."""

from itertools import product

from amaranth.back import rtlil

from rtl.iommu.permissions import Permissions
from rtl.iommu.records import Kind


def test_all(bench):
    dut = Permissions()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for kind, privileged, permit, r, w, x, u, g in product(Kind, *[(0, 1)] * 7):
            ctx.set(dut.access, {"kind": kind, "privileged": privileged})
            ctx.set(dut.sum, permit)
            ctx.set(dut.flags, {"r": r, "w": w, "x": x, "u": u, "g": g})
            await ctx.delay(1e-9)
            right = {Kind.READ: r, Kind.WRITE: w, Kind.EXECUTE: x}[kind]
            if not privileged:
                right = right and u
            elif u:
                right = right and permit and kind is not Kind.EXECUTE
            assert ctx.get(dut.denied) == (not right)

    this.run()


def test_netlist():
    rtlil.convert(Permissions())
