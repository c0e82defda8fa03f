"""Translations and contexts that the IOMMU keeps until software invalidates them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rtl.spec.page_table import PAGE_BITS

from .context import DeviceContext, ProcessContext
from .walker import Leaf

__all__ = ["ContextCache", "Entry", "Range", "TranslationCache"]

_Key, _Context = TypeVar("_Key"), TypeVar("_Context")
_PAGE_SIZES = (12, 16, 21, 22, 30, 39, 48)  # log2 of bytes
#: First and last byte of the addresses that a command names, or None for all.
Range = tuple[int, int] | None


@dataclass(frozen=True)
class Entry:
    """A translation of both stages.

    Parameters
    ----------
    iova, gpa, addr : int
        An address in it, after the first stage, and physical.
    first, second : Leaf or None
        What each stage found; None for a stage that is Bare or that an MSI page table replaced.
    gscid, pscid : int or None
        Tags; None for a stage that is Bare.
    msi : tuple or None
        MSI page table of the device: a tag, too.
    """

    iova: int
    gpa: int
    addr: int
    first: Leaf | None
    second: Leaf | None
    gscid: int | None
    pscid: int | None
    msi: tuple[int, int, int] | None

    @property
    def is_msi(self) -> bool:
        """Whether the MSI page table gave ``addr``."""
        return self.gscid is not None and self.second is None

    @property
    def bits(self) -> int:
        """log2 of the bytes for which the entry serves: the smaller page of both stages.

        Any page of a larger one may be an interrupt file, if the device has an MSI page table.
        """
        if self.msi:
            return PAGE_BITS
        return min(leaf.bits for leaf in (self.first, self.second) if leaf)

    @property
    def is_global(self) -> bool:
        """Whether it serves all PSCIDs of its host or VM."""
        return bool(self.first and self.first.has("g"))

    @property
    def key(self) -> tuple:
        """What a lookup must match."""
        return (self.gscid, None if self.is_global else self.pscid, self.first is None, self.msi,
                self.bits, self.iova >> self.bits)

    def at(self, iova: int) -> int:
        """Physical address of ``iova``."""
        offset = (1 << self.bits) - 1
        return self.addr & ~offset | iova & offset

    def guest(self, iova: int) -> int:
        """Guest physical address of ``iova``."""
        offset = (1 << self.bits) - 1
        return self.gpa & ~offset | iova & offset


class TranslationCache:
    """Holds every translation until invalidated. Software that forgets to, reads through old ones.

    Parameters
    ----------
    enabled : bool
        If not, it never holds anything.
    """

    def __init__(self, enabled: bool = True):
        self._enabled = enabled
        self._entries: dict[tuple, Entry] = {}

    def lookup(self, gscid: int | None, pscid: int | None, iova: int,
               msi: tuple[int, int, int] | None) -> Entry | None:
        """Entry for ``iova``; ``pscid`` is None if the first stage is Bare."""
        for bits in _PAGE_SIZES:
            for tag in (pscid, None):   # None: a global entry
                entry = self._entries.get((gscid, tag, pscid is None, msi, bits, iova >> bits))
                if entry:
                    return entry
        return None

    def insert(self, entry: Entry) -> None:
        """Keep ``entry``."""
        if self._enabled:
            self._entries[entry.key] = entry

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()

    def invalidate_first(self, gscid: int | None, pscid: int | None, where: Range) -> None:
        """IOTINVAL.VMA: ``gscid`` is None for the host, ``pscid`` for all, with global entries."""
        self._drop(lambda entry: entry.gscid == gscid and entry.first is not None and
                   (pscid is None or (entry.pscid == pscid and not entry.is_global)) and
                   _overlaps(entry.iova, entry.first.bits, where))

    def invalidate_second(self, gscid: int | None, where: Range) -> None:
        """IOTINVAL.GVMA: ``gscid`` is None for all VMs."""
        self._drop(lambda entry: entry.gscid is not None and gscid in (None, entry.gscid) and
                   _overlaps(entry.gpa, entry.second.bits if entry.second else PAGE_BITS, where))

    def _drop(self, matches: Callable[[Entry], bool]) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if not matches(entry)}


class ContextCache:
    """Holds device and process contexts until invalidated."""

    def __init__(self, enabled: bool = True):
        self._enabled = enabled
        self._devices: dict[int, DeviceContext] = {}
        self._processes: dict[tuple[int, int], ProcessContext] = {}

    def device(self, device_id: int, find: Callable[[], DeviceContext]) -> DeviceContext:
        """Device context; ``find`` is called if there is none, and may raise."""
        return self._get(self._devices, device_id, find)

    def process(self, device_id: int, process_id: int,
                find: Callable[[], ProcessContext]) -> ProcessContext:
        """Process context; ``find`` is called if there is none, and may raise."""
        return self._get(self._processes, (device_id, process_id), find)

    def clear(self) -> None:
        """IODIR.INVAL_DDT without a device."""
        self._devices.clear()
        self._processes.clear()

    def invalidate_device(self, device_id: int) -> None:
        """IODIR.INVAL_DDT: the device and its processes."""
        self._devices.pop(device_id, None)
        self._processes = {key: context for key, context in self._processes.items()
                           if key[0] != device_id}

    def invalidate_process(self, device_id: int, process_id: int) -> None:
        """IODIR.INVAL_PDT."""
        self._processes.pop((device_id, process_id), None)

    def _get(self, store: dict[_Key, _Context], key: _Key,
             find: Callable[[], _Context]) -> _Context:
        if key in store:
            return store[key]
        found = find()
        if self._enabled:
            store[key] = found
        return found


def _overlaps(addr: int, bits: int, where: Range) -> bool:
    low = addr >> bits << bits
    return where is None or (low <= where[1] and where[0] < low + (1 << bits))
