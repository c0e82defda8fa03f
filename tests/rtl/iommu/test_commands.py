"""CommandDecoder: legal commands with a bit too many, against the text of the specification."""

from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.commands import Action, CommandDecoder
from rtl.spec.page_table import DdtpMode
from rtl.spec.queues import IODIR_DW0, IOFENCE_DW0, IOTINVAL_DW0, IOTINVAL_DW1, Opcode


def model(low, high, mode):
    """Action for a command."""
    opcode, func3 = low & 0x7F, low >> 7 & 7
    if opcode == Opcode.IOTINVAL and func3 < 2:
        bit = IOTINVAL_DW0.unpack(low)
        bad = low & IOTINVAL_DW0.reserved or high & IOTINVAL_DW1.reserved or bit["nl"]
        if bad or IOTINVAL_DW1.get(high, "s") or (func3 and bit["pscv"]):
            return Action.ILLEGAL
        return Action.NOTHING if func3 or bit["gv"] else Action.DROP_TRANSLATIONS
    if opcode == Opcode.IOFENCE and func3 == 0:
        return Action.ILLEGAL if low & IOFENCE_DW0.reserved or high >> 62 else Action.FENCE
    if opcode == Opcode.IODIR and func3 < 2:
        bit = IODIR_DW0.unpack(low)
        width = {DdtpMode.LVL1: 7, DdtpMode.LVL2: 16}.get(mode, 24)
        if low & IODIR_DW0.reserved or high or bit["pid"] or (bit["dv"] and bit["did"] >> width):
            return Action.ILLEGAL
        if func3:
            return Action.NOTHING if bit["dv"] else Action.ILLEGAL
        return Action.DROP_CONTEXTS
    return Action.ILLEGAL


#: Opcodes with their functions, some bits of each doubleword, and the mode.
COMMANDS = st.tuples(
    st.sampled_from([1, 1, 2, 3, 3, 0, 4, 5, 65]), st.sampled_from([0, 0, 0, 1, 1, 2]),
    st.lists(st.integers(10, 63), max_size=3), st.lists(st.integers(0, 63), max_size=1),
    st.sampled_from(DdtpMode))


@given(commands=st.lists(COMMANDS, min_size=30, max_size=60))
@settings(max_examples=20)
def test_matches_model(bench, commands):
    dut = CommandDecoder()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        for opcode, func3, low_bits, high_bits, mode in commands:
            low = opcode | func3 << 7 | sum(1 << bit for bit in set(low_bits))
            high = sum(1 << bit for bit in set(high_bits))
            ctx.set(dut.command, high << 64 | low)
            ctx.set(dut.mode, mode)
            await ctx.delay(1e-9)
            assert ctx.get(dut.action) is model(low, high, mode), (hex(low), hex(high), mode)

    this.run()


def test_every_bit(bench):
    """Each bit by itself on each legal command."""
    dut = CommandDecoder()
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.mode, DdtpMode.LVL1)
        for legal in (1, 1 | 1 << 7, 2, 3, 3 | 1 << 33, 3 | 1 << 7 | 1 << 33):
            for bit in range(10, 128):
                word = legal ^ 1 << bit
                ctx.set(dut.command, word)
                await ctx.delay(1e-9)
                assert ctx.get(dut.action) is model(word % 2**64, word >> 64, DdtpMode.LVL1)

    this.run()


def test_netlist():
    rtlil.convert(CommandDecoder())
