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
#: Layers of ``kernel_api``, lowest first: a file imports from its own layer and those below.
LAYERS = ("core", "platform", "memory", "sg", "device", "iommu", "ops", "mapping", "coherent",
          "legacy", "pythonic", "debug", "dmaengine", "drivers", "boot.py", "__init__.py")
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


def modules_of(path: str):
    """Files of ``kernel_api`` that a file imports; a name of a package may be a file or not."""
    names = {source.removesuffix(".py").removesuffix("/__init__").replace("/", "."): source
             for source in SOURCES}
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = ".".join((*Path(path).parts[:-node.level], *filter(None, [node.module])))
            for alias in node.names:
                yield names.get(f"{module}.{alias.name}") or names[module]


KERNEL = [path for path in SOURCES if path.startswith("kernel_api/")]


@pytest.mark.parametrize("path", KERNEL)
def test_kernel_layers(path):
    here = LAYERS.index(path.split("/")[1])
    for source in modules_of(path):
        assert LAYERS.index(source.split("/")[1]) <= here, f"{path} imports {source}: upwards"


def test_kernel_has_no_circle():
    graph = {path: set(modules_of(path)) - {path} for path in KERNEL}
    while leaves := [path for path, needed in graph.items() if not needed]:
        for leaf in leaves:
            del graph[leaf]
        for needed in graph.values():
            needed.difference_update(leaves)
    assert not graph, f"these import each other: {sorted(graph)}"
