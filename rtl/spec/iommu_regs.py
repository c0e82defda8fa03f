"""Registers of the RISC-V IOMMU at their architectural offsets.

Source: RISC-V IOMMU Architecture Specification, chapter "Memory-mapped register interface". The
register interface here is 32 bits wide; a 64-bit register is two words, ``name`` and ``name_msb``,
and takes effect with the write of the low word: write the high word first. What a field keeps when
written (WARL) is told in its sentence. The three counters are in the custom range.
"""

from .bits import BitLayout
from .regmap import Access, Field, Register, RegisterMap

__all__ = ["CAPABILITIES", "IOMMU_REGISTERS"]

RO, RW, W1C, WARL = Access.RO, Access.RW, Access.W1C, Access.WARL

#: All bits of the 64-bit ``capabilities`` register.
CAPABILITIES = BitLayout("capabilities", 64, {
    "version": (0, 8), "sv32": (8, 1), "sv39": (9, 1), "sv48": (10, 1), "sv57": (11, 1),
    "svrsw60t59b": (14, 1), "svpbmt": (15, 1), "sv32x4": (16, 1), "sv39x4": (17, 1),
    "sv48x4": (18, 1), "sv57x4": (19, 1), "amo_mrif": (21, 1), "msi_flat": (22, 1),
    "msi_mrif": (23, 1), "amo_hwad": (24, 1), "ats": (25, 1), "t2gpa": (26, 1), "end": (27, 1),
    "igs": (28, 2), "hpm": (30, 1), "dbg": (31, 1), "pas": (32, 6), "pd8": (38, 1),
    "pd17": (39, 1), "pd20": (40, 1), "qosid": (41, 1), "nl": (42, 1), "s": (43, 1),
    "custom": (56, 8)})


def _queue_base(name: str, offset: int, doc: str) -> tuple[Register, Register]:
    return (
        Register(name, offset, f"{doc}, low half.", (
            Field("log2sz_1", 0, 5, WARL, "log2 of the number of entries, less 1; clamped."),
            Field("ppn", 10, 22, WARL, "Bits 21:0 of the page number of the queue."),)),
        Register(f"{name}_msb", offset + 4, f"{doc}, high half.", (
            Field("ppn", 0, 22, WARL, "Bits 43:22 of the page number of the queue."),)),
    )


def _index(name: str, offset: int, access: Access, doc: str) -> Register:
    return Register(name, offset, doc, (
        Field("index", 0, 32, access, "Index of an entry; bits above the queue's size read 0."),))


def _counter(name: str, offset: int, doc: str) -> Register:
    return Register(name, offset, f"Custom: {doc} since reset.", (
        Field("count", 0, 32, RO, "Events, modulo 2**32."),))


