"""Registers: reset values, and what each keeps of a write (WARL), as drivers probe it."""

import pytest
from amaranth.back import rtlil

from rtl.iommu.registers import Registers
from rtl.params import IommuParams
from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode
from sim.axi_lite import Manager

OFFSET = {register.name: register.offset for register in IOMMU_REGISTERS}


def run(bench, script, **params):
    """Run ``script(ctx, dut, read, write)``; a drain takes two cycles, engines are idle."""
    dut = Registers(IommuParams(**params))
    this = bench(dut)

    @this.background
    async def drain(ctx):
        while True:
            await ctx.tick().until(dut.drain.want)
            await ctx.tick()
            ctx.set(dut.drain.done, 1)
            await ctx.tick()
            ctx.set(dut.drain.done, 0)

    @this.background
    async def count(ctx):
        dut.raised = 0                  # how often command-queue interrupts began
        async for *_, raised in ctx.tick().sample(dut.interrupts.raised):
            dut.raised += raised & 1

    @this.testbench
    async def testbench(ctx):
        bus = Manager(ctx, dut.bus)
        ctx.set(dut.commands.engine.idle, 1)
        ctx.set(dut.faults.engine.idle, 1)

        async def read(name):
            low = await bus.readl(OFFSET[name])
            high = OFFSET.get(f"{name}_msb")
            return low | (await bus.readl(high) << 32 if high else 0)

        async def write(name, value):
            if f"{name}_msb" in OFFSET:
                await bus.writel(value >> 32, OFFSET[f"{name}_msb"])
            await bus.writel(value & 0xFFFF_FFFF, OFFSET[name])

        await script(ctx, dut, read, write)

    this.run()


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


@pytest.mark.parametrize("igs, fctl", [(0, (0, 0, 0)), (1, (2, 2, 2)), (2, (0, 0, 2))])
def test_interrupt_kinds(bench, igs, fctl):
    """fctl.wsi as the driver probes it: at reset, after 0 and after all ones."""
    async def script(ctx, dut, read, write):
        found = [await read("fctl")]
        for value in (0, 2**32 - 1):
            await write("fctl", value)
            found.append(await read("fctl"))
            assert ctx.get(dut.interrupts.wired) == found[-1] >> 1
        assert tuple(found) == fctl

    run(bench, script, igs=igs)


@pytest.mark.parametrize("vectors, kept", [(1, 0), (2, 0x11), (16, 0xFF)])
def test_vectors_and_messages(bench, vectors, kept):
    """What is kept of icvec, and of the message of each vector; beyond them all reads 0."""
    async def script(ctx, dut, read, write):
        await write("icvec", 2**64 - 1)
        assert await read("icvec") == kept
        for vector in {0, vectors - 1, 15}:
            names = [f"msi_{name}_{vector}" for name in ("addr", "data", "vec_ctl")]
            for name in names:
                assert await read(name) == 0
            for name, value in zip(names, (2**64 - 1, 0x1234_5678, 2**32 - 1), strict=True):
                await write(name, value)
            found = [await read(name) for name in names]
            if vector >= vectors:
                assert found == [0, 0, 0]
                continue
            assert found == [(1 << 56) - 4, 0x1234_5678, 1]
            message = dut.interrupts.messages[vector]
            assert ctx.get(message.addr) == (1 << 54) - 1
            assert (ctx.get(message.data), ctx.get(message.m)) == (0x1234_5678, 1)

    run(bench, script, igs=2, vectors=vectors)


def test_no_messages_without_the_capability(bench):
    async def script(ctx, dut, read, write):
        await write("msi_data_0", 1)
        assert await read("msi_data_0") == 0

    run(bench, script)


def test_a_bit_that_comes_back_begins_anew(bench):
    """Cleared while its source stands, a bit of ipsr is raised again; else only once."""
    async def script(ctx, dut, read, write):
        await write("cqcsr", 3)
        before = dut.raised
        ctx.set(dut.commands.illegal, 1)
        await ctx.tick()
        ctx.set(dut.commands.illegal, 0)
        await ctx.tick().repeat(4)
        assert dut.raised - before == 1
        await write("ipsr", 1)                          # comes back
        assert await read("ipsr") == 1
        assert dut.raised - before == 2
        await write("ipsr", 2)                          # another bit
        assert dut.raised - before == 2
        await write("cqcsr", 3 | 1 << 10)
        await write("ipsr", 1)                          # stays away
        assert await read("ipsr") == 0
        assert dut.raised - before == 2

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
    rtlil.convert(Registers(IommuParams(phys_bits=phys_bits, igs=2, vectors=16)))
    rtlil.convert(Registers(IommuParams(phys_bits=phys_bits)))
