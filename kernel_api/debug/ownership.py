"""The ownership checker: who may touch a buffer now, and what was lost when another did.

dma-debug compares calls with calls. This one watches the CPU's loads and stores and the device's
accesses, and so sees calls that were not made at all.

Source: checks X1 to X15 of the DMA API study.
"""

from rtl.spec.platform import CACHE_BASE, WINDOW_BYTES

from ..core.addresses import DmaAddr, PhysAddr, VirtAddr
from ..core.attrs import DMA_ATTR_MMIO, DMA_ATTR_SKIP_CPU_SYNC, DMA_FROM_DEVICE, DMA_TO_DEVICE
from ..device.device import Device
from ..device.direct_ranges import reaches
from ..device.mappings import Kind, Mapping
from ..sg.scatterlist import Scatterlist
from .bus_watch import GRANULE, STREAMING, BusWatch
from .owned import Owned

__all__ = ["Ownership"]


class Ownership(BusWatch):
    """The checker. Parameters as of :class:`kernel_api.debug.bus_watch.BusWatch`."""

    # What the CPU does

    def cpu_access(self, phys: PhysAddr, size: int, *, write: bool, cached: bool) -> None:
        """X1, X2, X4, X11."""
        self.drain()
        now = self.kernel.machine.cycles
        for owned in self.live.in_memory(int(phys), size, original=True):
            if owned.mapping.kind in STREAMING:
                self._streaming_access(owned, int(phys), size, write=write, now=now)
            elif write and owned.mapping.kind is Kind.COHERENT:
                self._pending_store = phys
        if write and cached:
            self._neighbours(int(phys), size)
            self.lines.cpu_stored(int(phys), size, now)

    def _streaming_access(self, owned: Owned, phys: int, size: int, *, write: bool,
                          now: int) -> None:
        mapping = owned.mapping
        start, end = owned.overlap(phys, size, original=True)
        if owned.lends(start, end):
            if write:
                owned.store(start, end, now)    # until it is given back
            return
        if write:
            owned.store(start, end, now)
            what = ("the device may overwrite it, or its write-back destroys what the device wrote"
                    if mapping.direction != DMA_TO_DEVICE else "the device may not see it")
            self.once((owned, "write"), "X1", mapping.dev, f"CPU wrote {start:#x} in a buffer "
                       f"that the device owns, mapped {mapping.direction.name}: {what}",
                       "dma_sync_single_for_cpu before and dma_sync_single_for_device after")
            return
        written = owned.written(start, end)
        if written and mapping.bounced is not None:
            self.once((owned, "load"), "X2", mapping.dev, f"CPU read {start:#x}: the device wrote "
                       f"bounce memory at cycle {written}, which was not copied back",
                       "dma_sync_single_for_cpu")
        elif written:
            filled = None if owned.coherent else self.lines.stale(start, end)
            if filled is not None:
                addr, fill = filled
                self.once((owned, "load"), "X11", mapping.dev, f"CPU read {addr:#x} (stale since "
                           f"cycle {written}: line filled {fill} before the device wrote at cycle "
                           f"{written})", "dma_sync_single_for_cpu")
            else:
                self.once((owned, "load"), "X2", mapping.dev, f"CPU read {start:#x}, which the "
                           f"device wrote at cycle {written}; it was not stale this time",
                           "dma_sync_single_for_cpu")
        elif mapping.direction == DMA_FROM_DEVICE:
            self.once((owned, "load"), "X1", mapping.dev, f"CPU read {start:#x} in a buffer that "
                       f"the device owns, mapped {mapping.direction.name}",
                       "dma_sync_single_for_cpu")

    def _neighbours(self, phys: int, size: int) -> None:
        """X4: a store beside a buffer that the device writes, in its line."""
        if self.kernel.platform.coherent:
            return
        line = self.kernel.platform.line_bytes
        low, high = phys & -line, -(-(phys + size) // line) * line
        for owned in self.live.in_memory(low, high - low):
            mapping = owned.mapping
            inside = mapping.holds(phys) and mapping.holds(phys + size - 1)
            if mapping.kind in STREAMING and mapping.direction != DMA_TO_DEVICE \
                    and not inside and mapping.bounced is None and not mapping.dev.dma_coherent:
                self.once((owned, "neighbour"), "X4", mapping.dev, f"CPU wrote {phys:#x}, in a "
                           f"line of the buffer at {int(mapping.phys):#x} that the device writes: "
                           "one of the two stores is lost",
                           "alignment to dma_get_cache_alignment")

    def barrier(self) -> None:
        """Earlier stores are done."""
        self._pending_store = None

    def failed(self, dev: Device, what: str) -> None:
        """Remember, for X8."""
        self._failure = dev if what == "map" else self._failure

    def mapping_error(self, dev: Device | None, dma: DmaAddr) -> None:
        """Somebody asked: X8 is no more."""
        self._failure = None

    def register_write(self, addr: int) -> None:
        """X6, X8: a doorbell before the stores that it announces, or after a failed map."""
        self.drain()
        doorbell = not CACHE_BASE <= addr < CACHE_BASE + WINDOW_BYTES
        if self._failure and doorbell:
            self.once("failed", "X8", self._failure, f"CPU wrote register {addr:#x} after a map "
                      "that failed, and nobody asked whether it did", "dma_mapping_error")
        if self._pending_store is not None and doorbell:
            self.once(int(self._pending_store) // GRANULE, "X6", None, f"CPU wrote register "
                       f"{addr:#x} after a store to coherent memory at "
                       f"{int(self._pending_store):#x} that may still wait", "wmb")

    # What the API is told

    def mapped(self, mapping: Mapping) -> None:
        """X4, X7; the device owns it from now on."""
        self.drain()
        if mapping.attrs & DMA_ATTR_MMIO:
            self.live.add(Owned(mapping, self.kernel))
            return
        owned = Owned(mapping, self.kernel)
        if mapping.kind in STREAMING:
            self._check_overlaps(owned)
            others = self.live.streaming(mapping.dev)
            if len(others) >= self.many:
                self.once(mapping.dev, "X7", mapping.dev, f"{len(others)} mappings are live; the "
                           f"oldest was made at {others[0].mapping.caller}",
                           "dma_unmap_single")
            if mapping.attrs & DMA_ATTR_SKIP_CPU_SYNC:
                hidden = mapping.bounced is not None and not owned.coherent
                if hidden:
                    owned.store(int(mapping.phys), int(mapping.phys) + mapping.size,
                                self.kernel.machine.cycles)
            else:
                self.lines.maintained(int(mapping.phys), mapping.size)
        self.live.add(owned)

    def _check_overlaps(self, owned: Owned) -> None:
        mapping, line = owned.mapping, self.kernel.platform.line_bytes
        start, end = int(mapping.phys), int(mapping.phys) + mapping.size
        # A line matters where devices do not see the cache, and nothing is copied.
        reach = 1 if owned.coherent or mapping.bounced is not None else line
        low, high = start & -reach, -(-end // reach) * reach
        for other in self.live.in_memory(low, high - low, original=True):
            theirs = other.mapping
            if theirs.kind not in STREAMING or (theirs.group and theirs.group is mapping.group):
                continue
            if mapping.direction == theirs.direction == DMA_TO_DEVICE:
                continue
            first = int(theirs.phys)
            overlap = first < end and start < first + theirs.size
            if theirs.bounced is not None and not overlap:
                continue
            if not owned.coherent and first // line == start // line and DMA_TO_DEVICE not in (
                    mapping.direction, theirs.direction):
                continue                        # dma-debug says that: D7
            self.once((owned, other), "X4", mapping.dev, f"buffer at {start:#x} shares "
                      f"{'bytes' if overlap else 'a line'} with the mapping at {first:#x}, and a "
                      "device writes one of them", "dma_unmap_single before" if overlap
                      else "alignment to dma_get_cache_alignment")

    def before_map_sg(self, dev: Device, entries: list[Scatterlist]) -> None:
        """X14: the list is mapped already."""
        for sg in entries[:1]:
            if sg.dma_length and self.live.of_device(int(sg.dma_address), 1, 1):
                self.once(id(sg), "X14", dev, "a list is mapped that is mapped already: its first "
                           "addresses are lost", "dma_unmap_sg")

    def sg_unused(self, sg: Scatterlist) -> None:
        """X12: an entry beyond the count is read."""
        self.once(id(sg), "X12", None, "the DMA address of an entry beyond the count that "
                   "dma_map_sg returned is used", "the count of dma_map_sg, not nents,")

    def tainted(self, what: str) -> None:
        """X13: a number that the device can change is used as it is."""
        self.reporter.report("X13", None, f"{what} comes from memory that the device can write, "
                              "and was not compared with anything", "a check of the value")

    def unmapping(self, dev: Device, claimed: Mapping) -> None:
        """See what the device did until now."""
        self.drain()

    def unmapped(self, dev: Device, dma: DmaAddr) -> None:
        """Give it to the CPU for good."""
        self.drain()
        for owned in self.live.remove(dev, dma, self.kernel.machine.cycles):
            self._lost(owned, int(owned.mapping.phys or 0), owned.mapping.size, "unmap")

    def syncing(self, dev: Device, claimed: Mapping, *, for_cpu: bool) -> None:
        """See what the device did until now."""
        self.drain()

    def synced(self, dev: Device, claimed: Mapping, *, for_cpu: bool) -> None:
        """Lend it to the CPU, or give it back."""
        self.drain()
        for owned, start, size in self.live.claimed(dev, claimed):
            if for_cpu:
                owned.lend(start, size)
                self._lost(owned, start, size, "sync for the CPU")
            else:
                owned.give_back(start, size)
            for said in [said for said in self.said if isinstance(said[1], tuple)
                         and said[1][0] is owned]:
                self.said.discard(said)

    def _lost(self, owned: Owned, phys: int, size: int, by: str) -> None:
        """X11: stores of the CPU in lines that were just dropped."""
        if not self.sees_buses or owned.coherent or owned.mapping.direction == DMA_TO_DEVICE \
                or owned.mapping.kind not in STREAMING or owned.mapping.bounced is not None \
                or owned.mapping.attrs & DMA_ATTR_SKIP_CPU_SYNC:
            return
        lost = self.lines.dropped(phys, size)
        if lost:
            addr, cycle = lost
            beside = not owned.mapping.holds(addr)
            self.once((owned, "lost"), "X11", owned.mapping.dev, f"CPU store of cycle {cycle} to "
                       f"{addr:#x} is lost: its line was dropped by the {by}",
                       "alignment to dma_get_cache_alignment" if beside
                       else "dma_sync_single_for_device")

    def mask_set(self, dev: Device) -> None:
        """X10: live mappings that the new mask does not reach."""
        for owned in self.live.of(dev):
            mapping = owned.mapping
            if mapping.kind in STREAMING and not reaches(dev, dev.dma_mask, mapping.dma,
                                                          mapping.size):
                self.once(owned, "X10", dev, f"mask {dev.dma_mask:#x} set while a mapping at "
                           f"{int(mapping.dma):#x} is live, which it does not reach")

    def cannot_sleep(self, what: str) -> None:
        """X9."""
        self.reporter.report("X9", None, f"{what} called where nothing may sleep",
                              "process context")

    def too_long(self, dev: Device, size: int, limit: int) -> None:
        """X16."""
        self.reporter.report("X16", dev, f"map of {size} bytes, of which bounce memory holds "
                             f"{limit} at once: it fails here, whatever is free",
                             "dma_max_mapping_size")

    def pool_block(self, phys: PhysAddr, size: int, *, free: bool) -> None:
        """Remember free blocks, for X15."""
        self.drain()
        if free:
            self.free_blocks[int(phys)] = size
        else:
            self.free_blocks.pop(int(phys), None)

    def device_writes(self, va: VirtAddr) -> bool:
        """Whether ``va`` is in coherent memory, where a device may write at any time."""
        phys = int(self.kernel.cpu.behind(va))
        return any(owned.mapping.kind is Kind.COHERENT
                   for owned in self.live.in_memory(phys, 1, original=True))

    def exposure(self, dev: Device) -> list[tuple[int, int]]:
        """Ranges of memory that a device reaches and no mapping of it covers: start and bytes."""
        found = []
        for owned in self.live.of(dev):
            mapping = owned.mapping
            if mapping.phys is None or dev.dma_ops is not self.kernel.iommu_ops:
                continue
            first = int(mapping.bounced or mapping.phys)
            low, high = first & -GRANULE, -(-(first + mapping.size) // GRANULE) * GRANULE
            found += [(low, first - low), (first + mapping.size, high - first - mapping.size)]
        return [(start, size) for start, size in found if size]
