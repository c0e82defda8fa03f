"""The memory side: refills, write-backs, uncacheable accesses."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.stream.arbiter import Arbiter

from .answers import OutcomeSignature
from .bypass import Bypass, ProbeSignature, TurnSignature
from .data_array import PlaceLayout, StoreLayout
from .layouts import (
    FlightSignature,
    LineLayout,
    MissLayout,
    TaskLayout,
    VictimLayout,
    bus,
    channel,
)
from .memory_port import MemoryPort
from .readout import Readout
from .refill import FillSignature, Refill
from .write_back import WriteBack

__all__ = ["Back"]


class Back(wiring.Component):
    """Join what talks to memory.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    memory : ``Out(bus(params))``
        Memory.
    misses, flight, fill, fills, outcome
        As of :class:`~rtl.cache.refill.Refill`.
    lines
        As of :class:`~rtl.cache.readout.Readout`.
    evicted, cleaned, spoiled
        As of :class:`~rtl.cache.write_back.WriteBack`.
    probe, port
        As of :class:`~rtl.cache.bypass.Bypass`.
    w : ``In(channel(params, "w"))``
        Data of uncacheable writes.
    copies, data
        As of :class:`~rtl.cache.readout.Readout`.
    tasks : ``Out(stream.Signature(TaskLayout(params)))``
        Changes of state that memory's answers bring about.
    refill_error, write_error : ``Out(1)``, refill_line, write_line : ``Out(LineLayout(params))``
        Memory has answered with an error.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        line = LineLayout(params)
        super().__init__({
            "memory": Out(bus(params)),
            "misses": In(stream.Signature(MissLayout(params))),
            "flight": In(FlightSignature(params)),
            "fill": Out(FillSignature(params)), "outcome": In(OutcomeSignature(params)),
            "fills": Out(stream.Signature(StoreLayout(params))),
            "lines": In(stream.Signature(VictimLayout(params))),
            "copies": Out(stream.Signature(PlaceLayout(params))), "data": In(params.data_width),
            "evicted": Out(1), "cleaned": Out(1), "spoiled": Out(1),
            "probe": In(ProbeSignature(params)), "port": Out(TurnSignature()),
            "w": In(channel(params, "w")),
            "tasks": Out(stream.Signature(TaskLayout(params))),
            "refill_error": Out(1), "refill_line": Out(line),
            "write_error": Out(1), "write_line": Out(line),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.refill = refill = Refill(params)
        m.submodules.readout = readout = Readout(params)
        m.submodules.write_back = write_back = WriteBack(params)
        m.submodules.bypass = bypass = Bypass(params)
        m.submodules.port = port = MemoryPort(params)
        m.submodules.tasks = tasks = Arbiter(TaskLayout(params), 2)

        connect(m, flipped(self.misses), refill.misses)
        connect(m, flipped(self.flight), refill.flight)
        connect(m, refill.fill, flipped(self.fill))
        connect(m, refill.fills, flipped(self.fills))
        connect(m, flipped(self.outcome), refill.outcome)
        connect(m, flipped(self.lines), readout.lines)
        connect(m, readout.victims, write_back.victims)
        connect(m, readout.copies, flipped(self.copies))
        connect(m, flipped(self.probe), bypass.probe)
        connect(m, bypass.port, flipped(self.port))

        connect(m, refill.ar, port.refill_ar)
        connect(m, bypass.ar, port.bypass_ar)
        connect(m, write_back.aw, port.victim_aw)
        connect(m, bypass.aw, port.bypass_aw)
        connect(m, readout.w, port.victim_w)
        connect(m, flipped(self.w), port.bypass_w)
        connect(m, port.refill_r, refill.r)
        connect(m, port.bypass_r, bypass.r)
        connect(m, port.victim_b, write_back.b)
        connect(m, port.bypass_b, bypass.b)
        connect(m, port.memory, flipped(self.memory))

        connect(m, refill.tasks, tasks.i[0])
        connect(m, write_back.tasks, tasks.i[1])
        connect(m, tasks.o, flipped(self.tasks))
        m.d.comb += [
            refill.written.eq(write_back.written),
            refill.failed.eq(write_back.failed),
            readout.data.eq(self.data),
            bypass.quiet.eq(refill.idle & write_back.idle & ~self.lines.valid),
            port.bypass.eq(bypass.active),
            self.evicted.eq(write_back.evicted),
            self.cleaned.eq(write_back.cleaned),
            self.spoiled.eq(write_back.spoiled),
            self.refill_error.eq(refill.error),
            self.refill_line.eq(refill.error_line),
            self.write_error.eq(write_back.error),
            self.write_line.eq(write_back.error_line),
        ]
        return m
