"""dma-debug: each check, seen to report what it is for, and nothing else."""

import pytest

from kernel_api import *
from kernel_api.debug.checks import CheckError
from kernel_api.memory.image import on_stack, static_object

TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL


@pytest.fixture
def kernel(golden):
    kernel = golden(check="collect")
    kernel.debug.all_errors = True
    return kernel


@pytest.fixture
def dev(kernel):
    device = Device("widget", 1)
    device_register(device)
    return device


def reports(kernel):
    """Checks of dma-debug so far."""
    return [report.check for report in kernel.reports if report.check[0] == "D"]


def single(dev, size=256, direction=TO, *, buf=None, check=True, attrs=0):
    buf = kmalloc(size, GFP_KERNEL) if buf is None else buf
    dma = dma_map_single_attrs(dev, buf, size, direction, attrs)
    if check:
        dma_mapping_error(dev, dma)
    return dma


def mapped_list(dev, sizes=(256, 256), direction=TO):
    sgl = [Scatterlist() for _ in sizes]
    sg_init_table(sgl, len(sgl))
    for sg, size in zip(sgl, sizes, strict=True):
        sg_set_buf(sg, kmalloc(size, GFP_KERNEL), size)
    assert dma_map_sg(dev, sgl, len(sgl), direction)
    return sgl


def test_a_right_program_is_not_reported(kernel, dev):
    dma = single(dev)
    dma_sync_single_for_cpu(dev, dma, 256, TO)
    dma_sync_single_range_for_device(dev, dma, 64, 64, TO)
    dma_unmap_single(dev, dma, 256, TO)
    sgl = mapped_list(dev)
    dma_sync_sg_for_cpu(dev, sgl, 2, TO)
    dma_unmap_sg(dev, sgl, 2, TO)
    va, dma = dma_alloc_coherent(dev, 100, GFP_KERNEL)
    dma_free_coherent(dev, 100, va, dma)
    va, dma = dma_alloc_noncoherent(dev, 100, BIDI, GFP_KERNEL)
    dma_free_noncoherent(dev, 100, va, dma, BIDI)
    device_unregister(dev)
    assert not kernel.reports
    assert kernel.debug.num_free_entries == 65536 - len(kernel.debug.entries)


def test_d01_not_linear(kernel, dev):
    with pytest.raises(KernelBug):
        dma_map_single(dev, PAGE_OFFSET + VirtAddr(0x1234_5000), 16, TO)
    assert reports(kernel) == ["D1"]


def test_r03_d02_vmalloc(kernel, dev):
    va = vmalloc(5000)
    cpu.store(va, bytes(range(200)) * 25)
    assert cpu.load(va + 4090, 10) == (bytes(range(200)) * 25)[4090:4100]
    assert dma_mapping_error(dev, dma_map_single(dev, va, 5000, TO))
    assert reports(kernel) == ["D2"]
    assert dma_map_page(dev, vmalloc_to_page(va + 4096), 0, 904, TO) != DMA_MAPPING_ERROR
    assert vmalloc_to_page(va + 8192) is None
    vfree(va)
    vfree(None)
    with pytest.raises(KernelBug, match="paging request"):
        cpu.load(va, 1)
    vunmap(va)
    assert kernel.log.matching("nonexistent area")


@pytest.mark.parametrize("where, check", [
    (lambda: on_stack(64), "D3"), (lambda: static_object(64), "D4"),
    (lambda: static_object(64, "text"), "D4")])
def test_r03_d03_d04_stack_and_image(kernel, dev, where, check):
    dma = single(dev, 64, buf=where())
    dma_unmap_single(dev, dma, 64, TO)
    assert reports(kernel) == [check]
    assert "kmalloc missing" in str(kernel.reports[0])


def test_d05_registers_that_are_memory(kernel, dev):
    phys = page_to_phys(alloc_page(GFP_KERNEL))
    dma = dma_map_phys(dev, phys, 64, TO, DMA_ATTR_MMIO)
    dma_mapping_error(dev, dma)
    dma_unmap_phys(dev, dma, 64, TO, DMA_ATTR_MMIO)
    assert reports(kernel) == ["D5"]


def test_d06_memory_of_another_device(kernel, dev):
    page = P2pMemory(dev, PhysAddr(0x9000_0000), 0x9000_0000, 4096).page(0)
    dma_map_page(dev, page, 0, 64, TO)
    assert reports(kernel) == ["D6"]


