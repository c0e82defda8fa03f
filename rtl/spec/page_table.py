"""Device contexts, page-table entries, and the arithmetic of their levels.

Source: RISC-V IOMMU Architecture Specification, chapter "Data Structures" (device directory, device
context); RISC-V Privileged Architecture, chapters "Sv39" to "Sv57", "Svnapot", "Svpbmt" (entries).
"""

import enum

from .bits import BitLayout

__all__ = ["DC_BYTES", "DC_BYTES_EXTENDED", "DC_IOHGATP", "DC_TA", "DC_TC", "DDI_BITS_BASE",
           "DDI_BITS_EXTENDED", "DDTE", "IOSATP", "MSI_PTE", "MSI_PTE_BASIC", "MSI_PTE_BYTES",
           "MSI_PTE_FILE", "MSI_PTE_MRIF", "MSI_PTE_NOTICE", "PAGE_BITS", "PAGE_BYTES", "PC_BYTES",
           "PC_TA", "PDI_BITS", "PTE", "PTE_BYTES",
           "PTE_BYTES_SV32", "VPN_BITS", "VPN_BITS_SV32", "DdtpMode", "IosatpMode", "MsiptpMode",
           "PdtpMode", "level_bytes"]

PAGE_BITS = 12
PAGE_BYTES = 1 << PAGE_BITS
VPN_BITS = 9                            # bits of virtual page number that index one level
PTE_BYTES = 8
VPN_BITS_SV32 = 10                      # the same of Sv32, which has two levels
PTE_BYTES_SV32 = 4
DC_BYTES = 32                           # base format: tc, iohgatp, ta, fsc
DDI_BITS_BASE = (7, 9, 8)               # device_id bits for each directory level, base format
DC_BYTES_EXTENDED = 64                  # the same, msiptp, msi_addr_mask, msi_addr_pattern, zero
DDI_BITS_EXTENDED = (6, 9, 9)
PC_BYTES = 16                           # ta, fsc
PDI_BITS = (8, 9, 3)                    # process_id bits for each directory level
MSI_PTE_BYTES = 16


class DdtpMode(enum.IntEnum):
    """Value of ``ddtp.iommu_mode``."""

    OFF = 0
    BARE = 1
    LVL1 = 2
    LVL2 = 3
    LVL3 = 4


class IosatpMode(enum.IntEnum):
    """Value of ``iosatp.mode``, and of ``iohgatp.mode`` for the same with x4.

    Sv32 is that with SXL, in a second stage with GXL; the others are those without.
    """

    BARE = 0
    SV39 = 8
    SV48 = 9
    SV57 = 10
    SV32 = 8


class PdtpMode(enum.IntEnum):
    """Value of ``pdtp.mode``."""

    BARE = 0
    PD8 = 1
    PD17 = 2
    PD20 = 3


class MsiptpMode(enum.IntEnum):
    """Value of ``msiptp.mode``."""

    OFF = 0
    FLAT = 1


#: Dword 0 of a device context: translation control.
DC_TC = BitLayout("dc_tc", 64, {
    "v": (0, 1), "en_ats": (1, 1), "en_pri": (2, 1), "t2gpa": (3, 1), "dtf": (4, 1),
    "pdtv": (5, 1), "prpr": (6, 1), "gade": (7, 1), "sade": (8, 1), "dpe": (9, 1), "sbe": (10, 1),
    "sxl": (11, 1)})
#: Dword 1: second-stage root.
DC_IOHGATP = BitLayout("dc_iohgatp", 64, {"ppn": (0, 44), "gscid": (44, 16), "mode": (60, 4)})
#: Dword 2: translation attributes.
DC_TA = BitLayout("dc_ta", 64, {"pscid": (12, 20), "rcid": (40, 12), "mcid": (52, 12)})
#: Dword 3 (fsc): first-stage root, or process directory (pdtp) if ``tc.pdtv``; msiptp is alike.
IOSATP = BitLayout("iosatp", 64, {"ppn": (0, 44), "mode": (60, 4)})
#: Dword 0 of a process context; dword 1 is fsc.
PC_TA = BitLayout("pc_ta", 64, {"v": (0, 1), "ens": (1, 1), "sum": (2, 1), "pscid": (12, 20)})
#: Dword 0 of an entry of an MSI page table; dword 1 is ignored if ``m`` is ``MSI_PTE_BASIC``.
MSI_PTE = BitLayout("msi_pte", 64, {"v": (0, 1), "m": (1, 2), "ppn": (10, 44), "c": (63, 1)})
MSI_PTE_BASIC, MSI_PTE_FILE = 3, 1
#: The same if ``m`` is ``MSI_PTE_FILE``: bits 55:9 of the address of an interrupt file in memory.
MSI_PTE_MRIF = BitLayout("msi_pte_mrif", 64, {
    "v": (0, 1), "m": (1, 2), "file": (7, 47), "c": (63, 1)})
#: Then dword 1: page, and data in two parts, of a notice.
MSI_PTE_NOTICE = BitLayout("msi_pte_notice", 64, {"low": (0, 10), "ppn": (10, 44), "high": (60, 1)})
#: Non-leaf entry of the device directory, or of a process directory.
DDTE = BitLayout("ddte", 64, {"v": (0, 1), "ppn": (10, 44)})
#: Page-table entry of Sv39, Sv48 and Sv57, and in its low half of Sv32; leaf if any of ``r``,
#: ``w``, ``x``.
PTE = BitLayout("pte", 64, {
    "v": (0, 1), "r": (1, 1), "w": (2, 1), "x": (3, 1), "u": (4, 1), "g": (5, 1), "a": (6, 1),
    "d": (7, 1), "rsw": (8, 2), "ppn": (10, 44), "rsw60t59b": (59, 2), "pbmt": (61, 2),
    "n": (63, 1)})


def level_bytes(level: int) -> int:
    """Bytes that one entry of ``level`` maps: 4 KiB at level 0, 2 MiB at 1, 1 GiB at 2."""
    return 1 << PAGE_BITS + VPN_BITS * level
