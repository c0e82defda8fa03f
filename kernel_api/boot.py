"""What :func:`boot` puts together on a machine."""

from collections.abc import Callable
from typing import TypeVar

from .core.account import Accounts
from .core.addresses import PHYS_LIMIT
from .core.current import kernel_or_none, set_current_kernel
from .core.errno import errno_name
from .core.kernel import Kernel
from .core.log import KERN_ERR
from .core.machine import Machine
from .core.options import Options
from .debug.checks import Reporter
from .debug.dma_debug import DmaDebug
from .debug.ownership import Ownership
from .drivers.cache import CacheController
from .drivers.cdma import Cdma
from .drivers.riscv_iommu import RiscvIommu
from .memory.atomic_pool import AtomicPool, atomic_pool_bytes
from .memory.image import Regions
from .memory.pages import PageAllocator
from .memory.slab import SlabAllocator
from .ops.direct import DirectOps
from .ops.iommu import IommuOps
from .ops.swiotlb import Swiotlb
from .platform.cpu import Cpu
from .platform.irq import IrqController
from .platform.watched import Watched
from .pythonic.device import DeviceDma

__all__ = ["boot"]

Driver = TypeVar("Driver", CacheController, RiscvIommu, Cdma)


def boot(machine: Machine, **options: object) -> Kernel:
    """Start a kernel on a machine: memory, interrupts, drivers. It becomes the current kernel.

    ``with boot(machine) as kernel:`` shuts it down at the end; without ``with``, it just runs on.

    Parameters
    ----------
    machine : Machine
        What to run on.
    options
        As of :class:`kernel_api.core.options.Options`.

    Raises
    ------
    ValueError
        If memory reaches beyond what the address map has room for, or an option is wrong.
    MemoryError
        If there is no memory for bounce buffers.
    """
    platform = machine.platform
    kernel = Kernel(machine, Options(**options))
    if platform.memory_base + platform.memory_size > PHYS_LIMIT:
        raise ValueError(f"Memory must end below {PHYS_LIMIT:#x}, not at "
                         f"{platform.memory_base + platform.memory_size:#x}")
    previous = kernel_or_none()
    kernel.leave = lambda: set_current_kernel(previous)
    set_current_kernel(kernel)
    try:
        for part in (_platform, _memory, _ops, _drivers):
            part(kernel)
        if kernel.options.costs:
            kernel.accounts = Accounts(kernel)
    except BaseException:
        kernel.leave()
        raise
    return kernel


def _platform(kernel: Kernel) -> None:
    """CPU, checkers, interrupts."""
    machine, checking = kernel.machine, kernel.options.check
    if checking:
        kernel.machine = Watched(machine, kernel)
    kernel.cpu = Cpu(kernel.machine, kernel)
    if checking:
        kernel.reporter = Reporter(kernel, checking)
        kernel.debug = DmaDebug(kernel, kernel.reporter, kernel.options.dma_debug_entries)
        kernel.debug.disabled = not kernel.options.dma_debug
        kernel.debug.driver_filter = kernel.options.dma_debug_driver
        kernel.ownership = Ownership(kernel, kernel.reporter)
        kernel.watch(kernel.debug)
        kernel.watch(kernel.ownership)
        if hasattr(machine, "watch"):
            machine.watch(on=True)
    kernel.irq = IrqController(kernel, kernel.machine)
    kernel.on_shutdown.append(kernel.irq.shutdown)


def _memory(kernel: Kernel) -> None:
    """Pages and objects; the pools set apart come after the cache."""
    platform, options = kernel.platform, kernel.options
    kernel.regions = Regions()
    kernel.pages = PageAllocator(platform.memory_base, platform.memory_size)
    kernel.slab = SlabAllocator(kernel.pages, options.kmalloc_minalign or (
        8 if platform.coherent else platform.line_bytes))


def _ops(kernel: Kernel) -> None:
    """Bounce memory, and the two ways to map."""
    options = kernel.options
    if options.bounces:
        kernel.swiotlb = Swiotlb.make(
            kernel, options.swiotlb_bytes, areas=options.swiotlb_areas,
            force=options.swiotlb == "force", dynamic=options.swiotlb_dynamic)
        kernel.on_shutdown.append(kernel.swiotlb.release)
    kernel.direct_ops, kernel.iommu_ops = DirectOps(kernel), IommuOps(kernel)
    kernel.pythonic = DeviceDma


def _drivers(kernel: Kernel) -> None:
    """Cache, pools of uncached memory, IOMMU, DMA engine; and what is done in the background."""
    options, platform = kernel.options, kernel.platform
    kernel.cache = CacheController(kernel)
    removers = [_probe(kernel, kernel.cache)]
    atomic = options.atomic_pool_bytes
    if atomic is None:
        atomic = atomic_pool_bytes(platform.memory_size)
    kernel.atomic_pool = AtomicPool(kernel, 0 if platform.coherent else atomic)
    kernel.contiguous = AtomicPool(kernel, options.cma_bytes, refills=False)
    kernel.on_shutdown += [kernel.contiguous.release, kernel.atomic_pool.release]
    if options.check:
        kernel.on_shutdown.append(lambda: _stop_watching(kernel))
    if platform.has_iommu:
        kernel.iommu = _found(kernel, RiscvIommu(kernel), removers)
    kernel.cdma = _found(kernel, Cdma(kernel), removers)
    kernel.on_shutdown += filter(None, removers)
    kernel.workers.append(kernel.atomic_pool.refill)
    if kernel.swiotlb:
        kernel.workers.append(kernel.swiotlb.grow)
    kernel.workers.append(lambda: _expire_queues(kernel))


def _probe(kernel: Kernel, driver: Driver) -> Callable[[], None] | None:
    """Start a driver. Returns how to stop it, or None if it does not work."""
    if rc := driver.probe():
        kernel.log.write(f"{KERN_ERR}{driver.dev.name}: probe failed: {errno_name(rc)}")
        return None
    return driver.remove


def _found(kernel: Kernel, driver: Driver, removers: list) -> Driver | None:
    """Start a driver; it is there only if it works."""
    removers.append(_probe(kernel, driver))
    return driver if removers[-1] else None


def _stop_watching(kernel: Kernel) -> None:
    kernel.reporter.close()
    if hasattr(kernel.machine, "watch"):
        kernel.machine.watch(on=False)


def _expire_queues(kernel: Kernel) -> None:
    for dev in kernel.devices:
        queue = getattr(dev.iommu_domain, "flush_queue", None)
        if queue is not None:
            queue.expire()
