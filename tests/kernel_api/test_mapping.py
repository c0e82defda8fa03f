"""Streaming mappings of one range, rules R3 and R51 to R74."""

import pytest

from kernel_api import *

PLATFORMS = [{"coherent": c, "has_iommu": i} for c in (False, True) for i in (False, True)]
DIRECTIONS = DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE


@pytest.fixture(params=PLATFORMS, ids=str)
def dev(make, request):
    return make(**request.param).cdma.dev


@pytest.fixture
def widget(kernel):
    """A device with nothing mapped, behind the IOMMU."""
    dev = Device("widget", 0x20)
    assert device_register(dev) == 0
    return dev


def reach(dev, dma, *, write=False):
    """Where an access of the device arrives."""
    return dev.kernel.machine.iommu.translate(dev.device_id, int(dma), write)


@pytest.mark.parametrize("offset,size", [(0, 64), (100, 1), (4000, 200), (64, 20_000)])
def test_r54_every_byte_of_the_range_is_mapped(dev, offset, size):
    buffer = kmalloc(offset + size, GFP_KERNEL) + offset
    dma = dma_map_single(dev, buffer, size, DMA_TO_DEVICE)
    assert dma_mapping_error(dev, dma) == 0
    for at in {0, size // 2, size - 1}:
        assert reach(dev, dma + at) == int(virt_to_phys(buffer)) + at
    dma_unmap_single(dev, dma, size, DMA_TO_DEVICE)


def test_r03_what_is_not_linear_is_refused(kernel):
    dev = kernel.cdma.dev
    va, _ = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    assert dma_map_single(dev, va, 64, DMA_TO_DEVICE) == DMA_MAPPING_ERROR
    assert kernel.log.matching("WARNING: cdma: rejecting DMA map of vmalloc memory")
    with pytest.raises(KernelBug, match="virt_to_phys used for non-linear address"):
        dma_map_single(dev, VirtAddr(0x1000), 64, DMA_TO_DEVICE)


def test_r01_handles_and_pointers_are_not_mixed(dev):
    buffer = kmalloc(64, GFP_KERNEL)
    dma = dma_map_single(dev, buffer, 64, DMA_TO_DEVICE)
    assert type(dma) is DmaAddr
    for call in (lambda: dma_map_single(dev, dma, 64, DMA_TO_DEVICE),
                 lambda: dma_map_phys(dev, dma, 64, DMA_TO_DEVICE),
                 lambda: dma_map_resource(dev, dma, 64, DMA_TO_DEVICE, 0),
                 lambda: dma_unmap_single(dev, buffer, 64, DMA_TO_DEVICE),
                 lambda: dma_mapping_error(dev, virt_to_phys(buffer)),
                 lambda: dma_sync_single_for_cpu(dev, buffer, 64, DMA_TO_DEVICE),
                 lambda: dma_sync_single_for_device(dev, int(dma), 64, DMA_TO_DEVICE),
                 lambda: dma_sync_single_range_for_cpu(dev, buffer, 0, 64, DMA_TO_DEVICE),
                 lambda: dma_sync_single_range_for_device(dev, buffer, 0, 64, DMA_TO_DEVICE)):
        with pytest.raises(TypeError, match="Address must be a "):
            call()


def test_r08_no_mask(dev):
    dev.dma_mask = None
    assert dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE) == DMA_MAPPING_ERROR
    assert dev.kernel.log.matching("WARNING: cdma: mapping for a device without DMA mask")


def test_r51_maps_in_an_interrupt_handler(dev):
    machine, found = dev.kernel.machine, []
    buffer = kmalloc(64, GFP_KERNEL)

    def handler(irq, dev_id):
        machine.extra_lines = 0
        dma = dma_map_single(dev, buffer, 64, DMA_BIDIRECTIONAL)
        found.append(dma)
        dma_unmap_single(dev, dma, 64, DMA_BIDIRECTIONAL)
        return IRQ_HANDLED

    request_irq(9, handler, 0, "test", None)
    machine.extra_lines = 1 << 9
    machine.wait(10)
    assert dma_mapping_error(dev, found[0]) == 0
    assert not dev.kernel.log.matching("WARNING")


def test_r52_failure_is_all_ones_and_zero_is_none(dev):
    assert dma_mapping_error(dev, DMA_MAPPING_ERROR) == -ENOMEM
    assert dma_mapping_error(dev, DmaAddr(0)) == 0


def test_r05_r52_addresses_run_out_and_come_back(kernel):
    dev = kernel.cdma.dev
    dma_set_mask(dev, DMA_BIT_MASK(15))
    buffer = kmalloc(64, GFP_KERNEL)
    held = [dma_map_single(dev, buffer, 64, DMA_TO_DEVICE) for _ in range(8)]
    assert held[-1] == DMA_MAPPING_ERROR and len(set(held[:-1])) == 7
    assert min(held[:-1]) >= 4096
    dma_unmap_single(dev, held[3], 64, DMA_TO_DEVICE)
    assert dma_map_single(dev, buffer, 64, DMA_TO_DEVICE) == held[3]


def test_r52_no_page_for_a_table(kernel):
    dev = kernel.cdma.dev
    dma_set_mask(dev, DMA_BIT_MASK(31))
    buffer = kmalloc(64, GFP_KERNEL)
    while alloc_page(GFP_KERNEL | Gfp.NOWARN):
        pass
    addresses = len(dev.iommu_domain.iovas)
    assert dma_map_single(dev, buffer, 64, DMA_TO_DEVICE) == DMA_MAPPING_ERROR
    dev.iommu_domain.iovas.flush_cache()
    assert len(dev.iommu_domain.iovas) == addresses


