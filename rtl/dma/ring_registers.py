"""Registers of a ring: what software writes, and what it reads back."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi import lite
from rtl.params import RingParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.ring_regs import RING_REGISTERS

from .coalescer import Coalescer
from .jobs import Fault
from .ring_frontend import RingLabel

__all__ = ["RingRegisters"]

#: Version of registers and formats, in ``cap``.
VERSION = 1


class RingRegisters(wiring.Component):
    """Hand slots over, and tell how they went.

    The doorbell counts in the cycle after its write was taken. After a fault, a write of
    ``cr.reset`` or one of ``cr.pause``, ``stop`` rises; in the second case ``clear`` follows for
    one cycle when nothing is ``busy`` any more.

    Parameters
    ----------
    params : RingParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Bus of the registers.
    irq : ``Out(1)``
        Interrupt, level.
    base, size_log2, tail, head, place, number, cyclic, run
        Of :class:`RingFrontend`.
    completion_base : ``Out(addr_width)``, ``done_bytes`` : ``Out(32)``
        For :class:`RingCompletion`.
    completed, faulty, fault, address, write, label
        From :class:`RingCompletion`.
    acked : ``In(1)``, ``acked_span`` : ``In(12)``
        A burst was written, and its bytes - 1.
    busy : ``In(1)``
        Accesses are outstanding.
    pending : ``In(1)``
        There are descriptors that were handed over and have not ended.
    process_id, process_valid, urgent
        Of :class:`Port`.
    proceed : ``Out(1)``, ``hold`` : ``In(1)``
        Of :class:`~rtl.dma.ring_proceed.RingProceed`: only a fault of the ring itself halts; stop
        for a while.
    stop : ``Out(1)``
        Issue no further access.
    clear : ``Out(1)``
        Return to the state after power-on.
    """

    def __init__(self, params: RingParams):
        self._params = params
        super().__init__({
            "regs":            In(lite.Signature(addr_width=12)),
            "irq":             Out(1),
            "base":            Out(params.addr_width),
            "completion_base": Out(params.addr_width),
            "size_log2":       Out(4),
            "tail":            Out(16),
            "head":            In(16),
            "place":           Out(1),
            "number":          Out(16),
            "cyclic":          Out(1),
            "run":             Out(1),
            "done_bytes":      Out(32),
            "completed":       In(1),
            "faulty":          In(1),
            "fault":           In(Fault),
            "address":         In(params.addr_width),
            "write":           In(1),
            "label":           In(RingLabel(params)),
            "acked":           In(1),
            "acked_span":      In(12),
            "busy":            In(1),
            "pending":         In(1),
            "process_id":      Out(20),
            "process_valid":   Out(1),
            "urgent":          Out(1),
            "proceed":         Out(1),
            "hold":            In(1),
            "stop":            Out(1),
            "clear":           Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.file = file = RegisterFile(RING_REGISTERS)
        connect(m, flipped(self.regs), file.bus)
        fields = file.fields
        cap, cap2, cr, sr = fields.cap, fields.cap2, fields.cr, fields.sr
        m.d.comb += [
            cap.version.eq(VERSION),
            cap.data_bytes_log2.eq(exact_log2(params.data_width // 8)),
            *(getattr(cap, name).eq(getattr(params, name)) for name in (
                "own_port", "fill", "strided", "cyclic", "process_id", "urgent", "proceed")),
            cap.reads_in_flight.eq(params.reads_in_flight),
            cap.max_beats_log2.eq(exact_log2(params.max_beats)),
            cap2.addr_bits.eq(params.addr_width),
            cap2.depth.eq(params.depth),
            fields.device_id.did.eq(params.device_id),
            self.base.eq(Cat(C(0, 12), fields.base.addr, fields.base_msb.addr)),
            self.completion_base.eq(Cat(C(0, 12), fields.completion_base.addr,
                                        fields.completion_base_msb.addr)),
            self.size_log2.eq(fields.size.log2),
            self.tail.eq(fields.tail.slot),
            self.run.eq(cr.run),
            fields.head.slot.eq(self.head),
            self.number.eq(fields.head.slot_w),
            self.place.eq(fields.head.w_stb & sr.idle & ~cr.run),
        ]

        # Until everything is as after power-on, `cr.reset` reads 1.
        halted, idle, address = Signal(), Signal(init=1), Signal(64)
        m.d.comb += file.clear.eq(self.clear)
        m.d.sync += [
            self.stop.eq(halted | cr.reset | cr.pause | self.hold),
            self.clear.eq(cr.reset & self.stop & ~self.busy & ~self.clear),
        ]
        with m.If(cr.w_stb & cr.reset_w):
            m.d.sync += cr.reset.eq(1)
        # Late by a cycle, like what has completed. No register can be read or written so soon.
        m.d.sync += [
            idle.eq(~self.busy & (halted | ~self.pending) & ~cr.reset),
            sr.paused.eq(cr.pause & self.stop & ~self.busy),
        ]

        # What is written while idle, maybe together with `run`, and kept if this build has it.
        process = fields.process_id
        for there, register, field, value in (
                (params.cyclic, cr, "cyclic", self.cyclic),
                (params.urgent, cr, "urgent", self.urgent),
                (params.proceed, cr, "proceed", self.proceed),
                (params.process_id, process, "pid", self.process_id),
                (params.process_id, process, "valid", self.process_valid)):
            if not there:
                continue
            m.d.comb += getattr(register, field).eq(value)
            with m.If(register.w_stb & idle):
                m.d.sync += value.eq(getattr(register, f"{field}_w"))
            with m.If(self.clear):
                m.d.sync += value.eq(0)

        coalescer = Coalescer()
        m.submodules.coalescer = coalescer
        m.d.comb += [
            sr.idle.eq(idle),
            sr.halted.eq(halted),
            sr.irq.eq(coalescer.ioc),
            sr.err_irq.eq(self.faulty),
            cr.irq_threshold.eq(coalescer.threshold),
            coalescer.completed.eq(self.completed & self.label.irq),
            coalescer.idle.eq(idle & ~halted),
            Cat(fields.err_addr.addr, fields.err_addr_msb.addr).eq(address),
            self.done_bytes.eq(fields.done_bytes.count),
        ]
        with m.If(cr.w_stb & (cr.irq_threshold_w != 0)):
            m.d.sync += coalescer.threshold.eq(cr.irq_threshold_w)
        m.d.sync += [
            coalescer.reload.eq(cr.w_stb),
            self.irq.eq(sr.irq_q & cr.irq_en | sr.err_irq_q & cr.err_irq_en),
        ]
        with m.If(self.completed):
            m.d.sync += fields.done.slot.eq(self.label.slot)
        with m.If(self.completed | self.faulty):
            m.d.sync += fields.done.count.eq(fields.done.count + 1)
        with m.If(self.acked):
            m.d.sync += fields.done_bytes.count.eq(fields.done_bytes.count + self.acked_span + 1)
        fault = self.fault.as_value()
        with m.If(self.faulty & (fault[2] | ~self.proceed)):
            m.d.sync += halted.eq(1)
        with m.If(self.faulty & ~sr.err_irq_q):
            m.d.sync += [sr.fault.eq(fault[:3]), sr.refused.eq(fault[3]), sr.write.eq(self.write),
                         address.eq(self.address), fields.err_slot.slot.eq(self.label.slot)]

        with m.If(self.clear):
            m.d.sync += [
                cr.reset.eq(0), halted.eq(0), address.eq(0), sr.fault.eq(0), sr.write.eq(0),
                sr.refused.eq(0), fields.err_slot.slot.eq(0),
                fields.done.slot.eq(0), fields.done.count.eq(0), fields.done_bytes.count.eq(0),
                coalescer.threshold.eq(1), coalescer.reload.eq(1),
            ]
        return m
