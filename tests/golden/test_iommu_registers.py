"""Registers: reset values, WARL, and the way Linux probes them."""

import pytest

from rtl.spec.iommu_regs import CAPABILITIES
from sim.golden.iommu import Iommu
from sim.golden.memory import Memory


def iommu(capabilities):
    return Iommu(Memory(0x8000_0000, 4096), capabilities)


def test_reset(world):
    w = world()
    assert w.read("capabilities", 8) == 0x38_1000_0210
    assert w.read("capabilities_msb") == 0x38
    assert w.read("fctl") == 2
    for name in ("ddtp", "cqcsr", "fqcsr", "pqcsr", "ipsr", "icvec", "tlb_hits"):
        assert w.read(name) == 0


def test_registers_that_are_not_there_read_zero(world):
    w = world()
    for offset in (0x00C, 0x038, 0x050, 0x058, 0x060, 0x258, 0x260, 0x268, 0x270, 0x300, 0x3FC,
                   0x400, 0xFFC):
        w.iommu.write(offset, 0xFFFF_FFFF)
        assert w.iommu.read(offset) == 0
    w.iommu.write(0, 0, 8)
    assert w.read("capabilities", 8) == w.capabilities


def test_probe_of_the_directory(world):
    w = world()
    w.write("ddtp", 4, 8)
    assert w.read("ddtp", 8) == 4                       # page number 0 reads back 0
    w.write("ddtp", 0, 8)
    w.write("ddtp", 1, 8)
    w.write("ddtp", 0x12_3456_7890 << 10 | 5, 8)        # reserved mode: the old one stays
    assert w.read("ddtp", 8) == 0x12_3456_7890 << 10 | 1
    w.write("ddtp", 0, 8)
    w.write("ddtp", (1 << 64) - 1, 8)
    assert w.read("ddtp", 8) == ((1 << 44) - 1) << 10   # busy and reserved bits read 0
    w.write("ddtp", 3 | 5 << 10, 8)
    for value in (2 | 5 << 10, 3 | 6 << 10, 15):        # another directory needs Off between
        w.write("ddtp", value, 8)
        assert w.read("ddtp", 8) == 3 | 5 << 10
    w.write("ddtp", 1 | 1 << 43, 8)
    assert w.read("ddtp", 8) == 1 | 1 << 43


@pytest.mark.parametrize("base, index", [("cqb", "cqt"), ("fqb", "fqh")])
def test_probe_of_a_queue(world, base, index):
    w = world(max_log2sz=13)
    w.write(base, 31, 8)
    assert w.read(base, 8) == 12                        # clamped: 8192 entries
    w.write(base, 0x12345 << 10 | 12, 8)
    assert w.read(base, 8) == 0x12345 << 10 | 12
    w.write(index, 0xFFFF_FFFF)
    assert w.read(index) == 0x1FFF
    w.write(base, 0x12345 << 10 | 3, 8)                 # a shorter queue: bits above read 0
    assert w.read(index) == 0xF


def test_page_numbers_are_cut_to_pas(world):
    w = world(pas=34)
    for name in ("ddtp", "cqb", "fqb"):
        w.write(name, ((1 << 44) - 1) << 10, 8)
        assert w.read(name, 8) == ((1 << 22) - 1) << 10


def test_read_only_indices(world):
    w = world().start()
    for name in ("cqh", "fqt"):
        w.write(name, 5)
        assert w.read(name) == 0


@pytest.mark.parametrize("name, index, error_bits", [("cqcsr", "cqh", 0xF00),
                                                     ("fqcsr", "fqt", 0x300)])
def test_queue_control(world, name, index, error_bits):
    w = world().start()
    assert w.read(name) == 0x1_0003
    setattr(w.iommu.registers, name, 0x1_0003 | error_bits)
    w.write(name, 0x100 | 3)                            # clears one error
    assert w.read(name) == 0x1_0003 | error_bits & ~0x100
    setattr(w.iommu.registers, index, 2)
    w.write(name, 0)
    assert w.read(name) == error_bits & ~0x100
    assert w.read(index) == 2
    w.write(name, 1)                                    # 0 to 1: index and errors cleared
    assert (w.read(name), w.read(index)) == (0x1_0001, 0)


