"""Maintenance of a range of addresses, or of the whole cache."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheCommand, CacheEdge
from rtl.stream.queue import Queue

from .guard import Inside, WindowsLayout
from .layouts import CHUNK_BEATS, Kind, LineLayout, RequestLayout

__all__ = ["CommandSignature", "Maintenance", "WalkSignature"]


#: Requests that the lookup may hold, and one more.
RETRIES = 4


class CommandSignature(wiring.Signature):
    """A command of software, seen from the registers.

    Members
    -------
    start : ``Out(1)``, mode : ``Out(3)``, whole : ``Out(1)``, first, end : ``Out(64)``
        Command: :class:`CacheCommand`, the whole cache, first byte, byte after the last.
    edge : ``Out(CacheEdge)``
        Rule for lines that the range covers in part.
    busy : ``In(1)``
        From the cycle after ``start`` until all is done.
    refused : ``In(1)``
        With ``start``: a mode that there is not, ``end`` below ``first``, or not whole lines where
        the rule, or zero, asks for that; nothing is done.
    """

    def __init__(self):
        super().__init__({"start": Out(1), "mode": Out(3), "whole": Out(1), "edge": Out(CacheEdge),
                          "first": Out(64), "end": Out(64), "busy": In(1), "refused": In(1)})


class WalkSignature(wiring.Signature):
    """What maintenance and lookup tell each other besides the requests, seen from maintenance.

    Members
    -------
    low, high : ``Out(line_bits)``, ``Out(line_bits + 1)``
        Line numbers: bounds of a walk by set, the first and the one after the last.
    asked : ``Out(set_bits)``, some_full, some_dirty : ``In(1)``
        Whether there may be a line, or a dirty one, in the group of sets with this one.
        Combinational.
    working : ``In(1)``
        A request of maintenance is being looked up.
    again : ``In(1)``
        A request could not be carried out in full: give it again.
    line : ``In(LineLayout(params))``, single : ``In(1)``, mode : ``In(CacheMode)``, tried :
        ``In(ways)``
        Which one; whether it is for one line; ways that were written back.
    calm : ``In(1)``
        There is room for a line to be copied to memory.
    launched, settled : ``In(1)``
        It launched a write-back; one of them was acknowledged.
    """

    def __init__(self, params: CacheParams):
        super().__init__({"low": Out(params.line_bits), "high": Out(params.line_bits + 1),
                          "asked": Out(params.set_bits), "some_full": In(1), "some_dirty": In(1),
                          "again": In(1), "line": In(LineLayout(params)), "single": In(1),
                          "mode": In(2), "tried": In(params.ways), "calm": In(1),
                          "working": In(1), "launched": In(1), "settled": In(1)})


class Maintenance(wiring.Component):
    """Turn one command into requests to the lookup, one a cycle.

    They go set by set, through those sets in which lines of the range would be. A group of sets in
    which there is nothing to do costs one cycle. What the lookup could not do at once is given to
    it again, so that accesses of the CPU pass meanwhile. A first or last line that make-invalidate
    covers only in part is treated as the rule of the command says: cleaned and invalidated instead,
    before the lines between; dropped like those; or left alone. A command is done when all its
    lines have been looked up and all its write-backs were acknowledged, whether well or badly. A
    command is ignored while busy.

    Bytes at or above ``2**phys_bits`` do not exist and are left out.

    Zero and prefetch, with ``params.allocate``, become silent accesses, which bring the lines in
    like those of the CPU, from the first to the last. Lines in a guard window are left out.

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
    brought : ``In(1)``
        A silent access is done.
    windows : ``In(WindowsLayout(params))``
        Guard windows.
    barred : ``Out(1)``, line : ``Out(LineLayout(params))``
        This line is in one of them, and is not set to zero.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        self._known = [mode for mode in CacheCommand if params.allocate or mode < CacheCommand.ZERO]
        super().__init__({
            "command": In(CommandSignature()),
            "steps": Out(stream.Signature(RequestLayout(params))),
            "walk": Out(WalkSignature(params)), "brought": In(1),
            "windows": In(WindowsLayout(params)), "barred": Out(1), "line": Out(LineLayout(params)),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        command, walk = self.command, self.walk
        phys, offset = params.phys_bits, params.offset_bits

        mode = Signal(2)
        brings = Signal()                   # it is zero or prefetch
        zeroes = Signal()
        whole = Signal()
        low_part = Signal()                 # the first line is covered only in part
        high_part = Signal()
        leave = Signal()                    # those are left alone
        index = Signal(params.set_bits)     # set to look at
        left = Signal(params.set_bits + 1)  # sets to look at
        rest = Signal.like(left)            # sets to the end of the group
        empty = Signal()                    # there is nothing to do in the group
        offered = Signal()                  # a request must not be withdrawn
        awaited = Signal(6)                 # write-backs that are not acknowledged
        bringing = Signal()                 # a silent access is given to the lookup
        m.d.sync += awaited.eq(awaited + walk.launched - walk.settled
                             + bringing - self.brought)

        # What is given again goes first; but what was offered stays.
        m.submodules.retry = retry = Queue(data.StructLayout(
            {"line": LineLayout(params), "single": 1, "mode": 2,
             "tried": params.ways}), RETRIES)
        steps, new = self.steps, Signal(RequestLayout(params))
        has_new = Signal()
        old = retry.o.valid & ~offered
        taken = has_new & ~old & steps.ready
        m.d.comb += [
            retry.i.valid.eq(walk.again),
            retry.i.p.line.eq(walk.line),
            retry.i.p.single.eq(walk.single),
            retry.i.p.mode.eq(walk.mode),
            retry.i.p.tried.eq(walk.tried),
            retry.o.ready.eq(old & steps.ready),
            steps.valid.eq(old | has_new),
            steps.payload.eq(new),
        ]
        with m.If(old):
            m.d.comb += [
                steps.p.kind.eq(Mux(retry.o.p.single, Kind.LINE, Kind.SET)),
                steps.p.line.eq(retry.o.p.line),
                steps.p.mode.eq(retry.o.p.mode),
                steps.p.tried.eq(retry.o.p.tried),
            ]
        last = Signal(params.line_bits)     # last line
        lines = Signal(params.line_bits + 1)
        m.d.comb += [
            lines.eq(walk.high - walk.low),
            new.kind.eq(Kind.LINE),
            new.line.eq(walk.low),
            new.mode.eq(mode),
            new.whole.eq(whole),
            command.busy.eq(1),
            walk.asked.eq(index),
            rest.eq(params.group - index[:params.group.bit_length() - 1]),
            empty.eq(~Mux(mode == CacheCommand.CLEAN_SHARED, walk.some_dirty, walk.some_full)),
        ]
        m.d.sync += offered.eq(has_new & ~old & ~steps.ready)
        with m.FSM(name="maintenance"):
            with m.State("IDLE"):
                m.d.comb += command.busy.eq(0)
                cuts_low, cuts_high = command.first[:offset].any(), command.end[:offset].any()
                m.d.sync += [
                    mode.eq(command.mode),
                    brings.eq(command.mode[2] & params.allocate),
                    zeroes.eq(command.mode == CacheCommand.ZERO),
                    whole.eq(command.whole),
                    index.eq(0),
                    left.eq(params.sets),
                    walk.low.eq(command.first[offset:phys]),
                    low_part.eq(cuts_low & (command.edge != CacheEdge.ROUND_OUT)),
                    walk.high.eq(command.end[offset:phys] + cuts_high),
                    high_part.eq(cuts_high & (command.edge != CacheEdge.ROUND_OUT)),
                    leave.eq(command.edge == CacheEdge.LEAVE),
                ]
                with m.If(command.end[phys:].any()):
                    m.d.sync += [walk.high.eq(1 << params.line_bits), high_part.eq(0)]
                with m.If(command.start):
                    nothing = (command.end == command.first) | command.first[phys:].any()
                    cut = (((command.mode == CacheCommand.MAKE_INVALIDATE)
                            & (command.edge == CacheEdge.REFUSE))
                           | (command.mode == CacheCommand.ZERO)) & (cuts_low | cuts_high)
                    m.d.comb += command.refused.eq(
                        ~command.mode.matches(*(int(known) for known in self._known))
                        | Mux(command.whole, command.mode[2], (command.end < command.first) | cut))
                    with m.If(command.refused):
                        pass
                    with m.Elif(command.whole):
                        m.next = "SETS"
                    with m.Elif(~nothing):
                        m.next = "CHECK"
            with m.State("CHECK"):
                loses = (mode == CacheCommand.MAKE_INVALIDATE) & ~brings
                m.d.sync += last.eq(walk.high - 1)
                with m.If(loses & low_part & leave):
                    m.d.sync += [low_part.eq(0), walk.low.eq(walk.low + 1)]
                with m.Elif(loses & low_part):
                    m.next = "FIRST"
                with m.Elif(lines == 0):
                    m.next = "SETTLE"
                with m.Elif(loses & high_part & leave):
                    m.d.sync += [high_part.eq(0), walk.high.eq(walk.high - 1)]
                with m.Elif(loses & high_part):
                    m.next = "LAST"
                with m.Else():
                    with m.If(lines < params.sets):
                        m.d.sync += [index.eq(walk.low), left.eq(lines)]
                    m.next = "SETS"
                    if params.allocate:
                        with m.If(brings):
                            m.next = "BRING"
            with m.State("FIRST"):
                m.d.comb += [has_new.eq(1), new.mode.eq(CacheCommand.CLEAN_INVALIDATE)]
                with m.If(taken):
                    m.d.sync += [low_part.eq(0), walk.low.eq(walk.low + 1)]
                    m.next = "CHECK"
            with m.State("LAST"):
                m.d.comb += [has_new.eq(1), new.mode.eq(CacheCommand.CLEAN_INVALIDATE),
                             new.line.eq(last)]
                with m.If(taken):
                    m.d.sync += [high_part.eq(0), walk.high.eq(last)]
                    m.next = "CHECK"
            with m.State("SETS"):
                m.d.comb += [
                    has_new.eq(offered | (~empty & walk.calm)),
                    new.kind.eq(Kind.SET),
                    new.line.eq(index),
                ]
                # Whether there is anything to do is known late; what follows is ready for both.
                final = Mux(has_new, left == 1, left <= rest)
                with m.If(taken | (empty & ~offered)):
                    m.d.sync += [index.eq(Mux(has_new, index + 1, index + rest)),
                                 left.eq(Mux(has_new, left - 1, left - rest))]
                    with m.If(final):
                        m.next = "SETTLE"
            if self.params.allocate:
                self._bring(m, new, has_new, taken, zeroes, bringing, awaited == 0)
            with m.State("SETTLE"):
                with m.If(~walk.working & ~retry.o.valid & (awaited == 0)):
                    m.next = "IDLE"
        return m

    def _bring(self, m: Module, new, has_new, taken, zeroes, bringing, calm):
        """One access for each line; two for one that is longer than a chunk, if it is zeroed."""
        params, walk = self.params, self.walk
        pieces = -(-params.beats // CHUNK_BEATS)
        piece = Signal(range(pieces + 1))
        m.submodules.inside = inside = Inside(params)
        m.d.comb += [self.line.eq(walk.low), inside.line.eq(walk.low),
                     inside.windows.eq(self.windows)]
        with m.State("BRING"):
            guarded = inside.inside
            skips = guarded & (~zeroes | calm)      # the first that failed is to be told first
            m.d.comb += [
                self.barred.eq(skips & zeroes),
                has_new.eq(~guarded),
                bringing.eq(taken),
                new.kind.eq(Kind.ACCESS),
                new.write.eq(zeroes),
                new.silent.eq(1),
                new.last.eq(1),
                new.size.eq((params.data_width // 8).bit_length() - 1),
                new.beats.eq(min(params.beats, CHUNK_BEATS) - 1),
                new.offset.eq(piece * (CHUNK_BEATS * params.data_width // 8)),
            ]
            with m.If(taken):
                m.d.sync += piece.eq(piece + 1)
            with m.If(skips | (taken & (~zeroes | (piece == pieces - 1)))):
                m.d.sync += [piece.eq(0), walk.low.eq(walk.low + 1)]
                with m.If(walk.low + 1 == walk.high):
                    m.next = "SETTLE"
