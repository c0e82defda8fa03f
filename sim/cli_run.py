"""The command ``dmapath run``."""

import sys
from pathlib import Path

import rich_click as click
from rich.console import Console

from .engine import EngineError
from .matrix import CACHES, PATHS
from .matrix import ENGINES as MACHINES
from .options import simulator_options

__all__ = ["run"]


@click.command()
@click.argument("program", type=click.Path(exists=True, dir_okay=False, path_type=Path))
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
def run(program: Path, matrix: bool, paths: tuple[str, ...], caches: tuple[str, ...],
        machines: tuple[str, ...], engine: str, profile: str, costs: bool) -> None:
    """Run the driver program PROGRAM: a Python file with a function [b]main(kernel)[/b].

    What it returns is its image; a right program has the same one on every machine. The checkers
    watch, and say which call is missing. Exit status: 0 if all images are the same and nothing was
    reported, 1 if not, 2 for wrong arguments.
    """
    from .matrix_report import run_program

    default = (list(PATHS), list(CACHES)) if matrix else (["strict"], ["64"])
    try:
        ok = run_program(program, paths=list(paths) or default[0],
                         caches=list(caches) or default[1], engines=list(machines) or ["golden"],
                         simulator=engine, costs=costs, profile=profile,
                         console=Console(highlight=False, soft_wrap=True))
    except (ValueError, EngineError) as error:
        raise click.UsageError(str(error)) from None
    sys.exit(0 if ok else 1)
