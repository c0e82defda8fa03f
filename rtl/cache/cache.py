"""Write-back cache controller between a CPU and memory."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.params import CacheParams

from .access import Access
from .back import Back
from .commands import Commands
from .front import Front
from .layouts import bus
from .lookup import Lookup
from .maintenance import Maintenance
from .masks import chosen
from .prefetch import Prefetch
from .registers import Registers
from .snoop.layouts import bus as snoop_bus
from .snoop.port import SnoopPort

__all__ = ["Cache"]


class Cache(wiring.Component):
    """Set-associative, write-back, write-allocate cache with range maintenance.

    Parameters
    ----------
    params : CacheParams
        Geometry, and what there is.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Registers: :data:`rtl.spec.cache_regs.CACHE_REGISTERS`.
    cpu : ``In(bus(params))``, memory : ``Out(bus(params))``
        The CPU; memory.
    snoop : ``In(snoop.layouts.bus(params))``, snooped : ``Out(bus(params))``
        With ``params.snoop``: devices that see what the cache holds, and their way to memory.
    irq : ``Out(1)``
        Interrupt.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)), "cpu": In(bus(params)),
            "memory": Out(bus(params)), "irq": Out(1),
            **({"snoop": In(snoop_bus(params)), "snooped": Out(bus(params))}
               if params.snoop else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        cpu = flipped(self.cpu)
        m.submodules.registers = registers = Registers(params)
        m.submodules.commands = commands = Commands(params)
        m.submodules.maintenance = maintenance = Maintenance(params)
        m.submodules.front = front = Front(params)
        m.submodules.lookup = lookup = Lookup(params)
        m.submodules.access = access = Access(params)
        m.submodules.back = back = Back(params)

        # Commands.
        connect(m, flipped(self.regs), registers.bus)
        connect(m, registers.direct, commands.direct)
        connect(m, registers.queued, commands.queued)
        connect(m, commands.results, registers.results)
        connect(m, commands.command, maintenance.command)
        connect(m, maintenance.steps, front.steps)
        connect(m, maintenance.walk, lookup.walk)

        # From the CPU to the lookup, and what that decides.
        connect(m, cpu.ar, front.ar)
        connect(m, cpu.aw, front.aw)
        connect(m, cpu.w, front.w)
        connect(m, front.requests, lookup.requests)
        connect(m, lookup.orders, access.orders)
        connect(m, lookup.aside, access.aside)
        connect(m, lookup.misses, back.misses)
        connect(m, lookup.flight, back.flight)
        connect(m, lookup.probe, back.probe)

        # Data, to the CPU and to memory, and what memory answers.
        connect(m, front.beats, access.beats)
        connect(m, access.r, cpu.r)
        connect(m, access.b, cpu.b)
        connect(m, access.w, back.w)
        connect(m, lookup.lines, back.lines)
        connect(m, back.copies, access.copies)
        connect(m, back.fill, access.fill)
        connect(m, back.fills, access.fills)
        connect(m, access.outcome, back.outcome)
        connect(m, back.port, access.port)
        connect(m, back.tasks, lookup.tasks)
        connect(m, back.memory, flipped(self.memory))

        if params.prefetch:
            m.submodules.prefetch = prefetch = Prefetch(params)
            connect(m, prefetch.steps, front.prefetches)
            m.d.comb += [prefetch.read.eq(lookup.events.read_hit | lookup.events.read_miss),
                         prefetch.line.eq(lookup.walk.line),
                         prefetch.windows.eq(registers.windows)]

        if params.snoop:
            m.submodules.port = port = SnoopPort(params)
            connect(m, flipped(self.snoop), port.device)
            connect(m, port.memory, flipped(self.snooped))
            connect(m, port.steps, front.snoops)
            connect(m, port.presence, lookup.presence)
            m.d.comb += [front.locks.eq(port.locks), registers.snoop_hit.eq(port.hit),
                         registers.snoop_miss.eq(port.miss)]

        m.d.comb += [
            self.irq.eq(registers.irq),
            back.data.eq(access.copied),
            lookup.stored.eq(access.stored),
            access.incoming.eq(self.memory.r.p.data),
            registers.waiting.eq(commands.level),
            registers.working.eq(maintenance.command.busy),
            commands.cleaned.eq(back.cleaned),
            commands.spoiled.eq(back.spoiled | access.lost | maintenance.barred),
            commands.line.eq(chosen(Cat(back.spoiled, access.lost, maintenance.barred),
                                    [back.write_line, access.line, maintenance.line])),
            maintenance.windows.eq(registers.windows),
            maintenance.brought.eq(access.brought),
            lookup.windows.eq(registers.windows),
            registers.events.eq(lookup.events),
            registers.evicted.eq(back.evicted),
            registers.cleaned.eq(back.cleaned),
            registers.refill_error.eq(back.refill_error),
            registers.refill_line.eq(back.refill_line),
            registers.write_error.eq(back.write_error),
            registers.write_line.eq(back.write_line),
        ]
        return m
