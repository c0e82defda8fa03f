"""What the registers of all list front ends have in common: interrupts, pointers, results.

The functions make logic around the ``fields`` of a channel's registers, which have the names of
:data:`rtl.spec.cdma_regs.CDMA_REGISTERS`, and around the ``port`` towards the engine.
"""

from typing import Any

from amaranth import *

from .coalescer import Coalescer
from .jobs import Fault

__all__ = ["interrupts", "irq_level", "pointers", "results"]

_ERRORS = {"dma_int_err": Fault.DMA_INT, "dma_slv_err": Fault.DMA_SLV,
           "dma_dec_err": Fault.DMA_DEC, "sg_int_err": Fault.SG_INT,
           "sg_slv_err": Fault.SG_SLV, "sg_dec_err": Fault.SG_DEC}


def interrupts(fields: Any, *, told: Value, idle: Value, timer: bool) -> Module:
    """Coalesce interrupts: ``told`` completes one, ``idle`` says that nothing more will."""
    m = Module()
    cr, sr = fields.cr, fields.sr
    m.submodules.coalescer = coalescer = Coalescer()
    m.d.comb += [
        cr.irq_threshold.eq(coalescer.threshold),
        sr.irq_threshold_sts.eq(coalescer.left),
        sr.ioc_irq.eq(coalescer.ioc),
        coalescer.completed.eq(told),
        coalescer.idle.eq(idle),
    ]
    with m.If(cr.w_stb & (cr.irq_threshold_w != 0)):
        m.d.sync += coalescer.threshold.eq(cr.irq_threshold_w)
    m.d.sync += coalescer.reload.eq(cr.w_stb)
    if timer:
        m.d.comb += [
            coalescer.delay.eq(cr.irq_delay),
            sr.dly_irq.eq(coalescer.dly),
            sr.irq_delay_sts.eq(coalescer.waited),
        ]
        with m.If(cr.w_stb):
            m.d.sync += [cr.irq_delay.eq(cr.irq_delay_w), cr.dly_irq_en.eq(cr.dly_irq_en_w)]
    return m


def irq_level(fields: Any) -> Value:
    """Level of the interrupt line."""
    return Cat(getattr(fields.sr, f"{name}_q") & getattr(fields.cr, f"{name}_en")
               for name in ("ioc_irq", "dly_irq", "err_irq")).any()


def pointers(m: Module, fields: Any, port: Any, *, movable: Value, listens: Value,
             ready: Value) -> None:
    """Addresses of descriptors.

    ``curdesc`` can be written while ``movable``, ``taildesc`` while the channel ``listens``; it
    starts if the channel is ``ready``, and goes on otherwise.
    """
    cr, curdesc, curdesc_msb = fields.cr, fields.curdesc, fields.curdesc_msb
    taildesc, taildesc_msb = fields.taildesc, fields.taildesc_msb
    # The order in which the halves of the current descriptor's address were written tells which
    # half of the tail's comes last.
    low_first = Signal()
    with m.If(curdesc.w_stb | curdesc_msb.w_stb):
        m.d.sync += low_first.eq(curdesc_msb.w_stb)
    with m.If(cr.w_stb):
        m.d.sync += cr.cyclic_bd.eq(cr.cyclic_bd_w)
    m.d.comb += [
        Cat(curdesc.addr, curdesc_msb.addr).eq(port.desc),
        Cat(taildesc.addr, taildesc_msb.addr).eq(port.tail),
        port.word.eq(curdesc_msb.addr_w),       # what was written, to any register
        port.place.eq(Mux(movable, Cat(curdesc.w_stb, curdesc_msb.w_stb), 0)),
        port.cyclic.eq(cr.cyclic_bd),
    ]
    with m.If(listens):
        m.d.comb += [
            port.mark.eq(Cat(taildesc.w_stb, taildesc_msb.w_stb)),
            port.doorbell.eq(Mux(low_first, taildesc_msb.w_stb, taildesc.w_stb)),
            port.start.eq(port.doorbell & ready),
        ]


def results(fields: Any, port: Any, *, failed: Signal, counted: Value) -> Module:
    """Errors, which set ``failed``, and progress; ``counted`` is a descriptor that completed."""
    m = Module()
    address = Signal(64)
    m.d.comb += fields.sr.err_irq.eq(port.faulty)
    m.d.comb += Cat(fields.err_addr.addr, fields.err_addr_msb.addr).eq(address)
    with m.If(port.faulty):
        m.d.sync += [failed.eq(1), address.eq(port.address)]
        for name, fault in _ERRORS.items():
            m.d.sync += getattr(fields.sr, name).eq(port.faults[fault.value])
        m.d.sync += [fields.sr.err_refused.eq(port.refused), fields.sr.err_write.eq(port.write)]
    with m.If(counted):
        m.d.sync += fields.done_descs.count.eq(fields.done_descs.count + 1)
    with m.If(port.acked):
        m.d.sync += fields.done_bytes.count.eq(fields.done_bytes.count + port.acked_span + 1)
    return m
