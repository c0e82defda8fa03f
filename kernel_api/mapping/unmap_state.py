"""Handles that a driver keeps only where unmapping needs them.

``DEFINE_DMA_UNMAP_ADDR("mapping")`` and ``DEFINE_DMA_UNMAP_LEN("len")`` decorate the class of a
driver's ring entry. Where unmapping does nothing the fields do not exist: reading gives 0.

Source: Linux ``Documentation/core-api/dma-api-howto.rst``, "Optimizing Unmap State Space
Consumption"; rule R130.
"""

from collections.abc import Callable
from typing import TypeVar

from ..core.addresses import DmaAddr
from ..core.current import current_kernel

__all__ = ["DEFINE_DMA_UNMAP_ADDR", "DEFINE_DMA_UNMAP_LEN", "dma_unmap_addr", "dma_unmap_addr_set",
           "dma_unmap_len", "dma_unmap_len_set"]

Entry = TypeVar("Entry", bound=type)
_FIELDS = "_dma_unmap_fields"


def _define(name: str, empty: int) -> Callable[[Entry], Entry]:
    def decorate(entry: Entry) -> Entry:
        setattr(entry, _FIELDS, {**getattr(entry, _FIELDS, {}), name: empty})
        return entry

    return decorate


def DEFINE_DMA_UNMAP_ADDR(name: str) -> Callable[[Entry], Entry]:
    """Give a class a field for a handle."""
    return _define(name, DmaAddr(0))


def DEFINE_DMA_UNMAP_LEN(name: str) -> Callable[[Entry], Entry]:
    """Give a class a field for a length."""
    return _define(name, 0)


def _needed() -> bool:
    """Whether unmapping does anything on this platform, or somebody watches (R130)."""
    kernel = current_kernel()
    return bool(kernel.iommu or kernel.swiotlb or kernel.checkers
                or not kernel.platform.coherent)


def _get(entry: object, name: str) -> int:
    empty = getattr(type(entry), _FIELDS)[name]
    return getattr(entry, f"_unmap_{name}", empty) if _needed() else empty


def _set(entry: object, name: str, value: int) -> None:
    if name in getattr(type(entry), _FIELDS) and _needed():
        setattr(entry, f"_unmap_{name}", value)


def dma_unmap_addr(entry: object, name: str) -> DmaAddr:
    """Handle that was kept; 0 if none was."""
    return _get(entry, name)


def dma_unmap_addr_set(entry: object, name: str, value: DmaAddr) -> None:
    """Keep a handle, if it will be needed."""
    _set(entry, name, DmaAddr.check(value))


def dma_unmap_len(entry: object, name: str) -> int:
    """Length that was kept; 0 if none was."""
    return _get(entry, name)


def dma_unmap_len_set(entry: object, name: str, value: int) -> None:
    """Keep a length, if it will be needed."""
    _set(entry, name, value)
