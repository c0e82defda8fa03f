"""Registers of the DMA engine: what software writes, and what it reads back."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi import lite
from rtl.params import DmaParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.cdma_regs import CDMA_REGISTERS

from .coalescer import Coalescer
from .jobs import DESC_BITS, SPAN_BITS, Fault

__all__ = ["Registers"]

#: Version of the extensions, in ``cap``.
VERSION = 1
_ERRORS = {"dma_int_err": Fault.DMA_INT, "dma_slv_err": Fault.DMA_SLV,
           "dma_dec_err": Fault.DMA_DEC, "sg_int_err": Fault.SG_INT,
           "sg_slv_err": Fault.SG_SLV, "sg_dec_err": Fault.SG_DEC}


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
    place, mark, word, doorbell, start, forget, tail, simple, src, dst, size
        Of the front end, see :class:`ListFrontend`.
    completed, faulty, faults, address, desc
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
            "place":      Out(2),
            "mark":       Out(2),
            "word":       Out(32),
            "doorbell":   Out(1),
            "start":      Out(1),
            "forget":     Out(1),
            "tail":       In(desc_width),
            "simple":     Out(1),
            "src":        Out(64),
            "dst":        Out(64),
            "size":       Out(SPAN_BITS),
            "completed":  In(1),
            "faulty":     In(1),
            "faults":     In(8),
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
        m.submodules.control = ResetInserter(self.clear)(self._control(fields, ready))
        m.submodules.pointers = ResetInserter(self.clear)(self._pointers(fields, ready))
        m.submodules.results = ResetInserter(self.clear)(self._results(fields, halted))
        m.d.sync += self.irq.eq(sr.ioc_irq_q & cr.ioc_irq_en | sr.err_irq_q & cr.err_irq_en)
        return m

    def _control(self, fields, ready):
        """Mode, and interrupt on completion."""
        m = Module()
        cr, sr, cap = fields.cr, fields.sr, fields.cap
        m.submodules.coalescer = coalescer = Coalescer()
        m.d.comb += [
            cr.tail_pntr_en.eq(1),
            cr.irq_threshold.eq(coalescer.threshold),
            sr.irq_threshold_sts.eq(coalescer.left),
            sr.ioc_irq.eq(coalescer.ioc),
            coalescer.completed.eq(self.completed),
            coalescer.idle.eq(ready),
            fields.device_id.did.eq(self._params.device_id),
            sr.sg_incld.eq(1),
            cap.version.eq(VERSION),
            cap.data_bytes_log2.eq(exact_log2(self._params.data_width // 8)),
            cap.reads_in_flight.eq(self._params.reads_in_flight),
            cap.max_beats_log2.eq(exact_log2(self._params.max_beats)),
        ]
        with m.If(cr.w_stb & ready):
            m.d.sync += cr.sg_mode.eq(cr.sg_mode_w)
        with m.If(cr.w_stb & (cr.irq_threshold_w != 0)):
            m.d.sync += coalescer.threshold.eq(cr.irq_threshold_w)
        m.d.sync += coalescer.reload.eq(cr.w_stb)
        return m

    def _pointers(self, fields, ready):
        """Where copies and descriptors are, and the start of both."""
        m = Module()
        cr, curdesc, curdesc_msb = fields.cr, fields.curdesc, fields.curdesc_msb
        taildesc, taildesc_msb = fields.taildesc, fields.taildesc_msb
        m.d.comb += [
            self.src.eq(Cat(fields.sa.addr, fields.sa_msb.addr)),
            self.dst.eq(Cat(fields.da.addr, fields.da_msb.addr)),
            self.size.eq(fields.btt.bytes),
            self.simple.eq(fields.btt.w_stb & ready & ~cr.sg_mode),
        ]

        # The order in which the halves of the current descriptor's address were written tells which
        # half of the tail's comes last.
        low_first = Signal()
        with m.If(curdesc.w_stb | curdesc_msb.w_stb):
            m.d.sync += low_first.eq(curdesc_msb.w_stb)
        m.d.comb += [
            Cat(curdesc.addr, curdesc_msb.addr).eq(self.desc),
            Cat(taildesc.addr, taildesc_msb.addr).eq(self.tail),
            self.word.eq(curdesc_msb.addr_w),       # what was written, to any register
            self.place.eq(Mux(ready, Cat(curdesc.w_stb, curdesc_msb.w_stb), 0)),
            self.forget.eq(ready & cr.w_stb & ~cr.sg_mode_w),
        ]
        with m.If(cr.sg_mode & ~self.stop):
            m.d.comb += [
                self.mark.eq(Cat(taildesc.w_stb, taildesc_msb.w_stb)),
                self.doorbell.eq(Mux(low_first, taildesc_msb.w_stb, taildesc.w_stb)),
                self.start.eq(self.doorbell & ready),
            ]
        return m

    def _results(self, fields, halted):
        """Errors, and progress."""
        m = Module()
        address = Signal(64)
        m.d.comb += fields.sr.err_irq.eq(self.faulty)
        m.d.comb += Cat(fields.err_addr.addr, fields.err_addr_msb.addr).eq(address)
        with m.If(self.faulty):
            m.d.sync += [halted.eq(1), address.eq(self.address)]
            for name, fault in _ERRORS.items():
                m.d.sync += getattr(fields.sr, name).eq(self.faults[fault.value])
        with m.If(self.completed & fields.cr.sg_mode):
            m.d.sync += fields.done_descs.count.eq(fields.done_descs.count + 1)
        with m.If(self.acked):
            m.d.sync += fields.done_bytes.count.eq(
                fields.done_bytes.count + self.acked_span + 1)
        return m
