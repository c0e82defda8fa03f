"""CommandDecoder: legal commands with a bit too many, against the text of the specification."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.commands import Action, CommandDecoder
from rtl.params import IommuParams
from rtl.spec.page_table import DdtpMode
from rtl.spec.queues import IODIR_DW0, IOFENCE_DW0, IOTINVAL_DW0, IOTINVAL_DW1, Opcode

#: Builds: with nothing, and with all that commands are about.
BUILDS = [IommuParams(), IommuParams(sv39x4=True, pd17=True, msi_flat=True, nl=True, s=True)]


def model(low, high, mode, params, wired=1):
    """Action for a command."""
    opcode, func3 = low & 0x7F, low >> 7 & 7
    if opcode == Opcode.IOTINVAL and func3 < 2:
        bit = IOTINVAL_DW0.unpack(low)
        bad = low & IOTINVAL_DW0.reserved or high & IOTINVAL_DW1.reserved
        extended = (bit["nl"] or IOTINVAL_DW1.get(high, "s")) and not params.nl
        if bad or extended or (func3 and bit["pscv"]):
            return Action.ILLEGAL
        if (func3 or bit["gv"]) and not params.two_stage:
            return Action.NOTHING
        return Action.DROP_TRANSLATIONS
    if opcode == Opcode.IOFENCE and func3 == 0:
        bad = low & IOFENCE_DW0.reserved or high >> 62
        bad = bad or (IOFENCE_DW0.get(low, "wsi") and not wired)
        return Action.ILLEGAL if bad else Action.FENCE
    if opcode == Opcode.IODIR and func3 < 2:
        bit = IODIR_DW0.unpack(low)
        width = {DdtpMode.LVL1: 7 - params.msi_flat, DdtpMode.LVL2: 16 - params.msi_flat}.get(
            mode, 24)
        if low & IODIR_DW0.reserved or high or (bit["dv"] and bit["did"] >> width):
            return Action.ILLEGAL
        if bit["pid"] >> (17 if func3 and params.pd17 else 0):
            return Action.ILLEGAL
        if func3:
            if not bit["dv"]:
                return Action.ILLEGAL
            return Action.DROP_CONTEXTS if params.pd17 else Action.NOTHING
        return Action.DROP_CONTEXTS
    return Action.ILLEGAL


#: Opcodes with their functions, some bits of each doubleword, and the mode.
COMMANDS = st.tuples(
    st.sampled_from([1, 1, 2, 3, 3, 0, 4, 5, 65]), st.sampled_from([0, 0, 0, 1, 1, 2]),
    st.lists(st.integers(10, 63), max_size=3), st.lists(st.integers(0, 63), max_size=1),
    st.sampled_from(DdtpMode), st.integers(0, 1))


@given(commands=st.lists(COMMANDS, min_size=30, max_size=60))
@settings(max_examples=10)
@pytest.mark.parametrize("params", BUILDS)
def test_matches_model(bench, params, commands):
    dut = CommandDecoder(params)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for opcode, func3, low_bits, high_bits, mode, wired in commands:
            low = opcode | func3 << 7 | sum(1 << bit for bit in set(low_bits))
            high = sum(1 << bit for bit in set(high_bits))
            ctx.set(dut.command, high << 64 | low)
            ctx.set(dut.mode, mode)
            ctx.set(dut.wired, wired)
            await ctx.delay(1e-9)
            found = ctx.get(dut.action)
            assert found is model(low, high, mode, params, wired), (hex(low), hex(high))

    this.run()


@pytest.mark.parametrize("params", BUILDS)
def test_every_bit(bench, params):
    """Each bit by itself on each legal command."""
    dut = CommandDecoder(params)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.mode, DdtpMode.LVL1)
        ctx.set(dut.wired, 1)
        for legal in (1, 1 | 1 << 7, 2, 3, 3 | 1 << 33, 3 | 1 << 7 | 1 << 33):
            for bit in range(10, 128):
                word = legal ^ 1 << bit
                ctx.set(dut.command, word)
                await ctx.delay(1e-9)
                assert ctx.get(dut.action) is model(
                    word % 2**64, word >> 64, DdtpMode.LVL1, params)

    this.run()


@pytest.mark.parametrize("params", BUILDS)
def test_netlist(params):
    rtlil.convert(CommandDecoder(params))
