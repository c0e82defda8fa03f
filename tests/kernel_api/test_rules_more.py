"""Rules that need more than one part of the API."""

import pytest

from kernel_api import *
from kernel_api.device.devres import devm_add, devm_forget
from kernel_api.iommu.flush_queue import ENTRIES
from kernel_api.memory.atomic_pool import atomic_pool_bytes
from rtl.spec.platform import Platform
from sim.golden.machine import GoldenMachine
from sim.store_buffer import StoreBuffer

TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL


def filled(size=256, fill=1):
    buf = kmalloc(size, GFP_KERNEL)
    cpu.store(buf, bytes([fill]) * size)
    return buf


def test_r02_what_can_be_mapped(golden):
    kernel = golden()
    dev = kernel.cdma.dev
    for va in (kmalloc(100, GFP_KERNEL), kzalloc(9000, GFP_KERNEL), get_zeroed_page(GFP_KERNEL),
               page_address(alloc_pages(GFP_KERNEL, 2))):
        dma = dma_map_single(dev, va, 64, BIDI)
        assert not dma_mapping_error(dev, dma)
        dma_unmap_single(dev, dma, 64, BIDI)


@pytest.mark.parametrize("has_iommu", [True, False])
def test_r17_24_bits(golden, has_iommu):
    """Addresses stay below 16 MiB, or the call fails; GFP_DMA memory is within reach."""
    golden(has_iommu=has_iommu, memory_base=8 << 20, memory_size=8 << 20)
    dev = Device("isa", 5)
    device_register(dev)
    assert dma_set_mask_and_coherent(dev, DMA_BIT_MASK(24)) == 0
    _, coherent = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    dma = dma_map_single(dev, kmalloc(4096, GFP_KERNEL | GFP_DMA), 4096, TO)
    assert int(coherent) + 4096 <= 1 << 24 and int(dma) + 4096 <= 1 << 24


def test_r24_r25_stores_wait_until_a_barrier_or_a_register_is_read():
    machine = StoreBuffer(GoldenMachine(Platform()))
    with boot(machine) as kernel:
        va, dma = dma_alloc_coherent(kernel.cdma.dev, 4096, GFP_KERNEL)
        port = machine.port(kernel.cdma.dev.device_id)
        wmb()
        for flush in (wmb, lambda: kernel.cdma.regs.sr.read("idle"),
                      lambda: machine.readq(0x1004_0000)):
            cpu.store(va, b"1111")
            cpu.store(va + 8, b"2222")
            assert cpu.load(va, 12) == b"1111" + cpu.load(va + 4, 4) + b"2222"
            assert port.read(int(dma), 4) == bytes(4)
            flush()
            assert port.read(int(dma), 4) == b"1111"
            cpu.store(va, bytes(16))
            wmb()
        cpu.store(va, b"1111")
        cpu.store(va + 8, b"2222")
        machine._one()                                  # the newer one may arrive first
        assert (port.read(int(dma), 4), port.read(int(dma) + 8, 4)) == (bytes(4), b"2222")
        cpu.store(va, b"3333")                          # an overlap lets all go on
        assert port.read(int(dma), 4) == b"1111"
        for index in range(20):
            cpu.store(va + 64 + index, b"x")
        assert port.read(int(dma) + 64, 20).count(b"x") == 13


@pytest.mark.parametrize("coherent", [True, False])
def test_r27_scattered_coherent_memory(golden, coherent):
    kernel = golden(scattered_coherent=True, coherent=coherent)
    dev = kernel.cdma.dev
    free = kernel.pages.free_pages
    va, dma = dma_alloc_coherent(dev, 3 * PAGE_SIZE, GFP_KERNEL)
    frames = [int(kernel.cpu.behind(va + at)) >> PAGE_SHIFT for at in (0, 4096, 8192)]
    assert frames[1] - frames[0] != 1 and dma % 4 == 0
    assert dma % (4 * PAGE_SIZE) == 0                   # only the handle is aligned to the order
    cpu.store(va + 4090, b"across pages")
    wmb()
    assert kernel.machine.port(dev.device_id).read(int(dma) + 4090, 6) == b"across"
    dma_free_coherent(dev, 3 * PAGE_SIZE, va, dma)
    assert free - kernel.pages.free_pages <= 1          # a page table may stay
    va, _ = dma_alloc_attrs(dev, 2 * PAGE_SIZE, GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS)
    assert kernel.cpu.behind(va + 4096) - kernel.cpu.behind(va) == 4096
    dev.bus_dma_limit = 0xFFF
    assert dma_alloc_coherent(dev, 4096, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)


