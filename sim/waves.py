"""A GTKWave save file for a waveform: one group a block, states and enumerations as text first."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vcd.gtkw import GTKWSave

__all__ = ["Variable", "variables", "write_save_file"]


@dataclass(frozen=True)
class Variable:
    """A variable in the header of a VCD file."""

    scope: tuple[str, ...]
    name: str
    kind: str
    width: int

    @property
    def path(self) -> str:
        """Name as GTKWave spells it."""
        bits = f"[{self.width - 1}:0]" if self.width > 1 else ""
        return ".".join((*self.scope, self.name)) + bits


def variables(vcd: Path) -> Iterator[Variable]:
    """Read the variables in the header of a VCD file, in order."""
    scope: list[str] = []
    with vcd.open() as lines:
        for line in lines:
            match line.split():
                case ["$scope", _, name, "$end"]:
                    scope.append(name)
                case ["$upscope", "$end"]:
                    scope.pop()
                case ["$var", kind, width, _, name, *_]:
                    yield Variable(tuple(scope), name, kind, int(width))
                case ["$enddefinitions", *_]:
                    return


def write_save_file(vcd: Path, blocks: Mapping[str, tuple[str, ...]]) -> Path:
    """Write a GTKWave save file beside ``vcd``.

    A group holds, for its block: the states of the state machines anywhere in it, then its own
    ports, field by field. States and enumerations show as text.

    Parameters
    ----------
    vcd : Path
        Waveform.
    blocks : mapping from str to tuple of str
        Name of each group, and the scope of its block.

    Returns
    -------
    Path
        The save file: same name, suffix ``.gtkw``.
    """
    found = list(variables(vcd))
    path = vcd.with_suffix(".gtkw")
    with path.open("w") as file:
        save = GTKWSave(file)
        save.dumpfile(str(vcd.resolve()))
        clock = next((var for var in found if var.name == "clk"), None)
        if clock is not None:
            save.trace(clock.path)
        for name, scope in blocks.items():
            with save.group(name, closed=True):
                for var in found:
                    if var.name.endswith("_state") and var.scope[:len(scope)] == scope:
                        save.trace(var.path, alias=_alias(var, len(scope)))
                for var in found:
                    if var.scope == scope and _is_port(var.name):
                        save.trace(var.path, alias=_alias(var, len(scope)))
    return path


def _is_port(name: str) -> bool:
    """Whether it is a stream or another port: not a local signal, not a second name."""
    return "$" not in name and re.search(r"__|irq", name) is not None


def _alias(var: Variable, skip: int) -> str:
    return "/".join((*var.scope[skip:], var.name.lstrip("\\")))
