"""Registers of the cache controller: commands, status, counters."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.params import CacheParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.cache_regs import CACHE_REGISTERS

from .commands import CommandLayout, ResultLayout
from .counters import ROWS, Counters
from .guard import WindowsLayout
from .layouts import EventLayout, LineLayout
from .maintenance import CommandSignature

__all__ = ["Registers"]

#: Version of the extensions.
VERSION = 1


class Registers(wiring.Component):
    """What software sees of the cache: :data:`rtl.spec.cache_regs.CACHE_REGISTERS`.

    Parameters
    ----------
    params : CacheParams
        Geometry, for ``cap``.

    Members
    -------
    bus : ``In(lite.Signature(addr_width=12))``
        Bus.
    windows : ``Out(WindowsLayout(params))``
        Guard windows.
    irq : ``Out(1)``
        A status bit is set and enabled.
    direct : ``Out(CommandSignature())``
        Command of ``ctl``.
    queued : ``Out(stream.Signature(CommandLayout()))``, waiting : ``In(range(commands + 1))``
        Commands of ``cmd``; those that wait.
    results : ``In(stream.Signature(ResultLayout(params)))``
        What became of those.
    working : ``In(1)``
        A command is under way.
    events : ``In(EventLayout(params))``
        What the lookup found.
    snoop_hit, snoop_miss : ``In(1)``
        What the snoop port found.
    evicted, cleaned : ``In(1)``
        Memory has taken a line.
    refill_error, write_error : ``In(1)``, with refill_line, write_line : ``In(LineLayout(params))``
        Memory has answered with an error.
    """

    def __init__(self, params: CacheParams):
        self.params = params
        line = LineLayout(params)
        super().__init__({
            "bus": In(lite.Signature(addr_width=12)), "irq": Out(1),
            "windows": Out(WindowsLayout(params)),
            "direct": Out(CommandSignature()),
            "queued": Out(stream.Signature(CommandLayout())),
            "waiting": In(range(params.commands + 1)),
            "results": In(stream.Signature(ResultLayout(params))), "working": In(1),
            "events": In(EventLayout(params)), "evicted": In(1), "cleaned": In(1),
            "snoop_hit": In(1), "snoop_miss": In(1),
            "refill_error": In(1), "write_error": In(1),
            "refill_line": In(line), "write_line": In(line),
        })

    def elaborate(self, platform):
        m = Module()
        params = self.params
        m.submodules.regfile = regfile = RegisterFile(CACHE_REGISTERS)
        connect(m, flipped(self.bus), regfile.bus)
        fields = regfile.fields

        m.d.comb += [
            self.direct.start.eq(fields.ctl.w_stb & fields.ctl.enable_w),
            self.direct.mode.eq(fields.ctl.mode),
            self.direct.whole.eq(fields.ctl.whole),
            self.direct.first.eq(Cat(fields.start.addr, fields.start_msb.addr)),
            self.direct.end.eq(Cat(fields.end.addr, fields.end_msb.addr)),
            fields.ctl.enable.eq(self.direct.busy),
            fields.cap.version.eq(VERSION),
            fields.cap.line_bytes_log2.eq(params.offset_bits),
            fields.cap.ways.eq(params.ways),
            fields.cap.sets_log2.eq(params.set_bits),
            fields.cap.misses.eq(params.misses),
            fields.cap.commands.eq(params.commands),
            fields.cap2.guards.eq(params.guards),
            fields.cap2.snoop.eq(params.snoop),
            fields.cap2.allocate.eq(params.allocate),
            fields.cap2.random.eq(params.random),
            fields.cap2.overtake.eq(params.overtake),
            fields.cap2.prefetch.eq(params.prefetch),
        ]
        for number, window in enumerate(self.windows):
            first, high, last, last_high = (getattr(fields, f"guard{number}{part}")
                                            for part in ("", "_msb", "_last", "_last_msb"))
            m.d.comb += [window.on.eq(first.on), window.first.eq(Cat(first.page, high.page)),
                         window.last.eq(Cat(last.page, last_high.page))]

        result, full = self.results.p, Signal()
        m.d.comb += [
            self.queued.valid.eq(fields.cmd.w_stb),
            self.queued.p.first.eq(self.direct.first),
            self.queued.p.end.eq(self.direct.end),
            full.eq(fields.cmd.w_stb & ~self.queued.ready),
            fields.queue.waiting.eq(self.waiting),
            fields.queue.working.eq(self.working),
            self.results.ready.eq(fields.result.w_stb & fields.result.valid_w),
            fields.result.valid.eq(self.results.valid),
            fields.result.refused.eq(result.refused),
            fields.result.error.eq(result.error),
            fields.result.tag.eq(result.tag),
            fields.result_lines.lines.eq(result.lines),
            Cat(fields.result_addr.addr, fields.result_addr_msb.addr).eq(
                Cat(C(0, params.offset_bits), result.line)),
        ]
        m.d.comb += [self.queued.p[name].eq(getattr(fields.cmd, name))
                     for name in ("mode", "edge", "whole", "notify", "tag")]
        # The queue of results shows a new one where there was none, or behind one that went.
        told = Signal()
        m.d.comb += fields.status.done.eq(self.results.valid & ~told & result.notify)
        m.d.sync += told.eq(self.results.valid & ~self.results.ready)

        errors = {"refill_error": self.refill_error, "write_error": self.write_error,
                  "refused": self.direct.refused | full}
        raised = {name: getattr(fields.status, f"{name}_q") for name in (*errors, "done")}
        m.d.comb += [getattr(fields.status, name).eq(value) for name, value in errors.items()]
        m.d.comb += self.irq.eq(Cat(
            raised[name] & getattr(fields.irq_en, name) for name in raised).any())

        first_error = Signal(params.phys_bits)
        with m.If(~raised["refill_error"] & ~raised["write_error"]):
            with m.If(self.write_error):
                m.d.sync += first_error.eq(Cat(C(0, params.offset_bits), self.write_line))
            with m.Elif(self.refill_error):
                m.d.sync += first_error.eq(Cat(C(0, params.offset_bits), self.refill_line))
        m.d.comb += [fields.err_addr.addr.eq(first_error),
                     fields.err_addr_msb.addr.eq(first_error[32:])]

        # Counted a cycle late, which keeps the counters away from the lookup.
        events = Signal.like(self.events)
        m.d.sync += events.eq(self.events)
        counted = {
            "read_hits": events.read_hit, "read_misses": events.read_miss,
            "write_hits": events.write_hit, "write_misses": events.write_miss,
            "evictions": self.evicted, "cleaned": self.cleaned, "invalidated": events.dropped,
        }
        if params.snoop:
            counted |= {"snoop_hits": self.snoop_hit, "snoop_misses": self.snoop_miss}
        rows = {name: CACHE_REGISTERS[name].offset // 4 % ROWS for name in counted}
        m.submodules.counters = counters = Counters(
            {row: params.ways if name == "invalidated" else 1 for name, row in rows.items()})
        m.d.comb += counters.row.eq(regfile.word)
        m.d.comb += [counters.steps[f"row_{rows[name]}"].eq(step)
                     for name, step in counted.items()]
        with m.Switch(regfile.word):
            with m.Case(*(CACHE_REGISTERS[name].offset // 4 for name in counted)):
                m.d.comb += regfile.elsewhere.eq(counters.value)
        return m
