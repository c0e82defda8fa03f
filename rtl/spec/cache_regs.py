"""Registers of the cache controller: range maintenance, and our extensions from 0x20.

Source: Linux ``drivers/cache/starfive_starlink_cache.c`` for START, END and CTL (facts: offsets,
mode values, polling of bit 0). A 64-bit write goes high half first; the low half of CTL starts.
"""

import enum

from .regmap import Access, Field, Register, RegisterMap

__all__ = ["CACHE_REGISTERS", "CacheCommand", "CacheEdge", "CacheMode"]

RO, RW, W1C, WARL, WO = Access.RO, Access.RW, Access.W1C, Access.WARL, Access.WO


class CacheMode(enum.IntEnum):
    """Value of ``ctl.mode``."""

    CLEAN_INVALIDATE = 0
    MAKE_INVALIDATE = 1
    CLEAN_SHARED = 2


class CacheCommand(enum.IntEnum):
    """Value of ``cmd.mode``, which has a bit more: the modes of ``ctl``, and what brings lines."""

    CLEAN_INVALIDATE = 0
    MAKE_INVALIDATE = 1
    CLEAN_SHARED = 2
    #: Set whole lines to zero, in the cache; with ``cap2.allocate``.
    ZERO = 4
    #: Bring lines in, without error if that fails; with ``cap2.allocate``.
    PREFETCH = 5


class CacheEdge(enum.IntEnum):
    """Value of ``cmd.edge``: what make-invalidate does to lines that the range covers in part."""

    #: Clean and invalidate them: the bytes outside are kept. ``ctl`` always does that.
    FLUSH = 0
    #: Drop them like the others.
    ROUND_OUT = 1
    #: Leave them as they are.
    LEAVE = 2
    #: Refuse the command.
    REFUSE = 3


def _guard(number: int, offset: int) -> tuple[Register, ...]:
    name = f"guard{number}"
    return (
        Register(name, offset, f"Extension: guard window {number}; the low half turns it on.", (
            Field("on", 0, 1, RW, "Accesses of the CPU to these pages are not cached."),
            Field("page", 12, 20, RW, "First page: address bits 31:12."))),
        Register(f"{name}_msb", offset + 4, "Extension: its first page, high half.", (
            Field("page", 0, 32, RW, "Address bits 63:32."),)),
        Register(f"{name}_last", offset + 8, "Extension: its last page, to be written before.", (
            Field("page", 12, 20, RW, "Address bits 31:12."),)),
        Register(f"{name}_last_msb", offset + 12, "Extension: its last page, high half.", (
            Field("page", 0, 32, RW, "Address bits 63:32."),)))


def _counter(name: str, offset: int, doc: str) -> Register:
    return Register(name, offset, f"Extension: {doc} since reset.", (
        Field("count", 0, 32, RO, "Events, modulo 2**32."),))


