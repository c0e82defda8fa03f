"""Streaming mappings of scatterlists: map, unmap, sync.

The DMA side may have fewer segments than the list has entries: program the device with the count
that :func:`dma_map_sg` returns, but unmap and sync with the number of entries (R103, R104, R109).

Source: Linux ``Documentation/core-api/dma-api.rst``, part Id; rules R103 to R112.
"""

from collections.abc import Iterator

from ..core.attrs import Dir, check_direction
from ..core.bug import WARN_ON
from ..core.dma_attrs import DmaAttrs, attr_mask
from ..core.errno import EINVAL, EIO, ENOMEM, EOPNOTSUPP, EREMOTEIO
from ..core.tell import tell
from ..device.device import Device
from ..device.mappings import Kind, Mapping
from ..ops.maintenance import sync_for_cpu, sync_for_device
from ..ops.swiotlb import is_swiotlb_buffer
from ..sg.scatterlist import Scatterlist, Sgl, SgTable, entries_of

__all__ = ["dma_map_sg", "dma_map_sg_attrs", "dma_map_sgtable", "dma_sync_sg_for_cpu",
           "dma_sync_sg_for_device", "dma_sync_sgtable_for_cpu", "dma_sync_sgtable_for_device",
           "dma_unmap_sg", "dma_unmap_sg_attrs", "dma_unmap_sgtable"]


def _map(dev: Device, sgl: Sgl, nents: int, direction: int, attrs: int) -> int:
    direction = check_direction(direction)
    if WARN_ON(dev.dma_mask is None, f"{dev.name}: mapping for a device without DMA mask"):
        return -EINVAL
    entries = entries_of(sgl, nents)
    tell(dev.kernel, "before_map_sg", dev, entries)
    rc = dev.dma_ops.map_sg(dev, entries, direction, attr_mask(attrs))
    if rc <= 0:
        tell(dev.kernel, "failed", dev, "map_sg")
        return rc
    dev.kernel.stats.maps += 1
    if dev.kernel.checkers:
        tell_mapped(dev, entries, direction, attr_mask(attrs), rc)
    return rc


def _entries(dev: Device, entries: list[Scatterlist], direction: Dir, attrs: int,
             count: int) -> Iterator[Mapping]:
    """Describe the mapping of a list, entry by entry, as the CPU or the device sees it.

    Where no entries were joined, each is one. Where some were, segments and entries differ: then
    each entry has the address that leads to it.
    """
    at = [(sg.dma_address, sg.dma_length) for sg in entries[:count]]
    for sg in entries:
        dma, room = at[0]
        used = dev.dma_ops.to_phys(dev, dma)
        bounced = used if used is not None and is_swiotlb_buffer(dev, used) else None
        yield Mapping(dev, Kind.SG, dma, sg.phys, sg.length, direction, attrs, len(entries), count,
                      bounced=bounced)
        at[0] = dma + sg.length, room - sg.length
        if room <= sg.length:
            del at[0]


def tell_mapped(dev: Device, entries: list[Scatterlist], direction: Dir, attrs: int,
                count: int) -> None:
    """Tell those who watch of a list that was mapped in ``count`` segments."""
    group = list(_entries(dev, entries, direction, attrs, count))
    for mapping in group:
        mapping.group = group
        tell(dev.kernel, "mapped", mapping)


def tell_unmapping(dev: Device, entries: list[Scatterlist], direction: Dir, attrs: int) -> None:
    """Tell those who watch that a list is about to be unmapped."""
    for sg in entries[:1]:
        tell(dev.kernel, "unmapping", dev, Mapping(dev, Kind.SG, sg.dma_address, sg.phys, sg.length,
                                                   direction, attrs, len(entries)))


def dma_map_sg_attrs(dev: Device, sgl: Sgl, nents: int, direction: int,
                     attrs: DmaAttrs | int | None) -> int:
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