def test_r34_atomic_requests_come_from_the_pool(golden):
    assert [atomic_pool_bytes(size) for size in (4 << 20, 4 << 30, 1 << 40)] == [
        128 << 10, 512 << 10, 4 << 20]
    kernel = golden()
    dev, pool = kernel.cdma.dev, kernel.atomic_pool
    assert pool.free_bytes == pool.size == 128 << 10
    with atomic_context():
        taken = [dma_alloc_coherent(dev, 64 << 10, GFP_ATOMIC) for _ in range(3)]
        assert taken[2] == (None, DMA_MAPPING_ERROR)
        assert kernel.log.matching("Failed to get suitable pool for cdma")
    kernel.background()                                 # refilled in process context
    assert pool.free_bytes == 128 << 10
    for va, dma in taken[:2]:
        dma_free_coherent(dev, 64 << 10, va, dma)
    assert pool.free_bytes == 256 << 10


@pytest.mark.parametrize("gib, kib", [(1, 128), (4, 512), (64, 4096)])
def test_r34_the_pool_grows_with_memory(make, gib, kib):
    assert make(memory_size=gib << 30).atomic_pool.size == kib << 10


def test_r36_contiguous_area(golden):
    kernel = golden(cma_bytes=256 << 10)
    dev, area = kernel.cdma.dev, kernel.contiguous
    one = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    assert area.free_bytes == 256 << 10                 # not for a single page
    two = dma_alloc_coherent(dev, 8192, GFP_KERNEL)
    assert area.free_bytes == 248 << 10
    dma_free_coherent(dev, 8192, *two)
    dma_free_coherent(dev, 4096, *one)
    assert area.free_bytes == 256 << 10


def test_r37_coherent_memory_is_bidirectional(golden):
    kernel = golden()
    va, dma = dma_alloc_coherent(kernel.cdma.dev, 64, GFP_KERNEL)
    port = kernel.machine.port(kernel.cdma.dev.device_id)
    cpu.store(va, b"there")
    wmb()
    assert port.read(int(dma), 5) == b"there"
    port.write(int(dma), b"back!")
    assert cpu.load(va, 5) == b"back!"


def test_r38_mmap(golden):
    kernel = golden()
    dev = kernel.cdma.dev
    va, dma = dma_alloc_coherent(dev, 3 * PAGE_SIZE, GFP_KERNEL)
    vma = VmArea(2, 1)
    assert dma_can_mmap(dev) and dma_mmap_coherent(dev, vma, va, dma, 3 * PAGE_SIZE) == 0
    assert vma.frames[0] * PAGE_SIZE == int(kernel.cpu.behind(va + 4096))
    for area in (VmArea(3, 1), VmArea(1, 3), VmArea(4)):
        assert dma_mmap_coherent(dev, area, va, dma, 3 * PAGE_SIZE) == -ENXIO
    rc, table = dma_get_sgtable(dev, va, dma, 3 * PAGE_SIZE)
    assert rc == 0 and [sg.length for sg in table.sgl] == [3 * PAGE_SIZE]


def test_r39_managed_buffers(golden):
    kernel = golden()
    dev = Device("managed", 7)
    device_register(dev)
    one, two = (dmam_alloc_coherent(dev, 4096, GFP_KERNEL) for _ in range(2))
    dmam_free_coherent(dev, 4096, *one)
    frees = kernel.stats.coherent_frees
    dmam_free_coherent(dev, 8192, *two)
    assert kernel.log.matching("not a managed buffer") and kernel.stats.coherent_frees == frees
    device_unregister(dev)
    assert kernel.stats.coherent_frees >= frees + 1 and not dev.devres


def test_r53_a_list_of_maps_is_unwound(bouncing):
    kernel = bouncing(swiotlb_bytes=256 << 10)
    dev, buf = kernel.cdma.dev, filled(4096)
    sgl = [Scatterlist() for _ in range(70)]
    sg_init_table(sgl, 70)
    for sg in sgl:
        sg_set_buf(sg, buf, 4096)
    assert dma_map_sg(dev, sgl, 70, TO) == 0            # 64 fit; all are given back
    assert kernel.swiotlb.used_slots == 0 and not any(sg.dma_length for sg in sgl)


@pytest.mark.parametrize("options", [
    {}, {"has_iommu": False}, {"has_iommu": False, "coherent": True}, {"strict": False},
    {"has_iommu": False, "swiotlb": "force", "swiotlb_bytes": 1 << 20}])
def test_r55_r60_a_portable_program(golden, options):
    """All directions of copying buffers, also with bidirectional maps, on every kind of machine."""
    kernel = golden(check="raise", **options)
    dev = kernel.cdma.dev
    for source, target in ((TO, FROM), (BIDI, BIDI)):
        src, dst = filled(fill=7), filled(fill=0)
        a, b = dma_map_single(dev, src, 256, source), dma_map_single(dev, dst, 256, target)
        assert not dma_mapping_error(dev, a) and not dma_mapping_error(dev, b)
        assert kernel.cdma.copy([(a, b, 256)]) == 0
        dma_unmap_single(dev, a, 256, source)
        dma_unmap_single(dev, b, 256, target)
        assert cpu.load(dst, 256) == bytes([7]) * 256


