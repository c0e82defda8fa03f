"""Maps of what the block and the network layer hand to a driver.

Source: Linux ``include/linux/dma-mapping.h``, ``include/linux/skbuff.h`` (names, arguments).
"""

from dataclasses import dataclass

from ..core.addresses import DmaAddr
from ..core.dma_attrs import DmaAttrs
from ..device.device import Device
from ..memory.pages import Page
from ..sg.extract import BioVec
from .single import dma_map_page, dma_map_page_attrs

__all__ = ["SkbFrag", "dma_map_bvec", "skb_frag_dma_map"]


@dataclass(frozen=True)
class SkbFrag:
    """A piece of a packet: ``skb_frag_t``.

    Parameters
    ----------
    page : Page
        Page in which it begins.
    size, offset : int
        Bytes, and where in the page the first is.
    """

    page: Page
    size: int
    offset: int = 0


def dma_map_bvec(dev: Device, bv: BioVec, direction: int,
                 attrs: DmaAttrs | int | None) -> DmaAddr:
    """Map a piece of a block request. As ``dma_map_page_attrs``."""
    return dma_map_page_attrs(dev, bv.bv_page, bv.bv_offset, bv.bv_len, direction, attrs)


def skb_frag_dma_map(dev: Device, frag: SkbFrag, offset: int, size: int,
                     direction: int) -> DmaAddr:
    """Map ``size`` bytes, ``offset`` bytes into a piece of a packet. As ``dma_map_page``."""
    return dma_map_page(dev, frag.page, frag.offset + offset, size, direction)
