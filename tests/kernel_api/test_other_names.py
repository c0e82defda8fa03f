"""Functions that are another's with another name, or with one argument more: same effects."""

import pytest

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL


def memory(kernel, dev, handle, size):
    """What a device sees."""
    return kernel.machine.bus_read(int(dev.dma_ops.to_phys(dev, handle)), size)


def write(kernel, dev, handle, data):
    """Let a device write."""
    kernel.machine.bus_write(int(dev.dma_ops.to_phys(dev, handle)), data)


@pytest.mark.parametrize("barrier", [mb, rmb, wmb, dma_mb, dma_rmb, dma_wmb])
def test_r24_all_barriers_drain_stores(barrier):
    class Counting(FakeMachine):
        barriers = 0

        def barrier(self):
            self.barriers += 1
            super().barrier()

    machine = Counting()
    with boot(machine):
        before = machine.barriers
        barrier()
        assert machine.barriers == before + 1


def test_r130_macros_make_fields(kernel):
    @DEFINE_DMA_UNMAP_ADDR("mapping")
    @DEFINE_DMA_UNMAP_LEN("len")
    class Entry:
        pass

    one, two = Entry(), Entry()
    dma_unmap_addr_set(one, "mapping", DmaAddr(0x1000))
    dma_unmap_len_set(one, "len", 60)
    assert (dma_unmap_addr(one, "mapping"), dma_unmap_len(one, "len")) == (0x1000, 60)
    assert (dma_unmap_addr(two, "mapping"), dma_unmap_len(two, "len")) == (0, 0)
    with pytest.raises(KeyError):
        dma_unmap_len(one, "other")


@pytest.mark.parametrize("alloc, free, mmap", [
    (dma_alloc_wc, dma_free_wc, dma_mmap_wc),
    (dma_alloc_writecombine, dma_free_writecombine, dma_mmap_writecombine)])
def test_write_combining_buffers(make, alloc, free, mmap):
    kernel = make(check="collect")
    dev = kernel.cdma.dev
    va, handle = alloc(dev, 8192, GFP_KERNEL)
    assert kernel.debug.entries[-1].attrs == DMA_ATTR_WRITE_COMBINE
    cpu.store(va + 4096, b"descriptor")
    wmb()
    assert memory(kernel, dev, handle + 4096, 10) == b"descriptor"
    vma = VmArea(1, 1)
    assert mmap(dev, vma, va, handle, 8192) == 0
    assert vma.frames == [int(dev.dma_ops.to_phys(dev, handle + 4096)) >> PAGE_SHIFT]
    assert mmap(dev, VmArea(2, 1), va, handle, 8192) == -ENXIO
    live, pages = len(kernel.debug.entries), kernel.pages.free_pages
    free(dev, 8192, va, handle)
    assert len(kernel.debug.entries) == live - 1 and kernel.pages.free_pages == pages + 2
    assert kernel.reports == []
    assert dma_alloc_wc(dev, 1 << 40, GFP_KERNEL | __GFP_NOWARN) == (None, DMA_MAPPING_ERROR)
    assert dma_mmap_wc is dma_mmap_coherent and dma_mmap_writecombine is dma_mmap_wc
    assert (dma_free_writecombine, dma_alloc_writecombine) == (dma_free_wc, dma_alloc_wc)


def test_a_table_of_a_coherent_buffer(kernel):
    dev = kernel.cdma.dev
    va, handle = dma_alloc_attrs(dev, 3 * 4096, GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING)
    rc, table = dma_get_sgtable_attrs(dev, va, handle, 3 * 4096, DMA_ATTR_NO_KERNEL_MAPPING)
    assert rc == 0 and sg_phys(table.sgl[0]) == dev.dma_ops.to_phys(dev, handle)
    assert [sg.length for sg in table.sgl] == [3 * 4096]


def test_r39_managed_buffers_with_attributes(make):
    kernel = make(check="collect")
    dev = Device("managed", 33)
    device_register(dev)
    before = kernel.pages.free_pages
    _, handle = dmam_alloc_attrs(dev, 4096, GFP_KERNEL, DMA_ATTR_WRITE_COMBINE)
    assert handle != DMA_MAPPING_ERROR and kernel.pages.free_pages < before
    assert kernel.debug.entries[-1].attrs == DMA_ATTR_WRITE_COMBINE
    live = len(kernel.debug.entries)
    device_unregister(dev)
    assert len(kernel.debug.entries) == live - 1 and not kernel.reports
    assert dmam_alloc_attrs(Device("none", 34), 1 << 40, GFP_KERNEL | __GFP_NOWARN, 0)[0] is None


