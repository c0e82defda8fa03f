"""The Linux DMA API and its drivers, in synchronous Python.

Hardware is registers and memory behind :class:`Machine`: the simulated RTL, the golden model, or a
board. Functions have the kernel's names, arguments and return values; out-parameters are further
results, NULL is None. Those without a device act on the kernel that :func:`boot` started::

    from kernel_api import *

    with boot(machine) as kernel:
        dev = kernel.cdma.dev
        buf = kmalloc(4096, GFP_KERNEL)
        handle = dma_map_single(dev, buf, 4096, DMA_TO_DEVICE)
        if dma_mapping_error(dev, handle):
            ...

Layers, lowest first; a file imports from its own layer and those below (a test sees to it):

=============  ====================================================================================
``core``       numbers, addresses, errors, messages; the kernel, which holds the parts together
``platform``   loads, stores, registers, interrupts, contexts
``memory``     pages, kmalloc, vmalloc, pages set apart
``sg``         scatterlists: entries, tables
``device``     ``struct device``, masks, limits, what a watcher is told
``iommu``      address spaces: I/O virtual addresses, page tables, flush queue
``ops``        the ways to map: direct, through the IOMMU, bounced; cache maintenance
``mapping``    the streaming API: ``dma_map_single`` and ``_page``, ``dma_map_sg``, syncs, IOVA
``coherent``   ``dma_alloc_coherent``, pools, declared and noncoherent memory, mmap
``legacy``     names that the kernel had once
``pythonic``   the same with context managers and exceptions: ``dev.dma``
``debug``      dma-debug and the ownership checker
``dmaengine``  channels of DMA engines, dmatest
``drivers``    cache, IOMMU, DMA engines
=============  ====================================================================================

So ``dma_map_sg`` is in ``mapping/lists.py``, calls ``dev.dma_ops``, which is ``ops/direct.py`` or
``ops/iommu.py``; both clean the cache with ``ops/maintenance.py``. :func:`boot` makes the parts.

Never imports Amaranth.
"""

from .boot import *
from .coherent.coherent import *
from .coherent.declared import *
from .coherent.dma_pool import *
from .coherent.mmap import *
from .coherent.noncoherent import *
from .coherent.noncontiguous import *
from .core.account import *
from .core.addresses import *
from .core.attrs import *
from .core.bug import *
from .core.current import *
from .core.deprecated import *
from .core.dma_attrs import *
from .core.errno import *
from .core.gfp import *
from .core.kernel import *
from .core.log import *
from .core.machine import *
from .core.options import *
from .core.printk import *
from .core.stats import *
from .debug.checks import *
from .debug.controls import *
from .device.device import *
from .device.direct_ranges import *
from .device.masks import *
from .device.messages import *
from .iommu.api import *
from .iommu.page_table import *
from .legacy.old_sync import *
from .legacy.pci_dma import *
from .mapping.iova_api import *
from .mapping.lists import *
from .mapping.single import *
from .mapping.sync import *
from .mapping.unmap_state import *
from .mapping.wrappers import *
from .memory.declared import *
from .memory.image import *
from .memory.pages import *
from .memory.slab import *
from .memory.struct_layout import *
from .memory.vmalloc import *
from .ops.arch import *
from .ops.dma_ops import *
from .ops.p2p import *
from .ops.swiotlb import *
from .platform import cpu
from .platform.completion import *
from .platform.context import *
from .platform.cpu import dma_mb, dma_rmb, dma_wmb, mb, memcpy, memset, rmb, wmb
from .platform.io import *
from .platform.irq import *
from .pythonic.device import *
from .pythonic.errors import *
from .pythonic.mapped import *
from .pythonic.shared import *
from .pythonic.view import *
from .sg.copy import *
from .sg.extract import *
from .sg.miter import *
from .sg.scatterlist import *
from .sg.sgl import *
from .sg.split import *
from .sg.tables import *
from .sg.walk import *

