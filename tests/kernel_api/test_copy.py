"""Whole copies: allocate, map, run the engine, unmap, read, on every kind of platform."""

import itertools

import pytest

from kernel_api import *

PLATFORMS = [dict(zip(("coherent", "has_iommu"), flags, strict=True))
             for flags in itertools.product((False, True), repeat=2)]
DATA = bytes(i * 7 + i // 256 & 255 for i in range(20_000))


def make_list(data, sizes, offset=0):
    """A list of kmalloc buffers that holds `data`."""
    sgl = [Scatterlist() for _ in sizes]
    sg_init_table(sgl, len(sizes))
    for sg, size in zip(sgl, sizes, strict=True):
        sg_set_buf(sg, kmalloc(size + offset, GFP_KERNEL) + offset, size)
    assert sg_copy_from_buffer(sgl, len(sizes), data, sum(sizes)) == sum(sizes)
    return sgl


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_r06_the_same_program_copies_on_every_platform(make, platform):
    kernel = make(**platform)
    dev = kernel.cdma.dev
    src, dst = kmalloc(5000, GFP_KERNEL), kmalloc(5000, GFP_KERNEL)
    cpu.store(src, DATA[:5000])
    memset(dst, 0xAA, 5000)
    a = dma_map_single(dev, src, 5000, DMA_TO_DEVICE)
    b = dma_map_single(dev, dst, 5000, DMA_FROM_DEVICE)
    assert not dma_mapping_error(dev, a) and not dma_mapping_error(dev, b)
    assert kernel.cdma.copy([(a, b, 5000)]) == 0
    dma_unmap_single(dev, a, 5000, DMA_TO_DEVICE)
    dma_unmap_single(dev, b, 5000, DMA_FROM_DEVICE)
    assert cpu.load(dst, 5000) == DATA[:5000]
    if kernel.iommu:
        assert not kernel.iommu.faults


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_r103_lists_of_different_cut_copy(make, platform):
    kernel = make(**platform)
    dev = kernel.cdma.dev
    sources = [4096, 4096, 3000, 1000, 7808]
    targets = [10_000, 4096, 5904]
    src, dst = make_list(DATA, sources), make_list(bytes(20_000), targets)
    m = dma_map_sg(dev, src, len(sources), DMA_TO_DEVICE)
    n = dma_map_sg(dev, dst, len(targets), DMA_FROM_DEVICE)
    assert 1 <= m <= len(sources) and 1 <= n <= len(targets)
    assert kernel.cdma.copy_sg(src, m, dst, n) == 0
    dma_unmap_sg(dev, src, len(sources), DMA_TO_DEVICE)
    dma_unmap_sg(dev, dst, len(targets), DMA_FROM_DEVICE)
    assert sg_copy_to_buffer(dst, len(targets), 20_000) == (20_000, DATA)
