"""Attributes as the 2.6 profile passes them: a set behind ``struct dma_attrs *``.

All functions that take attributes take either form: a bit mask, such a set, or None.

Source: Linux 2.6 ``Documentation/DMA-attributes.txt`` and ``DMA-API.txt`` (names and order).
"""

import enum

from .bug import BUG_ON

__all__ = ["DEFINE_DMA_ATTRS", "DmaAttr", "DmaAttrs", "attr_mask", "dma_get_attr", "dma_set_attr",
           "init_dma_attrs"]


class DmaAttr(enum.IntEnum):
    """Numbers of the attributes: ``enum dma_attr``."""

    WRITE_BARRIER = 0
    WEAK_ORDERING = 1
    WRITE_COMBINE = 2
    NON_CONSISTENT = 3
    NO_KERNEL_MAPPING = 4
    SKIP_CPU_SYNC = 5
    FORCE_CONTIGUOUS = 6


class DmaAttrs:
    """A set of attributes: ``struct dma_attrs``. The bits are those of the bit mask."""

    def __init__(self):
        self.flags = 0


def DEFINE_DMA_ATTRS() -> DmaAttrs:
    """Make an empty set."""
    return DmaAttrs()


def init_dma_attrs(attrs: DmaAttrs) -> None:
    """Empty a set."""
    attrs.flags = 0


def _check(attr: int) -> None:
    BUG_ON(attr not in list(DmaAttr), f"unknown DMA attribute {attr!r}")


def dma_set_attr(attr: int, attrs: DmaAttrs | None) -> None:
    """Add an attribute; None is ignored. Raises :exc:`KernelBug` for an unknown number."""
    if attrs is not None:
        _check(attr)
        attrs.flags |= 1 << attr


def dma_get_attr(attr: int, attrs: DmaAttrs | None) -> int:
    """1 if the attribute is in the set, else 0. Raises :exc:`KernelBug` for an unknown number."""
    if attrs is None:
        return 0
    _check(attr)
    return attrs.flags >> attr & 1


def attr_mask(attrs: "DmaAttrs | int | None") -> int:
    """Attributes as a bit mask; None is the plain call (R113)."""
    if attrs is None:
        return 0
    return attrs.flags if isinstance(attrs, DmaAttrs) else attrs
