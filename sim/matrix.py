"""One driver program in every kind of machine: ``dmapath run``.

A program is a Python file with a function ``main(kernel)``; what it returns is its *image*: the
bytes that CPU and device ended up with. A right program has the same image in every cell. If it has
a ``PLATFORM``, that is what the machine must have: parameters of the platform.
"""

import dataclasses
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from kernel_api import Account, BusError, KernelBug, Report, Stats, boot
from rtl.spec.platform import MEMORY_BASE, Platform

from .devices.bay import Bay
from .golden.machine import GoldenMachine
from .store_buffer import StoreBuffer

__all__ = ["CACHES", "PATHS", "Cell", "Machines", "Outcome", "cells", "load_program", "run_cell"]

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
    accounts : dict
        What the calls of each function cost, by its name, if that was asked for.
    """

    cell: Cell
    image: object
    reports: list[Report]
    cycles: int
    costs: Stats
    log: list[str]
    accounts: Mapping[str, Account] = dataclasses.field(default_factory=dict)

    @property
    def checks(self) -> list[str]:
        """Numbers of the checks that failed, each once, in order."""
        return list(dict.fromkeys(report.check for report in self.reports))


def cells(paths: Iterable[str] = PATHS, caches: Iterable[str] = CACHES,
          engines: Iterable[str] = ("golden",)) -> Iterator[Cell]:
    """List the cells of a matrix."""
    return (Cell(path, cache, engine) for engine in engines for path in paths for cache in caches)


def load_program(path: Path) -> tuple[Callable, Mapping[str, object]]:
    """Find function ``main`` of a program, and what its ``PLATFORM`` asks of the machine, if any.

    Raises
    ------
    ValueError
        If the file has no such function.
    """
    program = runpy.run_path(str(path))
    if not callable(program.get("main")):
        raise ValueError(f"Program must have a function main(kernel), not {str(path)!r}")
    return program["main"], program.get("PLATFORM", {})


class Machines:
    """Machines of cells. RTL is built once for each platform, and reset before it is used again.

    Parameters
    ----------
    engine : str
        Simulator of the RTL.
    """

    def __init__(self, engine: str = "auto"):
        self._engine = engine
        self._built: dict[Platform, object] = {}

    def take(self, cell: Cell, platform: Platform) -> object:
        """Machine in its first state. The one that was taken before must not be used any more."""
        if cell.engine == "golden":
            return GoldenMachine(platform)
        if platform in self._built:
            self._built[platform].reset()
        else:
            from .machine import RtlMachine  # Amaranth is slow to import

            self._built[platform] = RtlMachine(platform, engine=self._engine, watched=True)
        return self._built[platform]

    def close(self) -> None:
        """End all simulations."""
        while self._built:
            self._built.popitem()[1].close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def run_cell(main: Callable, cell: Cell, *, check: str | None = "collect",
             machines: Machines | None = None, engine: str = "auto",
             platform: Mapping[str, object] | None = None, **options: object) -> Outcome:
    """Run a program in a cell; misuse that stops it is its image.

    Parameters
    ----------
    main : callable
        The program.
    cell : Cell
        Where.
    check : str or None
        As of :class:`kernel_api.core.options.Options`.
    machines : Machines or None
        Where the machine comes from; by default, it is made for this run alone.
    engine : str
        Simulator of the RTL, if it is.
    platform : mapping or None
        What is not as the cell says it: parameters of the platform.
    options
        The same of :func:`kernel_api.boot`.
    """
    if machines is None:
        with Machines(engine) as machines:
            return run_cell(main, cell, check=check, machines=machines, platform=platform,
                            **options)
    machine = machines.take(cell, dataclasses.replace(cell.platform, **platform or {}))
    kernel = boot(StoreBuffer(Bay(machine)), check=check, **PATHS[cell.path][1] | options)
    with kernel:
        start, before = kernel.machine.cycles, kernel.stats.snapshot()
        try:
            image = main(kernel)
        except (BusError, KernelBug) as error:
            image = type(error).__name__
        cycles, costs = kernel.machine.cycles - start, kernel.stats - before
    # Leaks show when the devices are gone.
    return Outcome(cell, image, list(kernel.reports), cycles, costs,
                   [str(record) for record in kernel.log.records],
                   kernel.accounts.functions if kernel.accounts else {})
