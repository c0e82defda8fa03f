"""Every function of the API, in both profiles: its arguments, and what it returns."""

import inspect
import re

import pytest

import kernel_api
from kernel_api import *
from tests.kernel_api.fake import FakeMachine
from tests.rules.functions import CONSTANTS, FUNCTIONS

BOTH, MODERN, OLD = ("modern", "2.6"), ("modern",), ("2.6",)
TO, FROM, BIDI, P = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL, PAGE_SIZE


def form(function):
    """Arguments as the table writes them."""
    marks = {inspect.Parameter.VAR_POSITIONAL: "*"}
    return [marks.get(item.kind, "") + item.name + ("=" if item.default is not item.empty else "")
            for item in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments(name):
    assert name in kernel_api.__all__
    assert form(getattr(kernel_api, name)) == FUNCTIONS[name]


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name):
    assert name in kernel_api.__all__ and getattr(kernel_api, name) == CONSTANTS[name]


#: Programs: each statement is carried out, and each expression must hold.
PROGRAMS = [(profiles, program.strip()) for profiles, text in ((BOTH, """
DMA_BIT_MASK(24) == 0xFFFFFF; DMA_BIT_MASK(0) == 0; DMA_BIT_MASK(64) == (1 << 64) - 1
wmb() is None; dma_wmb() is None; dma_rmb() is None; dma_mb() is None
refused(virt_to_bus, va); refused(bus_to_virt, 0x1000)
dma_get_cache_alignment() == 64
Entry = DEFINE_DMA_UNMAP_ADDR("at")(DEFINE_DMA_UNMAP_LEN("len")(type("Entry", (), {}))); \
entry = Entry(); dma_unmap_addr(entry, "at") == 0; dma_unmap_len(entry, "len") == 0; \
dma_unmap_addr_set(entry, "at", DmaAddr(7)) is None; dma_unmap_len_set(entry, "len", 9) is None; \
dma_unmap_addr(entry, "at") == 7; dma_unmap_len(entry, "len") == 9
struct_layout(__dma_from_device_group_begin(), ("a", 1), __dma_from_device_group_end()).size == 128

dma_supported(dev, DMA_BIT_MASK(32)) == 1; pci_dma_supported(dev, DMA_BIT_MASK(24)) == 1
dma_set_mask(dev, DMA_BIT_MASK(40)) == 0; dma_get_mask(dev) == DMA_BIT_MASK(40)
pci_set_dma_mask(dev, DMA_BIT_MASK(32)) == 0; dma_get_mask(dev) == DMA_BIT_MASK(32)
dma_supported(direct, DMA_BIT_MASK(20)) == 0; dma_set_mask(direct, DMA_BIT_MASK(20)) == -EIO; \
dma_set_coherent_mask(direct, 1) == -EIO; pci_set_consistent_dma_mask(direct, 1) == -EIO; \
dma_set_mask_and_coherent(direct, 1) == -EIO; dma_coerce_mask_and_coherent(direct, 1) == -EIO
dma_set_coherent_mask(dev, DMA_BIT_MASK(36)) == 0; dev.coherent_dma_mask == DMA_BIT_MASK(36)
pci_set_consistent_dma_mask(dev, DMA_BIT_MASK(34)) == 0; dev.coherent_dma_mask == DMA_BIT_MASK(34)
dma_set_mask_and_coherent(dev, DMA_BIT_MASK(33)) == 0; \
(dev.dma_mask, dev.coherent_dma_mask) == (DMA_BIT_MASK(33),) * 2
none = Device("none", 40, dma_mask=None); dma_set_mask(none, DMA_BIT_MASK(32)) == -EIO; \
dma_get_mask(none) == DMA_BIT_MASK(32); dma_coerce_mask_and_coherent(none, DMA_BIT_MASK(32)) == 0; \
none.dma_mask == DMA_BIT_MASK(32)
dma_get_required_mask(dev) == DMA_BIT_MASK(32)
dma_addressing_limited(dev) is False
dma_max_mapping_size(dev) == SIZE_MAX; dma_opt_mapping_size(dev) == 128 << 10; \
dma_opt_mapping_size(direct) == SIZE_MAX
dma_get_merge_boundary(dev) == 0xFFF; dma_get_merge_boundary(direct) == 0
h = dma_map_single(dev, va, 64, TO); dma_need_sync(dev, h) is True; \
dma_dev_need_sync(dev) is True; dma_need_unmap(dev) is True; dma_unmap_single(dev, h, 64, TO)
dma_set_max_seg_size(dev, 8192) == (0 if old else None); dma_get_max_seg_size(dev) == 8192
dma_set_seg_boundary(dev, 0xFFFF) == (0 if old else None); dma_get_seg_boundary(dev) == 0xFFFF; \
dma_get_seg_boundary_nr_pages(dev, 12) == 16
dma_set_min_align_mask(dev, 0xFFF) == (0 if old else None); dma_get_min_align_mask(dev) == 0xFFF
pci_set_dma_max_seg_size(dev, 4096) == 0; pci_set_dma_seg_boundary(dev, 0xFFF) == 0; \
(dma_get_max_seg_size(dev), dma_get_seg_boundary(dev)) == (4096, 0xFFF)
bare = Device("bare", 41); bare.dma_parms = None; pci_set_dma_max_seg_size(bare, 1) == -EIO; \
pci_set_dma_seg_boundary(bare, 1) == -EIO; \
dma_set_max_seg_size(bare, 1) == (-EIO if old else None); \
dma_get_max_seg_size(bare) == 65536; dma_get_seg_boundary(bare) == SIZE_MAX; \
dma_get_min_align_mask(bare) == 0
dma_pci_p2pdma_supported(dev) is False; dma_pci_p2pdma_supported(Device("pci", 43, is_pci=True))
shifted = Device("shifted", 44); start = kernel.platform.memory_base; \
dma_direct_set_offset(shifted, PhysAddr(start), 0, 1 << 20) == 0; \
dma_direct_set_offset(shifted, PhysAddr(start), 0, 1 << 20) == -EINVAL

b, h = dma_alloc_coherent(dev, 100, GFP_KERNEL); int(b) % P == int(h) % P == 0; \
dma_free_coherent(dev, 100, b, h) is None
b, h = pci_alloc_consistent(dev, 64); pci_free_consistent(dev, 64, b, h) is None
b, h = pci_zalloc_consistent(dev, 64); cpu.load(b, 64) == bytes(64); \
pci_free_consistent(dev, 64, b, h) is None
b, h = dma_zalloc_coherent(dev, 64, GFP_KERNEL); cpu.load(b, 64) == bytes(64); \
dma_free_coherent(dev, 64, b, h) is None
b, h = dma_alloc_attrs(dev, 64, GFP_KERNEL, DMA_ATTR_WRITE_COMBINE); h != DMA_MAPPING_ERROR; \
dma_free_attrs(dev, 64, b, h, DMA_ATTR_WRITE_COMBINE) is None
dma_alloc_coherent(dev, 1 << 40, GFP_KERNEL | __GFP_NOWARN) == (None, DMA_MAPPING_ERROR)
b, h = dma_alloc_wc(dev, 64, GFP_KERNEL); dma_mmap_wc(dev, VmArea(1), b, h, 64) == 0; \
dma_free_wc(dev, 64, b, h) is None
b, h = dma_alloc_writecombine(dev, 64, GFP_KERNEL); \
dma_mmap_writecombine(dev, VmArea(1), b, h, 64) == 0; dma_free_writecombine(dev, 64, b, h) is None
b, h = dma_alloc_coherent(dev, 2 * P, GFP_KERNEL); dma_can_mmap(dev) is True; \
dma_mmap_coherent(dev, VmArea(2), b, h, 2 * P) == 0; \
dma_mmap_attrs(dev, VmArea(2, 1), b, h, 2 * P, 0) == -ENXIO; \
dma_get_sgtable(dev, b, h, 2 * P)[0] == 0; \
dma_get_sgtable_attrs(dev, b, h, 2 * P, 0)[1].orig_nents == 1; dma_free_coherent(dev, 2 * P, b, h)
b, h = dmam_alloc_coherent(dev, 64, GFP_KERNEL); dmam_free_coherent(dev, 64, b, h) is None
b, h = dmam_alloc_attrs(dev, 64, GFP_KERNEL, 0); dmam_free_coherent(dev, 64, b, h) is None

args = () if old else (TO,); b, h = dma_alloc_noncoherent(dev, 64, *args, GFP_KERNEL); \
b is not None; dma_free_noncoherent(dev, 64, b, h, *args) is None
b, h = dma_alloc_coherent(dev, 64, GFP_KERNEL); dma_is_consistent(dev, h) == 0; \
dma_free_coherent(dev, 64, b, h)
page, h = dma_alloc_pages(dev, 64, TO, GFP_KERNEL); dma_mmap_pages(dev, VmArea(1), 64, page) == 0; \
dma_free_pages(dev, 64, page, h, TO) is None
dma_alloc_pages(dev, 64, TO, GFP_DMA)[0] is None
sgt = dma_alloc_noncontiguous(dev, 2 * P, TO, GFP_KERNEL, 0); sgt.nents == 1; \
b = dma_vmap_noncontiguous(dev, 2 * P, sgt); cpu.load(b, 8) == bytes(8); \
flush_kernel_vmap_range(b, 8) is None; invalidate_kernel_vmap_range(b, 8) is None; \
dma_vunmap_noncontiguous(dev, b) is None; \
dma_mmap_noncontiguous(dev, VmArea(2), 2 * P, sgt) == 0; \
dma_free_noncontiguous(dev, 2 * P, sgt, TO) is None

pool = dma_pool_create("p", dev, 32, 16, 0); b, h = dma_pool_alloc(pool, GFP_KERNEL); \
dma_pool_free(pool, b, h) is None; c, h = dma_pool_zalloc(pool, GFP_KERNEL); c == b; \
dma_pool_free(pool, c, h); dma_pool_destroy(pool) is None
dma_pool_create("p", dev, 0, 16, 0) is None; dma_pool_destroy(None) is None
pool = dma_pool_create_node("p", dev, 32, 16, 0, -1); dma_pool_destroy(pool)
pool = pci_pool_create("p", dev, 32, 16, 0); b, h = pci_pool_alloc(pool, GFP_ATOMIC); \
pci_pool_free(pool, b, h) is None; b, h = pci_pool_zalloc(pool, SLAB_ATOMIC); \
cpu.load(b, 32) == bytes(32); pci_pool_free(pool, b, h); pci_pool_destroy(pool) is None
pool = dmam_pool_create("p", dev, 32, 16, 0); dmam_pool_destroy(pool) is None

h = dma_map_single(dev, va, 64, TO); dma_mapping_error(dev, h) == 0; \
dma_unmap_single(dev, h, 64, TO) is None; dma_mapping_error(dev, DMA_MAPPING_ERROR) == -ENOMEM
h = pci_map_single(dev, va, 64, PCI_DMA_TODEVICE); pci_dma_mapping_error(dev, h) == 0; \
pci_unmap_single(dev, h, 64, PCI_DMA_TODEVICE) is None
page = virt_to_page(va); at = offset_in_page(va); h = dma_map_page(dev, page, at, 64, FROM); \
dma_unmap_page(dev, h, 64, FROM) is None; h = pci_map_page(dev, page, at, 64, FROM); \
pci_unmap_page(dev, h, 64, FROM) is None; h = dma_map_page_attrs(dev, page, at, 64, FROM, 0); \
dma_unmap_page_attrs(dev, h, 64, FROM, None) is None
h = dma_map_single_attrs(dev, va, 64, TO, None); dma_unmap_single_attrs(dev, h, 64, TO, 0) is None
h = dma_map_phys(dev, virt_to_phys(va), 64, TO, 0); dma_unmap_phys(dev, h, 64, TO, 0) is None
h = dma_map_resource(dev, PhysAddr(0x1000), 64, FROM, 0); h != DMA_MAPPING_ERROR; \
dma_unmap_resource(dev, h, 64, FROM, 0) is None; \
dma_map_resource(dev, virt_to_phys(va), 64, FROM, 0) == DMA_MAPPING_ERROR
h = dma_map_bvec(dev, BioVec(page_of(va), 64), TO, 0); dma_unmap_page(dev, h, 64, TO)
h = skb_frag_dma_map(dev, SkbFrag(page_of(va), 64), 0, 64, TO); dma_unmap_page(dev, h, 64, TO)

sgl = entries(2); dma_map_sg(dev, sgl, 2, TO) == 1; sg_dma_len(sgl[0]) == 2 * P; \
sg_dma_address(sgl[0]) != DMA_MAPPING_ERROR; dma_unmap_sg(dev, sgl, 2, TO) is None
sgl = entries(2); pci_map_sg(dev, sgl, 2, TO) == 1; pci_unmap_sg(dev, sgl, 2, TO) is None
sgl = entries(2); dma_map_sg_attrs(dev, sgl, 2, TO, None) == 1; \
dma_unmap_sg_attrs(dev, sgl, 2, TO, 0) is None
sgt = table_of(3); dma_map_sgtable(dev, sgt, TO, 0) == 0; sgt.nents == 1; \
dma_sync_sgtable_for_cpu(dev, sgt, TO) is None; dma_sync_sgtable_for_device(dev, sgt, TO) is None; \
dma_unmap_sgtable(dev, sgt, TO, 0) is None
[i for sg, i in for_each_sg(entries(3), 3)] == [0, 1, 2]
sg = Scatterlist(); sg_init_table([sg], 1) is None; sg_init_one(sg, va, 64) is None; \
sg_set_page(sg, page_of(va), 64, 8) is None; sg.offset == 8; sg_set_buf(sg, va, 32) is None; \
sg_set_folio(sg, page_of(va), 64, offset_in_page(va)) is None; sg_page(sg) is page_of(va); \
sg_phys(sg) == virt_to_phys(va); sg_virt(sg) == va
sgl = entries(2); sg_next(sgl[0]) is sgl[1]; sg_next(sgl[1]) is None; sg_last(sgl, 2) is sgl[1]; \
sg_nents(sgl) == 2; sg_nents_for_len(sgl, P + 1) == 2; sg_nents_for_len(sgl, 3 * P) == -EINVAL; \
sg_is_last(sgl[1]) is True; sg_mark_end(sgl[0]) is None; sg_nents(sgl) == 1; \
sg_unmark_end(sgl[0]) is None; sg_is_chain(sgl[1]) is False; \
sg_chain(sgl, 2, entries(1)) is None; sg_is_chain(sgl[1]) is True
sgt = SgTable(); sg_alloc_table(sgt, 0, GFP_KERNEL) == -EINVAL; \
sg_alloc_table(sgt, 2, GFP_KERNEL) == 0; sg_free_table(sgt) is None; \
sg_alloc_table_from_pages(sgt, [page_of(va)], 1, 0, P, GFP_KERNEL) == 0; \
sg_alloc_table_from_pages_segment(sgt, [page_of(va)], 1, 0, P, 5, GFP_KERNEL) == -EINVAL; \
sg_alloc_append_table_from_pages(sgt, [page_of(va)], 1, 0, P, P, 0, GFP_KERNEL) == 0; \
sg_free_append_table(sgt) is None
sgl, n = sgl_alloc(P + 1, GFP_KERNEL); n == 2; sgl_free(sgl) is None
sgl, n = sgl_alloc_order(P, 1, True, GFP_KERNEL); (n, len(sgl)) == (1, 2); \
sgl_free_n_order(sgl, 1, 1) is None; sgl, n = sgl_alloc_order(P, 1, False, GFP_KERNEL); \
sgl_free_order(sgl, 1) is None
sgl = entries(2); sg_copy_from_buffer(sgl, 2, b"abc", 3) == 3; \
sg_copy_to_buffer(sgl, 2, 3) == (3, b"abc"); sg_pcopy_from_buffer(sgl, 2, b"xy", 2, 1) == 2; \
sg_pcopy_to_buffer(sgl, 2, 2, 1) == (2, b"xy"); sg_zero_buffer(sgl, 2, 1, 2) == 1; \
buf = bytearray(3); sg_copy_buffer(sgl, 2, buf, 3, 0, True) == 3; buf == b"ax\\0"
sg_split(entries(2), 0, P // 2, 2, [P, 1], GFP_KERNEL)[2] == [0, 0]
m = SgMappingIter(); sg_miter_start(m, entries(2), 2, SG_MITER_ATOMIC) is None; \
sg_miter_skip(m, P) is True; sg_miter_next(m) is True; sg_miter_next(m) is False; \
sg_miter_stop(m) is None
sgt = table_of(2); dma_map_sgtable(dev, sgt, TO, 0) == 0; \
[i for sg, i in for_each_sgtable_sg(sgt)] == [0, 1]; \
len(list(for_each_sgtable_page(sgt, 0))) == 2; \
len(list(for_each_sg_page(sgt.sgl, 2, 1))) == 1; len(list(for_each_sgtable_dma_sg(sgt))) == 1; \
len(list(for_each_sgtable_dma_page(sgt, 0))) == 2; \
len(list(for_each_sg_dma_page(sgt.sgl, 1, 1))) == 1; dma_unmap_sgtable(dev, sgt, TO, 0)
extract_iter_to_sg(iov_iter_kvec([(va, 64)]), 9, table_of(1, used=0), 1, 0) == 9
sg = Scatterlist(); sg_dma_mark_bus_address(sg) is None; sg_dma_is_bus_address(sg) is True; \
sg_dma_unmark_bus_address(sg) is None; sg_dma_is_bus_address(sg) is False; \
sg_dma_is_swiotlb(sg) is False; sg_dma_mark_swiotlb(sg) is None; sg_dma_is_swiotlb(sg) is True

h = dma_map_single(dev, va, 64, BIDI); dma_sync_single_for_cpu(dev, h, 64, BIDI) is None; \
dma_sync_single_for_device(dev, h, 64, BIDI) is None; \
pci_dma_sync_single_for_cpu(dev, h, 64, BIDI) is None; \
pci_dma_sync_single_for_device(dev, h, 64, BIDI) is None; \
dma_sync_single_range_for_cpu(dev, h, 32, 32, BIDI) is None; \
dma_sync_single_range_for_device(dev, h, 32, 32, BIDI) is None; dma_unmap_single(dev, h, 64, BIDI)
sgl = entries(2); dma_map_sg(dev, sgl, 2, BIDI); dma_sync_sg_for_cpu(dev, sgl, 2, BIDI) is None; \
dma_sync_sg_for_device(dev, sgl, 2, BIDI) is None; \
pci_dma_sync_sg_for_cpu(dev, sgl, 2, BIDI) is None; \
pci_dma_sync_sg_for_device(dev, sgl, 2, BIDI) is None; dma_unmap_sg(dev, sgl, 2, BIDI)
a = DEFINE_DMA_ATTRS(); dma_get_attr(DmaAttr.WEAK_ORDERING, a) == 0; \
dma_set_attr(DmaAttr.WEAK_ORDERING, a) is None; dma_get_attr(DmaAttr.WEAK_ORDERING, a) == 1; \
init_dma_attrs(a) is None; dma_get_attr(DmaAttr.WEAK_ORDERING, a) == 0; \
dma_get_attr(DmaAttr.WEAK_ORDERING, None) == 0

s = DmaIovaState(); phys = virt_to_phys(va); dma_iova_try_alloc(direct, s, phys, 64) is False; \
dma_use_iova(s) is False; dma_iova_try_alloc(dev, s, phys, 64) is True; dma_use_iova(s) is True; \
dma_iova_size(s) == 64; dma_iova_link(dev, s, phys, 0, 64, TO, 0) == 0; \
dma_iova_sync(dev, s, 0, 64) == 0; dma_iova_unlink(dev, s, 0, 64, TO, 0) is None; \
dma_iova_free(dev, s) is None; dma_iova_try_alloc(dev, s, phys, 64); \
dma_iova_link(dev, s, phys, 0, 64, TO, 0) == 0; dma_iova_destroy(dev, s, 64, TO, 0) is None
dma_debug_add_bus("pci") is None; debug_dma_dump_mappings(dev) is None
get_dma_ops(direct) is None; set_dma_ops(direct, kernel.direct_ops) is None; \
get_dma_ops(dev) is kernel.iommu_ops
phys = virt_to_phys(va); arch_sync_dma_for_device(phys, 64, TO) is None; \
arch_sync_dma_for_cpu(phys, 64, FROM) is None; arch_sync_dma_for_cpu_all() is None; \
arch_sync_dma_flush() is None; arch_dma_prep_coherent(page_of(va), P) is None; \
arch_dma_set_uncached(va, 64) == uncached_virt(phys); arch_dma_clear_uncached(va, 64) is None; \
arch_dma_mark_clean(phys, 64) is None
"""), (MODERN, """
dma_declare_coherent_memory(direct, PhysAddr(start), 0, P) == 0; \
b, h = dma_alloc_coherent(direct, P, GFP_KERNEL); h == 0; \
dma_release_coherent_memory(direct) is None
refused(dma_sync_single, dev, DmaAddr(0), 64, TO); refused(dma_sync_sg, dev, entries(1), 1, TO); \
refused(dma_sync_single_range, dev, DmaAddr(0), 0, 64, TO); refused(dma_cache_sync, dev, va, 64, TO)
refused(pci_dma_sync_single, dev, DmaAddr(0), 1, TO); \
refused(pci_dma_sync_sg, dev, entries(1), 1, TO)
dma_set_mask(dev, DMA_BIT_MASK(64)) == 0
"""), (OLD, """
dma_declare_coherent_memory(direct, start, 0, 4 * P, DMA_MEMORY_MAP) == DMA_MEMORY_MAP; \
dma_mark_declared_memory_occupied(direct, P, P) == uncached_virt(PhysAddr(start + P)); \
dma_mark_declared_memory_occupied(direct, P, P) == -EBUSY; \
dma_release_declared_memory(direct) is None; \
dma_mark_declared_memory_occupied(direct, 0, P) == -EINVAL
h = dma_map_single(dev, va, 64, BIDI); dma_sync_single(dev, h, 64, BIDI) is None; \
pci_dma_sync_single(dev, h, 64, BIDI) is None; \
dma_sync_single_range(dev, h, 32, 32, BIDI) is None; dma_mapping_error(h) == 0; \
pci_dma_mapping_error(dev, h) == 0; dma_unmap_single(dev, h, 64, BIDI)
sgl = entries(2); dma_map_sg(dev, sgl, 2, BIDI); dma_sync_sg(dev, sgl, 2, BIDI) is None; \
pci_dma_sync_sg(dev, sgl, 2, BIDI) is None; dma_unmap_sg(dev, sgl, 2, BIDI)
b, h = dma_alloc_noncoherent(dev, 64, GFP_KERNEL); dma_cache_sync(dev, b, 64, TO) == 0; \
dma_cache_sync(dev, b + 8, 8, TO) == -EINVAL; dma_free_noncoherent(dev, 64, b, h)
a = DEFINE_DMA_ATTRS(); dma_set_attr(DmaAttr.SKIP_CPU_SYNC, a); \
h = dma_map_single_attrs(dev, va, 64, TO, a); dma_unmap_single_attrs(dev, h, 64, TO, a) is None; \
sgl = entries(2); dma_map_sg_attrs(dev, sgl, 2, TO, a) == 1; \
dma_unmap_sg_attrs(dev, sgl, 2, TO, a) is None
dma_set_mask(dev, DMA_BIT_MASK(64)) == -EIO; dma_set_mask(dev, DMA_BIT_MASK(63)) == 0
""")) for program in text.strip().splitlines() if program]