CACHE_REGISTERS = RegisterMap("cache", "Write-back cache controller.", (
    Register("start", 0x00, "First byte of the range, low half.", (
        Field("addr", 0, 32, RW, "Bits 31:0 of the physical address."),)),
    Register("start_msb", 0x04, "First byte of the range, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32 of the physical address."),)),
    Register("end", 0x08, "First byte after the range, low half.", (
        Field("addr", 0, 32, RW, "Bits 31:0 of the physical address."),)),
    Register("end_msb", 0x0C, "First byte after the range, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32 of the physical address."),)),
    Register("ctl", 0x10, "Maintenance command; the write starts it.", (
        Field("enable", 0, 1, WARL, "Write 1 to start; reads 1 until the last write is answered."),
        Field("mode", 1, 2, RW, "Operation; 3 is refused: status.refused.", values=CacheMode),
        Field("whole", 3, 1, RW, "Extension: the whole cache, whatever START and END say."),
    )),
    Register("cap", 0x20, "Extension: geometry.", (
        Field("version", 0, 8, RO, "Version of the extensions: 1."),
        Field("line_bytes_log2", 8, 4, RO, "Line, log2 of bytes."),
        Field("ways", 12, 4, RO, "Ways."),
        Field("sets_log2", 16, 8, RO, "Sets, log2."),
        Field("misses", 24, 4, RO, "Lines that may be on their way from memory at once."),
        Field("commands", 28, 4, RO, "Commands that the queue behind cmd holds, and results."),
    )),
    Register("status", 0x24, "Extension: errors.", (
        Field("refill_error", 0, 1, W1C, "A refill failed; the line was not kept."),
        Field("write_error", 1, 1, W1C, "A write-back failed; the line stayed dirty."),
        Field("refused", 2, 1, W1C, "A command had a reserved mode, or END below START; or cmd was "
                                    "written while the queue was full."),
        Field("done", 3, 1, W1C, "A queued command with cmd.notify has its result."),
    )),
    Register("err_addr", 0x28, "Extension: line of the first error since status was 0, low half.", (
        Field("addr", 0, 32, RO, "Bits 31:0 of the physical address."),)),
    Register("err_addr_msb", 0x2C, "Extension: line of the first error, high half.", (
        Field("addr", 0, 32, RO, "Bits 63:32 of the physical address."),)),
    Register("irq_en", 0x30, "Extension: interrupt enable, by bit of status.", (
        Field("refill_error", 0, 1, RW, "Interrupt on refill_error."),
        Field("write_error", 1, 1, RW, "Interrupt on write_error."),
        Field("refused", 2, 1, RW, "Interrupt on refused."),
        Field("done", 3, 1, RW, "Interrupt on done."),
    )),
    Register("cap2", 0x34, "Extension: more of what there is.", (
        Field("guards", 0, 4, RO, "Guard windows."),
        Field("snoop", 4, 4, RO, "Writes of coherent devices that may be under way; 0: no port."),
        Field("random", 9, 1, RO, "Replacement is random, not tree pseudo-LRU."),
        Field("overtake", 10, 1, RO, "Read hits overtake misses of other IDs."),
        Field("prefetch", 12, 4, RO, "Lines brought in ahead of a sequential reader."),
        Field("allocate", 8, 1, RO, "There are the commands zero and prefetch."),
    )),
    _counter("read_hits", 0x40, "read bursts or parts of one, within a line, that hit"),
    _counter("read_misses", 0x44, "those that missed"),
    _counter("write_hits", 0x48, "write bursts or parts of one, within a line, that hit"),
    _counter("write_misses", 0x4C, "those that missed"),
    _counter("evictions", 0x50, "dirty lines written back to make room"),
    _counter("cleaned", 0x54, "dirty lines written back by maintenance"),
    _counter("invalidated", 0x58, "valid lines dropped by maintenance"),
    _counter("snoop_hits", 0x5C, "accesses of coherent devices, or parts of one within a line, "
                                 "before which a line was written back or dropped"),
    Register("cmd", 0x60, "Extension: the write queues a command for the range START to END.", (
        Field("mode", 0, 3, WO, "Operation, as in ctl, or zero, which takes whole lines only and "
                                "no ``whole``, or prefetch.", values=CacheCommand),
        Field("whole", 3, 1, WO, "The whole cache, whatever START and END say."),
        Field("edge", 4, 2, WO, "Rule for lines that the range covers in part.", values=CacheEdge),
        Field("notify", 6, 1, WO, "Set status.done when the command has its result."),
        Field("tag", 8, 8, WO, "Comes back with the result."),
    )),
    Register("queue", 0x64, "Extension: the command queue.", (
        Field("waiting", 0, 4, RO, "Commands that have not begun."),
        Field("working", 4, 1, RO, "A command, queued or not, is under way."),
    )),
    Register("result", 0x68, "Extension: the oldest result of a queued command.", (
        Field("valid", 0, 1, WARL, "There is one; write 1 to go on to the next."),
        Field("refused", 1, 1, RO, "The command was refused: mode, END below START, or edge."),
        Field("error", 2, 1, RO, "A line could not be written back; it stayed dirty. Or one could "
                                 "not be set to zero: it was not brought in, or is guarded."),
        Field("tag", 8, 8, RO, "Of the command."),
    )),
    Register("result_lines", 0x6C, "Extension: lines that the command wrote back.", (
        Field("lines", 0, 32, RO, "Lines."),)),
    Register("result_addr", 0x70, "Extension: first line with such an error, low half.", (
        Field("addr", 0, 32, RO, "Bits 31:0 of the physical address."),)),
    Register("result_addr_msb", 0x74, "Extension: the same, high half.", (
        Field("addr", 0, 32, RO, "Bits 63:32 of the physical address."),)),
    _counter("snoop_misses", 0x78, "those that needed neither"),
    *_guard(0, 0x80), *_guard(1, 0x90),
))
