"""What flows between the parts of the cache controller.

Words of art: a *burst* is what AXI calls so. A *chunk* is a piece of a burst of at most 16 beats.
A *part* is a piece of a chunk within one line. A *word* is as wide as the data bus. A *line number*
is an address without its offset in the line: set in the low bits, tag above. A way is a number,
unless it is called one-hot.
"""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import signature as axi
from rtl.params import CacheParams

__all__ = [
    "CHUNK_BEATS",
    "Cause",
    "EventLayout",
    "FlightSignature",
    "Kind",
    "LineLayout",
    "LocationLayout",
    "MissLayout",
    "Op",
    "OrderLayout",
    "PresenceSignature",
    "RequestLayout",
    "RowLayout",
    "Task",
    "TaskLayout",
    "VictimLayout",
    "bus",
    "channel",
]

#: Beats of the longest chunk: AXI permits to cut any INCR burst here, others are not longer.
CHUNK_BEATS = 16


class Kind(enum.Enum, shape=2):
    """What a request asks of the lookup."""

    #: A part of a cacheable burst.
    ACCESS = 0
    #: A part of an uncacheable burst.
    BYPASS = 1
    #: Maintenance of one line.
    LINE = 2
    #: Maintenance of all lines of a set, those within the bounds or all.
    SET = 3


class Op(enum.Enum, shape=2):
    """What an order asks of the data array."""

    READ = 0
    WRITE = 1
    #: Let the bypass have its turn.
    BYPASS = 2


class Cause(enum.Enum, shape=2):
    """Why a line is written back."""

    #: To make room for another.
    EVICT = 0
    #: Maintenance; the line stays.
    CLEAN = 1
    #: Maintenance; the line is dropped when memory has it.
    FLUSH = 2
    #: An uncacheable access; the line is dropped when memory has it.
    PURGE = 3


class Task(enum.Enum, shape=2):
    """What to change in the state of one way, once the bus has answered."""

    #: The refill is complete: the way holds the line ``tag``.
    FILL = 0
    #: The refill failed: the way holds nothing.
    VOID = 1
    #: The old line could not be written back: it stays.
    KEEP = 2
    #: Memory has answered the write-back of the line.
    ACK = 3


def bus(params: CacheParams) -> axi.Signature:
    """AXI4, as on both sides of the cache."""
    return axi.Signature(addr_width=params.phys_bits, data_width=params.data_width,
                         id_width=params.id_width)


def channel(params: CacheParams, name: str) -> stream.Signature:
    """One channel of it: ``aw``, ``w``, ``b``, ``ar`` or ``r``."""
    return stream.Signature(bus(params).members[name].signature.members["payload"].shape)


