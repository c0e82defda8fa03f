"""Where 2.6 and modern kernels differ, and the names of old."""

import pytest

from kernel_api import *
from kernel_api.core.options import Options
from rtl.spec.platform import Platform


@pytest.fixture
def old(golden):
    kernel = golden(profile="2.6")
    return kernel, kernel.cdma.dev


def operations(kernel):
    stats = kernel.stats
    return stats.cache_cleans, stats.cache_invalidates, stats.cache_flushes


def test_mapping_error_of_one_argument(old, golden):
    assert dma_mapping_error(DmaAddr(0)) == 0 and dma_mapping_error(DMA_MAPPING_ERROR) != 0
    assert dma_mapping_error(old[1], DMA_MAPPING_ERROR) == -ENOMEM
    golden()
    with pytest.raises(TypeError, match="must be a device and a handle"):
        dma_mapping_error(DmaAddr(0))


def test_a_mask_of_64_bits_may_fail(old, golden):
    dev = Device("d", 5)
    assert dma_set_mask(dev, DMA_BIT_MASK(64)) == -EIO
    assert dma_set_mask(dev, DMA_BIT_MASK(32)) == 0
    golden()
    assert dma_set_mask(Device("d", 5), DMA_BIT_MASK(64)) == 0


def test_limits_return_something(old):
    dev = old[1]
    assert dma_set_max_seg_size(dev, 4096) == 0 and dma_set_seg_boundary(dev, 0xFFFF) == 0
    assert pci_set_dma_max_seg_size(dev, 4096) == pci_set_dma_seg_boundary(dev, 0xFFFF) == 0
    dev.dma_parms = None
    assert dma_set_max_seg_size(dev, 4096) == dma_set_min_align_mask(dev, 0xFFF) == -EIO
    assert pci_set_dma_max_seg_size(dev, 4096) == pci_set_dma_seg_boundary(dev, 0xFFFF) == -EIO
    assert dma_get_min_align_mask(dev) == 0


def test_r29_contents_are_undefined_in_2_6(old):
    dev, seen = old[1], []
    for _ in range(2):
        va, dma = dma_alloc_coherent(dev, 4096, GFP_KERNEL)
        seen.append(cpu.load(va, 4096))
        cpu.store(va, bytes([0xA5]) * 4096)
        dma_free_coherent(dev, 4096, va, dma)
    assert seen[1] == bytes([0xA5]) * 4096
    va, _ = dma_zalloc_coherent(dev, 4096, GFP_KERNEL)
    assert cpu.load(va, 4096) == bytes(4096)


@pytest.mark.parametrize("direction, header, expected", [
    (DMA_TO_DEVICE, False, (1, 0)), (DMA_FROM_DEVICE, False, (0, 1)),
    (DMA_BIDIRECTIONAL, False, (1, 1)), (DMA_TO_DEVICE, True, (0, 0)),
    (DMA_BIDIRECTIONAL, True, (0, 1))])
def test_r99_the_old_sync(golden, direction, header, expected):
    kernel = golden(profile="2.6", old_sync="header" if header else "text")
    dev, buf = kernel.cdma.dev, kmalloc(256, GFP_KERNEL)
    dma = dma_map_single(dev, buf, 256, direction)
    sgl = [Scatterlist()]
    sg_init_one(sgl, kmalloc(256, GFP_KERNEL), 256)
    dma_map_sg(dev, sgl, 1, direction)
    for sync in (lambda: dma_sync_single(dev, dma, 256, direction),
                 lambda: dma_sync_single_range(dev, dma, 64, 64, direction),
                 lambda: dma_sync_sg(dev, sgl, 1, direction)):
        before = operations(kernel)
        sync()
        cleans, invalidates, _ = (b - a for a, b in zip(before, operations(kernel), strict=True))
        assert (cleans, invalidates) == expected


def test_r99_removed(golden):
    kernel = golden()
    with pytest.raises(DeprecatedAPI, match="use dma_sync_single_for_cpu"):
        dma_sync_single(kernel.cdma.dev, DmaAddr(0), 1, DMA_TO_DEVICE)
    with pytest.raises(DeprecatedAPI, match="use dma_sync_sg_for_cpu"):
        dma_sync_sg(kernel.cdma.dev, [], 1, DMA_TO_DEVICE)


@pytest.mark.parametrize("direction, expected", [
    (DMA_TO_DEVICE, (1, 0, 0)), (DMA_FROM_DEVICE, (0, 1, 0)), (DMA_BIDIRECTIONAL, (0, 0, 1))])
def test_r100_cache_sync(old, direction, expected):
    kernel, dev = old
    va, dma = dma_alloc_noncoherent(dev, 4096, GFP_KERNEL)
    assert dma_is_consistent(dev, dma) == 0
    before = operations(kernel)
    assert dma_cache_sync(dev, va + 64, 128, direction) == 0
    assert tuple(b - a for a, b in zip(before, operations(kernel), strict=True)) == expected
    assert dma_cache_sync(dev, va + 8, 128, direction) == -EINVAL
    assert kernel.log.matching("not on a line")
    dma_free_noncoherent(dev, 4096, va, dma)


