"""Maintenance of a range of addresses, or of the whole cache."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode

from .layouts import Kind, RequestLayout

__all__ = ["CommandSignature", "Maintenance", "WalkSignature"]


class CommandSignature(wiring.Signature):
    """A command of software, seen from the registers.

    Members
    -------
    start : ``Out(1)``, mode : ``Out(2)``, whole : ``Out(1)``, first, end : ``Out(64)``
        Command: :class:`CacheMode`, the whole cache, first byte, byte after the last.
    busy : ``In(1)``
        From the cycle after ``start`` until all is done.
    refused : ``In(1)``
        With ``start``: reserved mode, or ``end`` below ``first``; nothing is done.
    """

    def __init__(self):
        super().__init__({"start": Out(1), "mode": Out(2), "whole": Out(1), "first": Out(64),
                          "end": Out(64), "busy": In(1), "refused": In(1)})


class WalkSignature(wiring.Signature):
    """What maintenance and lookup tell each other besides the requests, seen from maintenance.

    Members
    -------
    low, high : ``Out(line_bits)``, ``Out(line_bits + 1)``
        Line numbers: bounds of a walk by set, the first and the one after the last.
    working : ``In(1)``
        A request of maintenance is being looked up.
    launched, settled : ``In(1)``
        It launched a write-back; one of them was acknowledged.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"low": Out(params.line_bits), "high": Out(params.line_bits + 1),
                          "working": In(1), "launched": In(1), "settled": In(1)})


class Maintenance(wiring.Component):
    """Turn one command into requests to the lookup, one a cycle.

    They go line by line, or set by set if the range has at least as many lines as there are sets.
    A first or last line that the range covers only in part keeps its other bytes: under
    make-invalidate it is cleaned and invalidated instead, before the lines between. A command is
    done when all its lines have been looked up and all its write-backs were acknowledged, whether
    well or badly. A command is ignored while busy.

    Bytes at or above ``2**phys_bits`` do not exist and are left out.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    command : ``In(CommandSignature())``
        What to do.
    steps : ``Out(stream.Signature(RequestLayout(params)))``
        Requests.
    walk : ``Out(WalkSignature(params))``
        To and from the lookup.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "command": In(CommandSignature()),
            "steps": Out(stream.Signature(RequestLayout(params))),
            "walk": Out(WalkSignature(params)),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        command, walk = self.command, self.walk
        phys, offset = params.phys_bits, params.offset_bits

        mode = Signal(CacheMode)
        whole = Signal()
        low_part = Signal()                 # the first line is covered only in part
        high_part = Signal()
        index = Signal(params.set_bits + 1)
        awaited = Signal(6)                 # write-backs that are not acknowledged
        m.d.sync += awaited.eq(awaited + walk.launched - walk.settled)

        steps = self.steps
        taken = steps.valid & steps.ready
        last = Signal(params.line_bits)     # last line
        lines = Signal(params.line_bits + 1)
        m.d.comb += [
            lines.eq(walk.high - walk.low),
            steps.p.kind.eq(Kind.LINE),
            steps.p.line.eq(walk.low),
            steps.p.mode.eq(mode),
            steps.p.whole.eq(whole),
            command.busy.eq(1),
        ]
        with m.FSM(name="maintenance"):
            with m.State("IDLE"):
                m.d.comb += command.busy.eq(0)
                m.d.sync += [
                    mode.eq(command.mode),
                    whole.eq(command.whole),
                    index.eq(0),
                    walk.low.eq(command.first[offset:phys]),
                    low_part.eq(command.first[:offset].any()),
                    walk.high.eq(command.end[offset:phys] + command.end[:offset].any()),
                    high_part.eq(command.end[:offset].any()),
                ]
                with m.If(command.end[phys:].any()):
                    m.d.sync += [walk.high.eq(1 << params.line_bits), high_part.eq(0)]
                with m.If(command.start):
                    empty = (command.end == command.first) | command.first[phys:].any()
                    m.d.comb += command.refused.eq(
                        (command.mode == 3) | (~command.whole & (command.end < command.first)))
                    with m.If(command.refused):
                        pass
                    with m.Elif(command.whole):
                        m.next = "SETS"
                    with m.Elif(~empty):
                        m.next = "CHECK"
            with m.State("CHECK"):
                loses = mode == CacheMode.MAKE_INVALIDATE
                m.d.sync += last.eq(walk.high - 1)
                with m.If(loses & low_part):
                    m.next = "FIRST"
                with m.Elif(lines == 0):
                    m.next = "SETTLE"
                with m.Elif(loses & high_part):
                    m.next = "LAST"
                with m.Elif(lines >= params.sets):
                    m.next = "SETS"
                with m.Else():
                    m.next = "LINES"
            with m.State("FIRST"):
                m.d.comb += [steps.valid.eq(1), steps.p.mode.eq(CacheMode.CLEAN_INVALIDATE)]
                with m.If(taken):
                    m.d.sync += [low_part.eq(0), walk.low.eq(walk.low + 1)]
                    m.next = "CHECK"
            with m.State("LAST"):
                m.d.comb += [steps.valid.eq(1), steps.p.mode.eq(CacheMode.CLEAN_INVALIDATE),
                             steps.p.line.eq(last)]
                with m.If(taken):
                    m.d.sync += [high_part.eq(0), walk.high.eq(last)]
                    m.next = "CHECK"
            with m.State("LINES"):
                m.d.comb += steps.valid.eq(1)
                with m.If(taken):
                    m.d.sync += walk.low.eq(walk.low + 1)
                    with m.If(walk.low == last):
                        m.next = "SETTLE"
            with m.State("SETS"):
                m.d.comb += [
                    steps.valid.eq(1),
                    steps.p.kind.eq(Kind.SET),
                    steps.p.line.eq(index[:params.set_bits]),
                ]
                with m.If(taken):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == params.sets - 1):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(~walk.working & (awaited == 0)):
                    m.next = "IDLE"
        return m
