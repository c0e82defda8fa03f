"""Buffers from a list of descriptors in memory, or from registers."""

from amaranth import *
from amaranth.lib import data

from rtl.layouts import struct
from rtl.params import StreamParams
from rtl.spec.descriptor import AXI_DMA_BYTES, AXI_DMA_CONTROL, CDMA_BYTES, AxiDmaWord

from .frontend import Frontend
from .jobs import SPAN_BITS
from .list_fetch import ListFetch
from .stream_jobs import BufferLayout

__all__ = ["StreamFrontend"]


class StreamFrontend(Frontend):
    """Make buffers of descriptors of the AXI DMA, as :class:`Frontend` says.

    Parameters
    ----------
    params : StreamParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be used; at least 1.
    apps : bool
        Whether buffers have application words.

    Members
    -------
    addr : ``In(64)``
        Of a buffer from registers, which is a whole packet.
    items : ``Out(stream.Signature(BufferLayout(...)))``
        Buffers. Others: see :class:`Frontend`.
    """

    def __init__(self, params: StreamParams, *, depth: int, apps: bool = False):
        self._apps = apps
        super().__init__(params, depth=depth, registers={"addr": 64},
                         item=BufferLayout(params.addr_width, apps=apps),
                         size=AXI_DMA_BYTES if apps else CDMA_BYTES)

    def _item(self, m: Module, item: data.View, fetch: ListFetch) -> Value:
        listed = ~self.simple
        control = struct(AXI_DMA_CONTROL)(fetch.words[AxiDmaWord.CONTROL * 8:][:32])
        addr, size = Signal(64), Signal(SPAN_BITS)
        m.d.comb += [
            addr.eq(Mux(listed, fetch.words[AxiDmaWord.BUFFER * 8:][:64], self.addr)),
            size.eq(Mux(listed, control.length, self.size)),
            item.addr.eq(addr),
            item.span.eq(size - 1),
            item.eof.eq(control.eof | ~listed),
            item.sof.eq(control.sof | ~listed),
            item.desc.eq(fetch.desc),
            item.sg.eq(listed),
        ]
        if self._apps:
            m.d.comb += item.apps.eq(fetch.words[AxiDmaWord.APP0 * 8:])
        return (size == 0) | addr[self._params.addr_width:].any()
