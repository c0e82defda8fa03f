"""The IOMMU: wires its parts."""

from dataclasses import replace

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.axi.signature import Signature, dma_user_layout
from rtl.params import IommuParams

from .bridge import ReadBridge, WriteBridge
from .command_queue import CommandQueue
from .context_cache import ContextCache
from .counters import Counters
from .debug_request import DebugRequest
from .debug_tap import DebugTap
from .directory_walker import DirectoryWalker, directory_signature
from .drain import Drain
from .fault_queue import FaultQueue
from .interrupt_file import InterruptFile
from .interrupts import Interrupts
from .monitor import Monitor
from .records import memory_user
from .registers import Registers
from .service import Share
from .tables import TableReads, TableWrites
from .tlb import Tlb
from .translator import Translator
from .walk_client import WalkClient
from .walk_pool import WalkPool

__all__ = ["Iommu"]


class Iommu(wiring.Component):
    """RISC-V IOMMU: device and process directories, both stages of translation, MSI page tables.

    Reads and writes of devices are translated independently. A hit costs a cycle from a device's AR
    or AW to memory's, at one burst a cycle on each; R, W and B pass in the same cycle. Reads of
    other AXI IDs pass a miss, and several walks are under way at once. What must not pass is
    answered with SLVERR, in order, and recorded in the fault queue.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Registers.
    device : ``In(Signature(addr_width=64, ..., user=dma_user_layout()))``
        Accesses with I/O virtual addresses. A burst must not cross 4 KiB.
    memory : ``Out(Signature(addr_width=phys_bits, ...))``
        Those that pass, with physical addresses, of the same IDs. AxUSER, here and at ``tables``,
        are quality-of-service identifiers: ``rcid`` and above it ``mcid``; with ``qosid``.
    tables : ``Out(Signature(addr_width=phys_bits, ...))``
        Own accesses: directories, page tables, queues and fences, as single doublewords or bursts
        of up to four; uncacheable.
    irq : ``Out(vectors)``
        Wired interrupts, a level for each vector.

    Source
    ------
    RISC-V IOMMU Architecture Specification, version 1.0.
    """

    def __init__(self, params: IommuParams):
        self.params = params
        widths = {"data_width": params.data_width, "id_width": params.id_width}
        widths_out = widths | {"addr_width": params.phys_bits, "user": memory_user(params)}
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)),
            "device": In(Signature(addr_width=64, user=dma_user_layout(), **widths)),
            "memory": Out(Signature(**widths_out)),
            "tables": Out(Signature(poison=params.poison, **widths_out)),
            "irq": Out(params.vectors),
        })

    def elaborate(self, platform):
        m = Module()
        params, phys = self.params, {"phys_bits": self.params.phys_bits}
        user = {"user": memory_user(params)}
        ids, bus = {"id_width": params.id_width}, {"data_width": params.data_width}
        flight = {"in_flight": params.in_flight}

        m.submodules.registers = registers = Registers(params)
        inner = replace(params, id_width=params.id_width + params.dbg, dbg=False)
        m.submodules.read = read = Translator(inner, writes=False, dbg=params.dbg)
        m.submodules.write = write = Translator(inner, writes=True, dbg=params.dbg)
        m.submodules.read_bridge = read_bridge = ReadBridge(**ids, **bus, **flight)
        m.submodules.write_bridge = write_bridge = WriteBridge(
            **ids, **bus, **flight, files=params.msi_mrif)
        m.submodules.contexts = contexts = ContextCache(params)
        m.submodules.directory = directory = DirectoryWalker(params)
        m.submodules.directory_share = searches = Share(directory_signature(params))
        m.submodules.tlb = tlb = Tlb(params)
        m.submodules.walks = walks = WalkPool(params, 3)
        m.submodules.guest_walks = guest = WalkClient(params)
        m.submodules.drain = drain = Drain()
        m.submodules.commands = commands = CommandQueue(params)
        m.submodules.faults = faults = FaultQueue(params)
        m.submodules.interrupts = interrupts = Interrupts(params)
        m.submodules.table_reads = reads = TableReads(
            **phys, **bus, **ids, n=3 + params.msi_mrif,
            in_flight=2 + params.walks + params.msi_mrif, poison=params.poison, end=params.end,
            words=params.narrow, **user)
        m.submodules.table_writes = writes = TableWrites(
            **phys, **bus, **ids, n=3 + params.amo_hwad + params.msi_mrif, end=params.end, **user)
        m.submodules.counters = counters = Counters()

        # Registers and interrupts.
        connect(m, flipped(self.regs), registers.bus)
        connect(m, registers.interrupts, interrupts.registers)
        connect(m, interrupts.fault, faults.message)
        m.d.comb += self.irq.eq(interrupts.irq)
        for count in ("tlb_hits", "tlb_misses", "walks"):
            m.d.comb += getattr(registers, count).eq(getattr(counters, count))
        m.d.comb += counters.walk.eq(walks.started)

        # The device's channels.
        if params.dbg:
            m.submodules.debug = debug = DebugRequest(**ids, **phys)
            connect(m, registers.debug, debug.registers)
        device, memory = flipped(self.device), flipped(self.memory)
        for k, (translator, bridge, channel) in enumerate((
                (read, read_bridge, "ar"), (write, write_bridge, "aw"))):
            outer = translator
            if params.dbg:
                outer = DebugTap(**ids, **phys, **user)
                m.submodules[f"tap_{channel}"] = outer
                connect(m, debug.asks[k], outer.ask)
                connect(m, debug.found[k], outer.found)
                for name in ("i", "o", "passed", "refused"):
                    connect(m, getattr(outer.inner, name), getattr(translator, name))
            connect(m, getattr(device, channel), outer.i)
            connect(m, outer.o, getattr(memory, channel))
            connect(m, outer.passed, bridge.passed)
            connect(m, outer.refused, bridge.refused)
            connect(m, translator.fault, faults.faults[k])
            connect(m, translator.contexts, contexts.lookup[k])
            connect(m, translator.directory, searches.clients[k])
            connect(m, translator.tlb, tlb.lookup[k])
            connect(m, translator.ask, walks.asks[k])
            connect(m, walks.answer, translator.answer)
            m.d.comb += [
                translator.mode.eq(registers.mode), translator.qos.eq(registers.qos),
                translator.room.eq(bridge.room),
                translator.flush.eq(drain.flush),
                drain.stale[2 * k].eq(translator.stale[0]),
                drain.stale[2 * k + 1].eq(translator.stale[1]),
                bridge.mark.eq(drain.mark),
                counters.hit[k].eq(translator.hit), counters.miss[k].eq(translator.miss),
            ]
        connect(m, read_bridge.device, device.r)
        connect(m, memory.r, read_bridge.memory)
        connect(m, device.w, write_bridge.device_w)
        connect(m, write_bridge.memory_w, memory.w)
        connect(m, write_bridge.device_b, device.b)
        connect(m, memory.b, write_bridge.memory_b)

        # Walkers and their caches.
        connect(m, searches.server, directory.service)
        connect(m, directory.fill, contexts.fill)
        connect(m, directory.guest, guest.service)
        connect(m, guest.ask, walks.asks[2])
        connect(m, walks.answer, guest.answer)
        connect(m, walks.fill, tlb.fill)
        m.d.comb += [
            directory.mode.eq(registers.mode), directory.root.eq(registers.root),
            directory.own_qos.eq(registers.qos), directory.gxl.eq(registers.gxl),
            directory.flush.eq(drain.flush), tlb.flush.eq(drain.flush),
            walks.flush.eq(drain.flush),
            drain.stale[4].eq(directory.stale), drain.stale[5].eq(walks.stale),
            drain.reads.eq(read_bridge.marked), drain.writes.eq(write_bridge.marked),
        ]

        if params.hpm:
            events = [*read.events, *write.events, directory.event, *walks.events]
            m.submodules.monitor = monitor = Monitor(params, len(events))
            connect(m, registers.monitor, monitor.registers)
            for ours, counter in zip(registers.counters, monitor.counters, strict=True):
                connect(m, ours, counter)
            for event, source in zip(events, monitor.sources, strict=True):
                connect(m, event, source)

        # Queues.
        connect(m, commands.queue, registers.commands.engine)
        connect(m, commands.drain, drain.clients[0])
        connect(m, registers.drain, drain.clients[1])
        connect(m, commands.translations, tlb.drop)
        connect(m, commands.translations, walks.drop)
        connect(m, faults.queue, registers.faults.engine)
        m.d.comb += [commands.mode.eq(registers.mode), contexts.drop.eq(commands.contexts),
                     commands.wired.eq(registers.interrupts.wired)]
        m.d.comb += [part.big.eq(registers.interrupts.big)
                     for part in (directory, commands, faults)]
        for engine, queue, strobes in (
                (commands, registers.commands, ("memory_fault", "illegal", "fence_done")),
                (faults, registers.faults, ("memory_fault", "overflow", "recorded"))):
            m.d.comb += engine.stopped.eq(queue.stopped)
            m.d.comb += [getattr(queue, name).eq(getattr(engine, name)) for name in strobes]

        # Own accesses.
        own = registers.qos
        readers = [(directory.qos, directory.table), (own, commands.fetch),
                   (walks.table_qos, walks.table)]
        writers = [*((own, part.store) for part in (faults, commands, interrupts)),
                   (walks.store_qos, walks.store)]
        writers = writers[:3 + params.amo_hwad]
        for file, capture, held, good in zip(write.file, write_bridge.capture, write_bridge.held,
                                             write_bridge.good, strict=True):
            m.submodules.interrupt_file = unit = InterruptFile(params)
            connect(m, file, unit.message)
            connect(m, capture, unit.capture)
            m.d.comb += [held.eq(file.want), good.eq(file.good), unit.locks.eq(walks.locks),
                         walks.holds.eq(unit.holds)]
            readers.append((file.qos, unit.table))
            writers.append((file.qos, unit.store))
        for k, (qos, reader) in enumerate(readers):
            connect(m, reader, reads.readers[k])
            m.d.comb += reads.users[k].eq(qos)
        for k, (qos, writer) in enumerate(writers):
            connect(m, writer, writes.writers[k])
            m.d.comb += writes.users[k].eq(qos)
        tables = flipped(self.tables)
        m.d.comb += registers.hold.eq(reads.ar.valid | writes.aw.valid)
        connect(m, reads.ar, tables.ar)
        connect(m, tables.r, reads.r)
        connect(m, writes.aw, tables.aw)
        connect(m, writes.w, tables.w)
        connect(m, tables.b, writes.b)
        return m
