"""``dev.dma``: the DMA API of one device, with context managers and exceptions.

::

    dev.dma.mask = 32
    with Buffer(4096) as buf, dev.dma.map(buf, DMA_TO_DEVICE) as mapped:
        start_device(mapped.handle)

Each method is one or two functions of the API; nothing else happens.
"""

from collections.abc import Iterable

from ..core.addresses import PhysAddr
from ..core.attrs import DMA_BIT_MASK, Dir
from ..core.dma_attrs import DmaAttrs, attr_mask
from ..core.errno import EINVAL
from ..core.gfp import GFP_KERNEL
from ..device.device import Device
from ..device.masks import (
    dma_get_mask,
    dma_get_required_mask,
    dma_max_mapping_size,
    dma_opt_mapping_size,
    dma_set_coherent_mask,
    dma_set_mask,
)
from ..mapping.unmap_state import (
    DEFINE_DMA_UNMAP_ADDR,
    DEFINE_DMA_UNMAP_LEN,
    dma_unmap_addr,
    dma_unmap_addr_set,
    dma_unmap_len,
    dma_unmap_len_set,
)
from ..sg.scatterlist import SgTable
from .errors import DmaError, MaskError
from .mapped import IovaRange, MappedBuffer, MappedList
from .shared import CoherentBuffer, Declared, Pool
from .view import View

__all__ = ["DeviceDma", "UnmapAddr", "UnmapLen"]

Attrs = int | DmaAttrs | Iterable[str] | None

_NUMBERS = {"WRITE_BARRIER": 0, "WEAK_ORDERING": 1, "WRITE_COMBINE": 2, "NON_CONSISTENT": 3,
            "NO_KERNEL_MAPPING": 4, "SKIP_CPU_SYNC": 5, "FORCE_CONTIGUOUS": 6,
            "ALLOC_SINGLE_PAGES": 7, "NO_WARN": 8, "PRIVILEGED": 9, "MMIO": 10,
            "DEBUGGING_IGNORE_CACHELINES": 11, "REQUIRE_COHERENT": 12, "CC_SHARED": 13}


def _mask(attrs: Attrs) -> int:
    """Attributes as a bit mask; a set of names will do."""
    if attrs is None or isinstance(attrs, int | DmaAttrs):
        return attr_mask(attrs)
    names = set(attrs)
    if unknown := sorted(names - _NUMBERS.keys()):
        raise DmaError(f"attributes {unknown}", -EINVAL)
    return sum(1 << _NUMBERS[name] for name in names)


class DeviceDma:
    """The DMA API of a device; ``dev.dma``."""

    def __init__(self, dev: Device):
        self._dev = dev

    # Masks, in bits

    @property
    def mask(self) -> int:
        """Bits of streaming addresses. Setting raises :exc:`MaskError` if they cannot be had."""
        return dma_get_mask(self._dev).bit_length()

    @mask.setter
    def mask(self, bits: int) -> None:
        if rc := dma_set_mask(self._dev, DMA_BIT_MASK(bits)):
            raise MaskError(f"{self._dev.name}: streaming mask of {bits} bits", rc)

    @property
    def coherent_mask(self) -> int:
        """Bits of coherent addresses. Setting raises :exc:`MaskError` if they cannot be had."""
        return self._dev.coherent_dma_mask.bit_length()

    @coherent_mask.setter
    def coherent_mask(self, bits: int) -> None:
        if rc := dma_set_coherent_mask(self._dev, DMA_BIT_MASK(bits)):
            raise MaskError(f"{self._dev.name}: coherent mask of {bits} bits", rc)

    @property
    def required_mask(self) -> int:
        """Bits that reach all memory."""
        return dma_get_required_mask(self._dev).bit_length()

    @property
    def max_mapping(self) -> int:
        """Bytes of the longest mapping."""
        return dma_max_mapping_size(self._dev)

    @property
    def opt_mapping(self) -> int:
        """Bytes of the longest mapping that costs no more than shorter ones do."""
        return dma_opt_mapping_size(self._dev)

    # Memory

    def coherent(self, size: int, gfp: int = GFP_KERNEL, attrs: Attrs = 0) -> CoherentBuffer:
        """Allocate a coherent buffer."""
        return CoherentBuffer(self._dev, size, gfp, _mask(attrs))

    def pool(self, size: int, align: int = 0, boundary: int = 0, name: str = "pool") -> Pool:
        """Make a pool."""
        return Pool(self._dev, size, align, boundary, name)

    def declare(self, addr: int | PhysAddr, device_addr: int, size: int,
                flags: int | None = None) -> Declared:
        """Declare memory of the device."""
        return Declared(self._dev, addr, device_addr, size, flags)

    # Mappings

    def map(self, buf: View, direction: Dir, attrs: Attrs = 0) -> MappedBuffer:
        """Map a buffer, or a part of one."""
        return MappedBuffer(self._dev, buf.cpu, buf.size, direction, _mask(attrs))

    def map_sg(self, table: SgTable, direction: Dir, attrs: Attrs = 0) -> MappedList:
        """Map a table of pieces."""
        return MappedList(self._dev, table, direction, _mask(attrs))

    def iova(self, size: int, direction: Dir, offset: int = 0) -> IovaRange:
        """Take I/O virtual addresses; the memory will begin ``offset`` bytes into a page."""
        return IovaRange(self._dev, size, direction, offset)


class UnmapAddr:
    """A field of a ring entry's class for a handle, kept only where unmapping needs it (R130)."""

    _define, _get, _set = DEFINE_DMA_UNMAP_ADDR, dma_unmap_addr, dma_unmap_addr_set

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        type(self)._define(name)(owner)

    def __get__(self, entry: object, owner: type) -> "int | UnmapAddr":
        return self if entry is None else type(self)._get(entry, self._name)

    def __set__(self, entry: object, value: int) -> None:
        type(self)._set(entry, self._name, value)


class UnmapLen(UnmapAddr):
    """The same, for a length."""

    _define, _get, _set = DEFINE_DMA_UNMAP_LEN, dma_unmap_len, dma_unmap_len_set
