"""Scatter-gather descriptors that the DMA engines fetch from memory.

Source: AMD PG034, "AXI Central Direct Memory Access", section "Scatter Gather Transfer Descriptor
Definition"; AMD PG021, "AXI DMA", section "Scatter Gather Descriptor". A descriptor is aligned to
64 bytes; its words are 32-bit little-endian.

The engine reads a descriptor once, any time between the write of TAILDESC that hands it over and
its execution. NXTDESC counts as it was read then, that of the tail too. Copies start and complete
in order but overlap in time: a copy that reads what an earlier one writes belongs in a later start.
"""

import enum

from .bits import BitLayout

__all__ = [
    "AXI_DMA_APPS",
    "AXI_DMA_BYTES",
    "AXI_DMA_CONTROL",
    "AXI_DMA_STATUS",
    "CDMA_ALIGN",
    "CDMA_BYTES",
    "CDMA_CONTROL",
    "CDMA_MAX_BYTES",
    "CDMA_STATUS",
    "AxiDmaWord",
    "CdmaWord",
]

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


AXI_DMA_BYTES = 52                      # with application words; 32 without
AXI_DMA_APPS = 5


class AxiDmaWord(enum.IntEnum):
    """Byte offset of each word of an AXI DMA descriptor, and of the first application word."""

    NXTDESC = 0x00
    NXTDESC_MSB = 0x04
    BUFFER = 0x08
    BUFFER_MSB = 0x0C
    CONTROL = 0x18
    STATUS = 0x1C
    APP0 = 0x20


#: MM2S: the buffer is the first (``sof``) or last (``eof``) of its packet. S2MM, extension: ``eof``
#: counts the descriptor as a packet for the interrupt threshold even if none ends in it.
AXI_DMA_CONTROL = BitLayout("axi_dma_control", 32, {"length": (0, 26), "eof": (26, 1),
                                                    "sof": (27, 1)})
#: Written by the engine: as ``CDMA_STATUS``, and the bytes that were moved; S2MM: whether a packet
#: began (``sof``) or ended (``eof``) in the buffer.
AXI_DMA_STATUS = BitLayout("axi_dma_status", 32, {
    "transferred": (0, 26), "eof": (26, 1), "sof": (27, 1),
    **CDMA_STATUS.fields})
