"""Transfers between memory and a device: lists of buffers, each list a packet.

Source: Linux ``Documentation/driver-api/dmaengine/client.rst``; ``include/linux/dmaengine.h``.
"""

from ..core.addresses import DmaAddr
from ..core.attrs import Dir
from ..sg.scatterlist import Sgl, for_each_sg, sg_dma_address, sg_dma_len
from .engine import DmaAsyncTxDescriptor, DmaChan

__all__ = ["DMA_DEV_TO_MEM", "DMA_MEM_TO_DEV", "dmaengine_prep_slave_sg",
           "dmaengine_prep_slave_single"]

#: ``enum dma_transfer_direction``, whose numbers are those of ``enum dma_data_direction``.
DMA_MEM_TO_DEV, DMA_DEV_TO_MEM = Dir.DMA_TO_DEVICE, Dir.DMA_FROM_DEVICE


def dmaengine_prep_slave_sg(chan: DmaChan, sgl: Sgl, sg_len: int, direction: Dir,
                            flags: int) -> DmaAsyncTxDescriptor | None:
    """Prepare the transfer of a mapped list, as one packet; None if the channel cannot do it.

    ``sg_len`` is what ``dma_map_sg`` returned.
    """
    return chan.prep_slave_sg([(sg_dma_address(sg), sg_dma_len(sg))
                               for sg, _ in for_each_sg(sgl, sg_len)], direction, flags)


def dmaengine_prep_slave_single(chan: DmaChan, buf: DmaAddr, size: int, direction: Dir,
                                flags: int) -> DmaAsyncTxDescriptor | None:
    """Prepare the transfer of one buffer; None if the channel cannot do it."""
    return chan.prep_slave_sg([(buf, size)], direction, flags)
