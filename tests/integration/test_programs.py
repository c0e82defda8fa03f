"""Driver programs on RTL and golden model: copies, syncs, coherent memory, refusals, bus errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_api import *
from rtl.spec.cache_regs import CACHE_REGISTERS
from rtl.spec.platform import CACHE_BASE

PATTERN = bytes((i * 73 + 5) % 256 for i in range(1 << 16))


def mapped_pair(kernel, size, *, source=DMA_TO_DEVICE, target=DMA_FROM_DEVICE):
    """Two kmalloc buffers, the first filled, both mapped for the DMA engine."""
    dev = kernel.cdma.dev
    src, dst = kmalloc(size, GFP_KERNEL), kmalloc(size, GFP_KERNEL)
    cpu.store(src, PATTERN[:size])
    cpu.store(dst, bytes(size))
    handles = dma_map_single(dev, src, size, source), dma_map_single(dev, dst, size, target)
    assert not any(dma_mapping_error(dev, handle) for handle in handles)
    return src, dst, *handles


@pytest.mark.parametrize("size", [1, 64, 100, 4096, 5000])
def test_single(on_both, size):
    def program(kernel):
        dev = kernel.cdma.dev
        _, dst, src_dma, dst_dma = mapped_pair(kernel, size)
        status = kernel.cdma.copy([(src_dma, dst_dma, size)])
        dma_unmap_single(dev, src_dma, size, DMA_TO_DEVICE)
        dma_unmap_single(dev, dst_dma, size, DMA_FROM_DEVICE)
        return status, int(src_dma), int(dst_dma), cpu.load(dst, size)

    status, *_, data = on_both(program)
    assert (status, data) == (0, PATTERN[:size])


def test_ownership_goes_back_and_forth(on_both):
    """Map once; sync for each turn of CPU and device."""
    def program(kernel):
        dev, size, seen = kernel.cdma.dev, 700, []
        src, dst, src_dma, dst_dma = mapped_pair(kernel, size, target=DMA_BIDIRECTIONAL)
        for turn in range(3):
            dma_sync_single_for_cpu(dev, src_dma, size, DMA_TO_DEVICE)
            cpu.store(src, PATTERN[turn:turn + size])
            dma_sync_single_for_device(dev, src_dma, size, DMA_TO_DEVICE)
            kernel.cdma.copy([(src_dma, dst_dma, size)])
            dma_sync_single_for_cpu(dev, dst_dma, size, DMA_BIDIRECTIONAL)
            seen.append(cpu.load(dst, size))
            dma_sync_single_for_device(dev, dst_dma, size, DMA_BIDIRECTIONAL)
        return seen

    assert on_both(program) == [PATTERN[turn:turn + 700] for turn in range(3)]


def test_missing_syncs_show_alike(on_both):
    """Without syncs, both machines read the same stale and the same fresh bytes."""
    def program(kernel):
        size = 1500
        src, dst, src_dma, dst_dma = mapped_pair(kernel, size)
        cpu.store(src, bytes(b ^ 0xFF for b in PATTERN[:size]))
        kernel.cdma.copy([(src_dma, dst_dma, size)])
        return cpu.load(dst, size)

    assert on_both(program) == bytes(1500)          # the buffers fit: all of it is still cached


def test_coherent(on_both):
    """Coherent memory needs no sync, whichever way."""
    def program(kernel):
        dev, size = kernel.cdma.dev, 3 * PAGE_SIZE
        va, dma = dma_alloc_coherent(dev, size, GFP_KERNEL)
        cpu.store(va + 3, PATTERN[:5000])
        wmb()
        status = kernel.cdma.copy([(dma + 3, dma + 6001, 5000)])
        data = cpu.load(va + 6001, 5000)
        dma_free_coherent(dev, size, va, dma)
        return status, int(dma), data

    status, _, data = on_both(program)
    assert (status, data) == (0, PATTERN[:5000])


@settings(max_examples=8)
@given(
    sizes=st.lists(st.one_of(st.integers(1, 300), st.integers(4000, 4200),
                             st.sampled_from([4096, 8192, 65536])), min_size=1, max_size=5),
    offsets=st.lists(st.one_of(st.just(0), st.integers(0, 4095)), min_size=10, max_size=10),
    max_seg=st.sampled_from([4096, 65536]))
def test_scatterlists(on_both, sizes, offsets, max_seg):
    """Any sizes at any alignment, adjacent or not, on shared pages or not."""
    def program(kernel):
        dev, total = kernel.cdma.dev, sum(sizes)
        dma_set_max_seg_size(dev, max(max_seg, max(sizes)))
        lists = []
        for side in (0, 5):
            sgl = [Scatterlist() for _ in sizes]
            sg_init_table(sgl, len(sgl))
            area = page_address(alloc_pages(GFP_KERNEL, get_order(
                sum(sizes) + sum(offsets[side:side + 5]) + PAGE_SIZE)))
            at = area
            for sg, size, offset in zip(sgl, sizes, offsets[side:], strict=False):
                at = at + offset                    # 0: adjacent to the entry before
                sg_set_buf(sg, at, size)
                at = at + size
            lists.append(sgl)
        src, dst = lists
        sg_copy_from_buffer(src, len(src), PATTERN[:1] * total if total > len(PATTERN)
                            else PATTERN[:total], total)
        n_src = dma_map_sg(dev, src, len(src), DMA_TO_DEVICE)
        n_dst = dma_map_sg(dev, dst, len(dst), DMA_FROM_DEVICE)
        handles = [(int(sg_dma_address(sg)), sg_dma_len(sg))
                   for sg in (*src[:n_src], *dst[:n_dst])]
        status = kernel.cdma.copy_sg(src, n_src, dst, n_dst)
        dma_unmap_sg(dev, src, len(src), DMA_TO_DEVICE)
        dma_unmap_sg(dev, dst, len(dst), DMA_FROM_DEVICE)
        copied = sg_copy_to_buffer(dst, len(dst), total)
        original = sg_copy_to_buffer(src, len(src), total)
        return status, handles, copied == original

    status, handles, equal = on_both(program)
    assert status == 0 and equal
    assert sum(size for _, size in handles) == 2 * sum(sizes)


@pytest.mark.parametrize("case, cause", [
    ("not mapped", "READ_PAGE_FAULT"), ("unmapped", "READ_PAGE_FAULT"),
    ("write to read-only", "WRITE_PAGE_FAULT"), ("not canonical", "READ_PAGE_FAULT")])
def test_refused_then_on_with_the_next(on_both, case, cause):
    def program(kernel):
        dev, size = kernel.cdma.dev, 512
        src, dst, src_dma, dst_dma = mapped_pair(kernel, size)
        wrong = {
            "not mapped": (DmaAddr(0x1234_5000), dst_dma),
            "unmapped": (src_dma, dst_dma),
            "write to read-only": (src_dma, src_dma),
            "not canonical": (DmaAddr(1 << 50), dst_dma),
        }[case]
        if case == "unmapped":
            dma_unmap_single(dev, src_dma, size, DMA_TO_DEVICE)
        job = kernel.cdma.submit([(*wrong, size)])
        refused = kernel.cdma.wait(job)
        if case == "unmapped":
            src_dma = dma_map_single(dev, src, size, DMA_TO_DEVICE)
        accepted = kernel.cdma.copy([(src_dma, dst_dma, size)])
        dma_unmap_single(dev, dst_dma, size, DMA_FROM_DEVICE)
        return refused, job.errors, accepted, cpu.load(dst, size), cpu.load(src, size), \
            kernel.iommu.faults[0].cause.name

    refused, errors, accepted, copy, source, seen = on_both(program, refusals=True)
    assert (refused, errors) == (-EIO, ("dma_slv_err",))
    assert (accepted, copy, source) == (0, PATTERN[:512], PATTERN[:512])
    assert seen == cause


@pytest.mark.parametrize("where, access, errors, cause", [
    ("source", "r", ("dma_slv_err",), None),
    ("target", "w", ("dma_slv_err",), None),
    ("descriptors", "r", ("sg_slv_err",), None),
    ("page table", "r", ("sg_slv_err",), "READ_ACCESS_FAULT"),       # the descriptor comes first
])
def test_bus_errors(on_both, where, access, errors, cause):
    """An error of memory, wherever it strikes, ends the job, is named, and spares the rest."""
    def program(kernel):
        dev, size, machine = kernel.cdma.dev, 256, kernel.machine
        src, dst, src_dma, dst_dma = mapped_pair(kernel, size)
        ranges = {
            "source": (int(virt_to_phys(src)) + 64, 64),
            "target": (int(virt_to_phys(dst)) + 64, 64),
            "descriptors": (int(kernel.cpu.translate(kernel.cdma._ring)[0]), 64),
            "page table": (int(dev.iommu_domain.table.root), PAGE_SIZE),
        }
        low, length = ranges[where]
        machine.inject(low, low + length, access)
        job = kernel.cdma.submit([(src_dma, dst_dma, size)])
        failed = kernel.cdma.wait(job)
        machine.inject(0, 0, "")
        accepted = kernel.cdma.copy([(src_dma, dst_dma, size)])
        dma_unmap_single(dev, dst_dma, size, DMA_FROM_DEVICE)
        causes = [record.cause.name for record in kernel.iommu.faults[:1]]
        return failed, job.errors, accepted, cpu.load(dst, size), causes

    failed, seen, accepted, copy, causes = on_both(program, refusals=cause is not None)
    assert (failed, seen) == (-EIO, errors)
    assert (accepted, copy) == (0, PATTERN[:256])
    assert causes == ([cause] if cause else [])


def test_guarded_buffers(on_both):
    """Buffers that the device owns are not cached; nothing has to be invalidated afterwards."""
    def program(kernel):
        dev, got = kernel.cdma.dev, []
        dev.guard_buffers = True
        before = kernel.stats.snapshot()
        buffers = [kmalloc(300, GFP_KERNEL) for _ in range(4)]
        for step, (src, dst) in enumerate([(0, 1), (1, 2), (2, 3), (3, 0)]):
            source, target = buffers[src], buffers[dst]
            cpu.store(source + step, bytes([step + 1]) * 100)
            a = dma_map_single(dev, source, 300, DMA_TO_DEVICE)
            b = dma_map_single(dev, target, 300, DMA_FROM_DEVICE)
            old = cpu.load(target, 8)                   # allowed by the cache, at least
            status = kernel.cdma.copy([(a, b, 300)])
            dma_unmap_single(dev, a, 300, DMA_TO_DEVICE)
            dma_unmap_single(dev, b, 300, DMA_FROM_DEVICE)
            got.append((status, len(old), cpu.load(target, 300) == cpu.load(source, 300)))
        return got, (kernel.stats - before).cache_invalidates

    got, invalidates = on_both(program)
    assert got == [(0, 8, True)] * 4 and invalidates == 0


def test_zero_and_prefetch(on_both):
    """A buffer that is zeroed in the cache, where the device does not see it before a sync."""
    def program(kernel):
        size, cache = 1024, kernel.cache
        src, dst, src_dma, dst_dma = mapped_pair(kernel, size)
        dma_sync_single_for_cpu(kernel.cdma.dev, src_dma, size, DMA_TO_DEVICE)
        before = kernel.machine.readl(CACHE_BASE + CACHE_REGISTERS["read_misses"].offset)
        done = cache.prefetch(virt_to_phys(src), size), cache.zero(virt_to_phys(src), size)
        zeros = cpu.load(src, size)
        misses = kernel.machine.readl(CACHE_BASE + CACHE_REGISTERS["read_misses"].offset) - before
        dma_sync_single_for_device(kernel.cdma.dev, src_dma, size, DMA_TO_DEVICE)
        kernel.cdma.copy([(src_dma, dst_dma, size)])
        dma_unmap_single(kernel.cdma.dev, src_dma, size, DMA_TO_DEVICE)
        dma_unmap_single(kernel.cdma.dev, dst_dma, size, DMA_FROM_DEVICE)
        return done, misses, zeros, cpu.load(dst, size)

    assert on_both(program) == ((True, True), 0, bytes(1024), bytes(1024))
