"""Run the benchmarks, print the table, write the file."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..engine import choose
from . import backend, cache, dma, iommu, ring, snoop, stream, translated
from .table import Row, print_rows, write_rows

__all__ = ["BLOCKS", "run_benchmarks"]

#: What measures each block.
BLOCKS = {"backend": backend.measure, "dma": dma.measure, "ring": ring.measure,
          "stream": stream.measure, "translated": translated.measure, "iommu": iommu.measure,
          "cache": cache.measure, "snoop": snoop.measure}


def run_benchmarks(blocks: Iterable[str], *, json_path: Path, console: Console) -> list[Row]:
    """Measure some of :data:`BLOCKS`, by name; print and write what was found."""
    rows = []
    console.print(f"simulator: {choose().engine}")
    with Progress(SpinnerColumn(), TextColumn("measuring {task.description}"), TimeElapsedColumn(),
                  console=console, transient=True) as bars:
        for name in blocks:
            task = bars.add_task(name, total=None)
            rows += _grouped(BLOCKS[name]())
            bars.remove_task(task)
    print_rows(rows, console)
    write_rows(rows, json_path)
    console.print(f"written: {json_path}", markup=False)
    return rows


def _grouped(rows: list[Row]) -> list[Row]:
    """Bring the latencies of each workload together."""
    order = list(dict.fromkeys(row.what for row in rows))
    return sorted(rows, key=lambda row: order.index(row.what))
