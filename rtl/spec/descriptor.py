"""Scatter-gather descriptors that the DMA engine fetches from memory.

Source: AMD PG034, "AXI Central Direct Memory Access", section "Scatter Gather Transfer Descriptor
Definition". A descriptor is aligned to 64 bytes; its words are 32-bit little-endian.

The engine reads a descriptor once, any time between the write of TAILDESC that hands it over and
its execution. NXTDESC counts as it was read then, that of the tail too. Copies start and complete
in order but overlap in time: a copy that reads what an earlier one writes belongs in a later start.
"""

import enum

from .bits import BitLayout

__all__ = ["CDMA_ALIGN", "CDMA_BYTES", "CDMA_CONTROL", "CDMA_MAX_BYTES", "CDMA_STATUS", "CdmaWord"]

CDMA_ALIGN = 64
CDMA_BYTES = 32                         # bytes in use, out of 64
CDMA_MAX_BYTES = (1 << 26) - 1          # bytes to transfer that one descriptor can hold


class CdmaWord(enum.IntEnum):
    """Byte offset of each word of an AXI CDMA descriptor."""

    NXTDESC = 0x00
    NXTDESC_MSB = 0x04
    SA = 0x08
    SA_MSB = 0x0C
    DA = 0x10
    DA_MSB = 0x14
    CONTROL = 0x18
    STATUS = 0x1C


CDMA_CONTROL = BitLayout("cdma_control", 32, {"btt": (0, 26)})
#: Written by the engine when it is done with the descriptor: ``cmplt``, and what went wrong, if so.
#: A descriptor that already reads ``cmplt`` is stale: SGIntErr, and its status stays as it is.
CDMA_STATUS = BitLayout("cdma_status", 32, {
    "dma_int_err": (28, 1), "dma_slv_err": (29, 1), "dma_dec_err": (30, 1), "cmplt": (31, 1)})
