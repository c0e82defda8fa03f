"""The command ``dmapath run``."""

import sys
from pathlib import Path

import rich_click as click
from rich.console import Console

from kernel_api import Dir

from .engine import EngineError
from .matrix import CACHES, PATHS
from .matrix import ENGINES as MACHINES
from .options import simulator_options

__all__ = ["map_benchmark", "run"]


def _console() -> Console:
    """Make a console; what does not go to a terminal is not cut."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=200)


@click.command()
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1)
@click.option("--matrix", is_flag=True, help="All paths and caches, and not just one machine.")
@click.option("--path", "paths", multiple=True, type=click.Choice(list(PATHS)),
              help="How devices reach memory. [dim]\\[default: strict][/dim]")
@click.option("--cache", "caches", multiple=True, type=click.Choice(list(CACHES)),
              help="What devices see of the cache, or its line. [dim]\\[default: 64][/dim]")
@click.option("--machine", "machines", multiple=True, type=click.Choice(MACHINES),
              help="Golden model or RTL. [dim]\\[default: golden][/dim]")
@simulator_options
@click.option("--profile", type=click.Choice(["modern", "2.6"]), default="modern",
              show_default=True, help="Which kernel's API.")
@click.option("--costs", is_flag=True, help="Print what the calls cost.")
def run(program: Path, arguments: tuple[str, ...], matrix: bool, paths: tuple[str, ...],
        caches: tuple[str, ...], machines: tuple[str, ...], engine: str, profile: str,
        costs: bool) -> None:
    """Run the driver program PROGRAM: a Python file with a function [b]main(kernel)[/b].

    It is called with ARGUMENTS after the kernel, if there are any. What it returns is its image; a
    right program has the same one on every machine. The checkers watch, and say which call is
    missing. Exit status: 0 if all images are the same and nothing was reported, 1 if not, 2 for
    wrong arguments.
    """
    from .matrix_report import run_program

    default = (list(PATHS), list(CACHES)) if matrix else (["strict"], ["64"])
    try:
        ok = run_program(program, arguments, paths=list(paths) or default[0],
                         caches=list(caches) or default[1], engines=list(machines) or ["golden"],
                         simulator=engine, costs=costs, profile=profile,
                         console=_console())
    except (ValueError, EngineError) as error:
        raise click.UsageError(str(error)) from None
    sys.exit(0 if ok else 1)


@click.command(name="map-benchmark")
@click.option("-t", "--threads", default=1, help="Threads that take turns, 1 to 1024.")
@click.option("-s", "--time", default=20, show_default=True,
              help="How long, in thousands of cycles (in the kernel, seconds), 1 to 300.")
@click.option("-l", "--loops", default=100, show_default=True, help="Maps of each thread, at most.")
@click.option("-n", "--node", default=-1, help="Memory node, -1 or 0: there is one.")
@click.option("-b", "--bits", default=32, help="Width of the mask, 20 to 64.")
@click.option("-d", "--direction", default=0, help="0 both, 1 to the device, 2 from the device.")
@click.option("-x", "--delay", default=0, help="Cycles between map and unmap.")
@click.option("-g", "--granule", default=1, help="Pages of a buffer, 1 to 1024.")
@click.option("-m", "--mode", default=0, help="0 single, 1 scatterlist.")
@click.option("--path", type=click.Choice(list(PATHS)), default="strict", show_default=True)
@click.option("--cache", type=click.Choice(list(CACHES)), default="64", show_default=True)
@click.option("--machine", type=click.Choice(MACHINES), default="rtl", show_default=True)
def map_benchmark(threads: int, time: int, loops: int, node: int, bits: int, direction: int,
                  delay: int, granule: int, mode: int, path: str, cache: str,
                  machine: str) -> None:
    """Measure what a map and an unmap cost, in cycles, as the kernel's dma_map_benchmark does."""
    from .map_benchmark import Benchmark, benchmark
    from .matrix import Cell, run_cell

    job = Benchmark(threads=threads, time=time, loops=loops, node=node, bits=bits,
                    direction=direction, delay=delay, granule=granule, mode=mode)
    try:
        result = run_cell(lambda kernel: benchmark(kernel, job), Cell(path, cache, machine),
                          check=None).image
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if isinstance(result, int):
        raise click.UsageError(f"Benchmark must have parameters in range and memory, not {job!r}")
    click.echo(f"dma mapping benchmark: mode:{'SG' if mode else 'SINGLE'} threads:{threads} "
               f"kilocycles:{time} node:{node} dir:{Dir(direction).name.removeprefix('DMA_')} "
               f"granule:{granule}")
    click.echo(f"average map latency(cycles):{result.map_average} "
               f"standard deviation:{result.map_deviation}")
    click.echo(f"average unmap latency(cycles):{result.unmap_average} "
               f"standard deviation:{result.unmap_deviation}")
