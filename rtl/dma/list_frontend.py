"""Copies from a list of descriptors in memory, or from registers."""

from amaranth import *
from amaranth.lib import data

from rtl.params import DmaParams
from rtl.spec.descriptor import CDMA_CONTROL, CdmaWord

from .frontend import Frontend
from .jobs import Fault, JobLayout, ListLabel
from .list_fetch import ListFetch

__all__ = ["ListFrontend"]


class ListFrontend(Frontend):
    """Make copies of descriptors of the CDMA, as :class:`Frontend` says.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    depth : int
        Descriptors in flight or waiting to be executed; at least 1.

    Members
    -------
    src, dst : ``In(64)``
        Of a copy from registers.
    items : ``Out(stream.Signature(JobLayout(...)))``
        Copies. Others: see :class:`Frontend`.
    """

    def __init__(self, params: DmaParams, *, depth: int):
        super().__init__(params, depth=depth, registers={"src": 64, "dst": 64}, item=JobLayout(
            params.addr_width, ListLabel(params.addr_width, cut=params.key_hole)))

    def _item(self, m: Module, item: data.View, fetch: ListFetch) -> Value:
        def choose(register, word, bits=slice(None)):
            return Mux(self.simple, register, fetch.words[word * 8:][bits])

        src = choose(self.src, CdmaWord.SA, slice(64))
        dst = choose(self.dst, CdmaWord.DA, slice(64))
        lsb, width = CDMA_CONTROL.fields["btt"]
        size = choose(self.size, CdmaWord.CONTROL, slice(lsb, lsb + width))
        m.d.comb += [
            item.src.eq(src),
            item.dst.eq(dst),
            item.span.eq(size - 1),
            item.label.desc.eq(fetch.desc),
            item.label.sg.eq(~self.simple),
        ]
        wrong = (size == 0) | (src | dst)[self._params.addr_width:].any()
        m.d.comb += item.doubt.eq(wrong | (fetch.fault != Fault.NONE))
        return wrong
