"""Registers: named access over any bus, here a plain dictionary."""

import enum

import pytest

from kernel_api.platform.registers import Registers
from rtl.spec.cache_regs import CACHE_REGISTERS, CacheMode
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.regmap import Access, Field, Register, RegisterMap


class Words(dict):
    """Words that read as zero where nothing was written, and a record of the order of writes."""

    def __init__(self):
        self.order = []

    def readl(self, addr):
        return self.get(addr, 0)

    def writel(self, value, addr):
        self[addr] = value
        self.order.append(addr)

    def readq(self, addr):
        return self.readl(addr) | self.readl(addr + 4) << 32

    def writeq(self, value, addr):
        self.writel(value >> 32, addr + 4)
        self.writel(value & 0xFFFF_FFFF, addr)


@pytest.fixture
def words():
    return Words()


def test_update_keeps_the_other_fields(words):
    registers = Registers(CDMA_REGISTERS, words, base=0x1000)
    registers.cr.write(sg_mode=1)
    registers.cr.update(irq_threshold=4)
    assert registers.cr.read("sg_mode") == 1 and registers.cr.read("irq_threshold") == 4
    assert words == {0x1000: 1 << 3 | 4 << 16}


def test_two_words_are_one_register(words):
    registers = Registers(CDMA_REGISTERS, words)
    registers.curdesc.write(addr=0x12_3456_7890 // 64)
    assert words == {0x0C: 0x12, 0x08: 0x3456_7880} and words.order == [0x0C, 0x08]
    assert registers.curdesc.read() == 0x12_3456_7880
    assert registers.curdesc.read("addr") == 0x12_3456_7880 >> 6
    with pytest.raises(AttributeError, match="no register 'curdesc_msb'"):
        _ = registers.curdesc_msb


def test_joined_fields_are_those_of_the_specification(words):
    registers = Registers(IOMMU_REGISTERS, words)
    words.update({0: 0x1010_0610, 4: 0x28})
    expected = {name: value for name, value in CAPABILITIES.unpack(0x28_1010_0610).items()}
    assert registers.capabilities.fields() == expected
    registers.ddtp.write(mode=4, ppn=0x1234_5678_9AB)
    assert registers.ddtp.read() == 4 | 0x1234_5678_9AB << 10


def test_named_values(words):
    registers = Registers(CACHE_REGISTERS, words)
    registers.ctl.write(enable=1, mode=CacheMode.CLEAN_SHARED)
    assert registers.ctl.read("mode") is CacheMode.CLEAN_SHARED
    words[0x10] = 3 << 1
    assert registers.ctl.read("mode") == 3 and registers.ctl.fields()["mode"] == 3


def test_named_values_that_are_no_numbers_stay_numbers(words):
    class Colour(enum.Enum):
        RED = 1

    field = Field("colour", 0, 4, Access.RW, "Colour.", reset=1, values=Colour)
    registers = Registers(RegisterMap("x", "X.", (Register("r", 0, "R.", (field,)),)), words)
    registers.r.write()
    assert registers.r.read("colour") == 1


def test_reset_values_are_joined(words):
    def word(name, offset, reset):
        return Register(name, offset, "W.", (Field("value", 0, 32, Access.RW, "V.", reset=reset),))

    registers = Registers(RegisterMap("x", "X.", (word("r", 0, 1), word("r_msb", 4, 2))), words)
    registers.r.write()
    assert registers.r.read() == 2 << 32 | 1


def test_unknown_names(words):
    registers = Registers(CDMA_REGISTERS, words)
    with pytest.raises(AttributeError, match="no register 'speed'; there are: cr, sr, "):
        _ = registers.speed
    with pytest.raises(KeyError, match="Register 'cr' has no field 'speed'"):
        registers.cr.read("speed")


def test_value_too_wide(words):
    registers = Registers(CDMA_REGISTERS, words)
    with pytest.raises(ValueError, match=r"Value 0x2 does not fit in the 1 bits of field "
                                         r"'cr\.sg_mode'"):
        registers.cr.write(sg_mode=2)
