"""Cache maintenance of streaming mappings, rules R91 to R102, and what a missing call does."""

import pytest

from kernel_api import *
from rtl.spec.cache_regs import CacheMode

CLEAN, DROP = CacheMode.CLEAN_SHARED, CacheMode.MAKE_INVALIDATE
LINE = 64


@pytest.fixture(params=[False, True], ids=["direct", "iommu"])
def dev(make, request):
    return make(has_iommu=request.param).cdma.dev


class Buffer:
    """A mapped buffer, seen from the CPU, from the device, and from the cache."""

    def __init__(self, dev, size=256, offset=0, direction=DMA_BIDIRECTIONAL, attrs=0):
        self.dev, self.machine, self.size = dev, dev.kernel.machine, size
        self.va = kmalloc(size + offset, GFP_KERNEL) + offset
        cpu.store(self.va, bytes(size))
        self.machine.cache.operations.clear()
        self.dma = dma_map_single_attrs(dev, self.va, size, direction, attrs)

    def device_writes(self, data, at=0):
        phys = self.machine.iommu.translate(self.dev.device_id, int(self.dma) + at, True)
        self.machine.bus_write(phys, data)

    def device_reads(self, size, at=0):
        phys = self.machine.iommu.translate(self.dev.device_id, int(self.dma) + at, False)
        return self.machine.bus_read(phys, size)

    def operations(self):
        """What was done to the buffer's own lines since the last question."""
        phys = int(virt_to_phys(self.va))
        first, last = phys & -LINE, phys + self.size + LINE - 1 & -LINE
        found = [(mode, start - first, end - last)
                 for mode, start, end in self.machine.cache.operations
                 if start < phys + self.size and phys < end]
        self.machine.cache.operations.clear()
        return found


@pytest.mark.parametrize("direction,after", [
    (DMA_TO_DEVICE, []), (DMA_FROM_DEVICE, [(DROP, 0, 0)]), (DMA_BIDIRECTIONAL, [(DROP, 0, 0)])])
@pytest.mark.parametrize("offset,size", [(0, 256), (10, 100), (63, 2)])
def test_r91_r92_r94_operations_by_direction(dev, direction, after, offset, size):
    buffer = Buffer(dev, size, offset, direction)
    args = dev, buffer.dma, size, direction
    assert buffer.operations() == [(CLEAN, 0, 0)]
    dma_sync_single_for_cpu(*args)
    assert buffer.operations() == after
    dma_sync_single_for_device(*args)
    assert buffer.operations() == [(CLEAN, 0, 0)]
    dma_unmap_single(*args)
    assert buffer.operations() == after