IOMMU_REGISTERS = RegisterMap("iommu", "RISC-V IOMMU.", (
    Register("capabilities", 0x000, "What this build has, low half.", (
        Field("version", 0, 8, RO, "0x10: version 1.0."),
        Field("sv32", 8, 1, RO, "First stage Sv32."),
        Field("sv39", 9, 1, RO, "First stage Sv39."),
        Field("sv48", 10, 1, RO, "First stage Sv48."),
        Field("sv57", 11, 1, RO, "First stage Sv57."),
        Field("svrsw60t59b", 14, 1, RO, "Page-table entry bits 60:59 are free for software."),
        Field("svpbmt", 15, 1, RO, "Page-based memory types."),
        Field("sv32x4", 16, 1, RO, "Second stage Sv32x4."),
        Field("sv39x4", 17, 1, RO, "Second stage Sv39x4."),
        Field("sv48x4", 18, 1, RO, "Second stage Sv48x4."),
        Field("sv57x4", 19, 1, RO, "Second stage Sv57x4."),
        Field("amo_mrif", 21, 1, RO, "Atomic update of MRIFs."),
        Field("msi_flat", 22, 1, RO, "Flat MSI page tables; device contexts of 64 bytes."),
        Field("msi_mrif", 23, 1, RO, "MSI page tables with MRIF."),
        Field("amo_hwad", 24, 1, RO, "Hardware update of A and D."),
        Field("ats", 25, 1, RO, "Address translation services."),
        Field("t2gpa", 26, 1, RO, "Guest physical addresses in ATS completions."),
        Field("end", 27, 1, RO, "Both endiannesses."),
        Field("igs", 28, 2, RO, "Interrupts: 0 messages, 1 wires, 2 both."),
        Field("hpm", 30, 1, RO, "Performance monitor."),
        Field("dbg", 31, 1, RO, "Translation request registers."),)),
    Register("capabilities_msb", 0x004, "What this build has, high half.", (
        Field("pas", 0, 6, RO, "Width of physical addresses."),
        Field("pd8", 6, 1, RO, "One-level process directory."),
        Field("pd17", 7, 1, RO, "Two-level process directory."),
        Field("pd20", 8, 1, RO, "Three-level process directory."),
        Field("qosid", 9, 1, RO, "Quality-of-service identifiers."),
        Field("nl", 10, 1, RO, "Non-leaf invalidation."),
        Field("s", 11, 1, RO, "Address-range invalidation."),
        Field("custom", 24, 8, RO, "Designated for custom use."),)),
    Register("fctl", 0x008, "Feature control.", (
        Field("be", 0, 1, WARL, "Big-endian structures; keeps 0 without capabilities.end."),
        Field("wsi", 1, 1, WARL, "Interrupts by wire; keeps 1 if capabilities.igs is 1."),
        Field("gxl", 2, 1, WARL, "Second stage Sv32x4; keeps 0 without it."),)),
    Register("ddtp", 0x010, "Device-directory-table pointer, low half.", (
        Field("mode", 0, 4, WARL, "Mode; an unsupported value keeps the old one."),
        Field("busy", 4, 1, RO, "A mode change is in progress."),
        Field("ppn", 10, 22, WARL, "Bits 21:0 of the page number of the root."),)),
    Register("ddtp_msb", 0x014, "Device-directory-table pointer, high half.", (
        Field("ppn", 0, 22, WARL, "Bits 43:22 of the page number of the root."),)),
    *_queue_base("cqb", 0x018, "Command-queue base"),
    _index("cqh", 0x020, RO, "Command-queue head: next command to fetch."),
    _index("cqt", 0x024, WARL, "Command-queue tail: written by software."),
    *_queue_base("fqb", 0x028, "Fault-queue base"),
    _index("fqh", 0x030, WARL, "Fault-queue head: written by software."),
    _index("fqt", 0x034, RO, "Fault-queue tail: next record to write."),
    Register("cqcsr", 0x048, "Command-queue control and status.", (
        Field("cqen", 0, 1, WARL, "Enable."),
        Field("cie", 1, 1, WARL, "Interrupt enable."),
        Field("cqmf", 8, 1, W1C, "Memory fault on the queue or on a fence's store."),
        Field("cmd_to", 9, 1, W1C, "Command timed out."),
        Field("cmd_ill", 10, 1, W1C, "Illegal command; cqh points at it."),
        Field("fence_w_ip", 11, 1, W1C, "A fence asked for a wired interrupt."),
        Field("cqon", 16, 1, RO, "Active."),
        Field("busy", 17, 1, RO, "A write to this register is in progress."),)),
    Register("fqcsr", 0x04C, "Fault-queue control and status.", (
        Field("fqen", 0, 1, WARL, "Enable."),
        Field("fie", 1, 1, WARL, "Interrupt enable."),
        Field("fqmf", 8, 1, W1C, "Memory fault on the queue."),
        Field("fqof", 9, 1, W1C, "A record was dropped: the queue was full."),
        Field("fqon", 16, 1, RO, "Active."),
        Field("busy", 17, 1, RO, "A write to this register is in progress."),)),
    Register("pqcsr", 0x050, "Page-request-queue control and status; not in this build.", (
        Field("zero", 0, 1, RO, "Reads 0."),)),
    Register("ipsr", 0x054, "Interrupt pending; a bit set by a standing source comes back.", (
        Field("cip", 0, 1, W1C, "Command queue."),
        Field("fip", 1, 1, W1C, "Fault queue."),
        Field("pmip", 2, 1, W1C, "Performance monitor."),
        Field("pip", 3, 1, W1C, "Page-request queue."),)),
    _counter("tlb_hits", 0x2B0, "lookups that hit the TLB"),
    _counter("tlb_misses", 0x2B4, "lookups that missed the TLB"),
    _counter("walks", 0x2B8, "first-stage page walks"),
    Register("icvec", 0x2F8, "Interrupt vector of each source, low half; two bits each are kept.", (
        Field("civ", 0, 4, WARL, "Vector of the command queue."),
        Field("fiv", 4, 4, WARL, "Vector of the fault queue."),
        Field("pmiv", 8, 4, WARL, "Vector of the performance monitor; keeps 0 in this build."),
        Field("piv", 12, 4, WARL, "Vector of the page-request queue; keeps 0 in this build."),)),
    Register("icvec_msb", 0x2FC, "Reserved, reads 0.", (
        Field("zero", 0, 32, RO, "Reads 0."),)),
))
