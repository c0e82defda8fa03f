"""The contract for other tools and for people: C headers, Markdown, SystemRDL."""

from pathlib import Path

from .c_header import to_c_header
from .catalogue import BASES, ENUMS, LAYOUTS, MAPS
from .markdown import to_markdown
from .systemrdl import to_systemrdl

__all__ = ["BASES", "ENUMS", "LAYOUTS", "MAPS", "export", "to_c_header", "to_markdown",
           "to_systemrdl"]


def export(folder: Path | str) -> list[Path]:
    """Write the whole contract below ``folder``, which is made if it is missing.

    For each register map ``<map>.h``, ``<map>.md`` and ``<map>.rdl``; the same for ``formats``, all
    words and codes in memory; and ``system.rdl``, all register maps at their bases.

    Returns
    -------
    list of Path
        What was written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {}
    for regmap in MAPS:
        texts[f"{regmap.name}.h"] = to_c_header([regmap])
        texts[f"{regmap.name}.md"] = to_markdown([regmap])
        texts[f"{regmap.name}.rdl"] = to_systemrdl(regmap)
    formats = [*ENUMS, *LAYOUTS]
    texts["formats.h"] = to_c_header(formats)
    texts["formats.md"] = to_markdown(formats)
    texts["formats.rdl"] = to_systemrdl(formats, "formats")
    texts["system.rdl"] = _system()
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def _system() -> str:
    names = [regmap.name for regmap in MAPS]
    return "\n".join([
        *(f'`include "{name}.rdl"' for name in names),
        "addrmap dmapath {", '    desc = "Registers of the reference system.";',
        *(f"    {name} {name} @ {BASES[name]:#x};" for name in names), "};"]) + "\n"
