"""The syncs of 2.6, which do not say for whom: the direction tells (R99).

Source: Linux 2.6 ``Documentation/DMA-API.txt``, part Id.
"""

from ..core.addresses import DmaAddr
from ..core.attrs import DMA_BIDIRECTIONAL, DMA_TO_DEVICE, check_direction
from ..core.deprecated import DeprecatedAPI
from ..device.device import Device
from ..mapping.lists import dma_sync_sg_for_cpu, dma_sync_sg_for_device
from ..mapping.sync import dma_sync_single_for_cpu, dma_sync_single_for_device
from ..sg.scatterlist import Sgl

__all__ = ["dma_sync_sg", "dma_sync_single", "dma_sync_single_range"]


def _sides(dev: Device, name: str, direction: int) -> tuple[bool, bool]:
    """Whether to sync for the device, and for the CPU."""
    direction, options = check_direction(direction), dev.kernel.options
    if options.profile != "2.6":
        raise DeprecatedAPI(f"{name} was removed: use {name}_for_cpu or {name}_for_device")
    if options.old_sync == "header":
        return False, True
    return direction in (DMA_TO_DEVICE, DMA_BIDIRECTIONAL), direction != DMA_TO_DEVICE


def dma_sync_single(dev: Device, dma: DmaAddr, size: int, direction: int) -> None:
    """Sync as the direction says: to the device, from it, or both.

    Raises
    ------
    DeprecatedAPI
        In the modern profile.
    """
    for_device, for_cpu = _sides(dev, "dma_sync_single", direction)
    if for_device:
        dma_sync_single_for_device(dev, dma, size, direction)
    if for_cpu:
        dma_sync_single_for_cpu(dev, dma, size, direction)


def dma_sync_single_range(dev: Device, dma: DmaAddr, offset: int, size: int,
                          direction: int) -> None:
    """Sync ``size`` bytes, ``offset`` bytes into the mapping. As :func:`dma_sync_single`."""
    dma_sync_single(dev, DmaAddr.check(dma) + offset, size, direction)


def dma_sync_sg(dev: Device, sgl: Sgl, nelems: int, direction: int) -> None:
    """Sync a list. As :func:`dma_sync_single`."""
    for_device, for_cpu = _sides(dev, "dma_sync_sg", direction)
    if for_device:
        dma_sync_sg_for_device(dev, sgl, nelems, direction)
    if for_cpu:
        dma_sync_sg_for_cpu(dev, sgl, nelems, direction)
