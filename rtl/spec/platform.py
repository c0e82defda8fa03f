"""What software may assume of the platform: where registers and memory are, and interrupt lines."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["AXI_DMA_BASE", "CACHE_BASE", "CDMA_BASE", "IOMMU_BASE", "MEMORY_BASE", "RING_BASE",
           "SIMULATION_BASE", "WINDOW_BYTES", "BusError", "BusEvent", "Irq", "Platform", "Seen"]

#: Register windows, 4 KiB each.
WINDOW_BYTES = 0x1000
IOMMU_BASE = 0x1000_0000
CDMA_BASE = 0x1001_0000
AXI_DMA_BASE = 0x1002_0000              # a window for each pair of channels
RING_BASE = 0x1003_0000                 # a window for each channel
CACHE_BASE = 0x1004_0000
SIMULATION_BASE = 0x1005_0000           # absent on an FPGA
MEMORY_BASE = 0x8000_0000


class Irq(enum.IntEnum):
    """Interrupt lines, level-sensitive, active high."""

    IOMMU0 = 0                          # the four vectors of the IOMMU
    IOMMU1 = 1
    IOMMU2 = 2
    IOMMU3 = 3
    CDMA = 4
    CACHE = 5
    RING = 6                            # all channels of the ring front end
    MM2S = 7                            # all stream engines, from memory
    S2MM = 8                            # and to memory


class BusError(Exception):
    """A load, store or register access was answered with an error.

    Parameters
    ----------
    addr : int
        Physical address of the access.
    resp : str
        Response of the bus: ``"SLVERR"`` or ``"DECERR"``.
    refused : bool
        It is the IOMMU's.
    """

    def __init__(self, addr: int, resp: str, *, refused: bool = False):
        super().__init__(f"{resp} at {addr:#x}")
        self.addr, self.resp, self.refused = addr, resp, refused


class Seen(enum.Enum):
    """What a watched machine tells of."""

    FILL = "fill"                       # the cache read a line
    WRITE_BACK = "write back"           # the cache wrote a dirty line
    DMA_READ = "DMA read"               # a device asked for an address of its own
    DMA_WRITE = "DMA write"
    MEM_READ = "memory read"            # the access reached memory: physical address
    MEM_WRITE = "memory write"


class BusEvent(NamedTuple):
    """Something that happened on a bus of a watched machine.

    Parameters
    ----------
    cycle : int
        When.
    kind : Seen
        What.
    addr, size : int
        Range, in bytes; an address of the device for ``DMA_...``, else a physical one.
    """

    cycle: int
    kind: Seen
    addr: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Description of one machine, as a device tree would give it.

    Parameters
    ----------
    memory_base, memory_size : int
        Range of memory, in bytes.
    line_bytes : int
        Cache line, in bytes.
    phys_bits : int
        Width of physical addresses.
    cdma_device_id : int
        ``device_id`` with which the DMA engine's accesses reach the IOMMU.
    channels : int
        Channels of the native ring front end; up to seven.
    ring_device_id : int
        ``device_id`` of the first of them; the others follow.
    streams : int
        Stream engines, each with a device at its streams; up to three.
    stream_device_id : int
        ``device_id`` of the first of them; the others follow.
    coherent : bool
        Whether DMA sees the contents of the CPU's cache.
    has_iommu : bool
        Whether DMA passes through an IOMMU.
    dma_offset : int
        Physical address less the address that devices use for it, in bytes; without IOMMU only.

    Raises
    ------
    ValueError
        If ``dma_offset`` comes with an IOMMU, or reaches beyond the first byte of memory.
    """

    memory_base: int = MEMORY_BASE
    memory_size: int = 4 << 20
    line_bytes: int = 64
    phys_bits: int = 40
    cdma_device_id: int = 0x10
    channels: int = 0
    ring_device_id: int = 0x11
    streams: int = 0
    stream_device_id: int = 0x18
    coherent: bool = False
    has_iommu: bool = True
    dma_offset: int = 0

    def __post_init__(self):
        if self.dma_offset and (self.has_iommu or not 0 <= self.dma_offset <= self.memory_base):
            raise ValueError(f"Offset of device addresses must be from 0 to {self.memory_base:#x}, "
                             f"and 0 before an IOMMU, not {self.dma_offset:#x}")
