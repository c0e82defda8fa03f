"""The kernel's own test cases, with their numbers, through the API."""

import itertools

import pytest

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

TO, FROM, BIDI, P = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL, PAGE_SIZE
UNLIMITED = (1 << 32) - 1

# dmapool_test: size, align, boundary, blocks; a hundred rounds of taking all and giving all back


@pytest.mark.deep
@pytest.mark.parametrize("size, align, boundary, blocks", [
    (16, 16, 0, 8192), (64, 64, 0, 8192), (256, 256, 0, 8192), (1024, 1024, 0, 2048),
    (4096, 4096, 0, 1024), (68, 32, 4096, 8192)])
def test_r40_r41_r45_dmapool_test(size, align, boundary, blocks):
    with boot(FakeMachine(memory_size=32 << 20)) as kernel:
        pool = dma_pool_create("test", kernel.cdma.dev, size, align, boundary)
        first, pages = None, 0
        for _ in range(100):
            taken = [dma_pool_alloc(pool, GFP_KERNEL) for _ in range(blocks)]
            handles = sorted(int(dma) for _, dma in taken)
            assert len(set(handles)) == blocks and not any(dma % align for dma in handles)
            assert all(after - before >= size for before, after in itertools.pairwise(handles))
            assert not boundary or all(dma // boundary == (dma + size - 1) // boundary
                                       for dma in handles)
            assert first in (None, handles) and pages in (0, pool.pages)
            first, pages = handles, pool.pages
            for va, dma in taken:
                dma_pool_free(pool, va, dma)
        dma_pool_destroy(pool)
        assert not kernel.log.matching("busy")


# scatterlist/main.c: pages, longest segment, entries

CASES = [
    ([0], 0, -EINVAL), ([0], P + 1, 1), ([0], UNLIMITED, 1), ([0, 1], UNLIMITED, 1),
    ([1, 0], UNLIMITED, 2), ([0, 1, 2], UNLIMITED, 1), ([0, 2, 1], UNLIMITED, 3),
    ([0, 1, 3], UNLIMITED, 2), ([1, 2, 4], UNLIMITED, 2), ([1, 3, 4], UNLIMITED, 2),
    ([0, 1, 3, 4], UNLIMITED, 2), ([0, 1, 3, 4, 5], UNLIMITED, 2), ([0, 1, 3, 4, 6], UNLIMITED, 3),
    ([0, 1, 2, 3, 4], UNLIMITED, 1), ([0, 1, 2, 3, 4], 2 * P, 3), ([0, 1, 2, 3, 4, 5], 2 * P, 3),
    ([0, 2, 3, 4, 5, 6], 2 * P, 4),
]


@pytest.mark.parametrize("offset, short", [(0, 0), (0, P - 1), (100, 0), (100, 7)])
@pytest.mark.parametrize("numbers, longest, count", CASES)
def test_pages_become_entries(kernel, numbers, longest, count, offset, short):
    """Sum, first offset, last length and order of the pages; also from within the first page."""
    first = page_to_pfn(alloc_pages(GFP_KERNEL, 3))
    pages = [pfn_to_page(first + number) for number in numbers]
    size = len(pages) * P - offset - short
    table = SgTable()
    rc = sg_alloc_table_from_pages_segment(table, pages, len(pages), offset, size, longest,
                                           GFP_KERNEL)
    assert rc == (count if count < 0 else 0)
    if count < 0:
        return
    entries = [sg for sg, _ in for_each_sgtable_sg(table)]
    assert len(entries) == table.nents == table.orig_nents == count
    assert sum(sg.length for sg in entries) == size and entries[0].offset == offset
    assert all(sg.offset == 0 for sg in entries[1:])
    assert all(sg.length <= longest & PAGE_MASK for sg in entries)
    assert (entries[-1].offset + entries[-1].length) % P == -short % P
    assert list(for_each_sgtable_page(table, 0)) == pages
    assert sg_is_last(entries[-1]) and sg_nents(table.sgl) == count


# Addresses of a fresh space of 32 bits


def test_handles_of_a_fresh_space(kernel):
    dev = Device("fresh", 50)
    device_register(dev)
    area = page_address(alloc_pages(GFP_KERNEL, 3))
    handles = [int(dma_map_single(dev, area, pages * P, TO)) for pages in (1, 1, 3, 1)]
    assert handles == [0xFFFF_F000, 0xFFFF_E000, 0xFFFF_8000, 0xFFFF_7000]
    dma_unmap_single(dev, DmaAddr(handles[1]), P, TO)
    assert int(dma_map_single(dev, area, P, TO)) == handles[1]          # the newest comes back
    offset = dma_map_single(dev, area + 0x234, 64, TO)
    assert int(offset) == 0xFFFF_6234


