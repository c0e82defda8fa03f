"""Cache maintenance and bounce copies that all ways of mapping need."""


from ..core.addresses import PhysAddr
from ..core.attrs import DMA_TO_DEVICE, Dir
from ..device.device import Device

__all__ = ["clean_for_device", "sync_for_cpu", "sync_for_device"]


def clean_for_device(dev: Device, phys: PhysAddr, size: int, direction: Dir) -> None:
    """Let memory have what the CPU stored; keep the range out of the cache if that is wanted."""
    cache = dev.kernel.cache
    if not (dev.guard_buffers and direction != DMA_TO_DEVICE and cache.guard(phys, size)):
        cache.wback(phys, size)


def sync_for_device(dev: Device, phys: PhysAddr, size: int, direction: Dir) -> None:
    """Let the device see what the CPU stored: bounce, then clean, whatever the direction (R91).

    ``phys`` is what the device uses: bounce memory, if the mapping is bounced (R70).
    """
    bounce = dev.io_tlb_mem
    if bounce and bounce.find(phys):
        bounce.sync_for_device(phys, size, direction)
    if not dev.dma_coherent:
        clean_for_device(dev, phys, size, direction)


def sync_for_cpu(dev: Device, phys: PhysAddr, size: int, direction: Dir) -> None:
    """Let the CPU see what the device stored: invalidate, unless it only read (R92), then bounce.

    ``phys`` as for :func:`sync_for_device`.
    """
    cache = dev.kernel.cache
    if (not dev.dma_coherent and direction != DMA_TO_DEVICE
            and not (dev.guard_buffers and cache.unguard(phys, size))):
        cache.inv(phys, size)
    bounce = dev.io_tlb_mem
    if bounce and bounce.find(phys):
        cache.fence()
        bounce.sync_for_cpu(phys, size, direction)