def test_r93_lines_that_come_back_during_dma(golden):
    kernel = golden()
    dev, buf = kernel.cdma.dev, filled()
    dma = dma_map_single(dev, buf, 256, FROM)
    kernel.cache.inv(virt_to_phys(buf), 256)            # dropped, but ...
    cpu.load(buf, 256)                                  # ... a prefetch brings them back
    kernel.machine.port(dev.device_id).write(int(dma), bytes([9]) * 256)
    assert cpu.load(buf, 256) == bytes([1]) * 256
    dma_sync_single_for_cpu(dev, dma, 256, FROM)
    assert cpu.load(buf, 256) == bytes([9]) * 256


def test_r115_data_before_the_mailbox(golden):
    """This engine never reorders, so it keeps what WRITE_BARRIER and unset WEAK_ORDERING ask."""
    kernel = golden()
    dev, src, dst = kernel.cdma.dev, filled(), filled(fill=0)
    box, box_dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)
    a = dma_map_single(dev, src, 256, TO)
    b = dma_map_single_attrs(dev, dst, 256, FROM, 1 << DmaAttr.WRITE_BARRIER)
    job = kernel.cdma.submit([(a, b, 256), (a, box_dma, 1)])
    while cpu.load(box, 1) == b"\x00":
        pass
    dma_sync_single_for_cpu(dev, b, 256, FROM)
    assert cpu.load(dst, 256) == bytes([1]) * 256
    kernel.cdma.wait(job)


def test_r116_a_cookie_is_no_pointer(golden):
    kernel = golden()
    dev = kernel.cdma.dev
    va, dma = dma_alloc_attrs(dev, 4096, GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING)
    with pytest.raises(KernelBug, match="cookie of a buffer without mapping used as a pointer"):
        cpu.load(va, 4)
    assert dma_mmap_attrs(dev, vma := VmArea(1), va, dma, 4096, DMA_ATTR_NO_KERNEL_MAPPING) == 0
    assert vma.frames
    dma_free_attrs(dev, 4096, va, dma, DMA_ATTR_NO_KERNEL_MAPPING)
    assert not kernel.cpu.cookies


def test_r129_deferred(golden):
    kernel = golden(strict=False)
    dev, buf = kernel.cdma.dev, filled()
    port, queue = kernel.machine.port(dev.device_id), dev.iommu_domain.flush_queue
    dma = dma_map_single(dev, buf, 256, TO)
    port.read(int(dma), 8)                              # the translation is cached
    fresh = dma_map_single(dev, buf, 256, TO)           # this one is not
    for handle in (dma, fresh):
        dma_unmap_single(dev, handle, 256, TO)
    assert len(queue) == 2
    assert port.read(int(dma), 8) == bytes([1]) * 8     # the table is empty, the cache is not
    with pytest.raises(BusError):
        port.read(int(fresh), 8)
    other = dma_map_single(dev, buf, 256, TO)
    assert other not in (dma, fresh)                    # addresses are held back
    kernel.machine.wait(kernel.options.flush_cycles + 1)
    kernel.background()
    assert len(queue) == 0
    with pytest.raises(BusError):
        port.read(int(dma), 8)
    assert dma_map_single(dev, buf, 256, TO) in (dma, fresh)


def test_r129_a_full_queue_is_flushed(golden):
    kernel = golden(strict=False)
    dev, buf = kernel.cdma.dev, filled()
    assert ENTRIES == 256
    for _ in range(ENTRIES):
        dma_unmap_single(dev, dma_map_single(dev, buf, 256, TO), 256, TO)
    assert kernel.stats.queue_flushes == 1 and len(dev.iommu_domain.flush_queue) == 0
    dev.iommu_domain.flush_queue.flush()
    assert kernel.stats.queue_flushes == 1


def test_r131_devices_with_and_without_iommu(golden):
    kernel = golden()
    translated, direct = kernel.cdma.dev, Device("direct", 0x70)
    buf = filled()
    for dev in (translated, direct):
        dma = dma_map_single(dev, buf, 256, BIDI)
        assert (int(dma) == int(virt_to_phys(buf))) == (dev is direct)
        dma_sync_single_for_cpu(dev, dma, 256, BIDI)
        dma_unmap_single(dev, dma, 256, BIDI)
        assert cpu.load(buf, 256) == bytes([1]) * 256


def test_r39_what_goes_with_a_device_goes_away_newest_first(golden):
    golden()
    dev, gone = Device("managed", 0x71), []
    device_register(dev)
    for name in ("first", "second", "third"):
        devm_add(dev, name, lambda name=name: gone.append(name))
    assert devm_forget(dev, "second") and not devm_forget(dev, "second")
    device_unregister(dev)
    assert gone == ["third", "first"] and not dev.devres