def test_r56_page_and_single_are_the_same(dev):
    page = alloc_page(GFP_KERNEL)
    a = dma_map_page(dev, page, 256, 512, DMA_TO_DEVICE)
    b = dma_map_single(dev, page_address(page) + 256, 512, DMA_TO_DEVICE)
    c = dma_map_phys(dev, page_to_phys(page) + 256, 512, DMA_TO_DEVICE)
    assert reach(dev, a) == reach(dev, b) == reach(dev, c) == int(page_to_phys(page)) + 256
    dma_unmap_page(dev, a, 512, DMA_TO_DEVICE)
    dma_unmap_single(dev, b, 512, DMA_TO_DEVICE)
    dma_unmap_phys(dev, c, 512, DMA_TO_DEVICE)


@pytest.mark.parametrize("direction", [DMA_NONE, 4, -1])
def test_r57_no_direction_is_a_bug(dev, direction):
    buffer, h = kmalloc(64, GFP_KERNEL), DmaAddr(0x1000)
    sgl = [Scatterlist()]
    sg_init_one(sgl, buffer, 64)
    for call in (lambda: dma_map_single(dev, buffer, 64, direction),
                 lambda: dma_unmap_single(dev, h, 64, direction),
                 lambda: dma_sync_single_for_cpu(dev, h, 64, direction),
                 lambda: dma_sync_single_for_device(dev, h, 64, direction),
                 lambda: dma_map_sg(dev, sgl, 1, direction),
                 lambda: dma_unmap_sg(dev, sgl, 1, direction),
                 lambda: dma_sync_sg_for_cpu(dev, sgl, 1, direction),
                 lambda: dma_sync_sg_for_device(dev, sgl, 1, direction)):
        with pytest.raises(KernelBug, match="invalid DMA direction"):
            call()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_r59_the_direction_is_enforced_as_far_as_riscv_can(kernel, direction):
    dev = kernel.cdma.dev
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, direction)
    reach(dev, dma)                             # RISC-V has no pages that can only be written
    if direction == DMA_TO_DEVICE:
        with pytest.raises(BusError):
            reach(dev, dma, write=True)
        kernel.machine.wait(1)
        assert kernel.iommu.faults[-1].cause.name == "WRITE_PAGE_FAULT"
    else:
        reach(dev, dma, write=True)


def test_r07_bytes_beyond_the_last_page_fault(widget):
    dev = widget
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    reach(dev, (dma & PAGE_MASK) + 4095)        # the same page is exposed, R127
    with pytest.raises(BusError):
        reach(dev, (dma & PAGE_MASK) + 4096)
    with pytest.raises(BusError):
        reach(dev, (dma & PAGE_MASK) - 1)


def test_r62_r128_nothing_is_reached_after_unmap(kernel):
    dev = kernel.cdma.dev
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    reach(dev, dma)                             # now the translation is cached
    dma_unmap_single(dev, dma, 64, DMA_TO_DEVICE)
    with pytest.raises(BusError):
        reach(dev, dma)


def test_r61_too_small_a_size_leaves_the_tail_mapped(kernel):
    dev = kernel.cdma.dev
    dma = dma_map_single(dev, kmalloc(8192, GFP_KERNEL), 8192, DMA_TO_DEVICE)
    dma_unmap_single(dev, dma, 4096, DMA_TO_DEVICE)
    reach(dev, dma + 4096)
    with pytest.raises(BusError):
        reach(dev, dma)


def test_r61_unmap_of_what_is_not_mapped_warns(kernel, widget):
    dma_unmap_single(widget, DmaAddr(0x5000), 64, DMA_TO_DEVICE)
    assert kernel.log.matching("WARNING: widget: unmap of 0x5000, which is not mapped")
    dma = dma_map_single(widget, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    dma_unmap_single(widget, dma, 8192, DMA_TO_DEVICE)
    assert kernel.log.matching("WARNING: widget: unmap of 8192 bytes at 0xfffff000 removed 4096")


def test_r71_registers_of_another_device(dev):
    uart = PhysAddr(0x1000_8000)
    before = dev.kernel.stats.snapshot()
    dma = dma_map_resource(dev, uart, 64, DMA_BIDIRECTIONAL, 0)
    assert reach(dev, dma, write=True) == int(uart)
    dma_unmap_resource(dev, dma, 64, DMA_BIDIRECTIONAL, 0)
    cost = dev.kernel.stats - before
    assert cost.cache_invalidates == 0 and cost.cache_cleans <= cost.pte_writes + cost.table_pages


def test_r71_memory_is_no_register(dev):
    page = alloc_page(GFP_KERNEL)
    assert dma_map_resource(dev, page_to_phys(page), 64, DMA_TO_DEVICE, 0) == DMA_MAPPING_ERROR
    assert dev.kernel.log.matching("WARNING: cdma: dma_map_resource of memory")
    assert dma_map_page_attrs(dev, page, 0, 64, DMA_TO_DEVICE, DMA_ATTR_MMIO) == DMA_MAPPING_ERROR
    assert dev.kernel.log.matching("WARNING: cdma: DMA_ATTR_MMIO for a page of memory")


def test_r74_need_sync(dev):
    coherent = dev.kernel.platform.coherent
    assert dma_dev_need_sync(dev) == dma_need_sync(dev, DmaAddr(0)) == (not coherent)


def test_counters(dev):
    before = dev.kernel.stats.snapshot()
    dma = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    dma_unmap_single(dev, dma, 64, DMA_TO_DEVICE)
    cost = dev.kernel.stats - before
    assert (cost.maps, cost.unmaps) == (1, 1)
    if dev.kernel.iommu:
        assert (cost.iova_allocs, cost.iotlb_commands, cost.fences) == (1, 1, 1)