@pytest.mark.parametrize("vectors, kept", [(1, 0x00), (2, 0x11), (4, 0x33), (16, 0xFF)])
def test_vectors(world, vectors, kept):
    w = world(vectors=vectors)
    w.write("icvec", (1 << 64) - 1, 8)
    assert w.read("icvec", 8) == kept


@pytest.mark.parametrize("igs, written, kept", [(0, 2, 0), (1, 0, 2), (2, 7, 2), (2, 0, 0)])
def test_features(world, igs, written, kept):
    w = world(igs=igs)
    w.write("fctl", written)
    assert w.read("fctl") == kept


def test_message_table(world):
    w = world(igs=2)
    w.iommu.write(0x310, 0xFFFF_FFFF_FFFF_FFFF, 8)
    w.iommu.write(0x318, 0xCAFE_0000)
    w.iommu.write(0x31C, 0xFFFF_FFFF)
    assert w.iommu.read(0x310, 8) == 0x00FF_FFFF_FFFF_FFFC
    assert (w.iommu.read(0x318), w.iommu.read(0x31C)) == (0xCAFE_0000, 1)
    w.iommu.write(0x314, 0)
    assert w.iommu.read(0x310, 8) == 0xFFFF_FFFC
    w.iommu.write(0x340, 8)                             # entry 4 of 4 vectors
    assert w.iommu.read(0x340) == 0


def test_debug_registers(world):
    w = world(dbg=1).sv39(w=0)
    w.iommu.write(0x258, 0x1FFF, 8)
    assert w.iommu.read(0x258, 8) == 0x1000
    w.iommu.write(0x260, 5 << 40 | 0b1001, 8)           # read
    assert w.iommu.read(0x260, 8) == 5 << 40 | 0b1000   # done
    assert w.iommu.read(0x268, 8) == 0x1_0000_1000 >> 2
    w.iommu.write(0x260, 5 << 40 | 0b0001, 8)           # read and write
    assert w.iommu.read(0x268, 8) == 1
    assert w.record() == (5 << 40 | 3 << 34 | 15, 0, 0x1000, 0)
    w.iommu.write(0x260, 5 << 40 | 0b1101, 8)           # execute
    assert w.iommu.read(0x268, 8) == 0x1_0000_1000 >> 2


def test_reset_forgets(world):
    w = world().sv39()
    assert w.ask(0).ok
    w.iommu.reset()
    assert (w.read("ddtp"), w.read("tlb_misses")) == (0, 0)
    assert w.cause(0) == 256


@pytest.mark.parametrize("field", ["ats", "t2gpa"])
def test_features_that_the_model_lacks(field):
    value = CAPABILITIES.pack(version=0x10, sv39=1, pas=56, **{field: 1})
    with pytest.raises(ValueError, match=f"Capabilities must be without {field}, not {value:#x}"):
        iommu(value)


def test_bad_capabilities():
    with pytest.raises(ValueError, match="Capabilities must be without reserved bits, not 0x"):
        iommu(CAPABILITIES.pack(version=0x10, pas=56) | 1 << 44)
    with pytest.raises(ValueError, match="Version must be 0x10, not 0x20"):
        iommu(CAPABILITIES.pack(version=0x20, pas=56))
    with pytest.raises(ValueError, match="Physical address width must be from 32 to 56, not 57"):
        iommu(CAPABILITIES.pack(version=0x10, pas=57))
    with pytest.raises(ValueError, match="Vectors must be a power of two up to 16, not 3"):
        Iommu(Memory(0, 4096), CAPABILITIES.pack(version=0x10, pas=56), vectors=3)
    with pytest.raises(AttributeError, match="no capability 'sv64'"):
        _ = iommu(CAPABILITIES.pack(version=0x10, pas=56)).features.sv64
