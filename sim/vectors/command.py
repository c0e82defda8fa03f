"""The command ``dmapath vectors``."""

import json
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .format import family_of, read_file
from .golden import GoldenTarget
from .replay import Target
from .summary import FamilyResult, details, heading, replay_family, row

__all__ = ["run_vectors"]


def run_vectors(paths: list[Path], *, machine: str, engine: str, json_path: Path | None,
                console: Console) -> bool:
    """Replay files, print what came of each, and return whether there was no mismatch.

    All files are read before the first scenario is replayed.

    Raises
    ------
    VectorError
        If a file is malformed.
    OSError
        If a file cannot be read or written.
    EngineError
        If the engine is not installed.
    """
    if json_path is not None:
        json_path.open("a").close()     # before the work, not after it
    files = [(family_of(path), list(read_file(path))) for path in paths]
    target = _target(machine, engine)
    width = max(len("family"), len("all"), *(len(family) for family, _ in files))
    say = Console(stderr=True)
    if machine == "rtl":
        say.print(f"simulator: {target.engine}")
    results = []
    console.print(heading(width), soft_wrap=True)
    with Progress(TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(),
                  console=say, transient=True, disable=not say.is_terminal) as progress:
        for family, scenarios in files:
            task = progress.add_task(family, total=len(scenarios))
            result = replay_family(target, family, scenarios,
                                   advance=lambda task=task: progress.advance(task))
            progress.remove_task(task)
            results.append(result)
            console.print(row(result, width), soft_wrap=True)
    if len(results) > 1:
        console.print(row(_all(results), width), soft_wrap=True)
    for result in results:
        for line in details(result):
            console.print(line, soft_wrap=True)
    if json_path is not None:
        json_path.write_text(json.dumps({
            "machine": machine, "engine": getattr(target, "engine", ""),
            "families": [result.to_json() for result in results]}, indent=1) + "\n")
    return not any(result.mismatches for result in results)


def _target(machine: str, engine: str) -> Target:
    if machine == "golden":
        return GoldenTarget()
    from .rtl import RtlTarget  # slow to import

    return RtlTarget(engine=engine)


def _all(results: list[FamilyResult]) -> FamilyResult:
    return FamilyResult(
        "all", sum(result.scenarios for result in results),
        sum(result.checks for result in results),
        [mismatch for result in results for mismatch in result.mismatches],
        [refused for result in results for refused in result.refused],
        sum(result.seconds for result in results))
