"""Renderings of a register map for other tools and for people."""

from .regmap import Access, RegisterMap

__all__ = ["to_c_header", "to_markdown", "to_systemrdl"]

_RDL = {
    Access.RO:  "sw = r; hw = w;",
    Access.RW:  "sw = rw; hw = r;",
    Access.W1C: "sw = rw; onwrite = woclr; hw = rw; hwset;",
    Access.WO:  "sw = w; hw = r; swmod;",
    Access.WARL: "sw = rw; hw = rw;",
}


def to_c_header(regmap: RegisterMap) -> str:
    """Offsets, masks and shifts, in the manner of Linux driver headers."""
    block = regmap.name.upper()
    lines = [f"/* {regmap.doc} Generated; do not edit. */", "#pragma once", ""]
    for register in regmap:
        name = f"{block}_{register.name.upper()}"
        lines.append(f"#define {name:<32} {register.offset:#04x} /* {register.doc} */")
        for field in register:
            bits = f"GENMASK({field.msb}, {field.lsb})" if field.width > 1 else f"BIT({field.lsb})"
            lines.append(f"#define   {name + '_' + field.name.upper():<30} {bits}")
    return "\n".join(lines) + "\n"


def to_markdown(regmap: RegisterMap) -> str:
    """One table, for the manual."""
    lines = ["| offset | register | bits | field | access | reset | meaning |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for register in regmap:
        for field in register:
            lines.append(f"| {register.offset:#04x} | {register.name} | {field.msb}:{field.lsb} | "
                         f"{field.name} | {field.access.value} | {field.reset:#x} | {field.doc} |")
    return "\n".join(lines) + "\n"


def to_systemrdl(regmap: RegisterMap) -> str:
    """SystemRDL 2.0, from which PeakRDL makes HTML, IP-XACT, UVM and more."""
    lines = [f"addrmap {regmap.name} {{", f'    desc = "{regmap.doc}";',
             f"    default regwidth = {regmap.width};"]
    for register in regmap:
        lines += ["    reg {", f'        desc = "{register.doc}";']
        for field in register:
            reset = f" = {field.reset:#x}" if field.access in (Access.RW, Access.W1C) else ""
            lines.append(f'        field {{ desc = "{field.doc}"; {_RDL[field.access]} }} '
                         f"{field.name}[{field.msb}:{field.lsb}]{reset};")
        lines.append(f"    }} {register.name} @ {register.offset:#x};")
    return "\n".join([*lines, "};"]) + "\n"
