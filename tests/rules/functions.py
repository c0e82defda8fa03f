"""Functions, macros and constants of the DMA API, with the kernel's order of arguments.

A ``*`` before an argument: there is more than one form, by profile. A ``=`` behind it: it may be
left out. Out-parameters are further results, and are no arguments.
"""

import re

__all__ = ["CONSTANTS", "FUNCTIONS"]

_TABLE = """
# Types, constants, helpers
DMA_BIDIRECTIONAL = 0
DMA_TO_DEVICE = 1
DMA_FROM_DEVICE = 2
DMA_NONE = 3
DMA_MAPPING_ERROR = 0xffffffffffffffff
DMA_BIT_MASK(n)
GFP_KERNEL = 1
GFP_ATOMIC = 2
GFP_DMA = 4
GFP_DMA32 = 8
SLAB_KERNEL = 1
SLAB_ATOMIC = 2
wmb()
dma_wmb()
dma_rmb()
dma_mb()
virt_to_bus(address)
bus_to_virt(address)
ARCH_DMA_MINALIGN = 128
dma_get_cache_alignment()
DEFINE_DMA_UNMAP_ADDR(name)
DEFINE_DMA_UNMAP_LEN(name)
dma_unmap_addr(entry, name)
dma_unmap_len(entry, name)
dma_unmap_addr_set(entry, name, value)
dma_unmap_len_set(entry, name, value)
__dma_from_device_group_begin(group=)
__dma_from_device_group_end(group=)
# Masks and limits
dma_supported(dev, mask)
pci_dma_supported(dev, mask)
dma_set_mask(dev, mask)
pci_set_dma_mask(dev, mask)
dma_set_coherent_mask(dev, mask)
pci_set_consistent_dma_mask(dev, mask)
dma_set_mask_and_coherent(dev, mask)
dma_coerce_mask_and_coherent(dev, mask)
dma_get_mask(dev)
dma_get_required_mask(dev)
dma_addressing_limited(dev)
dma_max_mapping_size(dev)
dma_opt_mapping_size(dev)
dma_need_sync(dev, dma)
dma_dev_need_sync(dev)
dma_need_unmap(dev)
dma_get_merge_boundary(dev)
dma_set_max_seg_size(dev, size)
dma_get_max_seg_size(dev)
dma_set_seg_boundary(dev, mask)
dma_get_seg_boundary(dev)
dma_get_seg_boundary_nr_pages(dev, page_shift)
dma_set_min_align_mask(dev, mask)
dma_get_min_align_mask(dev)
pci_set_dma_max_seg_size(pdev, size)
pci_set_dma_seg_boundary(pdev, mask)
dma_pci_p2pdma_supported(dev)
dma_direct_set_offset(dev, cpu_start, dma_start, size)
# Coherent memory
dma_alloc_coherent(dev, size, gfp)
pci_alloc_consistent(pdev, size)
pci_zalloc_consistent(pdev, size)
dma_zalloc_coherent(dev, size, gfp)
dma_free_coherent(dev, size, va, dma)
pci_free_consistent(dev, size, va, dma)
dma_alloc_attrs(dev, size, gfp, attrs)
dma_free_attrs(dev, size, va, dma, attrs)
dma_alloc_wc(dev, size, gfp)
dma_free_wc(dev, size, va, dma)
dma_mmap_wc(dev, vma, va, dma, size)
dma_alloc_writecombine(dev, size, gfp)
dma_free_writecombine(dev, size, va, dma)
dma_mmap_writecombine(dev, vma, va, dma, size)
dma_mmap_coherent(dev, vma, va, dma, size)
dma_mmap_attrs(dev, vma, va, dma, size, attrs)
dma_can_mmap(dev)
dma_get_sgtable(dev, va, dma, size)
dma_get_sgtable_attrs(dev, va, dma, size, attrs)
dmam_alloc_coherent(dev, size, gfp)
dmam_alloc_attrs(dev, size, gfp, attrs)
dmam_free_coherent(dev, size, va, dma)
# Noncoherent and paged memory
dma_alloc_noncoherent(dev, size, *arguments)
dma_free_noncoherent(dev, size, va, dma, *direction)
dma_is_consistent(dev, dma)
dma_cache_sync(dev, va, size, direction)
dma_alloc_pages(dev, size, direction, gfp)
dma_free_pages(dev, size, page, dma, direction)
dma_mmap_pages(dev, vma, size, page)
dma_alloc_noncontiguous(dev, size, direction, gfp, attrs)
dma_free_noncontiguous(dev, size, sgt, direction)
dma_vmap_noncontiguous(dev, size, sgt)
dma_vunmap_noncontiguous(dev, va)
dma_mmap_noncontiguous(dev, vma, size, sgt)
flush_kernel_vmap_range(va, size)
invalidate_kernel_vmap_range(va, size)
# Pools
dma_pool_create(name, dev, size, align, boundary)
dma_pool_create_node(name, dev, size, align, boundary, node)
pci_pool_create(name, dev, size, align, boundary)
dma_pool_alloc(pool, gfp)
pci_pool_alloc(pool, gfp)
dma_pool_zalloc(pool, gfp)
pci_pool_zalloc(pool, gfp)
dma_pool_free(pool, va, dma)
pci_pool_free(pool, va, dma)
dma_pool_destroy(pool)
pci_pool_destroy(pool)
dmam_pool_create(name, dev, size, align, boundary)
dmam_pool_destroy(pool)
# One range
dma_map_single(dev, ptr, size, direction)
pci_map_single(dev, ptr, size, direction)
dma_unmap_single(dev, dma, size, direction)
pci_unmap_single(dev, dma, size, direction)
dma_map_page(dev, page, offset, size, direction)
pci_map_page(dev, page, offset, size, direction)
dma_unmap_page(dev, dma, size, direction)
pci_unmap_page(dev, dma, size, direction)
dma_mapping_error(dev, dma=)
pci_dma_mapping_error(dev, dma=)
dma_map_single_attrs(dev, ptr, size, direction, attrs)
dma_unmap_single_attrs(dev, dma, size, direction, attrs)
dma_map_page_attrs(dev, page, offset, size, direction, attrs)
dma_unmap_page_attrs(dev, dma, size, direction, attrs)
dma_map_phys(dev, phys, size, direction, attrs=)
dma_unmap_phys(dev, dma, size, direction, attrs=)
dma_map_resource(dev, phys, size, direction, attrs)
dma_unmap_resource(dev, dma, size, direction, attrs)
dma_map_bvec(dev, bv, direction, attrs)
skb_frag_dma_map(dev, frag, offset, size, direction)
# Lists
dma_map_sg(dev, sgl, nents, direction)
pci_map_sg(dev, sgl, nents, direction)
dma_unmap_sg(dev, sgl, nents, direction)
pci_unmap_sg(dev, sgl, nents, direction)
dma_map_sg_attrs(dev, sgl, nents, direction, attrs)
dma_unmap_sg_attrs(dev, sgl, nents, direction, attrs)
dma_map_sgtable(dev, sgt, direction, attrs)
dma_unmap_sgtable(dev, sgt, direction, attrs)
sg_dma_address(sg)
sg_dma_len(sg)
for_each_sg(sgl, nents)
sg_init_table(sgl, nents)
sg_init_one(sgl, buf, length)
sg_set_page(sg, page, length, offset)
sg_set_buf(sg, buf, length)
sg_set_folio(sg, folio, length, offset)
sg_mark_end(sg)
sg_unmark_end(sg)
sg_chain(prv, prv_nents, sgl)
sg_next(sg)
sg_last(sgl, nents)
sg_nents(sgl)
sg_nents_for_len(sgl, length)
sg_page(sg)
sg_phys(sg)
sg_virt(sg)
sg_is_last(sg)
sg_is_chain(sg)
sg_alloc_table(table, nents, gfp)
sg_free_table(table)
sg_alloc_table_from_pages(table, pages, n_pages, offset, size, gfp)
sg_alloc_table_from_pages_segment(table, pages, n_pages, offset, size, max_segment, gfp)
sg_alloc_append_table_from_pages(table, pages, n_pages, offset, size, max_segment, left_pages, gfp)
sg_free_append_table(table)
sgl_alloc(length, gfp)
sgl_alloc_order(length, order, chainable, gfp)
sgl_free(sgl)
sgl_free_order(sgl, order)
sgl_free_n_order(sgl, nents, order)
sg_copy_from_buffer(sgl, nents, buf, buflen)
sg_copy_to_buffer(sgl, nents, buflen)
sg_pcopy_from_buffer(sgl, nents, buf, buflen, skip)
sg_pcopy_to_buffer(sgl, nents, buflen, skip)
sg_copy_buffer(sgl, nents, buf, buflen, skip, to_buffer)
sg_zero_buffer(sgl, nents, buflen, skip)
sg_split(in_, in_mapped_nents, skip, nb_splits, split_sizes, gfp)
sg_miter_start(miter, sgl, nents, flags)
sg_miter_skip(miter, offset)
sg_miter_next(miter)
sg_miter_stop(miter)
for_each_sgtable_sg(sgt)
for_each_sgtable_page(sgt, pgoffset)
for_each_sg_page(sgl, nents, pgoffset)
for_each_sgtable_dma_sg(sgt)
for_each_sgtable_dma_page(sgt, pgoffset)
for_each_sg_dma_page(sgl, dma_nents, pgoffset)
extract_iter_to_sg(iter_, maxsize, sgtable, sg_max, extraction_flags)
sg_dma_is_bus_address(sg)
sg_dma_mark_bus_address(sg)
sg_dma_unmark_bus_address(sg)
sg_dma_is_swiotlb(sg)
sg_dma_mark_swiotlb(sg)
# Syncs
dma_sync_single(dev, dma, size, direction)
pci_dma_sync_single(dev, dma, size, direction)
dma_sync_sg(dev, sgl, nelems, direction)
pci_dma_sync_sg(dev, sgl, nelems, direction)
dma_sync_single_range(dev, dma, offset, size, direction)
dma_sync_single_for_cpu(dev, dma, size, direction)
dma_sync_single_for_device(dev, dma, size, direction)
pci_dma_sync_single_for_cpu(dev, dma, size, direction)
pci_dma_sync_single_for_device(dev, dma, size, direction)
dma_sync_sg_for_cpu(dev, sgl, nents, direction)
dma_sync_sg_for_device(dev, sgl, nents, direction)
pci_dma_sync_sg_for_cpu(dev, sgl, nents, direction)
pci_dma_sync_sg_for_device(dev, sgl, nents, direction)
dma_sync_single_range_for_cpu(dev, dma, offset, size, direction)
dma_sync_single_range_for_device(dev, dma, offset, size, direction)
dma_sync_sgtable_for_cpu(dev, sgt, direction)
dma_sync_sgtable_for_device(dev, sgt, direction)
# Attributes
DEFINE_DMA_ATTRS()
init_dma_attrs(attrs)
dma_set_attr(attr, attrs)
dma_get_attr(attr, attrs)
DMA_ATTR_WRITE_BARRIER = 1
DMA_ATTR_WEAK_ORDERING = 2
DMA_ATTR_WRITE_COMBINE = 4
DMA_ATTR_NON_CONSISTENT = 8
DMA_ATTR_NO_KERNEL_MAPPING = 16
DMA_ATTR_SKIP_CPU_SYNC = 32
DMA_ATTR_FORCE_CONTIGUOUS = 64
DMA_ATTR_ALLOC_SINGLE_PAGES = 128
DMA_ATTR_NO_WARN = 256
DMA_ATTR_PRIVILEGED = 512
DMA_ATTR_MMIO = 1024
DMA_ATTR_DEBUGGING_IGNORE_CACHELINES = 2048
DMA_ATTR_REQUIRE_COHERENT = 4096
DMA_ATTR_CC_SHARED = 8192
# Declared memory, IOVA, ops, hooks
dma_declare_coherent_memory(dev, addr, device_addr, size, flags=)
dma_release_declared_memory(dev)
dma_mark_declared_memory_occupied(dev, device_addr, size)
dma_release_coherent_memory(dev)
dma_iova_try_alloc(dev, state, phys, size)
dma_use_iova(state)
dma_iova_size(state)
dma_iova_link(dev, state, phys, offset, size, direction, attrs)
dma_iova_sync(dev, state, offset, size)
dma_iova_unlink(dev, state, offset, size, direction, attrs)
dma_iova_free(dev, state)
dma_iova_destroy(dev, state, mapped_len, direction, attrs)
dma_debug_add_bus(bus)
debug_dma_dump_mappings(dev)
get_dma_ops(dev)
set_dma_ops(dev, dma_ops)
arch_sync_dma_for_device(paddr, size, direction)
arch_sync_dma_for_cpu(paddr, size, direction)
arch_sync_dma_for_cpu_all()
arch_sync_dma_flush()
arch_dma_prep_coherent(page, size)
arch_dma_set_uncached(addr, size)
arch_dma_clear_uncached(addr, size)
arch_dma_mark_clean(paddr, size)
"""

#: Name to arguments.
FUNCTIONS: dict[str, list[str]] = {
    name: [argument for argument in arguments.split(", ") if argument]
    for name, arguments in re.findall(r"^(\w+)\((.*)\)$", _TABLE, flags=re.M)}
#: Name to value.
CONSTANTS: dict[str, int] = {
    name: int(value, 0) for name, value in re.findall(r"^(\w+) = (\w+)$", _TABLE, flags=re.M)}
