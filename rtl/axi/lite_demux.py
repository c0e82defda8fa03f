"""One AXI4-Lite manager, the register windows of several blocks."""

from collections.abc import Sequence

from . import demux, lite

__all__ = ["Demux"]


class Demux(demux.Demux):
    """Pass each access on to the block in whose window of 4 KiB it falls; DECERR elsewhere.

    Blocks see only the lower 12 bits of the address. Otherwise as :class:`rtl.axi.demux.Demux`.

    Parameters
    ----------
    addr_width : int
        Width of the manager's byte addresses, in bits.
    windows : sequence of int
        Base of each window, in bytes.
    data_width : 32 or 64
        Width of the data buses, in bits.

    Members
    -------
    bus : ``In(lite.Signature(addr_width=addr_width, data_width=data_width))``
        Bus of the manager.
    targets : ``Out(lite.Signature(addr_width=12, data_width=data_width)).array(len(windows))``
        Buses of the blocks.

    Raises
    ------
    ValueError
        If a base is not a multiple of 4096 within ``addr_width`` bits, or two are the same.
    """

    def __init__(self, addr_width: int, windows: Sequence[int], *, data_width: int = 32):
        super().__init__(lite.Signature(addr_width=addr_width, data_width=data_width),
                         [(base, 4096) for base in windows], limit=2,
                         target=lite.Signature(addr_width=12, data_width=data_width))
