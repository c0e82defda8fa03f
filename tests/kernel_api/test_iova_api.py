"""Mapping in two steps: addresses first, then memory, piece by piece."""

import pytest

from kernel_api import *

TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL


def filled(size=256, fill=1):
    buf = kmalloc(size, GFP_KERNEL)
    cpu.store(buf, bytes([fill]) * size)
    return buf


def test_r125_r126_mapping_in_two_steps(golden):
    kernel = golden()
    dev, state = kernel.cdma.dev, DmaIovaState()
    port = kernel.machine.port(dev.device_id)
    one, two = (page_address(alloc_pages(GFP_KERNEL, 0)) for _ in range(2))
    cpu.store(one, bytes([1]) * 4096)
    cpu.store(two, bytes([2]) * 4096)
    head = virt_to_phys(one) + 0x800
    assert dma_iova_try_alloc(dev, state, head, 0x800 + 4096) and dma_use_iova(state)
    assert dma_iova_size(state) == 0x1800 and state.addr % PAGE_SIZE == 0x800
    assert dma_iova_link(dev, state, head, 0, 0x800, TO, 0) == 0
    assert dma_iova_link(dev, state, virt_to_phys(two) + 8, 0x800, 16, TO, 0) == -EIO
    assert dma_iova_link(dev, state, virt_to_phys(two), 0x800, 4096, TO, 0) == 0
    assert dma_iova_sync(dev, state, 0, 0x1800) == 0
    assert port.read(int(state.addr) + 0x7F8, 8) == bytes([1]) * 8
    assert port.read(int(state.addr) + 0x800, 8) == bytes([2]) * 8
    addr, others = state.addr, dev.iommu_domain.iovas
    taken = len(others)
    dma_iova_unlink(dev, state, 0x800, 4096, TO, 0)
    with pytest.raises(BusError):
        port.read(int(addr) + 0x800, 8)
    assert len(others) == taken
    dma_iova_destroy(dev, state, 0x800, TO, 0)
    assert not dma_use_iova(state)
    with pytest.raises(BusError):
        port.read(int(addr), 8)
    stranger = Device("stranger", 0x55, untrusted=True)
    device_register(stranger)
    assert dma_iova_try_alloc(stranger, state, head, 64)
    assert dma_iova_link(stranger, state, head, 0, 64, TO, 0) == -EPERM
    dma_iova_destroy(stranger, state, 0, TO, 0)


def test_r125_only_the_first_piece_begins_within_a_page(golden):
    dev, state = golden().cdma.dev, DmaIovaState()
    area = virt_to_phys(filled(8192))
    assert dma_iova_try_alloc(dev, state, area + 100, 8000)
    assert dma_iova_link(dev, state, area + 100, 0, 200, TO, 0) == 0
    assert dma_iova_link(dev, state, area + 300, 200, 100, TO, 0) == -EIO
    assert dma_iova_link(dev, state, area + 8, 4096 - 100, 100, TO, 0) == -EIO
    assert dma_iova_link(dev, state, area + 4096, 4096 - 100, 100, TO, 0) == 0
    dma_iova_destroy(dev, state, 200, TO, 0)


def test_r125_no_addresses(golden):
    golden(has_iommu=False)
    assert not dma_iova_try_alloc(Device("direct", 5), DmaIovaState(), PhysAddr(0), 4096)
    kernel = golden()
    state = DmaIovaState()
    assert not dma_iova_try_alloc(kernel.cdma.dev, state, PhysAddr(0), 0)
    kernel.cdma.dev.bus_dma_limit = 0xFFF
    assert not dma_iova_try_alloc(kernel.cdma.dev, state, PhysAddr(0), 4096)
