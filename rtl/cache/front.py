"""The CPU side: from bursts to requests."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams
from rtl.stream.arbiter import Arbiter
from rtl.stream.queue import Queue

from .choose import Choose
from .layouts import RequestLayout, channel
from .snoop.layouts import LocksLayout
from .snoop.locks import Gate
from .split import Split
from .write_data import WriteData

__all__ = ["Front"]


class Front(wiring.Component):
    """Turn bursts of the CPU into requests to the lookup, and put maintenance among them.

    A read becomes a request in the cycle of its address, a write in the cycle after its last data
    of 16 beats or less.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    ar, aw, w : ``In(channel(params, ...))``
        From the CPU.
    steps : ``In(stream.Signature(RequestLayout(params)))``
        Maintenance.
    prefetches : ``In(stream.Signature(RequestLayout(params)))``
        With a prefetcher: its requests.
    snoops : ``In(stream.Signature(RequestLayout(params)))``, locks : ``In(LocksLayout(params))``
        With a snoop port: its requests, and lines whose accesses wait.
    requests : ``Out(stream.Signature(RequestLayout(params)))``
        To the lookup.
    beats : ``Out(channel(params, "w"))``
        Write data, in the order of the requests.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "ar": In(channel(params, "ar")), "aw": In(channel(params, "aw")),
            "w": In(channel(params, "w")),
            "steps": In(stream.Signature(RequestLayout(params))),
            "requests": Out(stream.Signature(RequestLayout(params))),
            "beats": Out(channel(params, "w")),
            **({"prefetches": In(stream.Signature(RequestLayout(params)))}
               if params.prefetch else {}),
            **({"snoops": In(stream.Signature(RequestLayout(params))),
                "locks": In(LocksLayout(params))} if params.snoop else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.split_reads = split_reads = Split(params, write=False)
        m.submodules.split_writes = split_writes = Split(params, write=True)
        m.submodules.parts = parts = Queue(RequestLayout(params), 2)    # as late as their data
        m.submodules.write_data = write_data = WriteData(params)
        m.submodules.choose = choose = Choose(params)

        connect(m, flipped(self.ar), split_reads.i)
        connect(m, flipped(self.aw), split_writes.i)
        connect(m, split_writes.o, parts.i)
        connect(m, flipped(self.w), write_data.w)
        connect(m, parts.o, write_data.i)
        connect(m, write_data.beats, flipped(self.beats))
        steps = flipped(self.steps)
        if params.prefetch:
            m.submodules.ahead = ahead = Arbiter(RequestLayout(params), 2)
            connect(m, steps, ahead.i[0])
            connect(m, flipped(self.prefetches), ahead.i[1])
            steps = ahead.o
        if params.snoop:
            m.submodules.gate_reads = gate_reads = Gate(params)
            m.submodules.gate_writes = gate_writes = Gate(params)
            m.submodules.gate_steps = gate_steps = Gate(params)
            m.submodules.inner = inner = Arbiter(RequestLayout(params), 2)
            connect(m, split_reads.o, gate_reads.i)
            connect(m, write_data.o, gate_writes.i)
            connect(m, gate_reads.o, choose.reads)
            connect(m, gate_writes.o, choose.writes)
            connect(m, steps, gate_steps.i)
            connect(m, gate_steps.o, inner.i[0])
            connect(m, flipped(self.snoops), inner.i[1])
            connect(m, inner.o, choose.steps)
            m.d.comb += [gate.locks.eq(self.locks)
                         for gate in (gate_reads, gate_writes, gate_steps)]
        else:
            connect(m, split_reads.o, choose.reads)
            connect(m, write_data.o, choose.writes)
            connect(m, steps, choose.steps)
        connect(m, choose.o, flipped(self.requests))
        return m