def test_pages_by_their_old_names(kernel):
    dev, page = kernel.cdma.dev, alloc_page(GFP_KERNEL)
    va = page_address(page)
    cpu.store(va + 64, b"out")
    handle = pci_map_page(dev, page, 64, 64, TO)
    assert memory(kernel, dev, handle, 3) == b"out"
    pci_unmap_page(dev, handle, 64, TO)
    handle = dma_map_page_attrs(dev, page, 64, 64, FROM, 0)
    write(kernel, dev, handle, b"new")
    dma_unmap_page_attrs(dev, handle, 64, FROM, 0)
    assert cpu.load(va + 64, 3) == b"new" and dev.dma_ops.to_phys(dev, handle) is None
    handle = dma_map_page_attrs(dev, page, 64, 64, FROM, 0)
    write(kernel, dev, handle, b"xyz")
    dma_unmap_page_attrs(dev, handle, 64, FROM, DMA_ATTR_SKIP_CPU_SYNC)
    assert cpu.load(va + 64, 3) == b"new"                   # nothing was invalidated


def make_list():
    sgl = [Scatterlist() for _ in range(2)]
    sg_init_table(sgl, 2)
    for sg in sgl:
        sg_set_buf(sg, kmalloc(4096, GFP_KERNEL), 4096)
    return sgl


def test_lists_by_their_old_names(kernel):
    dev, sgl = kernel.cdma.dev, make_list()
    cpu.store(sg_virt(sgl[1]), b"out")
    assert pci_map_sg(dev, sgl, 2, BIDI) == 1
    start = sg_dma_address(sgl[0]) + 4096
    assert memory(kernel, dev, start, 3) == b"out"
    write(kernel, dev, start, b"new")
    pci_dma_sync_sg_for_cpu(dev, sgl, 2, BIDI)
    assert cpu.load(sg_virt(sgl[1]), 3) == b"new"
    cpu.store(sg_virt(sgl[1]), b"two")
    pci_dma_sync_sg_for_device(dev, sgl, 2, BIDI)
    assert memory(kernel, dev, start, 3) == b"two"
    write(kernel, dev, start, b"end")
    pci_unmap_sg(dev, sgl, 2, BIDI)
    assert cpu.load(sg_virt(sgl[1]), 3) == b"end" and dev.dma_ops.to_phys(dev, start) is None


def test_r99_syncs_by_their_old_names():
    with boot(FakeMachine(), profile="2.6") as kernel:
        dev, sgl = kernel.cdma.dev, make_list()
        dma_map_sg(dev, sgl, 2, TO)
        cpu.store(sg_virt(sgl[1]), b"two")
        before = kernel.stats.syncs
        pci_dma_sync_sg(dev, sgl, 2, TO)
        assert kernel.stats.syncs == before + 1             # for the device, and not for the CPU
        assert memory(kernel, dev, sg_dma_address(sgl[0]) + 4096, 3) == b"two"
        va = kmalloc(64, GFP_KERNEL)
        handle = dma_map_single(dev, va, 64, FROM)
        cpu.load(va, 3)
        write(kernel, dev, handle, b"new")
        pci_dma_sync_single(dev, handle, 64, FROM)
        assert cpu.load(va, 3) == b"new"


def test_r123_the_modern_release(make):
    kernel = make(has_iommu=False)
    dev = Device("sram", 35)
    phys = page_to_phys(alloc_pages(GFP_KERNEL, 1))
    assert dma_declare_coherent_memory(dev, phys, 0x7000, 8192) == 0
    assert dma_alloc_coherent(dev, 8192, GFP_KERNEL)[1] == 0x7000
    assert dma_alloc_coherent(dev, 4096, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)
    dma_release_coherent_memory(dev)
    va, handle = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    assert kernel.cpu.behind(va) != phys and handle == DmaAddr(int(kernel.cpu.behind(va)))
    assert dma_declare_coherent_memory(dev, phys, 0x7000, 8192) == 0


def test_r126_addresses_are_given_back(kernel):
    dev, state = kernel.cdma.dev, DmaIovaState()
    assert dma_iova_try_alloc(dev, state, PhysAddr(100), 5000)
    first, free = state.addr, len(dev.iommu_domain.iovas)
    dma_iova_free(dev, state)
    assert not dma_use_iova(state) and dma_iova_size(state) == 0
    assert dma_iova_try_alloc(dev, state, PhysAddr(100), 5000) and state.addr == first
    assert len(dev.iommu_domain.iovas) == free
