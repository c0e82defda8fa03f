"""Registers of the DMA engine: AXI CDMA, and our extensions from 0x80.

A 64-bit address is written high half first, and its low half takes effect. A driver that writes low
halves first (Linux with ``xlnx,addrwidth`` above 32) is understood too: if ``curdesc_msb`` was
written after ``curdesc``, then the write of ``taildesc_msb`` starts, and not that of ``taildesc``.

Completion interrupts are coalesced: ``ioc_irq`` is set when ``irq_threshold`` descriptors have
completed since the last one. Without ``irq_delay`` it is also set when the engine becomes idle with
fewer of them unreported; with it ``dly_irq`` reports those instead, when nothing has completed for
so long. A descriptor has completed when its status is in memory. An error sets ``err_irq`` alone
and halts the engine until ``reset``.

With ``cyclic_bd`` at the write of TAILDESC that starts, the engine goes round the list without end:
it does not stop at the tail, which only starts it and may be no descriptor, nor does it mind a
descriptor that is complete; it writes statuses all the same. It ends by ``reset``.

A side with ``key_hole`` stays at its address, for all descriptors and for simple transfers, also
round a cyclic list: each access moves the bytes from there to the end of the bus word, and the rest
of the copy follows in further accesses. Reads are of whole words.

A data burst begins at the bus word that holds its first byte, and ends before the next multiple of
the longest burst (``cap``), or of 4 KiB if that is less. ``err_addr`` and fault records name that
word.

Source: AMD PG034, "AXI Central Direct Memory Access", sections "Register Space", "Error Interrupts"
and "SG Interrupt Threshold and Interrupt Coalescing".
"""

from .list_regs import control_fields, status_fields
from .regmap import Access, Field, Register, RegisterMap

__all__ = ["CDMA_REGISTERS"]

RO, RW, WARL = Access.RO, Access.RW, Access.WARL

CDMA_REGISTERS = RegisterMap("cdma", "Scatter-gather DMA engine, memory to memory.", (
    Register("cr", 0x00, "Control.", (
        Field("tail_pntr_en", 1, 1, RO, "Tail pointer mode is always on: reads 1."),
        Field("reset", 2, 1, WARL, "Write 1 to reset; reads 1 until outstanding accesses drained."),
        Field("sg_mode", 3, 1, WARL, "1 scatter-gather; 0 simple, clears curdesc. Only if idle."),
        Field("key_hole_read", 4, 1, WARL, "Fixed source address, if there. Only if idle."),
        Field("key_hole_write", 5, 1, WARL, "Fixed destination, if there. Only if idle."),
        Field("cyclic_bd", 6, 1, WARL, "Go round: no stop at the tail, no stale descriptor."),
        *control_fields("Descriptors"),
    )),
    Register("sr", 0x04, "Status.", (
        Field("idle", 1, 1, RO, "Nothing is under way: done, at the tail, or halted."),
        *status_fields("Descriptors", "Transfer of zero bytes, or past the end of addresses."),
    )),
    Register("curdesc", 0x08, "Current descriptor, low half; writable when idle.", (
        Field("addr", 6, 26, WARL, "Bits 31:6; the oldest descriptor under way, or the failed."),
    )),
    Register("curdesc_msb", 0x0C, "Current descriptor, high half.", (
        Field("addr", 0, 32, WARL, "Bits 63:32 of the address."),
    )),
    Register("taildesc", 0x10, "Last descriptor, low half; the write starts scatter-gather.", (
        Field("addr", 6, 26, WARL, "Bits 31:6 of the address; only in scatter-gather mode."),
    )),
    Register("taildesc_msb", 0x14, "Last descriptor, high half; write it first.", (
        Field("addr", 0, 32, WARL, "Bits 63:32 of the address; only in scatter-gather mode."),
    )),
    Register("sa", 0x18, "Source of a simple transfer, low half.", (
        Field("addr", 0, 32, RW, "Bits 31:0 of the address."),
    )),
    Register("sa_msb", 0x1C, "Source of a simple transfer, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32 of the address."),
    )),
    Register("da", 0x20, "Destination of a simple transfer, low half.", (
        Field("addr", 0, 32, RW, "Bits 31:0 of the address."),
    )),
    Register("da_msb", 0x24, "Destination of a simple transfer, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32 of the address."),
    )),
    Register("btt", 0x28, "Bytes to transfer; the write starts a simple transfer.", (
        Field("bytes", 0, 26, RW, "Bytes."),
    )),
    Register("cap", 0x80, "Extension: what this build has.", (
        Field("version", 0, 8, RO, "Version of the extensions: 1."),
        Field("data_bytes_log2", 8, 4, RO, "Width of the data bus, log2 of bytes."),
        Field("cyclic", 12, 1, RO, "Cyclic descriptors."),
        Field("timer", 13, 1, RO, "Delay timer."),
        Field("key_hole", 14, 1, RO, "Fixed addresses."),
        Field("reads_in_flight", 16, 8, RO, "Read bursts that may be outstanding."),
        Field("max_beats_log2", 24, 4, RO, "Longest burst, log2 of beats."),
    )),
    Register("device_id", 0x84, "Extension: identity towards the IOMMU.", (
        Field("did", 0, 24, RO, "device_id of every access."),
    )),
    Register("err_addr", 0x88, "Extension: address of the first failed access, low half.", (
        Field("addr", 0, 32, RO, "Bits 31:0 of the burst's address."),
    )),
    Register("err_addr_msb", 0x8C, "Extension: address of the first failed access, high half.", (
        Field("addr", 0, 32, RO, "Bits 63:32 of the burst's address."),
    )),
    Register("done_descs", 0x90, "Extension: descriptors completed since reset.", (
        Field("count", 0, 32, RO, "Descriptors, modulo 2**32."),
    )),
    Register("done_bytes", 0x94, "Extension: bytes whose write was acknowledged since reset.", (
        Field("count", 0, 32, RO, "Bytes, modulo 2**32."),
    )),
))
