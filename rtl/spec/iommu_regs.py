"""Registers of the RISC-V IOMMU at their architectural offsets.

Source: RISC-V IOMMU Architecture Specification, chapter "Memory-mapped register interface". The
register interface here is 32 bits wide; a 64-bit register is two words, ``name`` and ``name_msb``,
and takes effect with the write of the low word: write the high word first. What a field keeps when
written (WARL) is told in its sentence. The three counters are in the custom range.
"""

from dataclasses import replace

from .bits import BitLayout
from .regmap import Access, Field, Register, RegisterMap

__all__ = ["CAPABILITIES", "IOMMU_REGISTERS", "MAX_COUNTERS", "MAX_VECTORS"]

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


def _wide(name: str, offset: int, doc: str, *fields: Field) -> tuple[Register, Register]:
    """Two registers of a 64-bit one, from fields at their places in it; none crosses bit 32."""
    halves = [[], []]
    for item in fields:
        pieces = ((0, item.lsb, min(item.msb, 31)), (1, max(item.lsb, 32) - 32, item.msb - 32))
        for half, low, high in pieces:
            if 0 <= low <= high:
                halves[half].append(replace(item, lsb=low, width=high - low + 1))
    return (Register(name, offset, f"{doc}, low half.", tuple(halves[0])),
            Register(f"{name}_msb", offset + 4, f"{doc}, high half.", tuple(halves[1])))


def _message(vector: int) -> tuple[Register, ...]:
    """Entry of ``msi_cfg_tbl``."""
    offset, what = 0x300 + 16 * vector, f"of the message of vector {vector}"
    return (
        *_wide(f"msi_addr_{vector}", offset, f"Address {what}",
               Field("addr", 2, 54, RW, "Bits 55:2.")),
        Register(f"msi_data_{vector}", offset + 8, f"Data {what}.", (
            Field("data", 0, 32, RW, "Data."),)),
        Register(f"msi_vec_ctl_{vector}", offset + 12, f"Control {what}.", (
            Field("m", 0, 1, RW, "Mask: the message waits."),)))


def _monitor() -> tuple[Register, ...]:
    """Make the performance monitor, with all counters that registers have room for."""
    numbers = range(1, MAX_COUNTERS + 1)
    return (
        Register("iocountovf", 0x058, "Overflow bits of all counters.", (
            Field("cy", 0, 1, RO, "Of the cycles."),
            Field("hpm", 1, 31, RO, "Of counters 1 to 31."),)),
        Register("iocountinh", 0x05C, "What does not count.", (
            Field("cy", 0, 1, WARL, "The cycles."),
            Field("hpm", 1, 31, WARL, "Counters 1 to 31; 0 for those that are not there."),)),
        *_wide("iohpmcycles", 0x060, "Cycles",
               Field("count", 0, 63, WARL, "Cycles."), Field("of", 63, 1, WARL, "Overflow.")),
        *(half for n in numbers for half in _wide(
            f"iohpmctr_{n}", 0x060 + 8 * n, f"Counter {n}",
            Field("count", 0, 64, WARL, "Events."))),
        *(half for n in numbers for half in _wide(
            f"iohpmevt_{n}", 0x158 + 8 * n, f"What counter {n} counts",
            Field("event", 0, 15, WARL, "Event; 0 for none."),
            Field("dmask", 15, 1, WARL, "The device or guest is a range, of a power of two."),
            Field("pid_pscid", 16, 20, WARL, "Process, or process address space."),
            Field("did_gscid", 36, 24, WARL, "Device, or guest address space."),
            Field("pv_pscv", 60, 1, WARL, "Only of that process."),
            Field("dv_gscv", 61, 1, WARL, "Only of that device or guest."),
            Field("idt", 62, 1, WARL, "Of address spaces, not of devices and processes."),
            Field("of", 63, 1, WARL, "Overflow."))),
    )


def _debug() -> tuple[Register, ...]:
    """Make the translation-request registers."""
    return (
        *_wide("tr_req_iova", 0x258, "Page to translate",
               Field("vpn", 12, 52, RW, "Bits 63:12 of its address.")),
        *_wide("tr_req_ctl", 0x260, "Request to translate",
               Field("go", 0, 1, WARL, "Write 1 to begin; 1 while it is under way."),
               Field("priv", 1, 1, RW, "With supervisor privilege."),
               Field("exe", 2, 1, RW, "Read for execute."),
               Field("nw", 3, 1, RW, "Without write."),
               Field("pid", 12, 20, RW, "Process."),
               Field("pv", 32, 1, RW, "There is a process."),
               Field("did", 40, 24, RW, "Device.")),
        *_wide("tr_response", 0x268, "Answer to the request",
               Field("fault", 0, 1, RO, "It may not; all else is 0."),
               Field("pbmt", 7, 2, RO, "Memory type."),
               Field("s", 9, 1, RO, "The page is larger than 4 KiB; always 0."),
               Field("ppn", 10, 44, RO, "Physical page number.")),
    )


#: Interrupt vectors, and counters, that registers have room for.
MAX_VECTORS, MAX_COUNTERS = 16, 31

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
        Field("wsi", 1, 1, WARL, "Interrupts by wire; keeps capabilities.igs if that is 0 or 1."),
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
    *_monitor(),
    *_debug(),
    Register("iommu_qosid", 0x270, "Quality-of-service identifiers of own accesses.", (
        Field("rcid", 0, 12, WARL, "Resource control."),
        Field("mcid", 16, 12, WARL, "Monitoring counter."),)),
    _counter("tlb_hits", 0x2B0, "lookups that hit the TLB"),
    _counter("tlb_misses", 0x2B4, "lookups that missed the TLB"),
    _counter("walks", 0x2B8, "first-stage page walks"),
    Register("icvec", 0x2F8, "Interrupt vector of each source, low half.", (
        Field("civ", 0, 4, WARL, "Vector of the command queue; cut to the vectors that there are."),
        Field("fiv", 4, 4, WARL, "Vector of the fault queue."),
        Field("pmiv", 8, 4, WARL, "Vector of the performance monitor; keeps 0 without it."),
        Field("piv", 12, 4, WARL, "Vector of the page-request queue; keeps 0 without it."),)),
    Register("icvec_msb", 0x2FC, "Reserved, reads 0.", (
        Field("zero", 0, 32, RO, "Reads 0."),)),
    *(register for vector in range(MAX_VECTORS) for register in _message(vector)),
))
