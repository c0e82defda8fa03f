"""Replay of whole families, and the table of results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .format import Scenario
from .replay import Mismatch, Target, replay

__all__ = ["FamilyResult", "replay_families", "to_text"]


@dataclass
class FamilyResult:
    """Results of one family."""

    family: str
    scenarios: int = 0
    checks: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    #: Names of the scenarios that were not replayed, with the reason.
    refused: dict[str, str] = field(default_factory=dict)


def replay_families(target: Target, families: Mapping[str, Iterable[Scenario]]
                    ) -> list[FamilyResult]:
    """Replay all scenarios that ``target`` does not refuse."""
    results = []
    for family, scenarios in families.items():
        result = FamilyResult(family)
        for scenario in scenarios:
            reason = target.refuses(scenario)
            if reason:
                result.refused[scenario.name] = reason
                continue
            outcome = replay(target, scenario)
            result.scenarios += 1
            result.checks += outcome.checks
            result.mismatches += outcome.mismatches
        results.append(result)
    return results


def to_text(results: Iterable[FamilyResult], *, shown: int = 5) -> str:
    """Table of results, and the first mismatches and refusals of each family."""
    rows = [("family", "scenarios", "refused", "checks", "mismatches")]
    rows += [(result.family, str(result.scenarios), str(len(result.refused)), str(result.checks),
              str(len(result.mismatches))) for result in results]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(
        cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows]
    for result in results:
        lines += [str(mismatch) for mismatch in result.mismatches[:shown]]
        lines += [f"{name} refused: {reason}"
                  for name, reason in list(result.refused.items())[:shown]]
    return "\n".join(lines)
