"""Fault causes and transaction types of the RISC-V IOMMU.

Source: RISC-V IOMMU Architecture Specification, chapter "In-memory queue interface", section
"Fault/Event-Queue (FQ)", tables of CAUSE and TTYP encodings.
"""

import enum

__all__ = ["DTF_KEEPS", "Cause", "TransactionType"]


class Cause(enum.IntEnum):
    """Value of the CAUSE field of a fault record."""

    NONE = 0                        # not an encoding of the specification: no fault
    EXEC_ACCESS_FAULT = 1
    READ_MISALIGNED = 4
    READ_ACCESS_FAULT = 5
    WRITE_MISALIGNED = 6
    WRITE_ACCESS_FAULT = 7
    EXEC_PAGE_FAULT = 12
    READ_PAGE_FAULT = 13
    WRITE_PAGE_FAULT = 15
    EXEC_GUEST_PAGE_FAULT = 20
    READ_GUEST_PAGE_FAULT = 21
    WRITE_GUEST_PAGE_FAULT = 23
    ALL_INBOUND_DISALLOWED = 256
    DDT_LOAD_FAULT = 257
    DDT_INVALID = 258
    DDT_MISCONFIGURED = 259
    TYPE_DISALLOWED = 260
    MSI_PTE_LOAD_FAULT = 261
    MSI_PTE_INVALID = 262
    MSI_PTE_MISCONFIGURED = 263
    MRIF_ACCESS_FAULT = 264
    PDT_LOAD_FAULT = 265
    PDT_INVALID = 266
    PDT_MISCONFIGURED = 267
    DDT_CORRUPTION = 268
    PDT_CORRUPTION = 269
    MSI_PT_CORRUPTION = 270
    MRIF_CORRUPTION = 271
    INTERNAL_DATA_PATH_ERROR = 272
    MSI_WRITE_ACCESS_FAULT = 273
    PAGE_TABLE_CORRUPTION = 274


class TransactionType(enum.IntEnum):
    """Value of the TTYP field of a fault record."""

    NONE = 0
    UNTRANSLATED_EXEC = 1
    UNTRANSLATED_READ = 2
    UNTRANSLATED_WRITE = 3
    TRANSLATED_EXEC = 5
    TRANSLATED_READ = 6
    TRANSLATED_WRITE = 7
    ATS_REQUEST = 8
    MESSAGE_REQUEST = 9


#: Causes that are reported even if the device context sets DTF (disable translation faults).
DTF_KEEPS = frozenset({
    Cause.ALL_INBOUND_DISALLOWED, Cause.DDT_LOAD_FAULT, Cause.DDT_INVALID, Cause.DDT_MISCONFIGURED,
    Cause.DDT_CORRUPTION, Cause.INTERNAL_DATA_PATH_ERROR, Cause.MSI_WRITE_ACCESS_FAULT,
})
