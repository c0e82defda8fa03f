"""Entries of the in-memory queues of the RISC-V IOMMU.

Source: RISC-V IOMMU Architecture Specification, chapter "In-memory queue interface". Names in lower
case are the fields of the specification; an entry is given as its 64-bit little-endian dwords.
"""

import enum

from .bits import BitLayout

__all__ = ["COMMAND_BYTES", "FAULT_BYTES", "FAULT_DW0", "IODIR_DW0", "IODIR_FUNC3", "IOFENCE_DW0",
           "IOFENCE_DW1", "IOFENCE_FUNC3", "IOTINVAL_DW0", "IOTINVAL_DW1", "IOTINVAL_FUNC3",
           "MAX_LOG2_ENTRIES", "Opcode"]

COMMAND_BYTES = 16
FAULT_BYTES = 32
#: log2 of the entries of the longest queue that an IOMMU of this project keeps.
MAX_LOG2_ENTRIES = 16


class Opcode(enum.IntEnum):
    """Commands, by bits 6:0 of dword 0."""

    IOTINVAL = 1
    IOFENCE = 2
    IODIR = 3
    ATS = 4


class IOTINVAL_FUNC3(enum.IntEnum):
    """Function of IOTINVAL."""

    VMA = 0
    GVMA = 1


class IOFENCE_FUNC3(enum.IntEnum):
    """Function of IOFENCE."""

    C = 0


class IODIR_FUNC3(enum.IntEnum):
    """Function of IODIR."""

    INVAL_DDT = 0
    INVAL_PDT = 1


#: IOTINVAL.VMA and IOTINVAL.GVMA.
IOTINVAL_DW0 = BitLayout("iotinval_dw0", 64, {
    "opcode": (0, 7), "func3": (7, 3), "av": (10, 1), "pscid": (12, 20), "pscv": (32, 1),
    "gv": (33, 1), "nl": (34, 1), "gscid": (44, 16)})
IOTINVAL_DW1 = BitLayout("iotinval_dw1", 64, {"s": (9, 1), "addr": (10, 52)})
#: IOFENCE.C. ``addr`` of dword 1 is bits 63:2 of the address.
IOFENCE_DW0 = BitLayout("iofence_dw0", 64, {
    "opcode": (0, 7), "func3": (7, 3), "av": (10, 1), "wsi": (11, 1), "pr": (12, 1), "pw": (13, 1),
    "data": (32, 32)})
IOFENCE_DW1 = BitLayout("iofence_dw1", 64, {"addr": (0, 62)})
#: IODIR.INVAL_DDT and IODIR.INVAL_PDT. Dword 1 is reserved.
IODIR_DW0 = BitLayout("iodir_dw0", 64, {
    "opcode": (0, 7), "func3": (7, 3), "pid": (12, 20), "dv": (33, 1), "did": (40, 24)})
#: Fault record. Dword 1 is zero, dword 2 is ``iotval``, dword 3 is ``iotval2``.
FAULT_DW0 = BitLayout("fault_dw0", 64, {
    "cause": (0, 12), "pid": (12, 20), "pv": (32, 1), "priv": (33, 1), "ttyp": (34, 6),
    "did": (40, 24)})
