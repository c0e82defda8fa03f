"""The names of old for PCI devices: each is the function of the same name without ``pci``.

Source: Linux 2.6 ``include/asm-generic/pci-dma-compat.h`` (names).
"""

from ..core.attrs import Dir
from ..core.errno import EIO
from ..device.device import Device
from ..device.masks import (
    dma_set_coherent_mask,
    dma_set_mask,
    dma_set_max_seg_size,
    dma_set_seg_boundary,
    dma_supported,
)
from ..mapping.lists import dma_map_sg, dma_sync_sg_for_cpu, dma_sync_sg_for_device, dma_unmap_sg
from ..mapping.single import (
    dma_map_page,
    dma_map_single,
    dma_mapping_error,
    dma_unmap_page,
    dma_unmap_single,
)
from ..mapping.sync import dma_sync_single_for_cpu, dma_sync_single_for_device
from .old_sync import dma_sync_sg, dma_sync_single

__all__ = ["PCI_DMA_BIDIRECTIONAL", "PCI_DMA_FROMDEVICE", "PCI_DMA_NONE", "PCI_DMA_TODEVICE",
           "pci_dma_mapping_error", "pci_dma_supported", "pci_dma_sync_sg",
           "pci_dma_sync_sg_for_cpu", "pci_dma_sync_sg_for_device", "pci_dma_sync_single",
           "pci_dma_sync_single_for_cpu", "pci_dma_sync_single_for_device", "pci_map_page",
           "pci_map_sg", "pci_map_single", "pci_set_consistent_dma_mask", "pci_set_dma_mask",
           "pci_set_dma_max_seg_size", "pci_set_dma_seg_boundary", "pci_unmap_page",
           "pci_unmap_sg", "pci_unmap_single"]

PCI_DMA_BIDIRECTIONAL, PCI_DMA_TODEVICE, PCI_DMA_FROMDEVICE, PCI_DMA_NONE = Dir

pci_map_single, pci_unmap_single = dma_map_single, dma_unmap_single
pci_map_page, pci_unmap_page = dma_map_page, dma_unmap_page
pci_map_sg, pci_unmap_sg = dma_map_sg, dma_unmap_sg
pci_dma_mapping_error = dma_mapping_error
pci_dma_sync_single, pci_dma_sync_sg = dma_sync_single, dma_sync_sg
pci_dma_sync_single_for_cpu = dma_sync_single_for_cpu
pci_dma_sync_single_for_device = dma_sync_single_for_device
pci_dma_sync_sg_for_cpu, pci_dma_sync_sg_for_device = dma_sync_sg_for_cpu, dma_sync_sg_for_device
pci_dma_supported, pci_set_dma_mask = dma_supported, dma_set_mask
pci_set_consistent_dma_mask = dma_set_coherent_mask


def pci_set_dma_max_seg_size(pdev: Device, size: int) -> int:
    """Set the longest segment. 0, or ``-EIO`` if there is no place to keep it."""
    if pdev.dma_parms is None:
        return -EIO
    dma_set_max_seg_size(pdev, size)
    return 0


def pci_set_dma_seg_boundary(pdev: Device, mask: int) -> int:
    """Set the boundary of segments. 0, or ``-EIO`` if there is no place to keep it."""
    if pdev.dma_parms is None:
        return -EIO
    dma_set_seg_boundary(pdev, mask)
    return 0
