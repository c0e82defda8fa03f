"""dma-debug: every call is compared with what is mapped.

Source: Linux ``kernel/dma/debug.c`` (behaviour), ``Documentation/core-api/dma-api.rst``, part III;
checks D1 to D28 of the DMA API study.
"""

from collections import Counter

from ..core.addresses import PAGE_OFFSET, PAGE_SHIFT, DmaAddr, VirtAddr, is_vmalloc_addr
from ..core.attrs import (
    DMA_ATTR_CC_SHARED,
    DMA_ATTR_FORCE_CONTIGUOUS,
    DMA_ATTR_MMIO,
    DMA_ATTR_NO_KERNEL_MAPPING,
    DMA_ATTR_PRIVILEGED,
    DMA_ATTR_REQUIRE_COHERENT,
    DMA_BIDIRECTIONAL,
    DMA_FROM_DEVICE,
    DMA_MAPPING_ERROR,
    DMA_TO_DEVICE,
)
from ..core.kernel import Kernel
from ..device.checker import Checker
from ..device.device import Device
from ..device.mappings import Kind, Mapping
from ..device.masks import dma_get_max_seg_size, dma_get_seg_boundary
from ..memory.image import region_of
from ..memory.pages import pfn_valid
from ..ops.p2p import P2pPage
from .checks import Reporter, caller
from .debug_lines import ActiveLines

__all__ = ["DmaDebug"]

#: Attributes that unmap must repeat (D19).
_SAME = (DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_FORCE_CONTIGUOUS | DMA_ATTR_MMIO
         | DMA_ATTR_REQUIRE_COHERENT | DMA_ATTR_PRIVILEGED | DMA_ATTR_CC_SHARED)
_UNDO = {Kind.PHYS: "dma_unmap_single", Kind.SG: "dma_unmap_sg",
         Kind.COHERENT: "dma_free_coherent", Kind.NONCOHERENT: "dma_free_noncoherent"}