__all__ = [
    "ARCH_DMA_MINALIGN", "BUG", "BUG_ON", "DEFINE_DMA_ATTRS", "DEFINE_DMA_UNMAP_ADDR",
    "DEFINE_DMA_UNMAP_LEN", "DMA_24BIT_MASK", "DMA_28BIT_MASK", "DMA_29BIT_MASK", "DMA_30BIT_MASK",
    "DMA_31BIT_MASK", "DMA_32BIT_MASK", "DMA_33BIT_MASK", "DMA_35BIT_MASK", "DMA_39BIT_MASK",
    "DMA_40BIT_MASK", "DMA_44BIT_MASK", "DMA_47BIT_MASK", "DMA_48BIT_MASK", "DMA_64BIT_MASK",
    "DMA_ATTR_ALLOC_SINGLE_PAGES", "DMA_ATTR_CC_SHARED", "DMA_ATTR_DEBUGGING_IGNORE_CACHELINES",
    "DMA_ATTR_FORCE_CONTIGUOUS", "DMA_ATTR_MMIO", "DMA_ATTR_NON_CONSISTENT",
    "DMA_ATTR_NO_KERNEL_MAPPING", "DMA_ATTR_NO_WARN", "DMA_ATTR_PRIVILEGED",
    "DMA_ATTR_REQUIRE_COHERENT", "DMA_ATTR_SKIP_CPU_SYNC", "DMA_ATTR_WEAK_ORDERING",
    "DMA_ATTR_WRITE_BARRIER", "DMA_ATTR_WRITE_COMBINE", "DMA_BIDIRECTIONAL", "DMA_BIT_MASK",
    "DMA_FROM_DEVICE", "DMA_MAPPING_ERROR", "DMA_MEMORY_EXCLUSIVE", "DMA_MEMORY_INCLUDES_CHILDREN",
    "DMA_MEMORY_IO", "DMA_MEMORY_MAP", "DMA_NONE", "DMA_TO_DEVICE", "EBUSY", "EEXIST", "EFAULT",
    "EINVAL", "EIO", "ENODEV", "ENOENT", "ENOMEM", "ENOSPC", "ENXIO", "EOPNOTSUPP", "EPERM",
    "ERANGE", "EREMOTEIO", "ETIMEDOUT", "GFP_ATOMIC", "GFP_DMA", "GFP_DMA32", "GFP_KERNEL",
    "GFP_NOWAIT", "IOMMU_READ", "IOMMU_WRITE", "IO_OFFSET", "IRQF_SHARED", "IRQ_HANDLED",
    "IRQ_NONE", "KERN_ALERT", "KERN_CRIT", "KERN_DEBUG", "KERN_EMERG", "KERN_ERR", "KERN_INFO",
    "KERN_NOTICE", "KERN_WARNING", "PAGE_MASK", "PAGE_OFFSET", "PAGE_SHIFT", "PAGE_SIZE",
    "PCI_DMA_BIDIRECTIONAL", "PCI_DMA_FROMDEVICE", "PCI_DMA_NONE", "PCI_DMA_TODEVICE",
    "SG_MITER_ATOMIC", "SG_MITER_FROM_SG", "SG_MITER_LOCAL", "SG_MITER_TO_SG", "SIZE_MAX",
    "SLAB_ATOMIC", "SLAB_KERNEL", "UNCACHED_OFFSET", "VMALLOC_START", "WARN", "WARN_ON",
    "ZERO_SIZE_PTR", "__GFP_COMP", "__GFP_HIGHMEM", "__GFP_NOWARN", "__GFP_ZERO", "Account",
    "Accounts", "AllocationError", "BioVec", "Block", "Buffer", "BusError", "CheckError",
    "CoherentBuffer", "Completion", "Declared", "DeclaredMemory", "DeprecatedAPI", "Device",
    "DeviceDma", "Dir", "DmaAddr", "DmaAttr", "DmaAttrs", "DmaError", "DmaIovaState", "DmaPool",
    "Gfp", "IovIter", "IovaError", "IovaRange", "IrqReturn", "Kernel", "KernelBug", "Machine",
    "MappedBuffer", "MappedList", "MappingError", "MaskError", "Options", "P2pMemory", "P2pPage",
    "PhysAddr", "Pool", "Report", "Scatterlist", "SgMappingIter", "SgTable", "SkbFrag", "Stats",
    "StructLayout", "Swiotlb", "UnmapAddr", "UnmapLen", "View", "VirtAddr", "VmArea",
    "__dma_from_device_group_begin", "__dma_from_device_group_end", "__free_page", "__free_pages",
    "__get_free_pages", "accounted", "alloc_page", "alloc_pages", "arch_dma_clear_uncached",
    "arch_dma_mark_clean", "arch_dma_prep_coherent", "arch_dma_set_uncached", "arch_sync_dma_flush",
    "arch_sync_dma_for_cpu", "arch_sync_dma_for_cpu_all", "arch_sync_dma_for_device",
    "atomic_context", "boot", "bus_to_virt", "complete", "complete_all", "completion_done", "cpu",
    "current_kernel", "debug_dma_dump_mappings", "debugfs_read", "debugfs_write", "dev_err",
    "dev_info", "dev_is_dma_coherent", "dev_name", "dev_warn", "device_register",
    "device_unregister", "disable_irq", "dma_addressing_limited", "dma_alloc_attrs",
    "dma_alloc_coherent", "dma_alloc_noncoherent", "dma_alloc_noncontiguous", "dma_alloc_pages",
    "dma_alloc_wc", "dma_alloc_writecombine", "dma_cache_sync", "dma_can_mmap",
    "dma_coerce_mask_and_coherent", "dma_debug_add_bus", "dma_declare_coherent_memory",
    "dma_dev_need_sync", "dma_direct_set_offset", "dma_free_attrs", "dma_free_coherent",
    "dma_free_noncoherent", "dma_free_noncontiguous", "dma_free_pages", "dma_free_wc",
    "dma_free_writecombine", "dma_get_attr", "dma_get_cache_alignment", "dma_get_mask",
    "dma_get_max_seg_size", "dma_get_merge_boundary", "dma_get_min_align_mask",
    "dma_get_required_mask", "dma_get_seg_boundary", "dma_get_seg_boundary_nr_pages",
    "dma_get_sgtable", "dma_get_sgtable_attrs", "dma_iova_destroy", "dma_iova_free",
    "dma_iova_link", "dma_iova_size", "dma_iova_sync", "dma_iova_try_alloc", "dma_iova_unlink",
    "dma_is_consistent", "dma_kmalloc_needs_bounce", "dma_map_bvec", "dma_map_page",
    "dma_map_page_attrs", "dma_map_phys", "dma_map_resource", "dma_map_sg", "dma_map_sg_attrs",
    "dma_map_sgtable", "dma_map_single", "dma_map_single_attrs", "dma_mapping_error",
    "dma_mark_declared_memory_occupied", "dma_max_mapping_size", "dma_mb", "dma_mmap_attrs",
    "dma_mmap_coherent", "dma_mmap_noncontiguous", "dma_mmap_pages", "dma_mmap_wc",
    "dma_mmap_writecombine", "dma_need_sync", "dma_need_unmap", "dma_opt_mapping_size",
    "dma_pci_p2pdma_supported", "dma_pool_alloc", "dma_pool_create", "dma_pool_create_node",
    "dma_pool_destroy", "dma_pool_free", "dma_pool_zalloc", "dma_release_coherent_memory",
    "dma_release_declared_memory", "dma_rmb", "dma_set_attr", "dma_set_coherent_mask",
    "dma_set_mask", "dma_set_mask_and_coherent", "dma_set_max_seg_size", "dma_set_min_align_mask",
    "dma_set_seg_boundary", "dma_supported", "dma_sync_sg", "dma_sync_sg_for_cpu",
    "dma_sync_sg_for_device", "dma_sync_sgtable_for_cpu", "dma_sync_sgtable_for_device",
    "dma_sync_single", "dma_sync_single_for_cpu", "dma_sync_single_for_device",
    "dma_sync_single_range", "dma_sync_single_range_for_cpu", "dma_sync_single_range_for_device",
    "dma_unmap_addr", "dma_unmap_addr_set", "dma_unmap_len", "dma_unmap_len_set", "dma_unmap_page",
    "dma_unmap_page_attrs", "dma_unmap_phys", "dma_unmap_resource", "dma_unmap_sg",
    "dma_unmap_sg_attrs", "dma_unmap_sgtable", "dma_unmap_single", "dma_unmap_single_attrs",
    "dma_use_iova", "dma_vmap_noncontiguous", "dma_vunmap_noncontiguous", "dma_wmb",
    "dma_zalloc_coherent", "dmam_alloc_attrs", "dmam_alloc_coherent", "dmam_free_coherent",
    "dmam_pool_create", "dmam_pool_destroy", "dmesg", "enable_irq", "errno_name",
    "extract_iter_to_sg", "flush_kernel_vmap_range", "for_each_sg", "for_each_sg_dma_page",
    "for_each_sg_page", "for_each_sgtable_dma_page", "for_each_sgtable_dma_sg",
    "for_each_sgtable_page", "for_each_sgtable_sg", "free_irq", "free_page", "free_pages",
    "get_dma_ops", "get_order", "get_zeroed_page", "gfpflags_allow_blocking", "in_atomic",
    "in_hardirq", "in_interrupt", "in_task", "init_completion", "init_dma_attrs",
    "invalidate_kernel_vmap_range", "iommu_attach_device", "iommu_detach_device",
    "iommu_domain_free", "iommu_get_domain_for_dev", "iommu_iova_to_phys", "iommu_map",
    "iommu_paging_domain_alloc", "iommu_unmap", "ioremap", "iov_iter_bvec", "iov_iter_kvec",
    "irqs_disabled", "is_swiotlb_active", "is_swiotlb_buffer", "is_swiotlb_force_bounce",
    "is_vmalloc_addr", "kfree", "kmalloc", "ksize", "kzalloc", "local_irq_disable",
    "local_irq_enable", "lower_32_bits", "mb", "memcpy", "memcpy_fromio", "memcpy_toio", "memset",
    "memset_io", "might_sleep", "offset_in_page", "on_stack", "page_address", "page_align",
    "page_to_pfn", "page_to_phys", "pci_alloc_consistent", "pci_dma_mapping_error",
    "pci_dma_supported", "pci_dma_sync_sg", "pci_dma_sync_sg_for_cpu", "pci_dma_sync_sg_for_device",
    "pci_dma_sync_single", "pci_dma_sync_single_for_cpu", "pci_dma_sync_single_for_device",
    "pci_free_consistent", "pci_map_page", "pci_map_sg", "pci_map_single", "pci_pool_alloc",
    "pci_pool_create", "pci_pool_destroy", "pci_pool_free", "pci_pool_zalloc",
    "pci_set_consistent_dma_mask", "pci_set_dma_mask", "pci_set_dma_max_seg_size",
    "pci_set_dma_seg_boundary", "pci_unmap_page", "pci_unmap_sg", "pci_unmap_single",
    "pci_zalloc_consistent", "pfn_to_page", "pfn_valid", "phys_to_page", "phys_to_virt", "pr_err",
    "pr_info", "pr_warn", "printk", "readb", "readl", "readq", "reinit_completion", "request_irq",
    "rmb", "set_dma_ops", "sg_alloc_append_table_from_pages", "sg_alloc_table",
    "sg_alloc_table_from_pages", "sg_alloc_table_from_pages_segment", "sg_chain", "sg_copy_buffer",
    "sg_copy_from_buffer", "sg_copy_to_buffer", "sg_dma_address", "sg_dma_is_bus_address",
    "sg_dma_is_swiotlb", "sg_dma_len", "sg_dma_mark_bus_address", "sg_dma_mark_swiotlb",
    "sg_dma_unmark_bus_address", "sg_free_append_table", "sg_free_table", "sg_init_one",
    "sg_init_table", "sg_is_chain", "sg_is_last", "sg_last", "sg_mark_end", "sg_miter_next",
    "sg_miter_skip", "sg_miter_start", "sg_miter_stop", "sg_nents", "sg_nents_for_len", "sg_next",
    "sg_page", "sg_pcopy_from_buffer", "sg_pcopy_to_buffer", "sg_phys", "sg_set_buf",
    "sg_set_folio", "sg_set_page", "sg_split", "sg_unmark_end", "sg_virt", "sg_zero_buffer",
    "sgl_alloc", "sgl_alloc_order", "sgl_free", "sgl_free_n_order", "sgl_free_order",
    "skb_frag_dma_map", "static_object", "struct_layout", "swiotlb_max_mapping_size",
    "try_wait_for_completion", "uncached_virt", "upper_32_bits", "vfree", "virt_to_bus",
    "virt_to_page", "virt_to_phys", "vmalloc", "vmalloc_to_page", "vmap", "vunmap",
    "wait_for_completion", "wait_for_completion_timeout", "wmb", "writeb", "writel", "writeq",
]

globals().update({name: accounted(globals()[name]) for name in __all__})
