"""``python -m tests.rules``: which rules, checks, mistakes and functions have tests.

Status 1 if one has none. A test proves what its name begins with: ``test_r103_r104_...`` is for
rules R103 and R104. A function's tests are those that name it in their code, besides the table of
all functions. With ``-v``, the tests are named.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.rules.functions import FUNCTIONS
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


def uses(folder: Path) -> Iterator[tuple[str, str]]:
    """Function and test, for each function of the API that the code of a test below names."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
                yield from ((name, f"{path.name}::{node.name}") for name in names & set(FUNCTIONS))


def show(number: str, title: str, tests: list[str]) -> None:
    """Print a line, and with ``-v`` the tests."""
    print(f"{number:>5}  {len(tests) or '-':>3}  {title}")
    if "-v" in sys.argv:
        print(*(f"            {test}" for test in tests), sep="\n")


def main() -> int:
    """Print the table. Returns the exit status."""
    found: dict[str, list[str]] = {}
    for number, test in proofs(Path(__file__).parents[1]):
        found.setdefault(number, []).append(test)
    for number, title in TITLES.items():
        show(number, title, found.get(number, []))
    called: dict[str, list[str]] = {}
    for name, test in uses(Path(__file__).parents[1]):
        called.setdefault(name, []).append(test)
    for name, arguments in FUNCTIONS.items():
        show("", f"{name}({', '.join(arguments)})", called.get(name, []))
    for letter, kind in (("R", "rules"), ("D", "checks of dma-debug"),
                         ("X", "checks of ownership"), ("M", "mistakes")):
        numbers = [number for number in TITLES if number[0] == letter]
        without = [number for number in numbers if number not in found]
        print(f"{len(numbers) - len(without)} of {len(numbers)} {kind} have tests"
              + (f"; none: {', '.join(without)}" if without else ""))
    untested = [name for name in FUNCTIONS if name not in called]
    print(f"{len(called)} of {len(FUNCTIONS)} functions have tests"
          + (f"; none: {', '.join(untested)}" if untested else ""))
    unknown = sorted(found.keys() - TITLES.keys())
    if unknown:
        print("tests for what there is not:", ", ".join(unknown))
    return int(bool(unknown or untested) or not TITLES.keys() <= found.keys())


if __name__ == "__main__":
    sys.exit(main())
