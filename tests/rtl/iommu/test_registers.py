"""Registers: reset values, and what each keeps of a write (WARL), as drivers probe it."""

import pytest
from amaranth.back import rtlil

from rtl.iommu.registers import Registers
from rtl.params import IommuParams
from rtl.spec.iommu_regs import CAPABILITIES
from rtl.spec.page_table import DdtpMode
from sim.axi_lite import Manager

from .register_bench import OFFSET, run


@pytest.mark.parametrize("phys_bits", [32, 40, 56])
def test_capabilities(bench, phys_bits):
    async def script(ctx, dut, read, write):
        value = await read("capabilities")
        fields = {name: field for name, field in CAPABILITIES.unpack(value).items() if field}
        assert fields == {"version": 0x10, "sv39": 1, "igs": 1, "pas": phys_bits}
        assert value == IommuParams(phys_bits=phys_bits).capabilities
        await write("capabilities", 2**64 - 1)
        assert await read("capabilities") == value

    run(bench, script, phys_bits=phys_bits)


def test_reset(bench):
    async def script(ctx, dut, read, write):
        for name in ("ddtp", "cqb", "cqh", "cqt", "fqb", "fqh", "fqt", "cqcsr", "fqcsr", "pqcsr",
                     "ipsr", "icvec", "tlb_hits", "tlb_misses", "walks"):
            assert await read(name) == 0, name
        assert await read("fctl") == 2

    run(bench, script)


def test_fixed(bench):
    """Fields of what is not here keep 0, and fctl.wsi keeps 1."""
    async def script(ctx, dut, read, write):
        for name, kept in (("fctl", 2), ("pqcsr", 0), ("icvec", 0x33), ("cqh", 0), ("fqt", 0)):
            await write(name, 2**64 - 1 if name == "icvec" else 2**32 - 1)
            assert await read(name) == kept, name
        await write("fctl", 0)
        assert await read("fctl") == 2
        await write("icvec", 0x12)
        assert await read("icvec") == 0x12

    run(bench, script)


@pytest.mark.parametrize("phys_bits, mask", [(32, 0xF_FFFF), (40, 0xFFF_FFFF), (56, 2**44 - 1)])
def test_page_numbers_are_cut(bench, phys_bits, mask):
    async def script(ctx, dut, read, write):
        for name, low in (("ddtp", DdtpMode.BARE), ("cqb", 3), ("fqb", 4)):
            await write(name, (2**44 - 1) << 10 | low)
            assert await read(name) & ~0x10 == mask << 10 | low, name
            await write(name, low)
            assert await read(name) & ~0x10 == low

    run(bench, script, phys_bits=phys_bits)


@pytest.mark.parametrize("old, new, kept", [
    *((DdtpMode.OFF, mode, mode) for mode in DdtpMode),
    *((DdtpMode.BARE, mode, mode) for mode in DdtpMode),
    (DdtpMode.LVL1, DdtpMode.OFF, DdtpMode.OFF), (DdtpMode.LVL3, DdtpMode.BARE, DdtpMode.BARE),
    (DdtpMode.LVL1, DdtpMode.LVL2, DdtpMode.LVL1),      # only by way of Off or Bare
    (DdtpMode.OFF, 5, DdtpMode.OFF), (DdtpMode.OFF, 15, DdtpMode.OFF),
    (DdtpMode.BARE, 14, DdtpMode.BARE), (DdtpMode.LVL2, 7, DdtpMode.LVL2)])
def test_ddtp_moves(bench, old, new, kept):
    async def script(ctx, dut, read, write):
        await write("ddtp", old | 0x123 << 10)
        while await read("ddtp") & 0x10:
            pass
        assert await read("ddtp") == old | 0x123 << 10
        await write("ddtp", new | 0xABC_DEF << 10)
        moved = old <= DdtpMode.BARE or new <= DdtpMode.BARE
        value = await read("ddtp")
        while value & 0x10:
            value = await read("ddtp")
        assert value == kept | (0xABC_DEF if moved else 0x123) << 10
        assert ctx.get(dut.mode) == kept
        assert ctx.get(dut.root) == (0xABC_DEF if moved else 0x123)

    run(bench, script)


def test_ddtp_flushes_with_the_new_value(bench):
    """The flush comes in the first cycle in which mode and root are new, and busy stays with it."""
    dut = Registers(IommuParams(phys_bits=40))
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        bus = Manager(ctx, dut.bus)
        await bus.writel(DdtpMode.LVL1 | 7 << 10, OFFSET["ddtp"])
        assert await bus.readl(OFFSET["ddtp"]) == DdtpMode.LVL1 | 7 << 10 | 0x10
        ctx.set(dut.drain.done, 1)
        await ctx.tick()
        assert not ctx.get(dut.drain.want)
        assert await bus.readl(OFFSET["ddtp"]) == DdtpMode.LVL1 | 7 << 10

    @this.testbench
    async def hardware(ctx):
        before = None
        async for *_, flush, mode, root in ctx.tick().sample(dut.drain.flush, dut.mode, dut.root):
            if flush:
                break
            before = mode, root
        assert (before, mode, root) == ((DdtpMode.OFF, 0), DdtpMode.LVL1, 7)

    this.run()


