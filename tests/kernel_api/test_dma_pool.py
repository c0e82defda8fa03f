"""Pools: where blocks lie, and what the kernel's own test asks of them."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_api import *
from kernel_api.device.devres import devm_forget


@pytest.fixture
def dev(kernel):
    device = Device("widget", 1)
    device_register(device)
    return device


#: The kernel's dmapool_test: size, align, boundary, blocks.
CASES = [(16, 16, 0, 8192), (64, 64, 0, 8192), (256, 256, 0, 8192), (1024, 1024, 0, 2048),
         (4096, 4096, 0, 1024), (68, 32, 4096, 8192)]


@pytest.mark.parametrize("size, align, boundary, blocks", CASES)
def test_r40_r45_the_kernels_own_cases(golden, size, align, boundary, blocks):
    """As many blocks as the kernel's test takes, or as memory has; twice over the same ones."""
    assert blocks == min(8192, max(1024, 4096 // size * 512))
    kernel = golden(memory_size=8 << 20)
    pool = dma_pool_create("test", kernel.cdma.dev, size, align, boundary)
    rounds = []
    for _ in range(2):
        taken = [dma_pool_alloc(pool, GFP_KERNEL) for _ in range(blocks // 16)]
        assert None not in [va for va, _ in taken]
        rounds.append(sorted(int(dma) for _, dma in taken))
        for va, dma in taken:
            dma_pool_free(pool, va, dma)
    assert rounds[0] == rounds[1]
    dma_pool_destroy(pool)
    assert not kernel.log.matching("busy")


@settings(max_examples=25)
@given(size=st.integers(1, 5000), align=st.sampled_from([1, 2, 8, 32, 64, 4096]),
       boundary=st.sampled_from([0, 64, 256, 4096, 8192]), count=st.integers(1, 40))
def test_r40_r41_align_boundary_disjoint(make, size, align, boundary, count):
    kernel = make()
    device = kernel.cdma.dev
    pool = dma_pool_create("p", device, size, align, boundary)
    if boundary and boundary < size:
        assert pool is None
        return
    blocks = []
    for _ in range(count):
        va, dma = dma_pool_alloc(pool, GFP_KERNEL | GFP_NOWAIT)
        if va is None:
            break
        assert dma % align == 0 and (int(va) - int(dma)) % PAGE_SIZE == 0
        if boundary:
            assert int(dma) // boundary == (int(dma) + size - 1) // boundary
        blocks.append(int(dma))
    blocks.sort()
    assert all(b - a >= size for a, b in itertools.pairwise(blocks))


@pytest.mark.parametrize("size, align, boundary", [
    (0, 1, 0), (1 << 31, 1, 0), (16, 3, 0), (16, 16, 24), (32, 16, 16)])
def test_r42_parameters_that_give_no_pool(dev, size, align, boundary):
    assert dma_pool_create("p", dev, size, align, boundary) is None


def test_r42_a_pool_needs_a_device_and_alignment_0_is_1(dev):
    assert dma_pool_create("p", None, 16, 16, 0) is None
    assert dma_pool_create("p", dev, 17, 0, 0).size == 17
    assert dma_pool_create_node("p", dev, 17, 0, 0, 0).size == 17


@pytest.mark.parametrize("size, align, boundary, block, allocation, limit", [
    (1, 1, 0, 16, 4096, 4096), (17, 16, 0, 32, 4096, 4096), (5000, 8, 0, 5000, 5000, 5000),
    (16, 16, 1 << 20, 16, 4096, 4096)])
def test_r43_sizes(dev, size, align, boundary, block, allocation, limit):
    pool = dma_pool_create("p", dev, size, align, boundary)
    assert (pool.size, pool.allocation, pool.boundary) == (block, allocation, limit)


def test_r44_layout(dev):
    pool = dma_pool_create("p", dev, 68, 32, 4096)
    assert (pool.size, len(pool.offsets())) == (96, 42)
    pool = dma_pool_create("p", dev, 96, 32, 256)
    assert pool.offsets()[:4] == [0, 96, 256, 352] and len(pool.offsets()) == 32


def test_r45_the_block_freed_last_comes_first(dev):
    pool = dma_pool_create("p", dev, 64, 64, 0)
    one, two, three = (dma_pool_alloc(pool, GFP_KERNEL) for _ in range(3))
    dma_pool_free(pool, *two)
    dma_pool_free(pool, *one)
    assert [dma_pool_alloc(pool, GFP_KERNEL) for _ in range(2)] == [one, two]
    assert three not in (one, two)


def test_r46_contexts(dev):
    kernel = dev.kernel
    pool = dma_pool_create("p", dev, 64, 64, 0)
    with atomic_context():
        assert in_atomic()
        va, dma = dma_pool_alloc(pool, GFP_ATOMIC)
        dma_pool_free(pool, va, dma)
        assert not kernel.log.matching("sleeping function")
        dma_pool_create("q", dev, 64, 64, 0)
        assert kernel.log.matching("sleeping function called from invalid context: dma_pool_create")
        dma_pool_destroy(pool)
        assert kernel.log.matching("dma_pool_destroy")
    assert not in_atomic() and in_task() and not in_hardirq()


def test_r47_a_busy_pool_is_lost(dev):
    pool = dma_pool_create("rings", dev, 64, 64, 0)
    dma_pool_alloc(pool, GFP_KERNEL)
    free = dev.kernel.pages.free_pages
    dma_pool_destroy(pool)
    assert dev.kernel.log.matching("dma_pool_destroy rings busy", level=3)
    assert dev.kernel.pages.free_pages == free
    dma_pool_destroy(None)


def test_r47_foreign_blocks_are_noticed_by_checkers_only(make):
    kernel = make(check="warn")
    dev = kernel.cdma.dev
    pool = dma_pool_create("p", dev, 64, 64, 0)
    va, dma = dma_pool_alloc(pool, GFP_KERNEL)
    dma_pool_free(pool, va, dma + 64)
    assert kernel.log.matching("(bad dma)")
    dma_pool_free(pool, va, dma)
    dma_pool_free(pool, va, dma)
    assert kernel.log.matching("already free")
    dma_pool_free(pool, va + (1 << 20), dma)
    assert kernel.log.matching("(bad vaddr)", level=3)


def test_r48_the_device_decides_what_a_later_allocation_returns(golden):
    kernel = golden()
    dev = kernel.cdma.dev
    pool = dma_pool_create("p", dev, 64, 64, 0)
    va, dma = dma_pool_alloc(pool, GFP_KERNEL)
    dma_pool_free(pool, va, dma)
    evil = kmalloc(64, GFP_KERNEL)
    port = kernel.machine.port(dev.device_id)
    port.write(int(dma), int(evil).to_bytes(8, "little"))
    assert dma_pool_alloc(pool, GFP_KERNEL)[0] == va
    assert dma_pool_alloc(pool, GFP_KERNEL)[0] == evil


def test_r49_contents(dev):
    pool = dma_pool_create("p", dev, 64, 64, 0)
    va, dma = dma_pool_alloc(pool, GFP_KERNEL)
    cpu.store(va, bytes([7]) * 64)
    dma_pool_free(pool, va, dma)
    va, dma = dma_pool_alloc(pool, GFP_KERNEL)
    assert cpu.load(va + 16, 48) == bytes([7]) * 48
    dma_pool_free(pool, va, dma)
    assert cpu.load(dma_pool_zalloc(pool, GFP_KERNEL)[0], 64) == bytes(64)


def test_r50_the_coherent_mask(make):
    kernel = make(memory_base=(4 << 30) - (1 << 20), memory_size=4 << 20, has_iommu=False)
    dev = Device("narrow", 9)
    pool = dma_pool_create("p", dev, 4096, 4096, 0)
    for _ in range(64):
        assert dma_pool_alloc(pool, GFP_KERNEL)[1] < 1 << 32
    assert kernel.pages.free_pages > 512


def test_no_memory_for_a_block(dev):
    while alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0):
        pass
    pool = dma_pool_create("p", dev, 64, 64, 0)
    assert dma_pool_alloc(pool, GFP_KERNEL | __GFP_NOWARN) == (None, DMA_MAPPING_ERROR)


def test_names_of_old(dev):
    pool = pci_pool_create("p", dev, 64, 64, 0)
    va, dma = pci_pool_alloc(pool, GFP_KERNEL)
    pci_pool_free(pool, va, dma)
    assert pci_pool_zalloc(pool, GFP_KERNEL) == (va, dma)
    pci_pool_free(pool, va, dma)
    pci_pool_destroy(pool)


def test_r39_managed_pools_go_with_their_device(dev):
    va, dma = dma_alloc_coherent(dev, 64, GFP_KERNEL)     # page tables stay
    dma_free_coherent(dev, 64, va, dma)
    free = dev.kernel.pages.free_pages
    pool = dmam_pool_create("p", dev, 64, 64, 0)
    assert dmam_pool_create("p", dev, 0, 64, 0) is None
    dmam_pool_create("q", dev, 64, 64, 0)
    va, dma = dma_pool_alloc(pool, GFP_KERNEL)
    dma_pool_free(pool, va, dma)
    dmam_pool_destroy(pool)
    assert dev.kernel.pages.free_pages == free and len(dev.devres) == 1
    assert not devm_forget(dev, pool)
    assert dev.kernel.log.matching("not found")
    device_unregister(dev)
    assert not dev.devres
