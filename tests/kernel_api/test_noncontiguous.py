"""Buffers in scattered pages; ops of a device; hooks; layouts; the files of dma-debug."""

import pytest

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

P = PAGE_SIZE


@pytest.fixture
def holes(kernel):
    """A kernel whose free memory, for a while, is in single pages."""
    pages = [alloc_page(GFP_KERNEL) for _ in range(64)]
    while kernel.pages.free_pages:
        order = next((order for order in range(10, -1, -1)
                      if alloc_pages(GFP_KERNEL | __GFP_NOWARN, order)), None)
        assert order is not None
    for page in pages[::2]:
        __free_page(page)
    return kernel


def test_scattered_pages_are_one_segment(holes):
    dev, free = holes.cdma.dev, holes.pages.free_pages
    table = dma_alloc_noncontiguous(dev, 5 * P, DMA_BIDIRECTIONAL, GFP_KERNEL, 0)
    assert (table.nents, table.orig_nents) == (1, 5)
    handle = sg_dma_address(table.sgl[0])
    assert sg_dma_len(table.sgl[0]) == 5 * P
    for sg, _ in for_each_sgtable_sg(table):        # zeros, and no dirty line is left above them
        assert holes.machine.bus_read(int(sg_phys(sg)), sg.length) == bytes(sg.length)
    for index, page in enumerate(for_each_sgtable_page(table, 0)):
        assert dev.dma_ops.to_phys(dev, handle + index * P) == page_to_phys(page)
        assert cpu.load(page_address(page), P) == bytes(P)
    dma_free_noncontiguous(dev, 5 * P, table, DMA_BIDIRECTIONAL)
    assert holes.pages.free_pages in (free, free - 1)       # page tables stay
    assert dev.dma_ops.to_phys(dev, handle) is None


def test_one_range_for_the_cpu(holes):
    dev = holes.cdma.dev
    table = dma_alloc_noncontiguous(dev, 3 * P, DMA_TO_DEVICE, GFP_KERNEL, 0)
    va = dma_vmap_noncontiguous(dev, 3 * P, table)
    data = bytes(range(256)) * 48
    cpu.store(va, data)
    flush_kernel_vmap_range(va, 3 * P)
    dma_sync_sgtable_for_device(dev, table, DMA_TO_DEVICE)
    machine = holes.machine
    assert b"".join(machine.bus_read(int(sg_phys(sg)), sg.length)
                    for sg, _ in for_each_sgtable_sg(table)) == data
    for sg, _ in for_each_sgtable_sg(table):
        machine.bus_write(int(sg_phys(sg)), bytes(sg.length))
    dma_sync_sgtable_for_cpu(dev, table, DMA_BIDIRECTIONAL)
    invalidate_kernel_vmap_range(va, 3 * P)
    assert cpu.load(va, 3 * P) == bytes(3 * P)
    dma_vunmap_noncontiguous(dev, va)
    with pytest.raises(KernelBug, match="Unable to handle"):
        cpu.load(va, 1)
    dma_free_noncontiguous(dev, 3 * P, table, DMA_TO_DEVICE)


def test_single_pages_or_blocks(kernel):
    dev = kernel.cdma.dev
    blocks = dma_alloc_noncontiguous(dev, 7 * P, DMA_TO_DEVICE, GFP_KERNEL, 0).blocks
    assert [order for _, order in blocks] == [2, 1, 0]
    blocks = dma_alloc_noncontiguous(dev, 7 * P, DMA_TO_DEVICE, GFP_KERNEL,
                                     DMA_ATTR_ALLOC_SINGLE_PAGES).blocks
    assert [order for _, order in blocks] == [0] * 7


def test_the_device_may_do_what_the_direction_says(kernel):
    dev = kernel.cdma.dev
    table = dma_alloc_noncontiguous(dev, P, DMA_TO_DEVICE, GFP_KERNEL, 0)
    src = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    assert kernel.cdma.copy([(src, sg_dma_address(table.sgl[0]), 64)]) < 0
    dma_free_noncontiguous(dev, P, table, DMA_TO_DEVICE)


def test_without_iommu_it_is_one_block(make):
    kernel = make(has_iommu=False)
    dev, free = kernel.cdma.dev, kernel.pages.free_pages
    table = dma_alloc_noncontiguous(dev, 3 * P, DMA_FROM_DEVICE, GFP_KERNEL, 0)
    assert (table.nents, table.orig_nents) == (1, 1)
    va = dma_vmap_noncontiguous(dev, 3 * P, table)
    assert va == sg_virt(table.sgl[0])
    dma_vunmap_noncontiguous(dev, va)
    dma_free_noncontiguous(dev, 3 * P, table, DMA_FROM_DEVICE)
    assert kernel.pages.free_pages == free


