"""From transfers in two dimensions to copies."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .jobs import Fault, JobLayout

__all__ = ["Rows", "RowsLayout"]


class RowsLayout(data.StructLayout):
    """A copy, or several at equal distances.

    ``job`` (the first), ``rows`` (how many - 1), ``src_stride`` and ``dst_stride`` (bytes from a
    row to the next, signed).
    """

    def __init__(self, job: JobLayout):
        super().__init__({"job": job, "rows": 16, "src_stride": 32, "dst_stride": 32})


class Rows(wiring.Component):
    """Make a copy of each row, without a gap.

    All but the last have ``more`` set in their label. Addresses are modulo the address space; the
    pattern of a fill stays. Something with a fault passes as it is. The first row passes in the
    cycle in which it comes; throughput is one row a cycle.

    Parameters
    ----------
    job : JobLayout
        Layout of a copy; its label has ``more``.

    Members
    -------
    work : ``In(stream.Signature(RowsLayout(job)))``
        Transfers.
    jobs : ``Out(stream.Signature(job))``
        Copies.
    """

    def __init__(self, job: JobLayout):
        self._job = job
        super().__init__({
            "work": In(stream.Signature(RowsLayout(job))),
            "jobs": Out(stream.Signature(job)),
        })

    def elaborate(self, platform):
        m = Module()
        work, job = self.work.p, self.jobs.p
        count = Signal.like(work.rows)              # rows before this one
        src, dst = Signal(len(job.dst)), Signal(len(job.dst))
        last = Signal()
        m.d.comb += [
            last.eq((count == work.rows) | (job.fault != Fault.NONE)),
            job.eq(work.job),
            job.label.more.eq(~last),
            job.doubt.eq(work.job.doubt & (last | (count == 0))),
            self.jobs.valid.eq(self.work.valid),
            self.work.ready.eq(self.jobs.ready & last),
        ]
        with m.If(count != 0):
            m.d.comb += job.dst.eq(dst)
            with m.If(~job.fill if "fill" in self._job.members else C(1)):
                m.d.comb += job.src.eq(src)
        with m.If(self.jobs.valid & self.jobs.ready):
            m.d.sync += [
                count.eq(Mux(last, 0, count + 1)),
                src.eq(job.src + work.src_stride.as_signed()),
                dst.eq(job.dst + work.dst_stride.as_signed()),
            ]
        return m
