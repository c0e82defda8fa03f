"""Pictures of sweeps, with matplotlib."""

from importlib.util import find_spec
from pathlib import Path

from .sweep import Axis, Point

__all__ = ["available", "plot"]


def available() -> bool:
    """Tell whether matplotlib can be imported."""
    return find_spec("matplotlib") is not None


def plot(axis: Axis, points: list[Point], path: Path) -> None:
    """Draw cycles, and cells where they are known, over the values of a parameter.

    Parameters
    ----------
    axis : Axis
        What was varied.
    points : list of Point
        What was found.
    path : Path
        Picture to write; its ending says in which format.
    """
    from matplotlib.figure import Figure

    with_area = points[0].area is not None
    figure = Figure(figsize=(5.5 * (1 + with_area), 4), layout="constrained")
    panels = figure.subplots(1, 1 + with_area, squeeze=False)[0]
    places = range(len(points))         # evenly apart: values double, but for some
    for name in points[0].cycles:
        panels[0].plot(places, [point.cycles[name] for point in points], "o-", label=name)
    panels[0].set(title=f"{axis.block}: cycles", yscale="log")
    if with_area:
        for name, field in (("LUT4", "lut4"), ("FF", "ff")):
            panels[1].plot(places, [getattr(point.area, field) for point in points], "o-",
                           label=name)
        memory = panels[1].twinx()
        memory.plot(places, [point.area.block_ram for point in points], "s:", color="gray",
                    label="block RAM (right)")
        memory.set_ylim(bottom=0)
        panels[1].set(title=f"{axis.block}: cells of an ECP5")
        panels[1].plot([], [], "s:", color="gray", label="block RAM (right)")
        panels[1].set_ylim(bottom=0)
    for panel in panels:
        panel.set_xticks(places, [f"{point.value:,}" for point in points])
        panel.set_xlabel(axis.title)
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
