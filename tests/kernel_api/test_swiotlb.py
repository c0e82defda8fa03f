"""Bounce memory: which slots, what is copied and when. The kernel's own cases are among these."""

import itertools

import pytest

from kernel_api import *

TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL


@pytest.fixture
def kernel(bouncing):
    return bouncing()


@pytest.fixture
def dev(kernel):
    return kernel.cdma.dev


@pytest.fixture
def port(kernel, dev):
    return kernel.machine.port(dev.device_id)


def original(size=256, fill=1, offset=0):
    buf = kmalloc(size + offset, GFP_KERNEL) + offset
    cpu.store(buf, bytes([fill]) * size)
    return buf


def test_r75_slots_of_one_mapping_are_its_own_and_in_a_row(kernel, dev):
    pool = kernel.swiotlb
    handles = [dma_map_single(dev, original(5000), 5000, TO) for _ in range(20)]
    taken = [pool.find(PhysAddr(int(dma))) for dma in handles]
    slots = [range(item.first, item.first + item.count) for item in taken]
    assert all(item.count == 3 for item in taken)
    assert not any(set(a) & set(b) for a, b in itertools.combinations(slots, 2))
    assert pool.used_slots == 60
    for dma in handles:
        dma_unmap_single(dev, dma, 5000, TO)
    assert pool.used_slots == 0


@pytest.mark.parametrize("size, ok", [(256 << 10, True), ((256 << 10) + 1, False)])
def test_r76_a_set_holds_256_kib(bouncing, size, ok):
    kernel = bouncing()
    buf = page_address(alloc_pages(GFP_KERNEL, 7))
    dma = dma_map_single(kernel.cdma.dev, buf, size, TO)
    assert (dma != DMA_MAPPING_ERROR) == ok
    assert bool(kernel.log.matching("swiotlb buffer is full")) == (not ok)


def test_r76_no_mapping_spans_two_sets(kernel, dev):
    one = dma_map_single(dev, original(8192), 150 << 10, TO)
    two = dma_map_single(dev, original(8192), 150 << 10, TO)
    find = kernel.swiotlb.find
    assert find(PhysAddr(int(one))).first // 128 != find(PhysAddr(int(two))).first // 128


def test_r77_the_default_pool(golden):
    kernel = golden(has_iommu=False, memory_size=256 << 20, swiotlb="normal", swiotlb_areas=3)
    pool = kernel.swiotlb.pools[0]
    assert kernel.swiotlb.slots == 32768 and pool.areas == 4
    assert pool.base + pool.size <= 1 << 32


