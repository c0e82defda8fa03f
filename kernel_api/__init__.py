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

Never imports Amaranth.
"""

from . import cpu
from .addresses import *
from .attrs import *
from .bug import *
from .coherent import *
from .completion import *
from .cpu import mb, memcpy, memset, rmb, wmb
from .current import *
from .device import *
from .errno import *
from .gfp import *
from .iommu import *
from .irq import *
from .kernel import *
from .log import *
from .machine import *
from .mapping import *
from .masks import *
from .page_table import *
from .pages import *
from .scatterlist import *
from .sg_mapping import *
from .slab import *

__all__ = [
    "BUG", "BUG_ON", "DMA_ATTR_ALLOC_SINGLE_PAGES", "DMA_ATTR_FORCE_CONTIGUOUS", "DMA_ATTR_MMIO",
    "DMA_ATTR_NO_KERNEL_MAPPING", "DMA_ATTR_NO_WARN", "DMA_ATTR_PRIVILEGED",
    "DMA_ATTR_SKIP_CPU_SYNC", "DMA_ATTR_WEAK_ORDERING", "DMA_ATTR_WRITE_COMBINE",
    "DMA_BIDIRECTIONAL", "DMA_BIT_MASK", "DMA_FROM_DEVICE", "DMA_MAPPING_ERROR", "DMA_NONE",
    "DMA_TO_DEVICE", "EBUSY", "EEXIST", "EFAULT", "EINVAL", "EIO", "ENODEV", "ENOENT", "ENOMEM",
    "ENOSPC", "ENXIO", "EOPNOTSUPP", "EPERM", "ERANGE", "EREMOTEIO", "ETIMEDOUT", "GFP_ATOMIC",
    "GFP_DMA", "GFP_DMA32", "GFP_KERNEL", "GFP_NOWAIT", "IOMMU_READ", "IOMMU_WRITE", "IRQF_SHARED",
    "IRQ_HANDLED", "IRQ_NONE", "KERN_ALERT", "KERN_CRIT", "KERN_DEBUG", "KERN_EMERG", "KERN_ERR",
    "KERN_INFO", "KERN_NOTICE", "KERN_WARNING", "PAGE_MASK", "PAGE_OFFSET", "PAGE_SHIFT",
    "PAGE_SIZE", "SIZE_MAX", "UNCACHED_OFFSET", "WARN", "WARN_ON", "ZERO_SIZE_PTR", "__GFP_COMP",
    "__GFP_HIGHMEM", "__GFP_NOWARN", "__GFP_ZERO", "BusError", "Completion", "Device", "Dir",
    "DmaAddr", "Gfp", "IrqReturn", "Kernel", "KernelBug", "Machine", "PhysAddr", "Scatterlist",
    "SgTable", "VirtAddr", "__free_page", "__free_pages", "__get_free_pages", "alloc_page",
    "alloc_pages", "boot", "complete", "complete_all", "completion_done", "cpu", "current_kernel",
    "dev_err", "dev_info", "dev_is_dma_coherent", "dev_name", "dev_warn", "device_register",
    "device_unregister", "disable_irq", "dma_addressing_limited", "dma_alloc_attrs",
    "dma_alloc_coherent", "dma_dev_need_sync", "dma_free_attrs", "dma_free_coherent",
    "dma_get_cache_alignment", "dma_get_mask", "dma_get_max_seg_size", "dma_get_merge_boundary",
    "dma_get_required_mask", "dma_get_seg_boundary", "dma_get_seg_boundary_nr_pages",
    "dma_map_page", "dma_map_page_attrs", "dma_map_phys", "dma_map_resource", "dma_map_sg",
    "dma_map_sg_attrs", "dma_map_sgtable", "dma_map_single", "dma_map_single_attrs",
    "dma_mapping_error", "dma_max_mapping_size", "dma_need_sync", "dma_opt_mapping_size",
    "dma_set_coherent_mask", "dma_set_mask", "dma_set_mask_and_coherent", "dma_set_max_seg_size",
    "dma_set_seg_boundary", "dma_supported", "dma_sync_sg_for_cpu", "dma_sync_sg_for_device",
    "dma_sync_sgtable_for_cpu", "dma_sync_sgtable_for_device", "dma_sync_single_for_cpu",
    "dma_sync_single_for_device", "dma_sync_single_range_for_cpu",
    "dma_sync_single_range_for_device", "dma_unmap_page", "dma_unmap_page_attrs", "dma_unmap_phys",
    "dma_unmap_resource", "dma_unmap_sg", "dma_unmap_sg_attrs", "dma_unmap_sgtable",
    "dma_unmap_single", "dma_unmap_single_attrs", "dmesg", "enable_irq", "errno_name",
    "for_each_sg", "free_irq", "free_page", "free_pages", "get_order", "get_zeroed_page",
    "in_interrupt", "init_completion", "iommu_attach_device", "iommu_detach_device",
    "iommu_domain_free", "iommu_get_domain_for_dev", "iommu_iova_to_phys", "iommu_map",
    "iommu_paging_domain_alloc", "iommu_unmap", "irqs_disabled", "is_vmalloc_addr", "kfree",
    "kmalloc", "ksize", "kzalloc", "local_irq_disable", "local_irq_enable", "lower_32_bits", "mb",
    "memcpy", "memset", "offset_in_page", "page_address", "page_align", "page_to_pfn",
    "page_to_phys", "pfn_to_page", "pfn_valid", "phys_to_page", "phys_to_virt", "pr_err",
    "pr_info", "pr_warn", "printk", "reinit_completion", "request_irq", "rmb", "sg_alloc_table",
    "sg_chain", "sg_copy_from_buffer", "sg_copy_to_buffer", "sg_dma_address", "sg_dma_len",
    "sg_free_table", "sg_init_one", "sg_init_table", "sg_is_last", "sg_last", "sg_mark_end",
    "sg_nents", "sg_nents_for_len", "sg_next", "sg_page", "sg_pcopy_from_buffer",
    "sg_pcopy_to_buffer", "sg_phys", "sg_set_buf", "sg_set_page", "sg_virt",
    "try_wait_for_completion", "uncached_virt", "upper_32_bits", "virt_to_page", "virt_to_phys",
    "wait_for_completion", "wait_for_completion_timeout", "wmb",
]
