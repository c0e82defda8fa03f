"""C headers, in the manner of Linux drivers."""

import enum
import re
from collections.abc import Iterable

from ..bits import BitLayout
from ..regmap import RegisterMap

__all__ = ["constant_prefix", "to_c_header"]

_PROLOGUE = """\
/* Generated; do not edit. */
#pragma once

#ifdef __KERNEL__
#include <linux/bits.h>
#elif !defined(GENMASK)
#define BIT(n)              (1u << (n))
#define BIT_ULL(n)          (1ull << (n))
#define GENMASK(h, l)       ((~0u >> (31 - (h))) & (~0u << (l)))
#define GENMASK_ULL(h, l)   ((~0ull >> (63 - (h))) & (~0ull << (l)))
#endif
"""


def constant_prefix(codes: type[enum.Enum]) -> str:
    """Name of an enumeration as C writes it: ``TransactionType`` is ``TRANSACTION_TYPE``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", codes.__name__).upper()


def to_c_header(items: Iterable[RegisterMap | BitLayout | type[enum.Enum]]) -> str:
    """Offsets of registers in bytes, masks of fields, and constants.

    Parameters
    ----------
    items : iterable
        Register maps, layouts and enumerations, in the order in which they are to be written.
    """
    parts = [_PROLOGUE]
    for item in items:
        match item:
            case RegisterMap():
                parts.append(_map(item))
            case BitLayout():
                parts.append(_layout(item))
            case _:
                parts.append(_enum(item))
    return "\n".join(parts)


def _define(name: str, value: str, doc: str = "") -> str:
    return f"#define {name:<40} {value}{f' /* {doc} */' if doc else ''}\n"


def _mask(lsb: int, width: int, total: int) -> str:
    suffix = "_ULL" if total > 32 else ""
    return f"BIT{suffix}({lsb})" if width == 1 else f"GENMASK{suffix}({lsb + width - 1}, {lsb})"


def _map(regmap: RegisterMap) -> str:
    text = f"/* {regmap.doc} */\n"
    for register in regmap:
        name = f"{regmap.name}_{register.name}".upper()
        text += _define(name, f"{register.offset:#05x}", register.doc)
        for field in register:
            text += _define(f"  {name}_{field.name.upper()}",
                            _mask(field.lsb, field.width, regmap.width))
    return text


def _layout(layout: BitLayout) -> str:
    text = f"/* {layout.name}: a word of {layout.width} bits. */\n"
    for field, (lsb, width) in layout.fields.items():
        text += _define(f"{layout.name}_{field}".upper(), _mask(lsb, width, layout.width))
    return text


def _enum(codes: type[enum.Enum]) -> str:
    prefix = constant_prefix(codes)
    text = f"/* {codes.__doc__} */\n"
    for code in codes:
        text += _define(f"{prefix}_{code.name}", f"{code.value:#x}")
    return text
