"""Exports: read back by an independent compiler, or by a few lines of Python, and compared."""

import enum
import importlib
import pkgutil
import re

import pytest
import systemrdl

import rtl.spec
from rtl.spec.bits import BitLayout
from rtl.spec.cache_regs import CACHE_REGISTERS, CacheMode
from rtl.spec.export import (
    BASES,
    ENUMS,
    LAYOUTS,
    MAPS,
    export,
    to_c_header,
    to_markdown,
    to_systemrdl,
)
from rtl.spec.regmap import Access, Field, Register, RegisterMap

EXAMPLE = RegisterMap("example", 'One of each kind: "quoted" \\ | barred.', (
    Register("reg", 0x00, "A keyword of SystemRDL.", (
        Field("reset", 0, 1, Access.WO, "A property of SystemRDL."),
        Field("default", 4, 2, Access.RW, "Say \"x|y\".", reset=2, values=CacheMode))),
    Register("status", 0x104, "Status.", (
        Field("busy", 0, 1, Access.RO, "Busy."),
        Field("done", 1, 3, Access.W1C, "Done.", reset=5),
        Field("keep", 31, 1, Access.WARL, "Kept."))),
))


def test_catalogue_is_complete():
    """Whatever a module of the contract makes public is exported."""
    found = []
    for info in pkgutil.iter_modules(rtl.spec.__path__, "rtl.spec."):
        if info.name in ("rtl.spec.export", "rtl.spec.regmap"):
            continue
        module = importlib.import_module(info.name)
        for name in module.__all__:
            item = getattr(module, name)
            # What has no number, such as what a machine tells of its buses, is Python's own.
            if isinstance(item, RegisterMap | BitLayout) or (
                    isinstance(item, enum.EnumMeta) and
                    all(isinstance(member.value, int) for member in item)):
                found.append(item)
    listed = [*MAPS, *LAYOUTS, *ENUMS]
    assert sorted(map(repr, found)) == sorted(map(repr, listed))
    assert {regmap.name for regmap in MAPS} == set(BASES)


def compile_rdl(*paths):
    compiler = systemrdl.RDLCompiler()
    for path in paths:
        compiler.compile_file(str(path))
    return compiler.elaborate().top


def check_map(regmap, node):
    assert node.inst_name == regmap.name and node.get_property("desc") == regmap.doc
    for register, child in zip(regmap, node.registers(), strict=True):
        assert (register.name, register.offset) == (child.inst_name, child.address_offset)
        assert child.get_property("desc") == register.doc
        assert child.size == regmap.width // 8
        fields = sorted(register, key=lambda field: field.lsb)
        for field, leaf in zip(fields, child.fields(), strict=True):
            assert (field.name, field.lsb, field.msb) == (leaf.inst_name, leaf.lsb, leaf.msb)
            assert leaf.get_property("desc") == field.doc
            check_access(field, leaf)


def check_access(field, leaf):
    access = field.access
    assert leaf.is_sw_readable == (access is not Access.WO)
    assert leaf.is_sw_writable == (access is not Access.RO)
    assert leaf.is_hw_readable == (access is not Access.RO)
    assert leaf.is_hw_writable == (access in (Access.RO, Access.W1C, Access.WARL))
    clears = leaf.get_property("onwrite") is systemrdl.rdltypes.OnWriteType.woclr
    assert clears == (access is Access.W1C)
    assert leaf.get_property("swmod") == (access is Access.WO)
    assert (leaf.get_property("reset") or 0) == field.reset
    encoding = leaf.get_property("encode")
    codes = {} if encoding is None else {name: code.value
                                         for name, code in encoding.members.items()}
    assert codes == ({} if field.values is None else
                     {code.name: code.value for code in field.values})


@pytest.mark.parametrize("regmap", [*MAPS, EXAMPLE], ids=lambda regmap: regmap.name)
def test_systemrdl(tmp_path, regmap):
    (tmp_path / "map.rdl").write_text(to_systemrdl(regmap))
    check_map(regmap, compile_rdl(tmp_path / "map.rdl"))


