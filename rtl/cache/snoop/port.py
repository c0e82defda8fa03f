"""The snoop port: an AXI4 subordinate for devices that see what the CPU's cache holds."""

from dataclasses import replace

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.params import CacheParams

from ..layouts import CHUNK_BEATS, PresenceSignature, RequestLayout
from ..layouts import bus as to_memory
from ..split import Split
from ..write_data import WriteData
from .check import Check
from .layouts import LocksLayout, bus
from .locks import Locks
from .reads import Reads
from .writes import Writes

__all__ = ["SnoopPort"]


class SnoopPort(wiring.Component):
    """Cut devices' bursts into parts within a line, have the cache let go of each, then pass it on.

    A read sees every store that was answered before its address came. A write is seen by every load
    whose address comes after its response. Neither puts anything into the cache. A write goes on
    when its data has come, 16 beats or less at a time; until memory has answered, the CPU's
    accesses to its line wait, and no others.

    All bursts reach memory with ID 0, INCR or FIXED, within a line. An exclusive one stays so if it
    is within a line.

    Parameters
    ----------
    params : CacheParams
        Geometry.

    Members
    -------
    device : ``In(bus(params))``
        From devices.
    memory : ``Out(to_memory(params))``
        To memory.
    steps : ``Out(stream.Signature(RequestLayout(params)))``, presence : ``Out(...)``
        To the lookup.
    locks : ``Out(LocksLayout(params))``
        Lines that must not be looked up for the CPU.
    hit, miss : ``Out(1)``
        The cache had to do something for a part; it had not.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "device": In(bus(params)), "memory": Out(to_memory(params)),
            "steps": Out(stream.Signature(RequestLayout(params))),
            "presence": Out(PresenceSignature(params)), "locks": Out(LocksLayout(params)),
            "hit": Out(1), "miss": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params, device, memory = self.params, flipped(self.device), flipped(self.memory)
        ours = replace(params, id_width=params.snoop_id_width)
        m.submodules.split_reads = split_reads = Split(ours, write=False)
        m.submodules.split_writes = split_writes = Split(ours, write=True)
        m.submodules.write_data = write_data = WriteData(ours, 2 * CHUNK_BEATS)
        m.submodules.check = check = Check(params)
        m.submodules.locks = locks = Locks(params)
        m.submodules.reads = reads = Reads(params)
        m.submodules.writes = writes = Writes(params)

        connect(m, device.ar, split_reads.i)
        connect(m, device.aw, split_writes.i)
        connect(m, device.w, write_data.w)
        connect(m, split_writes.o, write_data.i)
        connect(m, write_data.beats, writes.beats)
        connect(m, check.steps, flipped(self.steps))
        connect(m, check.presence, flipped(self.presence))
        connect(m, reads.ar, memory.ar)
        connect(m, memory.r, reads.r)
        connect(m, reads.data, device.r)
        connect(m, writes.aw, memory.aw)
        connect(m, writes.w, memory.w)
        connect(m, memory.b, writes.b)
        connect(m, writes.done, device.b)
        m.d.comb += [
            # Nothing is checked that would then have to wait for the device.
            check.reads.valid.eq(split_reads.o.valid & reads.room),
            check.reads.payload.eq(split_reads.o.payload),
            split_reads.o.ready.eq(check.reads.ready & reads.room),
            check.writes.valid.eq(write_data.o.valid & writes.room),
            check.writes.payload.eq(write_data.o.payload),
            write_data.o.ready.eq(check.writes.ready & writes.room),
            check.full.eq(write_data.full),
            reads.i.payload.eq(check.o.payload),
            reads.i.valid.eq(check.o.valid & ~check.o.p.part.write),
            writes.i.payload.eq(check.o.payload),
            writes.i.valid.eq(check.o.valid & check.o.p.part.write),
            locks.locked.eq(check.locked),
            locks.line.eq(check.line),
            locks.keep.eq(writes.i.valid),
            locks.release.eq(writes.release),
            self.locks.eq(locks.locks),
            self.hit.eq(check.hit),
            self.miss.eq(check.miss),
        ]
        return m
