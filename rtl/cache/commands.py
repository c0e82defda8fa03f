"""Commands that wait for the maintenance, and what became of them."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheEdge
from rtl.stream.queue import Queue

from .layouts import LineLayout
from .maintenance import CommandSignature

__all__ = ["CommandLayout", "Commands", "ResultLayout"]


class CommandLayout(data.StructLayout):
    """A command: as in :class:`CommandSignature`, and ``tag``, ``notify`` for its result."""

    def __init__(self):
        super().__init__({"mode": 3, "edge": CacheEdge, "whole": 1, "first": 64, "end": 64,
                          "notify": 1, "tag": 8})


class ResultLayout(data.StructLayout):
    """What became of it.

    ``tag`` and ``notify`` of the command, ``refused``, ``error`` (a line could not be written
    back, or not set to zero), ``line`` (the first such), ``lines`` (written back).
    """

    def __init__(self, params: CacheParams):
        super().__init__({"tag": 8, "notify": 1, "refused": 1, "error": 1,
                          "line": LineLayout(params), "lines": 32})


class Commands(wiring.Component):
    """Give commands to the maintenance one after the other: a direct one, else the oldest queued.

    A queued command starts only if there is room for its result. A direct one that comes while
    another is under way waits for its end.

    Parameters
    ----------
    params : CacheParams
        Geometry; ``params.commands`` commands may be queued, and as many results.

    Members
    -------
    direct : ``In(CommandSignature())``
        A command without a result; not to be given while ``busy``.
    queued : ``In(stream.Signature(CommandLayout()))``
        Commands with one.
    results : ``Out(stream.Signature(ResultLayout(params)))``
        Results, in the order of the commands.
    command : ``Out(CommandSignature())``
        To the maintenance.
    cleaned, spoiled : ``In(1)``, line : ``In(LineLayout(params))``
        Memory has taken, or refused, a line that maintenance wrote back; or zeroing one failed.
    level : ``Out(range(commands + 1))``
        Commands that wait.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "direct": In(CommandSignature()),
            "queued": In(stream.Signature(CommandLayout())),
            "results": Out(stream.Signature(ResultLayout(params))),
            "command": Out(CommandSignature()),
            "cleaned": In(1), "spoiled": In(1), "line": In(LineLayout(params)),
            "level": Out(range(params.commands + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        params, command, direct = self.params, self.command, self.direct
        m.submodules.queue = queue = Queue(CommandLayout(), params.commands)
        m.submodules.done = done = Queue(ResultLayout(params), params.commands)
        connect(m, flipped(self.queued), queue.i)
        connect(m, done.o, flipped(self.results))

        waits = Signal()                    # a direct command came while another was under way
        result = Signal(ResultLayout(params))
        m.d.comb += [
            self.level.eq(queue.level),
            done.i.payload.eq(result),
            direct.busy.eq(waits),
        ]
        names = "mode", "edge", "whole", "first", "end"
        m.d.comb += [getattr(command, name).eq(getattr(direct, name)) for name in names]
        with m.If(direct.start):
            m.d.sync += waits.eq(1)
        with m.FSM(name="commands"):
            with m.State("IDLE"):
                with m.If(direct.start | waits):
                    m.d.comb += [command.start.eq(1), direct.refused.eq(command.refused)]
                    m.d.sync += waits.eq(0)
                    m.next = "DIRECT"
                with m.Elif(queue.o.valid & done.i.ready):
                    m.d.comb += [command.start.eq(1), queue.o.ready.eq(1)]
                    m.d.comb += [getattr(command, name).eq(queue.o.p[name]) for name in names]
                    m.d.sync += [
                        result.eq(0),
                        result.tag.eq(queue.o.p.tag),
                        result.notify.eq(queue.o.p.notify),
                        result.refused.eq(command.refused),
                    ]
                    m.next = "QUEUED"
            with m.State("DIRECT"):
                m.d.comb += direct.busy.eq(command.busy)
                with m.If(~command.busy):
                    m.next = "IDLE"
            with m.State("QUEUED"):
                m.d.sync += result.lines.eq(result.lines + self.cleaned)
                with m.If(self.spoiled):
                    m.d.sync += result.error.eq(1)
                    with m.If(~result.error):
                        m.d.sync += result.line.eq(self.line)
                with m.If(~command.busy):
                    m.d.comb += done.i.valid.eq(1)
                    m.next = "IDLE"
        return m
