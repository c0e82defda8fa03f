"""Masks and limits of a device: what it can address, and how long its segments may be.

Source: Linux ``Documentation/core-api/dma-api.rst``, part Ic; rules R9 to R23.
"""

from ..core.addresses import PhysAddr
from ..core.attrs import DMA_BIT_MASK
from ..core.bug import WARN_ON
from ..core.errno import EIO
from ..core.tell import tell
from .device import Device

__all__ = ["dma_addressing_limited", "dma_coerce_mask_and_coherent", "dma_get_mask",
           "dma_get_max_seg_size", "dma_get_merge_boundary", "dma_get_min_align_mask",
           "dma_get_required_mask", "dma_get_seg_boundary",
           "dma_get_seg_boundary_nr_pages", "dma_max_mapping_size", "dma_opt_mapping_size",
           "dma_set_coherent_mask", "dma_set_mask", "dma_set_mask_and_coherent",
           "dma_set_max_seg_size", "dma_set_min_align_mask", "dma_set_seg_boundary",
           "dma_supported"]

_DEFAULT_SEGMENT = 65536


def dma_supported(dev: Device, mask: int) -> int:
    """Answer that :func:`dma_set_mask` would give: 1 or 0. Changes nothing (R12)."""
    kernel = dev.kernel
    if kernel.options.profile == "2.6" and mask >> 63:
        return 0                                # no bus is that wide: try a smaller one
    return int(dev.dma_ops.supported(dev, mask & DMA_BIT_MASK(64)))


def dma_set_mask(dev: Device, mask: int) -> int:
    """Set which addresses streaming mappings may have. 0, or ``-EIO``: the mask stays (R10)."""
    if dev.dma_mask is None or not dma_supported(dev, mask):
        return -EIO
    dev.dma_mask = mask & DMA_BIT_MASK(64)
    tell(dev.kernel, "mask_set", dev)
    return 0


def dma_set_coherent_mask(dev: Device, mask: int) -> int:
    """Set which addresses coherent buffers may have. 0, or ``-EIO``: the mask stays."""
    if not dma_supported(dev, mask):
        return -EIO
    dev.coherent_dma_mask = mask & DMA_BIT_MASK(64)
    return 0


def dma_set_mask_and_coherent(dev: Device, mask: int) -> int:
    """Set both masks. 0, or ``-EIO`` if streaming mappings cannot have it."""
    rc = dma_set_mask(dev, mask)
    if rc == 0:
        dma_set_coherent_mask(dev, mask)
    return rc


def dma_coerce_mask_and_coherent(dev: Device, mask: int) -> int:
    """Set both masks, also of a device that has none."""
    if dev.dma_mask is None:
        dev.dma_mask = dev.coherent_dma_mask
    return dma_set_mask_and_coherent(dev, mask)


def dma_get_mask(dev: Device) -> int:
    """Mask of streaming mappings; 32 bits if there is none."""
    return dev.dma_mask or DMA_BIT_MASK(32)


def dma_get_required_mask(dev: Device) -> int:
    """Smallest mask of all ones that reaches everything. Changes nothing (R18)."""
    return dev.dma_ops.required_mask(dev)


def dma_addressing_limited(dev: Device) -> bool:
    """Whether the device cannot reach everything."""
    mask = dma_get_mask(dev)
    reach = min(mask, dev.bus_dma_limit) if dev.bus_dma_limit else mask
    return reach < dma_get_required_mask(dev) or any(
        not any(start <= page < start + size for start, _, size in dev.dma_range_map)
        for page in _corners(dev))


def _corners(dev: Device) -> list[int]:
    """First and last page of memory, if the device sees only ranges of it."""
    platform = dev.kernel.platform
    ends = platform.memory_base, platform.memory_base + platform.memory_size - 1
    return [PhysAddr(end) for end in ends] if dev.dma_range_map else []


def dma_max_mapping_size(dev: Device) -> int:
    """Bytes of the longest mapping; ``SIZE_MAX``: nothing limits it (R22)."""
    return dev.dma_ops.max_mapping_size(dev)


def dma_opt_mapping_size(dev: Device) -> int:
    """Bytes of the longest mapping that costs no more than shorter ones do (R22)."""
    return min(dma_max_mapping_size(dev), dev.dma_ops.opt_mapping_size(dev))


def dma_get_merge_boundary(dev: Device) -> int:
    """Granule less 1 if scattered pages can be joined in one segment, else 0 (R23)."""
    return dev.dma_ops.merge_boundary(dev)


def _set_parm(dev: Device, function: str, name: str, value: int) -> int | None:
    """Set a limit. Profile 2.6: 0, or ``-EIO`` without a place to keep it; else None."""
    old = dev.kernel.options.profile == "2.6"
    if dev.dma_parms is None:
        WARN_ON(not old, f"{function} without dma_parms")
        return -EIO if old else None
    setattr(dev.dma_parms, name, value)
    return 0 if old else None


def dma_set_max_seg_size(dev: Device, size: int) -> int | None:
    """Set the longest segment that the device takes, in bytes. Result: 2.6 only, 0 or ``-EIO``."""
    return _set_parm(dev, "dma_set_max_seg_size", "max_segment_size", size)


def dma_get_max_seg_size(dev: Device) -> int:
    """Longest segment that the device takes, in bytes; 64 KiB unless it was set."""
    return dev.dma_parms.max_segment_size if dev.dma_parms else _DEFAULT_SEGMENT


def dma_set_seg_boundary(dev: Device, mask: int) -> int | None:
    """Set the mask of the block within which a segment must lie: its size less 1.

    Result as of :func:`dma_set_max_seg_size`.
    """
    return _set_parm(dev, "dma_set_seg_boundary", "segment_boundary_mask", mask)


def dma_set_min_align_mask(dev: Device, mask: int) -> int | None:
    """Set the low bits of addresses that mapping must keep. As :func:`dma_set_max_seg_size`."""
    return _set_parm(dev, "dma_set_min_align_mask", "min_align_mask", mask)


def dma_get_min_align_mask(dev: Device) -> int:
    """Low bits of addresses that mapping keeps; none unless it was set."""
    return dev.min_align_mask


def dma_get_seg_boundary(dev: Device) -> int:
    """Mask of the block within which a segment must lie; all ones unless it was set."""
    return dev.dma_parms.segment_boundary_mask if dev.dma_parms else DMA_BIT_MASK(64)


def dma_get_seg_boundary_nr_pages(dev: Device, page_shift: int) -> int:
    """Pages in the block within which a segment must lie."""
    return (dma_get_seg_boundary(dev) >> page_shift) + 1
