"""What ``dmapath run`` prints: a table of cells, reports, costs."""

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .matrix import Machines, Outcome, cells, load_program, run_cell

__all__ = ["digest", "run_program"]


#: Counters of :class:`kernel_api.Stats` that are printed for each function.
_COSTS = {"cleaned": "lines_cleaned", "dropped": "lines_invalidated", "bounced": "bounced_bytes",
          "PTEs": "pte_writes", "IOTLB": "iotlb_commands"}


def digest(image: object) -> str:
    """Eight hexadecimal digits that tell images apart."""
    return hashlib.sha256(repr(image).encode()).hexdigest()[:8]


def run_program(path: Path, arguments: tuple[str, ...] = (), *, paths: list[str],
                caches: list[str], engines: list[str], simulator: str, costs: bool, profile: str,
                console: Console) -> bool:
    """Run a program in cells, and print what it did. Returns whether all was right.

    Parameters
    ----------
    path : Path
        The program.
    arguments : tuple of str
        What ``main`` is called with after the kernel.
    paths, caches, engines : list of str
        The cells.
    simulator : str
        Of the RTL.
    costs : bool
        Print what the calls cost.
    profile : str
        Of the kernel.
    console : Console
        Where to print.
    """
    main, platform = load_program(path)
    with Machines(simulator) as machines:
        outcomes = [run_cell(lambda kernel: main(kernel, *arguments), cell, machines=machines,
                             profile=profile, costs=costs, platform=platform)
                    for cell in cells(paths, caches, engines)]
    common = Counter(digest(outcome.image) for outcome in outcomes).most_common(1)[0][0]
    table = Table("path", "cache", "machine", "image", "cycles", "reports", box=None)
    for outcome in outcomes:
        cell, name = outcome.cell, digest(outcome.image)
        table.add_row(cell.path, cell.cache, cell.engine, name if name == common
                      else f"[red]{name}[/red]", f"{outcome.cycles:,}", " ".join(outcome.checks))
    console.print(table)
    _print_reports(outcomes, console)
    if costs:
        _print_costs(outcomes, console)
    same = all(digest(outcome.image) == common for outcome in outcomes)
    clean = not any(outcome.reports for outcome in outcomes)
    if len(outcomes) > 1:
        console.print(f"{len(outcomes)} cells, images {'all the same' if same else 'differ'}")
    return same and clean


def _print_reports(outcomes: list[Outcome], console: Console) -> None:
    """Print each kind of report once, as the first cell had it."""
    said = set()
    for outcome in outcomes:
        for report in outcome.reports:
            if (report.check, report.caller) not in said:
                said.add((report.check, report.caller))
                console.print(f"{report} [dim]({report.caller}, {outcome.cell})[/dim]",
                              soft_wrap=True)


def _print_costs(outcomes: list[Outcome], console: Console) -> None:
    """Print a line for each cell: what is not zero."""
    for outcome in outcomes:
        costs = {field.name.replace("_", " "): getattr(outcome.costs, field.name)
                 for field in dataclasses.fields(outcome.costs)}
        text = ", ".join(f"{value} {name}" for name, value in costs.items() if value)
        console.print(f"{outcome.cell}: {text}", soft_wrap=True)
        console.print(_account_table(outcome))


def _account_table(outcome: Outcome) -> Table:
    """Functions that the program called, the dearest first, and what came of all their calls."""
    table = Table(box=None)
    for name in ("function", "calls", "cycles", *_COSTS):
        table.add_column(name, no_wrap=True, justify="left" if name == "function" else "right")
    for name, account in sorted(outcome.accounts.items(), key=lambda item: -item[1].cycles):
        counts = [getattr(account.stats, counter) for counter in _COSTS.values()]
        table.add_row(name, f"{account.calls:,}", f"{account.cycles:,}",
                      *(f"{count:,}" if count else "" for count in counts))
    return table