def test_r100_nothing_to_do_where_it_is_consistent(golden):
    kernel = golden(profile="2.6", coherent=True)
    va, dma = dma_alloc_noncoherent(kernel.cdma.dev, 4096, GFP_KERNEL)
    before = operations(kernel)
    assert dma_is_consistent(kernel.cdma.dev, dma) == 1
    assert dma_cache_sync(kernel.cdma.dev, va, 64, DMA_BIDIRECTIONAL) == 0
    assert operations(kernel) == before


def test_noncoherent_memory(golden):
    """The device sees what was synced, and nothing else."""
    kernel = golden()
    dev = kernel.cdma.dev
    va, dma = dma_alloc_noncoherent(dev, 5000, DMA_BIDIRECTIONAL, GFP_KERNEL)
    port = kernel.machine.port(dev.device_id)
    assert cpu.load(va, 5000) == port.read(int(dma), 4096)[:1] * 5000 == bytes(5000)
    cpu.store(va, b"hello")
    assert port.read(int(dma), 5) == bytes(5)
    dma_sync_single_for_device(dev, dma, 64, DMA_BIDIRECTIONAL)
    assert port.read(int(dma), 5) == b"hello"
    dma_free_noncoherent(dev, 5000, va, dma, DMA_BIDIRECTIONAL)
    with pytest.raises(TypeError, match="Direction must be given in the modern profile"):
        dma_alloc_noncoherent(dev, 4096, GFP_KERNEL)
    with pytest.raises(DeprecatedAPI, match="dma_cache_sync was removed"):
        dma_cache_sync(dev, va, 64, DMA_TO_DEVICE)


@pytest.mark.parametrize("flag", [GFP_DMA, GFP_DMA32, __GFP_COMP, __GFP_HIGHMEM])
def test_dma_pages_refuse_flags(golden, flag):
    kernel = golden()
    assert dma_alloc_pages(kernel.cdma.dev, 4096, DMA_TO_DEVICE, GFP_KERNEL | flag)[0] is None


def test_r21_no_coherent_mask_no_pages(golden):
    kernel = golden()
    kernel.cdma.dev.coherent_dma_mask = 0
    assert dma_alloc_pages(kernel.cdma.dev, 4096, DMA_TO_DEVICE, GFP_KERNEL)[0] is None
    assert kernel.log.matching("no coherent DMA mask")


def test_dma_pages_run_out(golden):
    kernel = golden()
    dev = kernel.cdma.dev
    dev.bus_dma_limit = 0xFFF                       # no I/O virtual page
    assert dma_alloc_pages(dev, 4096, DMA_TO_DEVICE, GFP_KERNEL) == (None, DMA_MAPPING_ERROR)
    while alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0):
        pass
    assert dma_alloc_pages(dev, 4096, DMA_TO_DEVICE, GFP_KERNEL)[0] is None


def test_r113_no_attributes_is_the_plain_call(old):
    kernel, dev = old
    attrs = DEFINE_DMA_ATTRS()
    buf, handles = kmalloc(256, GFP_KERNEL), []
    for given in (None, 0, attrs):
        before = operations(kernel)
        dma = dma_map_single_attrs(dev, buf, 256, DMA_TO_DEVICE, given)
        dma_unmap_single_attrs(dev, dma, 256, DMA_TO_DEVICE, given)
        handles.append((dma, [b - a for a, b in zip(before, operations(kernel), strict=True)]))
    assert handles[0] == handles[1] == handles[2]


def test_sets_of_attributes(old):
    attrs = DEFINE_DMA_ATTRS()
    dma_set_attr(DmaAttr.SKIP_CPU_SYNC, attrs)
    assert dma_get_attr(DmaAttr.SKIP_CPU_SYNC, attrs) == 1
    assert dma_get_attr(DmaAttr.WEAK_ORDERING, attrs) == dma_get_attr(DmaAttr.WEAK_ORDERING,
                                                                      None) == 0
    assert attrs.flags == DMA_ATTR_SKIP_CPU_SYNC
    dma_set_attr(DmaAttr.WRITE_BARRIER, attrs)
    assert attrs.flags == DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WRITE_BARRIER
    dma_set_attr(DmaAttr.SKIP_CPU_SYNC, None)
    with pytest.raises(KernelBug, match="unknown DMA attribute 7"):
        dma_set_attr(7, attrs)
    init_dma_attrs(attrs)
    assert attrs.flags == 0
    kernel, dev = old
    dma_set_attr(DmaAttr.SKIP_CPU_SYNC, attrs)
    dma = dma_map_single_attrs(dev, kmalloc(64, GFP_KERNEL), 64, DMA_FROM_DEVICE, attrs)
    before = operations(kernel)[1]
    dma_unmap_single_attrs(dev, dma, 64, DMA_FROM_DEVICE, attrs)
    assert operations(kernel)[1] == before



