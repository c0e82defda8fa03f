"""What flows between the parts of the snoop port."""

from amaranth.lib import data, stream

from rtl.axi import signature as axi
from rtl.params import CacheParams

from ..layouts import LineLayout, RequestLayout

__all__ = ["CheckedLayout", "LocksLayout", "bus", "channel", "part"]


def bus(params: CacheParams) -> axi.Signature:
    """AXI4, as at the snoop port. Behind it, IDs are those of the CPU's side."""
    return axi.Signature(addr_width=params.phys_bits, data_width=params.data_width,
                         id_width=params.snoop_id_width)


def channel(params: CacheParams, name: str) -> stream.Signature:
    """One channel of it: ``aw``, ``w``, ``b``, ``ar`` or ``r``."""
    return stream.Signature(bus(params).members[name].signature.members["payload"].shape)


def part(params: CacheParams) -> RequestLayout:
    """Layout of a part of a device's burst within a line: that of a CPU's."""
    return RequestLayout(params, id_width=params.snoop_id_width)


class CheckedLayout(data.StructLayout):
    """A ``part`` whose line memory has; or ``refused``: the line could not be written back."""

    def __init__(self, params: CacheParams):
        super().__init__({"part": part(params), "refused": 1})


class LocksLayout(data.ArrayLayout):
    """Lines that the CPU must not access now: ``on``, ``line`` of each."""

    def __init__(self, params: CacheParams):
        super().__init__(data.StructLayout({"on": 1, "line": LineLayout(params)}),
                         params.snoop + 1)
