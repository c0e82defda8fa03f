"""``python -m tests.rules``: which rules, checks and mistakes have tests. Status 1 if one has none.

A test proves what its name begins with: ``test_r103_r104_...`` is for rules R103 and R104. With
``-v``, the tests are named.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.rules.titles import TITLES

_NAME = re.compile(r"test((?:_[rdxm]\d+)+)(?:_|$)")


def proofs(folder: Path) -> Iterator[tuple[str, str]]:
    """Number and test, for each number in the name of each test below ``folder``."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match = isinstance(node, ast.FunctionDef) and _NAME.match(node.name)
            if match:
                for part in match[1][1:].upper().split("_"):
                    yield f"{part[0]}{int(part[1:])}", f"{path.name}::{node.name}"


def main() -> int:
    """Print the table. Returns the exit status."""
    found: dict[str, list[str]] = {}
    for number, test in proofs(Path(__file__).parents[1]):
        found.setdefault(number, []).append(test)
    for number, title in TITLES.items():
        tests = found.get(number, [])
        print(f"{number:>5}  {len(tests) or '-':>3}  {title}")
        if "-v" in sys.argv:
            print(*(f"            {test}" for test in tests), sep="\n")
    for letter, kind in (("R", "rules"), ("D", "checks of dma-debug"),
                         ("X", "checks of ownership"), ("M", "mistakes")):
        numbers = [number for number in TITLES if number[0] == letter]
        without = [number for number in numbers if number not in found]
        print(f"{len(numbers) - len(without)} of {len(numbers)} {kind} have tests"
              + (f"; none: {', '.join(without)}" if without else ""))
    unknown = sorted(found.keys() - TITLES.keys())
    if unknown:
        print("tests for what there is not:", ", ".join(unknown))
    return int(bool(unknown) or not TITLES.keys() <= found.keys())


if __name__ == "__main__":
    sys.exit(main())
