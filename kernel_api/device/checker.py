"""Where those who watch the API are told what happens."""


from ..core.addresses import DmaAddr, PhysAddr, VirtAddr
from ..sg.scatterlist import Scatterlist
from .device import Device
from .mappings import Mapping

__all__ = ["Checker"]


class Checker:
    """Somebody who watches; each method does nothing unless it is overridden."""

    def before_map_single(self, dev: Device, va: VirtAddr, size: int) -> None:
        """Learn that ``size`` bytes at ``va`` are about to be mapped."""

    def before_map_page(self, dev: Device, page: object, size: int) -> None:
        """Learn that a page is about to be mapped."""

    def before_map_sg(self, dev: Device, entries: list[Scatterlist]) -> None:
        """Learn that a list is about to be mapped."""

    def failed(self, dev: Device, what: str) -> None:
        """Learn that a map function returned an error."""

    def mapped(self, mapping: Mapping) -> None:
        """Learn that a mapping was made."""

    def unmapping(self, dev: Device, claimed: Mapping) -> None:
        """Learn that somebody unmaps what ``claimed`` describes: it may be wrong in every part."""

    def unmapped(self, dev: Device, dma: DmaAddr) -> None:
        """Learn that the unmap has ended."""

    def syncing(self, dev: Device, claimed: Mapping, *, for_cpu: bool) -> None:
        """Learn that somebody syncs what ``claimed`` describes, for the CPU or for the device."""

    def synced(self, dev: Device, claimed: Mapping, *, for_cpu: bool) -> None:
        """Learn that the sync has ended."""

    def mapping_error(self, dev: Device, dma: DmaAddr) -> None:
        """Learn that somebody asked whether a map function failed."""

    def mask_set(self, dev: Device) -> None:
        """Learn that a mask was set."""

    def unbind(self, dev: Device) -> None:
        """Learn that the driver of a device goes away."""

    def cpu_access(self, phys: PhysAddr, size: int, *, write: bool, cached: bool) -> None:
        """Learn that the CPU has loaded or stored."""

    def barrier(self) -> None:
        """Learn that the CPU has waited for its stores."""

    def register_write(self, addr: int) -> None:
        """Learn that the CPU has written a register."""

    def pool_block(self, phys: PhysAddr, size: int, *, free: bool) -> None:
        """Learn that a block of a pool was handed out, or freed."""

    def sg_unused(self, sg: Scatterlist) -> None:
        """Learn that the DMA side of an entry is used that has none."""

    def tainted(self, what: str) -> None:
        """Learn that a number that a device can change is used unchecked."""

    def too_long(self, dev: Device, size: int, limit: int) -> None:
        """Learn that more was to be bounced at once than can ever be."""

    def cannot_sleep(self, what: str) -> None:
        """Learn that a function that may sleep was called where nothing may."""