def test_r77_the_own_area_first(bouncing):
    kernel = bouncing(swiotlb_areas=4)
    pool, dev = kernel.swiotlb.pools[0], kernel.cdma.dev
    assert pool.areas == 4 and pool.area_slots == 128
    for number in (2, 2, 3):
        kernel.current_cpu = number
        dma_map_single(dev, original(), 200 << 10 if number == 2 else 256, TO)
    assert [bool(pool.used_in(area)) for area in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("direction", [TO, FROM, BIDI])
@pytest.mark.parametrize("attrs", [0, DMA_ATTR_SKIP_CPU_SYNC])
def test_r78_map_copies_whatever_the_direction(kernel, dev, port, direction, attrs):
    dma = dma_map_single_attrs(dev, original(fill=7), 256, direction, attrs)
    if attrs:
        kernel.cache.wback(PhysAddr(int(dma)), 256)
    assert port.read(int(dma), 256) == bytes([7]) * 256


@pytest.mark.parametrize("direction, attrs, seen", [
    (TO, 0, 1), (FROM, 0, 9), (BIDI, 0, 9), (FROM, DMA_ATTR_SKIP_CPU_SYNC, 1)])
def test_r79_unmap_copies_back(dev, port, direction, attrs, seen):
    buf = original()
    dma = dma_map_single_attrs(dev, buf, 256, direction, attrs)
    port.write(int(dma), bytes([9]) * 256)
    dma_unmap_single_attrs(dev, dma, 256, direction, attrs)
    assert cpu.load(buf, 256) == bytes([seen]) * 256


@pytest.mark.parametrize("direction, forth, back", [
    (TO, True, False), (FROM, False, True), (BIDI, True, True)])
def test_r79_r88_syncs_by_direction(dev, port, direction, forth, back):
    buf = original()
    dma = dma_map_single(dev, buf, 256, direction)
    cpu.store(buf, bytes([2]) * 256)
    assert port.read(int(dma), 1) == b"\x01"                     # R88: not seen before the sync
    dma_sync_single_for_device(dev, dma, 256, direction)
    assert port.read(int(dma), 1) == (b"\x02" if forth else b"\x01")
    port.write(int(dma), bytes([3]) * 256)
    assert cpu.load(buf, 1) == b"\x02"
    dma_sync_single_for_cpu(dev, dma, 256, direction)
    assert cpu.load(buf, 1) == (b"\x03" if back else b"\x02")


def test_r88_bounced_on_a_coherent_machine(bouncing):
    kernel = bouncing(coherent=True)
    dev = kernel.cdma.dev
    assert (not dma_dev_need_sync(dev) and not dma_need_unmap(Device("quiet", 3))) \
        or kernel.swiotlb is not None
    buf = original()
    dma = dma_map_single(dev, buf, 256, BIDI)
    assert dma_need_sync(dev, dma) and dma_dev_need_sync(dev)    # R74: off since this mapping
    cpu.store(buf, b"x")
    assert kernel.machine.port(0).read(int(dma), 1) == b"\x01"


def test_r74_need_sync_follows_the_first_bounce(golden):
    kernel = golden(coherent=True, has_iommu=False, swiotlb="normal", swiotlb_bytes=1 << 20)
    dev = Device("narrow", 3)
    dma = dma_map_single(dev, original(), 256, TO)
    assert not dma_dev_need_sync(dev) and not dma_need_sync(dev, dma) and not dma_need_unmap(dev)
    dev.bus_dma_limit = int(kernel.swiotlb.pools[0].base) + (1 << 20) - 1
    far = page_address(alloc_pages(GFP_KERNEL, 0)) + 0
    assert int(virt_to_phys(far)) > dev.bus_dma_limit
    dma = dma_map_single(dev, far, 256, TO)
    assert dma_dev_need_sync(dev) and dma_need_sync(dev, dma) and dma_need_unmap(dev)


@pytest.mark.parametrize("mask, limit", [(0, 256 << 10), (0xFFF, 258048), (0x7FF, 260096),
                                         (0xFFFF, 196608)])
def test_r22_r80_longest_map(dev, mask, limit):
    dma_set_min_align_mask(dev, mask)
    assert dma_max_mapping_size(dev) == limit == dma_opt_mapping_size(dev)


def test_r22_no_limit_unless_bouncing(golden):
    kernel = golden(has_iommu=False, swiotlb="normal", swiotlb_bytes=1 << 20)
    dev = kernel.cdma.dev
    assert dma_max_mapping_size(dev) == SIZE_MAX
    dev.bus_dma_limit = 0xFFFF
    assert dma_addressing_limited(dev) and dma_max_mapping_size(dev) == 256 << 10


@pytest.mark.parametrize("bits", [12, PAGE_SHIFT, 16])
@pytest.mark.parametrize("offset", [128, -128])
@pytest.mark.parametrize("turn", range(5))
def test_r81_low_bits_are_kept(kernel, dev, bits, offset, turn):
    """The kernel's cases: from the low and from the high end, five times with a spacer between."""
    mask = (1 << bits) - 1
    dma_set_min_align_mask(dev, mask)
    area = page_address(alloc_pages(GFP_KERNEL, bits - PAGE_SHIFT + 1))
    buf = area + (offset & mask)
    for _ in range(turn):
        dma_map_single(dev, original(), 64, TO)
    dma = dma_map_single(dev, buf, 64, TO)
    assert dma & mask == int(virt_to_phys(buf)) & mask


@pytest.mark.parametrize("turn", range(5))
def test_r82_pages_are_page_aligned(kernel, dev, turn):
    for _ in range(turn):
        dma_map_single(dev, original(), 64, TO)
    dma = dma_map_single(dev, original(5000, offset=64), 4096, TO)
    assert dma % PAGE_SIZE == 0


@pytest.mark.parametrize("low, align", [(0, 12), (0, 14), (12, 12), (12, 16), (14, 16)])
def test_r83_alignment_of_the_allocation(kernel, dev, low, align):
    dma_set_min_align_mask(dev, (1 << low) - 1)
    mask, pool = (1 << align) - 1, kernel.swiotlb
    buf = page_address(alloc_pages(GFP_KERNEL, 3)) + 0x1880
    dma_map_single(dev, original(), 64, TO)
    phys = pool.map(dev, virt_to_phys(buf), 300, 0, mask)
    slots = pool.find(phys)
    start = slots.pool.base + slots.first * 2048
    assert start % (mask + 1) == 0 and slots.count * 2048 % (mask + 1) == 0
    keep = (1 << low) - 1
    assert int(phys) & keep == int(virt_to_phys(buf)) & keep
    pool.unmap(phys)


def test_r84_no_segment_boundary_is_crossed(kernel, dev):
    dma_set_seg_boundary(dev, 0x3FFF)
    for size in (3000, 9000, 16384, 100, 12000):
        dma = int(dma_map_single(dev, original(64), size, TO))
        assert dma >> 14 == dma + size - 1 >> 14
    assert dma_map_single(dev, original(64), 20000, TO) == DMA_MAPPING_ERROR


def test_r85_a_partial_sync_copies_its_bytes(kernel, dev, port):
    buf = original(6000)
    dma = dma_map_single(dev, buf, 6000, BIDI)
    port.write(int(dma), bytes([9]) * 4000)
    before = kernel.stats.bounced_bytes
    dma_sync_single_range_for_cpu(dev, dma, 3000, 500, BIDI)
    assert kernel.stats.bounced_bytes - before == 500
    assert cpu.load(buf + 2999, 502) == b"\x01" + bytes([9]) * 500 + b"\x01"
    dma_sync_single_range_for_cpu(dev, dma, 5990, 100, BIDI)
    assert kernel.log.matching("Buffer overflow detected. Allocation size: 6000.")
    assert kernel.stats.bounced_bytes - before == 510


def test_r52_r86_full(kernel, dev):
    handles = [dma_map_single(dev, original(64), 256 << 10, TO) for _ in range(4)]
    assert dma_map_single_attrs(dev, original(64), 64, TO, DMA_ATTR_NO_WARN) == DMA_MAPPING_ERROR
    assert not kernel.log.matching("swiotlb buffer is full")
    assert dma_map_single(dev, original(64), 64, TO) == DMA_MAPPING_ERROR
    assert kernel.log.matching("total 512 (slots), used 512 (slots)")
    dma_unmap_single(dev, handles.pop(), 256 << 10, TO)
    assert dma_map_single(dev, original(64), 64, TO) != DMA_MAPPING_ERROR


def test_r86_it_grows(bouncing):
    kernel = bouncing(swiotlb_bytes=256 << 10, swiotlb_dynamic=True)
    dev, buf = kernel.cdma.dev, original()
    held = dma_map_single(dev, buf, 256 << 10, TO)
    with atomic_context():
        dma = dma_map_single(dev, buf, 256, TO)                  # a pool of its own
        assert dma != DMA_MAPPING_ERROR and len(kernel.swiotlb.pools) == 2
        dma_unmap_single(dev, dma, 256, TO)
        assert len(kernel.swiotlb.pools) == 1                    # which goes with it
    kernel.background()
    assert kernel.swiotlb.slots == 128 + 512
    assert dma_map_single(dev, buf, 256, TO) != DMA_MAPPING_ERROR
    dma_unmap_single(dev, held, 256 << 10, TO)


def test_r86_no_memory_to_grow(bouncing):
    kernel = bouncing(swiotlb_bytes=256 << 10, swiotlb_dynamic=True)
    dev, buf = kernel.cdma.dev, original()
    dma_map_single(dev, buf, 256 << 10, TO)
    while alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0):
        pass
    assert dma_map_single(dev, buf, 256, TO) == DMA_MAPPING_ERROR
    kernel.background()
    assert kernel.log.matching("swiotlb: no memory to grow")
