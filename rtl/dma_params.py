"""What a user may choose of the DMA engine."""

from dataclasses import dataclass

from .limits import flag, one_of, within

__all__ = ["DmaParams", "RingParams", "StreamParams"]


@dataclass(frozen=True, kw_only=True)
class DmaParams:
    """The DMA engine.

    Parameters
    ----------
    addr_width : int, 32 to 64
        Width of DMA addresses.
    data_width : int, power of two, 32 to 512
        Width of the data bus, in bits. Descriptors are fetched on the same bus.
    id_width : int, 1 to 16
        Width of AXI IDs.
    reads_in_flight : int, power of two, 1 to 128
        Read bursts that may be outstanding; room for their data is reserved first.
    max_beats : int, power of two, 2 to 256
        Longest burst, in beats.
    device_id : int, 24 bits
        Identity towards the IOMMU.
    timer : bool
        Delay timer of interrupts; not in the native ring.
    key_hole : bool
        Fixed addresses, on either side; only in the list of the CDMA.
    """

    addr_width: int = 64
    data_width: int = 64
    id_width: int = 4
    reads_in_flight: int = 4
    max_beats: int = 16
    device_id: int = 0x10
    timer: bool = True
    key_hole: bool = False

    def __post_init__(self):
        within("DMA address width", self.addr_width, 32, 64)
        one_of("Data width", self.data_width, (32, 64, 128, 256, 512))
        within("ID width", self.id_width, 1, 16)
        one_of("Reads in flight", self.reads_in_flight, (1, 2, 4, 8, 16, 32, 64, 128))
        one_of("Longest burst", self.max_beats, (2, 4, 8, 16, 32, 64, 128, 256))
        within("Device ID", self.device_id, 0, 2**24 - 1)
        flag("Timer", self.timer)
        flag("Key-hole", self.key_hole)


@dataclass(frozen=True, kw_only=True)
class RingParams(DmaParams):
    """The DMA engine with the native ring front end; parameters of :class:`DmaParams`, and these.

    Parameters
    ----------
    data_width : int, power of two, 32 to 128
        Width of the data bus, in bits.
    reads_in_flight : int
        Also the completions that may be outstanding.
    depth : int, power of two, 8 to 256
        Slots of descriptors that are fetched ahead at most.
    own_port : bool
        Whether the rings have a port of their own.
    fill : bool
        Whether memory can be filled with a pattern.
    strided : bool
        Whether a descriptor can have rows, each at a stride from the one before.
    cyclic : bool
        Whether a ring can be repeated without end.
    process_id : bool
        Whether accesses can carry a process ID.
    urgent : bool
        Whether a channel can go before others.
    proceed : bool
        Whether a channel can go on behind a descriptor that failed.
    """

    reads_in_flight: int = 16
    device_id: int = 0x11
    depth: int = 32
    own_port: bool = False
    fill: bool = False
    strided: bool = False
    cyclic: bool = False
    process_id: bool = False
    urgent: bool = False
    proceed: bool = False

    def __post_init__(self):
        super().__post_init__()
        one_of("Data width of a ring", self.data_width, (32, 64, 128))
        one_of("Ring depth", self.depth, (8, 16, 32, 64, 128, 256))
        for what, value in (("Own port", self.own_port), ("Fill", self.fill),
                            ("Strided", self.strided), ("Cyclic", self.cyclic),
                            ("Process ID", self.process_id), ("Urgent", self.urgent),
                            ("Proceed", self.proceed)):
            flag(what, value)


@dataclass(frozen=True, kw_only=True)
class StreamParams(DmaParams):
    """The DMA engine to and from streams; parameters of :class:`DmaParams`, and these.

    Parameters
    ----------
    data_width : int
        Also the width of the streams.
    id_width : int, 2 to 16
        Width of AXI IDs.
    reads_in_flight : int
        Also the descriptors that are fetched ahead, and the status writes that may be outstanding.
    mm2s, s2mm : bool
        Channels; at least one.
    own_port : bool
        Whether descriptors have a port of their own.
    apps : bool
        Whether packets can have application words.
    """

    device_id: int = 0x18
    mm2s: bool = True
    s2mm: bool = True
    own_port: bool = False
    apps: bool = False

    def __post_init__(self):
        super().__post_init__()
        within("ID width of a stream engine", self.id_width, 2, 16)
        for name in ("mm2s", "s2mm", "own_port", "apps"):
            flag(f"Stream parameter {name}", getattr(self, name))
        if not (self.mm2s or self.s2mm):
            raise ValueError("Stream engine must have a channel, not none")