def dma_unmap_sg_attrs(dev: Device, sgl: Sgl, nents: int, direction: int,
                       attrs: DmaAttrs | int | None) -> None:
    """Undo :func:`dma_map_sg_attrs`; ``nents`` as given there, not as returned."""
    direction, entries = check_direction(direction), entries_of(sgl, nents)
    tell_unmapping(dev, entries, direction, attr_mask(attrs))
    dev.dma_ops.unmap_sg(dev, entries, direction, attr_mask(attrs))
    dev.kernel.stats.unmaps += 1
    for sg in entries[:1]:
        tell(dev.kernel, "unmapped", dev, sg.dma_address)


def dma_map_sg(dev: Device, sgl: Sgl, nents: int, direction: int) -> int:
    """Map the first ``nents`` entries of a list. As :func:`dma_map_sg_attrs`."""
    return dma_map_sg_attrs(dev, sgl, nents, direction, 0)


def dma_unmap_sg(dev: Device, sgl: Sgl, nents: int, direction: int) -> None:
    """Undo :func:`dma_map_sg`."""
    dma_unmap_sg_attrs(dev, sgl, nents, direction, 0)


def dma_map_sgtable(dev: Device, sgt: SgTable, direction: int,
                    attrs: DmaAttrs | int | None) -> int:
    """Map a table and set its ``nents``.

    Returns
    -------
    int
        0; ``-EINVAL``: do not try again; ``-ENOMEM``: later it may work; ``-EREMOTEIO``: memory of
        another device is out of reach; ``-EOPNOTSUPP``: it would not be coherent; ``-EIO``: else.
    """
    rc = _map(dev, sgt.sgl, sgt.orig_nents, direction, attrs)
    if rc <= 0:
        return rc if rc in (-EINVAL, -ENOMEM, -EREMOTEIO, -EOPNOTSUPP) else -EIO
    sgt.nents = rc
    return 0


def dma_unmap_sgtable(dev: Device, sgt: SgTable, direction: int,
                      attrs: DmaAttrs | int | None) -> None:
    """Undo :func:`dma_map_sgtable`."""
    dma_unmap_sg_attrs(dev, sgt.sgl, sgt.orig_nents, direction, attrs)


def _sync(dev: Device, sgl: Sgl, nents: int, direction: int, *, for_cpu: bool) -> None:
    direction, entries = check_direction(direction), entries_of(sgl, nents)
    claimed = Mapping(dev, Kind.SG, entries[0].dma_address, entries[0].phys, entries[0].length,
                      direction, nents=nents)
    tell(dev.kernel, "syncing", dev, claimed, for_cpu=for_cpu)
    with dev.kernel.cache.batch():
        for sg in entries:
            phys = sg.phys
            if sg.swiotlb or dev.dma_ops is dev.kernel.direct_ops:
                phys = dev.dma_ops.to_phys(dev, sg.dma_address)
            if not sg.bus_address and phys is not None:
                (sync_for_cpu if for_cpu else sync_for_device)(dev, phys, sg.length, direction)
    dev.kernel.stats.syncs += 1
    tell(dev.kernel, "synced", dev, claimed, for_cpu=for_cpu)


def dma_sync_sg_for_cpu(dev: Device, sgl: Sgl, nents: int, direction: int) -> None:
    """Let the CPU read what the device wrote; ``nents`` as mapped."""
    _sync(dev, sgl, nents, direction, for_cpu=True)


def dma_sync_sg_for_device(dev: Device, sgl: Sgl, nents: int, direction: int) -> None:
    """Let the device read what the CPU wrote; ``nents`` as mapped."""
    _sync(dev, sgl, nents, direction, for_cpu=False)


def dma_sync_sgtable_for_cpu(dev: Device, sgt: SgTable, direction: int) -> None:
    """Let the CPU read what the device wrote."""
    dma_sync_sg_for_cpu(dev, sgt.sgl, sgt.orig_nents, direction)


def dma_sync_sgtable_for_device(dev: Device, sgt: SgTable, direction: int) -> None:
    """Let the device read what the CPU wrote."""
    dma_sync_sg_for_device(dev, sgt.sgl, sgt.orig_nents, direction)
