"""SystemRDL 2.0, from which PeakRDL makes HTML, IP-XACT, UVM and more."""

import enum
from collections.abc import Iterable

from ..bits import BitLayout
from ..regmap import Access, RegisterMap

__all__ = ["to_systemrdl"]

_ACCESS = {
    Access.RO:   "sw = r; hw = w;",
    Access.RW:   "sw = rw; hw = r;",
    Access.W1C:  "sw = rw; onwrite = woclr; hw = rw; hwset;",
    Access.WO:   "sw = w; hw = r; swmod;",
    Access.WARL: "sw = rw; hw = rw;",
}
#: Fields of words in memory: whoever uses them reads and writes them.
_MEMORY = "sw = rw; hw = rw;"


def to_systemrdl(what: RegisterMap | Iterable[BitLayout | type[enum.Enum]],
                 name: str = "formats") -> str:
    """Describe a register map, or words in memory.

    SystemRDL has no other place for words in memory: they become registers, one after another, in
    an address map called ``name``. Enumerations come before them.
    """
    if isinstance(what, RegisterMap):
        return _map(what)
    items = list(what)
    enums = [_enum(item) for item in items if not isinstance(item, BitLayout)]
    lines, offset = [f"addrmap {name} {{", '    desc = "Words in memory.";'], 0
    for layout in items:
        if isinstance(layout, BitLayout):
            lines += ["    reg {", f"        regwidth = {layout.width};"]
            lines += [_field(field, lsb, width, "", _MEMORY)
                      for field, (lsb, width) in layout.fields.items()]
            lines.append(f"    }} {layout.name} @ {offset:#x};")
            offset += 8
    return "".join(enums) + "\n".join([*lines, "};"]) + "\n"


def _text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _field(name: str, lsb: int, width: int, doc: str, properties: str, reset: str = "") -> str:
    # The backslash makes an identifier of what may be a keyword.
    return (f'        field {{ desc = "{_text(doc)}"; {properties} }} '
            f"\\{name} [{lsb + width - 1}:{lsb}]{reset};")


def _map(regmap: RegisterMap) -> str:
    used = {field.values.__name__: field.values
            for register in regmap for field in register if field.values is not None}
    lines = [f"addrmap {regmap.name} {{", f'    desc = "{_text(regmap.doc)}";',
             f"    default regwidth = {regmap.width};"]
    for register in regmap:
        lines += ["    reg {", f'        desc = "{_text(register.doc)}";']
        for field in register:
            properties = _ACCESS[field.access]
            if field.values is not None:
                properties += f" encode = {field.values.__name__};"
            reset = f" = {field.reset:#x}" if field.access in (Access.RW, Access.W1C) else ""
            lines.append(_field(field.name, field.lsb, field.width, field.doc, properties, reset))
        lines.append(f"    }} \\{register.name} @ {register.offset:#x};")
    return "".join(map(_enum, used.values())) + "\n".join([*lines, "};"]) + "\n"


def _enum(codes: type[enum.Enum]) -> str:
    members = "\n".join(f"    {code.name} = {code.value};" for code in codes)
    return f"enum {codes.__name__} {{\n{members}\n}};\n\n"
