"""What a user may choose, what follows from it, and every check that ties parameters together."""

from dataclasses import dataclass, field, fields

from rtl.spec.iommu_regs import CAPABILITIES

from .cache_params import CacheParams
from .dma_params import DmaParams, RingParams, StreamParams
from .limits import flag, one_of, within

__all__ = ["CacheParams", "DmaParams", "IommuParams", "RingParams", "StreamParams", "SystemParams"]


#: Capabilities that every IOMMU has: version 1.0, Sv39.
_ALWAYS = {"version": 0x10, "sv39": 1}


@dataclass(frozen=True, kw_only=True)
class IommuParams:
    """The IOMMU.

    A parameter with the name of a field of ``capabilities`` decides that field.

    Parameters
    ----------
    phys_bits : int, 32 to 56
        Width of physical addresses; ``capabilities.pas``.
    data_width : int, power of two, 64 to 512
        Width of the data buses, in bits.
    id_width : int, 1 to 16
        Width of AXI IDs on the device port and on the translated port.
    tlb_entries : int, 1 to 128
        Entries of the TLB, each for a page of any size.
    second_entries : int, 0 or a power of two, 512 to 4096
        Entries of a second level of the TLB, in block RAM.
    walks : int, 1 to 8
        Page walks that may be under way, and for each of AR and AW misses that may wait.
    prefetch : bool
        Walk for the page after one that is used first.
    guest_entries : int, 0 to 16
        Translations of the second stage kept for walks, if there is a second stage.
    context_entries : int, 1 to 16
        Device contexts kept.
    in_flight : int, power of two, 2 to 64
        Translated bursts whose responses may be outstanding, for each of reads and writes.
    vectors : int, power of two, 1 to 16
        Interrupt vectors.
    igs : int, 0 to 2
        Interrupts: 0 by message, 1 by wire, 2 by either.
    dbg : bool
        Translation-request registers. Then ``id_width`` is at most 15.
    burst_check : bool
        Refuse bursts that leave their 4 KiB, which AXI4 forbids, with an access fault.
    poison : bool
        The port for own accesses tells corrupt data from errors of the bus, and so do causes.
    nl, s : bool
        IOTINVAL also of entries that are no leaves, and of ranges of addresses.
    sv48, sv57 : bool
        Modes of the first stage besides Sv39. Each needs the one below.
    sv39x4, sv48x4, sv57x4 : bool
        Modes of the second stage; with none there is no second stage. Each needs the one below.
    sv32, sv32x4 : bool
        Modes with 32-bit entries, by DC.tc.SXL and ``fctl.gxl``. Sv32x4 needs Sv32, as the first
        stage of those whom it serves.
    svpbmt, svrsw60t59b : bool
        Extensions of page-table entries: memory types, and bits for software.
    pd8, pd17, pd20 : bool
        Depths of process directories; with none there are no processes.
    msi_flat : bool
        MSI page tables, and device contexts of 64 bytes.
    msi_mrif, amo_mrif : bool
        Messages of devices to interrupt files in memory; and setting their bits atomically, for
        which memory must support exclusive accesses. Each needs the one before it, and the first
        MSI page tables and a second stage.
    amo_hwad : bool
        Hardware update of A and D; memory must support exclusive accesses.
    end : bool
        Structures in memory of either endianness, by ``fctl.be`` and DC.tc.SBE.
    qosid : bool
        Quality-of-service identifiers, as AxUSER of the ports to memory.
    rcid_bits, mcid_bits : int, 1 to 12
        Width of those identifiers.
    hpm : bool
        Performance monitor: cycles, and ``counters`` of events.
    counters : int, 1 to 31
        Event counters of the performance monitor.
    counter_bits : int, 33 to 64
        Width of the counters; of the cycles at most 63.
    """

    phys_bits: int = 40
    data_width: int = 64
    id_width: int = 4
    tlb_entries: int = 16
    second_entries: int = 0
    walks: int = 4
    guest_entries: int = 4
    prefetch: bool = True
    context_entries: int = 4
    in_flight: int = 16
    vectors: int = 4
    igs: int = 1
    dbg: bool = False
    burst_check: bool = False
    poison: bool = False
    nl: bool = False
    s: bool = False
    sv48: bool = False
    sv57: bool = False
    sv39x4: bool = False
    sv48x4: bool = False
    sv57x4: bool = False
    sv32: bool = False
    sv32x4: bool = False
    svpbmt: bool = False
    svrsw60t59b: bool = False
    pd8: bool = False
    pd17: bool = False
    pd20: bool = False
    msi_flat: bool = False
    msi_mrif: bool = False
    amo_mrif: bool = False
    amo_hwad: bool = False
    end: bool = False
    qosid: bool = False
    rcid_bits: int = 12
    mcid_bits: int = 12
    hpm: bool = False
    counters: int = 8
    counter_bits: int = 48

    def __post_init__(self):
        within("Physical address width", self.phys_bits, 32, 56)
        one_of("Data width", self.data_width, (64, 128, 256, 512))
        within("ID width", self.id_width, 1, 16)
        within("TLB entries", self.tlb_entries, 1, 128)
        one_of("Entries of the second TLB", self.second_entries, (0, 512, 1024, 2048, 4096))
        within("Page walks", self.walks, 1, 8)
        within("Guest entries", self.guest_entries, 0, 16)
        within("Context entries", self.context_entries, 1, 16)
        one_of("Bursts in flight", self.in_flight, (2, 4, 8, 16, 32, 64))
        one_of("Interrupt vectors", self.vectors, (1, 2, 4, 8, 16))
        flag("Prefetch", self.prefetch)
        flag("Burst check", self.burst_check)
        flag("Poison", self.poison)
        one_of("Interrupt kinds", self.igs, (0, 1, 2))
        within("RCID width", self.rcid_bits, 1, 12)
        within("MCID width", self.mcid_bits, 1, 12)
        within("Event counters", self.counters, 1, 31)
        within("Width of event counters", self.counter_bits, 33, 64)
        if self.dbg:
            within("ID width with dbg", self.id_width, 1, 15)
        for name, default in _features().items():
            if isinstance(default, bool):
                flag(f"Feature {name}", getattr(self, name))
        for deep, needed in (("sv57", "sv48"), ("sv48x4", "sv39x4"), ("sv57x4", "sv48x4"),
                             ("sv32x4", "sv32"), ("msi_mrif", "msi_flat"),
                             ("amo_mrif", "msi_mrif")):
            if getattr(self, deep) and not getattr(self, needed):
                raise ValueError(f"Feature {deep} must come with {needed}, not without")

        if self.msi_mrif and not self.two_stage:
            raise ValueError("Feature msi_mrif must come with a second stage, not without")

    @property
    def messages(self) -> bool:
        """Whether there are interrupts by message."""
        return self.igs != 1

    @property
    def ppn_bits(self) -> int:
        """Width of a physical page number."""
        return self.phys_bits - 12

    @property
    def levels(self) -> int:
        """Levels of the deepest page table of the first stage."""
        return 5 if self.sv57 else 4 if self.sv48 else 3

    @property
    def guest_levels(self) -> int:
        """Levels of the deepest page table of the second stage, or 0."""
        return (5 if self.sv57x4 else 4 if self.sv48x4 else 3 if self.sv39x4 else
                2 if self.sv32x4 else 0)

    @property
    def narrow(self) -> bool:
        """Whether there are tables of 32-bit entries."""
        return self.sv32

    @property
    def depth(self) -> int:
        """Levels of the deepest page table of all."""
        return max(self.levels, self.guest_levels)

    @property
    def two_stage(self) -> bool:
        """Whether there is a second stage."""
        return self.guest_levels > 0

    @property
    def gpn_bits(self) -> int:
        """Width of a guest page number that the second stage accepts, or 0."""
        return 9 * self.guest_levels + (4 if self.guest_levels == 2 else 2) * self.two_stage

    @property
    def vpn_bits(self) -> int:
        """Width of a page number of devices, signed if it is of the first stage."""
        return max(9 * self.levels, self.gpn_bits)

    @property
    def processes(self) -> bool:
        """Whether there are process directories."""
        return self.pd8 or self.pd17 or self.pd20

    @property
    def process_bits(self) -> int:
        """Width of a process_id that the deepest process directory tells apart, or 0."""
        return 20 if self.pd20 else 17 if self.pd17 else 8 if self.pd8 else 0

    @property
    def msi(self) -> bool:
        """Whether an MSI page table can be in use: only together with a second stage."""
        return self.msi_flat and self.two_stage

    @property
    def capabilities(self) -> int:
        """Value of the register of that name: what this build has."""
        chosen = {name: getattr(self, name) for name in _features()}
        return CAPABILITIES.pack(**_ALWAYS | chosen, pas=self.phys_bits)

    @classmethod
    def for_capabilities(cls, capabilities: int, **others: int) -> "IommuParams":
        """Make parameters of a build whose register reads ``capabilities``.

        Raises
        ------
        ValueError
            If there is no such build. Names what it would need to have, or to be without.
        """
        wanted = CAPABILITIES.unpack(capabilities)
        chosen = {name: type(kind)(wanted[name]) for name, kind in _features().items()}
        params = cls(phys_bits=wanted["pas"], **chosen, **others)
        present = CAPABILITIES.unpack(params.capabilities)
        without = [name if value == 1 else f"{name}={value}" for name, value in wanted.items()
                   if value and value != present[name]]
        without += ["reserved bits"] if capabilities & CAPABILITIES.reserved else []
        having = [name for name, value in wanted.items() if not value and present[name]]
        if without or having:
            names = ["with " + ", ".join(having)] * bool(having)
            names += ["without " + ", ".join(without)] * bool(without)
            raise ValueError(f"Capabilities must be {' and '.join(names)} to be those of a build, "
                             f"not {capabilities:#x}")
        return params


