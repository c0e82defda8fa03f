"""How cycles and area grow with one parameter of a block at a time: tables and plots.

A new parameter is one more `Axis`. Values that a build refuses are left out, by name.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring
from rich.console import Console

from .benchmarks.sweeps import BLOCKS
from .synth import Result, synthesize

__all__ = ["AXES", "Axis", "Point", "markdown", "select", "sweep"]


@dataclass(frozen=True)
class Axis:
    """One parameter that is varied.

    Parameters
    ----------
    block : str
        One of :data:`sim.benchmarks.sweeps.BLOCKS`.
    parameter : str
        Its parameter, as `dmapath generate --set` names it.
    values : tuple of int
        What to try, in order.
    title : str
        What the parameter is.
    others : tuple of str
        Other parameters that differ from their defaults, ``name=value`` each.
    """

    block: str
    parameter: str
    values: tuple[int, ...]
    title: str
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``block.parameter``."""
        return f"{self.block}.{self.parameter}"


#: All axes. Those of the DMA engine have enough reads in flight to hide the latency of memory.
AXES = (
    Axis("iommu", "tlb_entries", (8, 16, 32, 64, 128), "TLB entries, first level"),
    Axis("iommu", "second_entries", (0, 512, 1024, 2048, 4096), "TLB entries, second level"),
    Axis("iommu", "walks", (1, 2, 4, 8), "Page walks in flight"),
    Axis("dma", "data_width", (32, 64, 128, 256, 512), "Data width, bits",
         ("reads_in_flight=16",)),
    Axis("dma", "reads_in_flight", (4, 8, 16, 32, 64, 128), "Reads in flight"),
    Axis("cache", "size_bytes", tuple(n << 10 for n in (4, 8, 16, 32, 64)), "Cache size, bytes"),
    Axis("cache", "ways", (1, 2, 4, 8), "Ways"),
    Axis("cache", "misses", (1, 2, 4, 8), "Misses in flight"),
    Axis("channels", "channels", (1, 2, 4, 8, 16), "Channels of the native ring"),
)


@dataclass(frozen=True)
class Point:
    """What one value of a parameter costs, and what it brings.

    Parameters
    ----------
    value : int
        The value.
    cycles : dict
        Workload to cycles.
    area : Result or None
        Cells, if they were asked for, and the clock, if that was.
    """

    value: int
    cycles: dict[str, float]
    area: Result | None


def select(names: Iterable[str]) -> list[Axis]:
    """Return axes by the name of a block, or of an axis; all of them if there is no name.

    Raises
    ------
    ValueError
        If there is no such block or axis.
    """
    names = list(names)
    known = list(dict.fromkeys(one for axis in AXES for one in (axis.block, axis.name)))
    for name in names:
        if name not in known:
            raise ValueError(f"Axis must be one of {', '.join(known)}, not {name!r}")
    return [axis for axis in AXES if not names or axis.block in names or axis.name in names]


def sweep(axis: Axis, work: Path, console: Console, *, area: bool = True,
          route: bool = False) -> list[Point]:
    """Measure the points of an axis.

    Synthesis of a netlist that was synthesized before is not done again.

    Parameters
    ----------
    axis : Axis
        What is varied.
    work : Path
        Folder for the tools' files.
    console : Console
        Where to say what is done, and which values are refused and why.
    area, route : bool
        Whether to synthesize; and whether to place and route the first, the default and the last.

    Raises
    ------
    ToolMissing
        If a tool of the synthesis is not installed.
    """
    block, allowed = BLOCKS[axis.block], {}
    for value in axis.values:
        try:
            allowed[value] = block.configure([*axis.others, f"{axis.parameter}={value}"])
        except ValueError as error:
            console.print(f"{axis.name}={value} is left out: {error}", markup=False)
    default = getattr(block.configure([]), axis.parameter)
    clocked = {*list(allowed)[:1], default, *list(allowed)[-1:]} if route else ()
    points = []
    for value, params in allowed.items():
        with console.status(f"{axis.name}={value}: cycles"):
            cycles = block.measure(params)
        with console.status(f"{axis.name}={value}: area"):
            cells = _area(axis.block, partial(block.make, params), work,
                          value in clocked) if area else None
        points.append(Point(value, cycles, cells))
    return points


def _area(name: str, make: Callable[[], wiring.Component], work: Path, route: bool) -> Result:
    """Synthesize, unless the same netlist was: its cells are in a file named by its hash."""
    text = rtlil.convert(make(), name="top", emit_src=False)
    folder = work / hashlib.sha256(text.encode()).hexdigest()[:16]
    kept = folder / "result.json"
    if kept.exists():
        found = Result(**json.loads(kept.read_text()))
        if found.fmax_mhz is not None or not route:
            return found
    found = synthesize(name, folder, make, route=route)
    kept.write_text(json.dumps(asdict(found)))
    return found


def markdown(axis: Axis, points: list[Point]) -> str:
    """Write the points of an axis as a table."""
    areas = {"LUT4": "lut4", "FF": "ff", "block RAM": "block_ram", "Fmax MHz": "fmax_mhz"}
    if points[0].area is None:
        areas = {}
    elif all(point.area.fmax_mhz is None for point in points):
        del areas["Fmax MHz"]
    rows = [[axis.title, *points[0].cycles, *areas]]
    rows.append(["---:"] * len(rows[0]))
    for point in points:
        cells = (getattr(point.area, field) for field in areas.values())
        rows.append([f"{point.value:,}",
                     *(f"{n:,.0f}" if n >= 100 else f"{n:.2f}" for n in point.cycles.values()),
                     *("" if n is None else f"{n:,}" for n in cells)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
