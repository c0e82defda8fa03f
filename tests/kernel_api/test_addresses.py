"""Kinds of address, and the map between them."""

import itertools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from kernel_api.core.addresses import PHYS_LIMIT

KINDS = VirtAddr, PhysAddr, DmaAddr
words = st.integers(0, 2**64 - 1)


@given(words, words)
def test_r01_arithmetic_keeps_the_kind_and_wraps(value, step):
    for kind in KINDS:
        address = kind(value)
        for result, expected in ((address + step, value + step), (step + address, value + step),
                                 (address - step, value - step)):
            assert type(result) is kind and int(result) == expected % 2**64
        assert type(address - kind(step)) is int and address - kind(step) == value - step


@given(words)
def test_r01_masking_down_keeps_the_kind_and_an_offset_is_a_number(value):
    address = PhysAddr(value)
    assert type(address & PAGE_MASK) is PhysAddr
    assert address & PAGE_MASK == value // 4096 * 4096
    assert type(address & 4095) is int and address & 4095 == value % 4096
    assert type(4095 & address) is int
    assert type(address >> 12) is int and offset_in_page(address) == value % 4096


@pytest.mark.parametrize("one,other", list(itertools.permutations(KINDS, 2)))
@pytest.mark.parametrize("operate", [operator.sub, operator.lt, operator.le, operator.gt,
                                     operator.ge, operator.eq, operator.ne, operator.and_])
def test_r01_kinds_do_not_mix(operate, one, other):
    with pytest.raises(TypeError, match=r"Addr\(0x8\) and .*Addr\(0x4\) are different kinds"):
        operate(one(8), other(4))


@pytest.mark.parametrize("kind", KINDS)
def test_r01_addresses_have_no_sum_and_no_negative(kind):
    with pytest.raises(TypeError, match="are addresses and have no sum"):
        kind(1) + kind(2)
    with pytest.raises(TypeError, match="cannot be subtracted from 5"):
        5 - kind(1)


def test_r01_conversion_must_be_said():
    assert DmaAddr(int(PhysAddr(0x1000))) == 0x1000
    with pytest.raises(TypeError, match=r"DmaAddr must be made of an integer, not PhysAddr\(0x1"):
        DmaAddr(PhysAddr(0x1000))
    with pytest.raises(TypeError, match="Address must be a VirtAddr, not 4096"):
        VirtAddr.check(0x1000)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_addresses_have_64_bits(value):
    with pytest.raises(ValueError, match="PhysAddr must fit in 64 bits, not "):
        PhysAddr(value)


def test_addresses_are_numbers_otherwise():
    assert {DmaAddr(5): "x"}[DmaAddr(5)] == "x"
    assert f"{DmaAddr(255):#x}" == "0xff" and repr(DmaAddr(255)) == "DmaAddr(0xff)"
    assert DmaAddr(3) == 3 and DmaAddr(3) < 4 and DmaAddr(3) != "3"
    assert lower_32_bits(DmaAddr(0x1_2345_6789)) == 0x2345_6789
    assert upper_32_bits(DmaAddr(0x1_2345_6789)) == 1


@given(st.integers(0, PHYS_LIMIT - 1))
def test_linear_map_and_alias(value):
    phys = PhysAddr(value)
    va = phys_to_virt(phys)
    assert va - PAGE_OFFSET == value and virt_to_phys(va) == phys and not is_vmalloc_addr(va)
    assert is_vmalloc_addr(uncached_virt(phys))


@pytest.mark.parametrize("va", [VirtAddr(0), VirtAddr(PAGE_OFFSET - 1), uncached_virt(PhysAddr(0))])
def test_only_linear_addresses_have_a_physical_one(va):
    with pytest.raises(KernelBug, match="virt_to_phys used for non-linear address VirtAddr"):
        virt_to_phys(va)


@pytest.mark.parametrize("size,order", [(1, 0), (4096, 0), (4097, 1), (65536, 4), (65537, 5)])
def test_r26_order_of_a_size(size, order):
    assert get_order(size) == order and page_align(size) >= size
