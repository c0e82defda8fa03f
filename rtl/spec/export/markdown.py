"""Tables for the manual."""

import enum
from collections.abc import Iterable

from ..bits import BitLayout
from ..regmap import RegisterMap

__all__ = ["to_markdown"]


def to_markdown(items: Iterable[RegisterMap | BitLayout | type[enum.Enum]]) -> str:
    """One section with a table for each register map, layout and enumeration."""
    parts = []
    for item in items:
        match item:
            case RegisterMap():
                parts.append(_map(item))
            case BitLayout():
                parts.append(_layout(item))
            case _:
                parts.append(_enum(item))
    return "\n".join(parts)


def _table(*rows: tuple[str, ...]) -> str:
    first, *rest = (_row(row) for row in rows)
    return "\n".join([first, "|" + " --- |" * len(rows[0]), *rest]) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _bits(lsb: int, width: int) -> str:
    return str(lsb) if width == 1 else f"{lsb + width - 1}:{lsb}"


def _map(regmap: RegisterMap) -> str:
    rows = [("offset", "register", "bits", "field", "access", "reset", "meaning")]
    for register in regmap:
        rows.append((f"{register.offset:#05x}", f"**{register.name}**", "", "", "", "",
                     register.doc))
        for field in register:
            values = "" if field.values is None else " " + ", ".join(
                f"{code.value}: {code.name}" for code in field.values) + "."
            rows.append(("", "", _bits(field.lsb, field.width), field.name, field.access.value,
                         f"{field.reset:#x}", field.doc + values))
    return f"## {regmap.name}\n\n{regmap.doc}\n\n{_table(*rows)}"


def _layout(layout: BitLayout) -> str:
    rows = [("bits", "field")]
    rows += [(_bits(lsb, width), field) for field, (lsb, width) in layout.fields.items()]
    return (f"## {layout.name}\n\nA word of {layout.width} bits; bits that are not named are "
            f"reserved.\n\n{_table(*rows)}")


def _enum(codes: type[enum.Enum]) -> str:
    rows = [("value", "name")] + [(str(code.value), code.name) for code in codes]
    return f"## {codes.__name__}\n\n{codes.__doc__}\n\n{_table(*rows)}"
