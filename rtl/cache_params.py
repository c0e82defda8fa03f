"""Parameters of the cache controller."""

from dataclasses import dataclass

from .limits import flag, one_of, within

__all__ = ["CacheParams"]


@dataclass(frozen=True, kw_only=True)
class CacheParams:
    """The cache controller.

    Parameters
    ----------
    phys_bits : int, 32 to 56
        Width of physical addresses.
    data_width : int, power of two, 32 to 128
        Width of the data buses, in bits.
    id_width : int, 1 to 16
        Width of AXI IDs.
    size_bytes, ways, line_bytes : int, powers of two
        Geometry: up to 8 ways, lines of 16 to 128 bytes and at least two beats, at least two sets.
    misses : int, power of two, 1 to 8
        Lines that may be on their way from memory at once.
    commands : int, 1 to 8
        Commands of maintenance that may be queued.
    guards : int, 0 to 2
        Guard windows: pages in which the CPU's accesses are not cached while a device owns them.
    random : bool
        Random replacement, instead of tree pseudo-LRU.
    overtake : bool
        A read that hits may overtake those of other IDs that wait for memory.
    allocate : bool
        Commands zero and prefetch, which bring lines in.
    prefetch : int, 0 to 8
        Lines that are brought in ahead of a sequential reader.
    snoop : int, 0 to 8
        Writes of coherent devices, each within a line, that may be under way; 0: no snoop port.
    snoop_id_width : int, 1 to 17
        Width of AXI IDs at the snoop port.
    """

    phys_bits: int = 40
    data_width: int = 64
    id_width: int = 4
    size_bytes: int = 16384
    ways: int = 4
    line_bytes: int = 64
    misses: int = 4
    commands: int = 4
    guards: int = 2
    random: bool = False
    overtake: bool = False
    allocate: bool = False
    prefetch: int = 0
    snoop: int = 0
    snoop_id_width: int = 6

    def __post_init__(self):
        within("Physical address width", self.phys_bits, 32, 56)
        one_of("Misses in flight", self.misses, (1, 2, 4, 8))
        within("Queued commands", self.commands, 1, 8)
        within("Guard windows", self.guards, 0, 2)
        flag("Random replacement", self.random)
        flag("Overtaking", self.overtake)
        flag("Allocation", self.allocate)
        within("Prefetched lines", self.prefetch, 0, 8)
        within("Snooped writes", self.snoop, 0, 8)
        within("Snoop ID width", self.snoop_id_width, 1, 17)
        one_of("Data width", self.data_width, (32, 64, 128))
        within("ID width", self.id_width, 1, 16)
        one_of("Ways", self.ways, (1, 2, 4, 8))
        one_of("Line bytes", self.line_bytes, (16, 32, 64, 128))
        if self.line_bytes < 2 * self.data_width // 8:
            raise ValueError(f"Line of {self.line_bytes} bytes must hold at least two beats of "
                             f"{self.data_width // 8} bytes")
        one_of("Cache size", self.size_bytes, [2**n for n in range(5, 21)])
        if self.sets < 2:
            raise ValueError(f"Cache of {self.size_bytes} bytes must have at least two sets of "
                             f"{self.ways} ways with lines of {self.line_bytes} bytes")

    @property
    def has_prefetch(self) -> int:
        """1 if there is a prefetcher: width of what only that needs."""
        return min(self.prefetch, 1)

    @property
    def has_silent(self) -> int:
        """1 if lines are brought in for nobody yet."""
        return int(self.allocate or self.prefetch > 0)

    @property
    def has_snoop(self) -> int:
        """1 if there is a snoop port: width of what only that needs."""
        return min(self.snoop, 1)

    @property
    def sets(self) -> int:
        """Sets."""
        return self.size_bytes // (self.ways * self.line_bytes)

    @property
    def beats(self) -> int:
        """Bus beats in a line."""
        return self.line_bytes * 8 // self.data_width

    @property
    def offset_bits(self) -> int:
        """Address bits within a line. Above them are those of the set, then those of the tag."""
        return self.line_bytes.bit_length() - 1

    @property
    def set_bits(self) -> int:
        """Address bits that choose the set."""
        return self.sets.bit_length() - 1

    @property
    def line_bits(self) -> int:
        """Address bits of a line: set and tag."""
        return self.phys_bits - self.offset_bits

    @property
    def tag_bits(self) -> int:
        """Address bits that a tag holds."""
        return self.line_bits - self.set_bits

    @property
    def way_bits(self) -> int:
        """Bits of the number of a way."""
        return self.ways.bit_length() - 1

    @property
    def word_bits(self) -> int:
        """Bits of the number of a bus word in a line."""
        return self.beats.bit_length() - 1

    @property
    def group(self) -> int:
        """Sets that maintenance passes over at once if there is nothing to do."""
        return min(8, self.sets // 2)

    @property
    def orders(self) -> int:
        """Accesses that may be looked up before the data array has come to them."""
        return 4 * self.misses
