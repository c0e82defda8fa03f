"""Registers of the stream DMA engine: AXI DMA, and our extensions from 0x80.

Two channels: MM2S reads memory and sends a stream, S2MM receives a stream and writes memory. Their
registers have the same layout, S2MM's 0x30 further up. A 64-bit address is written high half first;
low half first is understood as in :mod:`rtl.spec.cdma_regs`.

``run`` = 0 stops a channel at the next boundary of bursts, ``halted`` tells when no access is
outstanding, and ``run`` = 1 goes on from there; a write of ``curdesc`` in between drops what was
not done. Both modes are in every build: ``taildesc`` starts scatter-gather, ``length`` a single
transfer, in a channel that is idle.

Interrupts on completion are coalesced by packets: ``ioc_irq`` is set when ``irq_threshold`` of them
have completed since the last one. Without ``irq_delay`` it is also set when the channel becomes
idle with fewer of them unreported; with it ``dly_irq`` reports those instead.

Source: AMD PG021, "AXI DMA", sections "Register Space", "Interrupts" and "Errors".
"""

from .list_regs import control_fields, status_fields
from .regmap import Access, Field, Register, RegisterMap

__all__ = ["AXI_DMA_CHANNELS", "AXI_DMA_REGISTERS"]

RO, RW, WARL = Access.RO, Access.RW, Access.WARL

#: Channels, in the order of their registers and interrupts.
AXI_DMA_CHANNELS = ("mm2s", "s2mm")


def _channel(name: str, base: int, extension: int, address: str) -> tuple[Register, ...]:
    """List the registers of one channel, from ``base`` and from ``extension`` on."""
    who = name.upper()

    def half(stem: str, offset: int, doc: str, lsb: int = 0, access: Access = WARL) -> tuple:
        return (
            Register(f"{name}_{stem}", offset, f"{who}: {doc}, low half.", (
                Field("addr", lsb, 32 - lsb, access, f"Bits 31:{lsb} of the address."),)),
            Register(f"{name}_{stem}_msb", offset + 4, f"{who}: {doc}, high half.", (
                Field("addr", 0, 32, access, "Bits 63:32 of the address."),)),
        )

    return (
        Register(f"{name}_cr", base, f"{who}: control.", (
            Field("run", 0, 1, WARL, "1 runs; 0 stops at the next boundary of bursts."),
            Field("tail_pntr_en", 1, 1, RO, "Tail pointer mode is always on: reads 1."),
            Field("reset", 2, 1, WARL, "Write 1 to reset; reads 1 until the channel drained."),
            Field("key_hole", 3, 1, WARL, "Fixed address in memory; not in this build: 0."),
            Field("cyclic_bd", 4, 1, WARL, "Go round: no stop at the tail, no stale descriptor."),
            *control_fields("Packets"),
        )),
        Register(f"{name}_sr", base + 4, f"{who}: status.", (
            Field("halted", 0, 1, RO, "Stopped, and no access is outstanding."),
            Field("idle", 1, 1, RO, "Running, and nothing is left to do; 0 if halted."),
            *status_fields("Packets", "Buffer of no bytes, past the end of addresses, or too "
                                      "short for the packet of a single transfer."),
        )),
        *half("curdesc", base + 0x08, "current descriptor; writable when halted", 6),
        *half("taildesc", base + 0x10, "last descriptor; the write starts scatter-gather", 6),
        *half(address, base + 0x18, "buffer of a single transfer", access=RW),
        Register(f"{name}_length", base + 0x28, f"{who}: length; the write starts a transfer.", (
            Field("bytes", 0, 26, WARL, "Bytes of the buffer; S2MM: in the end, those received."),
        )),
        *half("err_addr", extension, "extension: the first failed access", access=RO),
        Register(f"{name}_done_descs", extension + 8, f"{who}: extension: descriptors completed.", (
            Field("count", 0, 32, RO, "Descriptors since reset, modulo 2**32."),)),
        Register(f"{name}_done_bytes", extension + 12, f"{who}: extension: bytes moved.", (
            Field("count", 0, 32, RO, "Bytes that the stream or memory took since reset, modulo "
                                      "2**32."),)),
    )


AXI_DMA_REGISTERS = RegisterMap("axi_dma", "Scatter-gather DMA engine, memory and streams.", tuple(
    sorted((
        *_channel("mm2s", 0x00, 0x90, "sa"),
        *_channel("s2mm", 0x30, 0xA0, "da"),
        Register("cap", 0x80, "Extension: what this build has.", (
            Field("version", 0, 8, RO, "Version of the extensions: 1."),
            Field("data_bytes_log2", 8, 4, RO, "Width of bus and streams, log2 of bytes."),
            Field("cyclic", 12, 1, RO, "Cyclic descriptors."),
            Field("timer", 13, 1, RO, "Delay timer."),
            Field("apps", 14, 1, RO, "Application words, by control and status streams."),
            Field("own_port", 15, 1, RO, "Descriptors have a port of their own."),
            Field("reads_in_flight", 16, 8, RO, "Read bursts that may be outstanding."),
            Field("max_beats_log2", 24, 4, RO, "Longest burst, log2 of beats."),
            Field("mm2s", 28, 1, RO, "Channel MM2S."),
            Field("s2mm", 29, 1, RO, "Channel S2MM."),
        )),
        Register("device_id", 0x84, "Extension: identity towards the IOMMU.", (
            Field("did", 0, 24, RO, "device_id of every access."),
        )),
        Register("options", 0x88, "Extension: options; no reset changes them.", (
            Field("split_reset", 0, 1, RW, "1: channels are reset alone; 0, as documented: both."),
            Field("app_words", 1, 1, RW, "Packets have application words; only while idle."),
        )),
    ), key=lambda register: register.offset)))
