"""The kernel: what :func:`boot` puts together on a machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from .addresses import PHYS_LIMIT, VirtAddr
from .atomic_pool import AtomicPool
from .checker import Checker
from .checks import Report, Reporter
from .cpu import Cpu
from .current import kernel_or_none, set_current_kernel
from .debug import DmaDebug
from .device import Device
from .direct import DirectOps
from .dma_iommu import IommuOps
from .drivers.cache import CacheController
from .drivers.cdma import Cdma
from .drivers.riscv_iommu import RiscvIommu
from .errno import errno_name
from .image import Regions
from .irq import IrqController
from .log import KERN_ERR, Log
from .machine import Machine
from .options import Options
from .ownership import Ownership
from .pages import PageAllocator
from .slab import SlabAllocator
from .stats import Stats
from .swiotlb import Swiotlb
from .watched import Watched

__all__ = ["Kernel", "boot"]

Driver = TypeVar("Driver", CacheController, RiscvIommu, Cdma)


class Kernel:
    """A running kernel; made by :func:`boot`.

    Attributes
    ----------
    machine, platform : Machine, Platform
        What it runs on.
    cpu : Cpu
        Loads and stores by virtual address.
    log : Log
        Messages.
    stats : Stats
        What calls cost.
    pages, slab : PageAllocator, SlabAllocator
        Memory.
    irq : IrqController
        Interrupts.
    devices : list of Device
        Devices that were registered.
    cache : CacheController
        The CPU's cache.
    iommu : RiscvIommu or None
        The IOMMU, if there is one and it works.
    cdma : Cdma or None
        The DMA engine, if it works.
    options : Options
        What it was told at boot.
    swiotlb : Swiotlb or None
        Bounce memory, if there is any.
    checkers : list of Checker
        Who is told of every call.
    atomic_pool, contiguous : AtomicPool
        Pages set apart.
    reporter, debug, ownership : Reporter, DmaDebug, Ownership
        With ``check``: what keeps reports, and the two checkers.
    regions : Regions
        The stack, and the kernel's own image.
    current_cpu : int
        Number of the CPU that runs: it decides where a search for bounce memory begins.
    """

    def __init__(self, machine: Machine, options: Options):
        self.machine: Machine = Watched(machine, self) if options.check else machine
        self.platform, self.options = machine.platform, options
        if self.platform.memory_base + self.platform.memory_size > PHYS_LIMIT:
            raise ValueError(f"Memory must end below {PHYS_LIMIT:#x}, not at "
                             f"{self.platform.memory_base + self.platform.memory_size:#x}")
        self._previous = set_current_kernel(self)
        self.log = Log(lambda: machine.cycles)
        self.stats = Stats()
        self.checkers: list[Checker] = []
        self.watched, self.current_cpu = False, 0
        self.cpu = Cpu(self.machine, self)
        self.regions = Regions()
        self.reporter: Reporter | None = None
        if options.check:
            self._check(options)
        self.irq = IrqController(self, self.machine)
        self.pages = PageAllocator(self.platform.memory_base, self.platform.memory_size)
        self.slab = SlabAllocator(self.pages, options.kmalloc_minalign or (
            8 if self.platform.coherent else self.platform.line_bytes))
        self.swiotlb: Swiotlb | None = None
        if options.bounces:
            self.swiotlb = Swiotlb.make(
                self, options.swiotlb_bytes, areas=options.swiotlb_areas,
                force=options.swiotlb == "force", dynamic=options.swiotlb_dynamic)
        self.direct_ops, self.iommu_ops = DirectOps(self), IommuOps(self)
        self.devices: list[Device] = []
        self.iommu: RiscvIommu | None = None
        self.cache = CacheController(self)
        self.cdma: Cdma | None = None
        self._remove: list[Callable[[], None]] = []
        self._probe(self.cache)
        noncoherent = not self.platform.coherent
        self.atomic_pool = AtomicPool(self, options.atomic_pool_bytes if noncoherent else 0)
        self.contiguous = AtomicPool(self, options.cma_bytes, refills=False)
        if self.platform.has_iommu:
            self.iommu = self._probe(RiscvIommu(self))
        self.cdma = self._probe(Cdma(self))

    def _check(self, options: Options) -> None:
        """Begin to watch."""
        self.reporter = Reporter(self, options.check)
        self.debug = DmaDebug(self, self.reporter, options.dma_debug_entries)
        self.ownership = Ownership(self, self.reporter)
        self.watch(self.debug)
        self.watch(self.ownership)
        if hasattr(self.machine, "watch"):
            self.machine.watch(on=True)

    @property
    def reports(self) -> list[Report]:
        """Misuse so far."""
        if self.reporter is None:
            return []
        self.ownership.drain()
        return self.reporter.reports

    def _probe(self, driver: Driver) -> Driver | None:
        if rc := driver.probe():
            self.log.write(f"{KERN_ERR}{driver.dev.name}: probe failed: {errno_name(rc)}")
            return None
        self._remove.append(driver.remove)
        return driver

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Do something in the kernel's own name: its loads and stores are nobody's business."""
        watched, self.watched = self.watched, False
        try:
            yield
        finally:
            self.watched = watched

    def watch(self, checker: Checker) -> None:
        """Tell ``checker`` of every call from now on, and of every load and store."""
        self.checkers.append(checker)
        self.watched = True

    def tainted(self, va: VirtAddr) -> bool:
        """Whether a device can write what is at ``va``, and the program is to mind."""
        return self.reporter is not None and self.ownership.device_writes(va)

    def background(self) -> None:
        """Do what workers and timers would have done by now."""
        self.atomic_pool.refill()
        if self.swiotlb:
            self.swiotlb.grow()
        for dev in self.devices:
            queue = getattr(dev.iommu_domain, "flush_queue", None)
            if queue is not None:
                queue.expire()

    def shutdown(self) -> None:
        """Stop the devices and let nothing interrupt any more; memory keeps its contents."""
        while self._remove:
            self._remove.pop()()
        if self.options.check and hasattr(self.machine, "watch"):
            self.reporter.close()
            self.machine.watch(on=False)
        self.atomic_pool.release()
        self.contiguous.release()
        if self.swiotlb:
            self.swiotlb.release()
        self.irq.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self.shutdown()
        finally:
            set_current_kernel(self._previous)


def boot(machine: Machine, **options: object) -> Kernel:
    """Start a kernel on a machine: memory, interrupts, drivers. It becomes the current kernel.

    ``with boot(machine) as kernel:`` shuts it down at the end; without ``with``, it just runs on.

    Parameters
    ----------
    machine : Machine
        What to run on.
    options
        As of :class:`kernel_api.options.Options`.

    Raises
    ------
    ValueError
        If memory reaches beyond what the address map has room for, or an option is wrong.
    MemoryError
        If there is no memory for bounce buffers.
    """
    previous = kernel_or_none()
    try:
        return Kernel(machine, Options(**options))
    except BaseException:
        set_current_kernel(previous)
        raise
