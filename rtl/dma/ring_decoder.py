"""What a descriptor of the ring asks for."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import struct
from rtl.params import RingParams
from rtl.spec.ring_formats import SLOT_BYTES, WORD_0, WORD_1, WORD_2, WORD_3, RingOp

from .jobs import SPAN_BITS, Fault, JobLayout
from .ring_fetch import SlotLayout
from .rows import RowsLayout

__all__ = ["RingDecoder"]


class RingDecoder(wiring.Component):
    """Put the fields of a descriptor together, and check them; combinational.

    One that cannot be read has the fault of its slot, one that this build cannot carry out has
    :attr:`Fault.DMA_INT`.

    Parameters
    ----------
    params : RingParams
        Parameters.
    label : shape-like
        Label of the job, with ``slot`` and ``irq``.

    Members
    -------
    first : ``In(SlotLayout())``
        First slot.
    second : ``In(SlotLayout())``
        Second slot of a long descriptor.
    long : ``In(1)``
        It is a long one.
    work : ``Out(...)``
        :class:`RowsLayout` where ``strided`` is there, else :class:`JobLayout`.
    """

    def __init__(self, params: RingParams, *, label: ShapeLike):
        self._params = params
        job = JobLayout(params.addr_width, label, fill=params.fill)
        super().__init__({
            "first":  In(SlotLayout()),
            "second": In(SlotLayout()),
            "long":   In(1),
            "work":   Out(RowsLayout(job) if params.strided else job),
        })

    def elaborate(self, platform):
        m = Module()
        params, work = self._params, self.work
        job = work.job if params.strided else work
        half = SLOT_BYTES * 4
        word_0 = self.first.words[:half]
        short, word_1 = struct(WORD_0)(word_0), struct(WORD_1)(self.first.words[half:])
        word_2 = struct(WORD_2)(self.second.words[:half])
        word_3 = struct(WORD_3)(self.second.words[half:])

        src, dst, size, span = Signal(64), Signal(64), Signal(32), Signal(SPAN_BITS)
        with m.If(self.long):
            m.d.comb += [
                src.eq(word_0),
                dst.eq(Cat(word_1.dst, word_2.dst_high)),
                size.eq(word_2.size),
                span.eq(word_2.size - 1),
            ]
        with m.Else():
            m.d.comb += [
                src.eq(short.src),
                dst.eq(word_1.dst),
                size.eq(1),                     # there is no wrong one
                span.eq((short.size - 1)[:len(short.size)]),
            ]
        m.d.comb += [
            job.src.eq(src),
            job.dst.eq(dst),
            job.span.eq(span),
            job.label.slot.eq(self.first.number),
            job.label.irq.eq(word_1.irq),
        ]

        known, rows = word_1.op == RingOp.COPY, Const(0)
        is_fill = Signal()
        if params.fill:
            m.d.comb += [is_fill.eq(word_1.op == RingOp.FILL), job.fill.eq(is_fill)]
            known = known | is_fill
            with m.If(is_fill & ~self.long):
                m.d.comb += job.src.eq(src[:32].replicate(2))
        if params.proceed:
            m.d.comb += job.label.long.eq(self.long)
        if params.strided:
            rows = word_1.strided & self.long
            m.d.comb += [
                work.src_stride.eq(word_3.src_stride),
                work.dst_stride.eq(word_3.dst_stride),
            ]
            with m.If(rows):
                m.d.comb += work.rows.eq(word_2.rows)
        beyond = (src[params.addr_width:].any() & ~is_fill | dst[params.addr_width:].any() |
                  size[SPAN_BITS:].any())
        fault = Mux(self.long, self.second.fault.as_value(), self.first.fault.as_value())
        m.d.comb += job.fault.eq(fault)
        with m.If((fault == 0) & ((size == 0) | beyond | ~known | word_1.strided & ~rows)):
            m.d.comb += job.fault.eq(Fault.DMA_INT)
        wide = src[params.addr_width:].any() | dst[params.addr_width:].any()
        m.d.comb += job.doubt.eq(self.long | (fault != 0) | wide | ~known | word_1.strided)
        return m