def _size(params: CacheParams) -> range:
    """AxSIZE: log2 of the bytes of a beat, at most those of the bus."""
    return range((params.data_width // 8).bit_length())


class LineLayout(data.StructLayout):
    """Line number: ``set`` and ``tag``."""

    def __init__(self, params: CacheParams):
        super().__init__({"set": params.set_bits, "tag": params.tag_bits})


class LocationLayout(data.StructLayout):
    """Where a line is in the data array: ``set``, ``way``."""

    def __init__(self, params: CacheParams):
        super().__init__({"set": params.set_bits, "way": params.way_bits})


class RequestLayout(data.StructLayout):
    """One request to the lookup.

    ``kind`` and ``line``, and for a part of a burst:

    - ``write``, ``id``, ``burst``, ``cache``, ``prot``, ``qos``, ``size`` (log2 of bytes a beat);
    - ``offset`` of the first beat in the line (bytes), ``beats`` (beats - 1), ``fixed`` (the
      address stays);
    - ``starts`` (the beat before was not in this line), ``last`` (part of the burst);
    - ``opens`` and ``closes`` (first and last part of a chunk), ``chunk`` (beats - 1 of the chunk,
      if ``opens``);
    - ``lock`` (an exclusive burst that is a single part).

    For maintenance: ``mode``, ``whole`` (bounds do not matter), ``tried`` (ways that this command
    has written back already, well or badly). ``silent``: an access that only brings a line in; a
    write stores zeros; ``stream``: of the prefetcher. ``snoop``: no command, but for a device;
    ``stay`` then: wait for what is in motion.
    """

    def __init__(self, params: CacheParams, *, id_width: int | None = None):
        super().__init__({
            "kind": Kind, "line": LineLayout(params), "write": 1,
            "id": params.id_width if id_width is None else id_width,
            "offset": params.offset_bits, "size": _size(params), "beats": range(CHUNK_BEATS),
            "fixed": 1, "starts": 1, "opens": 1, "closes": 1, "chunk": range(CHUNK_BEATS),
            "last": 1,
            "silent": params.has_silent, "stream": params.has_prefetch,
            "burst": axi.Burst, "lock": 1, "cache": 4, "prot": 3, "qos": 4, "mode": 2,
            "whole": 1, "tried": params.ways,
            "snoop": params.has_snoop, "stay": params.has_snoop,
        })


class OrderLayout(data.StructLayout):
    """One order to the data array.

    ``op``, ``line``, ``way``, ``id``, ``offset``, ``size``, ``beats``, ``fixed``, ``last``,
    ``silent`` and ``stream`` as in a request, ``miss`` (the line is being refilled), ``slot``
    (one-hot, by which refill).
    """

    def __init__(self, params: CacheParams):
        super().__init__({
            "op": Op, "line": LineLayout(params), "way": params.way_bits, "id": params.id_width,
            "offset": params.offset_bits, "size": _size(params), "beats": range(CHUNK_BEATS),
            "fixed": 1, "last": 1, "silent": params.has_silent,
            "stream": params.has_prefetch, "miss": 1, "slot": params.misses,
        })


class MissLayout(data.StructLayout):
    """A line to bring in.

    ``line``, ``way`` to fill, ``word`` needed first, ``evict`` (what the way holds now is being
    written back), ``write`` (the line will be dirty).
    """

    def __init__(self, params: CacheParams):
        super().__init__({"line": LineLayout(params), "way": params.way_bits,
                          "word": params.word_bits, "evict": 1, "write": 1})


class VictimLayout(data.StructLayout):
    """A line to write back.

    ``line``, ``way`` that holds it, ``cause``, ``slot`` (one-hot, the refill that waits for it),
    ``snoop`` (not by a command, but for a device).
    """

    def __init__(self, params: CacheParams):
        super().__init__({"line": LineLayout(params), "way": params.way_bits, "cause": Cause,
                          "slot": params.misses, "snoop": params.has_snoop})


class TaskLayout(data.StructLayout):
    """A change of state.

    ``task``, ``line``, ``way``; ``dirty`` (of a line that came); ``cause``, ``error`` and ``snoop``
    (of a write-back).
    """

    def __init__(self, params: CacheParams):
        super().__init__({"task": Task, "line": LineLayout(params), "way": params.way_bits,
                          "dirty": 1, "cause": Cause, "error": 1, "snoop": params.has_snoop})


class RowLayout(data.StructLayout):
    """State of a set.

    One bit a way each: ``valid``, ``dirty`` (memory has old data), ``pending`` (a write-back is not
    acknowledged). ``plru`` is the state of :class:`~rtl.iommu.replacement.TreePlru`; none if
    replacement is random.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"valid": params.ways, "dirty": params.ways, "pending": params.ways,
                          "plru": 0 if params.random else params.ways - 1})


class EventLayout(data.StructLayout):
    """What happened in a cycle, to be counted."""

    def __init__(self, params: CacheParams):
        super().__init__({"read_hit": 1, "read_miss": 1, "write_hit": 1, "write_miss": 1,
                          "dropped": range(params.ways + 1)})


class FlightSignature(wiring.Signature):
    """What the lookup has to know of the refills in flight, seen from the lookup.

    Members
    -------
    line : ``Out(LineLayout(params))``
        Line that is looked up.
    moving : ``In(1)``
        Some set is in motion.
    busy : ``In(ways)``, slot : ``In(misses)``
        Ways of its set that refills are changing; one-hot, the refill that brings this very line.
        Combinational.
    next : ``In(misses)``
        One-hot: the refill that the next miss will be.
    asked : ``Out(misses)``, way : ``In(way_bits)``
        One-hot refill, and the way that it fills. Combinational.
    refer : ``Out(1)``, refers : ``Out(misses)``
        An access to the line of this refill was ordered.
    soil : ``Out(1)``
        It was a write.
    snooped : ``Out(LineLayout(params))``, coming : ``In(1)``
        With a snoop port: this line is on its way, or has come and is not settled. Combinational.
    """

    def __init__(self, params: CacheParams):
        super().__init__({
            "line": Out(LineLayout(params)), "moving": In(1), "busy": In(params.ways),
            "slot": In(params.misses),
            "next": In(params.misses), "asked": Out(params.misses), "way": In(params.way_bits),
            "refer": Out(1), "refers": Out(params.misses), "soil": Out(1),
            **({"snooped": Out(LineLayout(params)), "coming": In(1)} if params.snoop else {}),
        })


class PresenceSignature(wiring.Signature):
    """What the snoop port and the lookup tell each other, seen from the snoop port.

    Members
    -------
    line : ``Out(LineLayout(params))``
        Line to ask about.
    near : ``In(1)``
        A request for it is being looked up, or a refill brings it. Combinational.
    valid, dirty, pending : ``In(1)``
        State of the line that was asked about in the cycle before.
    left : ``In(1)``, launched : ``In(1)``
        A request of the snoop port has left the lookup; it has launched a write-back.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"line": Out(LineLayout(params)), "near": In(1), "valid": In(1),
                          "dirty": In(1), "pending": In(1), "left": In(1), "launched": In(1)})
