"""What a device sees of memory: through the IOMMU, and through the cache if it is coherent."""

from collections.abc import Callable, Iterator

from rtl.spec.platform import BusError, Seen

from .cache import Cache
from .iommu import Access, Iommu, Request
from .memory import Memory, Words

__all__ = ["Bursts", "CoherentMemory", "DeviceBus"]

_PAGE = 4096                            # bytes that no AXI burst crosses


class Bursts:
    """How a device cuts its accesses: INCR bursts of up to ``beats`` beats of ``data_bytes`` bytes.

    A burst begins at the bus word that holds its first byte, and ends before the next multiple of
    the longest burst: so says :mod:`rtl.spec.cdma_regs`.
    """

    def __init__(self, *, data_bytes: int, beats: int):
        self.data_bytes, self.beats = data_bytes, beats

    def word(self, addr: int) -> int:
        """Address of the bus word that holds the byte at ``addr``."""
        return addr - addr % self.data_bytes

    def cut(self, addr: int, size: int) -> Iterator[tuple[int, int]]:
        """First byte and bytes of each burst."""
        end, longest = addr + size, min(_PAGE, self.beats * self.data_bytes)
        while addr < end:
            room = min(longest - addr % longest, end - addr)
            yield addr, room
            addr += room


class CoherentMemory(Words):
    """Memory with what the CPU's cache holds."""

    def __init__(self, memory: Memory, cache: Cache):
        self._memory, self._cache = memory, cache

    def read(self, addr: int, size: int) -> bytes:
        """Read ``size`` bytes. Raises :exc:`BusError` as :meth:`Memory.read`."""
        data = bytearray()

        def one(at: int, count: int) -> None:
            self._cache.snoop(at, count, write=False)
            data.extend(self._memory.read(at, count))

        self._each_line(addr, size, one)
        return bytes(data)

    def write(self, addr: int, data: bytes) -> None:
        """Write ``data``. Raises :exc:`BusError` as :meth:`Memory.read`."""

        def one(at: int, count: int) -> None:
            self._cache.snoop(at, count, write=True)
            self._memory.write(at, data[at - addr:at - addr + count])

        self._each_line(addr, len(data), one)

    def _each_line(self, addr: int, size: int, access: Callable[[int, int], None]) -> None:
        """Call ``access`` for each part that lies within a line; raise the first error."""
        line, end, error = self._cache.line_bytes, addr + size, None
        while addr < end:
            count = min(line - addr % line, end - addr)
            try:
                access(addr, count)
            except BusError as failed:
                error = error or failed
            addr += count
        if error:
            raise error


class DeviceBus:
    """Accesses of one device. Each must stay within a page of 4 KiB.

    Parameters
    ----------
    memory : Memory or CoherentMemory
        Memory.
    iommu : Iommu or None
        Translates, if there is one.
    device_id : int
        Identity of the device.
    data_bytes : int, power of two
        Width of the bus: the address of an access is that of the bus word with its first byte.
    offset : int
        Without IOMMU: what is added to addresses of the device.
    """

    def __init__(self, memory: Words, *, iommu: Iommu | None = None, device_id: int = 0,
                 data_bytes: int = 1, offset: int = 0):
        self._offset = offset
        self._memory, self._iommu, self._device_id = memory, iommu, device_id
        #: Process on whose behalf accesses are, or None.
        self.process_id: int | None = None
        self._data_bytes = data_bytes
        #: Told of accesses, if somebody watches.
        self.note: Callable[[Seen, int, int], None] | None = None

    def read(self, addr: int, size: int) -> bytes:
        """Read ``size`` bytes at DMA address ``addr``.

        Raises
        ------
        BusError
            ``SLVERR``, ``refused``, if the IOMMU refuses, or the error of memory.
        """
        if self.note:
            self.note(Seen.DMA_READ, addr, size)
        phys = self._translate(addr, Access.READ)
        if self.note:
            self.note(Seen.MEM_READ, phys, size)
        return self._memory.read(phys, size)

    def write(self, addr: int, data: bytes) -> None:
        """Write ``data`` at DMA address ``addr``. Raises :exc:`BusError` as :meth:`read`."""
        if self.note:
            self.note(Seen.DMA_WRITE, addr, len(data))
        phys = self._translate(addr, Access.WRITE, data)
        if phys is None:
            return                      # a message, which has been carried out
        if self.note:
            self.note(Seen.MEM_WRITE, phys, len(data))
        self._memory.write(phys, data)

    def _translate(self, addr: int, access: Access, data: bytes | None = None) -> int | None:
        if self._iommu is None:
            return addr + self._offset
        lane = addr % self._data_bytes
        result = self._iommu.translate(Request(
            self._device_id, addr - lane, access, process_id=self.process_id, data=data,
            offset=lane))
        if not result.ok:
            raise BusError(addr, "SLVERR", refused=True)
        return None if result.message else result.addr + lane
