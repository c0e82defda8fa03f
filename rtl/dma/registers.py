"""Registers of the DMA engine: what software writes, and what it reads back."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi import lite
from rtl.params import DmaParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.cdma_regs import CDMA_REGISTERS

from .jobs import DESC_BITS, LIST_CONTROLS, SPAN_BITS
from .list_registers import interrupts, irq_level, pointers, results

__all__ = ["Registers"]

#: Version of the extensions, in ``cap``.
VERSION = 1


class Registers(wiring.Component):
    """Start copies, and tell how they went.

    Starts come in the cycle after the register's write was taken, and are ignored while the engine
    is halted or resets; a write that makes no sense in the current mode starts nothing. After a
    fault or a write of ``cr.reset``, ``stop`` rises; in the latter case ``clear`` follows for one
    cycle when nothing is ``busy`` any more.

    Parameters
    ----------
    params : DmaParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Bus of the registers.
    irq : ``Out(1)``
        Interrupt, level.
    place, mark, word, doorbell, start, cyclic, forget, tail, simple, src, dst, size
        Of the front end, see :class:`ListFrontend`.
    src_stays, dst_stays
        Of :class:`KeyHole`.
    completed, faulty, faults, refused, write, address, desc
        From :class:`Completion`.
    acked : ``In(1)``, ``acked_span`` : ``In(12)``
        A burst was written, and its bytes - 1.
    busy : ``In(1)``
        Accesses are outstanding.
    pending : ``In(1)``
        There are copies that were started and have not ended.
    stop : ``Out(1)``
        Issue no further access.
    clear : ``Out(1)``
        Return to the state after power-on.

    Source
    ------
    AMD PG034, "AXI Central Direct Memory Access", section "Register Space".
    """

    def __init__(self, params: DmaParams):
        self._params = params
        desc_width = params.addr_width - DESC_BITS
        super().__init__({
            "regs":       In(lite.Signature(addr_width=12)),
            "irq":        Out(1),
            **{name: Out(width) for name, width in LIST_CONTROLS.items()},
            "tail":       In(desc_width),
            "simple":     Out(1),
            "src":        Out(64),
            "dst":        Out(64),
            "src_stays":  Out(1),
            "dst_stays":  Out(1),
            "size":       Out(SPAN_BITS),
            "completed":  In(1),
            "faulty":     In(1),
            "faults":     In(8),
            "refused":    In(1),
            "write":      In(1),
            "address":    In(params.addr_width),
            "desc":       In(desc_width),
            "acked":      In(1),
            "acked_span": In(12),
            "busy":       In(1),
            "pending":    In(1),
            "stop":       Out(1),
            "clear":      Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.file = file = RegisterFile(CDMA_REGISTERS)
        connect(m, flipped(self.regs), file.bus)
        fields = file.fields
        cr, sr = fields.cr, fields.sr

        # Until everything is as after power-on, `cr.reset` reads 1.
        m.d.comb += file.clear.eq(self.clear)
        m.d.sync += self.clear.eq(cr.reset & self.stop & ~self.busy & ~self.clear)
        with m.If(self.clear):
            m.d.sync += cr.reset.eq(0)
        with m.Elif(cr.w_stb & cr.reset_w):
            m.d.sync += cr.reset.eq(1)

        # The rest is reset by `clear`.
        halted = Signal()
        ready = Signal()                    # to start, and to change what a start depends on
        m.d.comb += [
            sr.idle.eq(~self.busy & (halted | ~self.pending) & ~cr.reset),
        ]
        m.d.sync += [ready.eq(sr.idle & ~halted), self.stop.eq(halted | cr.reset)]
        m.submodules.interrupts = ResetInserter(self.clear)(interrupts(
            fields, told=self.completed, idle=ready, timer=self._params.timer))
        m.submodules.starts = ResetInserter(self.clear)(self._starts(fields, ready))
        m.submodules.results = ResetInserter(self.clear)(results(
            fields, self, failed=halted, counted=self.completed & cr.sg_mode))
        m.d.sync += self.irq.eq(irq_level(fields))
        self._constants(m, fields)
        return m

    def _constants(self, m, fields):
        """Tell what this build is."""
        params, cap = self._params, fields.cap
        m.d.comb += [
            fields.cr.tail_pntr_en.eq(1),
            fields.sr.sg_incld.eq(1),
            fields.device_id.did.eq(params.device_id),
            cap.version.eq(VERSION),
            cap.data_bytes_log2.eq(exact_log2(params.data_width // 8)),
            cap.cyclic.eq(1),
            cap.timer.eq(params.timer),
            cap.key_hole.eq(params.key_hole),
            cap.reads_in_flight.eq(params.reads_in_flight),
            cap.max_beats_log2.eq(exact_log2(params.max_beats)),
        ]

    def _starts(self, fields, ready):
        """Mode, where copies and descriptors are, and the start of both."""
        m = Module()
        cr = fields.cr
        with m.If(cr.w_stb & ready):
            m.d.sync += cr.sg_mode.eq(cr.sg_mode_w)
            if self._params.key_hole:
                m.d.sync += [cr.key_hole_read.eq(cr.key_hole_read_w),
                             cr.key_hole_write.eq(cr.key_hole_write_w)]
        m.d.comb += [
            self.src.eq(Cat(fields.sa.addr, fields.sa_msb.addr)),
            self.dst.eq(Cat(fields.da.addr, fields.da_msb.addr)),
            self.src_stays.eq(cr.key_hole_read),
            self.dst_stays.eq(cr.key_hole_write),
            self.size.eq(fields.btt.bytes),
            self.simple.eq(fields.btt.w_stb & ready & ~cr.sg_mode),
            self.forget.eq(ready & cr.w_stb & ~cr.sg_mode_w),
        ]
        pointers(m, fields, self, movable=ready, listens=cr.sg_mode & ~self.stop, ready=ready)
        return m
