"""One driver program in every kind of machine: ``dmapath run``.

A program is a Python file with a function ``main(kernel)``; what it returns is its *image*: the
bytes that CPU and device ended up with. A right program has the same image in every cell.
"""

import dataclasses
import runpy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kernel_api import BusError, KernelBug, Report, Stats, boot
from rtl.spec.platform import MEMORY_BASE, Platform

from .golden.machine import GoldenMachine
from .store_buffer import StoreBuffer

__all__ = ["CACHES", "PATHS", "Cell", "Outcome", "cells", "load_program", "run_cell"]

#: How devices reach memory: what the platform has, and what the kernel is told at boot.
PATHS: dict[str, tuple[dict, dict]] = {
    "direct": ({"has_iommu": False}, {}),
    "offset": ({"has_iommu": False, "dma_offset": MEMORY_BASE // 2}, {}),
    "swiotlb": ({"has_iommu": False}, {"swiotlb": "force", "swiotlb_bytes": 1 << 20}),
    "strict": ({}, {}),
    "deferred": ({}, {"strict": False}),
}
#: What devices see of the CPU's cache: all, or nothing of lines of so many bytes.
CACHES: dict[str, dict] = {
    "coherent": {"coherent": True},
    **{str(line): {"line_bytes": line} for line in (16, 32, 64, 128)},
}
ENGINES = ("golden", "rtl")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A kind of machine.

    Parameters
    ----------
    path, cache : str
        Of :data:`PATHS` and :data:`CACHES`.
    engine : str
        ``"golden"`` or ``"rtl"``.
    """

    path: str
    cache: str
    engine: str = "golden"

    @property
    def coherent(self) -> bool:
        """Whether devices see the cache."""
        return self.cache == "coherent"

    @property
    def translated(self) -> bool:
        """Whether there is an IOMMU."""
        return self.path in ("strict", "deferred")

    @property
    def platform(self) -> Platform:
        """Description of the machine."""
        return Platform(**PATHS[self.path][0], **CACHES[self.cache])

    def __str__(self):
        return f"{self.path}/{self.cache}/{self.engine}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a program did in a cell.

    Parameters
    ----------
    cell : Cell
        Where.
    image : object
        What it returned; if it failed, the name of the exception.
    reports : list of Report
        Misuse that the checkers found.
    cycles : int
        How long it took; steps, on the golden model.
    costs : Stats
        What its calls cost.
    log : list of str
        Kernel messages.
    """

    cell: Cell
    image: object
    reports: list[Report]
    cycles: int
    costs: Stats
    log: list[str]

    @property
    def checks(self) -> list[str]:
        """Numbers of the checks that failed, each once, in order."""
        return list(dict.fromkeys(report.check for report in self.reports))


def cells(paths: Iterable[str] = PATHS, caches: Iterable[str] = CACHES,
          engines: Iterable[str] = ("golden",)) -> Iterator[Cell]:
    """List the cells of a matrix."""
    return (Cell(path, cache, engine) for engine in engines for path in paths for cache in caches)


def load_program(path: Path) -> Callable:
    """Find function ``main`` of a program.

    Raises
    ------
    ValueError
        If the file has no such function.
    """
    main = runpy.run_path(str(path)).get("main")
    if not callable(main):
        raise ValueError(f"Program must have a function main(kernel), not {str(path)!r}")
    return main


def _machine(cell: Cell, engine: str) -> object:
    if cell.engine == "golden":
        return GoldenMachine(cell.platform)
    from .machine import RtlMachine  # Amaranth is slow to import

    return RtlMachine(cell.platform, engine=engine)


def run_cell(main: Callable, cell: Cell, *, check: str | None = "collect", engine: str = "auto",
             **options: object) -> Outcome:
    """Run a program in a cell; misuse that stops it is its image.

    Parameters
    ----------
    main : callable
        The program.
    cell : Cell
        Where.
    check : str or None
        As of :class:`kernel_api.core.options.Options`.
    engine : str
        Simulator of the RTL.
    options
        More options of :func:`kernel_api.boot`.
    """
    with _machine(cell, engine) as machine:
        kernel = boot(StoreBuffer(machine), check=check, **PATHS[cell.path][1], **options)
        with kernel:
            start, before = kernel.machine.cycles, kernel.stats.snapshot()
            try:
                image = main(kernel)
            except (BusError, KernelBug) as error:
                image = type(error).__name__
            cycles, costs = kernel.machine.cycles - start, kernel.stats - before
        # Leaks show when the devices are gone.
        return Outcome(cell, image, list(kernel.reports), cycles, costs,
                       [str(record) for record in kernel.log.records])
