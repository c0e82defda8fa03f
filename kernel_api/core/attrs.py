"""Directions of a mapping, and its attributes.

Source: Linux ``include/linux/dma-direction.h``, ``dma-mapping.h`` (numbers),
``Documentation/core-api/dma-attributes.rst`` (meaning).
"""

import enum

from .addresses import DmaAddr
from .bug import BUG

__all__ = ["DMA_24BIT_MASK", "DMA_28BIT_MASK", "DMA_29BIT_MASK", "DMA_30BIT_MASK",
           "DMA_31BIT_MASK", "DMA_32BIT_MASK", "DMA_33BIT_MASK", "DMA_35BIT_MASK",
           "DMA_39BIT_MASK", "DMA_40BIT_MASK", "DMA_44BIT_MASK", "DMA_47BIT_MASK",
           "DMA_48BIT_MASK", "DMA_64BIT_MASK", "DMA_ATTR_ALLOC_SINGLE_PAGES", "DMA_ATTR_CC_SHARED",
           "DMA_ATTR_DEBUGGING_IGNORE_CACHELINES", "DMA_ATTR_FORCE_CONTIGUOUS", "DMA_ATTR_MMIO",
           "DMA_ATTR_NON_CONSISTENT", "DMA_ATTR_NO_KERNEL_MAPPING", "DMA_ATTR_NO_WARN",
           "DMA_ATTR_PRIVILEGED", "DMA_ATTR_REQUIRE_COHERENT", "DMA_ATTR_SKIP_CPU_SYNC",
           "DMA_ATTR_WEAK_ORDERING", "DMA_ATTR_WRITE_BARRIER", "DMA_ATTR_WRITE_COMBINE",
           "DMA_BIDIRECTIONAL", "DMA_BIT_MASK", "DMA_FROM_DEVICE", "DMA_MAPPING_ERROR", "DMA_NONE",
           "DMA_TO_DEVICE", "SIZE_MAX", "Dir", "check_direction"]


class Dir(enum.IntEnum):
    """Who reads and who writes: ``enum dma_data_direction``."""

    DMA_BIDIRECTIONAL = 0
    DMA_TO_DEVICE = 1
    DMA_FROM_DEVICE = 2
    DMA_NONE = 3


DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE = Dir

#: The only failed handle: all ones. Zero is a legal address.
DMA_MAPPING_ERROR = DmaAddr((1 << 64) - 1)
#: No limit, where a size is asked for.
SIZE_MAX = (1 << 64) - 1

#: Of old: a write to this mapping pushes earlier ones out. Here writes never pass each other.
DMA_ATTR_WRITE_BARRIER = 1 << 0
DMA_ATTR_WEAK_ORDERING = 1 << 1
DMA_ATTR_WRITE_COMBINE = 1 << 2
#: Of old: cached memory will do. Memory is coherent all the same.
DMA_ATTR_NON_CONSISTENT = 1 << 3
#: The CPU does not use the buffer: its address is only a cookie.
DMA_ATTR_NO_KERNEL_MAPPING = 1 << 4
#: Map and unmap leave the cache alone; the caller synchronizes.
DMA_ATTR_SKIP_CPU_SYNC = 1 << 5
DMA_ATTR_FORCE_CONTIGUOUS = 1 << 6
DMA_ATTR_ALLOC_SINGLE_PAGES = 1 << 7
#: Failures are not logged.
DMA_ATTR_NO_WARN = 1 << 8
DMA_ATTR_PRIVILEGED = 1 << 9
#: The target is device registers: no cache maintenance.
DMA_ATTR_MMIO = 1 << 10
#: dma-debug accepts other mappings in the same lines.
DMA_ATTR_DEBUGGING_IGNORE_CACHELINES = 1 << 11
#: Fail rather than maintain the cache or bounce.
DMA_ATTR_REQUIRE_COHERENT = 1 << 12
#: The memory is shared with the outside already; here all memory is.
DMA_ATTR_CC_SHARED = 1 << 13


def DMA_BIT_MASK(n: int) -> int:
    """Mask of the ``n`` low bits: 0 for 0, all ones for 64."""
    return (1 << n) - 1


(DMA_24BIT_MASK, DMA_28BIT_MASK, DMA_29BIT_MASK, DMA_30BIT_MASK, DMA_31BIT_MASK, DMA_32BIT_MASK,
 DMA_33BIT_MASK, DMA_35BIT_MASK, DMA_39BIT_MASK, DMA_40BIT_MASK, DMA_44BIT_MASK, DMA_47BIT_MASK,
 DMA_48BIT_MASK, DMA_64BIT_MASK) = map(DMA_BIT_MASK, (24, 28, 29, 30, 31, 32, 33, 35, 39, 40, 44,
                                                      47, 48, 64))


def check_direction(direction: int) -> Dir:
    """Return ``direction`` as :class:`Dir`.

    Raises
    ------
    KernelBug
        If it is ``DMA_NONE`` or no direction at all.
    """
    if direction not in (DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE):
        BUG(f"invalid DMA direction {direction!r}")
    return Dir(direction)
