"""Performance monitor of the RISC-V IOMMU: events, and how a counter chooses among them.

Source: RISC-V IOMMU Architecture Specification, section "Performance-monitoring event selectors".
"""

import enum

from .bits import BitLayout

__all__ = ["IOHPMEVT", "HpmEvent"]


class HpmEvent(enum.IntEnum):
    """Value of the field ``event`` of a selector."""

    NONE = 0
    UNTRANSLATED_REQUEST = 1
    TRANSLATED_REQUEST = 2
    ATS_REQUEST = 3
    TLB_MISS = 4
    DEVICE_WALK = 5
    PROCESS_WALK = 6
    FIRST_STAGE_WALK = 7
    SECOND_STAGE_WALK = 8


#: The 64-bit selector ``iohpmevt``.
IOHPMEVT = BitLayout("iohpmevt", 64, {
    "event": (0, 15), "dmask": (15, 1), "pid_pscid": (16, 20), "did_gscid": (36, 24),
    "pv_pscv": (60, 1), "dv_gscv": (61, 1), "idt": (62, 1), "of": (63, 1)})
