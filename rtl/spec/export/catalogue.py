"""All that the contract has."""

from ..axi_dma_regs import AXI_DMA_REGISTERS
from ..cache_regs import CACHE_REGISTERS, CacheCommand, CacheEdge, CacheMode
from ..cdma_regs import CDMA_REGISTERS
from ..descriptor import (
    AXI_DMA_CONTROL,
    AXI_DMA_STATUS,
    CDMA_CONTROL,
    CDMA_STATUS,
    AxiDmaWord,
    CdmaWord,
)
from ..faults import Cause, TransactionType
from ..hpm import IOHPMEVT, HpmEvent
from ..iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from ..memory_regs import MEMORY_REGISTERS
from ..page_table import (
    DC_IOHGATP,
    DC_TA,
    DC_TC,
    DDTE,
    IOSATP,
    MSI_PTE,
    MSI_PTE_MRIF,
    MSI_PTE_NOTICE,
    PC_TA,
    PTE,
    DdtpMode,
    IosatpMode,
    MsiptpMode,
    PdtpMode,
)
from ..platform import (
    AXI_DMA_BASE,
    CACHE_BASE,
    CDMA_BASE,
    IOMMU_BASE,
    RING_BASE,
    SIMULATION_BASE,
    Irq,
)
from ..queues import (
    FAULT_DW0,
    IODIR_DW0,
    IODIR_FUNC3,
    IOFENCE_DW0,
    IOFENCE_DW1,
    IOFENCE_FUNC3,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    IOTINVAL_FUNC3,
    Opcode,
)
from ..ring_formats import COMPLETION, WORD_0, WORD_1, WORD_2, WORD_3, RingFault, RingOp
from ..ring_regs import RING_REGISTERS

__all__ = ["BASES", "ENUMS", "LAYOUTS", "MAPS"]

#: Register maps.
MAPS = (IOMMU_REGISTERS, CDMA_REGISTERS, AXI_DMA_REGISTERS, RING_REGISTERS, CACHE_REGISTERS,
        MEMORY_REGISTERS)
#: Byte address of each register map in the reference system.
BASES = {"iommu": IOMMU_BASE, "cdma": CDMA_BASE, "axi_dma": AXI_DMA_BASE, "ring": RING_BASE,
         "cache": CACHE_BASE, "memory": SIMULATION_BASE}
#: Words in memory, and registers of 64 bits as one word.
LAYOUTS = (CAPABILITIES, DDTE, DC_TC, DC_IOHGATP, DC_TA, PC_TA, IOSATP, PTE, MSI_PTE,
           MSI_PTE_MRIF, MSI_PTE_NOTICE, IOTINVAL_DW0, IOTINVAL_DW1, IOFENCE_DW0, IOFENCE_DW1,
           IODIR_DW0, FAULT_DW0, IOHPMEVT, CDMA_CONTROL, CDMA_STATUS,
           AXI_DMA_CONTROL, AXI_DMA_STATUS, WORD_0, WORD_1, WORD_2, WORD_3, COMPLETION)
#: Codes.
ENUMS = (DdtpMode, IosatpMode, PdtpMode, MsiptpMode, Opcode, IOTINVAL_FUNC3, IOFENCE_FUNC3,
         IODIR_FUNC3, Cause, TransactionType, HpmEvent, CdmaWord, AxiDmaWord, RingOp, RingFault,
         CacheCommand, CacheEdge, CacheMode, Irq)
