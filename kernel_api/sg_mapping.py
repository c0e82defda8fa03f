"""Streaming mappings of scatterlists: map, unmap, sync.

The DMA side may have fewer segments than the list has entries: program the device with the count
that :func:`dma_map_sg` returns, but unmap and sync with the number of entries (R103, R104, R109).

Source: Linux ``Documentation/core-api/dma-api.rst``, part Id; rules R103 to R112.
"""

from .attrs import check_direction
from .bug import WARN_ON
from .device import Device
from .dma_ops import sync_for_cpu, sync_for_device
from .errno import EINVAL, EIO, ENOMEM
from .scatterlist import Sgl, SgTable, entries_of

__all__ = ["dma_map_sg", "dma_map_sg_attrs", "dma_map_sgtable", "dma_sync_sg_for_cpu",
           "dma_sync_sg_for_device", "dma_sync_sgtable_for_cpu", "dma_sync_sgtable_for_device",
           "dma_unmap_sg", "dma_unmap_sg_attrs", "dma_unmap_sgtable"]


def _map(dev: Device, sgl: Sgl, nents: int, direction: int, attrs: int) -> int:
    direction = check_direction(direction)
    if WARN_ON(dev.dma_mask is None, f"{dev.name}: mapping for a device without DMA mask"):
        return -EINVAL
    rc = dev.dma_ops.map_sg(dev, entries_of(sgl, nents), direction, attrs)
    if rc > 0:
        dev.kernel.stats.maps += 1
    return rc


def dma_map_sg_attrs(dev: Device, sgl: Sgl, nents: int, direction: int, attrs: int) -> int:
    """Map the first ``nents`` entries of a list.

    Returns
    -------
    int
        DMA segments, 1 to ``nents``; 0 if it failed, and then the list is as before.

    Raises
    ------
    KernelBug
        If ``direction`` is ``DMA_NONE`` or no direction, or the list has fewer entries.
    """
    return max(0, _map(dev, sgl, nents, direction, attrs))


def dma_unmap_sg_attrs(dev: Device, sgl: Sgl, nents: int, direction: int, attrs: int) -> None:
    """Undo :func:`dma_map_sg_attrs`; ``nents`` as given there, not as returned."""
    direction = check_direction(direction)
    dev.dma_ops.unmap_sg(dev, entries_of(sgl, nents), direction, attrs)
    dev.kernel.stats.unmaps += 1


def dma_map_sg(dev: Device, sgl: Sgl, nents: int, direction: int) -> int:
    """Map the first ``nents`` entries of a list. As :func:`dma_map_sg_attrs`."""
    return dma_map_sg_attrs(dev, sgl, nents, direction, 0)


def dma_unmap_sg(dev: Device, sgl: Sgl, nents: int, direction: int) -> None:
    """Undo :func:`dma_map_sg`."""
    dma_unmap_sg_attrs(dev, sgl, nents, direction, 0)


def dma_map_sgtable(dev: Device, sgt: SgTable, direction: int, attrs: int) -> int:
    """Map a table and set its ``nents``.

    Returns
    -------
    int
        0; ``-EINVAL``: do not try again; ``-ENOMEM``: later it may work; ``-EIO``: anything else.
    """
    rc = _map(dev, sgt.sgl, sgt.orig_nents, direction, attrs)
    if rc <= 0:
        return rc if rc in (-EINVAL, -ENOMEM) else -EIO
    sgt.nents = rc
    return 0


def dma_unmap_sgtable(dev: Device, sgt: SgTable, direction: int, attrs: int) -> None:
    """Undo :func:`dma_map_sgtable`."""
    dma_unmap_sg_attrs(dev, sgt.sgl, sgt.orig_nents, direction, attrs)


def dma_sync_sg_for_cpu(dev: Device, sgl: Sgl, nents: int, direction: int) -> None:
    """Let the CPU read what the device wrote; ``nents`` as mapped."""
    direction = check_direction(direction)
    for sg in entries_of(sgl, nents):
        sync_for_cpu(dev, sg.phys, sg.length, direction)


def dma_sync_sg_for_device(dev: Device, sgl: Sgl, nents: int, direction: int) -> None:
    """Let the device read what the CPU wrote; ``nents`` as mapped."""
    direction = check_direction(direction)
    for sg in entries_of(sgl, nents):
        sync_for_device(dev, sg.phys, sg.length, direction)


def dma_sync_sgtable_for_cpu(dev: Device, sgt: SgTable, direction: int) -> None:
    """Let the CPU read what the device wrote."""
    dma_sync_sg_for_cpu(dev, sgt.sgl, sgt.orig_nents, direction)


def dma_sync_sgtable_for_device(dev: Device, sgt: SgTable, direction: int) -> None:
    """Let the device read what the CPU wrote."""
    dma_sync_sg_for_device(dev, sgt.sgl, sgt.orig_nents, direction)
