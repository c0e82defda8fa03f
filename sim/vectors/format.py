"""Scenarios in JSON lines: one scenario a line, a family a file, ``.jsonl`` or ``.jsonl.gz``.

Numbers are JSON numbers or hexadecimal strings. What is wrong with a file is told by file, line and
field.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from rtl.spec.iommu_regs import CAPABILITIES

__all__ = ["Scenario", "Step", "VectorError", "differences", "read_file", "read_folder"]


class VectorError(ValueError):
    """A vector file is malformed."""


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


def differences(wanted: int, present: int) -> list[str]:
    """Names of the capabilities in which two values of the register differ."""
    return [name for name in CAPABILITIES
            if CAPABILITIES.get(wanted, name) != CAPABILITIES.get(present, name)]


def read_folder(folder: Path) -> dict[str, list[Scenario]]:
    """Scenarios of each family in ``folder``, by the name of its file."""
    return {path.name.split(".")[0]: list(read_file(path))
            for path in sorted(folder.glob("*.jsonl*"))}


def read_file(path: Path) -> Iterator[Scenario]:
    """Scenarios of one file.

    Raises
    ------
    VectorError
        If a line is not a scenario.
    """
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            place = f"{path.name}:{number}"
            try:
                raw = json.loads(line)
            except json.JSONDecodeError as error:
                raise VectorError(f"{place}: must be JSON, not {line[:20]!r} ({error})") from None
            yield _scenario(raw, place)


def _fail(place: str, allowed: str, value: object) -> NoReturn:
    raise VectorError(f"{place}: must be {allowed}, not {value!r}")


def _number(value: Any, place: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        try:
            return int(value, 16)
        except ValueError:
            pass
    return _fail(place, "a number or hexadecimal string", value)


def _text(value: Any, place: str) -> str:
    return value if isinstance(value, str) else _fail(place, "a string", value)


def _flag(value: Any, place: str) -> bool:
    return bool(value) if isinstance(value, (bool, int)) else _fail(place, "true or false", value)


def _or_null(check: Callable) -> Callable:
    return lambda value, place: None if value is None else check(value, place)


def _one_of(*allowed: Any) -> Callable:
    return lambda value, place: value if value in allowed else _fail(
        place, "one of " + ", ".join(map(repr, allowed)), value)


def _list(check: Callable, length: int | None = None) -> Callable:
    def checked(value: Any, place: str) -> list:
        if not isinstance(value, list) or length not in (None, len(value)):
            _fail(place, "a list" if length is None else f"a list of {length}", value)
        return [check(item, f"{place}[{index}]") for index, item in enumerate(value)]
    return checked


def _object(required: dict[str, Callable], optional: dict[str, Callable] | None = None) -> Callable:
    def checked(value: Any, place: str) -> dict:
        if not isinstance(value, dict):
            _fail(place, "an object", value)
        missing = required.keys() - value.keys()
        if missing:
            _fail(f"{place}.{min(missing)}", "there", None)
        checks = required | (optional or {})
        unknown = value.keys() - checks.keys()
        if unknown:
            _fail(place, f"without field {min(unknown)!r}", value)
        return {name: checks[name](item, f"{place}.{name}") for name, item in value.items()}
    return checked


def _expect(value: Any, place: str) -> SimpleNamespace:
    ok = isinstance(value, dict) and _flag(value.get("ok"), f"{place}.ok")
    fields = {"pa": _number, "pbmt": _number} if ok else {"cause": _number, "reported": _flag}
    return SimpleNamespace(**_object({"ok": _flag, **fields})(value, place))


_REGISTER = {"offset": _number, "size": _one_of(4, 8)}
_DWORDS = _list(_or_null(_number), 4)
_STEPS: dict[str, tuple[dict[str, Callable], dict[str, Callable]]] = {
    "reg_write":     ({**_REGISTER, "value": _number}, {}),
    "reg_expect":    ({**_REGISTER, "mask": _number, "value": _number}, {}),
    "reg_wait":      ({**_REGISTER, "mask": _number, "value": _number}, {}),
    "mem_write":     ({"addr": _number, "value": _number}, {}),
    "mem_expect":    ({"addr": _number, "value": _number}, {"mask": _number}),
    "wait_commands": ({}, {}),
    "translate":     ({"did": _number, "pid": _or_null(_number), "priv": _flag, "iova": _number,
                       "access": _one_of("r", "w", "x"), "length": _number,
                       "type": _one_of("untranslated", "translated"), "expect": _expect}, {}),
    "fault_expect":  ({"record": _DWORDS}, {"mask": _DWORDS}),
    "inject":        ({"lo": _number, "hi": _number, "access": _one_of("r", "w", "rw")},
                      {"kind": _one_of("error", "corrupt")}),
    "inject_clear":  ({}, {}),
    "msi_expect":    ({"addr": _number, "data": _number}, {}),
    "msi_none":      ({}, {}),
    "wsi_expect":    ({"wires": _number}, {}),
}


def _step(value: Any, place: str) -> Step:
    if not isinstance(value, dict) or value.get("op") not in _STEPS:
        _fail(f"{place}.op", "one of " + ", ".join(_STEPS),
              value.get("op") if isinstance(value, dict) else value)
    required, optional = _STEPS[value["op"]]
    return Step(**_object({"op": _text, **required}, optional)(value, place))


_SCENARIO = _object({
    "name": _text, "seed": _number, "caps": _object({}, dict.fromkeys(CAPABILITIES, _number)),
    "capabilities": _number, "fctl": _number, "mem_base": _number, "mem_size": _number,
    "mem": _list(_list(_number, 2)), "steps": _list(_step),
}, {
    "params": _object({}, {"vector_bits": _number}), "optional": _text,
    "msi_window": _list(_number, 2),
})


def _scenario(raw: Any, place: str) -> Scenario:
    fields = _SCENARIO(raw, place)
    named = {"version": 0x10, **fields.pop("caps")}
    different = differences(fields["capabilities"], CAPABILITIES.pack(**named))
    if different:
        _fail(f"{place}.caps", f"as capabilities for {', '.join(different)}", named)
    del fields["seed"]
    window = fields.pop("msi_window", None)
    return Scenario(**fields | {
        "vector_bits": fields.pop("params", {}).get("vector_bits", 0),
        "optional": bool(fields.pop("optional", "")),
        "msi_window": window and tuple(window),
        "mem": [tuple(word) for word in fields["mem"]]})
