"""Entries of MSI page tables."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.params import IommuParams
from rtl.spec.faults import Cause
from rtl.spec.page_table import (
    MSI_PTE,
    MSI_PTE_BASIC,
    MSI_PTE_BYTES,
    MSI_PTE_FILE,
    MSI_PTE_MRIF,
    MSI_PTE_NOTICE,
    PAGE_BITS,
)

from .interrupt_file import FILE_BITS
from .permissions import access_fault
from .records import PAGE_NUMBER_BITS, PPN_BITS, Kind
from .tables import ReadSignature

__all__ = ["TO_FILE", "MsiEntry", "MsiIndex", "is_msi"]

#: Not a cause, but in place of one: the access is a message to an interrupt file in memory.
TO_FILE = 0xFFF

_OFFSET_BITS = MSI_PTE_BYTES.bit_length() - 1
_IN_PAGE = PAGE_BITS - _OFFSET_BITS     # bits of the index that lie within a page of the table


def is_msi(gpn: Value, context: data.View) -> Value:
    """Whether a guest page is a virtual interrupt file."""
    width = len(context.msi_mask)
    differs = (gpn[:width] ^ context.msi_pattern) & ~context.msi_mask
    return context.msi & ~differs.any() & ~gpn[width:].any()


class MsiEntry(wiring.Component):
    """Decode an entry as it arrives: its first doubleword, and with ``msi_mrif`` the second.

    Combinational with the last of them, which must come next after the first.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    reply : ``In(...)``
        What memory answers, as in :class:`~rtl.iommu.tables.ReadSignature`.
    kind : ``In(Kind)``
        What the device wants.
    cause : ``Out(12)``
        Cause of a fault; :attr:`Cause.NONE`; or :data:`TO_FILE`.
    ppn : ``Out(params.ppn_bits)``
        Page, or that of a notice.
    gpn, number : ``Out(...)``
        Of an interrupt file, as in :func:`~rtl.iommu.records.guest_fault_layout`.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process to translate addresses of MSIs",
    steps 7 to 13.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        reply = ReadSignature(params.phys_bits).members["reply"].signature
        super().__init__({
            "reply": In(reply), "kind": In(Kind), "cause": Out(12),
            "ppn": Out(params.ppn_bits), "gpn": Out(PAGE_NUMBER_BITS), "number": Out(11)})

    def elaborate(self, platform):
        m = Module()
        params, reply = self._params, self.reply
        pte = data.View(struct(MSI_PTE), reply.data)
        beyond = pte.ppn[params.ppn_bits:].any()
        bad = (pte.m != MSI_PTE_BASIC) | pte.c | reserved(MSI_PTE, pte)
        failed, corrupt, execute = reply.error, reply.poison, self.kind == Kind.EXECUTE
        cause = Mux(~pte.v, Cause.MSI_PTE_INVALID,
                    Mux(bad, Cause.MSI_PTE_MISCONFIGURED,
                        Mux(execute | beyond, access_fault(self.kind), Cause.NONE)))
        m.d.comb += self.ppn.eq(pte.ppn)
        if params.msi_mrif:
            first = Signal(data.StructLayout({
                "failed": 1, "corrupt": 1, "cause": 12, "ppn": params.ppn_bits, "file": 47}))
            file, notice = (data.View(struct(layout), reply.data)
                            for layout in (MSI_PTE_MRIF, MSI_PTE_NOTICE))
            to_file = (pte.v & (pte.m == MSI_PTE_FILE) & ~pte.c & ~reserved(MSI_PTE_MRIF, file))
            with m.If(reply.valid):
                m.d.sync += [
                    first.failed.eq(reply.error),
                    first.corrupt.eq(reply.poison), first.cause.eq(Mux(to_file, TO_FILE, cause)),
                    first.ppn.eq(pte.ppn), first.file.eq(file.file)]
            failed, corrupt, is_file = failed | first.failed, corrupt | first.corrupt, (
                first.cause == TO_FILE)
            beyond = (first.file[params.phys_bits - FILE_BITS:].any() |
                      notice.ppn[params.ppn_bits:].any())
            cause = Mux(~is_file, first.cause, Mux(
                reserved(MSI_PTE_NOTICE, notice), Cause.MSI_PTE_MISCONFIGURED,
                Mux(execute, Cause.EXEC_ACCESS_FAULT, TO_FILE)))
            m.d.comb += [self.ppn.eq(Mux(is_file, notice.ppn, first.ppn)),
                         self.gpn.eq(Cat(first.file, beyond)),
                         self.number.eq(Cat(notice.low, notice.high))]
        m.d.comb += self.cause.eq(Mux(
            failed, Mux(corrupt, Cause.MSI_PT_CORRUPTION, Cause.MSI_PTE_LOAD_FAULT), cause))
        return m


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
