"""Rules R, checks of dma-debug D, checks of ownership X, and mistakes M, in a few words each."""

__all__ = ["TITLES"]

_RULES = """
virtual, physical and DMA addresses are distinct kinds
pages, kmalloc and slab buffers are mappable
vmalloc, stack and kernel image are refused or reported
no two kmalloc objects share a DMA line
each map has one unmap; leaks exhaust the addresses
the same calls work without IOMMU, and cost less
bytes beyond the last granule fault, in the granule they are reachable
without a mask maps warn and fail
a device begins with masks of 32 bits
a refused mask leaves the old one
an accepted mask is obeyed, the last one counts
dma_supported answers as set_mask would, and changes nothing
a coherent mask no wider than the streaming one is accepted
coherent memory stays within the coherent mask, below 4 GiB by default
masks wider than dma_addr_t are cut
direct masks of 32 bits or more are accepted, smaller if they reach; the IOMMU takes any
a mask of 24 bits keeps everything below 16 MiB
the required mask covers memory, and asking changes nothing
both ends must be within mask and bus limit
memory out of reach is bounced, or refused
a coherent mask of zero warns
the longest map is bounded only while bouncing; 128 KiB is best behind the IOMMU
merge boundary: granule less one, or zero
coherent stores are seen after wmb without sync; without it they may pass each other
a store may wait in a buffer; reading a register flushes it
coherent addresses are aligned to their order
switch: behind the IOMMU the CPU address is only page aligned
coherent sizes are rounded up to pages
coherent memory reads as zero
flags of coherent allocations
rules of freeing coherent memory
coherent buffers do not overlap, and are reused
no dirty line is left below a coherent buffer
atomic coherent requests come from pools
zones are retried from the mask down
contiguous allocator: blocking requests of more than a page
coherent memory is bidirectional
mmap fails beyond the buffer
managed buffers are freed once, at detach
pool blocks are large enough, aligned, and agree in both offsets
no pool block crosses the boundary
bad pool parameters give no pool
block size and page size of a pool
layout of pool blocks
the block freed last is the next
pool calls and contexts
a busy pool is reported and leaked
the link of the free list lies in the block
zalloc zeroes, alloc does not
pools obey the coherent mask
maps are legal in interrupts
maps can fail, and zero is no failure
on failure a driver drops, waits, or unwinds
the region must be contiguous
a portable driver assumes neither IOMMU nor bounce
map_page is map_single
no direction is a bug
directions say who reads and who writes
the IOMMU enforces the direction
bidirectional is always legal
unmap takes what map was given
unmap only after the device has finished
unmap gives everything to the CPU
ownership goes back and forth
no CPU access, no sync
a buffer that was only read need not be given back by sync
edges of mappings lie on lines
overlapping mappings are read-only ones
direct: bus address is physical less offset, lines are maintained
order of copy and cache maintenance
resources: no maintenance, no bounce, no memory
small kmalloc objects are bounced where they could share lines
REQUIRE_COHERENT fails rather than maintain or bounce
need_sync: not coherent, or bounced
slots of 2 KiB belong to one mapping, and follow each other
a mapping stays in a set of 128 slots: at most 256 KiB
the pool: 64 MiB below 4 GiB, areas
map copies into the slots whatever the direction
copies back at unmap and sync, by direction
the longest map under an alignment mask
low bits under the alignment mask are kept
requests of a page or more are page aligned
allocation alignment: start and end, padding
slots do not cross the segment boundary
a partial sync copies its bytes
a full pool is a mapping error; growth
force bounces all; a restricted pool also serves coherent memory
updates of a bounced buffer are seen after sync only
unmap with a smaller size copies less, and frees all
bytes outside the mapping are never copied
for_device cleans
for_cpu invalidates, unless the device only reads
the invalidation after DMA is needed although lines were dropped before
whole lines
coherent devices: no cache operation
a dirty neighbour overwrites device data
an invalidation loses a neighbour's store
whole lines are safe from neighbours
the old sync by direction
dma_cache_sync
a sync stays in its mapping
missing syncs show as stale data, always alike
lists: counts, sums and order
entries beyond the count have no length
segments join on granule boundaries only
limits of segments
a mapped list is not mapped again, its CPU side stays
a failed list leaves nothing behind
unmap and sync take the original count
direct lists never join, and fail as a whole
tables return errors
peer-to-peer pages in lists
no attributes is the plain call
SKIP_CPU_SYNC leaves it to the caller
WEAK_ORDERING and WRITE_BARRIER
NO_KERNEL_MAPPING: a cookie, not an address
unknown attributes are ignored
declared memory: parameters
declared memory: order-aligned blocks, offset in the region
declared memory: exhausted
declared memory: children
declared memory: MEMORY_IO is reached by accessors
declared memory: release
declared memory: occupied ranges
iova link: pieces, alignment, sync before use
iova unlink and destroy
bytes of the granule around a mapping are exposed; bounce removes this
strict: nothing succeeds after unmap, reuse comes later
deferred: translations may live until the flush, addresses are held back
unmap state may be absent
devices with and without IOMMU coexist
"""

_DEBUG = """
map_single of an address outside the linear map
map_single of vmalloc memory
memory on the stack
kernel text or read-only data
MMIO mapping of ordinary memory
map_page of peer-to-peer memory
another mapping begins in the same line
too many overlapping mappings of a line
entry longer than the longest segment
entry crosses the segment boundary
unmap of a failed handle
unmap of what is not mapped
unmap with another size
unmap with the wrong function
free with another CPU address
unmap_sg with another count
unmap with another direction
dma_mapping_error was never called
unmap with other attributes
sync of what is not mapped
sync beyond the mapping
sync with another direction
sync for the CPU of a mapping to the device
sync for the device of a mapping from the device
sync_sg with another count
driver goes away with live mappings
no room for entries: the checker turns itself off
internal consistency of lines
"""

_OWNERSHIP = """
CPU access to what the device owns
missing sync
device access outside any mapping
overlaps beyond the first line
bytes of the granule that are exposed
missing barrier before the doorbell
leak while bound
a failed handle was given to the device
sleeping call in atomic context
mask shrunk while mappings live
stale line read: which line, which store, which call
list used with nents instead of the count
size from a field that the device can write
list mapped twice
freed pool block written by the device
map longer than bounce memory can ever hold
"""

_MISTAKES = """
no dma_mapping_error
no unwind, no unmap
wrong size or direction at unmap
wrong nents at unmap or sync
nents instead of count for the hardware
no sync_for_cpu before reading
CPU write after map without sync_for_device
CPU writes while the device owns a FROM_DEVICE buffer
buffer shares a line with other fields
stack, vmalloc or static buffers
mask not set, or handle cut to 32 bits
use after unmap
missing wmb before the valid bit
doorbell before sync_for_device
assumptions about merging and limits of lists
relies on contiguous memory, or bounces of more than 256 KiB
device field used unchecked, or read twice
coherent memory freed in an interrupt; sleeping pool call
pool block freed while the device uses it
streaming buffer polled as if coherent
list mapped twice
SKIP_CPU_SYNC without a sync of its own
bytes around the buffer exposed to the device
virtual or physical address used as handle
"""

#: ``{"R1": "virtual, physical ...", ...}``: 131 rules, 28 and 16 checks, 24 mistakes.
TITLES: dict[str, str] = {
    f"{letter}{number}": title
    for letter, text in {"R": _RULES, "D": _DEBUG, "X": _OWNERSHIP, "M": _MISTAKES}.items()
    for number, title in enumerate(text.strip().splitlines(), start=1)}
