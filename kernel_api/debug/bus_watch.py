"""What the ownership checker learns from the buses, and what it says of the device's accesses.

Source: checks X2, X3, X5, X8 and X15 of the DMA API study.
"""


from rtl.spec.platform import BusEvent, Seen

from ..core.addresses import PhysAddr
from ..core.attrs import DMA_MAPPING_ERROR
from ..core.kernel import Kernel
from ..device.checker import Checker
from ..device.device import Device
from ..device.mappings import Kind
from .checks import Reporter
from .owned import LineHistory, Owned, OwnedMappings

__all__ = ["GRANULE", "STREAMING", "BusWatch"]

GRANULE = 4096
STREAMING = (Kind.PHYS, Kind.SG)


class BusWatch(Checker):
    """Follows the buses of a machine.

    Parameters
    ----------
    kernel : Kernel
        Whose machine is watched.
    reporter : Reporter
        Who is told.
    many : int
        So many live streaming mappings of a device look like a leak (X7).

    Attributes
    ----------
    bus_bytes : int
        Devices access whole bus words of so many bytes: what else is in those of a mapping is no
        misuse.
    """

    bus_bytes = 8

    def __init__(self, kernel: Kernel, reporter: Reporter, *, many: int = 1000):
        self.kernel, self.reporter, self.many = kernel, reporter, many
        #: Without, it is not known which lines the cache holds.
        self.sees_buses = getattr(kernel.machine, "watchable", False)
        self.live = OwnedMappings()
        # What the device is going through, reading and writing, and how far it got.
        self._run: dict[Seen, tuple[Owned, int]] = {}
        self.lines = LineHistory(kernel.platform.line_bytes)
        self._pending_store: PhysAddr | None = None
        self._failure: Device | None = None                 # whose map failed unnoticed
        self.free_blocks: dict[int, int] = {}
        self.said: set[object] = set()

    def once(self, key: object, check: str, dev: Device | None, text: str,
              missing: str = "") -> None:
        """Report, unless the same was said of the same mapping since the last call for it."""
        if (check, key) not in self.said:
            self.said.add((check, key))
            self.reporter.report(check, dev, text, missing)

    # What the buses tell

    def drain(self) -> None:
        """Look at what happened on the buses since."""
        take = getattr(self.kernel.machine, "events", None)
        for event in take() if take else ():
            self._event(event)

    def _event(self, event: BusEvent) -> None:
        if event.kind in (Seen.DMA_READ, Seen.DMA_WRITE):
            self._device_asks(event)
        elif event.kind is Seen.MEM_READ:
            self._device_read(event)
        elif event.kind is Seen.MEM_WRITE:
            self._device_wrote(event)
        else:
            self.lines.event(event)

    def _device_asks(self, event: BusEvent) -> None:
        """X3, X5, X8: an address that no mapping has."""
        verb = "wrote" if event.kind is Seen.DMA_WRITE else "read"
        covering = self.live.of_device(event.addr, event.size, self.bus_bytes)
        if covering:
            self._run[event.kind] = covering, event.addr + event.size
            return
        run, reached = self._run.get(event.kind, (None, 0))
        beyond = run if reached == event.addr else None
        where = f"{event.addr:#x}, {event.size} bytes, at cycle {event.cycle}"
        near = self.live.of_device_granule(event.addr, GRANULE)
        gone = self.live.gone(event.addr)
        cut = self.live.cut(event.addr)
        if event.addr >= DMA_MAPPING_ERROR - GRANULE:
            self.once("error", "X8", None, f"device {verb} {where}: the handle of a failed map",
                       "dma_mapping_error")
        elif beyond and not near:
            self._run[event.kind] = beyond, event.addr + event.size
            self.once((beyond, "beyond"), "X3", beyond.mapping.dev, f"device {verb} {where}: "
                      f"beyond the mapping of {beyond.mapping.size} bytes at "
                      f"{int(beyond.mapping.dma):#x}",
                      "a transfer for each segment, with sg_dma_len,")
        elif cut:
            self.once(cut, "X3", cut.mapping.dev, f"device {verb} {where}: the low 32 bits of the "
                      f"handle {int(cut.mapping.dma):#x}", "dma_set_mask of 32 bits")
        elif near:
            self.once(near, "X5", near.mapping.dev, f"device {verb} {where}: beside the mapping "
                       f"of {near.mapping.size} bytes at {int(near.mapping.dma):#x}, in its page",
                      "a page of its own, or Device(untrusted=True),")
        elif gone:
            self.once(gone, "X3", gone.mapping.dev, f"device {verb} {where}: unmapped at cycle "
                       f"{gone.ended}", "a wait for the device before the unmap")
        else:
            self.once(event.addr // GRANULE, "X3", None, f"device {verb} {where}: never mapped",
                       "dma_map_single")

    def _device_read(self, event: BusEvent) -> None:
        """X2: the device reads what the CPU's stores have not reached."""
        for owned in self.live.in_memory(event.addr, event.size):
            if owned.mapping.kind not in STREAMING:
                continue
            start, end = owned.overlap(event.addr, event.size)
            hidden = not owned.coherent and owned.mapping.bounced is None
            dirty = self.lines.dirty(start, end) if hidden else None
            addr, cycle = dirty or (event.addr, owned.stored(start, end))
            if not cycle:
                continue
            why = (f"the CPU's store of cycle {cycle} is still in the cache, and the device got "
                   "older data" if dirty else
                   f"bounce memory, which the CPU's store of cycle {cycle} has not reached"
                   if owned.mapping.bounced else
                   f"the CPU's store of cycle {cycle} was not given to it; it was not missed this "
                   "time")
            self.once((owned, "read"), "X2", owned.mapping.dev, f"device read {addr:#x} at cycle "
                      f"{event.cycle}: {why}", "dma_sync_single_for_device")

    def _device_wrote(self, event: BusEvent) -> None:
        """X15; note the write, for those who read."""
        self.lines.device_wrote(event)
        for owned in self.live.in_memory(event.addr, event.size):
            owned.device_wrote(event)
        for start, size in self.free_blocks.items():
            if start < event.addr + event.size and event.addr < start + size:
                self.once(start, "X15", None, f"device wrote {event.addr:#x} at cycle "
                           f"{event.cycle}: a pool block that was freed; the list of free blocks "
                           "may be destroyed", "a wait for the device before dma_pool_free")
