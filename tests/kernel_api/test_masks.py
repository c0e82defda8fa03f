"""Masks and limits, rules R8 to R23."""

import pytest

from kernel_api import *

MIB = 1 << 20
GIB = 1 << 30


@pytest.fixture
def direct(make):
    """A device without IOMMU; memory is 4 MiB at 2 GiB."""
    make(has_iommu=False)
    return Device("widget", 1)


@pytest.fixture
def translated(kernel):
    dev = Device("widget", 1)
    device_register(dev)
    return dev


def test_mask_of_bits():
    assert [DMA_BIT_MASK(n) for n in (0, 1, 24, 32, 64)] == [0, 1, 0xFFFFFF, 2**32 - 1, 2**64 - 1]


def test_r09_a_device_begins_with_32_bits(direct):
    assert dma_get_mask(direct) == direct.coherent_dma_mask == DMA_BIT_MASK(32)
    direct.dma_mask = 0
    assert dma_get_mask(direct) == DMA_BIT_MASK(32)


def test_r10_r11_a_refused_mask_leaves_the_old_one_and_the_last_one_counts(direct):
    assert dma_set_mask(direct, DMA_BIT_MASK(64)) == 0
    assert dma_set_mask(direct, DMA_BIT_MASK(23)) == -EIO
    assert dma_set_coherent_mask(direct, DMA_BIT_MASK(23)) == -EIO
    assert dma_set_mask_and_coherent(direct, DMA_BIT_MASK(23)) == -EIO
    assert dma_get_mask(direct) == DMA_BIT_MASK(64)
    assert direct.coherent_dma_mask == DMA_BIT_MASK(32)
    assert dma_set_mask(direct, DMA_BIT_MASK(33)) == 0
    assert dma_get_mask(direct) == DMA_BIT_MASK(33)


def test_r10_a_device_without_mask_cannot_get_one(direct):
    direct.dma_mask = None
    assert dma_set_mask(direct, DMA_BIT_MASK(64)) == -EIO


@pytest.mark.parametrize("bits", range(16, 65))
def test_r12_supported_says_what_set_mask_does_and_changes_nothing(direct, bits):
    answer = dma_supported(direct, DMA_BIT_MASK(bits))
    assert dma_get_mask(direct) == DMA_BIT_MASK(32)
    assert answer == (dma_set_mask(direct, DMA_BIT_MASK(bits)) == 0)


def test_r13_r14_the_coherent_mask_is_set_apart(direct):
    assert dma_set_mask(direct, DMA_BIT_MASK(64)) == 0
    assert direct.coherent_dma_mask == DMA_BIT_MASK(32)
    assert dma_set_coherent_mask(direct, DMA_BIT_MASK(40)) == 0
    assert direct.coherent_dma_mask == DMA_BIT_MASK(40)
    assert dma_set_mask_and_coherent(direct, DMA_BIT_MASK(36)) == 0
    assert direct.dma_mask == direct.coherent_dma_mask == DMA_BIT_MASK(36)


def test_r15_a_mask_has_64_bits(direct):
    assert dma_set_mask(direct, (1 << 70) - 1) == 0
    assert dma_get_mask(direct) == DMA_BIT_MASK(64)


@pytest.mark.parametrize("bits,ok", [(23, 0), (24, 1), (31, 1), (32, 1), (64, 1)])
def test_r16_direct_masks(direct, bits, ok):
    assert dma_supported(direct, DMA_BIT_MASK(bits)) == ok


def test_r16_direct_masks_that_reach_all_memory(make):
    make(has_iommu=False, memory_base=0, memory_size=4 * MIB)
    assert dma_supported(Device("widget"), DMA_BIT_MASK(22)) == 1
    assert dma_supported(Device("widget"), DMA_BIT_MASK(21)) == 0


@pytest.mark.parametrize("bits", [1, 12, 24, 64])
def test_r16_the_iommu_serves_any_mask(translated, bits):
    assert dma_set_mask(translated, DMA_BIT_MASK(bits)) == 0


@pytest.mark.parametrize("base,size,mask", [
    (0, 128 * MIB, 0x07FF_FFFF), (0, 4 * GIB, 0xFFFF_FFFF), (0, 6 * GIB, 0x1_FFFF_FFFF),
    (0x8000_0000, 4 * MIB, 0xFFFF_FFFF)])
