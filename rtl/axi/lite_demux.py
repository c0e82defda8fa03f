"""One AXI4-Lite manager, the register windows of several blocks."""

from collections.abc import Mapping

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from . import demux, lite

__all__ = ["WINDOW_BYTES", "Demux"]

WINDOW_BYTES = 4096


class Demux(wiring.Component):
    """Pass each access on to the block in whose window of 4 KiB it falls; DECERR elsewhere.

    Blocks see only the lower 12 bits of the address. Order and latency are those of
    :class:`rtl.axi.demux.Demux`.

    Parameters
    ----------
    addr_width : int
        Width of the manager's byte addresses, in bits.
    windows : mapping from str to int
        Base of the window of each port, in bytes.
    data_width : 32 or 64
        Width of the data buses, in bits.

    Members
    -------
    bus : ``In(lite.Signature(addr_width=addr_width, data_width=data_width))``
        Bus of the manager.
    ports : ``Out(wiring.Signature({name: Out(lite.Signature(addr_width=12, ...)), ...}))``
        Buses of the blocks, by name.

    Raises
    ------
    ValueError
        If a base is not a multiple of 4096 within ``addr_width`` bits, or two are the same.
    """

    def __init__(self, addr_width: int, windows: Mapping[str, int], *, data_width: int = 32):
        bus = lite.Signature(addr_width=addr_width, data_width=data_width)
        window = lite.Signature(addr_width=12, data_width=data_width)
        self._names = list(windows)
        self._demux = demux.Demux(bus, [(base, WINDOW_BYTES) for base in windows.values()],
                                  limit=2, target=window)
        super().__init__({
            "bus": In(bus),
            "ports": Out(wiring.Signature({name: Out(window) for name in windows})),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.demux = demux = self._demux
        connect(m, flipped(self.bus), demux.bus)
        for name, target in zip(self._names, demux.targets, strict=True):
            connect(m, target, flipped(getattr(self.ports, name)))
        return m
