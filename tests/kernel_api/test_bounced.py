"""Bounce memory in use: restricted pools, small objects, untrusted and narrow devices, offsets."""

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


def test_r83_r127_an_untrusted_device_sees_zeros_beside_its_buffer(golden):
    kernel = golden(swiotlb="normal", swiotlb_bytes=1 << 20)
    dev = Device("stranger", 0x44, untrusted=True)
    device_register(dev)
    port = kernel.machine.port(0x44)
    secret = original(4096, fill=0x55)
    dma = dma_map_single(dev, secret + 0x100, 100, BIDI)
    page = int(dma) & -PAGE_SIZE
    around = port.read(page, PAGE_SIZE)
    at = int(dma) - page
    assert around[at:at + 100] == bytes([0x55]) * 100
    assert not any(around[:at]) and not any(around[at + 100:])
    port.write(int(dma), b"news")
    dma_sync_single_for_cpu(dev, dma, 100, BIDI)
    assert cpu.load(secret + 0x100, 5) == b"newsU"
    dma_unmap_single(dev, dma, 100, BIDI)
    assert kernel.swiotlb.used_slots == 0
    assert dma_max_mapping_size(dev) == 256 << 10
    whole = dma_map_single(dev, secret, 4096, TO)                # whole pages expose nothing
    assert kernel.swiotlb.used_slots == 0 and whole != DMA_MAPPING_ERROR


def test_r127_a_trusted_device_sees_the_page(golden):
    kernel = golden()
    dev = kernel.cdma.dev
    secret = page_address(alloc_pages(GFP_KERNEL, 0))
    cpu.store(secret, bytes([0x55]) * 4096)
    kernel.cache.wback(virt_to_phys(secret), 4096)
    dma = dma_map_single(dev, secret + 0x100, 100, TO)
    assert kernel.machine.port(dev.device_id).read(int(dma) - 4, 4) == b"UUUU"


def test_untrusted_without_bounce_memory_is_refused(golden):
    kernel = golden()
    dev = Device("stranger", 0x44, untrusted=True)
    device_register(dev)
    assert dma_map_single(dev, original(), 100, TO) == DMA_MAPPING_ERROR
    assert kernel.log.matching("untrusted, and there is no bounce memory")


def test_untrusted_lists_are_bounced_entry_by_entry(golden):
    kernel = golden(swiotlb="normal", swiotlb_bytes=1 << 20)
    dev = Device("stranger", 0x44, untrusted=True)
    device_register(dev)
    sgl = [Scatterlist(), Scatterlist()]
    sg_init_table(sgl, 2)
    buf = original(8192)
    sg_set_buf(sgl[0], buf, 100)
    sg_set_buf(sgl[1], buf + 4096, 4096)
    assert dma_map_sg(dev, sgl, 2, BIDI) == 2 and sg_dma_is_swiotlb(sgl[0])
    port = kernel.machine.port(0x44)
    port.write(int(sg_dma_address(sgl[0])), b"abc")
    dma_sync_sg_for_cpu(dev, sgl, 2, BIDI)
    assert cpu.load(buf, 4) == b"abc\x01"
    dma_unmap_sg(dev, sgl, 2, BIDI)
    assert kernel.swiotlb.used_slots == 0 and not sg_dma_is_swiotlb(sgl[0])
    pool = kernel.swiotlb
    held = [pool.map(dev, virt_to_phys(buf), 256 << 10, 0) for _ in range(4)]
    assert dma_map_sg(dev, sgl, 2, BIDI) == 0 and None not in held
    assert dma_map_single(dev, buf, 100, TO) == DMA_MAPPING_ERROR
    sg_dma_mark_swiotlb(sgl[0])
    assert sg_dma_is_swiotlb(sgl[0])


def test_r87_a_restricted_pool(golden):
    kernel = golden(has_iommu=False)
    dev = Device("boxed", 5)
    dev.io_tlb_mem = Swiotlb.make(kernel, 256 << 10, force=True, for_alloc=True)
    pool = dev.io_tlb_mem.pools[0]

    def inside(dma):
        return pool.base <= int(dma) < pool.base + pool.size

    va, coherent = dma_alloc_coherent(dev, 5000, GFP_KERNEL)
    dma = dma_map_single(dev, original(), 256, TO)
    assert inside(coherent) and inside(dma) and coherent % PAGE_SIZE == 0
    assert is_swiotlb_active(dev) and is_swiotlb_force_bounce(dev)
    assert is_swiotlb_buffer(dev, PhysAddr(int(dma)))
    dma_unmap_single(dev, dma, 256, TO)
    dma_free_coherent(dev, 5000, va, coherent)
    assert dev.io_tlb_mem.used_slots == 0
    assert dma_alloc_coherent(dev, 512 << 10, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)


def test_r89_a_smaller_unmap_copies_less_and_frees_all(kernel, dev, port):
    buf = original(3000)
    dma = dma_map_single(dev, buf, 3000, FROM)
    port.write(int(dma), bytes([9]) * 3000)
    dma_unmap_single(dev, dma, 100, FROM)
    assert cpu.load(buf, 101) == bytes([9]) * 100 + b"\x01"
    assert kernel.swiotlb.used_slots == 0


