"""The command ``dmapath sweep``."""

from pathlib import Path

import rich_click as click
from rich.console import Console

from .options import simulator_options
from .output import OutputFolder

__all__ = ["sweep"]


@click.command()
@click.argument("axes", nargs=-1, metavar="[AXIS]...")
@click.option("--cycles-only", is_flag=True, help="Do not synthesize.")
@click.option("--route", is_flag=True,
              help="Place and route the first, the default and the last value of each axis.")
@click.option("--output", "-o", "folder", type=OutputFolder(), default="build/sweep",
              show_default=True, metavar="FOLDER", help="Where tables and pictures go.")
@simulator_options
def sweep(axes: tuple[str, ...], cycles_only: bool, route: bool, folder: Path,
          engine: str) -> None:
    """Vary one parameter of a block at a time: cycles, area, plots.

    An AXIS is a block (iommu, dma, channels, cache) or one of its parameters, such as
    [b]iommu.tlb_entries[/b]; all by default. Cells are those of an ECP5, by yosys from the extra
    [b]fpga[/b]; pictures are drawn where the extra [b]plots[/b] is installed.
    """
    from . import sweep_plot
    from .sweep import markdown, select
    from .sweep import sweep as measure
    from .synth import ToolMissing

    console = Console(highlight=False)
    try:
        chosen = select(axes)
        for axis in chosen:
            points = measure(axis, folder / "synth", console, area=not cycles_only, route=route)
            if not points:
                continue
            table = markdown(axis, points)
            path = folder / f"{axis.name}.md"
            path.write_text(table)
            console.print(f"\n{axis.title}\n\n{table}", markup=False, soft_wrap=True)
            if sweep_plot.available():
                sweep_plot.plot(axis, points, path.with_suffix(".png"))
    except (ValueError, ToolMissing) as error:
        raise click.UsageError(str(error)) from None
    console.print(f"written: {folder}", markup=False)
    if not sweep_plot.available():
        console.print("no pictures: they need the extra 'plots'")