def _features() -> dict[str, object]:
    """Parameters of the IOMMU that are fields of ``capabilities``, with their defaults."""
    return {item.name: item.default for item in fields(IommuParams) if item.name in CAPABILITIES}


@dataclass(frozen=True, kw_only=True)
class SystemParams:
    """The whole subsystem; its blocks must agree on the buses between them.

    Parameters
    ----------
    iommu, dma, cache, ring, stream
        Parameters of the blocks; ``ring`` is one channel of the native ring front end, ``stream``
        one stream engine.
    channels : int, 0 to 7
        How many of those channels there are. Each is an engine of its own, with the next higher
        device ID; they and the other engines share the bus in turn, and so many bits of the ID as
        tell them apart are taken from those that each would have.
    streams : int, 0 to 3
        How many stream engines there are, each with the next higher device ID.
    bus_offset : int
        Added to the addresses of the engines, in bytes: memory lies elsewhere for them. A multiple
        of 4 KiB; it makes sense before an IOMMU in mode Bare.
    coherent : bool
        The engines and the IOMMU reach memory through the snoop port of the cache, which must have
        one; its ID width follows from theirs.

    Raises
    ------
    ValueError
        If they do not.
    """

    iommu: IommuParams = field(default_factory=IommuParams)
    dma: DmaParams = field(default_factory=DmaParams)
    cache: CacheParams = field(default_factory=CacheParams)
    ring: RingParams = field(default_factory=RingParams)
    stream: StreamParams = field(default_factory=StreamParams)
    channels: int = 0
    streams: int = 0
    bus_offset: int = 0
    coherent: bool = False

    def __post_init__(self):
        flag("Coherence", self.coherent)
        if self.coherent and not self.cache.snoop:
            raise ValueError(f"Cache of a coherent system must have a snoop port, not "
                             f"{self.cache!r}")
        within("Channels", self.channels, 0, 7)
        within("Stream engines", self.streams, 0, 3)
        if not isinstance(self.bus_offset, int) or self.bus_offset % 4096:
            raise ValueError(f"Bus offset must be a multiple of 4096, not {self.bus_offset!r}")
        if self.channels and (self.ring.own_port or (self.ring.data_width, self.ring.id_width) != (
                self.dma.data_width, self.dma.id_width)):
            raise ValueError(f"Channel must have no port of its own, and the widths of the DMA "
                             f"engine, not {self.ring!r}")
        if self.streams and (self.stream.own_port or (
                self.stream.data_width, self.stream.id_width) != (
                self.dma.data_width, self.dma.id_width)):
            raise ValueError(f"Stream engine must have no port of its own, and the widths of the "
                             f"DMA engine, not {self.stream!r}")
        if self.engine_bits + bool(self.streams) >= self.dma.id_width:
            raise ValueError(f"ID width must be more than {self.engine_bits + bool(self.streams)} "
                             f"bits for {self.channels} channels and {self.streams} stream "
                             f"engines, not {self.dma.id_width}")
        widths = {self.iommu.data_width, self.dma.data_width, self.cache.data_width}
        if len(widths) > 1:
            raise ValueError(f"Data widths must be equal, not IOMMU {self.iommu.data_width}, DMA "
                             f"{self.dma.data_width}, cache {self.cache.data_width}")
        if self.iommu.phys_bits != self.cache.phys_bits:
            raise ValueError(f"Physical address widths must be equal, not IOMMU "
                             f"{self.iommu.phys_bits}, cache {self.cache.phys_bits}")
        if self.iommu.id_width != self.dma.id_width:
            raise ValueError(f"ID widths must be equal, not IOMMU {self.iommu.id_width}, DMA "
                             f"{self.dma.id_width}")
        if self.iommu.poison:
            raise ValueError("Poison must not be asked for in a system, whose buses do not tell it")
        if self.iommu.qosid:
            raise ValueError("Quality-of-service identifiers must not be asked for in a system, "
                             "whose buses do not carry them")
        one_of("Interrupt vectors in a system", self.iommu.vectors, (1, 2, 4))

    @property
    def engine_bits(self) -> int:
        """Bits of an ID that tell the DMA engines apart."""
        return (self.channels + self.streams).bit_length()
