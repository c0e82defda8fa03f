"""Registers of the cache controller: commands, status, counters."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.params import CacheParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.cache_regs import CACHE_REGISTERS

from .layouts import LineLayout
from .lookup import EventLayout
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
    irq : ``Out(1)``
        A status bit is set and enabled.
    command : ``Out(CommandSignature())``
        To the maintenance.
    events : ``In(EventLayout(params))``
        What the lookup found.
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
            "command": Out(CommandSignature()),
            "events": In(EventLayout(params)), "evicted": In(1), "cleaned": In(1),
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
            self.command.start.eq(fields.ctl.w_stb & fields.ctl.enable_w),
            self.command.mode.eq(fields.ctl.mode),
            self.command.whole.eq(fields.ctl.whole),
            self.command.first.eq(Cat(fields.start.addr, fields.start_msb.addr)),
            self.command.end.eq(Cat(fields.end.addr, fields.end_msb.addr)),
            fields.ctl.enable.eq(self.command.busy),
            fields.cap.version.eq(VERSION),
            fields.cap.line_bytes_log2.eq(params.offset_bits),
            fields.cap.ways.eq(params.ways),
            fields.cap.sets_log2.eq(params.set_bits),
            fields.cap.misses.eq(params.misses),
        ]

        errors = {"refill_error": self.refill_error, "write_error": self.write_error,
                  "refused": self.command.refused}
        raised = {name: getattr(fields.status, f"{name}_q") for name in errors}
        m.d.comb += [getattr(fields.status, name).eq(value) for name, value in errors.items()]
        m.d.comb += self.irq.eq(Cat(
            raised[name] & getattr(fields.irq_en, name) for name in errors).any())

        first_error = Signal(params.phys_bits)
        with m.If(~raised["refill_error"] & ~raised["write_error"]):
            with m.If(self.write_error):
                m.d.sync += first_error.eq(Cat(C(0, params.offset_bits), self.write_line))
            with m.Elif(self.refill_error):
                m.d.sync += first_error.eq(Cat(C(0, params.offset_bits), self.refill_line))
        m.d.comb += [fields.err_addr.addr.eq(first_error),
                     fields.err_addr_msb.addr.eq(first_error[32:])]

        # Counted a cycle late, which keeps the adders away from the lookup.
        events = Signal.like(self.events)
        m.d.sync += events.eq(self.events)
        counted = {
            "read_hits": events.read_hit, "read_misses": events.read_miss,
            "write_hits": events.write_hit, "write_misses": events.write_miss,
            "evictions": self.evicted, "cleaned": self.cleaned, "invalidated": events.dropped,
        }
        for name, step in counted.items():
            count = Signal(32, name=name)
            with m.If(step != 0):
                m.d.sync += count.eq(count + step)
            m.d.comb += getattr(fields, name).count.eq(count)
        return m
