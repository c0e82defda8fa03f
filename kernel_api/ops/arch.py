"""What an architecture provides: the port to the cache of the current kernel's machine.

Source: Linux ``include/linux/dma-map-ops.h`` (names, arguments),
``arch/riscv/mm/dma-noncoherent.c`` (behaviour); rules R91, R92.
"""

from ..core.addresses import PhysAddr, VirtAddr, uncached_virt, virt_to_phys
from ..core.attrs import DMA_TO_DEVICE, Dir
from ..core.current import current_kernel
from ..memory.pages import Page, page_to_phys

__all__ = ["arch_dma_clear_uncached", "arch_dma_mark_clean", "arch_dma_prep_coherent",
           "arch_dma_set_uncached", "arch_sync_dma_flush", "arch_sync_dma_for_cpu",
           "arch_sync_dma_for_cpu_all", "arch_sync_dma_for_device"]


def arch_sync_dma_for_device(paddr: PhysAddr, size: int, direction: Dir) -> None:
    """Clean a range, whatever the direction: memory gets what the CPU stored (R91)."""
    current_kernel().cache.wback(paddr, size)


def arch_sync_dma_for_cpu(paddr: PhysAddr, size: int, direction: Dir) -> None:
    """Invalidate a range, unless the device only read: the CPU will see memory (R92)."""
    if direction != DMA_TO_DEVICE:
        current_kernel().cache.inv(paddr, size)


def arch_sync_dma_for_cpu_all() -> None:
    """Nothing: no buffer between cache and memory reads ahead of the CPU."""


def arch_sync_dma_flush() -> None:
    """Wait for the operations that were issued without waiting."""
    current_kernel().cache.fence()


def arch_dma_prep_coherent(page: Page, size: int) -> None:
    """Clean and invalidate: no line may be left when memory is used past the cache (R33)."""
    current_kernel().cache.wback_inv(page_to_phys(page), size)


def arch_dma_set_uncached(addr: VirtAddr, size: int) -> VirtAddr:
    """Give the address at which memory is reached past the cache."""
    return uncached_virt(virt_to_phys(addr))


def arch_dma_clear_uncached(addr: VirtAddr, size: int) -> None:
    """Nothing: both addresses are always there."""


def arch_dma_mark_clean(paddr: PhysAddr, size: int) -> None:
    """Nothing: instructions are not fetched through this cache."""
