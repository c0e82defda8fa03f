"""Run the demo on both machines and tell what happened."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rtl.spec.platform import Platform

from ..golden.machine import GoldenMachine
from ..machine import RtlMachine
from ..waves import write_save_file
from .program import Outcome, digest, run

__all__ = ["BLOCKS", "run_demo"]

#: Groups of the GTKWave save file: scopes of the blocks.
BLOCKS = {
    "CPU port": ("bench", "top", "host"),
    "Cache": ("bench", "top", "system", "cache"),
    "DMA engine": ("bench", "top", "system", "dma"),
    "IOMMU": ("bench", "top", "system", "iommu"),
    "Memory": ("bench", "top", "dram"),
}


def run_demo(data: bytes, *, entries: int, seed: int, forget: str | None, engine: str,
             vcd: Path | None, json_path: Path | None, platform: Platform,
             console: Console) -> bool:
    """Copy ``data`` on the RTL and on the golden model, print the tables, write the files.

    Returns
    -------
    bool
        Whether everything is as it must be: without ``forget``, the copy is right and both machines
        agree; with it, the damage that the missing call must do was seen.
    """
    def copy(machine, name):
        with Progress(TextColumn("{task.description:<28}"), BarColumn(), DownloadColumn(),
                      TimeElapsedColumn(), console=console, transient=True) as bars:
            tasks = {}

            def progress(step: str, done: int, total: int) -> None:
                if step not in tasks:
                    tasks[step] = bars.add_task(f"{name}: {step}", total=total)
                bars.update(tasks[step], completed=done)

            return run(machine, data, entries=entries, seed=seed, forget=forget,
                            progress=progress)

    golden = copy(GoldenMachine(platform), "golden model")
    with RtlMachine(platform, engine=engine, vcd=vcd) as machine:
        rtl = copy(machine, f"RTL on {machine.engine}")
    problems = _problems(data, rtl, golden, forget)

    console.print(_figures(rtl, data, machine.engine))
    console.print(_agreement(rtl, golden, forget))
    for line in rtl.damage:
        console.print(line, style="yellow" if forget else "red", markup=False)
    if vcd is not None:
        console.print(f"waveform: {vcd}, GTKWave save file: {write_save_file(vcd, BLOCKS)}",
                      markup=False)
    if json_path is not None:
        json_path.write_text(json.dumps(_as_json(rtl, golden, problems, forget), indent=1) + "\n")
    if problems:
        for line in problems:
            console.print(f"FAILED: {line}", style="bold red", markup=False)
    elif forget:
        console.print(f"As it must: without {forget}, the copy is damaged.", style="green")
    else:
        console.print("The copy is right, and the golden model agrees.", style="green")
    return not problems


def _problems(data: bytes, rtl: Outcome, golden: Outcome,
              forget: str | None) -> list[str]:
    """Everything that is not as it must be."""
    if forget:
        return [f"without {forget}, the {name} showed no damage" for name, outcome in
                (("RTL", rtl), ("golden model", golden)) if not outcome.damage]
    problems = [f"on the {name}: {line}" for name, outcome in
                (("RTL", rtl), ("golden model", golden)) for line in outcome.damage]
    if rtl.data != data and not problems:
        problems.append("the RTL's copy differs from the file")
    problems += [f"RTL and golden model differ in {what}" for what, same in
                 _comparison(rtl, golden).items() if not same]
    return problems


def _comparison(rtl: Outcome, golden: Outcome) -> dict[str, bool]:
    return {
        "memory image": bool(np.array_equal(rtl.image, golden.image)),
        "handles": rtl.handles == golden.handles,
        "fault records": rtl.records[:1] == golden.records[:1],
        "data read by the CPU": rtl.data == golden.data,
        "lines cleaned and invalidated": all(
            rtl.figures[name] == golden.figures[name]
            for name in ("lines cleaned", "lines invalidated")),
        "interrupts": rtl.figures["interrupts"] == golden.figures["interrupts"],
    }


def _figures(outcome: Outcome, data: bytes, engine: str) -> Table:
    table = Table(title=f"One DMA copy through cache, IOMMU and DMA engine (RTL on {engine})",
                  show_header=False)
    table.add_column("what")
    table.add_column("figure", justify="right", overflow="fold")
    for name, value in outcome.figures.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.2f}")
    table.add_row("SHA-256 of source", digest(data))
    table.add_row("SHA-256 of destination", digest(outcome.data))
    return table


def _agreement(rtl: Outcome, golden: Outcome, forget: str | None) -> Table:
    table = Table(title="RTL against golden model")
    table.add_column("compared")
    table.add_column("result", justify="right")
    bad = "[yellow]differs" if forget else "[red]differs"
    for what, same in _comparison(rtl, golden).items():
        table.add_row(what, "[green]same" if same else bad)
    return table


def _as_json(rtl: Outcome, golden: Outcome, problems: list[str],
             forget: str | None) -> dict:
    def one(outcome: Outcome) -> dict:
        return {"figures": outcome.figures, "handles": outcome.handles,
                "records": outcome.records, "sha256": digest(outcome.data),
                "damage": outcome.damage}

    return {"forget": forget, "rtl": one(rtl), "golden": one(golden),
            "same": _comparison(rtl, golden), "problems": problems}
