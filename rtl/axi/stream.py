"""AXI4-Stream as a bundle of one stream."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out

__all__ = ["Signature"]


class Signature(wiring.Signature):
    """AXI4-Stream interface, seen from the transmitter.

    Parameters
    ----------
    data_width : int, multiple of 8
        Width of the data, in bits.
    id_width, dest_width, user_width : int
        Widths of TID, TDEST and TUSER, in bits; 0 (none) by default.

    Members
    -------
    t : ``Out(stream.Signature(...))``
        ``data``, ``keep`` (a bit for each byte: it is part of the packet), ``last``, ``id``,
        ``dest``, ``user``. TSTRB is left out: every byte that is kept is data.

    Raises
    ------
    ValueError
        If ``data_width`` is not a positive multiple of 8, or another width is negative.

    Source
    ------
    Arm IHI 0051, "AMBA AXI-Stream Protocol Specification", section "Signal list".
    """

    def __init__(self, *, data_width: int = 64, id_width: int = 0, dest_width: int = 0,
                 user_width: int = 0):
        if data_width <= 0 or data_width % 8:
            raise ValueError(f"Data width must be a positive multiple of 8, not {data_width!r}")
        for what, width in (("ID", id_width), ("Destination", dest_width), ("User", user_width)):
            if width < 0:
                raise ValueError(f"{what} width must not be negative, not {width!r}")
        self._widths = (data_width, id_width, dest_width, user_width)
        super().__init__({"t": Out(stream.Signature(data.StructLayout({
            "data": data_width, "keep": data_width // 8, "last": 1, "id": id_width,
            "dest": dest_width, "user": user_width})))})

    @property
    def data_width(self) -> int:
        """Width of the data, in bits."""
        return self._widths[0]

    def __eq__(self, other):
        return isinstance(other, Signature) and self._widths == other._widths

    def __repr__(self):
        return ("axi.stream.Signature(data_width={}, id_width={}, dest_width={}, user_width={})"
                .format(*self._widths))