@pytest.mark.parametrize("has_iommu", [True, False])
def test_what_is_refused(make, has_iommu):
    kernel = make(has_iommu=has_iommu)
    dev, free = kernel.cdma.dev, kernel.pages.free_pages
    for size, gfp, attrs in ((P, GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS), (P, __GFP_COMP, 0),
                             (0, GFP_KERNEL, 0), ((free + 5) * P, GFP_KERNEL, 0)):
        assert dma_alloc_noncontiguous(dev, size, DMA_TO_DEVICE, gfp, attrs) is None
    assert kernel.pages.free_pages == free
    assert "attributes 0x40 of a noncontiguous buffer" in dmesg()
    assert "__GFP_COMP for a noncontiguous buffer" in dmesg()


def test_no_addresses_no_buffer(kernel):
    dev = kernel.cdma.dev
    dev.coherent_dma_mask = DMA_BIT_MASK(12)
    free = kernel.pages.free_pages
    assert dma_alloc_noncontiguous(dev, 4 * P, DMA_TO_DEVICE, GFP_KERNEL, 0) is None
    assert kernel.pages.free_pages == free


def test_processes_see_the_pages(kernel):
    dev = kernel.cdma.dev
    table = dma_alloc_noncontiguous(dev, 4 * P, DMA_TO_DEVICE, GFP_KERNEL, 0)
    frames = [page.pfn for page in for_each_sgtable_page(table, 0)]
    vma = VmArea(pages=2, pgoff=1)
    assert dma_mmap_noncontiguous(dev, vma, 4 * P, table) == 0 and vma.frames == frames[1:3]
    assert dma_mmap_noncontiguous(dev, VmArea(4, 1), 4 * P, table) == -ENXIO
    page, handle = dma_alloc_pages(dev, 2 * P, DMA_TO_DEVICE, GFP_KERNEL)
    assert dma_mmap_pages(dev, vma := VmArea(2), 2 * P, page) == 0
    assert vma.frames == [page.pfn, page.pfn + 1]
    assert dma_mmap_pages(dev, VmArea(1, 2), 2 * P, page) == -ENXIO
    dma_free_pages(dev, 2 * P, page, handle, DMA_TO_DEVICE)


def test_checkers_see_it_all(make):
    kernel = make(check="collect")
    dev = kernel.cdma.dev
    live = len(kernel.debug.entries)
    table = dma_alloc_noncontiguous(dev, 4 * P, DMA_TO_DEVICE, GFP_KERNEL,
                                    DMA_ATTR_ALLOC_SINGLE_PAGES)
    assert len(kernel.debug.entries) == live + table.orig_nents
    dma_sync_sgtable_for_device(dev, table, DMA_TO_DEVICE)
    dma_free_noncontiguous(dev, 4 * P, table, DMA_TO_DEVICE)
    assert len(kernel.debug.entries) == live and kernel.reports == []


# Ops of a device


class Counting:
    """Ops that count maps, and pass everything on."""

    def __init__(self, ops):
        self.ops, self.count = ops, 0

    def __getattr__(self, name):
        return getattr(self.ops, name)

    def map_phys(self, *args):
        self.count += 1
        return self.ops.map_phys(*args)


def test_r131_ops_of_a_device(kernel):
    one, two = Device("one", 21), Device("two", 22)
    device_register(two)
    ops = Counting(kernel.direct_ops)
    assert get_dma_ops(one) is None and get_dma_ops(two) is kernel.iommu_ops
    set_dma_ops(one, ops)
    assert get_dma_ops(one) is ops
    va = kmalloc(256, GFP_KERNEL)
    handles = [dma_map_single(dev, va, 256, DMA_TO_DEVICE) for dev in (one, two)]
    assert ops.count == 1 and handles[0] == DmaAddr(int(virt_to_phys(va))) != handles[1]
    for dev, handle in zip((one, two), handles, strict=True):
        dma_sync_single_for_cpu(dev, handle, 256, DMA_TO_DEVICE)
        dma_unmap_single(dev, handle, 256, DMA_TO_DEVICE)
    set_dma_ops(one, None)
    assert get_dma_ops(one) is None


# Hooks of the architecture


def test_hooks_maintain_the_cache(kernel):
    page = alloc_page(GFP_KERNEL)
    phys, va, machine = page_to_phys(page), page_address(page), kernel.machine
    cpu.store(va, b"A" * 64)
    assert machine.bus_read(int(phys), 64) != b"A" * 64
    arch_sync_dma_for_device(phys, 64, DMA_FROM_DEVICE)
    assert machine.bus_read(int(phys), 64) == b"A" * 64
    machine.bus_write(int(phys), b"B" * 64)
    arch_sync_dma_for_cpu(phys, 64, DMA_TO_DEVICE)
    assert cpu.load(va, 1) == b"A"
    arch_sync_dma_for_cpu_all()
    arch_sync_dma_flush()
    arch_dma_mark_clean(phys, 64)
    assert cpu.load(va, 1) == b"A"
    arch_sync_dma_for_cpu(phys, 64, DMA_FROM_DEVICE)
    assert cpu.load(va, 1) == b"B"
    cpu.store(va, b"C")
    arch_dma_prep_coherent(page, P)
    alias = arch_dma_set_uncached(va, P)
    assert alias == uncached_virt(phys) and cpu.load(alias, 1) == b"C"
    cpu.store(alias, b"D")
    assert cpu.load(va, 1) == b"D"                  # no line was left
    arch_dma_clear_uncached(alias, P)


