"""What travels between the stages of the DMA engine."""

from amaranth.hdl import ShapeLike
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.signature import Resp
from rtl.spec.descriptor import CDMA_ALIGN, CDMA_MAX_BYTES

__all__ = ["DESC_BITS", "LIST_CONTROLS", "NOTE_BITS", "SPAN_BITS", "EntryLayout", "Fault",
           "FaultLayout", "JobLayout", "ListLabel", "ReadSignature", "WriteSignature"]

#: Bits of a descriptor's address that are always zero.
DESC_BITS = (CDMA_ALIGN - 1).bit_length()
#: Bits of a length in bytes. A ``span`` of this width is a length minus one.
SPAN_BITS = CDMA_MAX_BYTES.bit_length()
#: Bits of a status word that say what was moved: bytes, end and begin of a packet.
NOTE_BITS = SPAN_BITS + 2
#: What registers tell a list front end, besides simple transfers: name, and width in bits. See
#: :class:`~rtl.dma.list_walker.ListWalker`.
LIST_CONTROLS = {"place": 2, "mark": 2, "word": 32, "doorbell": 1, "start": 1, "cyclic": 1,
                 "forget": 1}


class Fault(enum.Enum, shape=4):
    """Why the engine stops.

    Bit 2 tells descriptors from data; bits 1 and 0 are a response, or 1; bit 3 tells that it is the
    IOMMU's.
    """

    NONE = 0
    #: A transfer of no bytes, or past the end of addresses.
    DMA_INT = 1
    #: Error responses to data accesses.
    DMA_SLV = 2
    DMA_DEC = 3
    #: A descriptor that was complete when it was fetched.
    SG_INT = 5
    #: Error responses to descriptor accesses.
    SG_SLV = 6
    SG_DEC = 7
    #: Refusals of the IOMMU.
    DMA_REFUSED = 10
    SG_REFUSED = 14


class ListLabel(data.StructLayout):
    """What a copy from a list is known by.

    ``desc`` (address of the descriptor over 64), ``sg`` (it has a descriptor). If it is ``noted``:
    ``note`` (the low bits of its status) and ``counts`` (it counts for the interrupt threshold). If
    copies are ``cut``: ``more`` (it is a part of a copy, and not the last).
    """

    def __init__(self, addr_width: int, *, noted: bool = False, cut: bool = False):
        super().__init__({"desc": addr_width - DESC_BITS, "sg": 1,
                          **({"note": NOTE_BITS, "counts": 1} if noted else {}),
                          **({"more": 1} if cut else {})})


class JobLayout(data.StructLayout):
    """One copy.

    ``src`` and ``dst`` (byte addresses), ``span`` (bytes - 1), ``label`` (what the front end knows
    it by), ``fault`` (it cannot be carried out), ``doubt`` (set where there may be one, so that the
    many without need not wait until it is known). Where there are fills: with ``fill``, the low 64
    bits of ``src`` are a pattern that is repeated from the first byte of the destination on.
    """

    def __init__(self, addr_width: int, label: ShapeLike, *, fill: bool = False):
        super().__init__({
            "src": max(addr_width, 64) if fill else addr_width, "dst": addr_width,
            "span": SPAN_BITS, "label": label, "fault": Fault, "doubt": 1,
            **({"fill": 1} if fill else {}),
        })


class EntryLayout(data.StructLayout):
    """A copy whose completion is awaited: ``label`` and ``fault`` as in a job."""

    def __init__(self, label: ShapeLike):
        super().__init__({"label": label, "fault": Fault})


class FaultLayout(data.StructLayout):
    """How a copy ended: ``fault``, ``addr`` of the burst that failed, and was it a ``write``."""

    def __init__(self, addr_width: int):
        super().__init__({"fault": Fault, "addr": addr_width, "write": 1})


class ReadSignature(wiring.Signature):
    """Reads of whole beats: ``ar`` (``addr``, ``len`` in beats - 1) and ``r``.

    The client has room for whatever it asks for, so ``r`` is always ready.
    """

    def __init__(self, *, addr_width: int, data_width: int):
        super().__init__({
            "ar": Out(stream.Signature(data.StructLayout({"addr": addr_width, "len": 8}))),
            "r":  In(stream.Signature(data.StructLayout({
                "data": data_width, "resp": Resp, "refused": 1, "last": 1}), always_ready=True)),
        })


class WriteSignature(wiring.Signature):
    """Writes of whole beats: ``aw`` (``addr``, ``len`` in beats - 1), ``w`` and ``b``.

    Data never waits for the address, nor the address for data. ``b`` is always ready.
    """

    def __init__(self, *, addr_width: int, data_width: int):
        super().__init__({
            "aw": Out(stream.Signature(data.StructLayout({"addr": addr_width, "len": 8}))),
            "w":  Out(stream.Signature(data.StructLayout({
                "data": data_width, "strb": data_width // 8, "last": 1}))),
            "b":  In(stream.Signature(data.StructLayout({
                "resp": Resp, "refused": 1}), always_ready=True)),
        })
