"""The DMA API on the golden machine: right programs copy right, wrong ones fail as foretold.

M numbers are the mistakes of the DMA API study.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_api import *
from rtl.spec.faults import Cause
from rtl.spec.platform import Platform
from sim.golden.machine import GoldenMachine

PLATFORMS = {
    "reference":      {},
    "direct":         {"has_iommu": False},
    "coherent":       {"coherent": True},
    "coherent direct": {"coherent": True, "has_iommu": False},
    "short lines":    {"line_bytes": 16},
    "long lines":     {"line_bytes": 128},
    "high memory":    {"memory_base": 0x12_0000_0000},
}


def machine(name="reference", **options):
    return GoldenMachine(Platform(**PLATFORMS[name]), seed=1, **options)


def pattern(size, seed=0):
    return bytes((i * 73 + i // 256 * 19 + seed * 101) & 255 for i in range(size))


class Pair:
    """A source that holds a pattern, and a target, both single buffers mapped for the engine."""

    def __init__(self, kernel, size=4096, *, touch=True):
        self.dev, self.size, self.data = kernel.cdma.dev, size, pattern(size)
        self.src, self.dst = kmalloc(size, GFP_KERNEL), kmalloc(size, GFP_KERNEL)
        cpu.store(self.src, self.data)
        if touch:
            cpu.store(self.dst, bytes(size))            # its lines are in the cache
        self.a = dma_map_single(self.dev, self.src, size, DMA_TO_DEVICE)
        self.b = dma_map_single(self.dev, self.dst, size, DMA_FROM_DEVICE)
        self.copy = [(self.a, self.b, size)]

    def unmap(self):
        dma_unmap_single(self.dev, self.a, self.size, DMA_TO_DEVICE)
        dma_unmap_single(self.dev, self.b, self.size, DMA_FROM_DEVICE)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_copy(platform):
    with boot(machine(platform)) as kernel:
        pair = Pair(kernel)
        assert kernel.cdma.copy(pair.copy) == 0
        pair.unmap()
        assert cpu.load(pair.dst, 4096) == pair.data
        assert not kernel.log.matching("", level=4)


def make_list(cuts):
    """A list with an entry of its own pages for each (offset, length)."""
    sgl = [Scatterlist() for _ in cuts]
    sg_init_table(sgl, len(cuts))
    for sg, (offset, size) in zip(sgl, cuts, strict=True):
        sg_set_page(sg, alloc_pages(GFP_KERNEL, get_order(offset + size)), size, offset)
    return sgl


def copy_lists(kernel, sources, targets):
    """Map, copy, unmap, compare. Returns the segments of both."""
    dev, total = kernel.cdma.dev, sum(size for _, size in sources)
    data = pattern(total)
    src, dst = make_list(sources), make_list(targets)
    sg_copy_from_buffer(src, len(src), data, total)
    sg_copy_from_buffer(dst, len(dst), bytes(total), total)
    m = dma_map_sg(dev, src, len(src), DMA_TO_DEVICE)
    n = dma_map_sg(dev, dst, len(dst), DMA_FROM_DEVICE)
    assert m and n and kernel.cdma.copy_sg(src, m, dst, n) == 0
    dma_unmap_sg(dev, src, len(src), DMA_TO_DEVICE)
    dma_unmap_sg(dev, dst, len(dst), DMA_FROM_DEVICE)
    assert sg_copy_to_buffer(dst, len(dst), total) == (total, data)
    assert not kernel.log.matching("", level=4)
    return m, n


@st.composite
def cut(draw, total):
    """Pieces of ``total`` bytes; each begins with a line, so that none is shared (R67)."""
    ends = sorted({*draw(st.lists(st.integers(1, total - 1), max_size=5)), total})
    return [(draw(st.integers(0, 31)) * 128, end - start)
            for start, end in itertools.pairwise([0, *ends])]


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(max_examples=8)
@given(st.integers(2, 8000).flatmap(lambda total: st.tuples(cut(total), cut(total))))
def test_lists(platform, lists):
    with boot(machine(platform)) as kernel:
        copy_lists(kernel, *lists)


@pytest.mark.parametrize("platform,joined", [("reference", 1), ("direct", 5)])
def test_whole_pages_are_joined_by_the_iommu_alone(platform, joined):
    with boot(machine(platform)) as kernel:
        whole = [(768, 4096 - 768), *[(0, 4096)] * 3, (0, 100)]
        assert copy_lists(kernel, whole, whole) == (joined, joined)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_mapping_that_lives_long(platform):
    """One pair of buffers, mapped once, handed to and fro by syncs."""
    with boot(machine(platform)) as kernel:
        pair = Pair(kernel)
        for turn in range(4):
            dma_sync_single_for_cpu(pair.dev, pair.a, 4096, DMA_TO_DEVICE)
            cpu.store(pair.src, pattern(4096, turn))
            dma_sync_single_for_device(pair.dev, pair.a, 4096, DMA_TO_DEVICE)
            assert kernel.cdma.copy(pair.copy) == 0
            dma_sync_single_for_cpu(pair.dev, pair.b, 4096, DMA_FROM_DEVICE)
            assert cpu.load(pair.dst, 4096) == pattern(4096, turn)
            dma_sync_single_for_device(pair.dev, pair.b, 4096, DMA_FROM_DEVICE)
        pair.unmap()


def test_addresses_do_not_run_out():
    with boot(machine()) as kernel:
        free = None
        for _ in range(20):
            pair = Pair(kernel, touch=False)
            assert kernel.cdma.copy(pair.copy) == 0
            pair.unmap()
            kfree(pair.src)
            kfree(pair.dst)
            free = free or kernel.pages.free_pages
        assert kernel.pages.free_pages == free
        assert kernel.stats.iova_cached >= 38


# Mistakes


def test_m01_the_handle_was_not_checked():
    with boot(machine()) as kernel:
        dma_set_mask(kernel.cdma.dev, 0xFFF)            # nothing fits
        pair = Pair(kernel)
        assert pair.a == DMA_MAPPING_ERROR and kernel.cdma.copy(pair.copy) == -EIO
        assert kernel.log.matching("cdma: ", level=3)


def test_m03_m04_too_small_a_size_at_unmap():
    with boot(machine()) as kernel:
        pair = Pair(kernel)
        assert kernel.cdma.copy(pair.copy) == 0
        dma_unmap_single(pair.dev, pair.b, 1024, DMA_FROM_DEVICE)
        assert cpu.load(pair.dst, 1024) == pair.data[:1024]
        assert cpu.load(pair.dst + 1024, 3072) == bytes(3072)       # still what was cached


@pytest.mark.parametrize("platform,right", [("reference", False), ("direct", False),
                                            ("coherent", True)])
def test_m06_no_sync_for_cpu(platform, right):
    with boot(machine(platform)) as kernel:
        pair = Pair(kernel)
        cpu.load(pair.dst, 4096)
        assert kernel.cdma.copy(pair.copy) == 0
        assert (cpu.load(pair.dst, 4096) == pair.data) == right


@pytest.mark.parametrize("platform,right", [("reference", False), ("direct", False),
                                            ("coherent", True)])
def test_m07_no_sync_for_device(platform, right):
    with boot(machine(platform)) as kernel:
        pair = Pair(kernel)
        cpu.store(pair.src, b"later")
        assert kernel.cdma.copy(pair.copy) == 0
        pair.unmap()
        assert (cpu.load(pair.dst, 5) == b"later") == right


@pytest.mark.parametrize("platform,status", [("reference", -EIO), ("direct", 0)])
def test_m12_use_after_unmap(platform, status):
    with boot(machine(platform)) as kernel:
        pair = Pair(kernel)
        assert kernel.cdma.copy(pair.copy) == 0
        pair.unmap()
        assert kernel.cdma.copy(pair.copy) == status
        if status:
            assert kernel.iommu.fault_counts == {Cause.READ_PAGE_FAULT: 1}
            assert kernel.iommu.faults[0].iova == pair.a


def test_m12_what_a_missing_invalidation_would_do(monkeypatch):
    """The golden IOMMU keeps translations: it is the command that takes them away."""
    with boot(machine()) as kernel:
        pair = Pair(kernel)
        assert kernel.cdma.copy(pair.copy) == 0
        with monkeypatch.context() as patch:
            patch.setattr(kernel.iommu, "invalidate", lambda *args: 0)
            pair.unmap()
        assert kernel.cdma.copy(pair.copy) == 0 and not kernel.iommu.faults
        kernel.iommu.invalidate(pair.dev.iommu_domain.pscid)
        assert kernel.cdma.copy(pair.copy) == -EIO


@pytest.mark.parametrize("platform,status", [("reference", -EIO), ("direct", 0)])
def test_m24_a_physical_address_as_handle(platform, status):
    with boot(machine(platform)) as kernel:
        pair = Pair(kernel)
        wrong = DmaAddr(int(virt_to_phys(pair.src)))
        assert kernel.cdma.copy([(wrong, pair.b, 64)]) == status


def test_r59_a_source_cannot_be_written():
    with boot(machine()) as kernel:
        pair = Pair(kernel)
        assert kernel.cdma.copy([(pair.b, pair.a, 64)]) == -EIO
        assert kernel.iommu.fault_counts == {Cause.WRITE_PAGE_FAULT: 1}
        assert kernel.iommu.faults[0].iova == pair.a
        pair.unmap()
        assert cpu.load(pair.src, 4096) == pair.data


def test_another_device_is_kept_out():
    with boot(machine()) as kernel:
        dev, domain = kernel.cdma.dev, kernel.cdma.dev.iommu_domain
        iommu_detach_device(domain, dev)
        job = kernel.cdma.submit([(DmaAddr(0x1000), DmaAddr(0x2000), 64)])
        assert kernel.cdma.wait(job) == -EIO and job.errors == ("sg_slv_err",)
        assert kernel.iommu.fault_counts == {Cause.DDT_INVALID: 1}
        assert iommu_attach_device(domain, dev) == 0
        assert kernel.cdma.copy(Pair(kernel).copy) == 0


def test_memory_errors_reach_the_driver():
    golden = machine("direct")
    with boot(golden) as kernel:
        pair = Pair(kernel)
        golden.inject(int(pair.a), int(pair.a) + 64, "r")
        job = kernel.cdma.submit(pair.copy)
        assert kernel.cdma.wait(job) == -EIO
        assert (job.errors, job.err_addr, job.failed) == (("dma_slv_err",), int(pair.a), 0)
        golden.inject(0, 0, "")
        assert kernel.cdma.copy(pair.copy) == 0


def test_many_faults_wake_the_handler_each_time():
    with boot(machine()) as kernel:
        for index in range(5):
            assert kernel.cdma.copy([(DmaAddr(0x5000 + 64 * index), DmaAddr(0x6000), 64)]) == -EIO
        assert [record.iova for record in kernel.iommu.faults] == [
            0x5000 + 64 * index for index in range(5)]


def test_boot_after_boot_on_one_machine():
    golden = machine()
    for _ in range(3):
        with boot(golden) as kernel:
            pair = Pair(kernel)
            assert kernel.cdma.copy(pair.copy) == 0
            pair.unmap()
            assert cpu.load(pair.dst, 4096) == pair.data
