"""Lists with memory of other devices."""

import pytest

from kernel_api import *

TO = DMA_TO_DEVICE


def filled(size=256, fill=1):
    buf = kmalloc(size, GFP_KERNEL)
    cpu.store(buf, bytes([fill]) * size)
    return buf


@pytest.mark.parametrize("has_iommu", [True, False])
def test_r112_memory_of_a_device_that_is_not_on_the_bus(golden, has_iommu):
    golden(has_iommu=has_iommu)
    owner, dev = Device("sram", 8), Device("card", 9, is_pci=True)
    device_register(dev)
    table = SgTable()
    sg_alloc_table(table, 1, GFP_KERNEL)
    sg_set_page(table.sgl[0], P2pMemory(owner, PhysAddr(0x9000_0000), 0, 4096).page(0), 100, 8)
    assert dma_map_sgtable(dev, table, TO, 0) == -EREMOTEIO
    assert not sg_dma_is_bus_address(table.sgl[0]) and sg_dma_len(table.sgl[0]) == 0


@pytest.mark.parametrize("has_iommu", [True, False])
@pytest.mark.parametrize("is_pci", [True, False])
def test_r112_memory_of_another_device(golden, has_iommu, is_pci):
    kernel = golden(has_iommu=has_iommu)
    owner, dev = Device("disk", 8, is_pci=True), Device("card", 9, is_pci=is_pci)
    device_register(dev)
    memory = P2pMemory(owner, PhysAddr(0x9000_0000), 0x4_0000_0000, 8192)
    table = SgTable()
    sg_alloc_table(table, 2, GFP_KERNEL)
    sg_set_buf(table.sgl[0], filled(4096), 4096)
    sg_set_page(table.sgl[1], memory.page(1), 100, 8)
    rc = dma_map_sgtable(dev, table, TO, 0)
    assert dma_pci_p2pdma_supported(dev) == is_pci
    if not is_pci:
        assert rc == -EREMOTEIO
        return
    assert rc == 0 and table.nents == 2 and sg_dma_is_bus_address(table.sgl[1])
    assert int(sg_dma_address(table.sgl[1])) == 0x4_0000_1008
    lines = kernel.stats.cache_lines
    dma_sync_sgtable_for_device(dev, table, TO)
    assert kernel.stats.cache_lines == lines + 64       # of its own memory alone
    dma_unmap_sgtable(dev, table, TO, 0)
    assert not sg_dma_is_bus_address(table.sgl[1])
    sg_dma_mark_bus_address(table.sgl[1])
    sg_dma_unmark_bus_address(table.sgl[1])
    assert not sg_dma_is_bus_address(table.sgl[1])
