"""Entries of MSI page tables."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import MSI_PTE, MSI_PTE_BASIC, MSI_PTE_BYTES, PAGE_BITS

from .permissions import access_fault
from .records import PPN_BITS, Kind

__all__ = ["MsiIndex", "is_msi", "msi_cause"]

_OFFSET_BITS = MSI_PTE_BYTES.bit_length() - 1
_IN_PAGE = PAGE_BITS - _OFFSET_BITS     # bits of the index that lie within a page of the table


def is_msi(gpn: Value, context: data.View) -> Value:
    """Whether a guest page is a virtual interrupt file."""
    width = len(context.msi_mask)
    differs = (gpn[:width] ^ context.msi_pattern) & ~context.msi_mask
    return context.msi & ~differs.any() & ~gpn[width:].any()


def msi_cause(word: Value, kind: Value, beyond: Value) -> Value:
    """Cause of a fault for the first doubleword of an entry; the second is not looked at."""
    pte = data.View(struct(MSI_PTE), word)
    bad = (pte.m != MSI_PTE_BASIC) | pte.c | reserved(MSI_PTE, pte)
    refused = (kind == Kind.EXECUTE) | beyond
    return Mux(~pte.v, Cause.MSI_PTE_INVALID,
               Mux(bad, Cause.MSI_PTE_MISCONFIGURED,
                   Mux(refused, access_fault(kind), Cause.NONE)))


class MsiIndex(wiring.Component):
    """Pick the bits of a guest page number that choose an interrupt file.

    One bit each cycle, since a translation that was found is cached: ``params.gpn_bits`` cycles.

    Parameters
    ----------
    params : IommuParams
        Parameters; with a second stage.

    Members
    -------
    start : ``In(1)``
        Begin; ``gpn`` and ``mask`` must stay until ``done``.
    gpn, mask : ``In(params.gpn_bits)``
        Guest page number, and ones for the bits to pick.
    root : ``In(PPN_BITS)``
        Page number of the table.
    done : ``Out(1)``
        ``base`` and ``offset`` are there, until the next start.
    base, offset : ``Out(PPN_BITS)``, ``Out(PAGE_BITS)``
        Page number and offset, in bytes, of the entry.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate addresses of MSIs", step
    4.
    """

    def __init__(self, params: IommuParams):
        self._bits = params.gpn_bits
        super().__init__({
            "start": In(1), "gpn": In(self._bits), "mask": In(self._bits), "root": In(PPN_BITS),
            "done": Out(1, init=1), "base": Out(PPN_BITS), "offset": Out(PAGE_BITS)})

    def elaborate(self, platform):
        m = Module()
        index = Signal(self._bits)
        place = Signal(range(self._bits))
        with m.If(self.start):
            m.d.sync += [index.eq(0), place.eq(self._bits - 1), self.done.eq(0)]
        with m.Elif(~self.done):
            with m.If(self.mask.bit_select(place, 1)):
                m.d.sync += index.eq(Cat(self.gpn.bit_select(place, 1), index))
            m.d.sync += [place.eq(place - 1), self.done.eq(place == 0)]
        m.d.comb += [
            self.base.eq(self.root | index[_IN_PAGE:]),
            self.offset.eq(Cat(Const(0, _OFFSET_BITS), index[:_IN_PAGE])),
        ]
        return m