def test_r68_d07_two_in_a_line(kernel, dev):
    buf = kmalloc(256, GFP_KERNEL)
    one, two = single(dev, 16, FROM, buf=buf), single(dev, 16, BIDI, buf=buf + 16)
    assert reports(kernel) == ["D7"]
    dma_unmap_single(dev, one, 16, FROM)
    dma_unmap_single(dev, two, 16, BIDI)
    assert reports(kernel) == ["D7"]


@pytest.mark.parametrize("first, second, attrs", [
    (TO, TO, 0), (TO, FROM, 0), (FROM, FROM, DMA_ATTR_SKIP_CPU_SYNC),
    (FROM, FROM, DMA_ATTR_DEBUGGING_IGNORE_CACHELINES)])
def test_r68_d07_what_is_exempt(kernel, dev, first, second, attrs):
    buf = kmalloc(256, GFP_KERNEL)
    single(dev, 16, first, buf=buf, attrs=attrs)
    single(dev, 16, second, buf=buf + 16, attrs=attrs)
    assert not reports(kernel)


def test_d08_too_many_in_a_line(kernel, dev):
    buf = kmalloc(256, GFP_KERNEL)
    for _ in range(9):
        single(dev, 16, FROM, buf=buf, attrs=DMA_ATTR_SKIP_CPU_SYNC)
    assert reports(kernel) == ["D8"]


def test_d09_d10_segments(kernel, dev):
    dma_set_max_seg_size(dev, 128)
    sgl = mapped_list(dev, (256,))
    dma_unmap_sg(dev, sgl, 1, TO)
    assert reports(kernel) == ["D9"]
    dma_set_max_seg_size(dev, 65536)
    dma_set_seg_boundary(dev, 0xFF)
    sgl = [Scatterlist()]
    sg_init_table(sgl, 1)
    sg_set_buf(sgl[0], kmalloc(512, GFP_KERNEL) + 64, 256)
    dma_map_sg(dev, sgl, 1, TO)
    assert reports(kernel) == ["D9", "D10"]


def test_d11_unmap_of_a_failed_handle(kernel, dev):
    dma_unmap_single(dev, DMA_MAPPING_ERROR, 256, TO)
    assert reports(kernel) == ["D11"]


def test_d12_twice(kernel, dev):
    dma = single(dev)
    dma_unmap_single(dev, dma, 256, TO)
    dma_unmap_single(dev, dma, 256, TO)
    assert reports(kernel) == ["D12"]


def test_r61_d13_d17_size_and_direction(kernel, dev):
    dma = single(dev)
    dma_unmap_single(dev, dma, 128, TO)
    dma = single(dev)
    dma_unmap_single(dev, dma, 256, BIDI)
    assert reports(kernel) == ["D13", "D17"]


def test_d14_wrong_function(kernel, dev):
    sgl = mapped_list(dev, (256,))
    dma_unmap_single(dev, sgl[0].dma_address, 256, TO)
    assert reports(kernel) == ["D14"]


def test_r31_d15_another_pointer(kernel, dev):
    va, dma = dma_alloc_coherent(dev, 8192, GFP_KERNEL)
    with pytest.raises(KernelBug):
        dma_free_coherent(dev, 8192, va + 4096, dma)
    assert reports(kernel) == ["D15"]


def test_r109_d16_d25_counts(kernel, dev):
    sgl = mapped_list(dev)
    dma_sync_sg_for_cpu(dev, sgl, 1, TO)
    dma_unmap_sg(dev, sgl, 1, TO)
    assert reports(kernel) == ["D25", "D16"]
    assert not [entry for entry in kernel.debug.entries if entry.dev is dev]


def test_r52_d18_the_result_was_not_checked(kernel, dev):
    dma = single(dev, check=False)
    dma_unmap_single(dev, dma, 256, TO)
    assert reports(kernel) == ["D18"]
    assert kernel.reports[0].missing == "dma_mapping_error"


def test_d19_attributes(kernel, dev):
    dma = single(dev, attrs=DMA_ATTR_PRIVILEGED)
    dma_unmap_single(dev, dma, 256, TO)
    dma = single(dev, attrs=DMA_ATTR_SKIP_CPU_SYNC)
    dma_unmap_single(dev, dma, 256, TO)                  # this one need not be said again
    assert reports(kernel) == ["D19"]


def test_r101_d20_d21_syncs_beyond(kernel, dev):
    dma = single(dev)
    dma_sync_single_for_cpu(dev, dma, 257, TO)
    dma_unmap_single(dev, dma, 256, TO)
    dma_sync_single_for_cpu(dev, dma, 256, TO)
    assert reports(kernel) == ["D21", "D20"]