def test_unmap_with_too_small_a_size_collides_later(kernel):
    dev = Device("fresh", 50)
    device_register(dev)
    area = page_address(alloc_pages(GFP_KERNEL, 3))
    handle = dma_map_single(dev, area, 4 * P, TO)
    dma_unmap_single(dev, handle, P, TO)
    assert dma_map_single(dev, area + 4 * P, P, TO) == handle           # others get its first page
    assert dev.dma_ops.to_phys(dev, handle + P) == virt_to_phys(area) + P   # and reach its tail


# Lists: offset and length of each entry, limits, segments; base is where the first begins

KIB = 1024
LISTS = [
    ([(0, P)] * 3, {}, [(0, 12288)]),
    ([(0x200, 0x800), (0, 0x1000)], {}, [(0x200, 0x800), (0x1000, 0x1000)]),
    ([(0x200, 0xE00), (0, 0x1000)], {}, [(0x200, 0x1E00)]),
    ([(0, 0x1000), (0x200, 0xE00)], {}, [(0, 0x1000), (0x1200, 0xE00)]),
    ([(0, P)] * 4, {"longest": 8192}, [(0, 8192), (8192, 8192)]),
    ([(0, 40 * KIB)] * 2, {"boundary": 0xFFFF}, [(0, 40 * KIB), (0x10000, 40 * KIB)]),
    ([(0, 32 * KIB)] * 3, {"boundary": 0xFFFF}, [(0, 64 * KIB), (0x10000, 32 * KIB)]),
]


@pytest.mark.parametrize("pieces, limits, expected", LISTS)
def test_r103_r105_r106_concatenation(make, pieces, limits, expected):
    make(memory_size=64 << 20)
    dev = Device("fresh", 50)
    device_register(dev)
    if "longest" in limits:
        dma_set_max_seg_size(dev, limits["longest"])
    if "boundary" in limits:
        dma_set_seg_boundary(dev, limits["boundary"])
    sgl = [Scatterlist() for _ in pieces]
    sg_init_table(sgl, len(sgl))
    for sg, (offset, length) in zip(sgl, pieces, strict=True):
        sg_set_page(sg, alloc_pages(GFP_KERNEL, 4), length, offset)
    count = dma_map_sg(dev, sgl, len(sgl), TO)
    segments = [(int(sg_dma_address(sg)), sg_dma_len(sg)) for sg in sgl[:count]]
    base = segments[0][0] - expected[0][0]
    assert [(start - base, length) for start, length in segments] == expected
    assert [sg_dma_len(sg) for sg in sgl[count:]] == [0] * (len(sgl) - count)
    (used,) = dev.iommu_domain.iovas.ranges()
    pages = 32 if "boundary" in limits else 2 if len(pieces) == 2 else 4
    assert used == (base // P, pages) and base // P % pages == 0        # rounded and aligned
    dma_unmap_sg(dev, sgl, len(sgl), TO)
    for start, _ in segments:
        assert dev.dma_ops.to_phys(dev, DmaAddr(start)) is None


# swiotlb KUnit: each case five times, with a small mapping between


@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("direction, attrs, at_unmap", [
    (TO, 0, "cpu"), (FROM, 0, "dev"), (BIDI, 0, "dev"), (FROM, DMA_ATTR_SKIP_CPU_SYNC, "cpu"),
    (BIDI, DMA_ATTR_SKIP_CPU_SYNC, "cpu")])
def test_r78_r79_copies_of_bounce_memory(turn, direction, attrs, at_unmap):
    with boot(FakeMachine(has_iommu=False, coherent=True), swiotlb="force",
              swiotlb_bytes=1 << 20) as kernel:
        dev, machine = kernel.cdma.dev, kernel.machine
        for _ in range(turn):
            dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, TO)
        va = kmalloc(3000, GFP_KERNEL)
        cpu.store(va, b"1" * 3000)
        handle = dma_map_single_attrs(dev, va, 3000, direction, attrs)
        slot = int(handle)
        assert machine.load(slot, 3000) == b"1" * 3000                  # whatever the direction
        cpu.store(va, b"2" * 3000)
        dma_sync_single_for_device(dev, handle, 3000, direction)
        assert machine.load(slot, 1) == (b"1" if direction == FROM else b"2")
        machine.store(slot, b"3" * 3000)
        dma_sync_single_for_cpu(dev, handle, 3000, direction)
        assert cpu.load(va, 1) == (b"2" if direction == TO else b"3")
        machine.store(slot, b"4" * 3000)
        cpu.store(va, b"5" * 3000)
        dma_unmap_single_attrs(dev, handle, 3000, direction, attrs)
        assert cpu.load(va, 3000) == (b"5" if at_unmap == "cpu" else b"4") * 3000
        assert kernel.swiotlb.used_slots == turn