@pytest.mark.parametrize("name", ["cq", "fq"])
def test_queue(bench, name):
    """Size clamp, index mask, on and off, errors, interrupt: the same for both queues."""
    base, csr, mine, theirs = f"{name[0]}qb", f"{name}csr", *(
        ("cqt", "cqh") if name == "cq" else ("fqh", "fqt"))

    async def script(ctx, dut, read, write):
        port = dut.commands if name == "cq" else dut.faults
        engine = port.engine
        # The longest queue, as Linux asks for it, and a high half that waits for the low one.
        await write(base, 31)
        assert await read(base) == 15
        await write(base, 0x12_3456_7000 >> 12 << 10 | 2)
        assert ctx.get(engine.entry) == 0x12_3456_7000
        await write(mine, 0xFFFF_FFFF)
        assert await read(mine) == 7
        await write(mine, 2)

        # On.
        await write(csr, 0b11)
        assert await read(csr) & 0x3_0003 == 0x1_0003
        assert ctx.get(engine.active) == 1
        await write(base, 0)                            # ignored while it is on
        assert await read(base) == 0x12_3456_7 << 10 | 2
        step = 16 if name == "cq" else 32
        for index in (1, 2, 3, 4, 5, 6, 7, 0, 1):
            ctx.set(engine.advance, 1)
            await ctx.tick()
            ctx.set(engine.advance, 0)
            await ctx.delay(1e-10)
            assert ctx.get(engine.entry) == 0x12_3456_7000 + step * index
            assert ctx.get(engine.empty) == (index == 2)
            assert ctx.get(engine.full) == (index == 1)
            assert await read(theirs) == index

        # Errors and the interrupt.
        ctx.set(port.memory_fault, 1)
        await ctx.tick()
        ctx.set(port.memory_fault, 0)
        assert await read(csr) & 0xF00 == 0x100
        assert ctx.get(port.stopped) == 1
        pending = 1 if name == "cq" else 2
        assert await read("ipsr") == pending
        await write("icvec", 0x23)
        await ctx.tick()
        assert ctx.get(dut.interrupts.pending) == pending
        await write("ipsr", pending)
        assert await read("ipsr") == pending
        await write(csr, 0x101)                         # and the interrupt is off
        assert await read(csr) & 0xF03 == 1
        await write("ipsr", pending)
        assert await read("ipsr") == 0

        # Off takes until the engine is idle. Then on again, from entry 0.
        ctx.set(port.memory_fault, 1)
        ctx.set(engine.idle, 0)
        await ctx.tick()
        ctx.set(port.memory_fault, 0)
        await write(csr, 0)
        assert await read(csr) & 0x3_0003 == 0x3_0000
        assert ctx.get(engine.active) == 0
        await write(csr, 1)                             # ignored while busy
        ctx.set(engine.idle, 1)
        await ctx.tick().repeat(2)
        assert await read(csr) == 0x100
        await write(csr, 1)
        assert await read(csr) == 0x1_0001
        assert await read(theirs) == 0
        await write(base, 1 << 10)
        await write(csr, 0)
        await write(base, 0)
        assert await read(base) == 0
        assert await read(mine) == 0                    # 2 has no place in two entries

    run(bench, script)


def test_flags_of_commands(bench):
    async def script(ctx, dut, read, write):
        await write("cqcsr", 0b11)
        for strobe, bit in (("illegal", 10), ("fence_done", 11)):
            signal = getattr(dut.commands, strobe)
            ctx.set(signal, 1)
            await ctx.tick()
            ctx.set(signal, 0)
            await ctx.delay(1e-10)
            assert ctx.get(dut.commands.stopped) == (bit == 10)
            assert await read("cqcsr") & 0xF00 == 1 << bit
            assert await read("ipsr") == 1
            await write("cqcsr", 0b11 | 1 << bit)
            await write("ipsr", 1)
            assert await read("ipsr") == 0

    run(bench, script)


def test_counters(bench):
    async def script(ctx, dut, read, write):
        for name in ("tlb_hits", "tlb_misses", "walks"):
            ctx.set(getattr(dut, name), OFFSET[name] * 0x10001)
            assert await read(name) == OFFSET[name] * 0x10001

    run(bench, script)


@pytest.mark.parametrize("phys_bits", [32, 56])
def test_netlist(phys_bits):
    rtlil.convert(Registers(IommuParams(phys_bits=phys_bits, igs=2, vectors=16, dbg=True)))
    rtlil.convert(Registers(IommuParams(phys_bits=phys_bits)))
