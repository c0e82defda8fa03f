"""Rows of figures, as a table and as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Row", "print_rows", "write_rows"]


@dataclass(frozen=True)
class Row:
    """One figure.

    Parameters
    ----------
    block : str
        ``"dma"``, ``"iommu"``, ``"cache"`` or ``"system"``.
    what : str
        What was done.
    latency : int
        Memory latency L, in cycles.
    cycles : float
        Cycles that it took.
    unit : str
        Per what: ``"copy"``, ``"line"``, ``"access"``.
    peer : float or None
        The best open peer's figure for the same, if it was measured.
    peer_name : str
        Which peer.
    """

    block: str
    what: str
    latency: int
    cycles: float
    unit: str
    peer: float | None = None
    peer_name: str = ""


def print_rows(rows: Iterable[Row], console: Console) -> None:
    """Print rows as one table, block by block."""
    table = Table(title="Cycles from simulation (fewer is better)")
    for column in ("block", "what", "L", "cycles", "per", "best peer", "peer"):
        right = column in ("L", "cycles", "best peer")
        table.add_column(column, justify="right" if right else "left")
    before = None
    for row in rows:
        if before not in (None, row.block):
            table.add_section()
        style = "" if row.peer is None else "green" if row.cycles <= row.peer else "yellow"
        table.add_row("" if row.block == before else row.block, row.what, str(row.latency),
                      f"[{style}]{row.cycles:.2f}" if style else f"{row.cycles:.2f}", row.unit,
                      "" if row.peer is None else f"{row.peer:.2f}", row.peer_name)
        before = row.block
    console.print(table)


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as a JSON list of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