class DmaDebug(Checker):
    """The checker, and its controls, named as the files in debugfs.

    Attributes
    ----------
    disabled : bool
        It has turned itself off, or was.
    all_errors : bool
        Log every error.
    num_errors : int
        Errors that are still logged otherwise.
    error_count : int
        Errors so far.
    driver_filter : str
        Only errors of this device are logged and reported; empty: all.
    num_free_entries, min_free_entries, nr_total_entries : int
        Room for mappings: now, at the least, altogether.
    """

    def __init__(self, kernel: Kernel, reporter: Reporter, entries: int):
        self._kernel, self._reporter = kernel, reporter
        self.disabled, self.all_errors, self.num_errors, self.error_count = False, False, 1, 0
        self.driver_filter = ""
        self.num_free_entries = self.min_free_entries = self.nr_total_entries = entries
        self._entries: dict[tuple[int, DmaAddr], list[Mapping]] = {}
        self.lines = ActiveLines(kernel)

    def _error(self, check: str, dev: Device | None, text: str, missing: str = "") -> None:
        self.error_count += 1
        if self.driver_filter and dev is not None and dev.name != self.driver_filter:
            return
        quiet = not self.all_errors and self.num_errors <= 0
        self.num_errors -= not quiet
        self._reporter.report(check, dev, text, missing, quiet=quiet)

    @property
    def entries(self) -> list[Mapping]:
        """Live mappings, oldest first."""
        found = [entry for entries in self._entries.values() for entry in entries]
        return sorted(found, key=lambda entry: entry.made_at)

    def dump(self, dev: Device | None = None) -> str:
        """List live mappings, of one device or of all, one a line."""
        return "\n".join(
            f"{entry.dev.name} {entry.kind.value} idx {index} D={int(entry.dma):#x} "
            f"L={entry.size:#x} {entry.direction.name} "
            f"{'dma map error checked' if entry.checked else 'dma map error not checked'}"
            for index, entry in enumerate(self.entries) if dev in (None, entry.dev))

    # Mapping

    def before_map_single(self, dev: Device, va: VirtAddr, size: int) -> None:
        """D1, D2."""
        if self.disabled:
            return
        if is_vmalloc_addr(va):
            self._error("D2", dev, f"device driver maps memory from vmalloc area "
                        f"[addr={int(va):#x}]", "kmalloc, or a map of each page,")
        elif not pfn_valid(int(va) - PAGE_OFFSET >> PAGE_SHIFT):
            self._error("D1", dev, f"device driver maps memory from invalid area "
                        f"[addr={int(va):#x}]")

    def before_map_page(self, dev: Device, page: object, size: int) -> None:
        """D6."""
        if isinstance(page, P2pPage) and not self.disabled:
            self._error("D6", dev, "device driver maps a page of another device's memory",
                        "dma_map_sg or dma_map_phys")

    def mapped(self, mapping: Mapping) -> None:
        """D3, D4, D5, D7 to D10, D27."""
        if self.disabled:
            return
        mapping.made_at, mapping.caller = self._kernel.machine.cycles, caller()
        self._check_memory(mapping)
        if mapping.kind is Kind.SG:
            self._check_segment(mapping)
        if not self.num_free_entries:
            self.disabled = True
            self._reporter.report("D27", None, "debugging out of memory - disabling")
            return
        self.num_free_entries -= 1
        self.min_free_entries = min(self.min_free_entries, self.num_free_entries)
        self._entries.setdefault((id(mapping.dev), mapping.dma), []).append(mapping)
        for check, text in self.lines.insert(mapping):
            self._error(check, mapping.dev, text)

    def _check_memory(self, mapping: Mapping) -> None:
        phys, dev = mapping.phys, mapping.dev
        if mapping.kind not in (Kind.PHYS, Kind.SG) or phys is None:
            return
        if mapping.attrs & DMA_ATTR_MMIO:
            if pfn_valid(int(phys) >> PAGE_SHIFT):
                self._error("D5", dev, f"dma_map_resource of RAM at {int(phys):#x}", "dma_map_page")
            return
        region = region_of(self._kernel, phys, mapping.size)
        if region == "stack":
            self._error("D3", dev, f"device driver maps memory from stack [phys={int(phys):#x}]",
                        "kmalloc")
        elif region:
            self._error("D4", dev, f"device driver maps memory from kernel {region} "
                        f"[addr={int(phys):#x}] [len={mapping.size}]", "kmalloc")

    def _check_segment(self, mapping: Mapping) -> None:
        dev = mapping.dev
        longest, boundary = dma_get_max_seg_size(dev), dma_get_seg_boundary(dev)
        if mapping.size > longest:
            self._error("D9", dev, f"mapping sg segment longer than device claims to support "
                        f"[len={mapping.size}] [max={longest}]", "dma_set_max_seg_size")
        start = int(mapping.dma)
        if (start ^ start + mapping.size - 1) & ~boundary:
            self._error("D10", dev, f"mapping sg segment across boundary [start={start:#x}] "
                        f"[end={start + mapping.size - 1:#x}] [boundary={boundary:#x}]",
                        "dma_set_seg_boundary")

    def mapping_error(self, dev: Device | None, dma: DmaAddr) -> None:
        """Note that the result was checked."""
        for (owner, addr), entries in self._entries.items():
            if (addr == dma and dev is None) or (owner, addr) == (id(dev), dma):
                entry = next((entry for entry in entries if not entry.checked), None)
                if entry:
                    entry.checked = True
                    return

    # Looking up

    def _find(self, claimed: Mapping) -> Mapping | None:
        """Find the entry that fits best; None if there is none, or several fit equally well."""
        entries = self._entries.get((id(claimed.dev), claimed.dma), [])
        if len(entries) < 2:
            return entries[0] if entries else None

        def score(entry: Mapping) -> int:
            return ((entry.size == claimed.size) + (entry.kind is claimed.kind)
                    + (entry.direction == claimed.direction) + (entry.nents == claimed.nents))

        best = max(map(score, entries))
        fitting = [entry for entry in entries if score(entry) == best]
        return fitting[0] if best == 4 or len(fitting) == 1 else None

    def _containing(self, dev: Device, dma: int, size: int) -> Mapping | None:
        for (owner, start), entries in self._entries.items():
            for entry in entries:
                if owner == id(dev) and start <= dma and \
                        int(dma) + size <= int(start) + entry.size:
                    return entry
        return None

    # Unmapping

    def unmapping(self, dev: Device, claimed: Mapping) -> None:
        """D11 to D19."""
        if self.disabled:
            return
        if claimed.dma == DMA_MAPPING_ERROR:
            self._error("D11", dev, "device driver tries to free an invalid DMA memory address",
                        "dma_mapping_error")
            return
        entry = self._find(claimed)
        if entry is None:
            self._error("D12", dev, f"device driver tries to free DMA memory it has not allocated "
                        f"[device address={int(claimed.dma):#x}] [size={claimed.size} bytes]")
            return
        self._compare(dev, entry, claimed)
        group = [entry]
        if entry.kind is Kind.SG:
            group = [other for other in self.entries if other.group is entry.group]
        for item in group:
            self._remove(item)

    def _compare(self, dev: Device, entry: Mapping, claimed: Mapping) -> None:
        at = f"[device address={int(entry.dma):#x}]"
        if entry.kind is not claimed.kind:
            self._error("D14", dev, f"device driver frees DMA memory with wrong function {at} "
                        f"[mapped as {entry.kind.value}] [unmapped as {claimed.kind.value}]")
        elif entry.kind is Kind.SG:
            if entry.nents != claimed.nents:
                self._error("D16", dev, f"device driver frees DMA sg list with different entry "
                            f"count [map count={entry.nents}] [unmap count={claimed.nents}]",
                            f"dma_unmap_sg with nents={entry.nents}")
        elif entry.size != claimed.size:
            self._error("D13", dev, f"device driver frees DMA memory with different size {at} "
                        f"[map size={entry.size} bytes] [unmap size={claimed.size} bytes]",
                        f"unmap with size={entry.size}")
        if entry.kind in (Kind.COHERENT, Kind.NONCOHERENT) and entry.va != claimed.va:
            self._error("D15", dev, f"device driver frees DMA memory with different CPU address "
                        f"{at} [cpu alloc address={entry.va!r}] [cpu free address={claimed.va!r}]")
        if entry.direction != claimed.direction:
            self._error("D17", dev, f"device driver frees DMA memory with different direction {at} "
                        f"[mapped with {entry.direction.name}] [unmapped with "
                        f"{claimed.direction.name}]", f"unmap with {entry.direction.name}")
        if entry.kind is Kind.PHYS and not entry.checked:
            self._error("D18", dev, f"device driver failed to check map error {at} "
                        f"[size={entry.size} bytes]", "dma_mapping_error")
        if (entry.attrs ^ claimed.attrs) & _SAME:
            self._error("D19", dev, f"device driver frees DMA memory with different attributes "
                        f"{at} [mapped with {entry.attrs:#x}] [unmapped with {claimed.attrs:#x}]")

    def _remove(self, entry: Mapping) -> None:
        key = id(entry.dev), entry.dma
        self._entries[key].remove(entry)
        if not self._entries[key]:
            del self._entries[key]
        self.num_free_entries += 1
        if not self.lines.remove(entry):
            self._error("D28", entry.dev, "mapping at inactive cacheline")

    # Syncs

    def syncing(self, dev: Device, claimed: Mapping, *, for_cpu: bool) -> None:
        """D20 to D25."""
        if self.disabled:
            return
        at = f"[device address={int(claimed.dma):#x}] [size={claimed.size} bytes]"
        entry = self._containing(dev, claimed.dma, claimed.size)
        if entry is None:
            beyond = self._containing(dev, claimed.dma, 1)
            if beyond:
                self._error("D21", dev, f"device driver syncs DMA memory outside allocated range "
                            f"{at} [mapped size={beyond.size}]")
            else:
                self._error("D20", dev, f"device driver tries to sync DMA memory it has not "
                            f"allocated {at}")
            return
        said, made = claimed.direction, entry.direction
        if made != DMA_BIDIRECTIONAL and said != made:
            self._error("D22", dev, f"device driver syncs DMA memory with different direction {at} "
                        f"[mapped with {made.name}] [synced with {said.name}]",
                        f"sync with {made.name}")
            if for_cpu and made == DMA_TO_DEVICE:
                self._error("D23", dev, f"device driver syncs device read-only DMA memory for cpu "
                            f"{at}")
            if not for_cpu and made == DMA_FROM_DEVICE:
                self._error("D24", dev, f"device driver syncs device write-only DMA memory to "
                            f"device {at}")
        if claimed.kind is Kind.SG and entry.nents != claimed.nents:
            self._error("D25", dev, f"device driver syncs DMA sg list with different entry count "
                        f"[map count={entry.nents}] [sync count={claimed.nents}]",
                        f"sync with nents={entry.nents}")

    # The end

    def unbind(self, dev: Device) -> None:
        """D26."""
        left = [entry for entry in self.entries if entry.dev is dev]
        if left and not self.disabled:
            kinds = Counter(entry.kind.value for entry in left)
            self._error("D26", dev, f"device driver has pending DMA allocations while released "
                        f"from device [count={len(left)}] {dict(kinds)}; one of them: "
                        f"[device address={int(left[0].dma):#x}] [size={left[0].size} bytes] "
                        f"[made at {left[0].caller}]", _UNDO[left[0].kind])
