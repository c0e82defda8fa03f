"""The kernel: what all functions find time, messages, options and each other through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rtl.spec.platform import Platform

from .log import Log
from .machine import Machine
from .options import Options
from .stats import Stats

__all__ = ["Kernel"]


class Kernel:
    """A running kernel; made by :func:`kernel_api.boot`.

    This layer knows what is typed below. Each layer above adds its part, which ``boot`` sets; the
    layers below it never name its type.

    Attributes
    ----------
    machine, platform : Machine, Platform
        What it runs on.
    options : Options
        What it was told at boot.
    log : Log
        Messages.
    stats : Stats
        What calls cost.
    checkers : list of Checker
        Who is told of every call.
    watched : bool
        Whether they are told of loads and stores, too.
    workers, on_shutdown : list of callable
        What is done in the background, and, newest first, at shutdown.
    current_cpu : int
        Number of the CPU that runs: it decides where a search for bounce memory begins.
    devices : list of Device
        Devices that were registered.
    accounts : Accounts or None
        With option ``costs``: what each call cost.
    cpu, irq : Cpu, IrqController
        Layer ``platform``: loads and stores by virtual address; interrupts.
    pages, slab, regions, atomic_pool, contiguous
        Layer ``memory``: pages, objects, the kernel's own image, and pages set apart.
    direct_ops, iommu_ops, swiotlb
        Layer ``ops``: the ways to map; bounce memory, or None.
    reporter, debug, ownership
        Layer ``debug``, with option ``check``: what keeps reports, and the two checkers. Or None.
    pythonic : callable
        Layer ``pythonic``: makes ``dev.dma`` of a device.
    cache, iommu, cdma
        Layer ``drivers``: those that were found and work, or None.
    """

    cpu: Any
    irq: Any
    pages: Any
    slab: Any
    regions: Any
    atomic_pool: Any
    contiguous: Any
    direct_ops: Any
    iommu_ops: Any
    swiotlb: Any = None
    reporter: Any = None
    debug: Any = None
    ownership: Any = None
    cache: Any = None
    iommu: Any = None
    cdma: Any = None
    accounts: Any = None
    pythonic: Callable[[Any], Any]

    def __init__(self, machine: Machine, options: Options):
        self.machine: Machine = machine
        self.platform: Platform = machine.platform
        self.options = options
        self.log = Log(lambda: machine.cycles)
        self.stats = Stats()
        self.checkers: list[Any] = []
        self.devices: list[Any] = []
        self.workers: list[Callable[[], None]] = []
        self.on_shutdown: list[Callable[[], None]] = []
        self.watched, self.current_cpu = False, 0

    @property
    def reports(self) -> list[Any]:
        """Misuse so far: ``Report`` objects."""
        if self.reporter is None:
            return []
        self.ownership.drain()
        return self.reporter.reports

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Do something in the kernel's own name: its loads and stores are nobody's business."""
        watched, self.watched = self.watched, False
        try:
            yield
        finally:
            self.watched = watched

    def watch(self, checker: Any) -> None:
        """Tell ``checker`` of every call from now on, and of every load and store."""
        self.checkers.append(checker)
        self.watched = True

    def tainted(self, va: int) -> bool:
        """Whether a device can write what is at ``va``, and the program is to mind."""
        return self.reporter is not None and self.ownership.device_writes(va)

    def background(self) -> None:
        """Do what workers and timers would have done by now."""
        for worker in self.workers:
            worker()

    def shutdown(self) -> None:
        """Stop the devices and let nothing interrupt any more; memory keeps its contents."""
        while self.on_shutdown:
            self.on_shutdown.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self.shutdown()
        finally:
            self.leave()

    def leave(self) -> None:
        """Let the kernel that was current before be current again; ``boot`` says how."""
