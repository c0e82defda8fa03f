"""Memory declared for one device."""

import pytest

from kernel_api import *

PAGES = 8


@pytest.fixture
def old(golden):
    """A 2.6 kernel, a device without IOMMU, and pages for it."""
    kernel = golden(has_iommu=False, profile="2.6")
    dev = Device("sram", 1)
    phys = page_to_phys(alloc_pages(GFP_KERNEL, 3))
    return kernel, dev, phys


def declare(dev, phys, flags=DMA_MEMORY_MAP, size=PAGES * PAGE_SIZE):
    return dma_declare_coherent_memory(dev, int(phys), 0x100000, size, flags)


@pytest.mark.parametrize("flags, size, result", [
    (DMA_MEMORY_MAP, 4096, DMA_MEMORY_MAP), (DMA_MEMORY_IO, 4096, DMA_MEMORY_IO),
    (DMA_MEMORY_MAP | DMA_MEMORY_IO, 4096, DMA_MEMORY_MAP),
    (DMA_MEMORY_MAP, 100, 0), (DMA_MEMORY_MAP, 0, 0), (DMA_MEMORY_EXCLUSIVE, 4096, 0)])
def test_r118_parameters(old, flags, size, result):
    _, dev, phys = old
    assert declare(dev, phys, flags, size) == result
    if result:
        assert declare(dev, phys, flags, size) == 0


def test_r118_modern(golden):
    golden(has_iommu=False)
    dev, phys = Device("sram", 1), PhysAddr(0x8010_0000)
    assert dma_declare_coherent_memory(dev, phys, 0, 0) == -EINVAL
    assert dma_declare_coherent_memory(dev, phys, 0, 4096) == 0
    assert dma_declare_coherent_memory(dev, phys, 0, 4096) == -EBUSY
    with pytest.raises(TypeError, match="Flags of declared memory must be given in profile"):
        dma_declare_coherent_memory(dev, phys, 0, 4096, DMA_MEMORY_MAP)
    with pytest.raises(KernelBug, match="was removed"):
        dma_mark_declared_memory_occupied(dev, 0, 4096)


def test_r118_flags_are_needed_in_2_6(old):
    with pytest.raises(TypeError, match="Flags of declared memory must be given in profile"):
        dma_declare_coherent_memory(old[1], 0, 0, 4096)


def test_r119_blocks_and_offsets(old):
    kernel, dev, phys = old
    declare(dev, phys)
    one, two = (dma_alloc_coherent(dev, size, GFP_KERNEL) for size in (1, 8192))
    assert [int(dma) for _, dma in (one, two)] == [0x100000, 0x102000]
    assert kernel.cpu.translate(two[0])[0] == phys + 0x2000
    dma_free_coherent(dev, 1, *one)
    assert dma_alloc_coherent(dev, 4096, GFP_KERNEL) == one
    assert cpu.load(one[0], 4096) == bytes(4096)


def test_r120_exhausted(old):
    _, dev, phys = old
    declare(dev, phys)
    dma_alloc_coherent(dev, PAGES * PAGE_SIZE, GFP_KERNEL)
    va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    assert 0x8000_0000 <= int(dma) < 0x1_0000_0000 and dev.kernel.cpu.behind(va) == int(dma)
    dma_release_declared_memory(dev)
    declare(dev, phys, DMA_MEMORY_MAP | DMA_MEMORY_EXCLUSIVE)
    dma_alloc_coherent(dev, PAGES * PAGE_SIZE, GFP_KERNEL)
    assert dma_alloc_coherent(dev, 4096, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)


def test_r120_modern_is_exclusive(golden):
    golden(has_iommu=False)
    dev = Device("sram", 1)
    dma_declare_coherent_memory(dev, PhysAddr(0x8010_0000), 0x5000, 4096)
    assert int(dma_alloc_coherent(dev, 4096, GFP_KERNEL)[1]) == 0x5000
    assert dma_alloc_coherent(dev, 4096, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)


def test_r121_children(old):
    _, dev, phys = old
    child = Device("port", 2, parent=dev)
    declare(dev, phys)
    assert int(dma_alloc_coherent(child, 4096, GFP_KERNEL)[1]) != 0x100000
    dma_release_declared_memory(dev)
    declare(dev, phys, DMA_MEMORY_MAP | DMA_MEMORY_INCLUDES_CHILDREN)
    grandchild = Device("lane", 3, parent=child)
    assert int(dma_alloc_coherent(grandchild, 4096, GFP_KERNEL)[1]) == 0x100000


def test_r122_io_memory_is_no_pointer(old):
    kernel, dev, phys = old
    declare(dev, phys, DMA_MEMORY_IO)
    va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    with pytest.raises(KernelBug, match="used as a pointer"):
        cpu.load(va, 4)
    memcpy_toio(va, b"12345678")
    memset_io(va + 8, 7, 2)
    assert memcpy_fromio(va, 10) == b"12345678\x07\x07"
    writel(0x0102_0304, va)
    writeb(9, va + 4)
    writeq(5, va + 16)
    assert (readl(va), readb(va + 4), readq(va + 16)) == (0x0102_0304, 9, 5)
    assert kernel.machine.peek(int(phys), 4) == bytes([4, 3, 2, 1])
    dma_free_coherent(dev, 4096, va, dma)
    with pytest.raises(KernelBug, match="accessor of device memory used for"):
        readl(kmalloc(64, GFP_KERNEL))


def test_r123_release_is_unconditional(golden):
    kernel = golden(has_iommu=False, profile="2.6", check="warn")
    dev, phys = Device("sram", 1), page_to_phys(alloc_pages(GFP_KERNEL, 3))
    declare(dev, phys)
    dma_alloc_coherent(dev, 4096, GFP_KERNEL)
    dma_release_declared_memory(dev)
    assert kernel.log.matching("released while buffers are in use")
    assert dev.dma_mem is None


def test_r124_occupied(old):
    kernel, dev, phys = old
    assert dma_mark_declared_memory_occupied(dev, 0x100000, 1) == -EINVAL
    declare(dev, phys)
    va = dma_mark_declared_memory_occupied(dev, 0x100000 + 0x1010, 4096)
    assert kernel.cpu.translate(va)[0] == phys + 0x1010         # two pages: offset and rounding
    assert dma_mark_declared_memory_occupied(dev, 0x102000, 1) == -EBUSY
    assert dma_mark_declared_memory_occupied(dev, 0x108000, 1) == -EBUSY
    assert int(dma_alloc_coherent(dev, 4096, GFP_KERNEL)[1]) == 0x100000
    assert int(dma_alloc_coherent(dev, 4096, GFP_KERNEL)[1]) == 0x103000