def test_systemrdl_of_words(tmp_path):
    (tmp_path / "words.rdl").write_text(to_systemrdl([*ENUMS, *LAYOUTS], "words"))
    top = compile_rdl(tmp_path / "words.rdl")
    assert top.inst_name == "words"
    for k, (layout, node) in enumerate(zip(LAYOUTS, top.registers(), strict=True)):
        assert (node.inst_name, node.address_offset) == (layout.name, 8 * k)
        assert node.size == layout.width // 8
        assert {leaf.inst_name: (leaf.lsb, leaf.width) for leaf in node.fields()} == layout.fields
        assert all(leaf.is_sw_writable and leaf.is_sw_readable for leaf in node.fields())


MACROS = {
    "BIT": lambda n: 1 << n,
    "GENMASK": lambda high, low: (1 << high + 1) - (1 << low),
}
MACROS |= {f"{name}_ULL": macro for name, macro in MACROS.items()}


def constants(header: str) -> dict[str, int]:
    """Value of every constant of a C header."""
    _, _, body = header.partition("#endif\n")
    lines = [line for line in body.splitlines() if line.startswith("#define")]
    pairs = [re.fullmatch(r"#define +(\w+) +(.+?)(?: /\* .* \*/)?", line).groups()
             for line in lines]
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names)
    return {name: eval(text, MACROS.copy()) for name, text in pairs}


@pytest.mark.parametrize("regmap", [*MAPS, EXAMPLE], ids=lambda regmap: regmap.name)
def test_c_header(regmap):
    expected = {}
    for register in regmap:
        name = f"{regmap.name}_{register.name}".upper()
        expected[name] = register.offset
        expected |= {f"{name}_{field.name.upper()}": field.mask for field in register}
    assert constants(to_c_header([regmap])) == expected


def test_c_header_of_words():
    header = to_c_header([*ENUMS, *LAYOUTS])
    values = constants(header)
    for layout in LAYOUTS:
        for field in layout:
            assert values.pop(f"{layout.name}_{field}".upper()) == layout.mask(field)
    assert values.pop("TRANSACTION_TYPE_TRANSLATED_READ") == 6
    assert values.pop("IODIR_FUNC3_INVAL_PDT") == 1
    assert values.pop("CDMA_WORD_STATUS") == 0x1C
    assert len(values) == sum(map(len, ENUMS)) - 3
    assert "PTE_PPN                                  GENMASK_ULL(53, 10)\n" in header
    assert "CDMA_STATUS_CMPLT                        BIT(31)\n" in header


def test_names_are_unique(tmp_path):
    """All headers may be included together."""
    seen = {}
    for path in export(tmp_path):
        if path.suffix == ".h":
            for name in constants(path.read_text()):
                assert seen.setdefault(name, path.name) == path.name


def test_markdown():
    text = to_markdown([CACHE_REGISTERS, LAYOUTS[0], CacheMode])
    lines = text.splitlines()
    assert "| 0x010 | **ctl** |  |  |  |  | Maintenance command; the write starts it. |" in lines
    assert ("|  |  | 2:1 | mode | rw | 0x0 | Operation; 3 is refused: status.refused. "
            "0: CLEAN_INVALIDATE, 1: MAKE_INVALIDATE, 2: CLEAN_SHARED. |") in lines
    assert "| 37:32 | pas |" in lines and "| 42 | nl |" in lines
    assert "| 2 | CLEAN_SHARED |" in lines
    assert "Say \"x\\|y\"." in to_markdown([EXAMPLE])
    columns = [line.replace("\\|", "").count("|") for line in lines if line.startswith("|")]
    assert set(columns) == {8, 3}


def test_export(tmp_path):
    folder = tmp_path / "new" / "one"
    paths = export(folder)
    assert sorted(folder.iterdir()) == sorted(paths)
    names = {regmap.name for regmap in MAPS} | {"formats"}
    assert {path.name for path in paths} == {"system.rdl"} | {
        f"{name}.{suffix}" for name in names for suffix in ("h", "md", "rdl")}
    assert (folder / "cache.h").read_text() == to_c_header([CACHE_REGISTERS])

    top = compile_rdl(folder / "system.rdl")
    for regmap, node in zip(MAPS, top.children(), strict=True):
        assert node.absolute_address == BASES[regmap.name]
        check_map(regmap, node)
