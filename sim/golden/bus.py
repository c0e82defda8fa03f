"""What a device sees of memory: through the IOMMU, and through the cache if it is coherent."""

from collections.abc import Iterator

from rtl.spec.platform import BusError

from .cache import Cache
from .iommu import Access, Iommu, Request
from .memory import Memory

__all__ = ["Bursts", "DeviceBus"]

_PAGE = 4096                            # bytes that no AXI burst crosses


class Bursts:
    """How a device cuts its accesses: INCR bursts of ``beats`` beats of ``data_bytes`` bytes."""

    def __init__(self, *, data_bytes: int, beats: int):
        self.data_bytes, self.beats = data_bytes, beats

    def cut(self, addr: int, size: int) -> Iterator[tuple[int, int]]:
        """Address and bytes of each burst."""
        end = addr + size
        while addr < end:
            room = self.beats * self.data_bytes - addr % self.data_bytes
            room = min(room, _PAGE - addr % _PAGE, end - addr)
            yield addr, room
            addr += room


class DeviceBus:
    """Accesses of one device. Each must stay within a page of 4 KiB.

    Parameters
    ----------
    memory : Memory
        Memory.
    iommu : Iommu or None
        Translates, if there is one.
    cache : Cache or None
        Kept coherent, if there is one.
    device_id : int
        Identity of the device.
    """

    def __init__(self, memory: Memory, *, iommu: Iommu | None = None, cache: Cache | None = None,
                 device_id: int = 0):
        self._memory, self._iommu, self._cache = memory, iommu, cache
        self._device_id = device_id

    def read(self, addr: int, size: int) -> bytes:
        """Read ``size`` bytes at DMA address ``addr``.

        Raises
        ------
        BusError
            ``SLVERR`` if the IOMMU refuses, or the error of memory.
        """
        where = self._translate(addr, Access.READ)
        if self._cache:
            self._cache.snoop(where, size, drop=False)
        return self._memory.read(where, size)

    def write(self, addr: int, data: bytes) -> None:
        """Write ``data`` at DMA address ``addr``. Raises :exc:`BusError` as :meth:`read`."""
        where = self._translate(addr, Access.WRITE)
        if self._cache:
            self._cache.snoop(where, len(data), drop=True)
        self._memory.write(where, data)

    def _translate(self, addr: int, access: Access) -> int:
        if self._iommu is None:
            return addr
        result = self._iommu.translate(Request(self._device_id, addr, access))
        if not result.ok:
            raise BusError(addr, "SLVERR")
        return result.addr
