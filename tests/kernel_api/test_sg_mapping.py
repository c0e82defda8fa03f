"""Mapping of lists, rules R103 to R111, on the fake hardware's own walk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from tests.kernel_api.fake import FakeMachine


def make_list(pieces):
    """One entry for each (offset, length): as many pages as it needs, and one between entries."""
    sgl = [Scatterlist() for _ in pieces]
    sg_init_table(sgl, len(pieces))
    for sg, (offset, length) in zip(sgl, pieces, strict=True):
        alloc_page(GFP_KERNEL)
        sg_set_page(sg, alloc_pages(GFP_KERNEL, get_order(offset + length)), length, offset)
    return sgl


def cpu_bytes(sgl):
    return [int(sg_phys(sg)) + i for sg in sgl for i in range(sg.length)]


def device_bytes(dev, sgl, count, *, step=1, write=False):
    """Where each byte of the DMA side arrives."""
    iommu = dev.kernel.machine.iommu
    return [iommu.translate(dev.device_id, int(sg_dma_address(sg)) + i, write)
            for sg, _ in for_each_sg(sgl, count) for i in range(0, sg_dma_len(sg), step)]


@given(st.lists(st.tuples(st.sampled_from([0, 0, 0x200, 64]),
                          st.sampled_from([4096, 4096, 0xE00, 64, 5000, 12288])),
                min_size=1, max_size=8), st.sampled_from([65536, 8192]),
       st.sampled_from([DMA_BIT_MASK(64), 0xFFFF, 0x3FFF]))
def test_r103_the_device_sees_the_bytes_in_order(pieces, max_segment, boundary):
    with boot(FakeMachine()) as kernel:
        dev = kernel.cdma.dev
        dma_set_max_seg_size(dev, max_segment)
        dma_set_seg_boundary(dev, boundary)
        pieces = [(offset, min(length, max_segment)) for offset, length in pieces]
        sgl = make_list(pieces)
        before = [(sg.page, sg.offset, sg.length) for sg in sgl]
        count = dma_map_sg(dev, sgl, len(sgl), DMA_TO_DEVICE)
        assert 1 <= count <= len(sgl)
        lengths = [sg_dma_len(sg) for sg in sgl]
        assert all(lengths[:count]) and not any(lengths[count:])
        seen = []
        for sg, _ in for_each_sg(sgl, count):
            start = int(sg_dma_address(sg))
            for at in range(start & -4096, start + sg_dma_len(sg), 4096):
                low, high = max(start, at), min(start + sg_dma_len(sg), at + 4096)
                phys = kernel.machine.iommu.translate(dev.device_id, low, False)
                seen += range(phys, phys + high - low)
        assert seen == cpu_bytes(sgl)
        dma_unmap_sg(dev, sgl, len(sgl), DMA_TO_DEVICE)
        assert [(sg.page, sg.offset, sg.length) for sg in sgl] == before
        for sg, _ in for_each_sg(sgl, count):
            with pytest.raises(BusError):
                kernel.machine.iommu.translate(dev.device_id, int(sg.dma_address), False)


def test_r104_entries_beyond_the_count_have_no_length(kernel):
    sgl = make_list([(0, 4096)] * 3)
    assert dma_map_sg(kernel.cdma.dev, sgl, 3, DMA_TO_DEVICE) == 1
    assert [sg_dma_len(sg) for sg in sgl] == [12288, 0, 0]
    assert sg_dma_address(sgl[1]) == DMA_MAPPING_ERROR


@pytest.mark.parametrize("has_iommu", [False, True])
def test_r107_the_cpu_side_stays(make, has_iommu):
    dev = make(has_iommu=has_iommu).cdma.dev
    sgl = make_list([(0x200, 100), (0, 8192)])
    before = [(sg.page, sg.offset, sg.length) for sg in sgl]
    dma_map_sg(dev, sgl, 2, DMA_BIDIRECTIONAL)
    assert [(sg.page, sg.offset, sg.length) for sg in sgl] == before


def widget(kernel, bits):
    dev = Device("widget", 0x20)
    device_register(dev)
    dma_set_mask(dev, DMA_BIT_MASK(bits))
    return dev


def test_r108_no_room_no_mapping(kernel):
    dev = widget(kernel, 14)
    sgl = make_list([(0, 4096)] * 4)
    assert dma_map_sg(dev, sgl, 4, DMA_TO_DEVICE) == 0
    assert [(sg.dma_address, sg.dma_length) for sg in sgl] == [(DMA_MAPPING_ERROR, 0)] * 4
    assert len(dev.iommu_domain.iovas) == 0
    assert dma_map_sg(dev, sgl, 1, DMA_TO_DEVICE) == 1


@pytest.mark.parametrize("pages_left", [0, 1, 2])
def test_r108_no_table_no_mapping(make, pages_left):
    kernel = make(memory_size=16 << 20)
    dev = widget(kernel, 38)
    domain = dev.iommu_domain
    sgl = make_list([(0, 4096), (0, 2 << 20)])      # needs a table above, and two of pages
    while kernel.pages.free_pages > pages_left:
        alloc_page(GFP_KERNEL)
    before = kernel.stats.table_pages
    assert dma_map_sg(dev, sgl, 2, DMA_TO_DEVICE) == 0
    assert kernel.stats.table_pages - before == pages_left
    assert [sg_dma_len(sg) for sg in sgl] == [0, 0]
    assert all(domain.to_phys(page << 12) is None for page in range((1 << 26) - 1024, 1 << 26))
    assert len(domain.iovas) == 0


def test_r109_unmap_with_the_count_leaves_the_tail(kernel):
    dev = kernel.cdma.dev
    sgl = make_list([(0x200, 64)] * 3)
    assert dma_map_sg(dev, sgl, 3, DMA_TO_DEVICE) == 3
    dma_unmap_sg(dev, sgl, 1, DMA_TO_DEVICE)
    assert len(device_bytes(dev, sgl[1:], 2)) == 128
    with pytest.raises(BusError):
        device_bytes(dev, sgl, 1)


def test_r107_r109_a_list_that_is_not_mapped(kernel):
    sgl = make_list([(0, 64)])
    dma_unmap_sg(kernel.cdma.dev, sgl, 1, DMA_TO_DEVICE)
    assert kernel.log.matching("WARNING: cdma: unmap of a list that is not mapped")


def test_r110_direct_mapping_never_joins(make):
    dev = make(has_iommu=False).cdma.dev
    sgl = make_list([(0, 4096)] * 3)
    assert dma_map_sg(dev, sgl, 3, DMA_TO_DEVICE) == 3
    for sg in sgl:
        assert int(sg_dma_address(sg)) == int(sg_phys(sg)) and sg_dma_len(sg) == sg.length
    dma_unmap_sg(dev, sgl, 3, DMA_TO_DEVICE)


def test_r110_direct_failure_undoes_without_sync(make):
    kernel = make(has_iommu=False)
    dev = Device("widget")
    sgl = make_list([(0, 4096)] * 3)
    dev.dma_mask = int(sg_phys(sgl[1])) + 4095
    before = kernel.stats.snapshot()
    assert dma_map_sg(dev, sgl, 3, DMA_BIDIRECTIONAL) == 0
    assert (kernel.stats - before).cache_invalidates == 0
    assert [(sg.dma_address, sg.dma_length) for sg in sgl] == [(DMA_MAPPING_ERROR, 0)] * 3
    sgt = SgTable()
    sgt.sgl, sgt.orig_nents = sgl, 3
    assert dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0) == -EIO


def test_r111_tables(kernel):
    dev = kernel.cdma.dev
    sgt = SgTable()
    sgt.sgl = make_list([(0, 4096)] * 3)
    sgt.nents = sgt.orig_nents = 3
    assert dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0) == 0
    assert (sgt.nents, sgt.orig_nents) == (1, 3)
    before = kernel.stats.snapshot()
    dma_sync_sgtable_for_cpu(dev, sgt, DMA_BIDIRECTIONAL)
    dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL)
    cost = kernel.stats - before
    assert (cost.cache_cleans, cost.cache_invalidates) == (3, 3)
    dma_unmap_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0)
    with pytest.raises(BusError):
        device_bytes(dev, sgt.sgl, 1, step=4096)


def test_r111_errors_of_tables(kernel):
    dev = widget(kernel, 13)
    sgt = SgTable()
    sgt.sgl, sgt.orig_nents = make_list([(0, 4096)] * 2), 2
    assert dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0) == -ENOMEM
    dev.dma_mask = None
    assert dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0) == -EINVAL
    assert dma_map_sg(dev, sgt.sgl, 2, DMA_TO_DEVICE) == 0
    assert kernel.log.matching("WARNING: widget: mapping for a device without DMA mask")


def test_r114_skip(kernel):
    dev = kernel.cdma.dev
    sgl = make_list([(0, 4096)] * 2)
    ops = kernel.machine.cache.operations

    def touched():
        own = [int(sg_phys(sg)) for sg in sgl]
        found = sum(start in own for _, start, _ in ops)
        ops.clear()
        return found

    dma_map_sg_attrs(dev, sgl, 2, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC)
    assert touched() == 0
    dma_sync_sg_for_device(dev, sgl, 2, DMA_BIDIRECTIONAL)
    dma_sync_sg_for_cpu(dev, sgl, 2, DMA_BIDIRECTIONAL)
    assert touched() == 4
    dma_unmap_sg_attrs(dev, sgl, 2, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC)
    assert touched() == 0
    dma_map_sg(dev, sgl, 2, DMA_TO_DEVICE)
    dma_unmap_sg(dev, sgl, 2, DMA_TO_DEVICE)
    assert touched() == 2


def test_neighbours_in_memory_share_a_large_page(make):
    kernel = make(memory_size=16 << 20)
    dev = kernel.cdma.dev
    page = alloc_pages(GFP_KERNEL, 10)
    sgl = [Scatterlist() for _ in range(2)]
    sg_init_table(sgl, 2)
    for index, sg in enumerate(sgl):
        sg_set_page(sg, pfn_to_page(page.pfn + 256 * index), 1 << 20, 0)
    dma_set_max_seg_size(dev, 1 << 22)
    before = kernel.stats.snapshot()
    assert dma_map_sg(dev, sgl, 2, DMA_TO_DEVICE) == 1
    assert (kernel.stats - before).pte_writes <= 2
    dma_unmap_sg(dev, sgl, 2, DMA_TO_DEVICE)