@pytest.mark.parametrize("attrs", [DMA_ATTR_WEAK_ORDERING, DMA_ATTR_WRITE_COMBINE, 1 << 30, 1])
def test_r117_unknown_attributes_are_ignored(golden, attrs):
    kernel = golden()
    dev, buf = kernel.cdma.dev, kmalloc(64, GFP_KERNEL)
    dma = dma_map_single_attrs(dev, buf, 64, DMA_TO_DEVICE, attrs)
    assert dma != DMA_MAPPING_ERROR
    dma_unmap_single_attrs(dev, dma, 64, DMA_TO_DEVICE, attrs)


def test_refused_for_good():
    with pytest.raises(DeprecatedAPI, match="use dma_map_single"):
        virt_to_bus(0)
    with pytest.raises(DeprecatedAPI, match="keep the pointer"):
        bus_to_virt(0)


def test_pci_names(old):
    pdev = old[1]
    assert (PCI_DMA_TODEVICE, PCI_DMA_FROMDEVICE) == (DMA_TO_DEVICE, DMA_FROM_DEVICE)
    assert (PCI_DMA_BIDIRECTIONAL, PCI_DMA_NONE) == (DMA_BIDIRECTIONAL, DMA_NONE)
    va, dma = pci_alloc_consistent(pdev, 100)
    pci_free_consistent(pdev, 100, va, dma)
    assert cpu.load(pci_zalloc_consistent(pdev, 100)[0], 100) == bytes(100)
    va, dma = dma_alloc_writecombine(pdev, 4096, GFP_KERNEL)
    dma_free_writecombine(pdev, 4096, va, dma)
    dma = pci_map_single(pdev, kmalloc(64, GFP_KERNEL), 64, PCI_DMA_TODEVICE)
    assert not pci_dma_mapping_error(pdev, dma)
    pci_dma_sync_single_for_cpu(pdev, dma, 64, PCI_DMA_TODEVICE)
    pci_dma_sync_single_for_device(pdev, dma, 64, PCI_DMA_TODEVICE)
    pci_unmap_single(pdev, dma, 64, PCI_DMA_TODEVICE)
    assert pci_dma_supported(pdev, DMA_BIT_MASK(32)) == 1
    assert pci_set_dma_mask(pdev, DMA_BIT_MASK(32)) == 0
    assert pci_set_consistent_dma_mask(pdev, DMA_BIT_MASK(32)) == 0
    assert dma_coerce_mask_and_coherent(Device("bare", 7, dma_mask=None), DMA_BIT_MASK(32)) == 0


def test_lines_and_alignment(golden):
    for line in (16, 32, 64, 128):
        golden(line_bytes=line)
        assert dma_get_cache_alignment() == line and ARCH_DMA_MINALIGN % line == 0
    assert DMA_BIT_MASK(24) == DMA_24BIT_MASK and DMA_BIT_MASK(64) == DMA_64BIT_MASK


def test_sg_lengths_without_a_field_of_their_own(golden):
    kernel = golden(has_iommu=False, need_sg_dma_length=False)
    sgl = [Scatterlist()]
    sg_init_one(sgl, kmalloc(100, GFP_KERNEL), 100)
    assert sg_dma_len(sgl[0]) == 100
    assert kernel.options.need_sg_dma_length is False


@DEFINE_DMA_UNMAP_ADDR("mapping")
@DEFINE_DMA_UNMAP_LEN("len")
class RingInfo:
    """An entry of a driver's ring."""


@pytest.mark.parametrize("options, kept", [
    ({"coherent": True, "has_iommu": False}, False), ({}, True),
    ({"coherent": True, "has_iommu": False, "check": "collect"}, True)])
def test_r130_state_that_unmapping_needs(golden, options, kept):
    kernel = golden(**options)
    dev, entry, buf = kernel.cdma.dev, RingInfo(), kmalloc(64, GFP_KERNEL)
    dma = dma_map_single(dev, buf, 64, DMA_TO_DEVICE)
    dma_unmap_addr_set(entry, "mapping", dma)
    dma_unmap_len_set(entry, "len", 64)
    assert dma_unmap_addr(entry, "mapping") == (dma if kept else 0)
    assert dma_unmap_len(entry, "len") == (64 if kept else 0)
    dma_mapping_error(dev, dma)
    dma_unmap_single(dev, dma_unmap_addr(entry, "mapping"), dma_unmap_len(entry, "len"),
                     DMA_TO_DEVICE)
    assert not kernel.log.matching("WARNING")


@pytest.mark.parametrize("option, value", [
    ("profile", "3.0"), ("old_sync", "x"), ("check", "stop"), ("swiotlb", "maybe")])
def test_options_are_checked(option, value):
    with pytest.raises(ValueError, match=f"Option {option} must be one of .*, not '{value}'"):
        Options(**{option: value})


def test_options_that_do_not_fit():
    with pytest.raises(ValueError, match="Option swiotlb_bytes must be a multiple of 256 KiB"):
        Options(swiotlb_bytes=1000)
    with pytest.raises(ValueError, match="Option kmalloc_minalign must come with a bounce pool"):
        Options(kmalloc_minalign=8)
    with pytest.raises(ValueError, match="Offset of device addresses must be from 0 to"):
        Platform(dma_offset=1)
    with pytest.raises(ValueError, match="Offset of device addresses must be from 0 to"):
        Platform(has_iommu=False, dma_offset=1 << 40)