def test_r18_required_mask(make, base, size, mask):
    make(has_iommu=False, memory_base=base, memory_size=size)
    dev = Device("widget")
    assert dma_get_required_mask(dev) == mask and dma_get_mask(dev) == DMA_BIT_MASK(32)
    assert dma_addressing_limited(dev) == (mask > DMA_BIT_MASK(32))
    dma_set_mask(dev, mask)
    assert not dma_addressing_limited(dev)
    dev.bus_dma_limit = 0xFFFF
    assert dma_addressing_limited(dev)


def test_r18_required_mask_with_iommu(translated):
    assert dma_get_required_mask(translated) == DMA_BIT_MASK(32)


@pytest.mark.parametrize("limit,size,ok", [
    (0x8000_1FFF, 0x1000, True), (0x8000_1FFF, 0x1001, False), (0x8000_1FFE, 0x1000, False)])
@pytest.mark.parametrize("where", ["dma_mask", "bus_dma_limit"])
def test_r19_both_ends_must_be_within_mask_and_bus(direct, where, limit, size, ok):
    setattr(direct, where, limit)
    dma = dma_map_phys(direct, PhysAddr(0x8000_1000), size, DMA_TO_DEVICE)
    assert (dma_mapping_error(direct, dma) == 0) == ok


def test_r20_memory_out_of_reach_is_refused_without_iommu(make):
    kernel = make(has_iommu=False, memory_base=1 << 32)
    dev = Device("widget")
    buffer = kmalloc(64, GFP_KERNEL)
    assert dma_mapping_error(dev, dma_map_single(dev, buffer, 64, DMA_TO_DEVICE)) == -ENOMEM
    assert kernel.log.matching(f"widget: DMA addr {int(virt_to_phys(buffer)):#x}+64 overflow "
                               "(mask 0xffffffff, bus limit 0x0)")
    assert dma_set_mask(dev, DMA_BIT_MASK(33)) == 0
    assert dma_map_single(dev, buffer, 64, DMA_TO_DEVICE) >= 1 << 32


def test_r20_the_iommu_makes_high_memory_reachable(make):
    make(memory_base=1 << 32)
    dev = Device("widget", 1)
    device_register(dev)
    assert dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE) < 1 << 32


def test_no_warning_if_asked(direct):
    direct.dma_mask = 0xFFFF
    assert dma_map_single_attrs(direct, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE,
                                DMA_ATTR_NO_WARN) == DMA_MAPPING_ERROR
    assert not direct.kernel.log.matching("overflow")


def test_r21_coherent_mask_zero_warns(direct):
    direct.coherent_dma_mask = 0
    assert dma_alloc_coherent(direct, 64, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)
    assert direct.kernel.log.matching("WARNING: widget: no coherent DMA mask")


def test_r22_r23_sizes_and_merging(direct):
    assert dma_max_mapping_size(direct) == dma_opt_mapping_size(direct) == SIZE_MAX
    assert dma_get_merge_boundary(direct) == 0


def test_r22_r23_sizes_and_merging_with_iommu(translated):
    assert dma_max_mapping_size(translated) == SIZE_MAX
    assert dma_opt_mapping_size(translated) == 128 * 1024
    assert dma_get_merge_boundary(translated) == 0xFFF


def test_segment_limits(direct):
    assert dma_get_max_seg_size(direct) == 65536
    assert dma_get_seg_boundary(direct) == DMA_BIT_MASK(64)
    dma_set_max_seg_size(direct, 4096)
    dma_set_seg_boundary(direct, 0xFFFF)
    assert dma_get_max_seg_size(direct) == 4096 and dma_get_seg_boundary(direct) == 0xFFFF
    assert dma_get_seg_boundary_nr_pages(direct, 12) == 16


def test_segment_limits_without_a_place_to_keep_them(direct):
    direct.dma_parms = None
    dma_set_max_seg_size(direct, 4096)
    dma_set_seg_boundary(direct, 0xFFFF)
    assert dma_get_max_seg_size(direct) == 65536
    assert dma_get_seg_boundary(direct) == DMA_BIT_MASK(64)
    assert direct.kernel.log.matching("WARNING: dma_set_max_seg_size without dma_parms")
    assert direct.kernel.log.matching("WARNING: dma_set_seg_boundary without dma_parms")
