"""Peer-to-peer memory: pages that lie in another device, for scatterlists (R112).

Source: Linux ``Documentation/driver-api/pci/p2pdma.rst`` (idea); rule R112.
"""


from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, DmaAddr, PhysAddr
from ..core.attrs import DMA_MAPPING_ERROR
from ..device.device import Device
from ..memory.buddy import Page
from ..sg.scatterlist import Scatterlist

__all__ = ["P2pMemory", "P2pPage", "dma_pci_p2pdma_supported", "sg_dma_is_bus_address",
           "sg_dma_is_swiotlb", "sg_dma_mark_bus_address", "sg_dma_mark_swiotlb",
           "sg_dma_unmark_bus_address"]


class P2pMemory:
    """Memory of a device that others may reach without going through main memory.

    Parameters
    ----------
    owner : Device
        Whose memory it is.
    phys : PhysAddr
        Where the CPU sees it.
    bus : int
        Where devices of the same bus see it.
    size : int
        Bytes.
    """

    def __init__(self, owner: Device, phys: PhysAddr, bus: int, size: int):
        self.owner, self.phys, self.bus, self.size = owner, PhysAddr.check(phys), bus, size

    def page(self, index: int) -> "P2pPage":
        """Page number ``index`` of it."""
        return P2pPage(self, index)


class P2pPage(Page):
    """A page of peer-to-peer memory."""

    __slots__ = ("index", "memory")

    def __init__(self, memory: P2pMemory, index: int):
        super().__init__((int(memory.phys) >> PAGE_SHIFT) + index)
        self.memory, self.index = memory, index

    def bus_address(self, dev: Device, offset: int) -> DmaAddr:
        """Address for a device on the same bus (PCI, both); ``DMA_MAPPING_ERROR`` for others."""
        if not (dev.is_pci and self.memory.owner.is_pci):
            return DMA_MAPPING_ERROR
        return DmaAddr(self.memory.bus + self.index * PAGE_SIZE + offset)


def dma_pci_p2pdma_supported(dev: Device) -> bool:
    """Whether lists for a device may hold peer-to-peer pages: if it is on PCI."""
    return dev.is_pci


def sg_dma_is_bus_address(sg: Scatterlist) -> bool:
    """Whether a mapped entry holds the bus address of another device's memory."""
    return sg.bus_address


def sg_dma_mark_bus_address(sg: Scatterlist) -> None:
    """Note that it does."""
    sg.bus_address = True


def sg_dma_unmark_bus_address(sg: Scatterlist) -> None:
    """Note that it does not."""
    sg.bus_address = False


def sg_dma_is_swiotlb(sg: Scatterlist) -> bool:
    """Whether a mapped entry was bounced on its own."""
    return sg.swiotlb


def sg_dma_mark_swiotlb(sg: Scatterlist) -> None:
    """Note that it was."""
    sg.swiotlb = True