def test_d22_d23_d24_directions_of_syncs(kernel, dev):
    to, back, both = (single(dev, 256, direction) for direction in (TO, FROM, BIDI))
    dma_sync_single_for_cpu(dev, to, 256, BIDI)
    dma_sync_single_for_device(dev, back, 256, TO)
    assert reports(kernel) == ["D22", "D23", "D22", "D24"]
    dma_sync_single_for_cpu(dev, to, 256, TO)
    dma_sync_single_for_device(dev, back, 256, FROM)
    dma_sync_single_for_cpu(dev, both, 256, FROM)
    assert len(reports(kernel)) == 4


def test_r39_d26_unbind(kernel, dev):
    single(dev)
    device_unregister(dev)
    assert reports(kernel) == ["D26"] and "[count=1]" in kernel.reports[0].text


def test_d27_no_room(golden):
    kernel = golden(check="collect", dma_debug_entries=4)
    dev = kernel.cdma.dev
    for _ in range(5):
        single(dev)
    assert reports(kernel) == ["D27"] and kernel.debug.disabled
    dma_unmap_single(dev, DMA_MAPPING_ERROR, 1, TO)
    dma_sync_single_for_cpu(dev, DmaAddr(0), 1, TO)
    assert reports(kernel) == ["D27"]


def test_d28_lines_that_are_gone(kernel, dev):
    dma = single(dev, direction=FROM)
    kernel.debug.lines.remove(kernel.debug.entries[-1])
    dma_unmap_single(dev, dma, 256, FROM)
    assert reports(kernel) == ["D28"]


def test_the_best_fit_is_taken(kernel, dev):
    """Two mappings of one handle (no IOMMU gives that): size decides, and equals are not found."""
    direct = Device("direct", 9)
    buf = kmalloc(512, GFP_KERNEL)
    one, two = single(direct, 256, buf=buf), single(direct, 512, buf=buf)
    assert one == two
    dma_unmap_single(direct, one, 512, TO)
    dma_unmap_single(direct, one, 256, TO)
    assert not reports(kernel)
    single(direct, 256, buf=buf)
    single(direct, 256, buf=buf)
    dma_unmap_single(direct, one, 128, TO)
    assert reports(kernel) == ["D12"]


def test_controls(golden):
    kernel = golden(check="warn")
    dev = kernel.cdma.dev
    for _ in range(2):
        dma_unmap_single(dev, DMA_MAPPING_ERROR, 1, TO)
    assert kernel.debug.error_count == 2
    assert len(kernel.log.matching("DMA-API: D11")) == 1         # num_errors is 1
    kernel.debug.all_errors = True
    dma_unmap_single(dev, DMA_MAPPING_ERROR, 1, TO)
    assert len(kernel.log.matching("DMA-API: D11")) == 2
    kernel.debug.driver_filter = "other"
    dma_unmap_single(dev, DMA_MAPPING_ERROR, 1, TO)
    assert kernel.debug.error_count == 4 and len(kernel.reports) == 3
    dma = single(dev)
    assert f" D={int(dma):#x} L=0x100 DMA_TO_DEVICE dma map error checked" \
        in kernel.debug.dump()
    assert kernel.debug.min_free_entries <= kernel.debug.num_free_entries
    assert kernel.debug.nr_total_entries == 65536


def test_raise(golden):
    kernel = golden(check="raise")
    with pytest.raises(CheckError, match="D11 cdma: device driver tries to free an invalid") as e:
        dma_unmap_single(kernel.cdma.dev, DMA_MAPPING_ERROR, 1, TO)
    assert e.value.report.caller.startswith("test_debug.py:")


def test_old_check_of_the_result(golden):
    kernel = golden(check="collect", profile="2.6")
    dev = kernel.cdma.dev
    dma = single(dev, check=False)
    dma_mapping_error(dma)
    dma_unmap_single(dev, dma, 256, TO)
    assert not reports(kernel)


def test_boot_options(golden):
    for options, count in (({}, 1), ({"dma_debug": False}, 0), ({"dma_debug_driver": "cdma"}, 1),
                           ({"dma_debug_driver": "other"}, 0)):
        kernel = golden(check="collect", **options)
        dma_unmap_single(kernel.cdma.dev, DMA_MAPPING_ERROR, 64, DMA_TO_DEVICE)
        assert len([report for report in kernel.reports if report.check == "D11"]) == count
        assert debugfs_read("dma-api/disabled") == ("N\n" if options.get("dma_debug", True)
                                                    else "Y\n")
