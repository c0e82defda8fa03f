"""The shape of the project: who may import whom, and how long a file may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Folder -> project folders that it may import, besides itself. The most specific entry counts.
MAY_IMPORT = {
    "rtl/spec":   set(),
    "rtl":        {"rtl/spec"},
    "kernel_api": {"rtl/spec"},
    "sim/golden": {"rtl/spec"},
    "sim/engine": set(),
    "sim":        {"rtl", "rtl/spec", "kernel_api", "sim/golden", "sim/engine"},
    "tests":      {"rtl", "rtl/spec", "kernel_api", "sim", "sim/golden", "sim/engine"},
}
MAY_USE_AMARANTH = {"rtl", "sim", "sim/engine", "tests"}
MAX_LINES = 350

SOURCES = sorted(path.relative_to(ROOT).as_posix()
                 for folder in ("rtl", "kernel_api", "sim", "tests")
                 for path in (ROOT / folder).rglob("*.py"))


def folder_of(path: str) -> str | None:
    return max((name for name in MAY_IMPORT if f"{path}/".startswith(f"{name}/")),
               key=len, default=None)


def imports(path: str):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                parent = Path(path).parts[:-node.level]
                yield ".".join((*parent, *filter(None, [node.module])))
            else:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES)
def test_imports(path):
    here = folder_of(path)
    for name in imports(path):
        if name.split(".")[0] == "amaranth":
            assert here in MAY_USE_AMARANTH, f"{path} imports {name}"
        there = folder_of(name.replace(".", "/"))
        assert there in {None, here, *MAY_IMPORT[here]}, f"{path} imports {name}"


@pytest.mark.parametrize("path", SOURCES)
def test_length(path):
    assert len((ROOT / path).read_text().splitlines()) <= MAX_LINES
