"""What the answers of the bus do to a set."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams

from .layouts import Cause, RowLayout, Task, TaskLayout

__all__ = ["Change"]


class Change(wiring.Component):
    """Change the state of a way as the bus has answered. Combinational.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    task : ``In(TaskLayout(params))``
        What has happened.
    row : ``In(RowLayout(params))``
        State of the set.
    new : ``Out(RowLayout(params))``
        State after it.
    fill : ``Out(ways)``
        Way that holds another line now.
    settled : ``Out(1)``
        A write-back of maintenance is over.
    purge_failed : ``Out(1)``
        A line in the way of an uncacheable access could not be written back.
    dropped : ``Out(1)``
        Maintenance dropped the line.
    """

    def __init__(self, params: CacheParams):
        row = RowLayout(params)
        super().__init__({
            "task": In(TaskLayout(params)), "row": In(row), "new": Out(row),
            "fill": Out(params.ways),
            "settled": Out(1), "purge_failed": Out(1), "dropped": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        task, row, new = self.task, self.row, self.new
        way = Signal.like(self.fill)
        m.d.comb += [way.eq(1 << task.way), new.eq(row)]
        with m.Switch(task.task):
            with m.Case(Task.FILL):
                m.d.comb += [
                    self.fill.eq(way),
                    new.valid.eq(row.valid | way),
                    new.dirty.eq(Mux(task.dirty, row.dirty | way, row.dirty & ~way)),
                ]
            with m.Case(Task.VOID):
                m.d.comb += [new.valid.eq(row.valid & ~way), new.dirty.eq(row.dirty & ~way)]
            with m.Case(Task.ACK):
                m.d.comb += [
                    new.pending.eq(row.pending & ~way),
                    self.settled.eq((task.cause != Cause.PURGE) & ~task.snoop.any()),
                    self.purge_failed.eq(task.error & (task.cause == Cause.PURGE)),
                ]
                with m.If(task.error):
                    m.d.comb += new.dirty.eq(row.dirty | way)
                # A line that was written to meanwhile stays.
                with m.Elif((task.cause != Cause.CLEAN) & ~(row.dirty & way).any()):
                    m.d.comb += [new.valid.eq(row.valid & ~way),
                                 self.dropped.eq(task.cause == Cause.FLUSH)]
        return m