def refused(function, *args):
    """Whether a function raises DeprecatedAPI."""
    with pytest.raises(DeprecatedAPI):
        function(*args)
    return True


def entries(count):
    """A list of whole pages, apart."""
    sgl = [Scatterlist() for _ in range(count)]
    sg_init_table(sgl, count)
    for sg in sgl:
        sg_set_page(sg, alloc_page(GFP_KERNEL), P, 0)
    return sgl


def table_of(count, used=None):
    """The same, as a table."""
    table = SgTable()
    table.sgl = entries(count)
    table.orig_nents = count
    table.nents = count if used is None else used
    return table


@pytest.mark.parametrize("profile, program", [(profile, program) for profiles, program in PROGRAMS
                                              for profile in profiles])
def test_results(profile, program):
    with boot(FakeMachine(), profile=profile) as kernel:
        dev, direct = Device("dev", 31), Device("direct", 32)
        device_register(dev)
        names = dict(globals(), kernel=kernel, dev=dev, direct=direct, old=profile == "2.6",
                     va=kmalloc(256, GFP_KERNEL), page_of=virt_to_page,
                     start=kernel.platform.memory_base)
        for step in program.split("; "):
            code = compile(step.strip(), "program", "single" if is_statement(step) else "eval")
            held = eval(code, names)
            assert is_statement(step) or held or (" == " not in step and " is " not in step), step


def is_statement(step):
    """Whether it sets names."""
    return " = " in step.split("(")[0]


def test_all_functions_are_in_a_program():
    used = {name for _, program in PROGRAMS for name in re.findall(r"\w+", program)}
    assert set(FUNCTIONS) - used == set()
