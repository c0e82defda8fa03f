"""The kernel: what :func:`boot` puts together on a machine."""

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from .addresses import PHYS_LIMIT
from .cpu import Cpu
from .current import set_current_kernel
from .device import Device
from .direct import DirectOps
from .dma_iommu import IommuOps
from .drivers.cache import CacheController
from .drivers.cdma import Cdma
from .drivers.riscv_iommu import RiscvIommu
from .errno import errno_name
from .irq import IrqController
from .log import KERN_ERR, Log
from .machine import Machine
from .pages import PageAllocator
from .slab import SlabAllocator
from .stats import Stats

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
    passthrough : bool
        Whether the IOMMU lets devices use physical addresses.
    """

    def __init__(self, machine: Machine, *, passthrough: bool = False):
        self.machine, self.platform, self.passthrough = machine, machine.platform, passthrough
        if self.platform.memory_base + self.platform.memory_size > PHYS_LIMIT:
            raise ValueError(f"Memory must end below {PHYS_LIMIT:#x}, not at "
                             f"{self.platform.memory_base + self.platform.memory_size:#x}")
        self._previous = set_current_kernel(self)
        self.log = Log(lambda: machine.cycles)
        self.stats = Stats()
        self.cpu = Cpu(machine)
        self.irq = IrqController(self, machine)
        self.pages = PageAllocator(self.platform.memory_base, self.platform.memory_size)
        self.slab = SlabAllocator(self.pages,
                                  8 if self.platform.coherent else self.platform.line_bytes)
        self.direct_ops, self.iommu_ops = DirectOps(self), IommuOps(self)
        self.devices: list[Device] = []
        self.iommu: RiscvIommu | None = None
        self.cache = CacheController(self)
        self.cdma: Cdma | None = None
        self._remove: list[Callable[[], None]] = []
        self._probe(self.cache)
        if self.platform.has_iommu:
            self.iommu = self._probe(RiscvIommu(self))
        self.cdma = self._probe(Cdma(self))

    def _probe(self, driver: Driver) -> Driver | None:
        if rc := driver.probe():
            self.log.write(f"{KERN_ERR}{driver.dev.name}: probe failed: {errno_name(rc)}")
            return None
        self._remove.append(driver.remove)
        return driver

    def shutdown(self) -> None:
        """Stop the devices and let nothing interrupt any more; memory keeps its contents."""
        while self._remove:
            self._remove.pop()()
        self.irq.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self.shutdown()
        finally:
            set_current_kernel(self._previous)


def boot(machine: Machine, *, passthrough: bool = False) -> Kernel:
    """Start a kernel on a machine: memory, interrupts, drivers. It becomes the current kernel.

    ``with boot(machine) as kernel:`` shuts it down at the end; without ``with``, it just runs on.

    Parameters
    ----------
    machine : Machine
        What to run on.
    passthrough : bool
        Let devices use physical addresses although there is an IOMMU.

    Raises
    ------
    ValueError
        If memory reaches beyond what the address map has room for.
    """
    return Kernel(machine, passthrough=passthrough)
