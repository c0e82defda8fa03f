"""Streaming mappings as objects, undone at the end of the ``with`` block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from ..core.addresses import DmaAddr, PhysAddr, VirtAddr, virt_to_phys
from ..core.attrs import Dir
from ..core.errno import EINVAL, ENOMEM
from ..device.device import Device
from ..mapping.iova_api import (
    DmaIovaState,
    dma_iova_destroy,
    dma_iova_free,
    dma_iova_link,
    dma_iova_sync,
    dma_iova_try_alloc,
    dma_iova_unlink,
)
from ..mapping.lists import (
    dma_map_sgtable,
    dma_sync_sgtable_for_cpu,
    dma_sync_sgtable_for_device,
    dma_unmap_sgtable,
)
from ..mapping.single import dma_map_single_attrs, dma_mapping_error, dma_unmap_single_attrs
from ..mapping.sync import dma_sync_single_range_for_cpu, dma_sync_single_range_for_device
from ..sg.scatterlist import SgTable
from ..sg.walk import for_each_sgtable_dma_sg
from .errors import IovaError, MappingError

__all__ = ["IovaRange", "MappedBuffer", "MappedList"]


class MappedBuffer:
    """A mapped range.

    Attributes
    ----------
    handle : DmaAddr
        What the device is to use.
    size : int
        Bytes; 0 once it is unmapped.
    """

    def __init__(self, dev: Device, cpu: VirtAddr, size: int, direction: Dir, attrs: int):
        self.handle: DmaAddr = dma_map_single_attrs(dev, cpu, size, direction, attrs)
        if rc := dma_mapping_error(dev, self.handle):
            raise MappingError(f"{dev.name}: map of {size} bytes at {int(cpu):#x}", rc)
        self._dev, self.size, self.direction, self._attrs = dev, size, direction, attrs

    def sync_for_cpu(self, offset: int = 0, size: int | None = None) -> None:
        """Lend it, or a part of it, to the CPU."""
        dma_sync_single_range_for_cpu(self._dev, self.handle, offset,
                                      self.size - offset if size is None else size, self.direction)

    def sync_for_device(self, offset: int = 0, size: int | None = None) -> None:
        """Give it, or a part of it, back to the device."""
        dma_sync_single_range_for_device(self._dev, self.handle, offset,
                                         self.size - offset if size is None else size,
                                         self.direction)

    @contextmanager
    def cpu_access(self, offset: int = 0, size: int | None = None) -> Iterator[None]:
        """Lend it to the CPU inside the block."""
        self.sync_for_cpu(offset, size)
        try:
            yield
        finally:
            self.sync_for_device(offset, size)

    def unmap(self) -> None:
        """Undo it, before the end of the block or without one; once is enough."""
        if self.size:
            dma_unmap_single_attrs(self._dev, self.handle, self.size, self.direction, self._attrs)
            self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.unmap()


class MappedList:
    """A mapped table: iterate for ``(address, bytes)`` of its segments."""

    def __init__(self, dev: Device, table: SgTable, direction: Dir, attrs: int):
        if rc := dma_map_sgtable(dev, table, direction, attrs):
            raise MappingError(f"{dev.name}: map of a list of {table.orig_nents} entries", rc)
        self._dev, self._direction, self._attrs = dev, direction, attrs
        self.table: SgTable | None = table

    def __len__(self):
        return self.table.nents

    def __iter__(self) -> Iterator[tuple[DmaAddr, int]]:
        return ((sg.dma_address, sg.dma_length) for sg, _ in for_each_sgtable_dma_sg(self.table))

    @contextmanager
    def cpu_access(self) -> Iterator[None]:
        """Lend it to the CPU inside the block."""
        dma_sync_sgtable_for_cpu(self._dev, self.table, self._direction)
        try:
            yield
        finally:
            dma_sync_sgtable_for_device(self._dev, self.table, self._direction)

    def unmap(self) -> None:
        """Undo it, before the end of the block or without one; once is enough."""
        if self.table:
            dma_unmap_sgtable(self._dev, self.table, self._direction, self._attrs)
            self.table = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.unmap()


class IovaRange:
    """I/O virtual addresses to which memory is linked piece by piece, from the start on.

    Attributes
    ----------
    handle, size : DmaAddr, int
        First byte for the device, and bytes.
    linked : int
        Bytes that are linked.
    """

    def __init__(self, dev: Device, size: int, direction: Dir, offset: int):
        self._dev, self._direction, self._state = dev, direction, DmaIovaState()
        if not dma_iova_try_alloc(dev, self._state, PhysAddr(offset), size):
            raise IovaError(f"{dev.name}: {size} bytes of addresses", -ENOMEM)
        self.handle, self.size, self.linked = self._state.addr, size, 0
        self._attrs = 0

    def link(self, cpu: VirtAddr, size: int, attrs: int = 0) -> DmaAddr:
        """Link the next ``size`` bytes. Returns where the device sees them."""
        if self.linked and attrs != self._attrs:
            raise IovaError(f"{self._dev.name}: other attributes than the first piece", -EINVAL)
        at = self.handle + self.linked
        if rc := dma_iova_link(self._dev, self._state, virt_to_phys(cpu), self.linked, size,
                               self._direction, attrs):
            raise IovaError(f"{self._dev.name}: link of {size} bytes", rc)
        self._attrs, self.linked = attrs, self.linked + size
        return at

    def sync(self) -> None:
        """Let the device use what was linked."""
        if rc := dma_iova_sync(self._dev, self._state, 0, self.linked):
            raise IovaError(f"{self._dev.name}: sync of {self.linked} bytes", rc)

    def unlink(self) -> None:
        """Undo the links; keep the addresses."""
        if self.linked:
            dma_iova_unlink(self._dev, self._state, 0, self.linked, self._direction, self._attrs)
            self.linked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.linked:
            dma_iova_destroy(self._dev, self._state, self.linked, self._direction, self._attrs)
        else:
            dma_iova_free(self._dev, self._state)
        self.linked = 0
