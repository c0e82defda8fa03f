"""Replay of whole families, and the table of results."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .format import Scenario
from .replay import Mismatch, Target, replay

__all__ = ["FamilyResult", "details", "heading", "replay_family", "row"]

_COLUMNS = ("scenarios", "refused", "checks", "mismatches", "seconds")
#: Mismatches of a family that are shown.
SHOWN = 5


@dataclass
class FamilyResult:
    """Results of one family.

    Parameters
    ----------
    family : str
        Name.
    scenarios, checks : int
        Scenarios that were replayed, and what was compared in them.
    mismatches : list of Mismatch
        Comparisons that failed.
    refused : list of (str, str)
        Names of the scenarios that were not replayed, with the reason.
    seconds : float
        Time that it took.
    """

    family: str
    scenarios: int = 0
    checks: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict:
        """Everything, for a JSON file."""
        return {
            "family": self.family, "scenarios": self.scenarios, "checks": self.checks,
            "mismatches": [vars(mismatch) for mismatch in self.mismatches],
            "refused": [{"scenario": name, "reason": reason} for name, reason in self.refused],
            "seconds": round(self.seconds, 3)}


def replay_family(target: Target, family: str, scenarios: Iterable[Scenario],
                  *, advance: Callable[[], object] = lambda: None) -> FamilyResult:
    """Replay all scenarios that ``target`` does not refuse; calls ``advance`` after each."""
    result, start = FamilyResult(family), time.monotonic()
    for scenario in scenarios:
        reason = target.refuses(scenario)
        if reason:
            result.refused.append((scenario.name, reason))
        else:
            outcome = replay(target, scenario)
            result.scenarios += 1
            result.checks += outcome.checks
            result.mismatches += outcome.mismatches
        advance()
    result.seconds = time.monotonic() - start
    return result


def heading(width: int) -> str:
    """First line of the table; ``width`` is that of the longest name."""
    return "  ".join(("family".ljust(width), *_COLUMNS))


def row(result: FamilyResult, width: int) -> str:
    """Line of a family."""
    cells = (result.scenarios, len(result.refused), result.checks, len(result.mismatches),
             f"{result.seconds:.1f}")
    return "  ".join((result.family.ljust(width), *(
        str(cell).rjust(len(column)) for cell, column in zip(cells, _COLUMNS, strict=True))))


def details(result: FamilyResult) -> list[str]:
    """Lines about what went wrong: the first mismatches, and why scenarios were refused."""
    lines = [f"{result.family}: {mismatch}" for mismatch in result.mismatches[:SHOWN]]
    if len(result.mismatches) > SHOWN:
        lines.append(f"{result.family}: {len(result.mismatches) - SHOWN} more mismatches")
    reasons = Counter(reason for _, reason in result.refused)
    return lines + [f"{result.family}: {count} refused: {reason}"
                    for reason, count in reasons.items()]
