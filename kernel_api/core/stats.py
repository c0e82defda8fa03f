"""What the calls cost: counters for accounting."""

from dataclasses import dataclass, fields, replace
from typing import Self

__all__ = ["Stats"]


@dataclass
class Stats:
    """Events since boot. ``after - before`` is what happened between two :meth:`snapshot`.

    Parameters
    ----------
    cache_cleans, cache_invalidates, cache_flushes : int
        Range operations of the cache controller: write back, drop, both.
    cache_lines : int
        Lines that the ranges covered.
    lines_cleaned, lines_invalidated : int
        Of these, those that were to be written back, and those that were to be dropped.
    maps, unmaps : int
        Streaming mappings made and removed; a list counts once.
    syncs : int
        Sync calls.
    coherent_allocs, coherent_frees : int
        Coherent buffers.
    iova_allocs : int
        I/O virtual ranges handed out.
    iova_cached : int
        Those of them that were recycled without a search.
    pte_writes : int
        Page-table entries written, set or cleared.
    table_pages : int
        Page-table pages allocated.
    iotlb_commands, iodir_commands, fences : int
        Commands sent to the IOMMU.
    queue_flushes : int
        Times that deferred invalidations were made up for.
    bounce_maps, bounced_bytes : int
        Mappings that took bounce memory; bytes copied to and from it.
    interrupts : int
        Handlers called.
    """

    cache_cleans: int = 0
    cache_invalidates: int = 0
    cache_flushes: int = 0
    cache_lines: int = 0
    lines_cleaned: int = 0
    lines_invalidated: int = 0
    maps: int = 0
    unmaps: int = 0
    syncs: int = 0
    coherent_allocs: int = 0
    coherent_frees: int = 0
    iova_allocs: int = 0
    iova_cached: int = 0
    pte_writes: int = 0
    table_pages: int = 0
    iotlb_commands: int = 0
    iodir_commands: int = 0
    fences: int = 0
    queue_flushes: int = 0
    bounce_maps: int = 0
    bounced_bytes: int = 0
    interrupts: int = 0

    def snapshot(self) -> Self:
        """Copy of the counters as they are now."""
        return replace(self)

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(**{item.name: getattr(self, item.name) - getattr(earlier, item.name)
                             for item in fields(self)})

    def __add__(self, other: Self) -> Self:
        return type(self)(**{item.name: getattr(self, item.name) + getattr(other, item.name)
                             for item in fields(self)})

    @property
    def cache_operations(self) -> int:
        """All range operations of the cache controller."""
        return self.cache_cleans + self.cache_invalidates + self.cache_flushes