def test_r95_no_operation_where_dma_sees_the_cache(make):
    kernel = make(coherent=True)
    dev = kernel.cdma.dev
    buffer = Buffer(dev)
    for sync in (dma_sync_single_for_cpu, dma_sync_single_for_device, dma_unmap_single):
        sync(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
    assert kernel.stats.cache_operations == 0 and not kernel.machine.cache.operations


def test_r95_a_coherent_device_on_another_platform(dev):
    other = Device("coherent", 0x33, dma_coherent=True)
    device_register(other)
    buffer = Buffer(other)
    dma_sync_single_for_cpu(other, buffer.dma, 256, DMA_BIDIRECTIONAL)
    dma_unmap_single(other, buffer.dma, 256, DMA_BIDIRECTIONAL)
    assert buffer.operations() == []


def test_r114_skip_leaves_it_to_the_caller(dev):
    buffer = Buffer(dev, attrs=DMA_ATTR_SKIP_CPU_SYNC)
    assert buffer.operations() == []
    dma_sync_single_for_device(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
    assert buffer.operations() == [(CLEAN, 0, 0)]
    dma_unmap_single_attrs(dev, buffer.dma, 256, DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC)
    assert buffer.operations() == []


def test_r101_a_part_of_the_mapping(dev):
    buffer = Buffer(dev, 8192)
    buffer.operations()
    dma_sync_single_range_for_cpu(dev, buffer.dma, 4160, 100, DMA_FROM_DEVICE)
    dma_sync_single_range_for_device(dev, buffer.dma, 100, 28, DMA_BIDIRECTIONAL)
    assert buffer.operations() == [(DROP, 4160, 4160 + 128 - 8192), (CLEAN, 64, 128 - 8192)]


def test_r101_sync_of_what_is_not_mapped_does_nothing(kernel):
    dev = kernel.cdma.dev
    before = kernel.stats.snapshot()
    dma_sync_single_for_cpu(dev, DmaAddr(0x5000), 64, DMA_FROM_DEVICE)
    dma_sync_single_for_device(dev, DmaAddr(0x5000), 64, DMA_TO_DEVICE)
    assert (kernel.stats - before).cache_operations == 0


# What the CPU and the device see. The fake cache evicts nothing by itself.


def test_r63_r92_the_cpu_sees_device_data_after_unmap(dev):
    buffer = Buffer(dev)
    assert cpu.load(buffer.va, 4) == bytes(4)           # the line is in the cache now
    buffer.device_writes(b"new!")
    dma_unmap_single(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
    assert cpu.load(buffer.va, 4) == b"new!"


def test_r64_ownership_goes_back_and_forth(dev):
    buffer = Buffer(dev)
    for turn in range(3):
        buffer.device_writes(bytes([turn]) * 4)
        dma_sync_single_for_cpu(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
        assert cpu.load(buffer.va, 4) == bytes([turn]) * 4
        cpu.store(buffer.va, bytes([turn + 100]) * 4)
        dma_sync_single_for_device(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
        assert buffer.device_reads(4) == bytes([turn + 100]) * 4


def test_r102_without_for_cpu_the_cpu_reads_what_it_had(dev):
    buffer = Buffer(dev)
    cpu.load(buffer.va, 4)
    buffer.device_writes(b"new!")
    assert cpu.load(buffer.va, 4) == bytes(4)
    dma_sync_single_for_cpu(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
    assert cpu.load(buffer.va, 4) == b"new!"


def test_r102_without_for_device_the_device_reads_old_memory(dev):
    buffer = Buffer(dev)
    cpu.store(buffer.va, b"late")
    assert buffer.device_reads(4) == bytes(4)
    dma_sync_single_for_device(dev, buffer.dma, 256, DMA_BIDIRECTIONAL)
    assert buffer.device_reads(4) == b"late"


def test_r96_a_dirty_neighbour_overwrites_device_data(dev):
    buffer = Buffer(dev, 32, direction=DMA_FROM_DEVICE)
    buffer.device_writes(b"D" * 32)
    cpu.store(buffer.va + 32, b"neighbour")             # the other half of the same line
    buffer.machine.cache.evict(int(virt_to_phys(buffer.va)))
    dma_unmap_single(dev, buffer.dma, 32, DMA_FROM_DEVICE)
    assert cpu.load(buffer.va, 32) == bytes(32)


def test_r97_a_neighbours_store_is_lost_with_the_line(dev):
    buffer = Buffer(dev, 32, direction=DMA_FROM_DEVICE)
    cpu.store(buffer.va + 32, b"neighbour")
    dma_unmap_single(dev, buffer.dma, 32, DMA_FROM_DEVICE)
    assert cpu.load(buffer.va + 32, 9) != b"neighbour"


def test_r98_whole_lines_are_safe(dev):
    buffer = Buffer(dev, 64, direction=DMA_FROM_DEVICE)
    buffer.device_writes(b"D" * 64)
    neighbour = kmalloc(64, GFP_KERNEL)
    cpu.store(neighbour, b"neighbour")
    dma_unmap_single(dev, buffer.dma, 64, DMA_FROM_DEVICE)
    assert cpu.load(neighbour, 9) == b"neighbour" and cpu.load(buffer.va, 64) == b"D" * 64


def test_counters_of_lines(dev):
    buffer = kmalloc(256, GFP_KERNEL)
    dma = dma_map_single_attrs(dev, buffer, 100, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC)
    before = dev.kernel.stats.snapshot()
    dma_sync_single_for_device(dev, dma, 100, DMA_FROM_DEVICE)
    dma_sync_single_for_cpu(dev, dma, 64, DMA_FROM_DEVICE)
    cost = dev.kernel.stats - before
    assert (cost.cache_cleans, cost.cache_invalidates, cost.cache_lines) == (1, 1, 3)
