"""The translation-request registers' engine."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.signature import (
    CACHE_MODIFIABLE,
    CACHE_READ_ALLOCATE,
    CACHE_WRITE_ALLOCATE,
    CACHE_WRITE_BACK,
    Burst,
)

from .debug_tap import FoundSignature
from .records import address_layout

__all__ = ["DebugRequest", "DebugSignature"]


class DebugSignature(wiring.Signature):
    """Between the registers and the engine. Directions are the registers'.

    ``go``, a strobe, with the fields of ``tr_req_iova`` and ``tr_req_ctl``; ``busy``, and the
    fields of ``tr_response``.
    """

    def __init__(self):
        super().__init__({
            "go": Out(1), "vpn": Out(52), "priv": Out(1), "exe": Out(1), "nw": Out(1),
            "pid": Out(20), "pv": Out(1), "did": Out(24),
            "busy": In(1), "fault": In(1), "pbmt": In(2), "ppn": In(44)})


class DebugRequest(wiring.Component):
    """Let one request go the way of a device's access, and keep its result.

    A request for read and write goes the way of a write, whose page must be readable, too; others
    that of a read.

    Parameters
    ----------
    id_width, phys_bits : int
        Widths of AXI IDs and of physical addresses, in bits.

    Members
    -------
    registers : ``In(DebugSignature())``
        Registers.
    asks : ``Out(stream.Signature(address_layout(...))).array(2)``
        Request among reads, and among writes.
    found : ``Out(FoundSignature(phys_bits)).array(2)``
        Its result, from either.

    Source
    ------
    RISC-V IOMMU Architecture Specification, chapter "Debug support".
    """

    def __init__(self, *, id_width: int, phys_bits: int):
        super().__init__({
            "registers": In(DebugSignature()),
            "asks": Out(stream.Signature(address_layout(id_width=id_width))).array(2),
            "found": Out(FoundSignature(phys_bits)).array(2)})

    def elaborate(self, platform):
        m = Module()
        regs = self.registers
        writes, asking = Signal(), Signal()
        m.d.comb += writes.eq(~regs.nw & ~regs.exe)
        for ask, mine in zip(self.asks, (~writes, writes), strict=True):
            p = ask.p
            m.d.comb += [
                ask.valid.eq(asking & mine), p.addr.eq(regs.vpn << 12), p.size.eq(3),
                p.burst.eq(Burst.INCR), p.cache.eq(CACHE_WRITE_BACK),
                p.prot.eq(Cat(regs.priv, Const(0, 1), regs.exe)),
                p.user.device_id.eq(regs.did), p.user.process_id.eq(regs.pid),
                p.user.process_valid.eq(regs.pv),
            ]
            with m.If(ask.valid & ask.ready):
                m.d.sync += asking.eq(0)
        with m.If(regs.go & ~regs.busy):
            m.d.sync += [regs.busy.eq(1), asking.eq(1)]
        for found in self.found:
            normal = (found.cache & (CACHE_READ_ALLOCATE | CACHE_WRITE_ALLOCATE)).any()
            cached = (found.cache & CACHE_MODIFIABLE).any()
            with m.If(found.valid):
                m.d.sync += [
                    regs.busy.eq(0), regs.fault.eq(found.fault),
                    regs.ppn.eq(Mux(found.fault, 0, found.page)),
                    regs.pbmt.eq(Mux(found.fault | normal, 0, Mux(cached, 1, 2))),
                ]
        return m
