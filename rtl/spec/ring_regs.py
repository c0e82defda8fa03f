"""Registers of the native ring front end of the DMA engine, a channel every 4 KiB.

Descriptors and completions are in :mod:`.ring_formats`. ``tail``, ``head`` and ``done`` count slots
of the descriptor ring, modulo 2**16; a slot's place in the ring is its number modulo the ring's
size. ``base``, ``completion_base`` and ``size_log2`` must not change while ``run`` is set, nor
``tail`` once a cyclic ring has begun, which only ``reset`` ends.

A completion is in memory when ``done`` counts it. An error sets ``err_irq`` and ``halted``; what
was issued is completed, and nothing more is fetched until ``reset``. After a reset all registers
are as after power-on; to go on, software sets ``head`` to the slot that failed, or to the one
behind it. With ``proceed`` a descriptor that is invalid, or whose data access failed, does not
halt: what was begun behind it is done again from its begin. Fault, address and slot of an error
stay in the registers until one comes that finds ``err_irq`` clear.

``pause`` stops at the boundaries of bursts; ``paused`` tells that every burst was answered. A write
of ``reset`` stops likewise and then forgets everything; it never waits for anything but answers.

Source: this project; docs/ring.md.
"""

from .regmap import Access, Field, Register, RegisterMap

__all__ = ["RING_REGISTERS"]

RO, RW, W1C, WARL = Access.RO, Access.RW, Access.W1C, Access.WARL

RING_REGISTERS = RegisterMap("ring", "Native ring front end of the DMA engine.", (
    Register("cap", 0x00, "What this build has.", (
        Field("version", 0, 8, RO, "Version of registers and formats: 1."),
        Field("data_bytes_log2", 8, 4, RO, "Width of the data bus, log2 of bytes."),
        Field("own_port", 12, 1, RO, "Descriptors and completions have a port of their own."),
        Field("fill", 13, 1, RO, "Operation `fill` is there."),
        Field("strided", 14, 1, RO, "Several rows a descriptor are there."),
        Field("cyclic", 15, 1, RO, "`cr.cyclic` is there."),
        Field("reads_in_flight", 16, 8, RO, "Read bursts that may be outstanding."),
        Field("max_beats_log2", 24, 4, RO, "Longest burst, log2 of beats."),
        Field("process_id", 28, 1, RO, "Register `process_id` is there."),
        Field("urgent", 29, 1, RO, "`cr.urgent` is there."),
        Field("proceed", 30, 1, RO, "`cr.proceed` is there."),
    )),
    Register("cap2", 0x04, "What this build has, continued.", (
        Field("addr_bits", 0, 8, RO, "Width of DMA addresses."),
        Field("depth", 16, 16, RO, "Descriptors that are fetched ahead at most."),
    )),
    Register("device_id", 0x08, "Identity towards the IOMMU.", (
        Field("did", 0, 24, RO, "device_id of every access."),
    )),
    Register("cr", 0x0C, "Control.", (
        Field("run", 0, 1, RW, "Fetch descriptors up to the tail."),
        Field("pause", 1, 1, RW, "Issue no burst."),
        Field("reset", 2, 1, WARL, "Write 1 to reset; reads 1 until outstanding accesses drained."),
        Field("cyclic", 3, 1, WARL, "Behind the last slot goes slot 0; writable while idle."),
        Field("urgent", 4, 1, WARL, "Go before channels without; writable while idle."),
        Field("proceed", 5, 1, WARL, "Go on behind what failed; writable while idle."),
        Field("irq_en", 8, 1, RW, "Interrupt on completion."),
        Field("err_irq_en", 9, 1, RW, "Interrupt on error."),
        Field("irq_threshold", 16, 8, WARL, "Flagged descriptors an interrupt; 0 is not kept."),
    )),
    Register("sr", 0x10, "Status.", (
        Field("idle", 0, 1, RO, "Nothing is under way: all done, or halted."),
        Field("paused", 1, 1, RO, "`pause` is set, and every burst was answered."),
        Field("halted", 2, 1, RO, "An error stopped the channel."),
        Field("fault", 4, 3, RO, "The error, as in a completion."),
        Field("write", 7, 1, RO, "The access that failed was a write."),
        Field("irq", 8, 1, W1C, "Completion interrupt."),
        Field("err_irq", 9, 1, W1C, "Error interrupt."),
        Field("refused", 10, 1, RO, "The IOMMU refused that access; `fault` is then an SLVERR."),
    )),
    Register("size", 0x14, "Size of both rings.", (
        Field("log2", 0, 4, RW, "log2 of slots, and of completions; 3 to 15."),
    )),
    Register("base", 0x18, "Descriptor ring, low half.", (
        Field("addr", 12, 20, RW, "Bits 31:12; aligned to 4 KiB and to the ring's size."),
    )),
    Register("base_msb", 0x1C, "Descriptor ring, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32."),
    )),
    Register("completion_base", 0x20, "Completion ring, low half.", (
        Field("addr", 12, 20, RW, "Bits 31:12; aligned to 4 KiB and to the ring's size."),
    )),
    Register("completion_base_msb", 0x24, "Completion ring, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32."),
    )),
    Register("tail", 0x28, "Doorbell.", (
        Field("slot", 0, 16, RW, "Slots that were handed over: the first that is not valid yet."),
    )),
    Register("head", 0x2C, "Fetch pointer.", (
        Field("slot", 0, 16, WARL, "Next slot to ask for; writable while `run` is 0 and idle."),
    )),
    Register("done", 0x30, "Progress, readable at once.", (
        Field("slot", 0, 16, RO, "Slot of the last descriptor that was completed."),
        Field("count", 16, 16, RO, "Completions written, modulo 2**16."),
    )),
    Register("done_bytes", 0x34, "Bytes whose write was acknowledged since reset.", (
        Field("count", 0, 32, RO, "Bytes, modulo 2**32."),
    )),
    Register("err_addr", 0x38, "Address of the access that failed, low half.", (
        Field("addr", 0, 32, RO, "Bits 31:0 of the burst's address."),
    )),
    Register("err_addr_msb", 0x3C, "Address of the access that failed, high half.", (
        Field("addr", 0, 32, RO, "Bits 63:32 of the burst's address."),
    )),
    Register("process_id", 0x40, "Identity towards the IOMMU, continued; writable while idle.", (
        Field("pid", 0, 20, WARL, "process_id of every access."),
        Field("valid", 31, 1, WARL, "Accesses have a process_id."),
    )),
    Register("err_slot", 0x44, "Descriptor that failed.", (
        Field("slot", 0, 16, RO, "Its first slot."),
    )),
))