def test_r90_no_byte_beside_the_mapping_is_copied(kernel, dev, port):
    buf = original(256, fill=0x55)
    cpu.store(buf + 100, b"secret")
    dma = dma_map_single(dev, buf, 100, BIDI)
    slot = int(dma) & -2048
    assert b"secret" not in port.read(slot, 2048)
    port.write(int(dma) + 100, b"broken")
    dma_unmap_single(dev, dma, 100, BIDI)
    assert cpu.load(buf + 100, 6) == b"secret"


def test_r20_memory_out_of_reach_is_bounced(golden):
    kernel = golden(has_iommu=False, swiotlb="normal", swiotlb_bytes=1 << 20,
                    memory_base=(4 << 30) - (4 << 20), memory_size=8 << 20)
    dev, high = kernel.cdma.dev, alloc_pages(GFP_KERNEL, 0)
    dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32))
    assert page_to_phys(high) >= 1 << 32
    dma = dma_map_page(dev, high, 0, 4096, TO)
    assert int(dma) + 4096 <= 1 << 32
    dma_unmap_page(dev, dma, 4096, TO)
    assert kernel.swiotlb.used_slots == 0
    dev.bus_dma_limit = 0xFFFF
    assert dma_map_page(dev, high, 0, 4096, TO) == DMA_MAPPING_ERROR     # bounce memory neither
    assert kernel.swiotlb.used_slots == 0 and kernel.log.matching("overflow")


@pytest.mark.parametrize("size, direction, bounced", [
    (8, FROM, True), (70, FROM, True), (8, TO, False), (64, FROM, False), (128, FROM, False)])
@pytest.mark.parametrize("has_iommu", [False, True])
def test_r04_r72_small_objects_are_bounced(golden, size, direction, bounced, has_iommu):
    kernel = golden(has_iommu=has_iommu, swiotlb="normal", swiotlb_bytes=1 << 20,
                    kmalloc_minalign=8)
    dev = kernel.cdma.dev
    one, two = kmalloc(8, GFP_KERNEL), kmalloc(8, GFP_KERNEL)
    assert two - one == 8                           # R4: they share a line, so they are bounced
    used = kernel.swiotlb.used_slots
    dma = dma_map_single(dev, kmalloc(size, GFP_KERNEL), size, direction)
    assert (kernel.swiotlb.used_slots > used) == bounced
    dma_unmap_single(dev, dma, size, direction)
    assert kernel.swiotlb.used_slots == used
    assert dma_kmalloc_needs_bounce(dev, size, direction) == bounced


@pytest.mark.parametrize("options, error", [
    ({"has_iommu": False}, True), ({"has_iommu": False, "coherent": True}, False), ({}, True),
    ({"coherent": True}, False),
    ({"has_iommu": False, "coherent": True, "swiotlb": "force", "swiotlb_bytes": 1 << 20}, True)])
def test_r73_require_coherent(golden, options, error):
    kernel = golden(**options)
    dev, buf = kernel.cdma.dev, original()
    dma = dma_map_single_attrs(dev, buf, 256, TO, DMA_ATTR_REQUIRE_COHERENT)
    assert (dma == DMA_MAPPING_ERROR) == error
    sgt = SgTable()
    sg_alloc_table(sgt, 1, GFP_KERNEL)
    sg_set_buf(sgt.sgl[0], buf, 256)
    rc = dma_map_sgtable(dev, sgt, TO, DMA_ATTR_REQUIRE_COHERENT)
    assert (rc < 0) == error


def test_r73_an_untrusted_device_cannot_require_it(golden):
    golden(coherent=True, swiotlb="normal", swiotlb_bytes=1 << 20)
    dev = Device("stranger", 0x44, untrusted=True)
    device_register(dev)
    assert dma_map_single_attrs(dev, original(), 100, TO,
                                DMA_ATTR_REQUIRE_COHERENT) == DMA_MAPPING_ERROR


def test_r69_r70_order_of_copy_and_maintenance(bouncing):
    """The bounce copy is cleaned; after DMA the lines are dropped before the copy back."""
    kernel = bouncing(line_bytes=64)
    dev, buf = kernel.cdma.dev, original()
    port = kernel.machine.port(0)
    dma = dma_map_single(dev, buf, 256, BIDI)
    assert kernel.machine.peek(int(dma), 256) == bytes([1]) * 256
    cpu.load(phys_to_virt(PhysAddr(int(dma))), 256)               # a stale line of bounce memory
    port.write(int(dma), bytes([9]) * 256)
    dma_unmap_single(dev, dma, 256, BIDI)
    assert cpu.load(buf, 256) == bytes([9]) * 256


@pytest.mark.parametrize("offset", [0, 0x4000_0000])
def test_r01_r69_bus_offset(golden, offset):
    kernel = golden(has_iommu=False, dma_offset=offset)
    dev, buf = kernel.cdma.dev, original()
    dma = dma_map_single(dev, buf, 256, TO)
    assert int(dma) == int(virt_to_phys(buf)) - offset
    assert kernel.machine.port(0).read(int(dma), 4) == b"\x01\x01\x01\x01"
    va, coherent = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    assert int(coherent) == int(kernel.cpu.translate(va)[0]) - offset


