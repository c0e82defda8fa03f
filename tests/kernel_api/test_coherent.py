"""Coherent buffers, rules R24 to R37."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

PLATFORMS = [{"coherent": c, "has_iommu": i} for c in (False, True) for i in (False, True)]


@pytest.fixture(params=PLATFORMS, ids=str)
def dev(make, request):
    return make(**request.param).cdma.dev


def seen_by(dev, dma, size):
    """What the device reads at a DMA address."""
    machine = dev.kernel.machine
    return machine.bus_read(machine.iommu.translate(dev.device_id, int(dma), False), size)


def written_by(dev, dma, data):
    machine = dev.kernel.machine
    machine.bus_write(machine.iommu.translate(dev.device_id, int(dma), True), data)


def test_r24_stores_are_seen_by_both_without_sync(dev):
    va, dma = dma_alloc_coherent(dev, 100, GFP_KERNEL)
    cpu.store(va + 8, b"descriptor")
    cpu.wmb()
    assert seen_by(dev, dma + 8, 10) == b"descriptor"
    written_by(dev, dma + 8, b"done")
    assert cpu.load(va + 8, 4) == b"done"
    written_by(dev, dma + 8, b"more")
    assert cpu.load(va + 8, 4) == b"more"


@pytest.mark.parametrize("size", [1, 4096, 4097, 65536, 65537])
def test_r26_r28_both_addresses_are_aligned_to_the_order(dev, size):
    free = dev.kernel.pages.free_pages
    for _ in range(3):
        va, dma = dma_alloc_coherent(dev, size, GFP_KERNEL)
        block = 4096 << get_order(size)
        assert int(va) % block == int(dma) % block == 0
        if size <= 65536:
            assert int(dma) // 65536 == (int(dma) + size - 1) // 65536
    assert free - dev.kernel.pages.free_pages >= 3


def test_r29_reads_as_zero(dev):
    page = alloc_pages(GFP_KERNEL, 1)
    memset(page_address(page), 0xFF, 8192)
    __free_pages(page, 1)
    va, dma = dma_alloc_coherent(dev, 8192, GFP_KERNEL)
    assert cpu.load(va, 8192) == bytes(8192) and seen_by(dev, dma, 4096) == bytes(4096)


def test_r30_flags(dev):
    assert dma_alloc_coherent(dev, 64, GFP_KERNEL | Gfp.COMP) == (None, DMA_MAPPING_ERROR)
    assert dev.kernel.log.matching("WARNING: cdma: __GFP_COMP for a coherent buffer")
    va, _ = dma_alloc_coherent(dev, 64, GFP_KERNEL | GFP_DMA | GFP_DMA32)
    assert va is not None
    local_irq_disable()
    assert dma_alloc_coherent(dev, 64, GFP_ATOMIC)[0] is not None
    assert not dev.kernel.log.matching("sleeping")
    dma_alloc_coherent(dev, 64, GFP_KERNEL)
    assert dev.kernel.log.matching("sleeping function called from invalid context")
    local_irq_enable()


def test_r31_free(dev):
    va, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    pages = dev.kernel.pages.free_pages
    dma_free_coherent(dev, 64, None, dma)
    assert dev.kernel.pages.free_pages == pages
    local_irq_disable()
    dma_free_coherent(dev, 64, va, dma)
    local_irq_enable()
    assert dev.kernel.pages.free_pages == pages + 1
    assert dev.kernel.log.matching("WARNING: cdma: coherent buffer freed with interrupts off")


def test_r31_free_of_another_size_or_kind(dev):
    va, dma = dma_alloc_coherent(dev, 8192, GFP_KERNEL)
    with pytest.raises(KernelBug, match="Bad page state"):
        dma_free_coherent(dev, 4096, va, dma)
    with pytest.raises(TypeError, match="Address must be a DmaAddr"):
        dma_free_coherent(dev, 8192, va, va)


@given(st.lists(st.tuples(st.integers(1, 40_000), st.booleans()), max_size=12))
def test_r32_live_buffers_never_overlap(script):
    with boot(FakeMachine()) as kernel:
        dev = kernel.cdma.dev
        free, live = kernel.pages.free_pages, []
        for size, keep in script:
            va, dma = dma_alloc_coherent(dev, size, GFP_KERNEL)
            for _, other, other_dma, length in live:
                assert va + size <= other or other + length <= va
                assert dma + size <= other_dma or other_dma + length <= dma
            if keep:
                live.append((size, va, dma, size))
            else:
                dma_free_coherent(dev, size, va, dma)
        for size, va, dma, _ in live:
            dma_free_coherent(dev, size, va, dma)
        tables = kernel.stats.table_pages
        assert free - kernel.pages.free_pages <= tables


def test_r32_freed_addresses_are_reused_and_dead_before(kernel):
    dev = kernel.cdma.dev
    va, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    seen_by(dev, dma, 4)
    dma_free_coherent(dev, 64, va, dma)
    with pytest.raises(BusError):
        seen_by(dev, dma, 4)
    assert dma_alloc_coherent(dev, 64, GFP_KERNEL)[1] == dma


def test_r33_no_dirty_line_falls_on_device_data_later(kernel):
    page = alloc_page(GFP_KERNEL)
    memset(page_address(page), 0xFF, 4096)
    __free_page(page)
    dev = kernel.cdma.dev
    va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    assert virt_to_page(page_address(page)) is page and is_vmalloc_addr(va)
    assert not any(dirty for at, (_, dirty) in kernel.machine.cache.lines.items()
                   if int(page_to_phys(page)) <= at < int(page_to_phys(page)) + 4096)
    assert seen_by(dev, dma, 4) == bytes(4)


def test_coherent_platforms_use_the_linear_map(make):
    kernel = make(coherent=True)
    va, _ = dma_alloc_coherent(kernel.cdma.dev, 64, GFP_KERNEL)
    assert not is_vmalloc_addr(va) and kernel.stats.cache_operations == 0


@pytest.mark.parametrize("bits,high", [(32, False), (33, True)])
def test_r14_r35_direct_buffers_stay_within_the_coherent_mask(make, bits, high):
    kernel = make(has_iommu=False, memory_base=0xFFE0_0000)
    dev = Device("widget")
    dma_set_mask(dev, DMA_BIT_MASK(64))
    dma_set_coherent_mask(dev, DMA_BIT_MASK(bits))
    _, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    assert (dma >= 1 << 32) == high
    while dma_alloc_attrs(dev, 65536, GFP_KERNEL, DMA_ATTR_NO_WARN)[0]:
        pass
    zones = {zone.name: zone.free_pages for zone in kernel.pages.zones}
    assert zones["DMA32"] < 16 and (zones["Normal"] < 16) == high


def test_r35_out_of_range_pages_are_not_lost(make):
    kernel = make(has_iommu=False)
    dev = Device("widget")
    free = kernel.pages.free_pages
    dma_set_coherent_mask(dev, DMA_BIT_MASK(31))
    assert dma_alloc_coherent(dev, 64, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)
    assert kernel.pages.free_pages == free


def test_r14_translated_buffers_stay_within_the_coherent_mask(make):
    make(memory_base=1 << 32)
    dev = Device("widget", 1)
    device_register(dev)
    dma_set_mask(dev, DMA_BIT_MASK(64))
    _, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    assert dma < 1 << 32 and dev.dma_ops.to_phys(dev, dma) >= 1 << 32


def test_no_memory(dev):
    free = dev.kernel.pages.free_pages
    assert dma_alloc_coherent(dev, 8 << 20, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)
    assert dma_alloc_coherent(dev, 0, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)
    assert dev.kernel.log.matching("page allocation failure")
    assert dev.kernel.pages.free_pages == free


def test_no_address(kernel):
    dev = Device("widget", 1)
    device_register(dev)
    dma_set_coherent_mask(dev, DMA_BIT_MASK(13))
    held = [dma_alloc_coherent(dev, 4096, GFP_KERNEL) for _ in range(2)]
    free = kernel.pages.free_pages
    assert held[0][1] == 0x1000 and held[1] == (None, DMA_MAPPING_ERROR)
    assert dma_alloc_coherent(dev, 4096, GFP_KERNEL)[0] is None
    assert kernel.pages.free_pages == free


@pytest.mark.parametrize("gfp", [GFP_DMA, GFP_DMA32, __GFP_HIGHMEM])
def test_r30_the_mask_says_where_and_not_the_flags(make, gfp):
    kernel = make(memory_size=4 << 30)
    va, _ = dma_alloc_coherent(kernel.cdma.dev, 4096, GFP_KERNEL | gfp)
    assert kernel.cpu.behind(va) >= 1 << 32


def test_r14_r34_the_pool_may_be_out_of_reach(make):
    kernel = make(has_iommu=False)
    dev, free = kernel.cdma.dev, kernel.atomic_pool.free_bytes
    dev.coherent_dma_mask = DMA_BIT_MASK(31)
    assert dma_alloc_coherent(dev, 4096, GFP_ATOMIC) == (None, DMA_MAPPING_ERROR)
    assert kernel.atomic_pool.free_bytes == free
    dev.coherent_dma_mask = DMA_BIT_MASK(32)
    assert dma_alloc_coherent(dev, 4096, GFP_ATOMIC)[0] is not None
    assert kernel.atomic_pool.free_bytes == free - 4096
