"""A mapping as those who watch the API see it."""

import enum
from dataclasses import dataclass, field

from ..core.addresses import DmaAddr, PhysAddr, VirtAddr
from ..core.attrs import DMA_BIDIRECTIONAL, Dir
from .device import Device

__all__ = ["Kind", "Mapping"]


class Kind(enum.Enum):
    """By which family of functions a mapping was made."""

    SINGLE = "single"
    SG = "scatter-gather"
    COHERENT = "coherent"
    NONCOHERENT = "noncoherent"
    PHYS = "phys"


@dataclass(eq=False)
class Mapping:
    """A mapping, or one entry of a list.

    Parameters
    ----------
    dev, kind : Device, Kind
        For whom, and how.
    dma, phys : DmaAddr, PhysAddr or None
        First byte: for the device, and in memory.
    size : int
        Bytes.
    direction : Dir
        Who reads and who writes.
    attrs : int
        Attributes.
    nents, mapped : int
        Of a list: entries given, and segments made.
    va : VirtAddr or None
        Of coherent memory: its address for the CPU.
    bounced : PhysAddr or None
        Where it is bounced.
    checked : bool
        ``dma_mapping_error`` was called.
    group : list of Mapping or None
        Of a list: all its entries.
    made_at : int
        Cycle.
    caller : str
        File and line that made it.
    """

    dev: Device
    kind: Kind
    dma: DmaAddr
    phys: PhysAddr | None
    size: int
    direction: Dir = DMA_BIDIRECTIONAL
    attrs: int = 0
    nents: int = 0
    mapped: int = 0
    va: VirtAddr | None = None
    bounced: PhysAddr | None = None
    checked: bool = False
    group: "list[Mapping] | None" = field(default=None, repr=False)
    made_at: int = 0
    caller: str = field(default="", repr=False)

    def holds(self, phys: int) -> bool:
        """Whether a byte of memory is in it."""
        return self.phys is not None and int(self.phys) <= phys < int(self.phys) + self.size