def test_ranges_of_memory_that_a_device_sees(golden):
    golden(has_iommu=False)
    dev = Device("window", 5)
    page = alloc_pages(GFP_KERNEL, 1)
    phys = page_to_phys(page)
    assert dma_direct_set_offset(dev, phys, int(phys), 4096) == 0 and not dev.dma_range_map
    assert dma_direct_set_offset(dev, phys, 0x1000, 4096) == 0
    assert dma_direct_set_offset(dev, phys, 0x1000, 4096) == -EINVAL
    assert dma_map_page(dev, page, 16, 64, TO) == 0x1010
    assert dma_map_page(dev, page, 4096, 64, TO) == DMA_MAPPING_ERROR
    assert dma_addressing_limited(dev)
    dma_sync_single_for_cpu(dev, DmaAddr(0x9000), 4, TO)          # leads nowhere: nothing happens
    dma_unmap_page(dev, DmaAddr(0x1010), 64, TO)


def test_a_pool_needs_its_memory(golden):
    with pytest.raises(MemoryError, match="contiguous bytes below 4 GiB"):
        golden(has_iommu=False, swiotlb="normal", swiotlb_bytes=64 << 20)
    with pytest.raises(MemoryError, match="contiguous bytes below 4 GiB"):
        golden(has_iommu=False, swiotlb="normal", swiotlb_bytes=4 << 20, memory_size=2 << 20)


def pieces(*sizes):
    """A list of buffers, apart from each other."""
    sgl = [Scatterlist() for _ in sizes]
    sg_init_table(sgl, len(sgl))
    for sg, size in zip(sgl, sizes, strict=True):
        sg_set_buf(sg, kmalloc(size, GFP_KERNEL), size)
    return sgl


@pytest.mark.parametrize("translated", [False, True])
def test_r108_a_list_that_is_bounced_in_part_leaves_nothing(golden, translated):
    kernel = golden(has_iommu=translated, swiotlb="normal" if translated else "force",
                    swiotlb_bytes=256 << 10)
    dev = Device("stranger", 0x44, untrusted=translated)
    device_register(dev)
    full = dma_map_single(dev, page_address(alloc_pages(GFP_KERNEL, 6)), (200 << 10) - 100, TO)
    used = kernel.swiotlb.used_slots
    sgl = pieces(100, (60 << 10) - 100, 100)
    assert dma_map_sg(dev, sgl, 3, TO) == 0 and kernel.swiotlb.used_slots == used
    assert all(sg_dma_address(sg) == DMA_MAPPING_ERROR and sg_dma_len(sg) == 0
               and not sg_dma_is_swiotlb(sg) for sg in sgl)
    dma_unmap_single(dev, full, (200 << 10) - 100, TO)
    assert dma_map_sg(dev, sgl, 3, TO) == 3
    dma_unmap_sg(dev, sgl, 3, TO)
    assert kernel.swiotlb.used_slots == 0


def test_r70_queued_invalidations_end_before_the_copy(bouncing, monkeypatch):
    """In a list, operations are only queued: the copy of each entry waits for its own."""
    kernel = bouncing()
    dev, sgl, order = kernel.cdma.dev, pieces(4096, 4096), []
    assert dma_map_sg(dev, sgl, 2, FROM) == 2

    def spy(owner, name):
        call = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: (order.append(name), call(*args)))

    spy(kernel.cache, "inv")
    spy(kernel.cache, "fence")
    spy(kernel.swiotlb, "sync_for_cpu")
    dma_sync_sg_for_cpu(dev, sgl, 2, FROM)
    assert order == ["inv", "fence", "sync_for_cpu"] * 2 + ["fence"]


def test_r128_an_untrusted_device_is_strict_though_others_are_not(golden):
    kernel = golden(strict=False, swiotlb="normal", swiotlb_bytes=256 << 10)
    dev = Device("stranger", 0x44, untrusted=True)
    device_register(dev)
    port, buf = kernel.machine.port(0x44), original(4096)
    handle = dma_map_single(dev, buf, 4096, TO)
    port.read(int(handle), 8)
    dma_unmap_single(dev, handle, 4096, TO)
    with pytest.raises(BusError):
        port.read(int(handle), 8)
    assert len(dev.iommu_domain.flush_queue) == 0


def test_r81_no_mapping_keeps_more_bits_than_a_page_has(golden):
    golden()
    dev = Device("strict", 0x44)
    device_register(dev)
    dma_set_min_align_mask(dev, 0x1FFF)
    assert dma_map_single(dev, original(), 64, TO) == DMA_MAPPING_ERROR
    dma_set_min_align_mask(dev, 0xFFF)
    buf = original(offset=0x40)
    assert int(dma_map_single(dev, buf, 64, TO)) & 0xFFF == int(buf) & 0xFFF
