"""Scenarios in JSON lines: one scenario a line, a family a file, compressed by gzip or not.

Numbers are JSON numbers or hexadecimal strings. What is wrong with a file is told by file, line and
field.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rtl.spec.iommu_regs import CAPABILITIES
from rtl.spec.page_table import PAGE_BYTES

from .checks import Check, VectorError, fail, flag, list_of, number, object_of, one_of, or_null
from .checks import text as plain

__all__ = ["Scenario", "Step", "VectorError", "differences", "family_of", "read_file",
           "read_folder"]

_GZIP = b"\x1f\x8b"


class Step(SimpleNamespace):
    """One step; its attributes are ``op`` and the fields of that operation."""

    op: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A sequence of steps that begins with an IOMMU that has just been reset.

    Parameters
    ----------
    name : str
        Name.
    capabilities : int
        What the implementation must advertise, exactly.
    fctl : int
        Value that ``fctl`` must have before the first step.
    mem_base, mem_size : int
        Memory as the IOMMU sees it, in bytes; other addresses answer with an error.
    mem : list of (int, int)
        64-bit words that are not zero at reset.
    steps : list of Step
        Steps.
    vector_bits : int
        log2 of the interrupt vectors that are needed.
    optional : bool
        It tests what the specification only recommends.
    msi_window : (int, int) or None
        Range in which each 4-byte store of the IOMMU is an interrupt message.
    """

    name: str
    capabilities: int
    fctl: int
    mem_base: int
    mem_size: int
    mem: list[tuple[int, int]]
    steps: list[Step]
    vector_bits: int = 0
    optional: bool = False
    msi_window: tuple[int, int] | None = None

    @property
    def poisons(self) -> bool:
        """Whether it needs a memory that can mark data as corrupt."""
        return any(getattr(step, "kind", "error") == "corrupt" for step in self.steps)


def differences(wanted: int, present: int) -> list[str]:
    """Names of the capabilities in which two values of the register differ."""
    return [name for name in CAPABILITIES
            if CAPABILITIES.get(wanted, name) != CAPABILITIES.get(present, name)]


def family_of(path: Path) -> str:
    """Name of the family that a file holds."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def read_folder(folder: Path) -> list[tuple[str, list[Scenario]]]:
    """Name and scenarios of each family in ``folder``."""
    return [(family_of(path), list(read_file(path))) for path in sorted(folder.glob("*.jsonl*"))]


def read_file(path: Path) -> Iterator[Scenario]:
    """Scenarios of one file. Empty lines are skipped.

    Raises
    ------
    VectorError
        If a line is not a scenario.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
    count = 0
    with (gzip.open if packed else open)(path, "rb") as lines:
        try:
            for line in lines:
                count += 1
                if line.strip():
                    yield _parse(line, f"{path.name}:{count}")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise VectorError(f"{path.name}:{count + 1}: must be intact gzip data, not as it is "
                              f"({error})") from None


def _parse(line: bytes, place: str) -> Scenario:
    try:
        raw = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:       # also of what is no UTF-8
        raise VectorError(f"{place}: must be JSON, not {line[:20]!r} ({error})") from None
    return _scenario(raw, place)


_WORD = number(64)
_EXPECTS = {True: {"pa": _WORD, "pbmt": number(2)}, False: {"cause": number(12), "reported": flag}}


def _expect(value: Any, place: str) -> SimpleNamespace:
    ok = flag(value.get("ok") if isinstance(value, dict) else value, f"{place}.ok")
    return SimpleNamespace(**object_of({"ok": flag, **_EXPECTS[ok]})(value, place))


_REGISTER = {"offset": number(12, unit=4), "size": one_of(4, 8)}
_MASKED = {**_REGISTER, "mask": _WORD, "value": _WORD}
_CELL = {"addr": number(64, unit=8), "value": _WORD}
_DWORDS = list_of(or_null(_WORD), 4)
_STEPS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "reg_write":     ({**_REGISTER, "value": _WORD}, {}),
    "reg_expect":    (_MASKED, {}),
    "reg_wait":      (_MASKED, {}),
    "mem_write":     (_CELL, {}),
    "mem_expect":    (_CELL, {"mask": _WORD}),
    "wait_commands": ({}, {}),
    "translate":     ({"did": number(24), "pid": or_null(number(20)), "priv": flag, "iova": _WORD,
                       "access": one_of("r", "w", "x"), "length": number(12),
                       "type": one_of("untranslated", "translated"), "expect": _expect}, {}),
    "fault_expect":  ({"record": _DWORDS}, {"mask": _DWORDS}),
    "inject":        ({"lo": _WORD, "hi": number(65), "access": one_of("r", "w", "rw")},
                      {"kind": one_of("error", "corrupt")}),
    "inject_clear":  ({}, {}),
    "msi_expect":    ({"addr": _WORD, "data": number(32)}, {}),
    "msi_none":      ({}, {}),
    "wsi_expect":    ({"wires": number(16)}, {}),
}
_CHECKS = {op: object_of({"op": plain, **required}, optional)
           for op, (required, optional) in _STEPS.items()}


def _step(value: Any, place: str) -> Step:
    op = value.get("op") if isinstance(value, dict) else value
    if not isinstance(op, str) or op not in _STEPS:
        fail(f"{place}.op", "one of " + ", ".join(_STEPS), op)
    step = Step(**_CHECKS[op](value, place))
    if op.startswith("reg_") and step.offset % step.size:
        fail(f"{place}.offset", f"a multiple of {step.size}", step.offset)
    if op == "inject" and step.lo >= step.hi:
        fail(f"{place}.hi", f"greater than lo, {step.lo:#x}", step.hi)
    return step


_PAGES = number(64, unit=PAGE_BYTES)
_CAPS = {name: number(size) for name, (_, size) in CAPABILITIES.fields.items()}
_SCENARIO = object_of({
    "name": plain, "seed": _WORD, "caps": object_of({}, _CAPS),
    "capabilities": _WORD, "fctl": number(32), "mem_base": _PAGES, "mem_size": _PAGES,
    "mem": list_of(list_of(_WORD, 2)), "steps": list_of(_step),
}, {
    "params": object_of({}, {"vector_bits": number(3)}),
    "optional": lambda value, place: (plain if isinstance(value, str) else flag)(value, place),
    "msi_window": list_of(number(65), 2),
})


def _scenario(raw: Any, place: str) -> Scenario:
    fields = _SCENARIO(raw, place)
    named = {"version": 0x10, **fields.pop("caps")}
    different = differences(fields["capabilities"], CAPABILITIES.pack(**named))
    if different:
        fail(f"{place}.caps", f"as capabilities for {', '.join(different)}", named)
    del fields["seed"]
    memory = range(fields["mem_base"], fields["mem_base"] + fields["mem_size"])
    cells = {f"mem[{n}]": addr for n, (addr, _) in enumerate(fields["mem"])} | {
        f"steps[{n}].addr": step.addr for n, step in enumerate(fields["steps"])
        if step.op.startswith("mem_")}
    for field, addr in cells.items():
        if addr not in memory or addr % 8:
            fail(f"{place}.{field}", f"an aligned address in memory at {memory.start:#x}",
                 hex(addr))
    if not memory:
        fail(f"{place}.mem_size", "greater than 0", 0)
    window = fields.pop("msi_window", None)
    return Scenario(**fields | {
        "vector_bits": fields.pop("params", {}).get("vector_bits", 0),
        "optional": bool(fields.pop("optional", "")),
        "msi_window": window and tuple(window),
        "mem": [tuple(word) for word in fields["mem"]]})