# Layouts of structures


def test_r67_groups_have_lines_of_their_own():
    layout = struct_layout(("lock", 4), ("flag", 1), __dma_from_device_group_begin(), ("rx", 60),
                           ("status", 2), __dma_from_device_group_end(), ("count", 8),
                           ("tail", 1, 1))
    assert layout.offsets == {"lock": 0, "flag": 4, "rx": 128, "status": 188, "count": 256,
                              "tail": 264}
    assert (layout.size, layout.align, layout.offset("rx")) == (384, ARCH_DMA_MINALIGN, 128)
    assert struct_layout(("a", 1), ("b", 8), ("c", 2)).offsets == {"a": 0, "b": 8, "c": 16}
    with pytest.raises(ValueError, match="Member must have a name of its own, not 'a' again"):
        struct_layout(("a", 1), ("a", 2))


def test_r96_a_group_keeps_the_neighbour_whole():
    """Without the macros a store beside the buffer is lost; with them it is not."""
    def neighbour(*edges):
        with boot(FakeMachine()) as kernel:
            layout = struct_layout(*edges[:1], ("rx", 32), *edges[1:], ("count", 8))
            va, dev = kmalloc(layout.size, GFP_KERNEL), kernel.cdma.dev
            handle = dma_map_single(dev, va + layout.offset("rx"), 32, DMA_FROM_DEVICE)
            cpu.store(va + layout.offset("count"), b"precious")
            dma_unmap_single(dev, handle, 32, DMA_FROM_DEVICE)
            return cpu.load(va + layout.offset("count"), 8)

    assert neighbour() != b"precious"
    assert neighbour(__dma_from_device_group_begin(), __dma_from_device_group_end()) == b"precious"


# Controls of dma-debug


def test_files_of_dma_debug(make):
    kernel = make(check="warn")
    dev = kernel.cdma.dev
    handle = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    assert debugfs_read("dma-api/error_count") == "0\n"
    assert debugfs_read("dma-api/disabled") == "N\n"
    assert debugfs_read("dma-api/num_errors") == "1\n"
    assert debugfs_read("dma-api/nr_total_entries") == "65536\n"
    assert int(debugfs_read("dma-api/num_free_entries")) < 65536
    assert int(debugfs_read("dma-api/min_free_entries")) < 65536
    assert f"{int(handle):#x}" in debugfs_read("dma-api/dump")
    debugfs_write("dma-api/all_errors", "1\n")
    assert debugfs_read("dma-api/all_errors") == "1\n"
    debugfs_write("dma-api/num_errors", "7")
    assert kernel.debug.num_errors == 7
    debugfs_write("dma-api/driver_filter", "other\n")
    dma_unmap_single(dev, handle, 64, DMA_TO_DEVICE)                # D18, of another driver
    assert kernel.debug.error_count == 1 and kernel.reports == []
    for path, text in (("dma-api/none", "no such file"), ("error_count", "no such file"),
                       ("dma-api/dump", "permission denied")):
        with pytest.raises(KernelBug, match=text):
            debugfs_write(path, "1")


def test_mappings_in_the_log(make):
    kernel = make(check="collect")
    dev, other = kernel.cdma.dev, Device("other", 9)
    device_register(other)
    dma_debug_add_bus("pci")
    dma_map_single(dev, kmalloc(4096, GFP_KERNEL), 64, DMA_TO_DEVICE)
    dma_map_single(other, kmalloc(4096, GFP_KERNEL), 64, DMA_FROM_DEVICE)
    debug_dma_dump_mappings(other)
    lines = [line for line in dmesg().splitlines() if "L=0x40" in line]
    assert len(lines) == 1 and "other phys idx" in lines[0] and "DMA_FROM_DEVICE" in lines[0]
    debug_dma_dump_mappings(None)
    assert len([line for line in dmesg().splitlines() if "L=0x40" in line]) == 3


def test_without_checks_there_is_nothing_to_control(kernel):
    assert debugfs_read("dma-api/disabled") == "Y\n" and debugfs_read("dma-api/dump") == "\n"
    debugfs_write("dma-api/all_errors", "1")
    before = dmesg()
    debug_dma_dump_mappings(None)
    assert dmesg() == before
