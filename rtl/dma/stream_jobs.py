"""What travels between the stages of the stream DMA engine."""

from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.spec.descriptor import AXI_DMA_APPS

from .jobs import DESC_BITS, SPAN_BITS, Fault
from .write_data import LanesLayout

__all__ = ["BufferLayout", "PartLayout", "max_rows"]


class BufferLayout(data.StructLayout):
    """A buffer in memory that a descriptor hands over.

    ``addr``, ``span`` (bytes - 1), ``eof`` and ``sof`` of its control word, ``desc`` (address of
    the descriptor over 64), ``sg`` (it has a descriptor), ``fault`` (it cannot be used). With
    ``apps``: application words.
    """

    def __init__(self, addr_width: int, *, apps: bool = False):
        super().__init__({
            "addr": addr_width, "span": SPAN_BITS, "eof": 1, "sof": 1,
            "desc": addr_width - DESC_BITS, "sg": 1, "fault": Fault,
            **({"apps": 32 * AXI_DMA_APPS} if apps else {}),
        })


class PartLayout(data.StructLayout):
    """What a buffer adds to its packet: complete rows.

    ``lanes`` (``len`` is rows - 1, ``tail`` the last lane in use), ``none`` (no row is complete),
    ``eof`` (it ends the packet).
    """

    def __init__(self, bus_bytes: int):
        super().__init__({"lanes": LanesLayout(max_beats=max_rows(bus_bytes), bus_bytes=bus_bytes),
                          "none": 1, "eof": 1})


def max_rows(bus_bytes: int) -> int:
    """Rows that a buffer can complete."""
    return 1 << (SPAN_BITS + 1 - exact_log2(bus_bytes))
